"""A site on this machine that misbehaves in every way we know, and remembers what it was asked."""

from __future__ import annotations

import gzip
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

#: Writes an answer by itself, byte by byte if it wants.
Writer = Callable[["Handler"], None]


@dataclass
class Page:
    """What is answered at an address: as it stands here, or as `write` does it."""

    body: bytes = b""
    media_type: str = "text/html; charset=utf-8"
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    write: Writer | None = None


class Site(ThreadingHTTPServer):
    """Answers with its pages; a list of pages is gone through, its last one stays. Without a page: 404."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.pages: dict[str, Page | list[Page]] = {}
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.over = threading.Event()

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def url(self, path: str = "/", host: str = "site.example") -> str:
        return f"http://{host}:{self.port}{path}"

    def paths(self) -> list[str]:
        """The addresses asked for, robots.txt left out."""
        return [path for path, _ in self.asked if path != "/robots.txt"]

    def headers_of(self, path: str) -> dict[str, str]:
        """The headers of the last request for an address, with small names."""
        return next(headers for asked, headers in reversed(self.asked) if asked == path)

    def handle_error(self, *_: object) -> None:
        """Who asked hung up while a slow answer was being written: that is what is tested."""


class Handler(BaseHTTPRequestHandler):
    server: Site
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.server.asked.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
        found = self.server.pages.get(self.path, Page(b"not here", status=404))
        page = found if isinstance(found, Page) else found.pop(0) if len(found) > 1 else found[0]
        self.close_connection = True
        if page.write is not None:
            page.write(self)
            return
        etag = page.headers.get("ETag")
        if etag is not None and self.headers.get("If-None-Match") == etag:
            page = Page(status=304, headers={"ETag": etag})
        self.head(page.status, page.media_type, {"Content-Length": str(len(page.body)), **page.headers})
        self.wfile.write(page.body)

    def head(self, status: int, media_type: str, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": media_type, "Connection": "close", **headers}.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def running(secure: ssl.SSLContext | None = None) -> Iterator[Site]:
    """A site that listens, over TLS if there is a context."""
    site = Site()
    if secure is not None:
        site.socket = secure.wrap_socket(site.socket, server_side=True)
    thread = threading.Thread(target=site.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield site
    finally:
        site.over.set()  # whoever drips or says nothing stops
        site.shutdown()
        thread.join()
        site.server_close()


# --- misbehaviour --------------------------------------------------------------------------------------------------


def silent(handler: Handler) -> None:
    """Takes the request and says nothing."""
    handler.server.over.wait(10)


def drips_its_body(handler: Handler) -> None:
    handler.head(200, "text/html", {})
    while not handler.server.over.wait(0.05):
        handler.wfile.write(b".")


def drips_its_head(handler: Handler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
    while not handler.server.over.wait(0.05):
        handler.wfile.write(b".")


def endless(handler: Handler) -> None:
    handler.head(200, "text/html", {})
    while not handler.server.over.is_set():
        handler.wfile.write(b"<p>again</p>" * 1000)


def endless_chunk_line(handler: Handler) -> None:
    """Chunked, but the line that should say how long the first piece is never ends."""
    handler.head(200, "text/html", {"Transfer-Encoding": "chunked"})
    while not handler.server.over.is_set():
        handler.wfile.write(b"0" * 10_000)


def chunked(handler: Handler) -> None:
    handler.head(200, "text/html", {"Transfer-Encoding": "chunked"})
    for piece in (b"<p>in ", b"pieces</p>"):
        handler.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
    handler.wfile.write(b"0\r\n\r\n")


def says_too_long(handler: Handler) -> None:
    """Its Content-Length is more than it sends."""
    handler.head(200, "text/html", {"Content-Length": "1000"})
    handler.wfile.write(b"<p>half</p>")


def no_http(handler: Handler) -> None:
    handler.wfile.write(b"SSH-2.0-OpenSSH_9.6\r\n")


def unheard_framing(handler: Handler) -> None:
    handler.head(200, "text/html", {"Transfer-Encoding": "gzip, chunked"})
    handler.wfile.write(b"0\r\n\r\n")


def bomb(size: int = 50_000_000) -> Page:
    """A few KB that unpack to `size` bytes."""
    return Page(gzip.compress(bytes(size), 9), headers={"Content-Encoding": "gzip"})


def redirect(to: str, status: int = 302) -> Page:
    return Page(status=status, headers={"Location": to})


def retry_after(seconds: str, status: int = 429) -> Page:
    return Page(b"slow down", status=status, headers={"Retry-After": seconds})


def slow(seconds: float, page: Page) -> Page:
    def write(handler: Handler) -> None:
        time.sleep(seconds)
        handler.head(page.status, page.media_type, {"Content-Length": str(len(page.body))})
        handler.wfile.write(page.body)

    return Page(write=write)


def then(action: Callable[[], Any], page: Page) -> Page:
    """Sends half of a page, does something, and sends the rest if it is still there to do so."""

    def write(handler: Handler) -> None:
        handler.head(page.status, page.media_type, {"Content-Length": str(len(page.body))})
        half = len(page.body) // 2
        handler.wfile.write(page.body[:half])
        handler.wfile.flush()
        action()
        handler.wfile.write(page.body[half:])

    return Page(write=write)
