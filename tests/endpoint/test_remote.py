"""The remote engine, over our own endpoint as the remote one, and over a store that does as it is told.

Real stores are in servers/.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import pytest

from endpoint.describe import describe
from endpoint.engine import (
    Abandoned,
    Busy,
    EngineDown,
    EngineError,
    NotAcceptable,
    QueryRefused,
    QuerySyntax,
    QueryTimeout,
)
from endpoint.engine.forms import form
from endpoint.engine.remote import RemoteEngine
from endpoint.engine.stores import store_named, stores
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


JSON = "application/sparql-results+json"
TRUE = b'{"head": {}, "boolean": true}'


class Told(ThreadingHTTPServer):
    """A store whose answers a test gives, by the name that stands in the query: a function of the handler."""

    daemon_threads = True

    def __init__(self, answers: dict[str, Callable[[Any], None]]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers = answers
        self.asked: list[tuple[str, dict[str, list[str]], dict[str, str]]] = []
        self.left = threading.Event()  # set when a client closed the connection it was answered on
        self.enough = threading.Event()
        self.url = f"http://127.0.0.1:{self.server_port}/sparql"

    def handle_error(self, *_: object) -> None:
        """A client that goes away is no error here."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Told

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        parameters = parse_qs(body)
        self.server.asked.append((self.path, parameters, dict(self.headers)))
        name = next((name for name in self.server.answers if name in parameters["query"][0]), None)
        if name is None:
            self.reply(200, TRUE)
        else:
            self.server.answers[name](self)

    def reply(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        named = {"Content-Type": JSON, "Content-Length": str(len(body))}
        for header, value in {**named, **{k.replace("_", "-"): v for k, v in headers.items()}}.items():
            self.send_header(header, value)
        self.end_headers()
        self.wfile.write(body)

    def wait(self) -> None:
        """Answer nothing until the client closes the connection, or the test is over."""
        self.connection.settimeout(0.05)
        self.close_connection = True
        while not self.server.enough.is_set():
            with suppress(TimeoutError):
                if not self.connection.recv(1):
                    self.server.left.set()
                    return

    def drip(self) -> None:
        """Begin an answer and go on with it a byte at a time, for as long as somebody reads."""
        self.begin_chunks()
        try:
            while not self.server.enough.wait(0.02):
                self.wfile.write(b"1\r\n \r\n")
        except OSError:
            self.server.left.set()

    def cut(self) -> None:
        """Break off in the middle of a chunk."""
        self.begin_chunks()
        self.wfile.write(b"ff\r\n{}")

    def begin_chunks(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", JSON)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.close_connection = True

    def log_message(self, *args: object) -> None:
        """Say nothing."""


def elsewhere(handler: Handler) -> None:
    if handler.path == "/sparql":
        handler.reply(307, b"", Location="/elsewhere")
    else:
        handler.reply(200, TRUE)


ANSWERS: dict[str, Callable[[Any], None]] = {
    "late": Handler.wait,
    "drip": Handler.drip,
    "cut": Handler.cut,
    "short": lambda it: it.reply(200, b"{}", Content_Length="1000", Connection="close"),
    "busy": lambda it: it.reply(503, b"later", Retry_After="7"),
    "page": lambda it: it.reply(200, b"<html></html>", Content_Type="text/html"),
    "wrong": lambda it: it.reply(400, b"<html><body><h1>Error</h1>\n\nline 1: what?</body></html>"),
    "who": lambda it: it.reply(401, b"", WWW_Authenticate='Basic realm="x"'),
    "never": lambda it: it.reply(403, b""),
    "inside": lambda it: it.reply(500, b"S1T00 Transaction timed out"),
    "partly": lambda it: it.reply(206, TRUE),
    "anytime": lambda it: it.reply(200, TRUE, X_SQL_State="S1TAT"),
    "marked": lambda it: it.reply(200, b"x\n" + store_named("fuseki").cut.encode() + b"\n##  more ##\n"),
    "moved": elsewhere,
    "stolen": lambda it: it.reply(307, b"", Location="http://127.0.0.2:9/sparql"),
    "circle": lambda it: it.reply(307, b"", Location="/sparql"),
}


@pytest.fixture
def told() -> Iterator[Told]:
    server = Told(dict(ANSWERS))
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield server
    server.enough.set()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def over(told: Told) -> Iterator[Callable[..., RemoteEngine]]:
    """Engines over that store, with the settings a test wants."""
    made: list[RemoteEngine] = []

    def engine(**settings: Any) -> RemoteEngine:
        made.append(RemoteEngine(Settings(**{"remote_endpoint": told.url, "query_timeout": 20.0, **settings})))
        return made[-1]

    yield engine
    for one in made:
        one.kill()


Over = Callable[..., RemoteEngine]


@pytest.mark.parametrize(
    ("name", "error", "words", "settings"),
    [
        ("late", QueryTimeout, r"0\.3 seconds", {"query_timeout": 0.3}),
        ("drip", QueryTimeout, r"0\.3 seconds", {"query_timeout": 0.3}),
        ("cut", EngineDown, "broke off", {}),
        ("short", EngineDown, "broke off", {}),
        ("page", EngineDown, "text/html", {}),
        ("wrong", QuerySyntax, r"^Error\nline 1: what\?$", {}),
        ("who", EngineDown, "401.*remote_password", {}),
        ("never", EngineDown, "403.*remote_password", {}),
        ("inside", EngineDown, "500", {}),
        ("inside", QueryTimeout, "20 seconds", {"remote_store": "virtuoso"}),
        ("partly", QueryTimeout, "20 seconds", {}),
        ("anytime", QueryTimeout, "20 seconds", {"remote_store": "virtuoso"}),
        ("marked", QueryTimeout, "20 seconds", {"remote_store": "fuseki"}),
        ("stolen", EngineDown, r"127\.0\.0\.2:9.*another host", {}),
        ("circle", EngineDown, "on and on", {}),
    ],
)
def test_what_fails_there_is_told_clearly(
    name: str, error: type[EngineError], words: str, settings: dict[str, Any], over: Over
) -> None:
    with pytest.raises(error, match=words):
        over(**settings).query(f"ASK {{ ?s ?p '{name}' }}").read()


def test_a_busy_store_is_told_with_the_time_it_asks_for(over: Over) -> None:
    with pytest.raises(Busy) as busy:
        over().query("ASK { ?s ?p 'busy' }")
    assert busy.value.retry_after == 7


def test_a_redirect_on_the_same_host_is_followed_with_the_query(over: Over, told: Told) -> None:
    assert over().query("ASK { ?s ?p 'moved' }").read() == TRUE
    assert [path for path, _, _ in told.asked] == ["/sparql", "/elsewhere"]
    assert told.asked[0][1] == told.asked[1][1]


def test_the_password_or_the_token_goes_with_every_query(over: Over, told: Told) -> None:
    over(remote_user="cupola", remote_password="dome").query("ASK {}").read()
    over(remote_token="abc").query("ASK {}").read()
    over().query("ASK {}").read()
    sent = [headers.get("Authorization") for _, _, headers in told.asked]
    assert sent == ["Basic Y3Vwb2xhOmRvbWU=", "Bearer abc", None]


def test_a_password_proved_by_digest_is_never_sent(over: Over, told: Told) -> None:
    challenge = 'Digest realm="store", nonce="n1", qop="auth", algorithm=SHA-256'
    told.answers = {
        "ASK": lambda it: (
            it.reply(200, TRUE) if "Authorization" in it.headers else it.reply(401, b"", WWW_Authenticate=challenge)
        )
    }
    engine = over(remote_user="cupola", remote_password="dome", remote_digest=True)
    assert engine.query("ASK {}").read() == TRUE
    sent = [headers.get("Authorization") for _, _, headers in told.asked]
    assert sent[0] is None
    assert sent[1] is not None
    assert sent[1].startswith('Digest username="cupola", realm="store"')
    assert "dome" not in sent[1]


@pytest.mark.parametrize(
    ("store", "parameter"),
    [("fuseki", "4"), ("graphdb", "4"), ("rdf4j", "4"), ("qlever", "4s"), ("virtuoso", "4000"), ("oxigraph", None)],
)
def test_the_store_is_told_a_limit_a_little_above_ours(
    store: str, parameter: str | None, over: Over, told: Told
) -> None:
    over(remote_store=store, query_timeout=2.5).query("ASK {}").read()
    assert told.asked[0][1].get("timeout") == (None if parameter is None else [parameter])


def test_every_store_says_where_what_is_said_of_it_is_written() -> None:
    assert all(store.sources and all(s.startswith("https://") for s in store.sources) for store in stores().values())
    named_in_the_help = Settings.__dataclass_fields__["remote_store"].metadata["help"]
    assert all(name in named_in_the_help for name in stores())
    with pytest.raises(ValueError, match="fuseki, graphdb"):
        Settings(remote_store="nothing")


def test_a_client_that_goes_away_while_the_store_thinks_ends_the_connection(over: Over, told: Told) -> None:
    left = threading.Event()
    failed: list[EngineError] = []

    def ask() -> None:
        try:
            over().query("ASK { ?s ?p 'late' }", gone=left.is_set)
        except EngineError as error:
            failed.append(error)

    asking = threading.Thread(target=ask)
    asking.start()
    until = time.monotonic() + 20
    while not told.asked and time.monotonic() < until:
        time.sleep(0.01)
    left.set()
    asking.join(20)
    assert isinstance(failed[0], Abandoned)
    assert told.left.wait(20)


def test_an_answer_closed_early_ends_the_connection(over: Over, told: Told) -> None:
    engine = over()
    with engine.query("ASK { ?s ?p 'drip' }") as answer:
        assert next(iter(answer)).strip() == b""
    assert told.left.wait(20)
    assert engine.stats()["workers_busy"] == 0


def test_an_engine_that_is_killed_ends_the_answers_under_way(over: Over) -> None:
    engine = over()
    with engine.query("ASK { ?s ?p 'drip' }") as answer:
        next(iter(answer))
        engine.kill()
        with pytest.raises(EngineDown, match="stopping"):
            list(answer)


def test_no_more_connections_are_made_than_the_setting_says(over: Over) -> None:
    engine = over(remote_connections=1, queue_timeout=0.1)
    with engine.query("ASK { ?s ?p 'drip' }"):
        with pytest.raises(Busy, match="All 1 places"):
            engine.query("ASK {}")
        assert engine.stats() == {"workers_busy": 1, "queries_waiting": 0}
    assert engine.query("ASK {}").read() == TRUE


def test_why_a_store_is_not_alive_is_logged_once(over: Over, told: Told, caplog: pytest.LogCaptureFixture) -> None:
    told.answers = {"ASK {}": ANSWERS["who"]}
    engine = over()
    assert not engine.alive()
    assert not engine.alive()
    assert [record.getMessage().count("401") for record in caplog.records if record.name == "cupola"] == [1]


def test_a_remote_endpoint_that_is_not_there_is_told_clearly() -> None:
    engine = RemoteEngine(Settings(remote_endpoint="http://127.0.0.1:9/sparql"))
    assert not engine.alive()
    with pytest.raises(EngineDown, match="does not answer"):
        engine.query("ASK {}")
    engine.kill()


@pytest.mark.parametrize(
    ("query", "kind"),
    [
        ("ASK{}", "boolean"),
        ("# SELECT\nPREFIX : <x:#>\n# more\nBASE <x:y> CONSTRUCT WHERE { ?s ?p ?o }", "graph"),
        ("prefix\tselect: # why\n <x:y>describe select:x", "graph"),
        ("\\u0053ELECT * { ?s ?p ?o }", "results"),
        ("SELECT * { ?s a <x:SERVICE> ; <x:y> ?service , 'SERVICE <x:x> {' } # SERVICE <x:x> {}", "results"),
        ("PREFIX service: <x:y> ASK { ?s service:service '''SERVICE ?x {''' }", "boolean"),
    ],
)
def test_the_kind_of_answer_is_told_from_the_text(query: str, kind: str) -> None:
    assert form(query) == kind


@pytest.mark.parametrize(
    ("query", "error", "words"),
    [
        ("", QuerySyntax, "SELECT, ASK"),
        ("DEFINE input:inference 'x' SELECT * { ?s ?p ?o }", QuerySyntax, "passes on the standard ones"),
        ("PREFIX : <x:y> # no\n DROP ALL", QueryRefused, "no updates"),
        ("SELECT * { SERVICE <http://127.0.0.1:9/> { ?s ?p ?o } }", QueryRefused, "SERVICE is not allowed"),
        ("SELECT * { \\u0053ERVICE <http://127.0.0.1:9/> { ?s ?p ?o } }", QueryRefused, "SERVICE is not allowed"),
        ("SELECT * { ?s ?p 1service silent?x{ ?s ?p ?o } }", QueryRefused, "SERVICE"),
        # What a grammar reads as a comparison and a comment, the longest match of tokens reads as an IRI.
        ("SELECT * { ?a ?p 'x' FILTER(?p<?b#>'''\n)SERVICE<x:y>{?d ?e ?f}#'''\n}", QueryRefused, "SERVICE"),
        ("SELECT * { ?a ?p ?x LATERAL { SERVICE <x:y> { ?s ?p ?o } } }", QueryRefused, "cannot be read here"),
        ("ASK { " + "{ " * 300 + "?s ?p 'service'" + " }" * 301, QueryRefused, "cannot be read here"),
        ("SELECT * { \u017fERVICE <x:y> { ?s ?p ?o } }", QueryRefused, "SERVICE"),  # a long s, upper case S
    ],
)
def test_what_is_not_passed_on_is_told_why(query: str, error: type[EngineError], words: str) -> None:
    with pytest.raises(error, match=words):
        form(query)


def test_deep_nesting_and_long_texts_are_no_danger_to_the_server() -> None:
    # pyoxigraph's parser ends the process at some of these, and holds it for minutes at others.
    for text in ("{" * 40_000 + "}" * 40_000, "?s ?p ?o . " * 9_000, "?s ?p " + "(" * 9_000 + ")" * 9_000):
        assert form(f"ASK {{ {text} }}") == "boolean"
