"""What changed between two releases, by CUP and field: from their tables, never from their graphs.

Memory holds the codes of a source's records and what changed, whatever the length of the tables; a table that is the
same file in both (an unchanged source is linked from one release to the next) is not opened.
"""

from __future__ import annotations

import filecmp
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Final, Literal

import polars as pl

from etl.source import sources

Change = Literal["source-added", "source-removed", "field-added", "field-removed", "added", "removed", "changed"]
CHANGES: Final[tuple[str, ...]] = Change.__args__  # type: ignore[attr-defined]

#: `change` says what happened: to a whole source, to a field of it, to a record, or to one value of one record, which
#: alone has `old` and `new`.
SCHEMA: Final = pl.Schema(
    {
        "source": pl.String(), "change": pl.Enum(CHANGES), "cup": pl.String(), "record": pl.String(),
        "field": pl.String(), "old": pl.String(), "new": pl.String(),
    }
)  # fmt: skip

_WHERE: Final = (
    "record",
    "label",
    "file",
    "sha256",
    "copy",
    "place",
)  # where a record was read, and what is made of its values
_MADE: Final = ("_iri", "_label", "_slug", "_name")  # what is looked up for a code, when we don't know the fields
_CELLS: Final = 10_000_000  # of changed records, that are taken into memory at once


def changes(old: Path, new: Path) -> pl.DataFrame:
    """What changed from one release folder to the other: columns source, change, cup, record, field, old, new.

    A source, or a field, that only one of them has is one row: what it holds is not told row by row.
    """
    before, after = _sources(old), _sources(new)
    told = [SCHEMA.to_frame()]
    for source in sorted(before | after):
        if source not in before or source not in after:
            told.append(_row(source, "source-added" if source in after else "source-removed"))
        elif after[source] and before[source]:
            told += _of_source(source, old / "tables", new / "tables")
    return pl.concat(told).sort("source", "change", "cup", "record", "field", nulls_last=True)


def _sources(release: Path) -> dict[str, bool]:
    """The sources of a release, and whether each has a table (linked data has none)."""
    manifest = json.loads((release / "manifest.json").read_text(encoding="utf-8"))
    return {each["id"]: (release / "tables" / f"{each['id']}.parquet").is_file() for each in manifest["sources"]}


def _of_source(source: str, old: Path, new: Path) -> Iterable[pl.DataFrame]:
    """What changed in the records of a source, then in its fields of several values."""
    before, after = (pl.scan_parquet(folder / f"{source}.parquet", glob=False) for folder in (old, new))
    if not _same(old / f"{source}.parquet", new / f"{source}.parquet"):
        yield from _records(source, before, after)
    for name in sorted(_children(source, old) | _children(source, new)):
        first, second = (folder / f"{source}-{name}.parquet" for folder in (old, new))
        if first.is_file() != second.is_file():
            yield _row(source, "field-added" if second.is_file() else "field-removed", name)
        elif not _same(first, second):
            both = _codes(after).join(before.select("record"), on="record", how="semi")
            yield _values(source, name, pl.scan_parquet(first), pl.scan_parquet(second), both)


def _records(source: str, before: pl.LazyFrame, after: pl.LazyFrame) -> Iterable[pl.DataFrame]:
    """Records that came and went, then the values of those that stayed."""
    mine, yours = _fields(source, before), _fields(source, after)
    for name in sorted(mine ^ yours):
        yield _row(source, "field-added" if name in yours else "field-removed", name)
    fields = sorted(mine & yours)
    first, second = (frame.select("record", *(_text(frame, name) for name in fields)) for frame in (before, after))
    hashed = (
        frame.select("record", hash=pl.struct(*fields).hash() if fields else pl.lit(0)) for frame in (first, second)
    )
    joined = next(hashed).join(next(hashed), on="record", how="full", coalesce=True, suffix="_new")
    differ = joined.filter(pl.col("hash").ne_missing(pl.col("hash_new"))).collect(engine="streaming")
    sides: tuple[tuple[Change, str, pl.LazyFrame], ...] = (
        ("added", "hash", _codes(after)), ("removed", "hash_new", _codes(before)),
    )  # fmt: skip
    for change, column, codes in sides:
        gone = differ.filter(pl.col(column).is_null()).select("record").lazy()
        told = gone.join(codes, on="record", how="left", maintain_order="left").collect(engine="streaming")
        yield _shaped(told, source, change)
    stayed = differ.drop_nulls().select("record")
    if stayed.is_empty():
        return
    codes = _codes(after).join(stayed.lazy(), on="record", how="semi")
    few = stayed.height * len(fields) <= _CELLS
    first, second, codes = (
        _kept(frame.join(stayed.lazy(), on="record", how="semi"), few) for frame in (first, second, codes)
    )
    for name in fields:
        pair = first.select("record", old=name).join(second.select("record", new=name), on="record")
        unlike = pair.filter(pl.col("old").ne_missing(pl.col("new"))).join(codes, on="record", how="left")
        yield _shaped(unlike.collect(engine="streaming"), source, "changed", name)


def _values(source: str, name: str, before: pl.LazyFrame, after: pl.LazyFrame, both: pl.LazyFrame) -> pl.DataFrame:
    """The records whose set of values in a field of several is not the same; `both` are those in both releases."""
    first, second = (frame.select("record", pl.col("value").cast(pl.String)) for frame in (before, after))
    apart = [
        one.join(other, on=["record", "value"], how="anti", nulls_equal=True).select("record")
        for one, other in ((first, second), (second, first))
    ]
    differ = pl.concat(apart).unique().join(both, on="record").collect(engine="streaming").lazy()
    every = pl.col("value").unique().sort().str.join("; ")
    was, is_now = (
        frame.join(differ, on="record", how="semi").group_by("record").agg(every) for frame in (first, second)
    )
    told = differ.join(was.rename({"value": "old"}), on="record", how="left").join(
        is_now.rename({"value": "new"}), on="record", how="left"
    )
    return _shaped(told.collect(engine="streaming"), source, "changed", name)


def _fields(source: str, frame: pl.LazyFrame) -> set[str]:
    """The columns a source tells something in; what we look up for them (names, IRIs) changes when they do."""
    columns = set(frame.collect_schema().names()).difference(_WHERE)
    if known := sources().get(source):
        return {name for name in columns if name in known.fields or name.removesuffix("_person") in known.fields}
    return {name for name in columns if not name.endswith(_MADE)}


def _children(source: str, tables: Path) -> set[str]:
    """The fields of several values that have a table of their own."""
    others = [other for other in sources() if other.startswith(f"{source}-")]
    names = {path.stem.removeprefix(f"{source}-") for path in tables.glob(f"{source}-*.parquet")
             if not any(path.stem == other or path.stem.startswith(f"{other}-") for other in others)}  # fmt: skip
    if known := sources().get(source):
        return {name for name in names if name in known.fields}
    return names - {"readings"}


def _text(frame: pl.LazyFrame, name: str) -> pl.Expr:
    """A column as text: types may change from one release to the next, and then only the text tells."""
    dtype = frame.collect_schema()[name]
    column = pl.col(name)
    return column.cast(pl.List(pl.String)).list.join("; ") if isinstance(dtype, pl.List) else column.cast(pl.String)


def _codes(frame: pl.LazyFrame) -> pl.LazyFrame:
    """Each record's CUP, if the source has any."""
    known = "cup" in frame.collect_schema()
    return frame.select("record", cup=_text(frame, "cup") if known else pl.lit(None, pl.String))


def _kept(frame: pl.LazyFrame, few: bool) -> pl.LazyFrame:
    """The frame in memory if there is little of it: it will be asked field by field."""
    return frame.collect(engine="streaming").lazy() if few else frame


def _same(one: Path, other: Path) -> bool:
    """Whether two files are one, or alike byte by byte."""
    return one.samefile(other) or filecmp.cmp(one, other, shallow=False)


def _row(source: str, change: Change, field: str | None = None) -> pl.DataFrame:
    return _shaped(pl.DataFrame({"field": [field]}, schema={"field": pl.String}), source, change, field)


def _shaped(rows: pl.DataFrame, source: str, change: Change, field: str | None = None) -> pl.DataFrame:
    told = rows.with_columns(
        source=pl.lit(source), change=pl.lit(change, pl.Enum(CHANGES)), field=pl.lit(field, pl.String)
    )
    missing = [pl.lit(None, dtype).alias(name) for name, dtype in SCHEMA.items() if name not in told.columns]
    return told.with_columns(missing).select(SCHEMA.names())
