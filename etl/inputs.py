"""The files to read, each with the source that reads it: known by its name, or a sheet by the labels in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import polars as pl

from etl import documents, fetch, layout, linked, problems
from etl.documents.model import Document, Table
from etl.opening import sha256
from etl.source import Source, sources

#: Names of files that hold all kinds of data: in a folder, one that is no sheet of ours is nobody's concern.
_OF_DATA = (".json", ".xlsx", ".ods")
#: Lines and cells of documents, opened to know their layout, that are kept for whoever reads them: some 100 MB.
_KEPT: Final = 200_000


@dataclass(frozen=True)
class Input:
    """One file to read: where it is, what it is called in what is published, and its source (None: nobody reads it).

    `recognised` says that the source was told by what is in the file, neither by its name nor by its folder.
    """

    path: Path
    name: str
    source: Source | None
    recognised: bool = False
    _known: Document | problems.Unusable | None = field(default=None, compare=False, repr=False)

    def document(self) -> Document:
        """The file, open; raises Unusable as `etl.documents.read`. What was opened before is not opened again."""
        found = self._known or _opened(self.path)
        if isinstance(found, problems.Unusable):
            raise found
        return found


def find_inputs(
    paths: Sequence[Path], forced: Source | None = None, layouts: Mapping[str, str] | None = None
) -> list[Input]:
    """The files named, or found in the folders named, each with the source that reads files of its name.

    Where several layouts of sheets have such names, the folder decides if it has the name of a source (as those have in
    which `cupola fetch` keeps what it got), else the labels in the file. In a folder only files some source
    reads are taken; a file named itself is taken whatever its name, so that it can be told when nobody reads it. Names
    are relative to the path given: no path of a machine is published. `layouts` are sources recognised before, by the
    SHA-256 of the file: such a file need not be opened.
    """
    known = [forced] if forced else list(sources().values())
    found: dict[Path, Input] = {}
    room = _KEPT
    for path in paths:
        if path.is_dir():
            inside = sorted(p for p in path.rglob("*") if not p.is_dir() and not _hidden(p.relative_to(path)))
            readable = [p for p in inside if any(s.reads(p) for s in known) or (not forced and linked.reads(p))]
            pairs = [(p, p.relative_to(path).as_posix()) for p in readable]
        else:
            pairs = [(path, path.name)]
        for file, name in pairs:
            if file.resolve() in found:
                continue
            item = Input(file, name, forced) if forced else _read_by(file, name, known, layouts or {})
            if item.source or not path.is_dir() or linked.reads(file) or file.suffix.lower() not in _OF_DATA:
                room -= _size(item)
                found[file.resolve()] = item if room > 0 else replace(item, _known=None)
    return list(found.values())


def unreadable(item: Input) -> pl.DataFrame:
    """The problem of a file that no source reads: what is wrong with it, or that its layout is not known."""
    known = [source for source in sources().values() if source.reads(item.path)]
    if not known:
        allowed = ", ".join(dict.fromkeys(pattern for source in sources().values() for pattern in source.patterns))
        return problems.one("file.no-source", file=item.name, allowed=allowed)
    try:
        alike = layout.recognised(item.document(), known)
    except problems.Unusable as unusable:
        return problems.one(unusable.code, file=item.name, **unusable.details)
    if alike:
        return problems.one("sheet.several-layouts", file=item.name, found=", ".join(source.id for source in alike))
    labels = [f.label for source in known for f in source.fields.values() if f.expected and not f.start]
    return problems.one("sheet.no-fields", file=item.name, allowed=", ".join(dict.fromkeys(labels)))


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _read_by(path: Path, name: str, known: Sequence[Source], layouts: Mapping[str, str]) -> Input:
    """A file with the source that reads it: by its name if only one does, else by what is in it."""
    named = [source for source in known if source.reads(path)]
    named = [source for source in named if source.id == path.absolute().parent.name] or named
    tables = [source for source in named if source.form == "table"]
    if tables or len(named) < 2:
        return Input(path, name, next(iter(tables or named), None))
    try:
        before = layouts.get(sha256(path), "") if layouts else ""
    except problems.Unusable as unusable:
        return Input(path, name, None, _known=unusable)
    if before in (source.id for source in named):
        return Input(path, name, sources()[before], recognised=True)
    opened = _opened(path)
    if isinstance(opened, problems.Unusable):
        return Input(path, name, None, _known=opened)  # what is wrong with it is told with the files nobody reads
    alike = layout.recognised(opened, named)
    return Input(path, name, alike[0], True, opened) if len(alike) == 1 else Input(path, name, None, _known=opened)


def _opened(path: Path) -> Document | problems.Unusable:
    """The document in a file, or why there is none; its charset is what the site said it was got from."""
    try:
        origin = fetch.origin(path)
        return documents.read(path, origin.charset if origin else "")
    except problems.Unusable as unusable:
        return unusable


def _size(item: Input) -> int:
    """How much is kept of a file: the lines and cells of its document."""
    if not isinstance(item._known, Document):
        return 0
    return sum(len(block.rows) * len(block.rows[0]) if isinstance(block, Table) else 1 for block in item._known.blocks)
