"""What is ready to be published, and its laying down as the files of a release: graphs, tables, indexes, manifest."""

from __future__ import annotations

import io
import os
import platform
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import polars as pl
import pyoxigraph as ox

from etl import catalog, linked, mapping, release, search, validate
from etl.index import Index
from etl.quality import publishable, subjects_of
from etl.settings import Settings
from etl.source import Source
from etl.tables import listed

_ETL: Final = Path(str(files("etl")))
SHAPES: Final = _ETL.parent / "shapes"
ONTOLOGY: Final = _ETL.parent / "ontology"
VIEWS: Final = ONTOLOGY / "views"
_FORMAT: Final = 3  # raise when the code makes other tables or dumps from the same inputs


@dataclass
class Prepared:
    """One source, ready to be published: its tables by stem, their text as found, the N-Quads file, what is wrong.

    `read` and `published` count records; `day` is the source's own date; `elsewhere` the fields whose amount another
    source publishes better, with how often.
    """

    source: Source
    tables: dict[str, Path]
    raw: list[Path]
    quads: Path
    problems: pl.DataFrame
    report: bytes
    validator: dict[str, Any]
    prefixes: dict[str, str]
    inputs: list[dict[str, Any]]
    read: int
    published: int
    day: date | None = None
    elsewhere: dict[str, dict[str, int]] = field(default_factory=dict)
    fingerprint: str = ""

    @property
    def key(self) -> str:
        """What the part is called in a release."""
        return self.source.id

    def subjects(self, base: str) -> pl.DataFrame:
        """The resources that problems are about, as quality.subjects_of has them."""
        return subjects_of(self.frames()[self.source.id], self.source, base, self.problems)

    def listing(self) -> pl.DataFrame | None:
        """The records as the search index takes them, if people look for them."""
        listed_ = self.source.listed
        return listed(self.frames(), self.source, self.problems, search.ORIGINS) if listed_ else None

    def place(self, folder: Path, base: str) -> list[dict[str, Any]]:
        """Put tables, text and dump into a release; gives what the manifest says of the graphs."""
        for stem, path in self.tables.items():
            os.link(path, folder / "tables" / f"{stem}.parquet")
        if self.raw:
            (folder / "tables" / "raw").mkdir(exist_ok=True)
            text = pl.concat([pl.scan_parquet(path, glob=False) for path in self.raw], how="diagonal")
            text.sink_parquet(folder / "tables" / "raw" / f"{self.source.id}.parquet", maintain_order=True)
        return [dumped(self.quads, folder, base)]

    @property
    def readings(self) -> pl.DataFrame:
        """What was read of sheets: one row a field; a table's cells are in its text."""
        path = self.tables.get(f"{self.source.id}-readings")
        return pl.read_parquet(path) if path else pl.DataFrame()

    def frames(self) -> dict[str, pl.LazyFrame]:
        """The tables, to be read."""
        return {stem: pl.scan_parquet(path, glob=False) for stem, path in self.tables.items()}

    @property
    def graphs(self) -> list[Path]:
        """The N-Quads files of what is published, one a graph."""
        return [self.quads]

    @property
    def about(self) -> list[dict[str, Any]]:
        """What the manifest says of the source."""
        told = _about(self.source, self.read, self.published, self.problems.height)
        day = self.day.isoformat() if self.day else None
        return [told | {"date": day} | ({"published_elsewhere": self.elsewhere} if self.elsewhere else {})]

    @property
    def validators(self) -> list[dict[str, Any]]:
        """What the manifest says of the validation."""
        return [{"source": self.source.id, **self.validator}]

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
    sources: list[linked.LinkedGraph]
    problems: pl.DataFrame
    report: bytes = b""
    inputs: Sequence[dict[str, Any]] = ()
    validators: Sequence[dict[str, Any]] = ()
    fingerprint: str = ""

    @property
    def key(self) -> str:
        """What the part is called in a release."""
        return self.name

    def listing(self) -> pl.DataFrame | None:
        """None: linked data has resources, not records."""
        return None

    def place(self, folder: Path, base: str) -> list[dict[str, Any]]:
        """Put the dumps into a release; gives what the manifest says of the graphs."""
        return [dumped(path, folder, base) for path in self.graphs]

    @property
    def graphs(self) -> list[Path]:
        """The N-Quads files of what is published, one a graph."""
        return [source.quads for source in self.sources]

    @property
    def about(self) -> list[dict[str, Any]]:
        """What the manifest says of the sources: they have resources, not records."""
        told = dict(self.problems["source"].drop_nulls().value_counts().iter_rows())
        return [_about(s, len(s.subjects), len(s.subjects), told.get(s.id, 0)) for s in self.sources]

    def subjects(self, _base: str) -> pl.DataFrame:
        """The resources that problems are about, as quality.subjects_of has them."""
        return _named_places(self.problems.filter(pl.lit(bool(self.sources))))


@dataclass(frozen=True)
class Reused:
    """A part of the last release whose inputs, rules and code are the same: it is linked, not made again.

    `told` is what the manifest of that release says of the part, `manifest` the whole of it.
    """

    folder: Path
    manifest: dict[str, Any]
    told: dict[str, Any]
    source: Source | None

    @property
    def key(self) -> str:
        """What the part is called in a release."""
        return str(self.told["key"])

    @property
    def fingerprint(self) -> str:
        """What the part was made from and by."""
        return str(self.told["fingerprint"])

    @property
    def about(self) -> list[dict[str, Any]]:
        """What the manifest says of the sources."""
        return [about for about in self.manifest["sources"] if about["id"] in self.told["sources"]]

    @property
    def inputs(self) -> list[dict[str, Any]]:
        """The files it was made from."""
        return [entry for entry in self.manifest["inputs"] if entry["source"] in self.told["sources"]]

    @property
    def validators(self) -> list[dict[str, Any]]:
        """What the manifest says of the validation."""
        return [told for told in self.manifest["validators"] if told["source"] == self.key]

    @property
    def problems(self) -> pl.DataFrame:
        """What was wrong."""
        return pl.read_parquet(self.folder / "parts" / self.key / "problems.parquet")

    @property
    def report(self) -> bytes:
        """The validation report."""
        return (self.folder / "parts" / self.key / "validation.ttl").read_bytes()

    @property
    def graphs(self) -> list[Path]:
        """The dumps, for their names."""
        return [self.folder / graph["file"] for graph in self.dumps]

    @property
    def dumps(self) -> list[dict[str, Any]]:
        """What the manifest says of the graphs."""
        return [graph for graph in self.manifest["graphs"] if graph["iri"] in self.told["graphs"]]

    @property
    def tables(self) -> dict[str, Path]:
        """The tables of the source."""
        return {stem: self.folder / "tables" / f"{stem}.parquet" for stem in self.told["tables"]}

    def frames(self) -> dict[str, pl.LazyFrame]:
        """The tables, to be read."""
        return {stem: pl.scan_parquet(path, glob=False) for stem, path in self.tables.items()}

    def subjects(self, base: str) -> pl.DataFrame:
        """The resources that problems are about, as quality.subjects_of has them."""
        if self.source is None:
            return _named_places(self.problems.filter(pl.lit(bool(self.told["graphs"]))))
        return subjects_of(self.frames()[self.source.id], self.source, base, self.problems)

    def listing(self) -> pl.DataFrame | None:
        """The records as the search index takes them, if people look for them."""
        if self.source is None or not self.source.listed:
            return None
        return listed(self.frames(), self.source, self.problems, search.ORIGINS)

    def place(self, folder: Path, _base: str) -> list[dict[str, Any]]:
        """Link tables, text and dumps into a release; gives what the manifest says of the graphs."""
        for stem, path in self.tables.items():
            os.link(path, folder / "tables" / f"{stem}.parquet")
        raw = Path("tables", "raw", f"{self.key}.parquet")
        if (self.folder / raw).exists():
            (folder / "tables" / "raw").mkdir(exist_ok=True)
            os.link(self.folder / raw, folder / raw)
        for graph in self.dumps:
            os.link(self.folder / graph["file"], folder / graph["file"])
        return self.dumps


#: The graph, and the part, that holds what comes of comparing the sources.
LINKS: Final = "links"


@dataclass(frozen=True)
class Crossing:
    """The sources crossed by CUP: tables by name, the N-Quads file, what validation says, and the numbers."""

    quads: Path
    tables: dict[str, Path]
    problems: pl.DataFrame
    report: bytes
    validator: dict[str, Any]
    numbers: dict[str, Any]
    fingerprint: str
    key: str = LINKS
    source: None = None
    about: Sequence[dict[str, Any]] = ()
    inputs: Sequence[dict[str, Any]] = ()

    @property
    def graphs(self) -> list[Path]:
        """The N-Quads file."""
        return [self.quads]

    @property
    def validators(self) -> list[dict[str, Any]]:
        """What the manifest says of the validation."""
        return [{"source": self.key, **self.validator}]

    def subjects(self, _base: str) -> pl.DataFrame:
        """None: what would be wrong here is no record's fault."""
        return pl.DataFrame(schema=dict.fromkeys(("source", "record", "focus"), pl.String))

    def listing(self) -> pl.DataFrame | None:
        """None: these are no records."""
        return None

    def place(self, folder: Path, base: str) -> list[dict[str, Any]]:
        """Put tables and dump into a release; gives what the manifest says of the graph."""
        for name, path in self.tables.items():
            os.link(path, folder / "tables" / f"{name}.parquet")
        return [dumped(self.quads, folder, base)]


Part = Prepared | Linked | Crossing | Reused


def _named_places(found: pl.DataFrame) -> pl.DataFrame:
    """The resources of linked data with a problem: the place of each names it."""
    wrong = found.drop_nulls(["source", "record"])
    return wrong.select("source", "record", focus="place").unique(maintain_order=True)


@dataclass
class Clock:
    """Seconds spent by stage, and the most memory the process held meanwhile, in MB (0 where the system does not tell).

    What goes on beside a stage, as loading the index does, counts into its memory too.
    """

    seconds: dict[str, float] = field(default_factory=dict)
    memory: dict[str, int] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count the time of the block towards the stage of this name."""
        start = time.perf_counter()
        _forget_peak()
        try:
            yield
        finally:
            self.seconds[name] = round(self.seconds.get(name, 0.0) + time.perf_counter() - start, 3)
            self.memory[name] = max(self.memory.get(name, 0), _peak())


_OWN: Final = Path("/proc/self")


def _forget_peak() -> None:
    """Let the system count the peak of memory anew (Linux, proc(5): clear_refs)."""
    if _OWN.exists():
        (_OWN / "clear_refs").write_text("5")


def _peak() -> int:
    """The peak of memory since, in MB."""
    if not _OWN.exists():
        return 0
    told = re.search(r"^VmHWM:\s+([0-9]+) kB", (_OWN / "status").read_text(), re.MULTILINE)
    return int(told[1]) // 1024 if told else 0


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


def graph_of(quads: Path, base: str) -> str:
    """The graph a file of N-Quads is: its name says."""
    return f"{base}graph/{quads.stem}"


def lay_down(
    folder: Path,
    work: Path,
    parts: Sequence[Part],
    found: pl.DataFrame,
    settings: Settings,
    clock: Clock,
    index: Index,
) -> dict[str, Any]:
    """Everything of a release but its name, in `folder`; gives the manifest, written last.

    `found` are all problems, those of files that are no part too; `work` holds what is needed on the way; the graphs of
    the parts are on their way into the index already.
    """
    base = settings.base
    with clock.stage("map"):
        subjects = [part.subjects(base) for part in parts]
        told = publishable(found, subjects, base)
        told.write_parquet(work / "problems.parquet")
        quality, ontology = work / "quality.nq", work / "ontology.nq"
        mapping.write(mapping.load(_ETL / "quality.yml", base), work, quality)
        ontology.write_bytes(_named_graph(background(work, base).read_text(encoding="utf-8"), graph_of(ontology, base)))
    for path in (quality, ontology):
        index.add(path, graph_of(path, base))
    with clock.stage("dump"):
        placed = {part.key: part.place(folder, base) for part in parts}
        graphs = [graph for each in placed.values() for graph in each]
        graphs += [dumped(path, folder, base) for path in (quality, ontology)]
    with clock.stage("search"):
        listings = (listing for part in parts if (listing := part.listing()) is not None)
        search.write(listings, told, folder / "search.sqlite")
    found.write_parquet(folder / "problems.parquet")
    validate.shapes_graph(SHAPES).serialize(folder / "shapes.ttl", format="turtle", encoding="utf-8")
    (folder / "validation.ttl").write_bytes(b"\n".join(part.report for part in parts))
    for part in parts:
        own = folder / "parts" / part.key
        own.mkdir(parents=True)
        part.problems.write_parquet(own / "problems.parquet")
        (own / "validation.ttl").write_bytes(part.report)
    with clock.stage("index"):
        index.wait()
    for query in sorted(VIEWS.glob("*.rq")) if settings.index else ():
        view = work / f"{query.stem}.nq"
        with clock.stage("view"):
            index.view(query, graph_of(view, base), view)
        index.add(view, graph_of(view, base))
        with clock.stage("dump"):
            graphs.append(dumped(view, folder, base))
    manifest = _manifest(folder, parts, graphs, found, settings)
    manifest["parts"] = [
        {
            "key": part.key,
            "fingerprint": part.fingerprint,
            "sources": [about["id"] for about in part.about],
            "graphs": [graph["iri"] for graph in placed[part.key]],
            "tables": [] if isinstance(part, Linked) else list(part.tables),
        }
        for part in parts
    ]
    with clock.stage("index"):
        described = catalog.describe(manifest, settings.publisher)
        described.serialize(folder / "catalog.ttl", format="turtle", encoding="utf-8")
        about = work / "catalog.nq"
        about.write_bytes(_named_graph(described.serialize(format="nt"), graph_of(about, base)))
        index.add(about, graph_of(about, base))
        index.optimize()
    manifest["links"] = next(
        part.numbers if isinstance(part, Crossing) else part.manifest["links"]
        for part in parts
        if part.key == LINKS and not isinstance(part, Prepared | Linked)
    )
    manifest["timings"] = clock.seconds
    manifest["memory"] = clock.memory
    release.write_manifest(folder, manifest)
    return manifest


def dumped(quads: Path, folder: Path, base: str) -> dict[str, Any]:
    """The dump of a graph, made in a release, and what the manifest says of it."""
    target = folder / "data" / f"{quads.stem}.nq.gz"
    return {"iri": graph_of(quads, base), "file": f"data/{target.name}", **release.dump(quads, target)}


def _manifest(
    folder: Path,
    parts: Sequence[Part],
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
        "index": settings.index,
        "inputs": [entry for part in parts for entry in part.inputs],
        "sources": [about for part in parts for about in part.about],
        "validators": [told for part in parts for told in part.validators],
        "withheld": [part.key for part in parts if not part.graphs],
        "mappings": {
            part.source.id: release.sha256(part.source.mapping)
            for part in parts
            if not isinstance(part, Linked) and part.source
        },
        "shapes": {path.name: release.sha256(path) for path in sorted(SHAPES.glob("*.ttl"))},
        "graphs": graphs,
        "triples": sum(graph["triples"] for graph in graphs),
        "problems": {severity: severities.get(severity, 0) for severity in ("violation", "warning", "info")}
        | {"codes": dict(found["code"].value_counts().sort("code").iter_rows())},
        "versions": {"python": platform.python_version()} | {package: version(package) for package in packages},
    }


def _about(source: Source | linked.LinkedGraph, read: int, published: int, found: int) -> dict[str, Any]:
    """What the manifest says of a source: what it is, and the numbers of records (of resources, in linked data)."""
    form = source.form if isinstance(source, Source) else "linked"
    return {
        "id": source.id, "form": form, "title": source.title, "description": source.description,
        "publisher": source.publisher,
        "licence": source.licence, "homepage": source.homepage, "read": read, "published": published,
        "withheld": read - published, "problems": found,
    }  # fmt: skip


def _named_graph(triples: str, graph: str) -> bytes:
    """N-Triples as N-Quads in one graph."""
    lines = (line.rstrip().removesuffix(".").rstrip() for line in triples.splitlines() if line.strip())
    return "".join(f"{line} <{graph}> .\n" for line in lines).encode()
