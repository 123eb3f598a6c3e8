"""Two releases side by side: what came, went and changed, by CUP and field."""

from __future__ import annotations

import json
import os
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from etl import changes as module
from etl.changes import changes

A, B, C = "B11B99999990001", "B11B99999990002", "B11B99999990003"
PROJECTS: dict[str, list[Any]] = {
    "record": [f"X1/{A}", f"X2/{B}"],
    "label": ["one", "two"],
    "file": ["a.csv"] * 2,
    "place": ["row 1", "row 2"],
    "local_code": ["X1", "X2"],
    "cup": [A, B],
    "title": ["One", None],
    "total_funding": [Decimal("10.00"), Decimal("20.00")],
    "total_funding_iri": ["urn:a", "urn:b"],
}
BODIES: dict[str, list[Any]] = {
    "record": [f"X1/{A}", f"X1/{A}", f"X2/{B}"],
    "value": ["a", "b", "c"],
    "number": [1, 2, 1],
}


def release(folder: Path, tables: dict[str, dict[str, list[Any]]], linked: tuple[str, ...] = ()) -> Path:
    (folder / "tables").mkdir(parents=True)
    for stem, columns in tables.items():
        pl.DataFrame(columns).write_parquet(folder / "tables" / f"{stem}.parquet")
    ids = [*(stem for stem in tables if not stem.endswith(("bodies", "readings"))), *linked]
    (folder / "manifest.json").write_text(json.dumps({"sources": [{"id": name} for name in ids]}))
    return folder


def told(old: Path, new: Path) -> list[tuple[Any, ...]]:
    found = changes(old, new)
    assert found.schema == module.SCHEMA
    return found.rows()


def with_values(table: dict[str, list[Any]], **columns: list[Any]) -> dict[str, list[Any]]:
    return {**table, **columns}


def test_the_same_release_has_no_changes(tmp_path: Path) -> None:
    old = release(tmp_path / "old", {"invented": PROJECTS, "invented-bodies": BODIES})
    new = release(tmp_path / "new", {"invented": PROJECTS, "invented-bodies": BODIES})
    assert told(old, new) == told(old, old) == []


def test_a_value_changed_is_told_by_cup_and_field(tmp_path: Path) -> None:
    changed = with_values(PROJECTS, title=["One", "Two"], total_funding=[Decimal("10.00"), Decimal("20.01")])
    old, new = release(tmp_path / "old", {"invented": PROJECTS}), release(tmp_path / "new", {"invented": changed})
    assert told(old, new) == [
        ("invented", "changed", B, f"X2/{B}", "title", None, "Two"),
        ("invented", "changed", B, f"X2/{B}", "total_funding", "20.00", "20.01"),
    ]


def test_where_a_row_stands_and_what_is_looked_up_is_no_change(tmp_path: Path) -> None:
    moved = with_values(PROJECTS, place=["row 7", "row 8"], total_funding_iri=["urn:c", "urn:d"], label=["1", "2"])
    old, new = release(tmp_path / "old", {"invented": PROJECTS}), release(tmp_path / "new", {"invented": moved})
    assert told(old, new) == []


def test_records_that_came_and_went_are_one_row_each(tmp_path: Path) -> None:
    other = with_values(PROJECTS, record=[f"X1/{A}", f"X3/{C}"], cup=[A, C])
    old, new = release(tmp_path / "old", {"invented": PROJECTS}), release(tmp_path / "new", {"invented": other})
    assert told(old, new) == [
        ("invented", "added", C, f"X3/{C}", None, None, None),
        ("invented", "removed", B, f"X2/{B}", None, None, None),
    ]


def test_a_source_or_a_field_that_one_release_has_not_is_one_row(tmp_path: Path) -> None:
    wider = with_values(PROJECTS, status=["x", "y"])
    old = release(tmp_path / "old", {"invented": PROJECTS, "gone": PROJECTS}, linked=("a-graph",))
    new = release(tmp_path / "new", {"invented": wider, "come": PROJECTS, "invented-bodies": BODIES})
    assert told(old, new) == [
        ("a-graph", "source-removed", None, None, None, None, None),
        ("come", "source-added", None, None, None, None, None),
        ("gone", "source-removed", None, None, None, None, None),
        ("invented", "field-added", None, None, "bodies", None, None),
        ("invented", "field-added", None, None, "status", None, None),
    ]


def test_several_values_are_compared_as_a_set(tmp_path: Path) -> None:
    bodies = with_values(BODIES, record=[f"X1/{A}", f"X1/{A}", f"X2/{B}"], value=["b", "a", "d"], number=[1, 2, 1])
    old = release(tmp_path / "old", {"invented": PROJECTS, "invented-bodies": BODIES})
    new = release(tmp_path / "new", {"invented": PROJECTS, "invented-bodies": bodies})
    assert told(old, new) == [("invented", "changed", B, f"X2/{B}", "bodies", "c", "d")]


def test_a_type_that_changed_is_compared_as_text(tmp_path: Path) -> None:
    one, other = with_values(PROJECTS, title=["2020-01-01"] * 2), with_values(PROJECTS, title=[date(2020, 1, 1)] * 2)
    old, new = release(tmp_path / "old", {"invented": one}), release(tmp_path / "new", {"invented": other})
    assert told(old, new) == []


def test_a_source_without_cups_is_told_by_its_records(tmp_path: Path) -> None:
    bare = {"record": ["r"], "name": ["a"]}
    old = release(tmp_path / "old", {"invented": bare})
    new = release(tmp_path / "new", {"invented": with_values(bare, name=["b"])})
    assert told(old, new) == [("invented", "changed", None, "r", "name", "a", "b")]


def test_a_source_named_like_anothers_field_is_not_taken_for_it(tmp_path: Path) -> None:
    old = release(tmp_path / "old", {"pnrr-projects": PROJECTS, "pnrr-projects-2022": PROJECTS})
    new = release(
        tmp_path / "new", {"pnrr-projects": PROJECTS, "pnrr-projects-2022": with_values(PROJECTS, cup=[A, A])}
    )
    assert [row[0] for row in told(old, new)] == ["pnrr-projects-2022"]


def test_many_changed_records_are_told_like_few(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    changed = with_values(PROJECTS, title=["Uno", "Due"])
    old, new = release(tmp_path / "old", {"invented": PROJECTS}), release(tmp_path / "new", {"invented": changed})
    few = told(old, new)
    monkeypatch.setattr(module, "_CELLS", 0)
    assert told(old, new) == few
    assert len(few) == 2


def test_a_table_that_is_one_file_in_both_is_not_opened(tmp_path: Path) -> None:
    old, new = release(tmp_path / "old", {"invented": PROJECTS}), release(tmp_path / "new", {"invented": PROJECTS})
    table = new / "tables" / "invented.parquet"
    table.unlink()
    os.link(old / "tables" / "invented.parquet", table)
    table.write_bytes(b"no Parquet at all")  # in both: they are one file
    assert told(old, new) == []
