"""Layouts: a case is a document in tests/etl/layouts/<source> and a JSON file of what it says; add one by adding both.

`shows` says what the case is for. Of a document with one sheet, `readings` are [field, label, value, place], `groups`
[group, row, column, value, place], `notes` [code, label, raw, place]; of one with several, `sheets` is a list of these
three with the `place` where each begins. `nearest` are the known labels told of unknown ones, in their order.
"""

from __future__ import annotations

import json
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from etl import documents, layout, problems, sheet
from etl.documents.model import Document
from etl.source import Source, sources

LAYOUTS = Path(__file__).parent / "layouts"
CASES = sorted(path.with_suffix("") for path in LAYOUTS.glob("*/*.json"))
NAMES = sorted({case.parent.name for case in CASES})
FORMATS = (".txt", ".html")
#: Every layout has a full sheet, a sparse one, one in other words and another order, and one with unknown labels.
FEWEST = 4


def source_of(case: Path) -> Source:
    return sources()[case.parent.name]


@cache
def told(case: Path) -> dict[str, Any]:
    expected: dict[str, Any] = json.loads(case.with_suffix(".json").read_text(encoding="utf-8"))
    return expected


@cache
def opened(case: Path) -> Document:
    """The case's document, open."""
    return documents.read(next(path for ending in FORMATS if (path := case.with_suffix(ending)).is_file()))


@cache
def found(case: Path) -> list[tuple[str, sheet.Sheet]]:
    """The sheets read out of the case's document, each with the place where it begins."""
    document, source = opened(case), source_of(case)
    parts = layout.sheets(document, source)
    read_out = [(part.place, sheet.fields(part.lines, source)) for part in parts]
    if len(parts) == 1:
        return [(place, sheet.with_metadata(each, document.metadata, source)) for place, each in read_out]
    return read_out


def as_told(place: str, each: sheet.Sheet) -> dict[str, Any]:
    """What a sheet says, in the form of a case."""
    return {
        "place": place,
        "readings": [[r.field, r.label, r.value, r.place] for r in each.readings if not r.group],
        "groups": [[r.group, r.row, r.field, r.value, r.place] for r in each.readings if r.group],
        "notes": [[n.code, n.label, n.raw, n.place] for n in each.notes],
    }


def name_of(case: Path) -> str:
    return f"{case.parent.name}/{case.name}"


def test_every_document_is_a_case() -> None:
    found = {path.with_suffix("") for path in LAYOUTS.glob("*/*") if path.suffix in FORMATS}
    assert sorted(found) == CASES


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_case(case: Path) -> None:
    expected, got = told(case), found(case)
    sheets = expected.get("sheets") or [{"place": "", **expected}]
    for want, (place, each) in zip(sheets, got, strict=True):
        assert as_told(place, each) == {key: want.get(key, []) for key in ("place", "readings", "groups", "notes")}, (
            expected["shows"]
        )
    nearest = [note.extra["nearest"] for _, each in got for note in each.notes if "nearest" in note.extra]
    assert nearest == expected.get("nearest", nearest)


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_the_labels_tell_whose_document_it_is(case: Path) -> None:
    layouts = [source for source in sources().values() if source.form == "sheet"]
    assert [source.id for source in layout.recognised(opened(case), layouts)] == [case.parent.name]


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_every_note_has_all_its_message_needs(case: Path) -> None:
    for _, each in found(case):
        for note in each.notes:
            row = problems.one(
                note.code, field=note.field, label=note.label, raw=note.raw, place=note.place, **note.extra
            )
            assert "?" not in row["message_it"].item().replace(note.raw, "")


@pytest.mark.parametrize("name", NAMES)
def test_a_layout_has_its_kinds_of_cases(name: str) -> None:
    mine = [case for case in CASES if case.parent.name == name]
    notes = Counter(note.code for case in mine for _, each in found(case) for note in each.notes)
    assert len(mine) >= FEWEST
    assert notes["sheet.unknown-label"]


@pytest.mark.parametrize("name", NAMES)
def test_every_field_of_a_layout_is_read_in_some_case(name: str) -> None:
    """A field no sheet of ours has may have labels nobody writes."""
    readings = [r for case in CASES if case.parent.name == name for _, each in found(case) for r in each.readings]
    source = sources()[name]
    labelled = {("", field.name) for field in source.fields.values() if field.labels}
    columns = [column for group in source.groups.values() for column in group.columns.values()]
    labelled |= {(column.group, column.name) for column in columns if column.labels}
    assert {(r.group, r.field) for r in readings} >= labelled
