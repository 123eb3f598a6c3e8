"""Which files are read, as which source; a file is opened to be recognised once, and not again while it is the same."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from etl import documents, pipeline
from etl.inputs import find_inputs
from etl.release import ReleaseError
from etl.settings import Settings
from etl.source import sources

LAYOUTS = Path(__file__).parent / "layouts"


@pytest.fixture
def sheets(tmp_path: Path) -> Path:
    """A folder of sheets whose names say nothing of their layouts."""
    folder = tmp_path / "schede"
    folder.mkdir()
    for layout in ("opere", "opencoesione", "opencup-page"):
        shutil.copyfile(LAYOUTS / layout / "full.txt", folder / f"{layout[:6]}.txt")
    (folder / "niente.txt").write_text("Nessuna etichetta qui.\n", encoding="utf-8")
    return folder


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each file is opened as a document."""
    counted: Counter[str] = Counter()
    read = documents.read

    def counting(path: Path, charset: str = "") -> Any:
        counted[path.name] += 1
        return read(path, charset)

    monkeypatch.setattr(documents, "read", counting)
    return counted


def test_a_sheet_is_known_by_its_labels_whatever_its_name(sheets: Path) -> None:
    found = {item.name: item.source and item.source.id for item in find_inputs([sheets])}
    assert found == {
        "niente.txt": None,
        "opencu.txt": "opencup-page",
        "openco.txt": "opencoesione",
        "opere.txt": "opere",
    }


def test_a_file_is_opened_once_to_be_recognised_and_read(sheets: Path, tmp_path: Path, opened: Counter[str]) -> None:
    built = pipeline.build([sheets], Settings(releases=tmp_path / "releases", index=False))
    assert opened == {"niente.txt": 1, "opencu.txt": 1, "openco.txt": 1, "opere.txt": 1}
    assert {entry["file"] for entry in built.manifest["inputs"] if entry["recognised"]} == set(opened) - {"niente.txt"}


def test_a_sheet_that_stays_the_same_is_not_opened_to_know_it(
    sheets: Path, tmp_path: Path, opened: Counter[str]
) -> None:
    settings = Settings(releases=tmp_path / "releases", index=False)
    pipeline.build([sheets], settings)
    opened.clear()
    assert pipeline.build([sheets], settings).unchanged
    assert opened == {"niente.txt": 1}, "only what nobody reads is looked at again"
    shutil.copyfile(LAYOUTS / "opere" / "sparse.txt", sheets / "opere.txt")
    built = pipeline.build([sheets], settings)
    assert not built.unchanged
    assert opened["opere.txt"] == 1
    assert opened["opencu.txt"] == 0


def test_a_layout_that_was_forced_is_not_taken_for_recognised(sheets: Path, tmp_path: Path) -> None:
    settings = Settings(releases=tmp_path / "releases", index=False)
    path = sheets / "opere.txt"
    forced = pipeline.build([path], settings, sources()["piano-operativo"])
    assert [entry["source"] for entry in forced.manifest["inputs"]] == ["piano-operativo"]
    assert [entry["source"] for entry in pipeline.build([path], settings).manifest["inputs"]] == ["opere"]


def test_a_sheet_that_may_be_of_several_layouts_is_told_so_and_the_rest_goes_on(sheets: Path, tmp_path: Path) -> None:
    labels = ("CUP", "Titolo", "Descrizione", "RUP", "Data inizio", "Data fine")
    (sheets / "dubbio.txt").write_text("\n".join(f"{label}:" for label in labels), encoding="utf-8")
    built = pipeline.build([sheets], Settings(releases=tmp_path / "releases", index=False))
    (told,) = built.problems.filter(file="dubbio.txt").to_dicts()
    assert (told["code"], told["severity"]) == ("sheet.several-layouts", "violation")
    assert "--source" in told["message_en"]
    assert {entry["file"] for entry in built.manifest["inputs"]} == {"opencu.txt", "openco.txt", "opere.txt"}


def test_a_file_that_changes_while_it_is_published_stops_the_release(
    sheets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, read = Settings(releases=tmp_path / "releases", index=False), documents.read

    def changing(path: Path, charset: str = "") -> Any:
        document = read(path, charset)
        path.write_text("Tutt'altro.\n", encoding="utf-8")
        return document

    monkeypatch.setattr(documents, "read", changing)
    with pytest.raises(ReleaseError, match=r"opere\.txt: changed after it was read; nothing is published, build again"):
        pipeline.build([sheets / "opere.txt"], settings)
    assert not (tmp_path / "releases" / "current").exists()
