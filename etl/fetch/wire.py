"""One request to one address that was checked, and its answer, to the byte: no redirect, no second try.

Everything that crosses the wire is kept as it came (for the archive), under limits: seconds to connect, between two
pieces and in all (a server that drips a byte a second ends here, in the middle of a header line too), and bytes in all.
"""

from __future__ import annotations

import io
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from http.client import HTTPException, HTTPResponse, IncompleteRead
from typing import IO, Any, Final, Literal

from etl.fetch.addresses import Address
from etl.fetch.urls import Target

_PIECE: Final = 1 << 16

#: Why an answer was not read to its end, in the words of the archive's standard:
#: https://iipc.github.io/warc-specifications/specifications/warc-format/warc-1.1/#warc-truncated
Cut = Literal["", "length", "time", "disconnect"]


class Failed(Exception):
    """A request without a whole answer: `code` is a problem of problems.toml, `found` what happened."""

    def __init__(self, code: str, found: str = "") -> None:
        super().__init__(f"{code}: {found}")
        self.code, self.found = code, found


@dataclass
class Exchange:
    """A request and its answer as they crossed the wire.

    `sent` is the request; `tape` a file open for reading and writing with the bytes that came, `cut` why they are not
    all ("": they are), `size` how many they are; `address` is who was asked, `began` when (UTC), `seconds` how long it
    took. `headers` have small names; several of one name are one, parted by commas (RFC 9110, section 5.3).
    """

    where: Target
    tape: IO[bytes]
    began: datetime
    sent: bytes = b""
    address: Address | None = None
    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: Cut = ""
    size: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class Limits:
    """Of one exchange: seconds to connect, between two pieces, in all; bytes in all on the wire."""

    connect: float
    piece: float
    whole: float
    size: int


class Wire:
    """An exchange under way: entering it sends the request and reads the head of the answer, leaving it hangs up."""

    def __init__(
        self,
        exchange: Exchange,
        addresses: Sequence[Address],
        headers: Mapping[str, str],
        limits: Limits,
        secure: ssl.SSLContext,
    ) -> None:
        self.exchange, self._limits, self._secure = exchange, limits, secure
        self._addresses = addresses
        lines = [f"GET {exchange.where.path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
        if not all(line.isprintable() for line in lines):
            raise ValueError("a line end in a header would begin another one")
        self._request = "\r\n".join([*lines, "", ""]).encode("latin-1")
        self._start = time.monotonic()
        self._line: socket.socket | None = None
        self._reply: HTTPResponse | None = None

    def __enter__(self) -> Wire:
        """Raises Failed."""
        try:
            with self._told():
                self._line = self._connected()
                self._line.settimeout(min(self._limits.piece, self._left()))
                self._line.sendall(self._request)
                self.exchange.sent = self._request
                self._reply = self._answer(self._line)
        except BaseException:
            self.__exit__()
            raise
        headers = self._reply.headers
        if headers.get("transfer-encoding", "chunked").lower() not in ("chunked", "identity"):
            self.__exit__()  # http.client would take its framing for the body
            self.exchange.cut = "disconnect"
            raise Failed("fetch.broken-off", "Transfer-Encoding")
        self.exchange.status = self._reply.status
        self.exchange.headers = {name.lower(): ", ".join(headers.get_all(name, ())) for name in headers}
        return self

    def __exit__(self, *_: object) -> None:
        """Hang up; an answer not read to its end stays so."""
        self.exchange.seconds = time.monotonic() - self._start
        if self._reply is not None:
            self._reply.close()
        if self._line is not None:
            self._line.close()

    def body(self) -> Iterator[bytes]:
        """The pieces of the body as they were sent, without the transfer's own framing; raises Failed."""
        reply = self._reply
        if reply is None:
            raise RuntimeError("the exchange has not begun")
        while True:
            with self._told():
                piece = reply.read1(_PIECE)
                if not piece and reply.length:  # http.client does not tell a body cut short from one that ends
                    raise IncompleteRead(b"", reply.length)
            if not piece:
                return
            yield piece

    def _connected(self) -> socket.socket:
        """A connection to the first address that takes one; raises what the last one said."""
        where, said = self.exchange.where, OSError("no address")
        for address in self._addresses:
            self.exchange.address = address
            seconds = min(self._limits.connect, self._left())
            try:
                line = socket.create_connection((str(address), where.port), timeout=seconds)
                break
            except OSError as error:
                said = error
        else:
            raise said
        if where.scheme == "http":
            return line
        try:
            line.settimeout(min(self._limits.connect, self._left()))
            # The name goes into the handshake and is checked, though the address is what was connected to.
            return self._secure.wrap_socket(line, server_hostname=where.host)
        except BaseException:
            line.close()
            raise

    def _answer(self, line: socket.socket) -> HTTPResponse:
        reply = HTTPResponse(line, method="GET")
        try:
            reply.fp = io.BufferedReader(_Tape(reply.fp.detach(), line, self.exchange, self._limits, self._left))
            reply.begin()
        except BaseException:
            reply.close()
            raise
        return reply

    def _left(self) -> float:
        """The seconds that are left of all; raises _TooLong when there are none."""
        left = self._limits.whole - (time.monotonic() - self._start)
        if left <= 0:
            raise _TooLong
        return left

    @contextmanager
    def _told(self) -> Iterator[None]:
        """What goes wrong on the wire as Failed, with what was cut noted in the exchange."""
        exchange = self.exchange
        try:
            yield
        except _TooLong as error:
            exchange.cut = "time"
            raise Failed("fetch.too-slow", f"{self._limits.whole:g}") from error
        except _TooMuch as error:
            exchange.cut = "length"
            raise Failed("fetch.too-large", str(self._limits.size)) from error
        except TimeoutError as error:
            exchange.cut = "time"
            raise Failed("fetch.no-answer", f"{self._limits.piece:g}") from error
        except ssl.SSLCertVerificationError as error:
            raise Failed("fetch.certificate", error.verify_message) from error
        except ssl.SSLError as error:
            raise Failed("fetch.unreachable", f"TLS: {error.reason or type(error).__name__}") from error
        except (HTTPException, ValueError) as error:  # before OSError: RemoteDisconnected is both
            exchange.cut = "disconnect"
            raise Failed("fetch.broken-off", type(error).__name__) from error
        except OSError as error:
            exchange.cut = "disconnect"
            raise Failed("fetch.unreachable", error.strerror or type(error).__name__) from error


class _TooLong(TimeoutError):
    """All the time there was is over."""


class _TooMuch(OSError):
    """All the bytes there may be have come, and more follow."""


class _Tape(io.RawIOBase):
    """What comes from a socket, written down as it comes, each piece within the time that is left."""

    def __init__(
        self,
        source: io.RawIOBase,
        line: socket.socket,
        exchange: Exchange,
        limits: Limits,
        left: Callable[[], float],
    ) -> None:
        self._source, self._line, self._exchange = source, line, exchange
        self._limits, self._left = limits, left

    def readable(self) -> bool:
        return True

    def readinto(self, into: Any) -> int:
        self._line.settimeout(min(self._limits.piece, self._left()))
        try:
            count = self._source.readinto(into) or 0
        except TimeoutError:
            self._left()  # when it was not the piece but all of it that took too long, this says so
            raise
        self._exchange.size += count
        self._exchange.tape.write(memoryview(into)[:count])
        if self._exchange.size > self._limits.size:
            raise _TooMuch
        return count

    def close(self) -> None:
        self._source.close()
        super().close()
