"""The release folder: written beside the current one, verified, switched to atomically, compared.

A release is immutable. It is built in `.building-<id>` and gets its name by one rename when it is whole; `current`
is a symbolic link replaced by one rename. A build that dies at any moment leaves the old release serving, and the
next build clears what it left. Two builds at once are kept apart by a lock that dies with its process.
"""

from __future__ import annotations

import fcntl
import gzip
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Final

import polars as pl
from isal import igzip

CURRENT: Final = "current"
#: What a release is made of; raised when the code makes other tables or dumps from the same inputs.
FORMAT: Final = 5
_BUILDING: Final = ".building-"
_CHUNK: Final = 1 << 20


#: What every manifest has.
_TOLD: Final = ("id", "base", "created", "triples", "graphs", "sources", "inputs")


class ReleaseError(Exception):
    """A release that cannot be made, found or trusted; the message says which, where and what to do."""


@contextmanager
def building(releases: Path) -> Iterator[Path]:
    """A fresh folder to build a release in, alone: what is left in it when the block fails is removed.

    Raises ReleaseError when another build holds the folder, or it cannot be written.
    """
    try:
        releases.mkdir(parents=True, exist_ok=True)
        lock = (releases / ".lock").open("w")
    except OSError as error:
        raise ReleaseError(f"{releases}: cannot hold releases: {error.strerror}") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ReleaseError(f"{releases}: another build is under way there; wait for it to end") from None
        for left in releases.glob(f"{_BUILDING}*"):  # by a build that was killed: we hold the lock, so it is dead
            shutil.rmtree(left)
        folder = releases / f"{_BUILDING}{_new_id(releases)}"
        for part in (folder, folder / "data", folder / "tables"):
            part.mkdir()
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)  # gone already when it was finished


def release_id(folder: Path) -> str:
    """The id of a release, from its folder, under construction or done."""
    return folder.name.removeprefix(_BUILDING)


def finish(folder: Path) -> Path:
    """The release built in `folder`, on disk for good and under its name; raises ReleaseError if it is not whole."""
    verify(folder)
    for path in folder.rglob("*"):
        _to_disk(path)
    _to_disk(folder)
    done = folder.with_name(release_id(folder))
    folder.rename(done)
    _to_disk(done.parent)
    return done


def switch(release: Path) -> None:
    """Make `release` the one that is served, in one step that cannot be seen half done."""
    link = release.parent / f".{CURRENT}-{os.getpid()}"
    link.unlink(missing_ok=True)
    link.symlink_to(release.name, target_is_directory=True)
    link.replace(release.parent / CURRENT)
    _to_disk(release.parent)


def find(releases: Path, name: str = CURRENT) -> Path:
    """The folder of a release by its id, or of the current one; raises ReleaseError listing those there are."""
    folder = releases / name
    if (folder / "manifest.json").is_file():
        return folder.resolve()
    there = ", ".join(path.name for path in every(releases)) or "none"
    raise ReleaseError(f"{releases}: no release {name!r}; there: {there}")


def every(releases: Path) -> list[Path]:
    """The folders of all finished releases, oldest first."""
    return sorted(p.parent for p in releases.glob("[0-9]*/manifest.json"))


def manifest(folder: Path) -> dict[str, Any]:
    """What a release says of itself; raises ReleaseError when that cannot be read, or is no manifest."""
    path = folder / "manifest.json"
    try:
        told: Any = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ReleaseError(f"{path}: cannot be read: {error}") from error
    missing = [key for key in _TOLD if not isinstance(told, dict) or key not in told]
    if missing:
        raise ReleaseError(f"{path}: is no manifest of a release: {', '.join(missing)} missing")
    return dict(told)


def write_manifest(folder: Path, told: dict[str, Any]) -> None:
    """Lay down the manifest, last of all: a folder without one is no release."""
    text = json.dumps(told, indent=2, ensure_ascii=False) + "\n"
    (folder / "manifest.json").write_text(text, encoding="utf-8")


def dump(quads: Path, target: Path) -> dict[str, Any]:
    """Compress a N-Quads file into a release's dump; the same quads give the same bytes (no name, no time inside).

    Gives the dump's `triples` (lines), `bytes` (compressed size) and `sha256` (of the compressed file).
    """
    lines = 0
    with quads.open("rb") as source, target.open("wb") as file, _gzip(file) as packed:
        while chunk := source.read(_CHUNK):
            lines += chunk.count(b"\n")
            packed.write(chunk)
    return {"triples": lines, "bytes": target.stat().st_size, "sha256": sha256(target)}


def verify(folder: Path) -> None:
    """Raise ReleaseError unless the release has every part its manifest names, with the checksums it names."""
    told = manifest(folder)
    store = ("store",) if told.get("index", True) else ()
    described = ("validation.ttl", "shapes.ttl", "catalog.ttl", "void.ttl")
    for part in ("problems.parquet", *described, "search.sqlite", *store):
        if not (folder / part).exists():
            raise ReleaseError(f"{folder}: {part} is missing")
    for graph in told["graphs"]:
        found = sha256(folder / graph["file"])
        if found != graph["sha256"]:
            raise ReleaseError(f"{folder / graph['file']}: sha256 {found}, the manifest says {graph['sha256']}")


def compare(old: Path, new: Path) -> pl.DataFrame:
    """What two releases say differently: columns `change` (added|removed), `graph`, `subject`, `statement`.

    Subject and statement are N-Triples text; graphs are compared dump by dump.
    """
    tables = [_statements(folder) for folder in (old, new)]
    removed = tables[0].join(tables[1], on=["graph", "line"], how="anti").with_columns(change=pl.lit("removed"))
    added = tables[1].join(tables[0], on=["graph", "line"], how="anti").with_columns(change=pl.lit("added"))
    parted = pl.col("line").str.splitn(" ", 2)
    return pl.concat([removed, added]).select(
        "change",
        "graph",
        subject=parted.struct.field("field_0"),
        statement=parted.struct.field("field_1").str.replace(r" <[^<>]*> \.$", ""),
    )


def sha256(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _statements(folder: Path) -> pl.DataFrame:
    """The quads of a release's dumps as lines, each with its graph."""
    tables = [pl.DataFrame(schema={"graph": pl.String, "line": pl.String})]
    for graph in manifest(folder)["graphs"]:
        with gzip.open(folder / graph["file"], "rt", encoding="utf-8") as lines:
            table = pl.DataFrame({"line": lines.read().splitlines()}, schema={"line": pl.String})
        tables.append(table.select(pl.lit(graph["iri"]).alias("graph"), "line"))
    return pl.concat(tables)


def _new_id(releases: Path) -> str:
    """The moment, to the second, as an id that is free."""
    stem = datetime.now(UTC).strftime("%Y-%m-%dT%H%M%SZ")
    name, number = stem, 1
    while (releases / name).exists():
        number += 1
        name = f"{stem}-{number}"
    return name


def _gzip(file: IO[bytes]) -> gzip.GzipFile:
    # Five times as fast as the standard library's, which it derives from; the level is its best.
    packed: gzip.GzipFile = igzip.IGzipFile(filename="", mode="wb", fileobj=file, mtime=0, compresslevel=3)  # type: ignore[no-untyped-call]
    return packed


def _to_disk(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
