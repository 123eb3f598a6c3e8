"""Plain text to lines: as `etl.read` decodes it; a form feed is where a new page begins."""

from __future__ import annotations

from collections.abc import Iterator

from etl import read
from etl.documents.model import Line


def lines(text: read.Text) -> Iterator[Line]:
    """The lines of a text, each with its number, counted as an editor counts them."""
    for number, line in enumerate(text.lines, start=1):
        place = f"line {number}"
        for at, piece in enumerate(line.split("\f")):
            if at:
                yield Line("", place, "break")
            if piece or "\f" not in line:
                yield Line(piece, place)
