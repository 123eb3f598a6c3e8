"""What the engine does with a query that asks too much, and with one that asks for what is not allowed."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
import requests

from endpoint.engine import EngineDown, QueryRefused, QuerySyntax
from endpoint.engine.keywords import uses

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


def test_a_query_past_its_memory_gets_a_503_that_tells_the_limit(start: Start, releases: Path) -> None:
    answer = start(releases, query_timeout=60.0, query_memory=300).ask(SORT_ALL)
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
    server = start(releases, query_timeout=60.0, queue_timeout=0.5, client_queries=3)  # long: the machine may be busy
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
    # Who asks meanwhile sees nothing of it: the query did no harm, and another worker answers it.
    assert [strict.ask("ASK {}").json()["boolean"] for _ in range(6)] == [True] * 6
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


def test_a_client_that_goes_away_before_the_first_byte_ends_its_query(start: Start, releases: Path) -> None:
    server = start(releases)
    before = server.workers()
    host, port = re.findall(r"//(.*):(\d+)", server.url)[0]
    with socket.create_connection((host, int(port))) as client:
        client.sendall(f"GET /sparql?query={quote(COUNT_ALL)} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        while "cupola_workers_busy 1.0" not in server.get("/metrics").text:
            time.sleep(0.05)
    until = time.monotonic() + 20  # less than the time the query has
    while len(before & server.workers()) == len(before):
        assert time.monotonic() < until, "the query still runs"
        time.sleep(0.05)
    while 'outcome="abandoned"} 1' not in server.get("/metrics").text:
        assert time.monotonic() < until
        time.sleep(0.05)


def test_a_client_that_waits_and_goes_away_gives_up_its_turn(start: Start, releases: Path) -> None:
    server = start(releases, queue_timeout=60.0, query_timeout=60.0)
    host, port = re.findall(r"//(.*):(\d+)", server.url)[0]
    asked = f"GET /sparql?query={quote(COUNT_ALL)} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    with socket.create_connection((host, int(port))) as running, socket.create_connection((host, int(port))) as waiting:
        running.sendall(asked)
        waiting.sendall(asked)
        while "cupola_requests_active 3.0" not in server.get("/metrics").text:  # these two, and this one
            time.sleep(0.05)
        waiting.close()
        while 'outcome="abandoned"} 1' not in server.get("/metrics").text:
            time.sleep(0.05)
        assert "cupola_workers_busy 1.0" in server.get("/metrics").text


STALLED = """
import sys
from pathlib import Path
import endpoint.channel
from endpoint.server import run
from endpoint.settings import Settings
endpoint.channel.STALLED = 1
run(Settings(releases=Path(sys.argv[1]), port=0, threads=2), lambda url: print(url, flush=True))
"""


def test_a_client_that_reads_nothing_does_not_keep_its_thread(releases: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", STALLED, releases], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        host, port = re.findall(r"//(.*):(\d+)", server.stdout.readline())[0]
        with socket.create_connection((host, int(port))) as client:
            client.sendall(f"GET /sparql?query={quote(STREAM_ALL)} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            while "cupola_requests_active 2.0" not in (told := metrics(host, port)):
                time.sleep(0.05)
            while "cupola_requests_active 1.0" not in (told := metrics(host, port)):
                time.sleep(0.05)
        server.kill()
    assert 'outcome="abandoned"} 1' in told


def metrics(host: str, port: str) -> str:
    return requests.get(f"http://{host}:{port}/metrics", timeout=20).text


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
    (told,) = [line for line in capfd.readouterr().err.splitlines() if " info cupola " not in line]
    assert "another program uses it" in told


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
    text = "ASK {}" + " " * 20_000
    answer = requests.post(f"{strict.url}/sparql", data={"query": text}, timeout=20)
    assert answer.status_code == 413
    assert "20000" in answer.json()["detail"]
    assert strict.ask(text).status_code == 414


def test_an_address_too_long_is_told_what_to_do(strict: Server) -> None:
    answer = strict.get("/projects?q=" + "x" * 140_000)
    assert answer.status_code == 414
    assert "131072 bytes" in answer.json()["detail"]
    assert "POST" in answer.json()["detail"]


def test_a_body_too_large_is_told_the_limit(strict: Server) -> None:
    answer = requests.post(f"{strict.url}/sparql", data={"query": "x" * 1_100_000}, timeout=20)
    assert answer.status_code == 413
    assert "1048576 bytes" in answer.json()["detail"]


def test_a_limit_is_told_to_programs_too(strict: Server) -> None:
    answer = strict.ask(COUNT_ALL)
    assert answer.json()["limit"] == {"seconds": 2.0}
    assert "/dumps/" in answer.headers["Link"]


def test_more_rows_than_allowed_are_never_cut_short_in_silence(start: Start, releases: Path) -> None:
    server = start(releases, max_rows=20)
    fits = server.ask("SELECT * { ?s ?p ?o } LIMIT 20", "text/csv")
    assert len(fits.text.splitlines()) == 21
    assert "rows=20" in fits.headers["X-Cupola-Limits"]
    for accept in ("text/csv", "text/tab-separated-values", "application/sparql-results+xml", None):
        answer = server.ask("SELECT * { ?s ?p ?o } LIMIT 21", accept)
        assert answer.status_code == 403
        assert answer.json()["limit"] == {"rows": 20}
        assert "20 rows" in answer.json()["detail"]
    assert server.ask("CONSTRUCT { ?s ?p ?o } WHERE { ?s ?p ?o } LIMIT 21").status_code == 200


def test_rows_past_the_limit_break_an_answer_under_way(start: Start, releases: Path) -> None:
    server = start(releases, max_rows=2000)
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        server.ask(STREAM_ALL, "text/csv")
    assert 'outcome="rows"} 1' in server.get("/metrics").text


def test_one_client_leaves_a_place_for_the_others(start: Start, releases: Path) -> None:
    server = start(releases, trusted_proxies=1, query_timeout=60.0, queue_timeout=0.5)

    def ask(client: str, query: str) -> requests.Response:
        # What stands left of the last address is the client's own word.
        sent = {"X-Forwarded-For": f"203.0.113.99, {client}"}
        return requests.get(f"{server.url}/sparql", params={"query": query}, headers=sent, timeout=60)

    with ThreadPoolExecutor() as pool:
        crosses = [pool.submit(ask, "192.0.2.1", COUNT_ALL)]
        while (more := ask("192.0.2.1", "ASK {}")).status_code == 200:
            pass  # the other has not begun yet
        assert more.status_code == 429
        assert int(more.headers["Retry-After"]) > 0
        assert "one client" in more.json()["detail"]
        assert ask("192.0.2.2", "ASK {}").status_code == 200
        # One household or server has a whole /64.
        crosses.append(pool.submit(ask, "2001:db8::1", COUNT_ALL))
        while (more := ask("2001:db8::2", "ASK {}")).status_code == 200:
            pass
        assert more.status_code in (429, 503)
        assert ask("192.0.2.2", "ASK {}").status_code == 503  # now all places are taken
        assert not any(cross.done() for cross in crosses)
        server.process.kill()


def test_a_flood_of_queries_does_not_take_the_pages_down(start: Start, releases: Path) -> None:
    server = start(releases, trusted_proxies=1, query_timeout=60.0, queue_timeout=60.0)

    def ask(client: int) -> int:
        sent = {"X-Forwarded-For": f"192.0.2.{client}"}
        try:
            return requests.get(f"{server.url}/sparql", {"query": COUNT_ALL}, headers=sent, timeout=60).status_code
        except requests.ConnectionError:  # the server stopped
            return 0

    with ThreadPoolExecutor(60) as pool:
        flood = [pool.submit(ask, client) for client in range(60)]
        while not any(query.done() for query in flood):  # the first that is sent away: all places are taken
            time.sleep(0.01)
        for path in ("/", "/data/operation/prova/AA1.1.1.a", "/dumps/", "/health"):
            assert server.get(path).status_code == 200
        server.process.kill()
    statuses = [query.result() for query in flood]
    assert set(statuses) <= {0, 503}
    assert 503 in statuses


def test_many_queries_at_once_are_all_answered_and_none_gets_anothers_answer(engine: LocalEngine) -> None:
    def ask(n: int) -> bool:
        return f'"{n}"'.encode() in engine.query(f"SELECT ?n {{ VALUES ?n {{ '{n}' }} }}").read()

    with ThreadPoolExecutor(12) as pool:
        assert all(pool.map(ask, range(300)))


def test_an_answer_left_early_frees_its_worker(engine: LocalEngine) -> None:
    for _ in range(5):
        with engine.query(STREAM_ALL) as answer:
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
