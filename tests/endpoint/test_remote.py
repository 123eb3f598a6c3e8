"""The remote engine, over our own endpoint as the remote one, and over servers that misbehave."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, ClassVar

import pytest

from endpoint.describe import describe
from endpoint.engine import Busy, EngineDown, NotAcceptable, QueryRefused, QuerySyntax, QueryTimeout
from endpoint.engine.remote import RemoteEngine
from endpoint.formats import named
from endpoint.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

    from endpoint.engine.local import LocalEngine
    from tests.endpoint.conftest import Server, Start

FIRST = "https://w3id.org/cupola/id/operation/prova/AA1.1.1.a"


@pytest.fixture
def remote(server: Server) -> Iterator[RemoteEngine]:
    engine = RemoteEngine(Settings(remote_endpoint=f"{server.url}/sparql"))
    yield engine
    engine.close()


def test_it_answers_as_the_local_engine_does(remote: RemoteEngine, engine: LocalEngine) -> None:
    assert remote.alive()
    assert describe(remote, FIRST) == describe(engine, FIRST)
    for query in ("ASK { ?s ?p 'x' }", "SELECT ?s { ?s ?p ?o } ORDER BY ?s LIMIT 5"):
        assert remote.query(query).read() == engine.query(query).read()
    construct = "CONSTRUCT { ?s a ?c } WHERE { ?s a ?c }"
    assert sorted(remote.query(construct).read().splitlines()) == sorted(engine.query(construct).read().splitlines())
    graphs = ["https://w3id.org/cupola/graph/quality"]
    count = "SELECT (COUNT(*) AS ?n) { ?s ?p ?o }"
    assert b'"45"' in remote.query(count, default_graphs=graphs).read()


def test_it_tells_what_is_wrong(remote: RemoteEngine) -> None:
    with pytest.raises(QuerySyntax):
        remote.query("SELECT nonsense")
    with pytest.raises(QueryRefused, match="SERVICE"):
        remote.query("SELECT * { ?a ?b ?c OPTIONAL { SERVICE <http://127.0.0.1:9/> { ?s ?p ?o } } }")
    assert b"bindings" in remote.query("SELECT * { ?s ?p 'SERVICE <x:x> { }' }").read()
    csv = named("csv", "results")
    assert csv is not None
    with pytest.raises(NotAcceptable):
        remote.query("CONSTRUCT WHERE { ?s ?p ?o }", formats={"results": csv})


def test_an_application_can_stand_on_a_remote_endpoint(server: Server, start: Start, releases: Path) -> None:
    second = start(releases, remote_endpoint=f"{server.url}/sparql")
    assert second.get("/health").json()["engine"] is True
    path = "/data/operation/prova/AA1.1.1.a.ttl"
    assert second.get(path).text == server.get(path).text
    assert second.ask("ASK {}").json()["boolean"] is True


class Misbehaving(BaseHTTPRequestHandler):
    """Answers as the query's literal says."""

    release: ClassVar[threading.Event]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        if "late" in body:
            self.release.wait(5)
        status = 503 if "busy" in body else 200
        self.send_response(status)
        self.send_header("Retry-After", "7")
        self.send_header("Content-Type", "text/html" if "page" in body else "application/sparql-results+json")
        self.send_header("Content-Length", "1000")
        self.end_headers()
        self.wfile.write(b"{}" * (500 if "page" in body or "busy" in body else 100))

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def misbehaving() -> Iterator[RemoteEngine]:
    Misbehaving.release = threading.Event()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Misbehaving)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    engine = RemoteEngine(Settings(remote_endpoint=f"http://127.0.0.1:{server.server_port}/", query_timeout=0.3))
    yield engine
    Misbehaving.release.set()
    engine.close()
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_remote_endpoint_that_fails_is_told_clearly(misbehaving: RemoteEngine) -> None:
    with pytest.raises(QueryTimeout, match=r"0\.3 seconds"):
        misbehaving.query("ASK { ?s ?p 'late' }")
    with pytest.raises(Busy) as busy:
        misbehaving.query("ASK { ?s ?p 'busy' }")
    assert busy.value.retry_after == 7
    with pytest.raises(EngineDown, match="text/html"):
        misbehaving.query("ASK { ?s ?p 'page' }")
    with pytest.raises(EngineDown, match="broke off"):
        misbehaving.query("ASK { ?s ?p 'cut' }").read()


def test_a_remote_endpoint_that_is_not_there_is_told_clearly() -> None:
    engine = RemoteEngine(Settings(remote_endpoint="http://127.0.0.1:9/sparql"))
    assert not engine.alive()
    with pytest.raises(EngineDown, match="does not answer"):
        engine.query("ASK {}")
    engine.close()
