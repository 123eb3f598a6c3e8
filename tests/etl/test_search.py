"""The full-text index finds a project by what people remember of it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import polars as pl

from etl import search

PROBLEMS = pl.DataFrame(
    {
        "iri": ["urn:c", "urn:b", "urn:a", "urn:d"],
        "severity": ["info", "warning", "violation", "violation"],
        "code": ["z.padded", "x", "y", "y"],
        "occurrences": [40, None, None, None],
        "title_it": ["Zeri", "Avviso", "Uno", "Due"],
        "title_en": ["Zeros", "Warning", "One", "Two"],
    }
)


def test_a_project_is_found_by_words_without_their_accents_and_listed_with_its_amounts(tmp_path: Path) -> None:
    records = pl.DataFrame(
        {
            "label": ["Velostazione", "Biblioteca"],
            "description": ["Più posti per le bici alla stazione", "Libri"],
            "cup": ["D31B19000010006", None],
            "city_name": ["Bologna", "Forlì"],
            "disbursed_amount": [Decimal("12.50"), None],
            "path": ["operation/x/1", "operation/x/2"],
            "source": ["x", "x"],
            "bodies": ["Comune di Bologna", None],
            "problems": [0, 3],
        }
    )
    assert search.write([records, records.head(0)], PROBLEMS.head(0), tmp_path / "search.sqlite") == 2
    with closing(sqlite3.connect(tmp_path / "search.sqlite")) as base:

        def found(words: str) -> list[tuple[str, float | None, int]]:
            asked = (
                "SELECT path, disbursed_amount, problems FROM project_fts "
                "JOIN project ON project.rowid = project_fts.rowid WHERE project_fts MATCH ?"
            )
            return base.execute(asked, (words,)).fetchall()

        assert found("piu bici") == [("operation/x/1", 12.5, 0)]
        assert found("forli") == [("operation/x/2", None, 3)]
        assert found("D31B19000010006") == [("operation/x/1", 12.5, 0)]
        assert found("aeroporto") == []


def test_problems_are_listed_the_gravest_first_and_counted_with_what_they_stand_for(tmp_path: Path) -> None:
    search.write([], PROBLEMS, tmp_path / "search.sqlite")
    with closing(sqlite3.connect(tmp_path / "search.sqlite")) as base:
        assert base.execute("SELECT iri FROM problem").fetchall() == [("urn:a",), ("urn:d",), ("urn:b",), ("urn:c",)]
        kinds = "SELECT severity, code, published, occurrences, title_en FROM problem_kind"
        assert base.execute(kinds).fetchall() == [
            ("violation", "y", 2, 2, None),  # of several words there are none for the kind
            ("warning", "x", 1, 1, "Warning"),
            ("info", "z.padded", 1, 40, "Zeros"),
        ]
