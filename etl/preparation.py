"""From files to what can be published of one source: read, cleaned, mapped and validated, piece by piece.

Two strides, because what one source publishes can depend on another's records: `collect` reads and cleans, `prepare`
makes the tables, validates them and writes the quads. Memory holds a piece at a time: a batch of rows while they are
read, a share of the records while they are validated.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final

import polars as pl

from etl import linked, mapping, problems, read, release, sheet, tabular, validate, values
from etl.publication import SHAPES, Clock, Linked, Prepared, background
from etl.quality import linked_problems, shacl_problems, unusable_iris
from etl.settings import Settings
from etl.source import Source
from etl.tables import first_of_each, persons, published_readings, source_tables, with_records

#: Statements validated together: they are held in memory, some 130 bytes each.
SHARE: Final = 5_000_000
#: What was read of a sheet, field by field.
_READINGS: Final = pl.Schema(dict.fromkeys(("file", "field", "label", "raw", "place"), pl.String()))

#: Who is told how far the work has come: the stage, how many pieces of it are done, of how many.
Progress = Callable[[str, int, int], None]


def silent(stage: str, done: int, total: int) -> None:
    """Progress nobody hears of."""


@dataclass(frozen=True)
class Input:
    """One file to read: where it is, what it is called in what is published, and its source (None: nobody reads it)."""

    path: Path
    name: str
    source: Source | None


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
    problems: list[pl.DataFrame]
    inputs: list[dict[str, Any]]
    read: int
    day: date | None = None
    elsewhere: dict[str, dict[str, int]] = field(default_factory=dict)


# --- reading and cleaning ----------------------------------------------------------------------------------------


def collect(
    inputs: Sequence[Input], source: Source, settings: Settings, work: Path, progress: Progress, clock: Clock
) -> Collected:
    """The records of a source's files, as Parquet in `work`; each key once, what is wrong told."""
    parts = work / f"{source.id}.parts"
    parts.mkdir()
    found: list[pl.DataFrame] = []
    if source.form == "sheet":
        with clock.stage("read"):
            strings, readings, used = _read_sheets(inputs, source, progress, found)
        with clock.stage("clean"):
            cleaned = values.clean(strings, source)
        cleaned.table.write_parquet(parts / "000001.parquet")
        wrong, count, raw = [cleaned.problems], len(inputs), list[Path]()
    else:
        readings = pl.DataFrame(schema=_READINGS)
        used, wrong, raw = _read_tables(inputs, source, progress, clock, parts, found)
        count = sum(entry["rows"] for entry in used)
    target = work / f"{source.id}.records.parquet"
    with clock.stage("clean"):
        records, doubles = first_of_each(pl.scan_parquet(parts / "*.parquet"), source)
        schema = records.collect_schema()
        if not settings.publish_persons:
            told = [name for name in persons(source) if name in schema]
            records = records.with_columns(pl.lit(None, schema[name]).alias(name) for name in told)
            readings = readings.filter(~pl.col("field").is_in(told))
            raw = [_without(each, source) for each in raw]
        records.sink_parquet(target, maintain_order=True)
        shutil.rmtree(parts)
        if source.form == "sheet":
            known = pl.read_parquet(target, columns=["record", "file"])
            readings = published_readings(readings, known)
            found = [with_records(problems.together(found), known)]
    dated = source.dated_by in schema and schema[source.dated_by].is_temporal()
    day = pl.scan_parquet(target).select(pl.col(source.dated_by).max()).collect().item() if dated else None
    return Collected(source, target, raw, readings, [*found, *wrong, doubles], used, count, _day(day))


def _day(value: Any) -> date | None:
    """The day of a date, a moment or nothing."""
    return value.date() if isinstance(value, datetime) else value if isinstance(value, date) else None


def _without(raw: Path, source: Source) -> Path:
    """The text of a table without the columns that tell persons."""
    told = {name.removesuffix("_person") for name in persons(source)}
    labels = {" ".join(label.split()).casefold() for name in told for label in (*source.fields[name].labels, name)}
    table = pl.scan_parquet(raw)
    gone = [c for c in table.collect_schema() if " ".join(c.split()).casefold() in labels]
    target = raw.with_suffix(".public.parquet")
    table.drop(gone).sink_parquet(target, maintain_order=True)
    return target


def leave_to_better(collected: Sequence[Collected], records: Mapping[str, Path], clock: Clock) -> None:
    """Take out the amounts that another source publishes of the same record, where a field says so (`better`).

    `records` are the tables of all sources. Such a field is one made of another (`of`), which stays: for comparing, and
    for an observation with its date. So a sum over all sources counts a record once, and nothing is lost.
    """
    for ours in collected:
        for told in ours.source.fields.values():
            for name in told.better:
                other, column = name.split(".")
                if other in records:
                    with clock.stage("clean"):
                        _leave(ours, told.name, records[other], other, column)


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


# --- mapping and validating --------------------------------------------------------------------------------------


def prepare(collected: Collected, settings: Settings, work: Path, progress: Progress, clock: Clock) -> Prepared:
    """Map and validate the records of a source; its tables and N-Quads are left in `work`.

    Records that validation refuses are withheld and the rest is mapped again, until nothing is refused.
    """
    source, found = collected.source, list(collected.problems)
    rules = mapping.load(source.mapping, settings.base)
    quads = work / f"{source.id}.nq"
    with clock.stage("map"):
        told = source_tables(pl.scan_parquet(collected.records), collected.readings, source)
        tables = {stem: work / f"{stem}.parquet" for stem in told}
        for stem, table in told.items():
            table.sink_parquet(tables[stem], maintain_order=True)
        written = mapping.write(rules, work, quads)
    checks, results, refused = _validated(quads, written, tables, rules, source, settings, work, progress, clock)
    found.append(results)
    if not refused.is_empty():
        with clock.stage("map"):
            gone = refused.to_frame().lazy()
            for path in tables.values():
                kept = path.with_suffix(".kept.parquet")
                pl.scan_parquet(path).join(gone, on="record", how="anti", maintain_order="left").sink_parquet(kept)
                kept.replace(path)
            mapping.write(rules, work, quads)
    found.append(unusable_iris(mapping.refused(rules, work).collect(), source))
    return Prepared(
        source=source,
        tables=tables,
        raw=collected.raw,
        quads=quads,
        problems=problems.together(found),
        report=b"\n".join(check.report for check in checks),
        validator=_validator(checks),
        prefixes=rules.prefixes,
        inputs=collected.inputs,
        read=collected.read,
        published=pl.scan_parquet(tables[source.id]).select(pl.len()).collect().item(),
        day=collected.day,
        elsewhere=collected.elsewhere,
    )


def _validated(
    quads: Path,
    written: int,
    tables: Mapping[str, Path],
    rules: mapping.Mapping,
    source: Source,
    settings: Settings,
    work: Path,
    progress: Progress,
    clock: Clock,
) -> tuple[list[validate.Validation], pl.DataFrame, pl.Series]:
    """Validate what a source would publish: the reports, the problems, and the records to withhold.

    What is too much for memory is mapped again and validated in shares. Where records share what is at fault, the first
    is withheld; if the rest is still at fault, all of them: else one would be withheld at a time.
    """
    total = max(1, -(-written // SHARE))
    checks: list[validate.Validation] = []
    found: list[pl.DataFrame] = [problems.empty()]
    refused = pl.Series("record", [], pl.String)
    frames: dict[str, pl.LazyFrame] = {stem: pl.scan_parquet(path) for stem, path in tables.items()}
    progress(source.id, 0, total)
    for number in range(total):
        share = frames if total == 1 else _share(frames, source, number, total)
        name = source.id if total == 1 else f"{source.id}:{number + 1}"
        mapped, again = quads if total == 1 else None, False
        while True:
            told, checked = _checked(name, share, mapped, again, rules, source, settings, work, clock)
            bad = told.filter(pl.col("severity") == "violation")["record"].drop_nulls().unique()
            if bad.is_empty():
                break
            found.append(told.filter(pl.col("record").is_in(bad.implode())))
            refused.extend(bad)
            without = bad.to_frame().lazy()
            share = {stem: frame.join(without, on="record", how="anti") for stem, frame in share.items()}
            mapped, again = None, True
        found.append(told)
        checks.append(checked)
        progress(source.id, number + 1, total)
    return checks, problems.together(found), refused


def _share(frames: Mapping[str, pl.LazyFrame], source: Source, number: int, total: int) -> dict[str, pl.LazyFrame]:
    """One share of the records and of their other tables: records that belong together are in one."""
    belongs = pl.col(source.together or "record").cast(pl.String).hash(0) % total
    own = frames[source.id].filter(belongs == number).collect()
    members = own.lazy().select("record")
    others = {stem: frame for stem, frame in frames.items() if stem != source.id}
    return {source.id: own.lazy()} | {
        stem: frame.join(members, on="record", how="semi", maintain_order="left").collect().lazy()
        for stem, frame in others.items()
    }


def _checked(
    name: str,
    tables: dict[str, pl.LazyFrame],
    mapped: Path | None,
    again: bool,
    rules: mapping.Mapping,
    source: Source,
    settings: Settings,
    work: Path,
    clock: Clock,
) -> tuple[pl.DataFrame, validate.Validation]:
    """The problems validation finds in tables, and all it says; `mapped` are their quads, if they are made already.

    When it is asked `again`, every record that shares what is at fault is held to account.
    """
    if mapped is None:
        mapped = work / "share.nq"
        with clock.stage("map"):
            mapping.write(rules, tables, mapped)
    with clock.stage("validate"):
        shapes, ontology = validate.shapes_graph(SHAPES), [background(work, settings.base)]
        checked = validate.validate(name, [mapped], shapes, ontology, settings.validator)
        focus = checked.results.select(iri="focus").unique()
        # In the order of the tables: of several records that share what is at fault, the first is held to account.
        owners = (
            mapping.subjects(rules, tables).join(focus.lazy(), on="iri", how="semi", maintain_order="left").collect()
        )
        members = owners.lazy().select("record").unique()
        about = {stem: frame.join(members, on="record", how="semi") for stem, frame in tables.items()}
        wanted = {stem: about[stem].collect() for stem in (source.id, f"{source.id}-readings") if stem in about}
        told = shacl_problems(checked.results, owners, wanted, source.id)
        if again and (faults := checked.results.filter(pl.col("severity") == "violation")).height:
            others = checked.results.filter(pl.col("severity") != "violation")
            every = shacl_problems(faults, owners, wanted, source.id, every_owner=True)
            told = problems.together([every, shacl_problems(others, owners, wanted, source.id)])
        return told, checked


def _validator(checks: Sequence[validate.Validation]) -> dict[str, Any]:
    """What the validations of all shares say of their engine, each shape that fell back once."""
    fell_back = {str(each): each for check in checks for each in check.validator["fell_back"]}
    return {**checks[0].validator, "fell_back": list(fell_back.values())}


def prepare_linked(item: Input, taken: set[str], settings: Settings, work: Path, clock: Clock | None = None) -> Linked:
    """Read and validate one file of linked data; with a fault of SHACL's it is withheld whole, for it has no records.

    `taken` are the graph names of other sources; those of this file are added.
    """
    clock, context = clock or Clock(), {"file": item.name}
    try:
        with clock.stage("read"):
            graphs = linked.graphs(item.path, settings.base, work)
    except problems.Unusable as unusable:
        return Linked(item.name, [], problems.one(unusable.code, **context, **unusable.details))
    if doubled := [graph.id for graph in graphs if graph.id in taken]:
        return Linked(item.name, [], problems.one("linked.graph-taken", **context, raw=", ".join(doubled)))
    with clock.stage("validate"):
        checked = validate.validate(
            item.path.stem,
            [graph.quads for graph in graphs],
            validate.shapes_graph(SHAPES),
            [background(work, settings.base)],
            settings.validator,
        )
    about = {graph.id: graph.subjects for graph in graphs}
    told = linked_problems(checked.results, about, item.name, settings.base)
    file = {"file": item.name, "sha256": release.sha256(item.path), "bytes": item.path.stat().st_size}
    used = [
        {"source": graph.id, **file, "rows": len(graph.subjects), "licence": graph.licence, "retrieved": None}
        for graph in graphs
    ]
    withheld = (told["severity"] == "violation").any()
    if not withheld:
        taken.update(graph.id for graph in graphs)
    validators = [{"source": item.name, **checked.validator}]
    return Linked(item.name, [] if withheld else graphs, told, checked.report, used, validators)


# --- reading -----------------------------------------------------------------------------------------------------


def _read_sheets(
    inputs: Sequence[Input], source: Source, progress: Progress, found: list[pl.DataFrame]
) -> tuple[pl.DataFrame, pl.DataFrame, list[dict[str, Any]]]:
    """Sheets as a table of strings (one row a sheet), their readings, and the files; what is wrong is added."""
    rows: list[dict[str, str | None]] = []
    readings: list[dict[str, str | None]] = []
    used: list[dict[str, Any]] = []
    progress("read", 0, len(inputs))
    for number, item in enumerate(inputs, start=1):
        context: dict[str, str | None] = {"source": source.id, "file": item.name}
        try:
            text = read.text(item.path)
            told = sheet.fields(text.lines, source)
        except problems.Unusable as unusable:
            found.append(problems.one(unusable.code, **context, **unusable.details))
        else:
            if text.encoding != "utf-8":
                found.append(problems.one("file.encoding", **context, found=text.encoding))
            found += [_note(note, context) for note in told.notes]
            rows.append(_row(told, item.name, text.sha256, source))
            readings += [
                {"file": item.name, "field": r.field, "label": r.label, "raw": r.value, "place": r.place}
                for r in told.readings
            ]
            about = {"source": source.id, "file": item.name, "sha256": text.sha256, "bytes": text.size}
            used.append({**about, "rows": 1, "licence": source.licence, "retrieved": None})
        progress("read", number, len(inputs))
    columns = ["file", "sha256", "place", *(c for f in source.fields for c in (f, f"{f}@place"))]
    return pl.DataFrame(rows, schema=dict.fromkeys(columns, pl.String)), pl.DataFrame(readings, schema=_READINGS), used


def _row(told: sheet.Sheet, name: str, sha256: str, source: Source) -> dict[str, str | None]:
    """A sheet as one row: each field's value and place, several values on lines of their own."""
    row: dict[str, str | None] = {"file": name, "sha256": sha256}
    for field_name in source.fields:
        mine = [r for r in told.readings if r.field == field_name]
        row[field_name] = "\n".join(r.value for r in mine) or None
        row[f"{field_name}@place"] = ", ".join(r.place for r in mine) or None
    return row


def _note(note: sheet.Note, context: dict[str, str | None]) -> pl.DataFrame:
    return problems.one(
        note.code, **context, field=note.field, label=note.label, raw=note.raw, place=note.place, **note.extra
    )


def _read_tables(
    inputs: Sequence[Input], source: Source, progress: Progress, clock: Clock, parts: Path, found: list[pl.DataFrame]
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
            batches = _batches(told, item.name, source, clock, opened)
        except problems.Unusable as unusable:
            found.append(problems.one(unusable.code, **context, **unusable.details))
        else:
            found += [problems.one("table.unknown-column", **context, label=label) for label in told.unknown]
            found += [problems.one("table.missing-column", **context, label=label) for label in told.missing]
            if told.encoding != "utf-8":
                found.append(problems.one("file.encoding", **context, found=told.encoding))
            if not told.missing:
                wrong += [batch.problems for batch in batches.cleaned]
                placeholders += [batch.placeholders for batch in batches.cleaned]
                for path in sorted(opened.glob("clean-*.parquet")):
                    path.rename(parts / f"{number:06d}-{path.name}")
            text = parts.with_name(f"{source.id}.{number}.raw.parquet")
            pl.scan_parquet(opened / "raw-*.parquet").sink_parquet(text, maintain_order=True)
            raw.append(text)
            about = {"source": source.id, "file": item.name, "sha256": told.sha256, "bytes": told.size}
            used.append({**about, "rows": batches.rows, "licence": source.licence, "retrieved": None})
        shutil.rmtree(opened)
        progress("read", number, len(inputs))
    told_all = [batch.filter(pl.col("code") != "value.placeholder") for batch in wrong]
    words = values.placeholder_problems(pl.concat([empty.placeholders, *placeholders]), source)
    return used, [*told_all, words], raw


@dataclass(frozen=True)
class _Batch:
    """What is left in memory of a batch of rows that was cleaned."""

    problems: pl.DataFrame
    placeholders: pl.DataFrame


@dataclass(frozen=True)
class _Batches:
    rows: int
    cleaned: list[_Batch]


def _batches(told: tabular.Table, name: str, source: Source, clock: Clock, folder: Path) -> _Batches:
    """All rows of a file, their text and what it is typed, as Parquet files in the folder; raises Unusable."""
    rows, cleaned, batches = 0, list[_Batch](), told.batches()
    pl.DataFrame(schema=dict.fromkeys(["@file", tabular.PLACE, *told.columns], pl.String)).write_parquet(
        folder / "raw-000000.parquet"
    )
    while True:
        with clock.stage("read"):
            batch = next(batches, None)
            if batch is None:
                return _Batches(rows, cleaned)
            number = f"{len(cleaned) + 1:06d}"
            batch.select(pl.lit(name).alias("@file"), tabular.PLACE, *told.columns).write_parquet(
                folder / f"raw-{number}.parquet"
            )
        with clock.stage("clean"):
            strings = told.strings(batch).with_columns(file=pl.lit(name), sha256=pl.lit(told.sha256))
            one = values.clean(strings, source)
            one.table.write_parquet(folder / f"clean-{number}.parquet")
            cleaned.append(_Batch(one.problems, one.placeholders))
            rows += batch.height
