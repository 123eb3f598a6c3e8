"""The steps in their order: files are read, cleaned, mapped, validated, and laid down as a release.

The only module of this wing that knows the steps; none of them knows another.
"""

from __future__ import annotations

import io
import platform
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import polars as pl
import pyoxigraph as ox

from etl import catalog, linked, mapping, problems, read, release, search, sheet, validate, values
from etl.quality import linked_problems, publishable, shacl_problems, unusable_iris
from etl.settings import Settings
from etl.source import Source, sources
from etl.tables import listed, published_readings, source_tables, with_records, without_doubles, without_persons

_ETL: Final = Path(str(files("etl")))
SHAPES: Final = _ETL.parent / "shapes"
ONTOLOGY: Final = _ETL.parent / "ontology"
VIEWS: Final = ONTOLOGY / "views"
_FORMAT: Final = 1  # raise when the code makes other tables or dumps from the same inputs


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


@dataclass
class Prepared:
    """One source, ready to be published: `tables` by stem, the N-Quads file, and what is wrong."""

    source: Source
    tables: dict[str, pl.DataFrame]
    quads: Path
    problems: pl.DataFrame
    validation: validate.Validation
    prefixes: dict[str, str]
    inputs: list[dict[str, Any]]
    read: int

    @property
    def readings(self) -> pl.DataFrame:
        """What was read: one row a field."""
        return self.tables[f"{self.source.id}-readings"]

    @property
    def records(self) -> pl.DataFrame:
        """The records that are published, one row each."""
        return self.tables[self.source.id]

    @property
    def about(self) -> dict[str, Any]:
        """What the manifest says of the source."""
        return _about(self.source, self.read, self.records.height, self.problems.height)

    def turtle(self) -> str:
        """What would be published, as a person reads it: Turtle, with the prefixes of the mapping."""
        with self.quads.open("rb") as file:
            triples = sorted(
                (quad.triple for quad in ox.parse(file, format=ox.RdfFormat.N_QUADS)), key=lambda t: str(t.subject)
            )
        readable = {name: iri for name, iri in self.prefixes.items() if name != "id"}  # id:a\\/b is harder to read
        text = io.BytesIO()
        ox.serialize(triples, text, format=ox.RdfFormat.TURTLE, prefixes=readable)
        return text.getvalue().decode()


@dataclass(frozen=True)
class Linked:
    """A file of linked data, ready to be published: its graphs, or none when it is withheld, and what is wrong."""

    name: str
    graphs: list[linked.LinkedGraph]
    problems: pl.DataFrame
    report: bytes = b""
    inputs: Sequence[dict[str, Any]] = ()
    validator: dict[str, Any] | None = None


@dataclass(frozen=True)
class Built:
    """A finished release: its folder, manifest and problems."""

    folder: Path
    manifest: dict[str, Any]
    problems: pl.DataFrame


@dataclass
class Clock:
    """Seconds spent by stage."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count the time of the block towards the stage of this name."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = round(self.seconds.get(name, 0.0) + time.perf_counter() - start, 3)


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
        strings, readings, found, used = _read_sheets(inputs, source, progress)
    with clock.stage("clean"):
        cleaned = values.clean(strings, source)
        records, doubles = without_doubles(cleaned.table, source)
        readings = published_readings(readings, records)
        if not settings.publish_persons:
            records, readings = without_persons(records, readings, source)
    found = [with_records(problems.together(found), records), cleaned.problems, doubles]
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
            return Prepared(source, tables, quads, problems.together(found), checked, rules.prefixes, used, len(inputs))
        found.append(told.filter(pl.col("record").is_in(refused.implode())))
        records, readings = (t.filter(~pl.col("record").is_in(refused.implode())) for t in (records, readings))


def background(work: Path, base: str) -> Path:
    """The ontology and its code lists as one sorted N-Triples file in `work`, with the IRIs of the base given."""
    target = work / "ontology.nt"
    if not target.exists():
        triples = {
            linked.rebased(quad.triple, base)
            for path in sorted(ONTOLOGY.glob("*.ttl"))
            for quad in ox.parse(path=str(path), format=ox.RdfFormat.TURTLE)
        }
        with target.open("wb") as file:
            ox.serialize(sorted(triples, key=str), file, format=ox.RdfFormat.N_TRIPLES)
    return target


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
    told = linked_problems(checked.results, item.name)
    about = {"file": item.name, "sha256": release.sha256(item.path), "bytes": item.path.stat().st_size}
    used = [
        {"source": graph.id, **about, "rows": graph.subjects, "licence": graph.licence, "retrieved": None}
        for graph in graphs
    ]
    if (told["severity"] == "violation").any():
        return Linked(item.name, [], told, checked.report, used, checked.validator)
    taken.update(graph.id for graph in graphs)
    return Linked(item.name, graphs, told, checked.report, used, checked.validator)


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
        parts = [
            prepare([i for i in inputs if i.source == source], source, settings, work, progress, clock)
            for source in sources().values()
            if any(i.source == source for i in inputs)
        ]
        taken = {*sources(), *catalog.OWN_GRAPHS, "catalog"}
        files = [i for i in inputs if i.source is None and linked.reads(i.path)]
        ready = [prepare_linked(item, taken, settings, work, clock) for item in files]
        found = problems.together([*unread, *(p.problems for p in parts), *(p.problems for p in ready)])
        found = found.sort("file", maintain_order=True)
        if not any(part.records.height for part in parts) and not any(part.graphs for part in ready):
            raise NothingToPublish(found)
        progress("publish", 0, 1)
        manifest = _lay_down(folder, work, parts, ready, found, settings, clock)
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
        pl.DataFrame(readings, schema=dict.fromkeys(("file", "field", "label", "raw", "place"), pl.String)),
        found,
        used,
    )


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


# --- the release -------------------------------------------------------------------------------------------------


def _lay_down(
    folder: Path,
    work: Path,
    parts: Sequence[Prepared],
    ready: Sequence[Linked],
    found: pl.DataFrame,
    settings: Settings,
    clock: Clock,
) -> dict[str, Any]:
    """Everything of a release but its name; gives the manifest, written last."""
    with clock.stage("map"):
        published = {part.source.id: part.records for part in parts}
        publishable(found, published, settings.base).write_parquet(work / "problems.parquet")
        quality = work / "quality.nq"
        mapping.write(mapping.load(_ETL / "quality.yml", settings.base), work, quality)
        ontology = work / "ontology.nq"
        ontology.write_bytes(
            _named_graph(background(work, settings.base).read_text(), f"{settings.base}graph/ontology")
        )
    quads = [*(part.quads for part in parts), *(g.quads for part in ready for g in part.graphs), quality, ontology]
    with clock.stage("store"):
        release.store(folder, quads)
    with clock.stage("view"):
        views = [work / f"{query.stem}.nq" for query in sorted(VIEWS.glob("*.rq"))]
        for query, target in zip(sorted(VIEWS.glob("*.rq")), views, strict=True):
            release.view(folder, query, f"{settings.base}graph/{query.stem}", target)
    with clock.stage("dump"):
        graphs = []
        for path in [*quads, *views]:
            target = folder / "data" / f"{path.stem}.nq.gz"
            iri = f"{settings.base}graph/{path.stem}"
            graphs.append({"iri": iri, "file": f"data/{target.name}", **release.dump(path, target)})
        for part in parts:
            for stem, table in part.tables.items():
                table.write_parquet(folder / "tables" / f"{stem}.parquet")
        found.write_parquet(folder / "problems.parquet")
        validate.shapes_graph(SHAPES).serialize(folder / "shapes.ttl", format="turtle", encoding="utf-8")
        reports = [*(part.validation.report for part in parts), *(part.report for part in ready)]
        (folder / "validation.ttl").write_bytes(b"\n".join(reports))
    with clock.stage("search"):
        search.write((listed(part.tables, part.source, part.problems) for part in parts), folder / "search.sqlite")
    manifest = _manifest(folder, parts, ready, graphs, found, settings)
    with clock.stage("store"):
        described = catalog.describe(manifest, settings.publisher)
        described.serialize(folder / "catalog.ttl", format="turtle", encoding="utf-8")
        about = work / "catalog.nq"
        about.write_bytes(_named_graph(described.serialize(format="nt"), f"{settings.base}graph/catalog"))
        release.store(folder, [*views, about])
        release.optimize(folder)
    manifest["timings"] = clock.seconds
    release.write_manifest(folder, manifest)
    return manifest


def _manifest(
    folder: Path,
    parts: Sequence[Prepared],
    ready: Sequence[Linked],
    graphs: list[dict[str, Any]],
    found: pl.DataFrame,
    settings: Settings,
) -> dict[str, Any]:
    """What the release says of itself; the timings are added when all is done."""
    name = release.release_id(folder)
    packages = ("cupola", "polars", "pyoxigraph", "pyshacl", "shacl-rust", "yatter")
    severities = dict(found["severity"].value_counts().iter_rows())
    return {
        "id": name,
        "created": f"{name[:13]}:{name[13:15]}:{name[15:17]}Z",
        "base": settings.base,
        "format": _FORMAT,
        "inputs": [entry for used in (*(p.inputs for p in parts), *(p.inputs for p in ready)) for entry in used],
        "sources": [part.about for part in parts]
        + [_about(graph, graph.subjects, graph.subjects, 0) for part in ready for graph in part.graphs],
        "validators": [{"source": part.source.id, **part.validation.validator} for part in parts]
        + [{"source": part.name, **part.validator} for part in ready if part.validator],
        "withheld": [part.name for part in ready if not part.graphs],
        "mappings": {part.source.id: release.sha256(part.source.mapping) for part in parts},
        "shapes": {path.name: release.sha256(path) for path in sorted(SHAPES.glob("*.ttl"))},
        "graphs": graphs,
        "triples": sum(graph["triples"] for graph in graphs),
        "problems": {severity: severities.get(severity, 0) for severity in ("violation", "warning", "info")}
        | {"codes": dict(found["code"].value_counts().sort("code").iter_rows())},
        "versions": {"python": platform.python_version()} | {package: version(package) for package in packages},
    }


def _about(source: Source | linked.LinkedGraph, read: int, published: int, found: int) -> dict[str, Any]:
    """What the manifest says of a source: what it is, and the numbers of records (of resources, in linked data)."""
    return {
        "id": source.id, "title": source.title, "description": source.description, "publisher": source.publisher,
        "licence": source.licence, "homepage": source.homepage, "read": read, "published": published,
        "withheld": read - published, "problems": found,
    }  # fmt: skip


def _named_graph(triples: str, graph: str) -> bytes:
    """N-Triples as N-Quads in one graph."""
    lines = (line.rstrip().removesuffix(".").rstrip() for line in triples.splitlines() if line.strip())
    return "".join(f"{line} <{graph}> .\n" for line in lines).encode()
