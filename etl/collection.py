"""The files of one source -> its records: read, cleaned, each key once, with what is wrong.

Memory holds a batch of rows at a time: what comes of it is left in Parquet files.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import count
from pathlib import Path
from typing import Any, Final

import polars as pl

from etl import persons, problems, sheets, tabular, values
from etl.clock import Clock
from etl.inputs import Input
from etl.settings import Settings
from etl.source import Source
from etl.tables import first_of_each, published_readings, with_records

#: Rows of text written at a time: a wide table's are some 50 MB.
_ROW_GROUP: Final = 50_000

#: Who is told how far the work has come: the stage, how many pieces of it are done, of how many.
Progress = Callable[[str, int, int], None]


def silent(stage: str, done: int, total: int) -> None:
    """Progress nobody hears of."""


@dataclass
class Collected:
    """What the files of a source hold: its records and the text they were read from, in Parquet; what is wrong.

    `read` counts the rows (or sheets), `day` is the source's own date, `elsewhere` the fields whose amount another
    source publishes better, with how often.
    """

    source: Source
    records: Path
    raw: list[Path]
    readings: pl.DataFrame
    groups: dict[str, pl.DataFrame]
    copies: dict[str, Path]
    problems: list[pl.DataFrame]
    inputs: list[dict[str, Any]]
    read: int
    day: date | None = None
    elsewhere: dict[str, dict[str, int]] = field(default_factory=dict)


def collect(
    inputs: Sequence[Input], source: Source, settings: Settings, work: Path, progress: Progress, clock: Clock
) -> Collected:
    """The records of a source's files, as Parquet in `work`; each key once, what is wrong told."""
    parts = work / f"{source.id}.parts"
    parts.mkdir()
    found: list[pl.DataFrame] = []
    groups: dict[str, pl.DataFrame] = {}
    copies: dict[str, Path] = {}
    if source.form == "sheet":
        with clock.stage("read"):
            read = sheets.read(
                inputs, source, lambda done: progress("read", done, len(inputs)), settings.publish_persons
            )
        with clock.stage("clean"):
            cleaned = values.clean(read.strings, source)
            grouped = _clean_groups(read, cleaned.table, source)
        groups = {name: each.table for name, each in grouped.items()}
        cleaned.table.write_parquet(parts / "000001.parquet")
        wrong = [cleaned.problems, *(each.problems for each in grouped.values())]
        readings, copies, used = read.readings, read.copies, read.inputs
        number, raw = read.count, list[Path]()
    else:
        readings = pl.DataFrame(schema=sheets.READINGS)
        used, wrong, raw = _read_tables(inputs, source, settings, progress, clock, parts, found)
        number = sum(entry["rows"] for entry in used)
    target = work / f"{source.id}.records.parquet"
    with clock.stage("clean"):
        records, doubles = first_of_each(pl.scan_parquet(parts / "*.parquet"), source)
        schema = records.collect_schema()
        records.sink_parquet(target, maintain_order=True)
        shutil.rmtree(parts)
        if source.form == "sheet":
            known = pl.read_parquet(target, columns=["record", "file", "place"])
            readings = published_readings(readings, known)
            found = [with_records(read.problems, known)]
    dated = source.dated_by in schema and schema[source.dated_by].is_temporal()
    day = pl.scan_parquet(target).select(pl.col(source.dated_by).max()).collect().item() if dated else None
    return Collected(source, target, raw, readings, groups, copies, [*found, *wrong, doubles], used, number, _day(day))


def _day(value: Any) -> date | None:
    """The day of a date, a moment or nothing."""
    return value.date() if isinstance(value, datetime) else value if isinstance(value, date) else None


def leave_to_better(ours: Collected, published: Mapping[str, Path]) -> None:
    """Take out the amounts that another source publishes of the same record, where a field says so (`better`).

    `published` are the records that other sources publish. Such a field is one made of another (`of`), which stays:
    for comparing, and for an observation with its date. So a sum over all sources counts a record once, and nothing is
    lost.
    """
    for told in ours.source.fields.values():
        for name in told.better:
            other, column = name.split(".")
            if other in published:
                _leave(ours, told.name, published[other], other, column)


def _leave(ours: Collected, field_name: str, theirs: Path, other: str, column: str) -> None:
    records = pl.scan_parquet(ours.records)
    better = pl.scan_parquet(theirs).filter(pl.col(column).is_not_null()).select("record", better=pl.lit(True))
    joined = records.join(better, on="record", how="left", maintain_order="left")
    left = pl.col("better") & pl.col(field_name).is_not_null()
    count = joined.select(left.sum()).collect().item() or 0
    if not count:
        return
    target = ours.records.with_suffix(".better.parquet")
    joined.with_columns(pl.when(left.is_null() | ~left).then(pl.col(field_name))).drop("better").sink_parquet(
        target, maintain_order=True
    )
    target.replace(ours.records)
    ours.elsewhere.setdefault(field_name, {})[other] = count
    ours.problems.append(
        problems.one(
            "amount.published-better",
            source=ours.source.id,
            field=field_name,
            found=str(count),
            other=f"{other}.{column}",
        )
    )


# --- reading -----------------------------------------------------------------------------------------------------


def _clean_groups(read: sheets.Read, records: pl.DataFrame, source: Source) -> dict[str, values.Cleaned]:
    """The rows of each group, each with the record of its sheet."""
    known = records.select("record", "file", "place")
    return {
        name: values.clean_group(
            table.join(known, on=["file", "place"], how="left", nulls_equal=True, maintain_order="left"),
            source.groups[name],
            source,
        )
        for name, table in read.groups.items()
    }


def _types(source: Source, columns: Mapping[str, str]) -> dict[str, str]:
    """The type of each column that is a field's: `columns` tells which."""
    return {column: source.fields[name].type for column, name in columns.items()}


def _read_tables(
    inputs: Sequence[Input],
    source: Source,
    settings: Settings,
    progress: Progress,
    clock: Clock,
    parts: Path,
    found: list[pl.DataFrame],
) -> tuple[list[dict[str, Any]], list[pl.DataFrame], list[Path]]:
    """Files of rows, cleaned batch by batch into Parquet files in `parts`: the files, what is wrong, their text.

    A file that turns out to be broken half way gives nothing but the problem that says so.
    """
    used: list[dict[str, Any]] = []
    wrong: list[pl.DataFrame] = []
    placeholders: list[pl.DataFrame] = []
    raw: list[Path] = []
    empty = values.clean(pl.DataFrame(schema=dict.fromkeys(["file", "sha256", "place"], pl.String)), source)
    empty.table.write_parquet(parts / "000000.parquet")
    progress("read", 0, len(inputs))
    for number, item in enumerate(inputs, start=1):
        context: dict[str, str | None] = {"source": source.id, "file": item.name}
        opened = parts / f"{number}"
        opened.mkdir()
        try:
            with clock.stage("read"):
                told = tabular.table(item.path, source, opened)
            batches = _batches(told, item.name, source, settings, clock, opened)
        except problems.Unusable as unusable:
            found.append(problems.one(unusable.code, **context, **unusable.details))
        else:
            found += [problems.one("table.unknown-column", **context, label=label) for label in told.unknown]
            found += [problems.one("table.missing-column", **context, label=label) for label in told.missing]
            if told.encoding != "utf-8":
                found.append(problems.one("file.encoding", **context, found=told.encoding))
            if not told.missing:
                wrong += batches.problems
                placeholders += batches.placeholders
                for path in sorted(opened.glob("clean-*.parquet")):
                    path.rename(parts / f"{number:06d}-{path.name}")
            text = parts.with_name(f"{source.id}.{number}.raw.parquet")
            with clock.stage("read"):
                pl.scan_parquet(opened / "raw-*.parquet").sink_parquet(
                    text, maintain_order=True, row_group_size=_ROW_GROUP
                )
            raw.append(text)
            about = {"source": source.id, "file": item.name, "sha256": told.sha256, "bytes": told.size}
            used.append({**about, "rows": batches.rows, "licence": source.licence, "retrieved": None})
        shutil.rmtree(opened)
        progress("read", number, len(inputs))
    told_all = [batch.filter(pl.col("code") != "value.placeholder") for batch in wrong]
    words = values.placeholder_problems(pl.concat([empty.placeholders, *placeholders]), source)
    return used, [*told_all, words], raw


@dataclass
class _Batches:
    """What is left in memory of a file's rows, cleaned batch by batch."""

    rows: int = 0
    problems: list[pl.DataFrame] = field(default_factory=list)
    placeholders: list[pl.DataFrame] = field(default_factory=list)


def _batches(
    told: tabular.Table, name: str, source: Source, settings: Settings, clock: Clock, folder: Path
) -> _Batches:
    """All rows of a file, their text and what it is typed, as Parquet files in the folder; raises Unusable."""
    done, batches, types = _Batches(), told.batches(), _types(source, told.fields)
    pl.DataFrame(schema=dict.fromkeys(["@file", tabular.PLACE, *told.columns], pl.String)).write_parquet(
        folder / "raw-000000.parquet"
    )
    for number in count(1):
        with clock.stage("read"):
            batch = next(batches, None)
            if batch is None:
                break
            if not settings.publish_persons:
                batch = persons.table_without(batch, types)
            batch.select(pl.lit(name).alias("@file"), tabular.PLACE, *told.columns).write_parquet(
                folder / f"raw-{number:06d}.parquet"
            )
        with clock.stage("clean"):
            strings = told.strings(batch).with_columns(file=pl.lit(name), sha256=pl.lit(told.sha256))
            one = values.clean(strings, source)
            one.table.write_parquet(folder / f"clean-{number:06d}.parquet")
        done.rows += batch.height
        done.problems.append(one.problems)
        done.placeholders.append(one.placeholders)
    return done
