"""The files to read, each with the source that reads it: known by its name, or a sheet by the labels in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from etl import documents, layout, linked, problems
from etl.source import Source, sources

#: Names of files that hold all kinds of data: in a folder, one that is no sheet of ours is nobody's concern.
_OF_DATA = (".json", ".xlsx", ".ods")


@dataclass(frozen=True)
class Input:
    """One file to read: where it is, what it is called in what is published, and its source (None: nobody reads it)."""

    path: Path
    name: str
    source: Source | None


def find_inputs(paths: Sequence[Path], forced: Source | None = None) -> list[Input]:
    """The files named, or found in the folders named, each with the source that reads files of its name.

    Where several layouts of sheets have such names, the folder decides if it has the name of a source (as those have in
    which `cupola fetch` keeps what it got), else the labels in the file. In a folder only files some source
    reads are taken; a file named itself is taken whatever its name, so that it can be told when nobody reads it. Names
    are relative to the path given: no path of a machine is published.
    """
    known = [forced] if forced else list(sources().values())
    found: dict[Path, Input] = {}
    for path in paths:
        if path.is_dir():
            inside = sorted(p for p in path.rglob("*") if not p.is_dir() and not _hidden(p.relative_to(path)))
            readable = [p for p in inside if any(s.reads(p) for s in known) or (not forced and linked.reads(p))]
            pairs = [(p, p.relative_to(path).as_posix()) for p in readable]
        else:
            pairs = [(path, path.name)]
        for file, name in pairs:
            reader = forced or _reader(file, known)
            if reader or not path.is_dir() or linked.reads(file) or file.suffix.lower() not in _OF_DATA:
                found.setdefault(file.resolve(), Input(file, name, reader))
    return list(found.values())


def unreadable(item: Input) -> pl.DataFrame:
    """The problem of a file that no source reads: what is wrong with it, or that its layout is not known."""
    known = [source for source in sources().values() if source.reads(item.path)]
    if not known:
        allowed = ", ".join(dict.fromkeys(pattern for source in sources().values() for pattern in source.patterns))
        return problems.one("file.no-source", file=item.name, allowed=allowed)
    try:
        alike = layout.recognised(documents.read(item.path), known)
    except problems.Unusable as unusable:
        return problems.one(unusable.code, file=item.name, **unusable.details)
    if alike:
        return problems.one("sheet.several-layouts", file=item.name, found=", ".join(source.id for source in alike))
    labels = [f.label for source in known for f in source.fields.values() if f.expected and not f.start]
    return problems.one("sheet.no-fields", file=item.name, allowed=", ".join(dict.fromkeys(labels)))


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _reader(path: Path, known: Sequence[Source]) -> Source | None:
    """The source that reads a file: by its name if only one does, else by what is in it."""
    named = [source for source in known if source.reads(path)]
    named = [source for source in named if source.id == path.absolute().parent.name] or named
    tables = [source for source in named if source.form == "table"]
    if tables or len(named) < 2:
        return next(iter(tables or named), None)
    try:
        alike = layout.recognised(documents.read(path), named)
    except problems.Unusable:
        return None  # what is wrong with it is told with the files nobody reads
    return alike[0] if len(alike) == 1 else None
