"""The limits of limits.toml, by name: how much of a document is opened, and the problems of what is over them."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from etl.documents.model import Line
from etl.problems import Unusable


@dataclass(frozen=True)
class Bytes:
    """The size of a file on disk, by its format."""

    html: int
    json: int
    pdf: int
    package: int


@dataclass(frozen=True)
class Archive:
    """What a ZIP archive may hold."""

    members: int
    unpacked: int
    ratio: int
    xml: int


@dataclass(frozen=True)
class Blocks:
    """What any document may hold."""

    lines: int
    cells: int
    depth: int
    levels: int
    metadata: int


@dataclass(frozen=True)
class Pdf:
    """What a PDF may hold."""

    pages: int
    characters: int
    characters_in_all: int
    rules: int


@dataclass(frozen=True)
class Worker:
    """What the worker's process may take: seconds, bytes of memory; and from how many bytes on HTML goes there."""

    seconds: int
    memory: int
    html: int


@dataclass(frozen=True)
class Limits:
    """All limits; limits.toml says why each is what it is."""

    bytes: Bytes
    package: Archive
    blocks: Blocks
    pdf: Pdf
    worker: Worker


@cache
def limits() -> Limits:
    """The limits as declared in limits.toml."""
    told = tomllib.loads(files("etl.documents").joinpath("limits.toml").read_text(encoding="utf-8"))
    return Limits(
        Bytes(**told["bytes"]),
        Archive(**told["package"]),
        Blocks(**told["blocks"]),
        Pdf(**told["pdf"]),
        Worker(**told["worker"]),
    )


def too_deep(limit: int) -> Unusable:
    """The problem of a document nested deeper than `limit`."""
    return Unusable("file.too-deep", limit=str(limit))


class Counted:
    """Counts the lines and cells of a document while they are made, so that none is made beyond the limits."""

    def __init__(self) -> None:
        self.lines = self.cells = 0

    def line(self, line: Line) -> Line:
        """The line, counted; raises Unusable (file.too-many-blocks) if it is one too many."""
        self.lines += 1
        if self.lines > limits().blocks.lines:
            raise Unusable("file.too-many-blocks", found="lines", found_it="righe", limit=str(limits().blocks.lines))
        return line

    def table(self, rows: int, columns: int) -> None:
        """Counts a table of so many rows and columns before it is made; raises Unusable (file.too-many-blocks)."""
        self.cells += rows * columns
        if self.cells > limits().blocks.cells:
            raise Unusable("file.too-many-blocks", found="cells", found_it="celle", limit=str(limits().blocks.cells))
