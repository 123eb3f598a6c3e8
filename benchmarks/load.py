"""Clients that send requests over connections kept open, and measure what each takes.

One thread waits for all of them, so that they do not disturb one another; `ceiling` tells what it can do at most.
"""

from __future__ import annotations

import selectors
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import cycle

Address = tuple[str, int]


class Refused(Exception):
    """An answer with another status than 200, or one that broke off."""


@dataclass(frozen=True)
class Timed:
    """One answer: seconds to its first byte and to its last, and the bytes of its body."""

    first: float
    whole: float
    size: int


@dataclass(frozen=True)
class Figures:
    """Many answers: how many in a second, milliseconds of the median and the 99th percentile, and of the first byte."""

    number: int
    a_second: float
    p50: float
    p99: float
    first: float
    size: int

    @classmethod
    def of(cls, answers: list[Timed], seconds: float) -> Figures:
        """Of the answers had in so many seconds."""
        whole = sorted(each.whole for each in answers)
        first = sorted(each.first for each in answers)
        number = len(answers)
        return cls(
            number=number,
            a_second=number / seconds,
            p50=whole[number // 2] * 1000,
            p99=whole[min(number - 1, number * 99 // 100)] * 1000,
            first=first[number // 2] * 1000,
            size=max(each.size for each in answers),
        )


def get(path: str, headers: Mapping[str, str]) -> bytes:
    """A GET as it goes over the wire."""
    lines = [f"GET {path} HTTP/1.1", "Host: localhost", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode()


class Body:
    """Counts the bytes of an answer until it is complete; in memory is only what is not yet understood."""

    def __init__(self) -> None:
        self.size = 0
        self.closes = False
        self._pending = b""
        self._left: int | None = None  # of the body, or of the chunk; None before the head, and without a length
        self._chunked = self._headed = False

    def feed(self, data: bytes) -> bool:
        """Take what arrived; whether the answer is complete. Raises Refused for a status other than 200."""
        self._pending += data
        if not self._headed and not self._head():
            return False
        return self._chunks() if self._chunked else self._plain()

    def end(self) -> bool:
        """The connection was closed; whether the answer was complete."""
        return self._headed and not self._chunked and self._left is None

    def _head(self) -> bool:
        head, found, rest = self._pending.partition(b"\r\n\r\n")
        if not found:
            return False
        status, *lines = head.decode("latin-1").split("\r\n")
        if status.split()[1] != "200":
            raise Refused(f"{status}: {rest.decode('utf-8', 'replace')[:300]}")
        headers = {name.strip().lower(): value.strip().lower() for name, _, value in (x.partition(":") for x in lines)}
        self._chunked = headers.get("transfer-encoding") == "chunked"
        self._left = int(headers["content-length"]) if "content-length" in headers else None
        self.closes = headers.get("connection") == "close"
        self._headed, self._pending = True, rest
        if self._chunked:
            self._left = 0
        return True

    def _plain(self) -> bool:
        self.size += len(self._pending)
        self._pending = b""
        return self._left is not None and self.size >= self._left

    def _chunks(self) -> bool:
        """Chunks (RFC 9112, 7.1): its length in hexadecimal, a line end, so many bytes, a line end; 0 is the last."""
        at = 0
        while True:
            if self._left:
                taken = min(self._left, len(self._pending) - at)
                at, self._left = at + taken, self._left - taken
                self.size += taken
                if self._left:
                    break
            start = at + 2 if self._pending[at : at + 2] == b"\r\n" else at
            end = self._pending.find(b"\r\n", start)
            if end < 0:
                break
            self._left = int(self._pending[start:end].partition(b";")[0], 16)
            if self._left == 0:
                return True
            at = end + 2
        self._pending = self._pending[at:]
        return False


class Connection:
    """One client: it sends a request, and the next when the answer is complete."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self.socket: socket.socket | None = None
        self.body = Body()
        self.began = self.first = 0.0

    def send(self, request: bytes) -> socket.socket:
        """Send one; connects when the server closed the last connection, which counts."""
        self.body, self.began, self.first = Body(), time.perf_counter(), 0.0
        if self.socket is None:
            self.socket = socket.create_connection(self.address)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.sendall(request)
        return self.socket

    def receive(self) -> Timed | None:
        """Read what there is; the answer's figures when it is complete. Raises Refused."""
        assert self.socket is not None
        data = self.socket.recv(1 << 18)
        now = time.perf_counter()
        self.first = self.first or now
        if not (self.body.feed(data) if data else self.body.end()):
            if not data:
                raise Refused("the answer broke off")
            return None
        if self.body.closes or not data:
            self.close()
        return Timed(self.first - self.began, now - self.began, self.body.size)

    def close(self) -> None:
        """Close the connection."""
        if self.socket is not None:
            self.socket.close()
            self.socket = None


def measure(address: Address, requests: list[bytes], clients: int, seconds: float, most: int = 10**9) -> Figures:
    """What the answers take when so many clients each ask one after the other, for some seconds, `most` at most.

    The requests are asked in turn. Raises Refused for the first that is not answered with 200.
    """
    following: Iterator[bytes] = cycle(requests)
    answers: list[Timed] = []
    selector = selectors.DefaultSelector()
    connections = [Connection(address) for _ in range(clients)]
    began = time.perf_counter()
    until = began + seconds
    under_way = 0

    def ask(connection: Connection) -> None:
        nonlocal under_way
        selector.register(connection.send(next(following)), selectors.EVENT_READ, connection)
        under_way += 1

    try:
        for connection in connections:
            ask(connection)
        while under_way:
            for key, _ in selector.select():
                connection = key.data
                timed = connection.receive()
                if timed is None:
                    continue
                answers.append(timed)
                selector.unregister(key.fileobj)
                under_way -= 1
                if time.perf_counter() < until and len(answers) + under_way < most:
                    ask(connection)
        return Figures.of(answers, time.perf_counter() - began)
    finally:
        for connection in connections:
            connection.close()
        selector.close()


def ceiling(clients: int, size: int, seconds: float = 1.0) -> Figures:
    """What these clients reach against a server that does nothing but send the same bytes."""
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size
    listener = socket.create_server(("127.0.0.1", 0), backlog=clients)

    def serve() -> None:
        with selectors.DefaultSelector() as selector:
            for _ in range(clients):
                selector.register(listener.accept()[0], selectors.EVENT_READ)
            while selector.get_map():
                for key, _ in selector.select():
                    peer = key.fileobj
                    assert isinstance(peer, socket.socket)
                    if peer.recv(65536):
                        peer.sendall(answer)
                    else:
                        selector.unregister(peer)
                        peer.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        return measure(listener.getsockname(), [get("/", {})], clients, seconds)
    finally:
        thread.join()
        listener.close()
