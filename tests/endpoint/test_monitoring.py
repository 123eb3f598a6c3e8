"""How the server tells how it is: /health for probes, /metrics for Prometheus; and how it stays well."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import requests
from flask.testing import FlaskClient
from prometheus_client.parser import text_string_to_metric_families

from endpoint import create_app
from endpoint.engine.local import LocalEngine
from endpoint.settings import Settings

if TYPE_CHECKING:
    from tests.endpoint.conftest import Build, Server, Start

LONG = "SELECT (COUNT(*) AS ?n) { ?a ?b ?c . ?d ?e ?f . ?g ?h ?i . ?j ?k ?l }"
FIRST = "/data/operation/prova/AA1.1.1.a.nt"


def wait(condition: Callable[[], object], seconds: float = 20) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.05)


def figures(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Every sample, as Prometheus' own parser reads it."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def figure(server: Server, name: str, **labels: str) -> float:
    """One sample; 0 when there is none."""
    return figures(server.get("/metrics").text).get((name, tuple(sorted(labels.items()))), 0.0)


# --- /health ---------------------------------------------------------------------------------------------------------


def test_health_tells_the_release_and_that_its_engine_answers(server: Server, release: Path) -> None:
    for path in ("/health", "/health/ready"):
        answer = server.get(path)
        assert answer.status_code == 200
        assert answer.json() == {"status": "ok", "release": release.name, "engine": True}
        assert answer.headers["Cache-Control"] == "no-store"
    assert server.get("/health/live").json() == {"status": "ok"}


@pytest.fixture
def unserved(tmp_path: Path) -> Iterator[FlaskClient]:
    app = create_app(Settings(releases=tmp_path))
    yield app.test_client()
    app.extensions["cupola"].close()


def test_without_a_release_the_server_lives_and_is_not_ready(unserved: FlaskClient) -> None:
    assert unserved.get("/health/live").status_code == 200
    for path in ("/health", "/health/ready"):
        assert unserved.get(path).status_code == 503
    told = figures(unserved.get("/metrics").text)
    assert told["cupola_ready", ()] == 0
    assert not [name for name, _ in told if name == "cupola_release_info"]


def test_a_server_whose_engine_does_not_answer_lives_and_is_not_ready(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert client.get("/health/ready").status_code == 200
    monkeypatch.setattr(LocalEngine, "alive", lambda _engine: False)
    assert client.get("/health/live").status_code == 200
    answer = client.get("/health/ready")
    assert (answer.status_code, answer.json["engine"]) == (503, False)  # type: ignore[index]


# --- /metrics --------------------------------------------------------------------------------------------------------


def test_metrics_count_requests_queries_and_what_the_engine_and_the_cache_tell(server: Server, release: Path) -> None:
    answer = server.get("/metrics")
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    before = figures(answer.text)
    server.ask("ASK {}")
    server.ask("SELECT * { ?s ?p ?o } LIMIT 1")
    server.ask("nonsense")
    server.get("/no/such/place")
    for _ in range(3):
        server.get(FIRST)
    told = figures(server.get("/metrics").text)

    def more(name: str, **labels: str) -> float:
        key = name, tuple(sorted(labels.items()))
        return told[key] - before.get(key, 0)

    for kind, outcome in (("boolean", "answered"), ("results", "answered"), ("none", "syntax")):
        assert more("cupola_queries_total", kind=kind, outcome=outcome) == 1
        assert more("cupola_query_seconds_count", kind=kind) == 1
    assert more("cupola_requests_total", route="sparql.sparql", status="400") == 1
    assert more("cupola_requests_total", route="none", status="404") == 1
    assert more("cupola_request_seconds_count", route="resources.data") == 3
    assert more("cupola_cache_hits_total") >= 2
    assert told["cupola_ready", ()] == 1
    assert told["cupola_release_info", (("release", release.name),)] == 1
    assert told["cupola_release_created_timestamp_seconds", ()] == 1767323045
    assert told["cupola_workers_memory_bytes", ()] > 1e6
    assert told["process_resident_memory_bytes", ()] > 1e6
    for name in ("worker_restarts_total", "workers_busy", "queries_waiting", "queries_queued", "cache_misses_total"):
        assert (f"cupola_{name}", ()) in told


def test_no_label_of_the_metrics_takes_a_value_that_a_client_chose(server: Server) -> None:
    chosen = "zzqx"
    server.get(f"/id/{chosen}?{chosen}={chosen}")
    server.ask(f"SELECT ?{chosen} {{ ?{chosen} ?p ?o }}")
    server.get(f"/{chosen}")
    headers = {"X-Request-ID": chosen, "User-Agent": chosen}
    requests.request(chosen.upper(), f"{server.url}/", headers=headers, timeout=20)
    assert chosen not in server.get("/metrics").text.lower()


def test_every_family_of_the_metrics_says_what_it_is(server: Server) -> None:
    for family in text_string_to_metric_families(server.get("/metrics").text):
        assert family.documentation
        assert family.type in ("counter", "gauge", "histogram"), family


# --- stopping --------------------------------------------------------------------------------------------------------


def test_a_server_asked_to_stop_ends_what_it_is_at_and_says_meanwhile_that_it_is_not_ready(
    start: Start, releases: Path
) -> None:
    server = start(releases, stop_timeout=60.0)
    query = "SELECT * { ?a ?b ?c . ?d ?e ?f } LIMIT 100000"  # more than the buffers between us hold
    with requests.get(f"{server.url}/sparql", params={"query": query}, stream=True, timeout=20) as answer:
        pieces = answer.iter_content(100_000)
        read = len(next(pieces))
        server.process.send_signal(signal.SIGTERM)
        wait(lambda: server.get("/health/ready").status_code == 503)
        assert server.get("/health/ready").json() == {"status": "stopping"}
        assert server.get("/health/live").status_code == 200
        assert figure(server, "cupola_ready") == 0
        read += sum(map(len, pieces))  # requests raises when it is broken off
    assert read > 10_000_000
    assert server.process.wait(timeout=20) == 0


def test_what_takes_longer_than_the_stop_may_is_ended_and_so_is_the_server(start: Start, releases: Path) -> None:
    server = start(releases, stop_timeout=0.5)
    pids = server.workers()
    with ThreadPoolExecutor() as pool:
        pool.submit(server.ask, LONG).add_done_callback(lambda done: done.exception())
        wait(lambda: figure(server, "cupola_workers_busy") == 1)
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(timeout=20) == 0
    wait(lambda: not alive(pids))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_second_signal_ends_a_server_at_once_with_its_workers(
    number: signal.Signals, start: Start, releases: Path
) -> None:
    server = start(releases, stop_timeout=300.0)
    pids = server.workers()
    assert pids
    # A Ctrl-C goes to the whole group of the terminal: it must not end the workers before their queries are over.
    assert all(os.getpgid(pid) != os.getpgid(server.process.pid) for pid in pids)
    with ThreadPoolExecutor() as pool:
        pool.submit(server.ask, LONG).add_done_callback(lambda done: done.exception())
        wait(lambda: figure(server, "cupola_workers_busy") == 1)
        server.process.send_signal(signal.SIGTERM)
        wait(lambda: server.get("/health/ready").status_code == 503)
        server.process.send_signal(number)
        assert server.process.wait(timeout=20) == -number
    wait(lambda: not alive(pids))


def alive(pids: set[int]) -> set[int]:
    """Those of them that run."""
    found = set()
    for pid in pids:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if state not in "ZX":
            found.add(pid)
    return found


def test_the_service_manager_is_told_when_the_server_answers_and_when_it_stops(
    start: Start, releases: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "manager"))
        manager.settimeout(30)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "manager"))
        server = start(releases)
        assert manager.recv(100) == b"READY=1"
        server.process.send_signal(signal.SIGTERM)
        assert manager.recv(100) == b"STOPPING=1"
        assert server.process.wait(timeout=20) == 0


# --- staying well ----------------------------------------------------------------------------------------------------


SWITCHING = """
import sys
from pathlib import Path
import endpoint.service
from endpoint.server import run
from endpoint.settings import Settings
endpoint.service.LOOK = 0.05
run(Settings(releases=Path(sys.argv[1]), port=0), lambda url: print(url, flush=True))
"""


def test_no_request_fails_while_releases_are_switched_ten_times_and_nothing_is_left_open(
    tmp_path: Path, build: Build
) -> None:
    names = [f"2026-01-01T00000{number}Z" for number in range(2)]
    for name in names:
        build(tmp_path, name)
    with subprocess.Popen(
        [sys.executable, "-c", SWITCHING, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        over = threading.Event()
        seen: list[tuple[int, str]] = []

        def ask(path: str) -> None:
            with requests.Session() as session:
                while not over.is_set():
                    answer = session.get(url + path, timeout=20)
                    seen.append((answer.status_code, answer.headers["X-Cupola-Release"]))

        def children() -> int:
            files = Path(f"/proc/{process.pid}/task").glob("*/children")
            return sum(len(file.read_text().split()) for file in files)

        def files() -> int:
            return len(list(Path(f"/proc/{process.pid}/fd").iterdir()))

        requests.get(f"{url}/health", timeout=20)
        before = files(), children()
        with ThreadPoolExecutor() as pool:
            asking = [pool.submit(ask, path) for path in ("/sparql?query=ASK%7B%7D", FIRST, "/", "/health/ready")]
            try:
                for turn in range(10):
                    wanted = names[turn % 2]
                    link = tmp_path / "next"
                    link.symlink_to(wanted)
                    link.replace(tmp_path / "current")
                    wait(lambda wanted=wanted: seen and seen[-1][1] == wanted)  # type: ignore[misc]
            finally:
                over.set()
            for one in asking:
                one.result()
        assert {status for status, _ in seen} == {200}
        assert {release for _, release in seen} == set(names)
        wait(lambda: (files() <= before[0] + 2) and children() == before[1])  # the client's connections close in time
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 0


def test_memory_and_open_files_stay_as_they_are_over_many_requests(server: Server) -> None:
    paths = (FIRST, "/sparql?query=SELECT*%7B%3Fs+%3Fp+%3Fo%7D", "/", "/sparql?query=nonsense", "/health", "/metrics")

    def rounds(number: int) -> tuple[float, float]:
        with requests.Session() as session:
            for _ in range(number):
                for path in paths:
                    session.get(server.url + path, timeout=20)
        return figure(server, "process_resident_memory_bytes"), figure(server, "process_open_fds")

    memory, files = rounds(20)
    after, files_after = rounds(20)
    assert after - memory < 20 * 2**20
    assert files_after <= files + 2
