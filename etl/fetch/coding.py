"""Undoing the Content-Encoding of an answer piece by piece, so that what is packed small cannot fill the memory.

https://www.rfc-editor.org/rfc/rfc9110#section-8.4
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from typing import Final

#: What we say we understand, and a server may therefore use.
ACCEPTED: Final = "gzip, deflate"
#: Codings one over the other: more than two is nobody's purpose.
MAX_CODINGS: Final = 2
_PIECE: Final = 1 << 16
_GZIP: Final = zlib.MAX_WBITS | 16


class Broken(Exception):
    """A body that is not what its Content-Encoding says: `found` tells it."""

    def __init__(self, found: str) -> None:
        super().__init__(found)
        self.found = found


def undone(pieces: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    """The pieces of a body without its codings (`encoding`: the header's value), each at most 64 KiB.

    Raises Broken for a coding that is unknown, data that is not of it, and data that ends too early.
    """
    names = [name.strip().lower() for name in encoding.split(",") if name.strip()]
    codings = [name for name in names if name != "identity"]
    if len(codings) > MAX_CODINGS or any(name not in ("gzip", "x-gzip", "deflate") for name in codings):
        raise Broken(encoding)
    for name in reversed(codings):
        pieces = _deflated(pieces) if name == "deflate" else _unzipped(pieces)
    yield from pieces


def _unzipped(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Gzip, of one member or several, https://www.rfc-editor.org/rfc/rfc1952"""
    engine, begun = zlib.decompressobj(_GZIP), False
    for piece in pieces:
        data = piece
        while data:
            if engine.eof:
                if not data.lstrip(b"\0"):
                    break  # padding after the last member, which gzip's own program leaves aside too
                engine = zlib.decompressobj(_GZIP)
            begun = True
            yield from inflated(engine, data, "gzip")
            data = engine.unused_data if engine.eof else b""
    if begun and not engine.eof:
        raise Broken("gzip, cut off")


def _deflated(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Zlib, or deflate without its wrapping, which some servers send under the same name."""
    engine = None
    for piece in pieces:
        if not piece:
            continue
        if engine is None:
            wrapped = piece[0] & 0x0F == 8 and (len(piece) < 2 or (piece[0] << 8 | piece[1]) % 31 == 0)
            engine = zlib.decompressobj(zlib.MAX_WBITS if wrapped else -zlib.MAX_WBITS)
        if not engine.eof:
            yield from inflated(engine, piece, "deflate")
    if engine is not None and not engine.eof:
        raise Broken("deflate, cut off")


def inflated(engine: zlib._Decompress, data: bytes, name: str) -> Iterator[bytes]:
    """What an engine of zlib makes of a piece, in pieces of at most 64 KiB; raises Broken, with the coding's `name`."""
    try:
        while data:
            made = engine.decompress(data, _PIECE)
            if made:
                yield made
            data = engine.unconsumed_tail
            if not data and len(made) == _PIECE and not engine.eof:
                # All is taken in, but more may be ready than one piece holds.
                while made := engine.decompress(b"", _PIECE):
                    yield made
    except zlib.error as error:
        raise Broken(name) from error
