"""`cupola check CUP`, `check --list` and `link`: everything the sources say, through the command a person runs."""

from __future__ import annotations

import csv
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import xlsxwriter

from endpoint.dossier import dossier
from endpoint.dossier.many import summaries
from endpoint.release import NoRelease
from endpoint.settings import Settings
from etl import spreadsheet
from tests.etl.test_live import CUP, RECORD, Register, Reply, register

Cupola = Callable[..., "subprocess.CompletedProcess[str]"]
__all__ = ["register"]

#: CUPs of the examples: known to three sources that disagree; of two operations with payments; of no source.
BUSES, CLOUD, NOBODYS = "B31C20999990006", "C51C22999990009", "A11B22999990001"


@pytest.fixture(scope="module")
def releases(examples: Path, tmp_path_factory: pytest.TempPathFactory, cupola: Cupola) -> Path:
    """A release of the examples."""
    folder = tmp_path_factory.mktemp("examples") / "releases"
    assert cupola("build", examples, "--releases", folder).returncode in (0, 1)
    return folder


@pytest.fixture(scope="module")
def settings(releases: Path) -> Settings:
    return Settings(releases=releases)


@pytest.fixture(scope="module")
def buses(settings: Settings) -> dict[str, Any]:
    return dossier(settings, BUSES)


def said(told: dict[str, Any], field: str) -> dict[str, list[str]]:
    """What each source says of a field."""
    by_field = {each["field"]: each["sources"] for each in told["fields"]}
    return {source: [value["value"] for value in values] for source, values in by_field.get(field, {}).items()}


# --- the dossier -------------------------------------------------------------------------------------------------


def test_every_source_is_told_with_its_day_and_whether_it_knows_the_cup(buses: dict[str, Any]) -> None:
    known = {source["source"]: source["things"] for source in buses["sources"]}
    assert {source for source, things in known.items() if things} == {"ponmetro", "example-opencup", "example-tenders"}
    assert "example-pnrr" in known


def test_different_money_is_in_different_fields_and_never_added_up(buses: dict[str, Any]) -> None:
    assert said(buses, "cupola:totalCost") == {"example-opencup": ["2400000"]}
    assert said(buses, "cupola:programmedAmount") == {"ponmetro": ["2400000"]}


def test_what_stands_below_a_thing_is_told_with_it(buses: dict[str, Any]) -> None:
    assert said(buses, "cupola:ProjectHolder") == {"example-opencup": ["Ente di esempio per la mobilità di Genova"]}
    assert said(buses, "cupola:ImplementingBody") == {"ponmetro": ["Comune di Genova"]}
    assert said(buses, "CLV:Address")["example-opencup"] == ["Genova, Liguria"]


def test_contracts_are_told_with_their_suppliers(buses: dict[str, Any]) -> None:
    lots = {contract["cig"]: contract["sources"][0] for contract in buses["contracts"]}
    assert set(lots) == {"Z99999901A", "Z99999902B"}
    assert float(lots["Z99999901A"]["tendered"]) == 1_500_000
    (award,) = lots["Z99999901A"]["awards"]
    assert (float(award["amount"]), award["date"]) == (1_402_330.50, "2020-09-15")
    assert [(s["value"], s["code"]) for s in award["suppliers"]] == [("Esempio Telematica S.r.l.", "99999100001")]


def test_a_disagreement_gives_every_claim_and_chooses_none(buses: dict[str, Any]) -> None:
    (told,) = buses["discrepancies"]
    assert (told["field"], float(told["similarity"])) == ("title", 0.27)
    assert [(claim["source"], claim["date"]) for claim in told["claims"]] == [
        ("example-opencup", "2024-06-30"),
        ("ponmetro", "2023-01-31"),
    ]


def test_states_and_problems_are_told(buses: dict[str, Any]) -> None:
    assert {"source": "example-opencup", "state": "found", "date": "2024-06-30"} in buses["states"]
    assert "date.out-of-range" in {problem["code"] for problem in buses["problems"]}


def test_several_operations_of_a_cup_stay_apart(settings: Settings) -> None:
    told = dossier(settings, CLOUD, "it")
    operations = {v["thing"].rpartition("/")[2]: v["fields"] for v in told["views"] if v["source"] == "example-pnrr"}
    amounts = {code: f["cupola:totalFunding"][0]["value"] for code, f in operations.items() if "PRJ9" in code}
    assert {code: float(amount) for code, amount in amounts.items()} == {"PRJ99999-1": 252118, "PRJ99999-2": 79922}
    assert len(told["observations"]) == 5
    assert {each["phase"] for each in told["observations"]} == {"Finanziamento", "Pagamento"}


def test_a_cup_no_source_has_is_not_known(settings: Settings) -> None:
    told = dossier(settings, NOBODYS)
    assert not told["known"]
    assert (told["fields"], told["contracts"], told["discrepancies"]) == ([], [], [])
    assert all(source["things"] == 0 for source in told["sources"])


@pytest.mark.parametrize("text", ["", "b31c20999990006", BUSES + '" } #', "B31C2099999000６"])
def test_what_is_no_cup_is_never_asked(text: str, settings: Settings) -> None:
    with pytest.raises(ValueError, match="no well-formed CUP"):
        dossier(settings, text)
    with pytest.raises(ValueError, match="no well-formed CUP"):
        list(summaries(settings, [BUSES, text]))


def test_without_a_release_it_is_said(tmp_path: Path) -> None:
    with pytest.raises(NoRelease):
        dossier(Settings(releases=tmp_path), BUSES)


def test_many_cups_have_a_line_each_in_their_order(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("endpoint.dossier.many.AT_ONCE", 2)
    heard: list[tuple[int, int]] = []
    chunks = list(summaries(settings, [NOBODYS, BUSES, CLOUD], lambda done, total: heard.append((done, total))))
    assert [len(chunk) for chunk in chunks] == [2, 1]
    assert heard == [(2, 3), (3, 3)]
    nobodys, buses, cloud = (line for chunk in chunks for line in chunk)
    assert (nobodys["state"], nobodys["sources"]) == ("not-loaded", [])
    assert buses["sources"] == ["example-opencup", "example-tenders", "ponmetro"]
    assert (buses["contracts"], buses["discrepancies"], buses["disagreeing"]) == (2, 1, ["title"])
    assert buses["totalCost example-opencup"] == ["2400000"]
    assert cloud["totalFunding example-pnrr"] == ["79922", "252118"]


# --- check CUP ---------------------------------------------------------------------------------------------------


def test_check_shows_the_code_and_all_that_is_known(releases: Path, cupola: Cupola) -> None:
    ended = cupola("check", f"cup: {BUSES.lower()}", "--releases", releases)
    assert ended.returncode == 0, ended.stderr
    for expected in (
        "has the form of a CUP", "What each source says", "2,400,000.00", "Contracts", "Esempio Telematica S.r.l.",
        "Where the sources disagree", "as of 2023-01-31",
    ):  # fmt: skip
        assert expected in ended.stdout, expected


def test_check_tells_a_machine_the_same(releases: Path, cupola: Cupola) -> None:
    ended = cupola("check", BUSES, "--json", "--releases", releases)
    told = json.loads(ended.stdout)
    assert told["wellformed"]
    assert told["release"]["known"]
    assert told["release"]["discrepancies"][0]["field"] == "title"
    assert told["live"] is None


def test_check_of_an_unknown_cup_says_that_no_source_has_it(releases: Path, cupola: Cupola) -> None:
    ended = cupola("check", NOBODYS, "--releases", releases)
    assert ended.returncode == 0
    assert "No source of release" in ended.stdout


def test_check_without_a_release_still_explains_the_code(tmp_path: Path, cupola: Cupola) -> None:
    ended = cupola("check", BUSES, cwd=tmp_path)
    assert ended.returncode == 0
    assert "has the form of a CUP" in ended.stdout
    assert "cupola build" in ended.stderr


@pytest.mark.parametrize("arguments", [[], [BUSES, "--list", "a.csv"]])
def test_check_takes_one_thing_or_a_list(arguments: list[str], cupola: Cupola) -> None:
    ended = cupola("check", *arguments)
    assert ended.returncode == 2
    assert "either a sheet or a CUP, or --list FILE" in ended.stderr


# --- check --live ------------------------------------------------------------------------------------------------


@pytest.fixture
def live(register: Register, tmp_path: Path) -> dict[str, str]:
    """The settings of a live register."""
    return {"CUPOLA_OPENCUP_URL": f"{register.url}/{{cup}}", "CUPOLA_OPENCUP_CACHE": str(tmp_path / "answers.sqlite")}


def test_live_asks_the_register_and_keeps_the_answer(
    live: dict[str, str],
    register: Register,
    releases: Path,
    cupola: Cupola,
) -> None:
    environment = {**live, "CUPOLA_OPENCUP_KEY": "secret"}
    for kept in ("", "kept from then"):
        ended = cupola("check", CUP, "--live", "--releases", releases, **environment)
        assert ended.returncode == 0, ended.stderr
        assert ": found" in ended.stdout
        assert kept in ended.stdout
        assert RECORD["DESCRIZIONE_SINTETICA_CUP"] in ended.stdout
    assert [headers["authorization"] for _, headers in register.asked] == ["Bearer secret"]


def test_live_says_why_there_is_no_answer(
    live: dict[str, str],
    register: Register,
    releases: Path,
    cupola: Cupola,
) -> None:
    register.says(Reply(401, b""))
    ended = cupola("check", CUP, "--live", "--json", "--releases", releases, **live)
    told = json.loads(ended.stdout)["live"]
    assert (told["state"], told["record"]) == ("unreachable", None)
    assert "opencup_key" in told["why"]


def test_live_needs_an_address(releases: Path, cupola: Cupola) -> None:
    ended = cupola("check", CUP, "--live", "--releases", releases)
    assert ended.returncode == 2
    assert "opencup_url" in ended.stderr


def test_the_key_is_not_shown_among_the_settings(cupola: Cupola) -> None:
    for arguments in (["config"], ["config", "--json"]):
        ended = cupola(*arguments, CUPOLA_OPENCUP_KEY="very-secret")
        assert "opencup_key" in ended.stdout
        assert "very-secret" not in ended.stdout


# --- check --list ------------------------------------------------------------------------------------------------


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file, delimiter=";"))


def test_a_list_is_checked_line_by_line(releases: Path, tmp_path: Path, cupola: Cupola) -> None:
    path = tmp_path / "list.csv"
    path.write_text(f"n,CUP\n1,{BUSES}\n2,{CLOUD.lower()}\n3,{NOBODYS}\n4,C51C2299999\n5,\n")
    ended = cupola("check", "--list", path, "--releases", releases)
    assert ended.returncode == 1, ended.stderr
    assert "5 rows" in ended.stdout
    rows = rows_of(tmp_path / "list-checked.csv")
    assert [row["n"] for row in rows] == ["1", "2", "3", "4", "5"]
    assert [row["cup_state"] for row in rows] == ["found", "found", "not-loaded", "malformed", "empty"]
    assert rows[0]["sources"] == "example-opencup | example-tenders | ponmetro"
    assert (rows[0]["contracts"], rows[0]["disagreeing"]) == ("2", "title")
    assert rows[0]["disbursedAmount ponmetro"] == "2401118,09"
    assert "11 characters" in rows[3]["cup_problem"]


def test_a_list_of_a_spreadsheet_is_written_where_asked(releases: Path, tmp_path: Path, cupola: Cupola) -> None:
    path, target = tmp_path / "list.xlsx", tmp_path / "out.xlsx"
    with xlsxwriter.Workbook(path) as book:
        sheet = book.add_worksheet()
        sheet.write_row(0, 0, ["Codice", "Progetto"])
        sheet.write_row(1, 0, [BUSES, "uno"])
    ended = cupola("check", "--list", path, "-o", target, "--json", "--releases", releases)
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout) == {"rows": 1, "states": {"found": 1}, "file": str(target)}
    (row,) = spreadsheet.rows(target.read_bytes(), lambda names: "Progetto" in names).to_dicts()
    assert row["Progetto"] == "uno"


@pytest.mark.parametrize(
    ("content", "says"), [("a;b\n1;2\n", "no column holds CUPs"), ("", "empty"), (None, "not exist")]
)
def test_a_list_that_cannot_be_used_is_one_clear_line(
    content: str | None, says: str, releases: Path, tmp_path: Path, cupola: Cupola
) -> None:
    path = tmp_path / "list.csv"
    if content is not None:
        path.write_text(content)
    ended = cupola("check", "--list", path, "--releases", releases)
    assert ended.returncode == 2
    assert says in ended.stderr
    assert "Traceback" not in ended.stderr


# --- link --------------------------------------------------------------------------------------------------------


def test_a_spreadsheet_is_linked_to_opencup_without_a_release(tmp_path: Path, cupola: Cupola) -> None:
    mine, opencup = tmp_path / "mine.csv", tmp_path / "progetti.json"
    mine.write_text(f"CUP;nota\n{BUSES};a\n{NOBODYS};b\n?;c\n")
    record = {"CUP": BUSES, "COSTO_PROGETTO": "2400000", "DESCRIZIONE_SINTETICA_CUP": "AUTOBUS", "COMUNE": "GENOVA"}
    opencup.write_text(json.dumps({"opencup": [record, {**record, "CUP": CLOUD}]}))
    ended = cupola("link", "--opencup", opencup, mine, cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    rows = rows_of(tmp_path / "mine-linked.csv")
    assert [(row["nota"], row["cup_state"]) for row in rows] == [("a", "found"), ("b", "not-found"), ("c", "malformed")]
    assert (rows[0]["opencup_COSTO_PROGETTO"], rows[0]["opencup_COMUNE"]) == ("2400000", "GENOVA")
    assert rows[1]["opencup_COMUNE"] == ""


def test_the_portals_bulk_file_is_read_too(tmp_path: Path, cupola: Cupola) -> None:
    mine, opencup = tmp_path / "mine.csv", tmp_path / "OpendataProgetti.csv"
    mine.write_text(f"{BUSES}\n")
    opencup.write_text(f"CUP|COSTO_PROGETTO|DESCRIZIONE_SINTETICA_CUP\n{BUSES}|2400000|AUTOBUS\n")
    ended = cupola("link", "--opencup", opencup, mine, "-o", tmp_path / "out.csv")
    assert ended.returncode == 0, ended.stderr
    assert rows_of(tmp_path / "out.csv")[0]["opencup_DESCRIZIONE_SINTETICA_CUP"] == "AUTOBUS"
