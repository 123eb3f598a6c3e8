"""The parts of a release: a source with records, a file of linked data, the sources crossed, or one made before.

Each tells what the manifest says of it (`about`, `inputs`, `validators`) and what is wrong (`problems`, `report`), and
puts its graphs and tables into a release (`place`).
"""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, Final

import polars as pl
import pyoxigraph as ox

from etl import linked, release, search
from etl.quality import subjects_of
from etl.source import Source
from etl.tables import listed

#: The folder of a release with the files that were read as sheets, each named by its SHA-256.
COPIES: Final = "copies"
#: The graph, and the part, that holds what comes of comparing the sources.
LINKS: Final = "links"


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
    copies: dict[str, Path] = field(default_factory=dict)
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
        """Put tables, text, copies and dump into a release; gives what the manifest says of the graphs.

        Raises ReleaseError when a file is no longer what was read of it.
        """
        for stem, path in self.tables.items():
            os.link(path, folder / "tables" / f"{stem}.parquet")
        if self.raw:
            (folder / "tables" / "raw").mkdir(exist_ok=True)
            target = folder / "tables" / "raw" / f"{self.source.id}.parquet"
            if len(self.raw) == 1:
                os.link(self.raw[0], target)
            else:  # files may have columns of their own
                text = pl.concat([pl.scan_parquet(path, glob=False) for path in self.raw], how="diagonal")
                text.sink_parquet(target, maintain_order=True)
        for sha256, path in self.copies.items():
            (folder / COPIES).mkdir(exist_ok=True)
            shutil.copyfile(path, folder / COPIES / sha256)
            if release.sha256(folder / COPIES / sha256) != sha256:
                raise release.ReleaseError(f"{path}: changed after it was read; nothing is published, build again")
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
        return [entry for entry in self.manifest["inputs"] if entry["file"] in self.told["files"]]

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
        for name in {entry["sha256"] for entry in self.inputs}:
            if (self.folder / COPIES / name).exists() and not (folder / COPIES / name).exists():
                (folder / COPIES).mkdir(exist_ok=True)
                os.link(self.folder / COPIES / name, folder / COPIES / name)
        for graph in self.dumps:
            os.link(self.folder / graph["file"], folder / graph["file"])
        return self.dumps


@dataclass(frozen=True)
class Crossing:
    """The sources crossed by CUP: tables by name, the N-Quads file, what validation says, and the numbers."""

    quads: Path
    tables: dict[str, Path]
    problems: pl.DataFrame
    report: bytes
    validator: dict[str, Any]
    numbers: dict[str, Any]
    fingerprint: str = ""  # it is made anew whenever a part is
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


def graph_of(quads: Path, base: str) -> str:
    """The graph a file of N-Quads, or a dump, is: its name says."""
    return f"{base}graph/{quads.name.removesuffix('.gz').removesuffix('.nq')}"


def dumped(quads: Path, folder: Path, base: str) -> dict[str, Any]:
    """The dump of a graph, made in a release, and what the manifest says of it."""
    target = folder / "data" / f"{quads.stem}.nq.gz"
    return {"iri": graph_of(quads, base), "file": f"data/{target.name}", **release.dump(quads, target)}


def _about(source: Source | linked.LinkedGraph, read: int, published: int, found: int) -> dict[str, Any]:
    """What the manifest says of a source: what it is, and the numbers of records (of resources, in linked data)."""
    form = source.form if isinstance(source, Source) else "linked"
    return {
        "id": source.id, "form": form, "title": source.title, "description": source.description,
        "publisher": source.publisher,
        "licence": source.licence, "homepage": source.homepage, "read": read, "published": published,
        "withheld": read - published, "problems": found,
    }  # fmt: skip
