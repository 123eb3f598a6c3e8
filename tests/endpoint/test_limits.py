"""What the engine does with a query that asks too much, and with one that asks for what is not allowed."""

from __future__ import annotations

import os
import re
import signal
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
import requests

from endpoint.engine import EngineDown, QueryRefused, QuerySyntax
from endpoint.engine.worker import uses

if TYPE_CHECKING:
    from endpoint.engine.local import LocalEngine
    from tests.endpoint.conftest import Server, Start

PATTERNS = "?a ?b ?c . ?d ?e ?f . ?g ?h ?i . ?j ?k ?l"
COUNT_ALL = f"SELECT (COUNT(*) AS ?n) {{ {PATTERNS} }}"
SORT_ALL = f"SELECT * {{ {PATTERNS} }} ORDER BY ?a ?f ?i"
STREAM_ALL = f"SELECT * {{ {PATTERNS} }}"


def running(pid: int) -> bool:
    """Whether a process runs (a zombie does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def gone(pids: set[int], seconds: float) -> bool:
    """Whether all these processes end within that time."""
    until = time.monotonic() + seconds
    while any(running(pid) for pid in pids):
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True


def test_a_query_past_its_time_gets_a_503_that_tells_the_limit_while_others_are_answered(strict: Server) -> None:
    with ThreadPoolExecutor() as pool:
        began = time.monotonic()
        cross = pool.submit(strict.ask, COUNT_ALL)
        others = 0
        while not cross.done():
            assert strict.ask("SELECT * { ?s ?p ?o } LIMIT 3").status_code == 200
            assert strict.get("/data/operation/prova/AA1.1.1.a").status_code == 200
            others += 1
        took = time.monotonic() - began
    answer = cross.result()
    assert answer.status_code == 503
    assert "2 seconds" in answer.json()["detail"]
    assert answer.headers["Retry-After"]
    assert took < 3  # the limit of 2 seconds, and one more
    assert others > 10


def test_a_query_past_its_memory_gets_a_503_that_tells_the_limit(strict: Server) -> None:
    answer = strict.ask(SORT_ALL)
    assert answer.status_code == 503
    assert "300 MiB" in answer.json()["detail"]


def test_an_answer_past_its_size_is_visibly_broken(strict: Server) -> None:
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        strict.ask(STREAM_ALL)


def test_an_answer_whose_time_ends_midway_is_visibly_broken(start: Start, releases: Path) -> None:
    server = start(releases, query_timeout=1.0, max_answer_size=100_000)
    with requests.get(f"{server.url}/sparql", params={"query": STREAM_ALL}, stream=True, timeout=20) as answer:
        assert answer.status_code == 200
        with pytest.raises(requests.exceptions.ChunkedEncodingError):
            sum(map(len, answer.iter_content(1_000_000)))
    assert 'outcome="timeout"} 1' in server.get("/metrics").text


def test_strangers_queries_never_take_the_pages_worker(start: Start, releases: Path) -> None:
    server = start(releases, query_timeout=60.0, queue_timeout=0.5)  # long: the machine may be busy
    with ThreadPoolExecutor() as pool:
        crosses = [pool.submit(server.ask, COUNT_ALL) for _ in range(2)]
        third = server.ask("ASK {}")
        while third.status_code == 200:  # the two have not begun yet
            third = server.ask("ASK {}")
        assert server.get("/doc/operation/prova/AA1.1.1.a", "text/html").status_code == 200
        assert not any(cross.done() for cross in crosses)
        server.stop()  # … and the two queries with it
    assert third.status_code == 503
    assert "taken" in third.json()["detail"]
    assert int(third.headers["Retry-After"]) > 0


def test_a_killed_worker_is_replaced(strict: Server) -> None:
    before = strict.workers()
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    assert gone(before, 5)
    answers = [strict.ask("ASK {}") for _ in range(6)]
    assert answers[-1].json()["boolean"] is True
    assert all(a.status_code in (200, 502) for a in answers)
    assert strict.get("/health").json()["status"] == "ok"


def test_a_worker_killed_midway_breaks_the_answer(start: Start, releases: Path) -> None:
    server = start(releases)
    with requests.get(f"{server.url}/sparql", params={"query": STREAM_ALL}, stream=True, timeout=20) as answer:
        pieces = answer.iter_content(10_000)
        next(pieces)
        for pid in server.workers():
            os.kill(pid, signal.SIGKILL)
        with pytest.raises(requests.exceptions.ChunkedEncodingError):
            list(pieces)


def test_a_client_that_goes_away_ends_its_query(start: Start, releases: Path) -> None:
    server = start(releases)
    before = server.workers()
    host, port = re.findall(r"//(.*):(\d+)", server.url)[0]
    with socket.create_connection((host, int(port))) as client:
        client.sendall(f"GET /sparql?query={quote(STREAM_ALL)} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert client.recv(10) == b"HTTP/1.1 2"
    until = time.monotonic() + 10
    while len(before & server.workers()) == len(before):
        assert time.monotonic() < until, "the query still runs"
        time.sleep(0.05)
    assert 'outcome="abandoned"' in server.get("/metrics").text


def test_stopping_the_server_ends_the_workers(start: Start, releases: Path) -> None:
    server = start(releases)
    pids = server.workers()
    assert len(pids) == 3
    with ThreadPoolExecutor() as pool:
        pool.submit(requests.get, f"{server.url}/sparql", {"query": COUNT_ALL}, timeout=20)
        time.sleep(0.3)
        assert server.stop() == 0
        assert gone(pids, 5)


def test_killing_the_server_leaves_no_worker(start: Start, releases: Path) -> None:
    server = start(releases)
    pids = server.workers()
    with ThreadPoolExecutor() as pool:
        pool.submit(requests.get, f"{server.url}/sparql", {"query": COUNT_ALL}, timeout=20)
        time.sleep(0.3)
        server.process.kill()
        assert gone(pids, 5)


def test_a_port_in_use_is_told_in_one_line(start: Start, releases: Path, capfd: pytest.CaptureFixture[str]) -> None:
    first = start(releases)
    second = start(releases, port=int(first.url.rpartition(":")[2]))
    assert second.process.wait(timeout=20) == 1
    told = capfd.readouterr().err.strip()
    assert "another program uses it" in told
    assert "\n" not in told


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * { SERVICE <http://127.0.0.1:9/> { ?s ?p ?o } }",
        "SELECT * { service silent <http://127.0.0.1:9/> { ?s ?p ?o } }",
        "ASK { SERVICE ?where { ?s ?p ?o } }",
        "ASK { ?a ?b ?c FILTER EXISTS { SERVICE<http://127.0.0.1:9/>{ ?s ?p ?o } } }",
        "PREFIX service: <http://127.0.0.1:9/> ASK { SERVICE service:x { ?s ?p ?service } }",
        # `<?b#>` would be an IRI in a triple; here it compares, and a comment follows: the quotes hide nothing.
        "SELECT * { ?a ?p 'x' FILTER(?p<?b#>'''\n)SERVICE<x:y>{?d ?e ?f}#'''\n}",
        "SELECT * { <http://x.example/'''> ?p ?o . SERVICE <x:y> { ?s ?p '''''' } }",
    ],
)
def test_service_is_refused_however_it_is_written(query: str, engine: LocalEngine) -> None:
    with pytest.raises(QueryRefused, match="SERVICE"):
        engine.query(query)


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * { ?s ?p 'SERVICE <x:x> { ?a ?b ?c }' }",
        'SELECT * { ?s ?p """SERVICE ?x {""" }',
        "SELECT * { ?service ?p $SERVICE } # SERVICE ?x { }",
        "SELECT * { ?s <http://x.example/service#a> ?o }",
        "PREFIX service: <http://x.example/> SELECT * { ?s service:service ?o }",
    ],
)
def test_the_word_service_elsewhere_is_no_reason_to_refuse(query: str, engine: LocalEngine) -> None:
    assert b"bindings" in engine.query(query).read()


def test_a_wrong_query_with_the_word_service_is_told_what_is_wrong(engine: LocalEngine) -> None:
    with pytest.raises(QuerySyntax):
        engine.query("SELECT * { ?service ?p }")


def test_a_keyword_is_found_only_where_it_is_one() -> None:
    assert uses("from", "SELECT * FROM <http://x.example/> { ?s ?p ?o }")
    assert not uses("from", "SELECT ?from { ?from <http://x.example/from> 'from' }")


def test_a_query_too_long_is_refused_with_the_limit(strict: Server) -> None:
    answer = requests.post(f"{strict.url}/sparql", data={"query": "ASK {}" + " " * 20_000}, timeout=20)
    assert answer.status_code == 403
    assert "20000" in answer.json()["detail"]


def test_many_queries_at_once_are_all_answered_and_none_gets_anothers_answer(engine: LocalEngine) -> None:
    def ask(n: int) -> bool:
        return f'"{n}"'.encode() in engine.query(f"SELECT ?n {{ VALUES ?n {{ '{n}' }} }}").read()

    with ThreadPoolExecutor(12) as pool:
        assert all(pool.map(ask, range(300)))


def test_an_answer_left_early_frees_its_worker(engine: LocalEngine) -> None:
    for _ in range(5):
        with engine.query(STREAM_ALL, public=True) as answer:
            next(iter(answer))
    assert engine.stats()["workers_busy"] == 0
    assert engine.alive()


def test_a_store_that_is_not_there_is_said(tmp_path: Path) -> None:
    from endpoint.engine.local import LocalEngine
    from endpoint.settings import Settings

    lost = LocalEngine(tmp_path / "nowhere", Settings())
    try:
        assert not lost.alive()
        with pytest.raises(EngineDown):
            lost.query("ASK {}")
    finally:
        lost.kill()
    assert not [t for t in threading.enumerate() if t.name == "query-watchdog" and not t.daemon]
