"""The archive of a run: every exchange as it crossed the wire, in a WARC file.

https://iipc.github.io/warc-specifications/specifications/warc-format/warc-1.1/
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from io import BytesIO
from pathlib import Path
from typing import Any, Final

from warcio.statusandheaders import StatusAndHeadersParserException
from warcio.warcwriter import WARCWriter

from etl.fetch.coding import Broken, inflated
from etl.fetch.wire import Exchange

#: An answer cut short is kept up to this many bytes: an endless one shows what it is long before it reaches a limit.
KEPT_OF_CUT: Final = 1 << 20
#: What the name of an archive ends with while it is written, as the crawlers of the archives have it.
OPEN: Final = ".open"
_BYTES: Final = "application/octet-stream"
_PIECE: Final = 1 << 16
_GZIP: Final = zlib.MAX_WBITS | 16


class Warc:
    """A WARC file being written, record by record; its name ends in OPEN until it is closed."""

    def __init__(self, path: Path, operator: str = "") -> None:
        """Begin a file at `path`, which must not be there; `operator` is whom to ask about it ("": not told)."""
        self.path = path
        self._file = _under_way(path).open("xb")
        self._writer = WARCWriter(self._file, gzip=True, warc_version="WARC/1.1")
        about = {
            "software": f"cupola/{version('cupola')}",
            "format": "WARC File Format 1.1",
            "conformsTo": "https://iipc.github.io/warc-specifications/specifications/warc-format/warc-1.1/",
            "robots": "obey",
            "operator": operator,
        }
        self._writer.write_record(self._writer.create_warcinfo_record(path.name, about))

    def add(self, exchange: Exchange, told: Mapping[str, str]) -> None:
        """Write an exchange: what came, what was sent, and what is known of it.

        `told` are fields of the metadata record (https://iipc.github.io/warc-specifications/, warc-fields); empty ones
        are left out.
        """
        url = str(exchange.where)
        common = {"WARC-Date": _date(exchange.began)}
        if exchange.address is not None:
            common["WARC-IP-Address"] = str(exchange.address)
        first = self._response(exchange, url, common)
        concurrent = {"WARC-Concurrent-To": first} if first else {}
        if exchange.sent:
            request = self._writer.create_warc_record(
                url, "request", payload=BytesIO(exchange.sent), length=len(exchange.sent),
                warc_headers_dict={**common, **concurrent},
            )  # fmt: skip
            self._writer.write_record(request)
            concurrent = concurrent or {"WARC-Concurrent-To": _id(request)}
        fields = {"fetchTimeMs": f"{exchange.seconds * 1000:.0f}", **told}
        text = "".join(f"{name}: {' '.join(value.split())}\r\n" for name, value in fields.items() if value).encode()
        about = self._writer.create_warc_record(
            url, "metadata", payload=BytesIO(text), length=len(text), warc_content_type="application/warc-fields",
            warc_headers_dict={"WARC-Date": common["WARC-Date"], **concurrent},
        )  # fmt: skip
        self._writer.write_record(about)

    def safe(self) -> None:
        """See to it that what was written is on disk."""
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """The file is whole."""
        self.safe()
        self._file.close()
        _under_way(self.path).replace(self.path)

    def _response(self, exchange: Exchange, url: str, common: Mapping[str, str]) -> str:
        """Write what came, if anything did; the record's name, "" when nothing came."""
        if not exchange.size:
            return ""
        headers = dict(common)
        if exchange.cut:
            headers["WARC-Truncated"] = exchange.cut
        size = min(exchange.size, KEPT_OF_CUT) if exchange.cut else exchange.size
        tape = exchange.tape
        tape.seek(size)
        tape.truncate()
        tape.seek(0)
        try:
            record = self._writer.create_warc_record(
                url, "response", payload=tape, length=size, warc_headers_dict=dict(headers)
            )
            # warcio writes the headers anew from what it understood of them; here they stay as they came, to the byte.
            record.http_headers, record.raw_stream, record.length, record.payload_length = None, tape, size, size
        except (StatusAndHeadersParserException, EOFError):
            # It came too short, or is no HTTP: kept as it is, but not as a response, which others could not read.
            tape.seek(0)
            record = self._writer.create_warc_record(
                url, "resource", payload=tape, length=size, warc_content_type=_BYTES, warc_headers_dict=dict(headers)
            )
        tape.seek(0)
        self._writer.write_record(record)
        return _id(record)


def mend(folder: Path) -> None:
    """Close the archives in a folder that a run left open when it was ended: each ends with its last whole record."""
    for path in folder.glob(f"*{OPEN}"):
        if length := _whole(path):
            os.truncate(path, length)
            path.replace(path.with_name(path.name.removesuffix(OPEN)))
        else:
            path.unlink()


def _whole(path: Path) -> int:
    """How many bytes of a file are whole records, each a member of gzip."""
    engine, length, read = zlib.decompressobj(_GZIP), 0, 0
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            read += len(piece)
            data = piece
            while data:
                try:
                    for _ in inflated(engine, data, "gzip"):
                        pass
                except Broken:
                    return length
                data = engine.unused_data if engine.eof else b""
                if engine.eof:
                    length, engine = read - len(data), zlib.decompressobj(_GZIP)
    return length


def _under_way(path: Path) -> Path:
    return path.with_name(path.name + OPEN)


def _id(record: Any) -> str:
    return str(record.rec_headers.get_header("WARC-Record-ID"))


def _date(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
