"""A built release, served by the real command, asked by the clients people use: curl, SPARQLWrapper, a browser."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

import pytest
import requests
from rdflib import Graph, Literal, URIRef
from rdflib.compare import isomorphic
from SPARQLWrapper import JSON, SPARQLWrapper

Cupola = Callable[..., "subprocess.CompletedProcess[str]"]

ONTO = "https://w3id.org/cupola/onto/"
SHEET = "BO3.3.1.b"
OPERATION = f"id/operation/ponmetro/{SHEET}"
SUM = f"SELECT (SUM(?x) AS ?t) {{ ?o <{ONTO}disbursedAmount> ?x }}"


def start(releases: Path) -> tuple[subprocess.Popen[str], str]:
    """`cupola serve` on a free port, and its URL once it answers."""
    command = [str(Path(sys.executable).with_name("cupola")), "serve", "--releases", str(releases), "--port", "0"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    for line in server.stdout:
        if url := re.search(r"http://[0-9.:]+", line):
            return server, url[0]
    raise AssertionError(f"cupola serve ended with {server.wait()}")


@pytest.fixture(scope="module")
def releases(examples: Path, tmp_path_factory: pytest.TempPathFactory, cupola: Cupola) -> Path:
    folder = tmp_path_factory.mktemp("served")
    assert cupola("build", examples / f"{SHEET}.txt", "--releases", folder).returncode == 0
    return folder


@pytest.fixture(scope="module")
def url(releases: Path) -> Iterator[str]:
    server, address = start(releases)
    yield address
    server.send_signal(signal.SIGTERM)
    assert ended(server) == 0


def ended(server: subprocess.Popen[str]) -> int:
    """Wait until a server is gone, with its pipe; gives its exit code."""
    with server:
        return server.wait(timeout=20)


def test_money_sums_with_sparqlwrapper_and_with_curl(url: str, releases: Path, cupola: Cupola) -> None:
    endpoint = SPARQLWrapper(f"{url}/sparql", returnFormat=JSON)
    endpoint.setQuery(SUM)
    answer = endpoint.queryAndConvert()
    assert isinstance(answer, dict)
    total = Decimal(answer["results"]["bindings"][0]["t"]["value"])
    curl = shutil.which("curl")
    if curl is None:
        pytest.skip("needs curl")
    asked = [curl, "-s", f"{url}/sparql", "-H", "Accept: text/csv", "--data-urlencode", f"query={SUM}"]
    assert Decimal(subprocess.run(asked, capture_output=True, text=True, check=True).stdout.split()[1]) == total
    assert Decimal(cupola("query", SUM, "--releases", releases).stdout.split()[1]) == total == Decimal("402880.12")


@pytest.mark.filterwarnings("ignore:ConjunctiveGraph is deprecated")  # rdflib's own JSON-LD parser uses it
def test_every_rdf_format_says_the_same(url: str) -> None:
    graphs = {}
    for media_type in ("text/turtle", "application/ld+json", "application/rdf+xml", "application/n-triples"):
        answer = requests.get(f"{url}/{OPERATION}", headers={"Accept": media_type}, timeout=20)
        assert answer.status_code == 200
        assert answer.headers["Content-Type"].split(";")[0] == media_type
        kind = {"application/ld+json": "json-ld", "application/rdf+xml": "xml"}.get(media_type, media_type)
        graphs[media_type] = Graph().parse(data=answer.content, format=kind)
    first, *others = graphs.values()
    assert len(first) > 30
    assert all(isomorphic(first, other) for other in others)


def test_a_browser_shows_the_facts_that_the_data_say(url: str) -> None:
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("needs Debian's chromium")
    with tempfile.TemporaryDirectory() as profile:
        flags = [
            "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync",
            f"--user-data-dir={profile}",
        ]  # fmt: skip
        command = [chromium, *flags, "--dump-dom", f"{url}/{OPERATION}?lang=it"]
        page = subprocess.run(command, capture_output=True, text=True, timeout=90, check=True).stdout
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page)).replace("\u00a0", " ")
    graph = Graph().parse(f"{url}/data/operation/ponmetro/{SHEET}.ttl")
    operation = URIRef(f"https://w3id.org/cupola/{OPERATION}")
    amounts = [value for name in ("programmed", "admitted", "committed", "disbursed")
               for value in graph.objects(operation, URIRef(f"{ONTO}{name}Amount"))]  # fmt: skip
    assert len(amounts) == 4
    for value in amounts:
        assert isinstance(value, Literal)
        written = f"{Decimal(str(value)):,.2f}".replace(",", "_").replace(".", ",").replace("_", ".")
        assert f"{written} €" in text
    title = graph.value(operation, URIRef("https://w3id.org/italia/onto/Project/projectTitle"))
    assert str(title) in text
    assert str(graph.value(operation, URIRef(f"{ONTO}cup"))) in text


def test_a_new_release_is_served_without_a_restart(
    examples: Path, tmp_path: Path, releases: Path, cupola: Cupola
) -> None:
    shutil.copytree(releases, tmp_path / "releases", symlinks=True)
    server, url = start(tmp_path / "releases")
    try:
        before = requests.get(f"{url}/health", timeout=20).json()["release"]
        told = cupola("publish", examples, "--releases", tmp_path / "releases", "--server", url)
        assert told.returncode == 0, told.stderr
        assert requests.get(f"{url}/health", timeout=20).json()["release"] != before
        asked = {"query": f"SELECT (COUNT(*) AS ?n) {{ ?o a <{ONTO}Operation> }}"}
        assert requests.get(f"{url}/sparql", params=asked, headers={"Accept": "text/csv"}, timeout=20).text.split() == [
            "n",
            "9",
        ]
    finally:
        server.terminate()
        ended(server)


def test_publishing_to_a_server_of_another_folder_is_told(
    examples: Path, tmp_path: Path, url: str, cupola: Cupola
) -> None:
    arguments = [examples / f"{SHEET}.txt", "--releases", tmp_path, "--server", url, "--wait", "1"]
    told = cupola("publish", *arguments)
    assert told.returncode == 1
    assert "does it serve another folder?" in told.stderr


def test_a_server_that_is_killed_leaves_no_process_behind(releases: Path) -> None:
    server, url = start(releases)
    requests.get(f"{url}/sparql", params={"query": "ASK {}"}, timeout=20)
    children = Path(f"/proc/{server.pid}/task/{server.pid}/children")
    if not children.exists():
        server.kill()
        ended(server)
        pytest.skip("needs Linux's /proc to see a process's children")
    pids = [int(pid) for pid in children.read_text().split()]
    assert pids, "the query workers are processes of their own"
    server.kill()
    ended(server)
    deadline = time.monotonic() + 10
    while (left := [pid for pid in pids if _alive(pid)]) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not left


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def test_a_port_in_use_is_one_clear_line(url: str, releases: Path, cupola: Cupola) -> None:
    told = cupola("serve", "--releases", releases, "--port", url.rpartition(":")[2])
    assert told.returncode == 2
    assert "another program uses it" in told.stderr
    assert "Traceback" not in told.stderr
