"""What need not be made again: parts of the last release that were made from the same files, by the same rules.

A part's fingerprint is a checksum of all it depends on: its files and their names, its own folder of rules, the parts
whose amounts it heeds, the shapes, the ontology, the code, the settings, and the libraries.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import polars as pl
import pyoxigraph as ox

from etl import problems, release
from etl.gate import ONTOLOGY, SHAPES
from etl.index import Index, NoIndex, copy, unpack
from etl.opening import sha256
from etl.parts import Reused
from etl.publication import VIEWS
from etl.settings import Settings
from etl.source import Source, sources

_ETL: Final = Path(str(files("etl")))
_SOURCES: Final = _ETL / "sources"
#: Libraries whose new version can make other statements or results of the same rows.
_LIBRARIES: Final = (
    "lxml", "polars", "pyoxigraph", "pypdfium2", "pyshacl", "python-calamine", "rapidfuzz", "rdflib", "selectolax",
    "shacl-rust", "webencodings", "yatter",
)  # fmt: skip

#: The share of the last release's statements that must stay for its index to be changed, not made anew.
_MOST: Final = 0.5
#: Bytes of changed statements from which the index is put in order again.
_WORTH_ORDERING: Final = 50 * 1024**2


def last(settings: Settings) -> tuple[Path, dict[str, Any]] | None:
    """The current release and its manifest, if there is one that is whole and of our format."""
    try:
        folder = release.find(settings.releases)
        release.verify(folder)
        manifest = release.manifest(folder)
    except (release.ReleaseError, OSError, ValueError):
        return None  # nothing to go by: everything is made
    return (folder, manifest) if manifest.get("format") == release.FORMAT else None


def layouts(old: tuple[Path, dict[str, Any]] | None) -> dict[str, str]:
    """The sources recognised in files the last release was made from, by their SHA-256, if the rules are the same.

    So a sheet whose layout its contents decide need not be opened to know that nothing changed.
    """
    if old is None or old[1]["rules"] != rules():
        return {}
    return {each["sha256"]: each["source"] for each in old[1]["inputs"] if each.get("recognised")}


def of_part(own: Iterable[tuple[str, Path]], heeds: Iterable[str], rules: Path | None, settings: Settings) -> str:
    """The fingerprint of a part: `own` are its files by name, `heeds` the fingerprints of the parts it heeds.

    A file that cannot be read counts with its problem: the part is made again when that changes.
    """
    return _checksum(
        [(name, _of_file(path)) for name, path in own],
        sorted(heeds),
        [(path.name, release.sha256(path)) for path in sorted(rules.iterdir())] if rules else [],
        [settings.base, settings.validator, settings.publish_persons],
        _code(),
    )


def of_all(parts: Iterable[str], unread: Iterable[str], settings: Settings) -> str:
    """The fingerprint of a release, from those of its parts and the files nobody reads."""
    views = [(path.name, release.sha256(path)) for path in sorted(VIEWS.glob("*.rq"))]
    asked: list[Any] = [sorted(settings.complete), settings.publisher, settings.publisher_code, settings.contact]
    asked += [settings.index, settings.sparq_index]
    return _checksum(sorted(parts), sorted(unread), asked, views, _code())


def found(key: str, told: str, old: tuple[Path, dict[str, Any]] | None, source: Source | None) -> Reused | None:
    """The part of the last release with this key, if this is its fingerprint."""
    if old is None:
        return None
    folder, manifest = old
    for part in manifest["parts"]:
        if part["key"] == key and part["fingerprint"] == told and _whole(folder, part):
            return Reused(folder, manifest, part, source)
    return None


def heeded(source: Source) -> set[str]:
    """The sources whose records decide what this one publishes."""
    return {name.split(".")[0] for field in source.fields.values() for name in field.better} & set(sources())


class ChangedIndex(Index):
    """The index of the last release, copied, with only what changed put in and taken out.

    Worth it while most statements stay: a statement taken out costs more than one loaded.
    """

    def __init__(self, folder: Path, old: tuple[Path, dict[str, Any]], work: Path) -> None:
        copy(old[0] / "store", folder)
        super().__init__(folder)
        self._old, self._work, self._changed = old, work, 0

    def add(self, quads: Path, graph: str) -> None:
        """Make a graph say what the file says."""
        dump = next((each["file"] for each in self._old[1]["graphs"] if each["iri"] == graph), None)
        if dump is None:
            self.clear(graph)
            super().add(quads, graph)
            return
        less, more = changes(self._old[0] / dump, quads, self._work)
        self._changed += less.stat().st_size + more.stat().st_size
        self.remove(ox.parse(path=str(less), format=ox.RdfFormat.N_QUADS))
        super().add(more, graph)

    def keep(self, dump: Path, graph: str, work: Path) -> None:
        """Nothing to do: the graph is there."""

    def optimize(self) -> None:
        """Put the index in order, if enough changed."""
        self.wait()
        if self._changed > _WORTH_ORDERING:
            super().optimize()


def index(
    folder: Path, parts: Iterable[Reused], old: tuple[Path, dict[str, Any]] | None, work: Path, settings: Settings
) -> Index:
    """The index to fill: the last release's when most of its statements are in the parts that stay, else a new one."""
    if not settings.index:
        return NoIndex()
    if old is not None and (old[0] / "store").is_dir():
        graphs = {graph["iri"]: graph["triples"] for graph in old[1]["graphs"]}
        stay = sum(graphs[dump["iri"]] for part in parts for dump in part.dumps)
        if stay > _MOST * sum(graphs.values()):
            return ChangedIndex(folder, old, work)
    return Index(folder)


def changes(old: Path, quads: Path, work: Path) -> tuple[Path, Path]:
    """What a graph says less and more than in an old dump: two files of N-Quads in `work`.

    Lines are told apart by 128 bits of their checksum, so that memory holds no text.
    """
    before = work / f"{quads.stem}.before.nq"
    unpack(old, before)
    less, more = work / f"{quads.stem}.less.nq", work / f"{quads.stem}.more.nq"
    _only(before, quads, less)
    _only(quads, before, more)
    before.unlink()
    return less, more


def _only(here: Path, there: Path, target: Path) -> None:
    """The lines of one file that the other has not."""
    ours, theirs = _lines(here), _lines(there).select("a", "b")
    ours.join(theirs, on=["a", "b"], how="anti").select("line").sink_csv(
        target, include_header=False, quote_style="never"
    )


def _lines(file: Path) -> pl.LazyFrame:
    # No line of N-Quads holds a control character, so this separates nothing.
    lines = pl.scan_csv(
        file, has_header=False, separator="\x01", quote_char=None, infer_schema=False, new_columns=["line"], glob=False,
        raise_if_empty=False,
    ) if file.stat().st_size else pl.LazyFrame(schema={"line": pl.String})  # fmt: skip
    return lines.with_columns(a=pl.col("line").hash(1), b=pl.col("line").hash(2))


def _of_file(path: Path) -> str:
    try:
        return sha256(path)
    except problems.Unusable as unusable:
        return unusable.code


def _checksum(*told: Any) -> str:
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()


@cache
def rules() -> str:
    """The checksum of all that decides which source a file is of, and what is made of it."""
    told = [(str(p.relative_to(_SOURCES)), release.sha256(p)) for p in sorted(_SOURCES.rglob("*")) if p.is_file()]
    return _checksum(told, _code())


@cache
def _code() -> str:
    """The checksum of the code, the shapes, the ontology and the libraries."""
    own = [
        path for path in _ETL.rglob("*") if path.is_file() and path.suffix != ".pyc" and _SOURCES not in path.parents
    ]
    told = [(str(path.relative_to(_ETL)), release.sha256(path)) for path in sorted(own)]
    told += [
        (path.name, release.sha256(path)) for folder in (SHAPES, ONTOLOGY) for path in sorted(folder.glob("*.ttl"))
    ]
    told += [(name, version(name)) for name in _LIBRARIES]
    return _checksum(told)


def _whole(folder: Path, part: dict[str, Any]) -> bool:
    """Whether the files of the part are still there that `release.verify` knows nothing of."""
    tables = [f"tables/{stem}.parquet" for stem in part["tables"]]
    told = [f"parts/{part['key']}/{name}" for name in ("problems.parquet", "validation.ttl")]
    return all((folder / name).is_file() for name in (*tables, *told))
