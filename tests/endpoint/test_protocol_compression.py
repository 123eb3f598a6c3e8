"""Compression on the way: which coding, streamed, with validators that hold, and broken where the answer is."""

from __future__ import annotations

import http.client
import re
import socket
import zlib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import brotli
import pytest
import requests
import zstandard
from flask import Request
from werkzeug.datastructures import Headers
from werkzeug.test import EnvironBuilder

from endpoint.compression import CODINGS, chosen, packed

if TYPE_CHECKING:
    from tests.endpoint.conftest import Server

STREAM_ALL = "SELECT * { ?a ?b ?c . ?d ?e ?f . ?g ?h ?i . ?j ?k ?l }"
CODED = list(CODINGS)


class Reader:
    """A decoder of one coding; `ended` once it has met the end of the stream."""

    def __init__(self, coding: str) -> None:
        self.gzip = zlib.decompressobj(wbits=31) if coding == "gzip" else None
        self.zstd = zstandard.ZstdDecompressor().decompressobj() if coding == "zstd" else None
        self.br = brotli.Decompressor() if coding == "br" else None

    def read(self, data: bytes) -> bytes:
        if self.gzip:
            return self.gzip.decompress(data)
        if self.zstd:
            return self.zstd.decompress(data)
        assert self.br is not None
        text = piece = bytes(self.br.process(data))
        while piece:  # it gives some at a time
            text += (piece := bytes(self.br.process(b"")))
        return text

    @property
    def ended(self) -> bool:
        if self.gzip:
            return self.gzip.eof
        if self.zstd:
            return self.zstd.eof
        return bool(self.br.is_finished())  # type: ignore[union-attr]


@contextmanager
def opened(server: Server, path: str, headers: dict[str, str]) -> Iterator[http.client.HTTPResponse]:
    """A response whose body can be read as it comes."""
    with closing(http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=60)) as connection:
        connection.request("GET", path, headers=headers)
        with connection.getresponse() as answer:
            yield answer


@dataclass
class Raw:
    status: int
    headers: http.client.HTTPMessage
    body: bytes


def raw(server: Server, path: str, **headers: str) -> Raw:
    """A response with its body as it came."""
    with opened(server, path, {name.replace("_", "-"): value for name, value in headers.items()}) as answer:
        return Raw(answer.status, answer.headers, answer.read())


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        (None, None),
        ("", None),
        ("identity", None),
        ("gzip", "gzip"),
        ("GZIP", "gzip"),
        ("gzip, deflate, br, zstd", "zstd"),
        ("gzip, deflate, br", "br"),
        ("gzip;q=1.0, br;q=0.5", "gzip"),
        ("zstd;q=0, br;q=0, gzip", "gzip"),
        ("*", "zstd"),
        ("*;q=0.5, gzip;q=0.8", "gzip"),
        ("zstd;q=0, *", "br"),
        ("gzip;q=0", None),
        ("identity, gzip;q=0.5", None),
        ("identity;q=0.5, gzip", "gzip"),
        ("deflate, compress, pack200-gzip", None),
        ("gzip;q=nonsense", None),
        (";;;,,=", None),
    ],
)
def test_the_coding_is_the_one_the_client_likes_best(accepted: str | None, coding: str | None) -> None:
    headers = {} if accepted is None else {"Accept-Encoding": accepted}
    assert chosen(Request(EnvironBuilder(headers=Headers(headers)).get_environ())) == coding


@pytest.mark.parametrize("coding", CODED)
@pytest.mark.parametrize("path", ["/", "/projects.csv", "/static/cupola.css", "/data/operation/prova/AA1.1.1.a.ttl",
                                  "/sparql?query=SELECT%20*%20%7B%3Fs%20%3Fp%20%3Fo%7D"])  # fmt: skip
def test_every_kind_of_answer_says_the_same_compressed(path: str, coding: str, server: Server) -> None:
    plain, answer = raw(server, path), raw(server, path, Accept_Encoding=coding)
    assert plain.headers["Content-Encoding"] is None
    assert answer.headers["Content-Encoding"] == coding
    assert "Accept-Encoding" in answer.headers["Vary"]
    assert "Accept-Encoding" in plain.headers["Vary"]
    assert answer.headers["Accept-Ranges"] is None
    reader = Reader(coding)
    assert reader.read(answer.body) == plain.body
    assert reader.ended
    if length := answer.headers["Content-Length"]:
        assert int(length) == len(answer.body)


@pytest.mark.parametrize("path", ["/dumps/data/prova.nq.gz", "/dumps/tables/prova.parquet"])
def test_what_is_packed_already_is_left_alone(path: str, server: Server) -> None:
    answer = raw(server, path, Accept_Encoding="gzip, br, zstd")
    assert answer.headers["Content-Encoding"] is None
    assert answer.headers["Content-Length"]
    assert answer.headers["Accept-Ranges"] == "bytes"


def test_a_part_of_a_file_is_a_part_of_the_file_as_it_is(server: Server) -> None:
    answer = raw(server, "/dumps/manifest.json", Accept_Encoding="gzip", Range="bytes=0-9")
    assert (answer.status, answer.headers["Content-Encoding"]) == (206, None)


def test_a_small_answer_is_not_worth_it(server: Server) -> None:
    answer = raw(server, "/sparql?query=ASK%7B%7D", Accept_Encoding="gzip")
    assert answer.headers["Content-Encoding"] is None
    assert "Accept-Encoding" in answer.headers["Vary"]


@pytest.mark.parametrize("coding", ["identity", *CODED])
@pytest.mark.parametrize("path", ["/data/operation/prova/AA1.1.1.a.ttl", "/static/cupola.css", "/dumps/manifest.json"])
def test_what_the_client_has_is_not_sent_again_in_any_coding(path: str, coding: str, server: Server) -> None:
    first = raw(server, path, Accept_Encoding=coding)
    again = raw(server, path, Accept_Encoding=coding, If_None_Match=first.headers["ETag"])
    assert (again.status, again.body) == (304, b"")
    assert "Accept-Encoding" in again.headers["Vary"]
    if first.headers["Content-Encoding"]:
        assert first.headers["ETag"].startswith("W/")  # no promise about bytes


@pytest.mark.parametrize("path", ["/", "/static/cupola.css", "/projects.csv"])
def test_head_has_the_headers_of_the_compressed_answer(path: str, server: Server) -> None:
    headers = {"Accept-Encoding": "gzip"}
    head = requests.head(server.url + path, headers=headers, timeout=20).headers
    get = raw(server, path, Accept_Encoding="gzip").headers
    for name in ("Content-Encoding", "Content-Length", "ETag", "Vary", "Content-Type"):
        assert head.get(name) == get[name]


@pytest.mark.parametrize("coding", CODED)
def test_the_first_bytes_can_be_read_while_the_query_runs(coding: str, server: Server) -> None:
    with opened(server, f"/sparql?query={quote(STREAM_ALL)}", {"Accept-Encoding": coding}) as answer:
        assert answer.headers["Content-Length"] is None
        reader, text = Reader(coding), b""
        while len(text) < 50_000:  # of an answer that has no end
            text += reader.read(answer.read1(1000))
    assert text.startswith(b'{"head":{"vars"')


@pytest.mark.parametrize("coding", CODED)
def test_an_answer_broken_off_has_no_proper_end(coding: str, strict: Server) -> None:
    path = f"/sparql?query={quote(STREAM_ALL)}"
    with (
        opened(strict, path, {"Accept-Encoding": coding}) as answer,
        pytest.raises(http.client.IncompleteRead) as broken,
    ):
        answer.read()
    reader = Reader(coding)
    assert reader.read(broken.value.partial).startswith(b'{"head":{"vars"')
    assert not reader.ended


@pytest.mark.parametrize("coding", ["identity", "gzip"])
def test_an_answer_broken_off_does_not_end_politely_for_an_old_client_either(coding: str, strict: Server) -> None:
    host, port = re.findall(r"//(.*):(\d+)", strict.url)[0]
    with socket.create_connection((host, int(port))) as client:
        sent = f"GET /sparql?query={quote(STREAM_ALL)} HTTP/1.0\r\nAccept-Encoding: {coding}\r\n\r\n"
        client.sendall(sent.encode())
        with pytest.raises(ConnectionResetError):
            read_all(client)


def read_all(client: socket.socket) -> None:
    while client.recv(65536):
        pass


@pytest.mark.parametrize("coding", CODED)
def test_pieces_leave_as_they_come_and_a_failure_writes_no_end(coding: str) -> None:
    def source() -> Iterator[bytes]:
        yield b"first"
        yield b"second" * 20_000
        raise ConnectionError

    reader = Reader(coding)
    pieces = packed(source(), CODINGS[coding]())
    assert reader.read(next(pieces)) == b"first"
    assert reader.read(next(pieces)) == b"second" * 20_000
    with pytest.raises(ConnectionError):
        next(pieces)
    assert not reader.ended


def test_a_file_sent_compressed_is_closed(release: Path, server: Server) -> None:
    files = Path(f"/proc/{server.process.pid}/fd")
    if not files.exists():
        pytest.skip("needs Linux's /proc")
    for _ in range(3):
        raw(server, "/static/cupola.css", Accept_Encoding="gzip")
    assert not [file for file in files.iterdir() if file.exists() and file.resolve().name == "cupola.css"]
