"""Compression of answers on their way (RFC 9110, 8.4): zstd, br or gzip, as the client's Accept-Encoding likes best.

Our own and not Flask-Compress (1.25 was read): that one never flushes a stream, so small first pieces wait for the end
of the query; offers no gzip for streams; and leaves Content-Length and ranges to chance. What is streamed here leaves
piece by piece, and a source that fails leaves the compressed stream without its end, as broken as the answer is.
"""

import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

import brotli
import zstandard
from flask import Request, Response

SMALLEST = 1000  # bytes: below it headers weigh more than what is saved
FLUSH = 32 * 1024  # bytes that may wait inside the compressor
# Types that shrink, beside text/*; what is packed already (gzip, Parquet, PDF, PNG) is not touched.
TYPES = frozenset(
    f"application/{name}"
    for name in ("json", "xml", "n-triples", "n-quads", "trig", "javascript", "sparql-query", "yaml", "openapi+json")
)
SUFFIXES = ("+json", "+xml")


class Coder(Protocol):
    """A compressor under way."""

    def add(self, data: bytes) -> bytes:
        """Take some; gives what is ready."""

    def flush(self) -> bytes:
        """All that was taken, so that a reader can read that far."""

    def finish(self) -> bytes:
        """The end of the stream."""


class _Gzip:
    def __init__(self) -> None:
        self._packer = zlib.compressobj(6, wbits=31)

    def add(self, data: bytes) -> bytes:
        return self._packer.compress(data)

    def flush(self) -> bytes:
        return self._packer.flush(zlib.Z_SYNC_FLUSH)

    def finish(self) -> bytes:
        return self._packer.flush()


class _Brotli:
    def __init__(self) -> None:
        self._packer = brotli.Compressor(quality=4)

    def add(self, data: bytes) -> bytes:
        return bytes(self._packer.process(data))

    def flush(self) -> bytes:
        return bytes(self._packer.flush())

    def finish(self) -> bytes:
        return bytes(self._packer.finish())


class _Zstandard:
    def __init__(self) -> None:
        # Level 3 has a window of 2 MiB; a decoder need not take more than 8 (RFC 9659).
        self._packer = zstandard.ZstdCompressor(level=3).compressobj()

    def add(self, data: bytes) -> bytes:
        return self._packer.compress(data)

    def flush(self) -> bytes:
        return self._packer.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)

    def finish(self) -> bytes:
        return self._packer.flush(zstandard.COMPRESSOBJ_FLUSH_FINISH)


# In the order we like: zstd packs as well as gzip at a fraction of the time.
CODINGS: dict[str, Callable[[], Coder]] = {"zstd": _Zstandard, "br": _Brotli, "gzip": _Gzip}


def chosen(request: Request) -> str | None:
    """The content coding this client likes best; None for none (RFC 9110, 12.5.3)."""
    accepted = request.accept_encodings
    if not accepted:
        return None
    best = max(CODINGS, key=lambda coding: accepted[coding])  # of equals the first
    named = any(coding == "identity" for coding, _ in accepted)
    return best if accepted[best] > (accepted["identity"] if named else 0) else None


def compress(response: Response, request: Request) -> None:
    """Compress an answer, if it shrinks and its client can read it; called once all else of it is decided."""
    if not _shrinks(response):
        return
    response.vary.add("Accept-Encoding")
    coding = chosen(request)
    whole = response.status_code != 206 and "Range" not in request.headers  # ranges are of the answer as it is
    # A 304 has no body; an answer to HEAD has the headers of one that has.
    if coding is None or not whole or response.status_code in (204, 304):
        return
    if (response.content_length or SMALLEST) < SMALLEST:
        return
    etag, weak = response.get_etag()
    if etag and not weak:
        # Other bytes than those it was made for, yet the same content: If-None-Match goes on to know it.
        response.set_etag(etag, weak=True)
    streamed = response.is_streamed or response.direct_passthrough
    response.direct_passthrough = False
    if close := getattr(response.response, "close", None):
        response.call_on_close(close)  # a file, a query under way: replaced below, and closed all the same
    pieces = response.iter_encoded()
    response.headers["Content-Encoding"] = coding
    response.headers.pop("Accept-Ranges", None)
    del response.content_length
    if streamed:
        response.response = packed(pieces, CODINGS[coding]())
    else:
        response.set_data(b"".join(packed(pieces, CODINGS[coding]())))


def _shrinks(response: Response) -> bool:
    if "Content-Encoding" in response.headers:
        return False
    kind = response.mimetype or ""
    return response.status_code == 304 or kind.startswith("text/") or kind in TYPES or kind.endswith(SUFFIXES)


def packed(pieces: Iterable[bytes], coder: Coder) -> Iterator[bytes]:
    """The pieces, compressed; the first leaves at once. What `pieces` raises goes on, and the end is not written."""
    held = FLUSH
    for piece in pieces:
        ready = coder.add(piece)
        held += len(piece)
        if held >= FLUSH:
            ready += coder.flush()
            held = 0
        if ready:
            yield ready
    yield coder.finish()
