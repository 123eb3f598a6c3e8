"""What is ready to be published, and its laying down as the files of a release: graphs, tables, indexes, manifest."""

from __future__ import annotations

import io
import platform
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import polars as pl
import pyoxigraph as ox

from etl import catalog, linked, mapping, release, search, validate
from etl.quality import publishable, subjects_of
from etl.settings import Settings
from etl.source import Source
from etl.tables import listed

_ETL: Final = Path(str(files("etl")))
SHAPES: Final = _ETL.parent / "shapes"
ONTOLOGY: Final = _ETL.parent / "ontology"
VIEWS: Final = ONTOLOGY / "views"
_FORMAT: Final = 2  # raise when the code makes other tables or dumps from the same inputs


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
    def graphs(self) -> list[Path]:
        """The N-Quads files of what is published, one a graph."""
        return [self.quads]

    @property
    def about(self) -> list[dict[str, Any]]:
        """What the manifest says of the source."""
        return [_about(self.source, self.read, self.records.height, self.problems.height)]

    @property
    def report(self) -> bytes:
        """The validation report."""
        return self.validation.report

    @property
    def validators(self) -> list[dict[str, Any]]:
        """What the manifest says of the validation."""
        return [{"source": self.source.id, **self.validation.validator}]

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

    @property
    def graphs(self) -> list[Path]:
        """The N-Quads files of what is published, one a graph."""
        return [source.quads for source in self.sources]

    @property
    def about(self) -> list[dict[str, Any]]:
        """What the manifest says of the sources: they have resources, not records."""
        told = dict(self.problems["source"].drop_nulls().value_counts().iter_rows())
        return [_about(s, len(s.subjects), len(s.subjects), told.get(s.id, 0)) for s in self.sources]

    @property
    def subjects(self) -> pl.DataFrame:
        """The resources that problems are about, as quality.subjects_of has them."""
        wrong = self.problems.drop_nulls(["source", "record"]).filter(pl.lit(bool(self.sources)))
        return wrong.select("source", "record", focus="place").unique(maintain_order=True)


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


def lay_down(
    folder: Path,
    work: Path,
    parts: Sequence[Prepared | Linked],
    found: pl.DataFrame,
    settings: Settings,
    clock: Clock,
) -> dict[str, Any]:
    """Everything of a release but its name, in `folder`; gives the manifest, written last.

    `found` are all problems, those of files that are no part too; `work` holds what is needed on the way.
    """
    prepared = [part for part in parts if isinstance(part, Prepared)]
    sheets = [part for part in prepared if part.source.form == "sheet"]  # the list of projects is theirs
    with clock.stage("map"):
        subjects = [
            part.subjects if isinstance(part, Linked) else subjects_of(part.records, part.source, settings.base)
            for part in parts
        ]
        publishable(found, subjects, settings.base).write_parquet(work / "problems.parquet")
        quality = work / "quality.nq"
        mapping.write(mapping.load(_ETL / "quality.yml", settings.base), work, quality)
        ontology = work / "ontology.nq"
        terms = background(work, settings.base).read_text(encoding="utf-8")
        ontology.write_bytes(_named_graph(terms, f"{settings.base}graph/ontology"))
    quads = [*(path for part in parts for path in part.graphs), quality, ontology]
    with clock.stage("store"):
        release.store(folder, quads)
        release.optimize(folder)
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
        for part in prepared:
            for stem, table in part.tables.items():
                table.write_parquet(folder / "tables" / f"{stem}.parquet")
        found.write_parquet(folder / "problems.parquet")
        validate.shapes_graph(SHAPES).serialize(folder / "shapes.ttl", format="turtle", encoding="utf-8")
        (folder / "validation.ttl").write_bytes(b"\n".join(part.report for part in parts))
    with clock.stage("search"):
        search.write((listed(part.tables, part.source, part.problems) for part in sheets), folder / "search.sqlite")
    manifest = _manifest(folder, parts, graphs, found, settings)
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
    parts: Sequence[Prepared | Linked],
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
        "inputs": [entry for part in parts for entry in part.inputs],
        "sources": [about for part in parts for about in part.about],
        "validators": [told for part in parts for told in part.validators],
        "withheld": [part.name for part in parts if isinstance(part, Linked) and not part.graphs],
        "mappings": {
            part.source.id: release.sha256(part.source.mapping) for part in parts if isinstance(part, Prepared)
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
