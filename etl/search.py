"""The full-text index of a release: SQLite FTS5 over what people look for, and the columns lists are made of."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Final

import polars as pl

#: Columns of the `project` table and the columns of a source's records they come from: the first of these it has.
_COLUMNS: Final[dict[str, tuple[str, ...]]] = {
    "path": ("path",),
    "title": ("label",),
    "description": ("description",),
    "cup": ("cup",),
    "local_code": ("local_code",),
    "city": ("city_name", "municipality_name"),
    "province": ("province_name", "municipality_province_name"),
    "region": ("region_name", "municipality_region_name"),
    "source": ("source",),
    "start_date": ("start_date",),
    "end_date": ("end_date",),
    "programmed_amount": ("programmed_amount",),
    "admitted_amount": ("admitted_amount",),
    "committed_amount": ("committed_amount",),
    "disbursed_amount": ("disbursed_amount",),
    "problems": ("problems",),
}
#: The columns of records the index is made of.
ORIGINS: Final = tuple(dict.fromkeys(name for names in _COLUMNS.values() for name in names))
_TYPES: Final = {"problems": "INTEGER"} | dict.fromkeys([c for c in _COLUMNS if c.endswith("_amount")], "REAL")
_SEVERITIES: Final = {"violation": 0, "warning": 1, "info": 2}
_TEXT: Final = ("title", "description", "cup", "local_code", "city", "bodies")


def write(records: Iterable[pl.DataFrame], problems: pl.DataFrame, path: Path) -> int:
    """Write search.sqlite from records (one table a source) and problems; gives the number of records.

    A record table has the cleaned columns of its source (those missing are null), `path` (the IRI of what it is about,
    after `id/`), `source`, `bodies` (names, one text) and `problems` (how many). Amounts are in euro, as floating
    numbers: they order lists; exact amounts are in the tables and the graphs. `problems` is as quality.publishable has
    it.
    """
    with closing(sqlite3.connect(path)) as base, base:
        columns = ", ".join(f"{name} {_TYPES.get(name, 'TEXT')}" for name in _COLUMNS)
        base.execute(f"CREATE TABLE project ({columns})")
        base.execute(
            f"CREATE VIRTUAL TABLE project_fts USING fts5({', '.join(_TEXT)}, tokenize='unicode61 remove_diacritics 2')"
        )
        for table in records:
            _insert(base, table)
        base.execute("CREATE INDEX project_city ON project (city)")
        base.execute("CREATE INDEX project_cup ON project (cup)")
        _insert_problems(base, problems)
        base.execute("INSERT INTO project_fts(project_fts) VALUES ('optimize')")
        count: int = base.execute("SELECT count(*) FROM project").fetchone()[0]
    return count


def add_gone(gone: pl.DataFrame, path: Path) -> None:
    """Add to search.sqlite the resources that only earlier releases describe: columns path, last (a release's id)."""
    with closing(sqlite3.connect(path)) as base, base:
        base.execute("CREATE TABLE gone (path TEXT PRIMARY KEY, last TEXT) WITHOUT ROWID")
        base.executemany("INSERT INTO gone VALUES (?, ?)", gone.select("path", "last").iter_rows())


def _insert(base: sqlite3.Connection, table: pl.DataFrame) -> None:
    have = table.columns
    rows = table.select(
        *(
            pl.coalesce([pl.col(o) for o in origins if o in have] or pl.lit(None)).cast(_polars(name)).alias(name)
            for name, origins in _COLUMNS.items()
        ),
        pl.col("bodies").cast(pl.String) if "bodies" in have else pl.lit(None, pl.String).alias("bodies"),
    )
    start: int = base.execute("SELECT coalesce(max(rowid), 0) FROM project").fetchone()[0]
    numbered = rows.with_row_index("rowid", offset=start + 1)
    for target, columns in (("project", list(_COLUMNS)), ("project_fts", list(_TEXT))):
        names = ["rowid", *columns]
        statement = f"INSERT INTO {target} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"  # noqa: S608 - our own names
        base.executemany(statement, numbered.select(names).iter_rows())


def _insert_problems(base: sqlite3.Connection, problems: pl.DataFrame) -> None:
    """The problems in the order they are shown: the gravest first, then by code and IRI; and how many of each kind."""
    rank = pl.col("severity").replace_strict(_SEVERITIES, return_dtype=pl.Int64)
    rows = problems.with_columns(rank=rank, number=pl.coalesce("occurrences", 1)).sort("rank", "code", "iri")
    base.execute("CREATE TABLE problem (iri TEXT, severity TEXT, code TEXT)")
    base.executemany("INSERT INTO problem VALUES (?, ?, ?)", rows.select("iri", "severity", "code").iter_rows())
    base.execute("CREATE INDEX problem_of_kind ON problem (severity, code)")
    titles = {
        f"title_{language}": pl.when(pl.col(f"title_{language}").n_unique() == 1).then(
            pl.col(f"title_{language}").first()
        )
        for language in ("it", "en")
    }
    kinds = rows.group_by("severity", "code").agg(
        pl.len().alias("published"), pl.col("rank").first(), occurrences=pl.col("number").sum(), **titles
    )
    base.execute(
        "CREATE TABLE problem_kind"
        " (severity TEXT, code TEXT, published INTEGER, occurrences INTEGER, title_it TEXT, title_en TEXT)"
    )
    told = kinds.sort(["rank", "occurrences", "code"], descending=[False, True, False])
    columns = ("severity", "code", "published", "occurrences", "title_it", "title_en")
    base.executemany("INSERT INTO problem_kind VALUES (?, ?, ?, ?, ?, ?)", told.select(columns).iter_rows())


def _polars(name: str) -> pl.DataType:
    return {"INTEGER": pl.Int64(), "REAL": pl.Float64()}.get(_TYPES.get(name, "TEXT"), pl.String())
