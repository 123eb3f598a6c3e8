"""The list of projects: search, filters, order and pages over a release's search.sqlite."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, fields
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import quote

PAGE_SIZE = 20
# What "sort by" offers, and the order each gives; a missing value always comes last, the row number ends every tie.
ORDERS = {
    "relevance": "rank",
    "title": "title COLLATE NOCASE",
    "start": "start_date IS NULL, start_date DESC",
    "end": "end_date IS NULL, end_date DESC",
    "programmed": "programmed_amount IS NULL, programmed_amount DESC",
    "admitted": "admitted_amount IS NULL, admitted_amount DESC",
    "committed": "committed_amount IS NULL, committed_amount DESC",
    "disbursed": "disbursed_amount IS NULL, disbursed_amount DESC",
    "problems": "problems DESC",
}
FILTERS = ("city", "region", "source")
_SPACED_CUP = re.compile(r"[A-Za-z]\d\d[A-Za-z]\d\d\w{9}")


@dataclass(frozen=True)
class Wanted:
    """What a reader asks of the list."""

    words: str = ""
    city: str = ""
    region: str = ""
    source: str = ""
    sort: str = ""
    page: int = 1

    @classmethod
    def of(cls, arguments: Mapping[str, str]) -> Wanted:
        """From the arguments of an address; what makes no sense counts as not said."""
        page = arguments.get("page", "")
        sort = arguments.get("sort", "")
        return cls(
            words=" ".join(arguments.get("q", "").replace("\0", " ").split())[:300],
            **{name: arguments.get(name, "") for name in FILTERS},
            sort=sort if sort in ORDERS else "",
            page=max(1, int(page)) if page.isascii() and page.isdecimal() and len(page) < 10 else 1,
        )

    @property
    def order(self) -> str:
        """The order in force: the one asked for, else relevance for a search and title without one."""
        if self.sort and (self.sort != "relevance" or self.words):
            return self.sort
        return "relevance" if self.words else "title"

    def arguments(self, **changes: str | int) -> dict[str, str]:
        """The arguments of an address asking this, with changes; what is not said is left out."""
        values: dict[str, str | int] = {"q": self.words, **{f: getattr(self, f) for f in FILTERS}, "sort": self.sort}
        values |= {"page": self.page if self.page > 1 else "", **changes}
        return {name: str(value) for name, value in values.items() if value}


@dataclass(frozen=True)
class Row:
    """One operation of the list; amounts are decimal numerals in euro, dates ISO, None where the source has none."""

    path: str
    title: str
    description: str | None
    cup: str | None
    local_code: str | None
    city: str | None
    province: str | None
    region: str | None
    source: str
    start_date: str | None
    end_date: str | None
    programmed_amount: str | None
    admitted_amount: str | None
    committed_amount: str | None
    disbursed_amount: str | None
    problems: int


@dataclass(frozen=True)
class Found:
    """A page of the list: its rows, how many there are in all, and the number of the first (from 1)."""

    rows: list[Row]
    total: int
    page: int
    pages: int
    first: int

    @property
    def last(self) -> int:
        """The number of the last row of this page."""
        return self.first + len(self.rows) - 1


COLUMNS = tuple(field.name for field in fields(Row))


def match_expression(words: str) -> str:
    """A reader's words as an FTS5 query: each a quoted string (nothing in it is syntax), all wanted, the last a prefix.

    A CUP written with spaces counts as one word. https://www.sqlite.org/fts5.html#fts5_strings
    """
    together = words.replace(" ", "")
    tokens = [together] if _SPACED_CUP.fullmatch(together) else words.split()
    # A word with no letter or digit has no token: it would match nothing and hide all the rest.
    quoted = ['"' + t.replace('"', '""') + '"' for t in tokens if any(c.isalnum() for c in t)]
    return " ".join(quoted) + "*" if quoted else ""


def _money(value: float | None) -> str | None:
    # The index keeps amounts as REAL; repr is the shortest decimal that gives this float, so cents come back exact.
    return None if value is None else f"{Decimal(repr(value)):.2f}"


def opened(release: Path) -> sqlite3.Connection:
    """The index of a release, to be read; it never changes."""
    index = quote(str((release / "search.sqlite").resolve()))
    return sqlite3.connect(f"file:{index}?mode=ro&immutable=1", uri=True)


class Listing:
    """The search index of one release, open for reading for as long as a `with` block lasts."""

    def __init__(self, release: Path) -> None:
        self._db = opened(release)
        self._db.row_factory = sqlite3.Row

    def __enter__(self) -> Listing:  # noqa: D105 - the class says what a `with` block does
        return self

    def __exit__(self, *error: object) -> None:  # noqa: D105
        self._db.close()

    def find(self, wanted: Wanted) -> Found:
        """The page asked for; a page past the end gives the last one."""
        source, values = self._source(wanted)
        total = int(self._db.execute(f"SELECT count(*) {source}", values).fetchone()[0])
        pages = max(1, -(-total // PAGE_SIZE))
        page = min(wanted.page, pages)
        first = (page - 1) * PAGE_SIZE
        return Found(list(self._rows(wanted, f"LIMIT {PAGE_SIZE} OFFSET {first}")), total, page, pages, first + 1)

    def all(self, wanted: Wanted) -> Iterator[Row]:
        """Every row found, whatever the page."""
        return self._rows(wanted, "")

    def choices(self, column: str) -> list[tuple[str, int]]:
        """The values of a filter's column, with how many operations each has."""
        if column not in FILTERS:
            raise ValueError(f"no filter: {column}")
        query = f"SELECT {column}, count(*) FROM project WHERE {column} <> '' GROUP BY 1 ORDER BY 1 COLLATE NOCASE"  # noqa: S608 - one of ours
        return [(str(value), int(number)) for value, number in self._db.execute(query)]

    def numbers(self) -> tuple[int, int]:
        """How many operations and how many different CUPs the release has."""
        operations, cups = self._db.execute("SELECT count(*), count(DISTINCT nullif(cup, '')) FROM project").fetchone()
        return int(operations), int(cups)

    def example(self) -> Row | None:
        """An operation worth looking at: one with amounts and a few problems, the same at every call."""
        query = "SELECT * FROM project ORDER BY problems = 0, disbursed_amount IS NULL, problems, rowid LIMIT 1"
        row = self._db.execute(query).fetchone()
        return None if row is None else _row(row)

    def _source(self, wanted: Wanted) -> tuple[str, list[str]]:
        conditions, values = [], []
        source = "FROM project"
        if wanted.words:
            expression = match_expression(wanted.words)
            if not expression:
                return "FROM project WHERE 0", []
            source += " JOIN project_fts ON project_fts.rowid = project.rowid"
            conditions.append("project_fts MATCH ?")
            values.append(expression)
        for name in FILTERS:
            if value := getattr(wanted, name):
                conditions.append(f"project.{name} = ?")
                values.append(value)
        return source + (" WHERE " + " AND ".join(conditions) if conditions else ""), values

    def _rows(self, wanted: Wanted, limit: str) -> Iterator[Row]:
        source, values = self._source(wanted)
        columns = ", ".join(f"project.{c} AS {c}" for c in COLUMNS)
        # Names in ORDER BY mean the result's columns; `rank` is FTS5's own and there only in a search.
        order = ORDERS[wanted.order] if source != "FROM project WHERE 0" else "title"
        query = f"SELECT {columns} {source} ORDER BY {order}, project.rowid {limit}"
        with closing(self._db.execute(query, values)) as rows:
            for row in rows:
                yield _row(row)


def _row(row: sqlite3.Row) -> Row:
    cells: dict[str, Any] = {c: _money(row[c]) if c.endswith("_amount") else row[c] for c in COLUMNS}
    return Row(**cells)
