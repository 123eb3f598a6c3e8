"""A release loaded into a store that loses data, refuses, or takes little at a time. Real stores are in servers/."""

from __future__ import annotations

import fcntl
import gzip
import json
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pyoxigraph as ox
import pytest

from endpoint.engine.connection import send, session
from endpoint.load import LoadError, Report, WrongAddress, load
from endpoint.release import current
from endpoint.settings import Settings

CATALOGUE = "https://w3id.org/cupola/graph/catalog"


class Store(ThreadingHTTPServer):
    """A Graph Store (/store) and its endpoint (/query) over pyoxigraph, with faults a test can give it."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.held = ox.Store()
        self.sent: list[tuple[str, str, int]] = []  # method, graph, bytes
        self.most = 10**9  # bytes of a request
        self.refuses = 0  # the status of all it writes, if not 0
        self.after = 0  # … from this request on
        self.loses = ""  # a graph whose requests are answered and forgotten
        self.redirects = ""
        self.hangs_up = 0  # how many more requests are answered by closing the connection
        self.read = threading.Event()  # set when what is sent to /slow may be read


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Store

    def body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def reply(self, status: int, body: bytes = b"", kind: str = "text/plain", **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def write(self) -> None:
        if self.path == "/slow":
            self.server.read.wait(20)
        server, body = self.server, self.body()
        if self.path == "/slow":
            self.reply(200)
            return
        if self.path == "/query":
            results = server.held.query(parse_qs(body.decode())["query"][0])
            assert isinstance(results, ox.QuerySolutions)
            answer = results.serialize(format=ox.QueryResultsFormat.JSON) or b""
            self.reply(200, answer, "application/sparql-results+json")
            return
        asked = parse_qs(urlsplit(self.path).query, keep_blank_values=True)
        graph = asked.get("graph", [""])[0]
        server.sent.append((self.command, graph, len(body)))
        name = ox.NamedNode(graph) if graph else ox.DefaultGraph()
        if server.hangs_up:
            server.hangs_up -= 1
            self.close_connection = True
        elif server.redirects:
            self.reply(307, Location=server.redirects)
        elif server.refuses and len(server.sent) > server.after:
            self.reply(server.refuses, b"<html><body>No space left on device</body></html>")
        elif len(body) > server.most:
            self.reply(413)
        elif graph == server.loses != "":
            self.reply(204)
        else:
            if self.command != "POST":
                server.held.remove_graph(name)
            server.held.load(body, ox.RdfFormat.N_TRIPLES, to_graph=name)
            self.reply(204)

    do_PUT = do_POST = do_DELETE = write  # noqa: N815 (the base class names them)

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def store() -> Iterator[Store]:
    server = Store()
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


Into = Callable[..., Report]


@pytest.fixture
def into(store: Store, release: Path, releases: Path, tmp_path: Path) -> Into:
    """Load the small release of these tests (or another) into that store."""

    def run(folder: Path | None = None, *, union: bool = False, fresh: bool = False, **settings: Any) -> Report:
        chosen = Settings(**{"load_folder": tmp_path / "loads", **settings})
        loaded = current(releases) if folder is None else current(folder)
        return load(loaded, f"{store.url}/store", chosen, union=union, fresh=fresh)

    return run


@pytest.fixture
def triples(releases: Path) -> dict[str, int]:
    told = {graph["iri"]: graph["triples"] for graph in current(releases).manifest["graphs"]}
    described = [releases / "current" / name for name in ("catalog.ttl", "void.ttl")]
    return {**told, CATALOGUE: len({quad for file in described if file.exists() for quad in ox.parse(path=str(file))})}


def test_every_graph_arrives_and_is_counted(into: Into, store: Store, triples: dict[str, int]) -> None:
    report = into()
    assert {graph.graph: (graph.triples, graph.found, graph.outcome) for graph in report.graphs} == {
        iri: (number, number, "loaded") for iri, number in triples.items()
    }
    assert report.right
    assert report.default == 0
    assert {str(graph)[1:-1] for graph in store.held.named_graphs()} == set(triples)


def test_the_union_is_loaded_too_when_asked_for(into: Into, store: Store) -> None:
    report = into(union=True)
    everything = {ox.Triple(q.subject, q.predicate, q.object) for q in store.held if q.graph_name != ox.DefaultGraph()}
    assert report.right
    assert report.default == len(everything)
    assert {ox.Triple(q.subject, q.predicate, q.object) for q in store.held.quads_for_pattern(
        None, None, None, ox.DefaultGraph())} == everything  # fmt: skip


def test_a_graph_is_sent_in_chunks_of_the_size_set(into: Into, store: Store, triples: dict[str, int]) -> None:
    assert into(load_chunk=1).right
    largest = max(triples, key=lambda iri: triples[iri])
    methods = [method for method, graph, _ in store.sent if graph == largest]
    assert methods[0] == "PUT"
    assert set(methods[1:]) == {"POST"}
    assert len(methods) > 5


def test_what_is_there_is_not_sent_again(into: Into, store: Store) -> None:
    into()
    before = len(store.sent)
    assert {graph.outcome for graph in into().graphs} == {"unchanged"}
    assert len(store.sent) == before
    assert {graph.outcome for graph in into(fresh=True).graphs} == {"loaded"}


def test_a_load_cut_off_goes_on_where_it_was(into: Into, store: Store, triples: dict[str, int]) -> None:
    store.refuses, store.after = 507, 4
    with pytest.raises(LoadError, match=r"507.*No space left on device; .*the same command goes on"):
        into(load_chunk=1)
    held = len(list(store.held))
    assert 0 < held < sum(triples.values())
    store.refuses, before = 0, len(store.sent)
    report = into(load_chunk=2)  # of another size: it begins where the last one ended
    assert report.right
    assert [graph.outcome for graph in report.graphs].count("resumed") == 1
    assert store.sent[before][0] == "POST"


def test_a_store_that_was_emptied_meanwhile_is_loaded_whole(into: Into, store: Store) -> None:
    into()
    store.held.clear()
    report = into()
    assert report.right
    assert {graph.outcome for graph in report.graphs} == {"loaded"}


def test_a_count_that_is_wrong_is_told_and_the_graph_loaded_anew(
    into: Into, store: Store, triples: dict[str, int]
) -> None:
    store.loses = next(iter(triples))
    report = into()
    assert not report.right
    assert [(graph.graph, graph.found) for graph in report.graphs if not graph.right] == [(store.loses, 0)]
    lost, store.loses = store.loses, ""
    again = into()
    assert again.right
    assert [graph.graph for graph in again.graphs if graph.outcome != "unchanged"] == [lost]


def test_requests_too_large_for_the_store_are_made_smaller(into: Into, store: Store) -> None:
    store.most = 2000
    assert into().right
    sizes = [size for _, _, size in store.sent]
    assert sizes.count(max(sizes)) == 1  # the store's limit is found out, not run against again and again
    store.most = 10
    with pytest.raises(LoadError, match="413"):
        into(fresh=True)


def test_a_graph_the_new_release_does_not_have_is_removed(
    into: Into, store: Store, build: Callable[..., Path], tmp_path: Path
) -> None:
    folder = build(tmp_path / "releases")
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    extra = {**manifest["graphs"][0], "iri": "https://w3id.org/cupola/graph/extra", "file": "data/extra.nq.gz"}
    line = b"<x:a> <x:b> <x:c> <https://w3id.org/cupola/graph/extra> .\n"
    (folder / "data" / "extra.nq.gz").write_bytes(gzip.compress(line))
    path.write_text(json.dumps({**manifest, "graphs": [*manifest["graphs"], {**extra, "triples": 1}]}))
    assert into(tmp_path / "releases").right
    path.write_text(json.dumps(manifest))
    report = into(tmp_path / "releases")
    assert report.removed == ["https://w3id.org/cupola/graph/extra"]
    assert ox.NamedNode(report.removed[0]) not in set(store.held.named_graphs())


def test_a_dump_that_is_not_what_the_manifest_says_is_told(
    into: Into, build: Callable[..., Path], tmp_path: Path
) -> None:
    folder = build(tmp_path / "releases")
    dump = folder / json.loads((folder / "manifest.json").read_text())["graphs"][0]["file"]
    dump.write_bytes(gzip.compress(b"<x:a> <x:b> <x:c> <x:another> .\n"))
    with pytest.raises(LoadError, match="not of the graph"):
        into(tmp_path / "releases")
    dump.write_bytes(b"nothing packed")
    with pytest.raises(LoadError, match="cannot be read"):
        into(tmp_path / "releases")


def test_two_loads_into_one_store_do_not_mix(into: Into, tmp_path: Path) -> None:
    into()
    (lock,) = (tmp_path / "loads").glob("*.lock")
    with lock.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(LoadError, match="under way"):
            into()


def test_the_data_and_the_password_are_not_sent_to_another_host(into: Into, store: Store) -> None:
    store.redirects = "http://127.0.0.2:9/store"
    with pytest.raises(LoadError, match=r"127\.0\.0\.2.*another host"):
        into(remote_user="cupola", remote_password="dome")


@pytest.mark.parametrize("to", ["nowhere", "ftp://127.0.0.1/data", "http:///data", "http://a:b@127.0.0.1:9/store"])
def test_an_address_that_cannot_be_is_told(to: str, releases: Path) -> None:
    with pytest.raises(WrongAddress, match=r"address"):
        load(current(releases), to, Settings())


def test_a_store_of_a_kind_not_known_has_to_say_where_it_answers_queries(releases: Path) -> None:
    with pytest.raises(WrongAddress, match="--query-at"):
        load(current(releases), "http://127.0.0.1:9/unknown", Settings())


def test_a_connection_that_fails_is_tried_again(into: Into, store: Store) -> None:
    store.hangs_up = 2
    assert into().right
    store.hangs_up = 3
    with pytest.raises(LoadError, match="no answer from"):
        into(fresh=True)


def test_a_store_may_take_its_time_to_read_what_is_sent(store: Store) -> None:
    threading.Timer(0.6, store.read.set).start()
    with closing(session(Settings())) as connection:
        answer = send(connection, "PUT", f"{store.url}/slow", data=b"x" * 20_000_000, timeout=(0.2, 20))
    assert answer.status_code == 200


Cupola = Callable[..., subprocess.CompletedProcess[str]]


def test_the_command_fails_with_one_line(cupola: Cupola, releases: Path, tmp_path: Path) -> None:
    told = {"CUPOLA_LOAD_FOLDER": str(tmp_path)}
    away = cupola("load", "--to", "http://127.0.0.1:9/store", "--releases", releases, cwd=tmp_path, **told)
    assert away.returncode == 1
    assert "no answer from http://127.0.0.1:9/store (Connection refused)" in away.stderr
    assert len(away.stderr.strip().splitlines()) == 1


def test_the_command_tells_what_it_did_and_that_the_union_is_missing(
    store: Store, cupola: Cupola, releases: Path, tmp_path: Path, triples: dict[str, int]
) -> None:
    told = {"CUPOLA_LOAD_FOLDER": str(tmp_path)}
    done = cupola("load", "--to", f"{store.url}/store", "--releases", releases, cwd=tmp_path, **told)
    assert done.returncode == 0, done.stderr
    assert all(iri in done.stdout for iri in triples)
    assert f"{sum(triples.values())} triples" in done.stdout
    assert "--union" in done.stderr


def test_a_wrong_count_is_the_commands_exit_code(store: Store, cupola: Cupola, releases: Path, tmp_path: Path) -> None:
    store.loses = CATALOGUE
    told = {"CUPOLA_LOAD_FOLDER": str(tmp_path)}
    done = cupola("load", "--to", f"{store.url}/store", "--releases", releases, "--json", cwd=tmp_path, **told)
    assert done.returncode == 1
    assert json.loads(done.stdout)["right"] is False
