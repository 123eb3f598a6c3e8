"""The limit on rows: counted in the answer as it passes, whatever engine wrote it.

An answer with too many is not cut to the number allowed: most clients look at no header, and a short answer that looks
whole is worse than none. While nothing is sent yet it becomes an error; after that it is broken off.
"""

import re
from collections.abc import Iterator

from endpoint.engine import Chunks, TooManyRows

# For each format of SELECT results: where a row is, and strings, which are found only to be skipped. One that is
# still open at the end of a piece is gone on with in the next. In JSON the rows are the objects that stand in an array.
_ROWS = {
    "json": re.compile(rb'"(?:[^"\\]|\\.)*+(?:"|(?P<open>\\?\Z))|(?P<row>[\[,]\s*+\{)', re.DOTALL),
    "xml": re.compile(rb"(?P<row><result[\s/>])"),
    "csv": re.compile(rb'"[^"]*+(?:"|(?P<open>\Z))|(?P<row>\n)'),
    "tsv": re.compile(rb"(?P<row>\n)"),
}
_TAIL = 64  # bytes of a piece that may be the beginning of what ends in the next
_HEADER = {"csv": 1, "tsv": 1}  # lines that are no row


class Counted(Iterator[bytes]):
    """The pieces of an answer, of which a SELECT may have `limit` rows; raises TooManyRows at the first more."""

    def __init__(self, pieces: Chunks, format_name: str, limit: int) -> None:
        self._pieces, self._limit = pieces, limit
        self._pattern = _ROWS[format_name]
        self._rows = -_HEADER.get(format_name, 0)
        self._rest: bytes | None = None

    def __next__(self) -> bytes:
        """The next piece."""
        piece = next(self._pieces)
        text = (self._rest or b"") + piece
        end, self._rest = 0, None
        for found in self._pattern.finditer(text):
            end = found.end()
            self._rows += found.lastgroup == "row"
            if found.lastgroup == "open":
                self._rest = b'"' + found["open"]
        if self._rest is None:
            self._rest = text[max(end, len(text) - _TAIL) :]
        if self._rows > self._limit:
            raise TooManyRows(
                f"The answer has more than {self._limit} rows, the most this endpoint sends. Ask for a part of it "
                "(ORDER BY with LIMIT and OFFSET, or a more selective pattern), or take the dumps at /dumps/."
            )
        return piece

    def close(self) -> None:
        """End the query."""
        self._pieces.close()
