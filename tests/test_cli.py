"""The command line as a person meets it: what it prints, what it answers to bad input, its exit codes."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Cupola = Callable[..., "subprocess.CompletedProcess[str]"]

#: Files that are no sheet, and what must be said of each.
BAD_FILES = {
    "empty.txt": (b"", "file.empty"),
    "blank.txt": (b" \n\n\t\n", "file.empty"),
    "binary.txt": (bytes(range(256)) * 40, "file.binary"),
    "oneline.txt": (b"x" * 2_000_000, "file.line-too-long"),
    "prose.txt": ("La città è cresciuta in fretta.\n\nPoi si è fermata.\n".encode() * 5, "sheet.no-fields"),
}


@pytest.fixture
def good(examples: Path) -> Path:
    """A sheet with nothing wrong."""
    return examples / "bologna.txt" if (examples / "bologna.txt").exists() else min(examples.glob("*.txt"))


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_bad_file_is_one_clear_line_and_the_other_sheets_are_published(
    name: str, good: Path, tmp_path: Path, cupola: Cupola
) -> None:
    content, code = BAD_FILES[name]
    (tmp_path / name).write_bytes(content)
    ended = cupola("build", tmp_path / name, good, "--releases", tmp_path / "releases")
    assert ended.returncode == 1
    told = [line for line in ended.stderr.splitlines() if name in line]
    assert len(told) == 1, ended.stderr
    assert told[0].endswith(f"[{code}]")
    assert "1 of 2 sheets published" in ended.stdout
    assert (tmp_path / "releases" / "current" / "manifest.json").exists()


@pytest.mark.parametrize("name", BAD_FILES)
def test_checking_a_bad_file_exits_with_1_and_no_traceback(name: str, tmp_path: Path, cupola: Cupola) -> None:
    content, code = BAD_FILES[name]
    (tmp_path / name).write_bytes(content)
    ended = cupola("check", tmp_path / name)
    assert ended.returncode == 1
    assert f"[{code}]" in ended.stdout
    assert "Nothing would be published." in ended.stdout
    assert "Traceback" not in ended.stderr


def test_when_nothing_is_usable_the_old_release_stays(good: Path, tmp_path: Path, cupola: Cupola) -> None:
    releases = tmp_path / "releases"
    assert cupola("build", good, "--releases", releases).returncode == 0
    before = (releases / "current").resolve()
    (tmp_path / "empty.txt").write_bytes(b"")
    ended = cupola("build", tmp_path / "empty.txt", "--releases", releases)
    assert ended.returncode == 1
    assert "nothing to publish" in ended.stderr
    assert (releases / "current").resolve() == before


@pytest.mark.parametrize("content", ["", "{", "[]", '{"id": "2026-01-01T000000Z"}'])
@pytest.mark.parametrize("command", [("query", "ASK {}"), ("diff", "current"), ("serve", "--port", "0")], ids=" ".join)
def test_a_manifest_that_is_none_is_one_clear_line(
    command: tuple[str, ...], content: str, tmp_path: Path, cupola: Cupola
) -> None:
    folder = tmp_path / "releases" / "2026-01-01T000000Z"
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text(content)
    (tmp_path / "releases" / "current").symlink_to(folder.name)
    ended = cupola(*command, "--releases", tmp_path / "releases")
    assert ended.returncode == 2
    assert len(ended.stderr.splitlines()) == 1, ended.stderr
    assert "manifest" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_check_explains_a_cup(cupola: Cupola) -> None:
    ended = cupola("check", "C19J21037430006")
    assert ended.returncode == 0
    assert "2021" in ended.stdout
    assert json.loads(cupola("check", "C19J21037430006", "--json").stdout)["wellformed"] is True


@pytest.mark.parametrize("code", ["C19J2103743000", "C19J2103743OOO6", "CUP", "c19j 2103 7430 00x"])
def test_check_says_what_is_wrong_with_a_cup(code: str, cupola: Cupola) -> None:
    ended = cupola("check", code)
    assert ended.returncode == 1
    assert "is not a CUP" in ended.stdout
    assert "Traceback" not in ended.stderr


def test_check_shows_what_was_read_what_is_wrong_and_what_would_be_published(torino: Path, cupola: Cupola) -> None:
    ended = cupola("check", torino)
    assert ended.returncode == 1
    assert "30-09-0021" in ended.stdout
    assert "suggested, not applied: 2021-09-30" in ended.stdout
    assert "cupola:disbursedAmount 218177.38" in ended.stdout
    assert "cupola:startDate" not in ended.stdout
    told = json.loads(cupola("check", torino, "--json").stdout)
    assert [problem["code"] for problem in told["problems"]] == ["text.ocr-repaired", "date.out-of-range"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["build", "--source", "nessuna"], "there are: anac-cup-cig, "),
        (["build", "--nonsense"], "No such option"),
        (["check"], "Missing argument"),
        (["serve", "--releases", "nowhere"], "no release"),
        (["serve", "--port", "99999"], "99999"),
        (["diff", "2020-01-01T000000Z", "--releases", "nowhere"], "no release"),
        (["query", "SELECT * {}", "--releases", "nowhere"], "no release"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_wrong_usage_is_one_clear_line_and_exit_code_2(
    arguments: list[str], said: str, tmp_path: Path, cupola: Cupola
) -> None:
    ended = cupola(*arguments, cwd=tmp_path)
    assert ended.returncode == 2, ended.stdout
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_missing_file_is_told_by_its_name(tmp_path: Path, cupola: Cupola) -> None:
    for command in ("build", "check"):
        ended = cupola(command, "non-esiste.txt", cwd=tmp_path)
        assert ended.returncode == 1
        assert "non-esiste.txt" in ended.stdout + ended.stderr
        assert "file.not-found" in ended.stdout + ended.stderr


def test_a_setting_comes_from_the_option_the_environment_the_file_or_the_default(
    tmp_path: Path, cupola: Cupola
) -> None:
    (tmp_path / "cupola.toml").write_text("port = 8100\nquery_timeout = 12.5\npublish_persons = false\n")
    told = json.loads(cupola("config", "--json", cwd=tmp_path, CUPOLA_QUERY_TIMEOUT="7").stdout)
    assert (told["query_timeout"]["value"], told["query_timeout"]["origin"]) == (7.0, "CUPOLA_QUERY_TIMEOUT")
    assert (told["port"]["value"], told["port"]["origin"]) == (8100, "cupola.toml")
    assert told["publish_persons"]["value"] is False
    assert told["host"]["origin"] == "default"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("porto = 1", "unknown setting 'porto'"),
        ("port = 'otto'", "port = 'otto' (cupola.toml)"),
        ("publish_persons = 'forse'", "allowed: true or false"),
        ("port = ", "not TOML"),
        ("base = 'https://dati.example.it/cup'", "ends with /"),
    ],
)
def test_a_setting_that_cannot_be_is_one_clear_line(text: str, said: str, tmp_path: Path, cupola: Cupola) -> None:
    (tmp_path / "cupola.toml").write_text(text)
    ended = cupola("config", cwd=tmp_path)
    assert ended.returncode == 2
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr


def test_persons_are_not_published_when_the_deployment_says_so(good: Path, tmp_path: Path, cupola: Cupola) -> None:
    name = next(
        row["raw"] for row in json.loads(cupola("check", good, "--json").stdout)["read"] if row["field"] == "rup"
    )
    for allowed in ("true", "false"):
        releases = tmp_path / allowed
        cupola("build", good, "--releases", releases, CUPOLA_PUBLISH_PERSONS=allowed)
        asked = cupola("query", f'ASK {{ ?s ?p ?o FILTER(CONTAINS(STR(?o), "{name}")) }}', "--releases", releases)
        assert asked.stdout.strip().endswith(allowed)


def test_a_deployments_base_is_in_every_iri_but_the_ontologys(good: Path, tmp_path: Path, cupola: Cupola) -> None:
    releases = tmp_path / "releases"
    cupola("build", good, "--releases", releases, CUPOLA_BASE="https://dati.example.it/cup/")
    asked = cupola(
        "query", "SELECT DISTINCT ?s { GRAPH <https://dati.example.it/cup/graph/ponmetro> { ?s ?p ?o } }",
        "--releases", releases,
    )  # fmt: skip
    subjects = asked.stdout.split()[1:]
    assert any(s.startswith("https://dati.example.it/cup/id/operation/") for s in subjects)
    assert not any("w3id.org/cupola/id" in s for s in subjects)
