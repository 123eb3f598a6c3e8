"""The steps in their order: files are read, cleaned, mapped, validated, and laid down as a release.

Only this module and `publication`, which lays down what this one prepared, know the steps; none of them knows another.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import polars as pl

from etl import catalog, linked, mapping, problems, read, release, sheet, tabular, validate, values
from etl.publication import SHAPES, Clock, Linked, Prepared, background, lay_down
from etl.quality import linked_problems, shacl_problems, unusable_iris
from etl.settings import Settings
from etl.source import Source, sources
from etl.tables import published_readings, source_tables, with_records, without_doubles, without_persons

#: What was read of a sheet, field by field.
_READINGS: Final = pl.Schema(dict.fromkeys(("file", "field", "label", "raw", "place"), pl.String()))

#: Who is told how far the work has come: the stage, how many pieces of it are done, of how many.
Progress = Callable[[str, int, int], None]


def silent(stage: str, done: int, total: int) -> None:
    """Progress nobody hears of."""


class NothingToPublish(Exception):
    """No input had anything publishable; `problems` says why. The old release stays."""

    def __init__(self, found: pl.DataFrame) -> None:
        self.problems = found
        super().__init__("nothing to publish: no input held a usable record; the current release stays as it is")


@dataclass(frozen=True)
class Input:
    """One file to read: where it is, what it is called in what is published, and its source (None: nobody reads it)."""

    path: Path
    name: str
    source: Source | None


@dataclass(frozen=True)
class Built:
    """A finished release: its folder, manifest and problems."""

    folder: Path
    manifest: dict[str, Any]
    problems: pl.DataFrame


def find_inputs(paths: Sequence[Path], forced: Source | None = None) -> list[Input]:
    """The files named, or found in the folders named, each with the source that reads files of its name.

    In a folder only files some source reads are taken; a file named itself is taken whatever its name, so that
    it can be told when nobody reads it. Names are relative to the path given: no path of a machine is published.
    """
    known = [forced] if forced else list(sources().values())
    found: dict[Path, Input] = {}
    for path in paths:
        if path.is_dir():
            inside = sorted(p for p in path.rglob("*") if not p.is_dir() and not p.name.startswith("."))
            readable = [p for p in inside if any(s.reads(p) for s in known) or (not forced and linked.reads(p))]
            pairs = [(p, p.relative_to(path).as_posix()) for p in readable]
        else:
            pairs = [(path, path.name)]
        for file, name in pairs:
            reader = forced or next((s for s in known if s.reads(file)), None)
            found.setdefault(file.resolve(), Input(file, name, reader))
    return list(found.values())


def prepare(
    inputs: Sequence[Input],
    source: Source,
    settings: Settings,
    work: Path,
    progress: Progress = silent,
    clock: Clock | None = None,
) -> Prepared:
    """Read, clean, map and validate one source's files; tables and N-Quads are left in `work`.

    Records that validation refuses are withheld and the rest is mapped again, until nothing is refused.
    """
    clock = clock or Clock()
    with clock.stage("read"):
        readers = {"sheet": _read_sheets, "table": _read_tables}
        strings, readings, found, used = readers[source.form](inputs, source, progress)
    with clock.stage("clean"):
        cleaned = values.clean(strings, source)
        records, doubles = without_doubles(cleaned.table, source)
        readings = published_readings(readings, records)
        if not settings.publish_persons:
            records, readings = without_persons(records, readings, source)
    if source.form == "sheet":
        found = [with_records(problems.together(found), records)]
    found += [cleaned.problems, doubles]
    count = sum(entry["rows"] for entry in used) if source.form == "table" else len(inputs)
    rules = mapping.load(source.mapping, settings.base)
    shapes, ontology = validate.shapes_graph(SHAPES), [background(work, settings.base)]
    quads = work / f"{source.id}.nq"
    while True:
        tables = source_tables(records, readings, source)
        with clock.stage("map"):
            for stem, table in tables.items():
                table.write_parquet(work / f"{stem}.parquet")
            mapping.write(rules, work, quads)
            no_iris = mapping.refused(rules, work).collect()
        with clock.stage("validate"):
            checked = validate.validate(source.id, [quads], shapes, ontology, settings.validator)
            owners = mapping.subjects(rules, work).collect()
        told = shacl_problems(checked.results, owners, tables, source)
        refused = told.filter(pl.col("severity") == "violation")["record"].drop_nulls().unique()
        if refused.is_empty():
            found += [told, unusable_iris(no_iris, source)]
            return Prepared(source, tables, quads, problems.together(found), checked, rules.prefixes, used, count)
        found.append(told.filter(pl.col("record").is_in(refused.implode())))
        records, readings = (t.filter(~pl.col("record").is_in(refused.implode())) for t in (records, readings))


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


def build(
    paths: Sequence[Path], settings: Settings, forced: Source | None = None, progress: Progress = silent
) -> Built:
    """Build a release from files and folders and make it the current one.

    Raises NothingToPublish when no record is usable, release.ReleaseError when the folder cannot be written.
    """
    clock, inputs = Clock(), find_inputs(paths, forced)
    unread = [
        problems.one(
            "file.no-source",
            file=i.name,
            allowed=", ".join(p for s in sources().values() for p in s.patterns),
        )
        for i in inputs
        if i.source is None and not linked.reads(i.path)
    ]
    with release.building(settings.releases) as folder, tempfile.TemporaryDirectory(dir=folder) as temporary:
        work = Path(temporary)
        parts: list[Prepared | Linked] = [
            prepare([i for i in inputs if i.source == source], source, settings, work, progress, clock)
            for source in sources().values()
            if any(i.source == source for i in inputs)
        ]
        taken = {*sources(), *catalog.OWN_GRAPHS, "catalog"}
        files = [i for i in inputs if i.source is None and linked.reads(i.path)]
        parts += [prepare_linked(item, taken, settings, work, clock) for item in files]
        found = problems.together([*unread, *(part.problems for part in parts)]).sort("file", maintain_order=True)
        if not any(about["published"] for part in parts for about in part.about):
            raise NothingToPublish(found)
        progress("publish", 0, 1)
        manifest = lay_down(folder, work, parts, found, settings, clock)
        shutil.rmtree(work)
        done = release.finish(folder)
        release.switch(done)
        progress("publish", 1, 1)
    return Built(done, manifest, found)


# --- reading -----------------------------------------------------------------------------------------------------


def _read_sheets(
    inputs: Sequence[Input], source: Source, progress: Progress
) -> tuple[pl.DataFrame, pl.DataFrame, list[pl.DataFrame], list[dict[str, Any]]]:
    """Sheets as a table of strings (one row a sheet), their readings, what is wrong with the files, and the files."""
    rows: list[dict[str, str | None]] = []
    readings: list[dict[str, str | None]] = []
    found: list[pl.DataFrame] = []
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
    return (
        pl.DataFrame(rows, schema=dict.fromkeys(columns, pl.String)),
        pl.DataFrame(readings, schema=_READINGS),
        found,
        used,
    )


def _read_tables(
    inputs: Sequence[Input], source: Source, progress: Progress
) -> tuple[pl.DataFrame, pl.DataFrame, list[pl.DataFrame], list[dict[str, Any]]]:
    """Files of rows as one table of strings, no readings (a row's place says enough), what is wrong, and the files."""
    columns = ["file", "sha256", "place", *source.fields]
    rows = [pl.DataFrame(schema=dict.fromkeys(columns, pl.String))]
    found: list[pl.DataFrame] = []
    used: list[dict[str, Any]] = []
    progress("read", 0, len(inputs))
    for number, item in enumerate(inputs, start=1):
        context: dict[str, str | None] = {"source": source.id, "file": item.name}
        try:
            told = tabular.table(item.path, source)
        except problems.Unusable as unusable:
            found.append(problems.one(unusable.code, **context, **unusable.details))
        else:
            found += [problems.one("table.unknown-column", **context, label=label) for label in told.unknown]
            found += [problems.one("table.missing-column", **context, label=label) for label in told.missing]
            if not told.missing:
                named = told.rows.with_columns(file=pl.lit(item.name), sha256=pl.lit(told.sha256))
                rows.append(named.select(c for c in columns if c in named.columns))
            about = {"source": source.id, "file": item.name, "sha256": told.sha256, "bytes": told.size}
            used.append({**about, "rows": told.rows.height, "licence": source.licence, "retrieved": None})
        progress("read", number, len(inputs))
    return pl.concat(rows, how="diagonal"), pl.DataFrame(schema=_READINGS), found, used


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
