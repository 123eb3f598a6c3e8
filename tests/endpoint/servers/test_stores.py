"""The endpoint over real stores, and releases loaded into them: Oxigraph's server and Apache Jena Fuseki.

The example queries answer the same over each as over the local engine, but for what differences.toml tells.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyoxigraph as ox
import pytest
import requests
from flask.testing import FlaskClient

from endpoint import create_app
from endpoint.engine import EngineDown, QueryTimeout
from endpoint.engine.remote import RemoteEngine
from endpoint.engine.stores import store_named
from endpoint.examples import Example, examples
from endpoint.load import Report
from endpoint.load import load as load_release
from endpoint.release import current
from endpoint.settings import Settings

if TYPE_CHECKING:
    from tests.endpoint.servers.conftest import Store

    Cupola = Callable[..., subprocess.CompletedProcess[str]]
    Load = Callable[..., Report]

HERE = Path(__file__).parent
USER, PASSWORD = "cupola", "dome"  # of fuseki.passwd
DIFFERENCES: dict[str, dict[str, dict[str, str]]] = tomllib.loads((HERE / "differences.toml").read_text("utf-8"))
XSD = "http://www.w3.org/2001/XMLSchema#"
NUMBERS = {XSD + kind for kind in ("integer", "decimal", "double")}
ACCEPT = "application/sparql-results+json, application/n-triples;q=0.9"


@pytest.fixture(scope="module")
def releases(cupola: Cupola, tmp_path_factory: pytest.TempPathFactory, examples: Path) -> Path:
    folder = tmp_path_factory.mktemp("releases")
    done = cupola("build", examples, "--releases", folder, cwd=folder)
    assert (folder / "current").exists(), done.stderr
    return folder


@pytest.fixture(scope="module")
def triples(releases: Path) -> dict[str, int]:
    graphs = json.loads((releases / "current" / "manifest.json").read_text())["graphs"]
    return {graph["iri"]: graph["triples"] for graph in graphs}


@pytest.fixture(scope="module")
def load(releases: Path, tmp_path_factory: pytest.TempPathFactory) -> Load:
    """Load the release into a store; gives the report."""
    state = tmp_path_factory.mktemp("loads")

    def run(to: str, *, union: bool = False, **settings: Any) -> Report:
        chosen = Settings(**{"releases": releases, "load_folder": state, **settings})
        return load_release(current(releases), to, chosen, union=union)

    return run


@pytest.fixture(scope="module")
def loaded(store: Store, load: Load) -> Store:
    """A store with the release in it, its default graph the union."""
    assert load(store.data, union=True).right
    return store


@pytest.fixture(scope="module")
def over_it(loaded: Store, releases: Path) -> Iterator[FlaskClient]:
    """The application over that store."""
    app = create_app(Settings(releases=releases, remote_endpoint=loaded.query, remote_store=loaded.kind))
    yield app.test_client()
    app.extensions["cupola"].close()


def value(term: dict[str, str]) -> object:
    if term.get("datatype") in NUMBERS:
        return Decimal(term["value"])
    # rdf 1.1: a plain literal is one of xsd:string
    kind = term.get("datatype", XSD + "string") if term["type"] == "literal" else ""
    return term["type"], term["value"], term.get("xml:lang", "").lower(), kind


def answer(client: FlaskClient, example: Example) -> object:
    """What an example answers, without what may differ: the order of rows, the name of blank nodes."""
    got = client.post("/sparql", data={"query": example.query}, headers={"Accept": ACCEPT})
    assert got.status_code == 200, got.text
    if example.kind in ("construct", "describe"):
        graph = ox.Dataset(
            ox.Quad(t.subject, t.predicate, t.object) for t in ox.parse(got.data, ox.RdfFormat.N_TRIPLES)
        )
        graph.canonicalize(ox.CanonicalizationAlgorithm.UNSTABLE)
        return set(graph)
    told = json.loads(got.data)
    if example.kind == "ask":
        return told["boolean"]
    return Counter(frozenset((name, value(term)) for name, term in row.items()) for row in told["results"]["bindings"])


@pytest.mark.parametrize("example", [e for e in examples() if not e.services], ids=lambda e: e.name)
def test_an_example_answers_as_over_the_local_engine(
    example: Example, client: FlaskClient, over_it: FlaskClient, loaded: Store
) -> None:
    same = answer(over_it, example) == answer(client, example)
    known = DIFFERENCES.get(loaded.kind, {}).get(example.name)
    assert same is (known is None), "answers differently" if known is None else "answers the same now"


def test_every_recorded_difference_is_of_an_example_there_is() -> None:
    names = {example.name for example in examples()}
    assert {name for told in DIFFERENCES.values() for name in told} <= names
    assert set(DIFFERENCES) <= {"oxigraph", "fuseki"}


def test_pages_and_data_are_served_from_it(over_it: FlaskClient, client: FlaskClient) -> None:
    path = "/data/project/B31C20999990006.nt"
    health = over_it.get("/health").json
    assert health is not None
    assert health["status"] == "ok"
    # A number by its value: see differences.toml.
    number = re.compile(rb'"(\d+)\.0"\^\^')
    here, there = (sorted(number.sub(rb'"\1"^^', app.get(path).data).splitlines()) for app in (client, over_it))
    assert here == there != []


def test_a_release_loaded_again_is_left_as_it_is(loaded: Store, load: Load, triples: dict[str, int]) -> None:
    report = load(loaded.data, union=True)
    assert {graph.outcome for graph in report.graphs} == {"unchanged"}
    found = {graph.graph: graph.found for graph in report.graphs}
    assert triples.items() <= found.items()
    assert set(found) - set(triples) == {"https://w3id.org/cupola/graph/catalog", "default graph"}


def test_a_graph_that_somebody_else_changed_is_loaded_anew(loaded: Store, load: Load, triples: dict[str, int]) -> None:
    graph = max(triples, key=lambda iri: triples[iri])
    statement = b"<http://x.example/a> <http://x.example/b> <http://x.example/c> .\n"
    headers = {"Content-Type": "application/n-triples"}
    lost = requests.put(loaded.data, params={"graph": graph}, data=statement, headers=headers, timeout=20)
    assert lost.ok
    outcomes = {told.graph: told.outcome for told in load(loaded.data, union=True).graphs}
    assert [graph] == [iri for iri, outcome in outcomes.items() if outcome != "unchanged"]
    assert load(loaded.data, union=True).right


def test_a_load_that_is_killed_goes_on_where_it_was(
    store: Store, releases: Path, cupola: Cupola, triples: dict[str, int], tmp_path: Path
) -> None:
    binary = str(Path(sys.executable).with_name("cupola"))
    told = {"CUPOLA_LOAD_FOLDER": str(tmp_path), "CUPOLA_LOAD_CHUNK": "1"}
    command = [binary, "load", "--to", store.data, "--releases", str(releases)]
    running = subprocess.Popen(command, env={**os.environ, **told}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    until = time.monotonic() + 60
    while True:  # until the largest graph has come some way, which is long before it is all there
        state = [json.loads(file.read_text()) for file in tmp_path.glob("*.json")]
        parts = state[0]["parts"] if state else {}
        begun = {iri: part["lines"] for iri, part in parts.items() if part["lines"] > 50 and not part["whole"]}
        if begun:
            break
        assert running.poll() is None, running.stderr and running.stderr.read()
        assert time.monotonic() < until
    running.send_signal(signal.SIGKILL)
    assert running.wait() == -signal.SIGKILL
    assert running.stderr is not None
    running.stderr.close()
    done = cupola("load", "--to", store.data, "--releases", releases, "--json", CUPOLA_LOAD_FOLDER=str(tmp_path))
    assert done.returncode == 0, done.stderr
    graphs = json.loads(done.stdout)["graphs"]
    assert "resumed" in {graph["outcome"] for graph in graphs}
    assert {graph["graph"]: graph["found"] for graph in graphs}.items() >= triples.items()


def test_a_store_that_asks_for_a_password_gets_it(fuseki: str, load: Load) -> None:
    data, query = f"{fuseki}/locked/data", f"{fuseki}/locked/query"
    assert load(data, remote_user=USER, remote_password=PASSWORD).right
    for settings, status in (({}, 401), ({"remote_user": "other", "remote_password": "tower"}, 403)):
        refused = RemoteEngine(Settings(remote_endpoint=query, **settings))  # type: ignore[arg-type]
        with pytest.raises(EngineDown, match=f"{status}.*remote_password"):
            refused.query("ASK {}")
        assert not refused.alive()
        refused.kill()
    let_in = RemoteEngine(Settings(remote_endpoint=query, remote_user=USER, remote_password=PASSWORD))
    assert let_in.alive()
    let_in.kill()


def test_a_load_without_the_password_says_so_in_one_line(fuseki: str, cupola: Cupola, releases: Path) -> None:
    done = cupola("load", "--to", f"{fuseki}/locked/data", "--releases", releases, CUPOLA_LOAD_FOLDER=str(releases))
    assert done.returncode == 1
    assert "401" in done.stderr
    assert "remote_password" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_default_graph_that_is_the_union_is_not_loaded_again(fuseki: str, load: Load) -> None:
    to = f"{fuseki}/union/data"
    report = load(to)
    assert 0 < report.default < sum(graph.found for graph in report.graphs)  # a triple of two graphs counts once
    assert {graph.outcome for graph in load(to, union=True).graphs} == {"unchanged"}


PATTERNS = "?a ?b ?c . ?d ?e ?f . ?g ?h ?i"


def test_the_store_is_told_the_time_limit_and_ends_by_itself(fuseki: str, load: Load) -> None:
    load(f"{fuseki}/union/data")
    asked = {"query": f"SELECT (COUNT(*) AS ?n) {{ {PATTERNS} }}", "timeout": "1"}
    answer = requests.post(f"{fuseki}/union/query", data=asked, timeout=60)
    assert (answer.status_code, answer.text.strip()) == (503, "Query timed out")  # as stores.toml has it
    asked = {"query": f"SELECT * {{ {PATTERNS} }}", "timeout": "1"}
    cut = requests.post(f"{fuseki}/union/query", data=asked, headers={"Accept": "text/csv"}, timeout=60, stream=True)
    assert cut.status_code == 200
    last = b""
    for piece in cut.iter_content(100_000):
        last = (last + piece)[-400:]
    assert store_named("fuseki").cut.encode() in last


def test_an_answer_the_store_ends_before_we_do_is_broken_off(fuseki: str, load: Load) -> None:
    load(f"{fuseki}/union/data")
    engine = RemoteEngine(Settings(remote_endpoint=f"{fuseki}/union/query?timeout=1", remote_store="fuseki"))
    try:
        with pytest.raises(QueryTimeout):
            engine.query(f"SELECT (COUNT(*) AS ?n) {{ {PATTERNS} }}", timeout=50)
        with (
            pytest.raises(QueryTimeout),
            engine.query(f"SELECT * {{ {PATTERNS} }}", timeout=50) as answer,
        ):
            sum(map(len, answer))
    finally:
        engine.kill()
