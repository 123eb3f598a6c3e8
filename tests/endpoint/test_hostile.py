"""What strangers may send: paths, parameters and headers of every kind, bad HTTP, queries that would reach out."""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes

import pytest
import requests
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from endpoint import create_app
from endpoint.settings import Settings

if TYPE_CHECKING:
    from tests.endpoint.conftest import Server

PATHS = [
    line
    for line in (Path(__file__).parent / "data" / "protocol" / "hostile-paths.txt").read_text("utf-8").splitlines()
    if line and not line.startswith("#")
]
FINE = {200, 303, 308, 400, 404, 405, 406, 410, 414, 415}


def talk(server: Server, sent: bytes) -> bytes:
    """Send bytes as they are; gives all that comes back until the server closes the connection."""
    host, port = re.findall(r"//(.*):(\d+)", server.url)[0]
    answer = b""
    with socket.create_connection((host, int(port)), timeout=20) as client:
        client.sendall(sent)
        while piece := client.recv(65536):
            answer += piece
    return answer


def status(answer: bytes) -> int:
    found = re.match(rb"HTTP/1\.[01] (\d{3}) ", answer)
    assert found, answer[:200]
    return int(found[1])


def test_no_path_is_a_fault_of_the_server(server: Server) -> None:
    for path in PATHS:
        request = f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()
        answer = talk(server, request)
        head = answer.partition(b"\r\n\r\n")[0]
        assert status(answer) in FINE, (path, answer[:300])
        assert b"set-cookie" not in head.lower()
        assert not re.search(rb"\r\nX: ?y", head)
        assert b"root:" not in answer
        assert b"<script>alert" not in answer, path


def test_a_path_too_long_is_told_so(server: Server) -> None:
    for path in ("/id/" + "a" * 140_000, "/data/" + "%C3%A0" * 30_000):
        assert server.get(path).status_code == 414
    assert server.get("/id/" + "a/" * 30_000).status_code == 404


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("/id/operation/prova/AA1.1.1.a", "/data/operation/prova/AA1.1.1.a.ttl"),
        ("/id/operation/prova/%41A1.1.1.a", "/data/operation/prova/AA1.1.1.a.ttl"),
        ("/id/operation/prova/AA1%2e1%2E1.a", "/data/operation/prova/AA1.1.1.a.ttl"),
        ("/id/operation/prova/AA1.1.1.a#this", "/data/operation/prova/AA1.1.1.a.ttl"),
    ],
)
def test_what_means_a_resource_finds_it(path: str, wanted: str, server: Server) -> None:
    answer = talk(server, f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    assert status(answer) == 303
    assert f"Location: {wanted}".encode() in answer


@pytest.fixture(scope="module")
def app(releases: Path) -> Iterator[Flask]:
    app = create_app(Settings(releases=releases))
    yield app
    app.extensions["cupola"].close()


def words(text: str) -> st.SearchStrategy[str]:
    return st.sampled_from(text.split())


ROUTES = words(
    "id doc data graph graphs dumps copy release onto shapes static projects projects.csv quality queries sparql "
    "catalog.ttl sitemap.xml health metrics"
)
BITS = words(
    """%00 % %2 %2F %25 %FF .. . / // .ttl # ? & = ' " < > { } \\ prova operation AA1.1.1.a à € %C3%A0 %0D%0A"""
)
TEXT = st.lists(BITS | st.text(st.characters(codec="utf-8", exclude_characters="\r\n\x00 "), max_size=5), max_size=8)
NAMES = words(
    "query update format default-graph-uri named-graph-uri graph default page q order lang code severity source"
) | st.text(max_size=5)
VALUES = (
    words("it turtle json https://w3id.org/cupola/graph/prova -1 999999999999999999999999999999")
    | st.sampled_from(["ASK {}", "SELECT * { ?s ?p ?o } LIMIT 2", "DESCRIBE <x:y>", "CLEAR ALL"])
    | st.text(max_size=12)
)
HEADERS: dict[str, st.SearchStrategy[str]] = {
    "Accept": words("*/* text/html text/turtle;q=0.3,*/*;q=nan text/csv;q=-1 a/b/c;; q=1"),
    "Accept-Encoding": words("gzip;q=2 br,*;q=0 zstd;q= identity;q=0"),
    "Accept-Language": words("it en;q=x * -- zz-ZZ-ZZ"),
    "If-None-Match": words("""* " W/"x "a","b" """),
    "If-Modified-Since": st.sampled_from(["yesterday", "Thu, 01 Jan 1970 00:00:00 GMT", "0", "9" * 40]),
    "Range": words("bytes=0-0 bytes=-1 bytes=5-2 bytes=0-1,3-4 lines=1 bytes=999999999999999999999999999999-"),
    "If-Range": words('"x" yesterday'),
    "X-Forwarded-For": words("1.2.3.4 x,y ::1 ,"),
    "X-Request-ID": st.sampled_from(["a" * 200, "ok-1", "<b>", "à"]),
    "Content-Type": st.sampled_from(
        [
            "application/sparql-query",
            "application/x-www-form-urlencoded",
            "text/plain;;=",
            "multipart/form-data; boundary=x",
            "application/sparql-query; charset=utf-7",
        ]
    ),
}
HEADER_SETS = st.fixed_dictionaries({}, optional=HEADERS)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    route=ROUTES,
    rest=TEXT,
    parameters=st.lists(st.tuples(NAMES, VALUES), max_size=3),
    headers=HEADER_SETS,
    method=st.sampled_from(["GET", "HEAD", "POST", "OPTIONS", "PUT", "PROPFIND"]),
    body=st.binary(max_size=20) | st.just(b"query=ASK%7B%7D") | st.just(b"ASK {}"),
)
def test_whatever_is_asked_is_no_fault_of_the_server(
    app: Flask, route: str, rest: list[str], parameters: Any, headers: dict[str, str], method: str, body: bytes
) -> None:
    sent = f"/{route}/{''.join(rest)}"
    path = unquote_to_bytes(sent.partition("?")[0].partition("#")[0]).decode("latin-1")
    client = app.test_client()
    with client.open(
        "/",
        method=method,
        query_string=parameters,
        headers=headers,
        data=body if method in ("POST", "PUT") else None,
        environ_overrides={"PATH_INFO": path, "REQUEST_URI": sent.encode().decode("latin-1")},
    ) as answer:
        assert answer.status_code in FINE | {206, 304, 403, 413, 416}, answer.status
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        answer.get_data()  # to its end


GET = b"GET / HTTP/1.1\r\nHost: x\r\n"
POST = b"POST /sparql HTTP/1.1\r\nHost: x\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n"
EVIL = b"GET /evil HTTP/1.1\r\nHost: x\r\n\r\n"
BAD_HTTP = {
    "header injection": GET.replace(b"/ ", b"/?lang=it%0d%0aX-Evil:%201 ") + b"X-Request-ID: a\rX-Evil: 1\r\n\r\n",
    "bare line feeds": b"GET / HTTP/1.1\nHost: x\nX-Evil: 1\n\n\r\n\r\n",
    "length twice": POST + b"Content-Length: 5\r\nContent-Length: 50\r\n\r\nquery" + EVIL,
    "length and chunks": CHUNKED + b"Content-Length: 4\r\n\r\n0\r\n\r\n" + EVIL,
    "chunks spelt oddly": POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "chunks with a tab": POST + b"Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n",
    "garbage for chunks": CHUNKED + b"\r\nZZ\r\nhello\r\n0\r\n\r\n",
    "a negative chunk": CHUNKED + b"\r\n-5\r\nhello\r\n0\r\n\r\n",
    "a chunk without its end": CHUNKED + b"\r\n5\r\nhelloXX0\r\n\r\n",
    "a negative length": POST + b"Content-Length: -1\r\n\r\n",
    "a length with a sign": POST + b"Content-Length: +5\r\n\r\nhello",
    "a length too large": POST + b"Content-Length: 99999999999\r\n\r\n",
    "headers too large": GET + b"X-Big: " + b"x" * 300_000 + b"\r\n\r\n",
    "too many headers": GET + b"".join(b"X-%d: y\r\n" % n for n in range(30_000)) + b"\r\n",
    "a folded header": GET + b"Accept: text/html\r\n folded\r\n\r\n",
    "no request at all": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "no version": b"GET /\r\n\r\n",
    "a version of the future": b"GET / HTTP/9.9\r\nHost: x\r\n\r\n",
    "a lower-case method": b"get / HTTP/1.1\r\nHost: x\r\n\r\n",
    "a method of letters": b"A" * 1000 + b" / HTTP/1.1\r\nHost: x\r\n\r\n",
    "another's address": b"GET http://127.0.0.1:9/x HTTP/1.1\r\nHost: x\r\n\r\n",
    "a tunnel": b"CONNECT 127.0.0.1:9 HTTP/1.1\r\nHost: x\r\n\r\n",
    "a host of another kind": b"GET / HTTP/1.1\r\nHost: a b<script>\r\n\r\n",
    "no host": b"GET / HTTP/1.1\r\n\r\n",
}


@pytest.mark.parametrize("name", BAD_HTTP)
def test_bad_http_is_refused_and_nothing_is_smuggled(name: str, server: Server) -> None:
    host, port = re.findall(r"//(.*):(\d+)", server.url)[0]
    answer = b""
    with socket.create_connection((host, int(port)), timeout=20) as client:
        client.settimeout(0.5)
        try:
            client.sendall(BAD_HTTP[name])
            while piece := client.recv(65536):
                answer += piece
        except (TimeoutError, ConnectionError):
            pass  # it waits for more, or has had enough
    statuses = [int(code) for code in re.findall(rb"HTTP/1\.[01] (\d{3}) ", answer)]
    assert all(code < 500 or code == 501 for code in statuses), answer[:300]
    assert b"x-evil" not in answer.partition(b"\r\n\r\n")[0].lower()
    # What stands after a body that is measured in two ways is never taken for a request of its own.
    assert len(statuses) <= 1, statuses
    assert server.ask("ASK {}").json()["boolean"] is True


def test_slow_clients_do_not_keep_others_waiting(server: Server) -> None:
    host, port = re.findall(r"//(.*):(\d+)", server.url)[0]
    with ExitStack() as stack:
        for n in range(200):  # many more than there are threads
            client = stack.enter_context(socket.create_connection((host, int(port)), timeout=20))
            begun = (
                b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: "
                if n % 2
                else b"POST /sparql HTTP/1.1\r\nContent-Length: 999\r\n\r\nq"
            )
            client.sendall(begun)
        for _ in range(5):
            assert server.ask("ASK {}").json()["boolean"] is True
            assert server.get("/health").status_code == 200


@pytest.fixture
def listener() -> Iterator[tuple[int, list[object]]]:
    """A port somebody might be made to call, and who called."""
    called: list[object] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def wait() -> None:
            while True:
                try:
                    connection, where = listening.accept()
                except OSError:  # the test is over
                    return
                called.append(where)
                connection.close()

        threading.Thread(target=wait, daemon=True).start()
        yield listening.getsockname()[1], called
        listening.shutdown(socket.SHUT_RDWR)


Reach = Callable[["Server", str], requests.Response]
REACHING: dict[str, tuple[Reach, set[int]]] = {
    "SERVICE": (lambda s, u: s.ask(f"ASK {{ SERVICE <{u}> {{ ?s ?p ?o }} }}"), {403}),
    "SERVICE SILENT": (lambda s, u: s.ask(f"ASK {{ SERVICE SILENT <{u}> {{ ?s ?p ?o }} }}"), {403}),
    "SERVICE relative": (lambda s, u: s.ask(f"BASE <{u}> ASK {{ SERVICE <x> {{ ?s ?p ?o }} }}"), {403}),
    "SERVICE escaped": (lambda s, u: s.ask(f"ASK {{ \\u0053ERVICE <{u}> {{ ?s ?p ?o }} }}"), {400, 403}),
    "LOAD": (lambda s, u: s.ask(f"LOAD <{u}>"), {403}),
    "update": (lambda s, u: requests.post(f"{s.url}/sparql", data={"update": f"LOAD <{u}>"}, timeout=20), {403}),
    "FROM": (lambda s, u: s.ask(f"ASK FROM <{u}> {{ ?s ?p ?o }}"), {200}),
    "FROM NAMED": (lambda s, u: s.ask(f"ASK FROM NAMED <{u}> {{ GRAPH ?g {{ ?s ?p ?o }} }}"), {200}),
    "default-graph-uri": (
        lambda s, u: s.get("/sparql", params={"query": "ASK { ?s ?p ?o }", "default-graph-uri": u}), {200},
    ),
    "named-graph-uri": (
        lambda s, u: s.get("/sparql", params={"query": "ASK { GRAPH ?g { ?s ?p ?o } }", "named-graph-uri": u}), {200},
    ),
    "graph store": (lambda s, u: s.get("/graphs", params={"graph": u}), {404}),
    "DESCRIBE": (lambda s, u: s.ask(f"DESCRIBE <{u}>"), {200}),
}  # fmt: skip


@pytest.mark.parametrize("scheme", ["http", "file"])
@pytest.mark.parametrize("name", REACHING)
def test_nothing_is_fetched_for_a_stranger(
    name: str, scheme: str, server: Server, listener: tuple[int, list[object]], tmp_path: Path
) -> None:
    port, called = listener
    secret = tmp_path / "secret.ttl"
    secret.write_text("<x:secret> <x:is> <x:here> .")
    reach, statuses = REACHING[name]
    answer = reach(server, f"http://127.0.0.1:{port}/x" if scheme == "http" else secret.as_uri())
    assert answer.status_code in statuses, answer.text
    if answer.status_code == 200 and "boolean" in answer.text:
        assert answer.json()["boolean"] is False  # a graph nobody published is empty
    assert "secret>" not in answer.text
    time.sleep(0.05)
    assert called == []
