"""Programs people already have, driving `cupola serve` over a built release: libraries, command-line tools, readers."""

from __future__ import annotations

import gzip
import hashlib
import http.client
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import polars as pl
import pyoxigraph as ox
import pytest
import rdflib
import requests
from rdflib.compare import isomorphic
from rdflib.plugins.stores.sparqlstore import SPARQLStore
from SPARQLWrapper import (
    CSV,
    GET,
    JSON,
    JSONLD,
    N3,
    POST,
    POSTDIRECTLY,
    RDF,
    RDFXML,
    TSV,
    TURTLE,
    URLENCODED,
    XML,
    SPARQLWrapper,
)
from SPARQLWrapper.SPARQLExceptions import QueryBadFormed

Cupola = Callable[..., "subprocess.CompletedProcess[str]"]

BASE = "https://w3id.org/cupola/"
ONTO = f"{BASE}onto/"
SHEET = "BO3.3.1.b"
PATH = f"operation/ponmetro/{SHEET}"
OPERATION = f"{BASE}id/{PATH}"
SOURCE = f"{BASE}graph/ponmetro"

AMOUNTS = f"SELECT ?p ?amount {{ <{OPERATION}> ?p ?amount FILTER(isNumeric(?amount)) }} ORDER BY ?p"
LABELS = "SELECT ?s ?label { ?s <http://www.w3.org/2000/01/rdf-schema#label> ?label } ORDER BY ?s ?label"
ASK = f"ASK {{ <{OPERATION}> a <{ONTO}Operation> }}"
CONSTRUCT = f"CONSTRUCT {{ <{OPERATION}> ?p ?o }} WHERE {{ <{OPERATION}> ?p ?o }}"

CLIENTS = Path(__file__).parent.parent / "clients"
PEERS = CLIENTS.parent.parent / ".venv-peers" / "bin" / "python"


@pytest.fixture(scope="module")
def url(examples: Path, tmp_path_factory: pytest.TempPathFactory, cupola: Cupola) -> Iterator[str]:
    """The address of a server as people start it, over the release of one example sheet."""
    releases = tmp_path_factory.mktemp("clients")
    assert cupola("build", examples / f"{SHEET}.txt", "--releases", releases).returncode == 0
    command = [str(Path(sys.executable).with_name("cupola")), "serve", "--releases", str(releases), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        yield next(found[0] for line in server.stdout if (found := re.search(r"http://[0-9.:]+", line)))
        server.terminate()


@pytest.fixture(scope="module")
def truth(url: str) -> rdflib.Graph:
    """What CONSTRUCT says of the operation, read from plain N-Triples: every client must find the same."""
    answer = requests.get(
        f"{url}/sparql", params={"query": CONSTRUCT}, headers={"Accept": "application/n-triples"}, timeout=20
    )
    answer.raise_for_status()
    graph = rdflib.Graph().parse(data=answer.content, format="nt")
    assert len(graph) > 15
    return graph


@pytest.fixture(scope="module")
def amounts(truth: rdflib.Graph) -> dict[str, str]:
    """Each amount of the operation: property -> lexical form."""
    found = {
        str(p): str(o)
        for p, o in truth.predicate_objects(rdflib.URIRef(OPERATION))
        if isinstance(o, rdflib.Literal) and o.datatype == rdflib.XSD.decimal
    }
    assert len(found) == 4
    return found


# SPARQLWrapper


def asking(url: str, query: str, returns: str, method: str = GET, request: str = "") -> SPARQLWrapper:
    endpoint = SPARQLWrapper(f"{url}/sparql")
    endpoint.setQuery(query)
    endpoint.setReturnFormat(returns)
    endpoint.setMethod(method)
    if request:
        endpoint.setRequestMethod(request)
    endpoint.setTimeout(20)
    return endpoint


def told(url: str, query: str, returns: str, method: str = GET, request: str = "") -> Any:
    """The answer as SPARQLWrapper converts it: what it is depends on the format."""
    return asking(url, query, returns, method, request).queryAndConvert()


WAYS = [(GET, ""), (POST, URLENCODED), (POST, POSTDIRECTLY)]


@pytest.mark.parametrize(("method", "request_"), WAYS)
def test_sparqlwrapper_reads_json_whichever_way_it_asks(
    url: str, amounts: dict[str, str], method: str, request_: str
) -> None:
    answer = told(url, AMOUNTS, JSON, method, request_)
    rows = answer["results"]["bindings"]
    assert {row["p"]["value"]: row["amount"]["value"] for row in rows} == amounts


def test_sparqlwrapper_reads_xml(url: str, amounts: dict[str, str]) -> None:
    document = told(url, AMOUNTS, XML)
    values = ["".join(node.data for node in each.childNodes) for each in document.getElementsByTagName("literal")]
    assert sorted(values) == sorted(amounts.values())


@pytest.mark.parametrize(("returns", "separator"), [(CSV, ","), (TSV, "\t")])
def test_sparqlwrapper_reads_tables(url: str, amounts: dict[str, str], returns: str, separator: str) -> None:
    lines = told(url, AMOUNTS, returns).decode().splitlines()
    assert len(lines) == 1 + len(amounts)
    assert lines[0].replace("?", "") == f"p{separator}amount"


@pytest.mark.parametrize(("returns", "expected"), [(JSON, dict), (XML, None)])
def test_sparqlwrapper_reads_a_boolean(url: str, returns: str, expected: type | None) -> None:
    answer = told(url, ASK, returns)
    said = answer["boolean"] if expected else answer.getElementsByTagName("boolean")[0].firstChild.data == "true"
    assert said is True


@pytest.mark.filterwarnings("ignore:ConjunctiveGraph is deprecated")  # rdflib's own JSON-LD parser uses it
@pytest.mark.filterwarnings("ignore:Dataset.default_context is deprecated")  # its parser of N3 too
@pytest.mark.filterwarnings("ignore:Sending Accept header")  # an old name, for which it accepts anything
@pytest.mark.parametrize(
    ("returns", "syntax"),
    [
        (TURTLE, "turtle"),
        (N3, "n3"),
        (RDFXML, None),
        (RDF, None),
        (XML, None),
        (JSONLD, None),
    ],
)
def test_sparqlwrapper_reads_a_graph(url: str, truth: rdflib.Graph, returns: str, syntax: str | None) -> None:
    answer = told(url, CONSTRUCT, returns)
    graph = rdflib.Graph().parse(data=answer, format=syntax) if syntax else answer  # it parses some itself
    assert isomorphic(graph, truth)


def test_sparqlwrapper_is_told_what_is_wrong_with_a_query(url: str) -> None:
    with pytest.raises(QueryBadFormed, match="expected"):
        asking(url, "SELECT ?x WHERE", JSON).query()


# rdflib


def store(url: str, **options: object) -> SPARQLStore:
    return SPARQLStore(f"{url}/sparql", **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("method", ["GET", "POST", "POST_FORM"])
def test_rdflibs_store_is_a_graph_of_ours(url: str, truth: rdflib.Graph, method: str) -> None:
    graph = rdflib.Graph(store=store(url, method=method))
    about = rdflib.URIRef(OPERATION)
    assert set(graph.predicate_objects(about)) == set(truth.predicate_objects(about))
    assert (about, rdflib.RDF.type, rdflib.URIRef(f"{ONTO}Operation")) in graph
    assert graph.value(about, rdflib.URIRef(f"{ONTO}localCode")) == rdflib.Literal(SHEET)


def test_rdflibs_store_counts_and_queries(url: str, amounts: dict[str, str]) -> None:
    graph = rdflib.Graph(store=store(url))
    counted = requests.get(
        f"{url}/sparql",
        params={"query": "SELECT (COUNT(*) AS ?n) { ?s ?p ?o }"},
        headers={"Accept": "text/csv"},
        timeout=20,
    )
    assert len(graph) == int(counted.text.split()[1]) > 1000
    rows = graph.query(AMOUNTS)
    assert {str(row[0]): str(row[1]) for row in rows} == amounts  # type: ignore[index]
    assert bool(graph.query(ASK))
    assert len(graph.query(CONSTRUCT).graph or ()) > 15


def test_rdflibs_store_reads_one_named_graph_and_lists_them(url: str) -> None:
    listed = {str(graph) for graph in store(url).contexts()}
    assert SOURCE in listed
    named = rdflib.Graph(store=store(url, context_aware=True), identifier=rdflib.URIRef(SOURCE))
    graph = rdflib.Graph().parse(f"{url}/graph/ponmetro?format=nt", format="nt")
    assert set(named.subjects(rdflib.RDF.type, rdflib.URIRef(f"{ONTO}Operation"))) == {rdflib.URIRef(OPERATION)}
    assert len(named) == len(graph)


@pytest.mark.filterwarnings("ignore:ConjunctiveGraph is deprecated")  # rdflib's own JSON-LD parser uses it
@pytest.mark.parametrize("syntax", [None, "turtle", "xml", "nt", "json-ld"])
def test_rdflib_parses_the_address_of_a_thing(url: str, syntax: str | None) -> None:
    graph = rdflib.Graph().parse(f"{url}/id/{PATH}", format=syntax)
    assert (rdflib.URIRef(OPERATION), rdflib.RDF.type, rdflib.URIRef(f"{ONTO}Operation")) in graph
    data = rdflib.Graph().parse(f"{url}/data/{PATH}.nt", format="nt")
    assert isomorphic(graph, data)


# curl


def curl(*arguments: str) -> bytes:
    """What curl prints; it fails for statuses from 400."""
    command = shutil.which("curl")
    if command is None:
        pytest.skip("needs curl")
    return subprocess.run(
        [command, "--silent", "--show-error", "--fail", "--max-time", "20", *arguments], capture_output=True, check=True
    ).stdout


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("text/turtle", "text/turtle"),
        ("application/ld+json, text/turtle;q=0.5", "application/ld+json"),
        ("application/rdf+xml;q=0.9, */*;q=0.1", "application/rdf+xml"),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "text/html"),
        ("TEXT/TURTLE; charset=UTF-8", "text/turtle"),
        ("*/*", "text/turtle"),
    ],
)
def test_curl_follows_a_thing_to_what_it_takes(url: str, accept: str, expected: str) -> None:
    told = curl("-L", "-o", "/dev/null", "-w", "%{num_redirects} %{content_type}", "-H", f"Accept: {accept}",
                f"{url}/id/{PATH}")  # fmt: skip
    redirects, _, kind = told.decode().partition(" ")
    assert redirects == "1"
    assert kind.split(";")[0] == expected


def test_curl_reads_compressed_what_it_reads_plain(url: str) -> None:
    plain = curl("-H", "Accept: text/csv", "-G", "--data-urlencode", f"query={LABELS}", f"{url}/sparql")
    packed = curl(
        "--compressed", "-H", "Accept: text/csv", "-G", "--data-urlencode", f"query={LABELS}", f"{url}/sparql"
    )
    assert plain == packed
    assert plain.count(b"\n") > 100


def test_curl_sees_the_same_head_with_and_without_the_body(url: str) -> None:
    def told(*more: str) -> dict[str, str]:
        lines = curl(*more, "-o", "/dev/null", "-D", "-", f"{url}/data/{PATH}.ttl").decode().splitlines()[1:]
        return {name.lower(): value.strip() for name, colon, value in (line.partition(":") for line in lines) if colon}

    head, get = told("--head"), told()
    changing = {"date", "x-request-id", "server-timing"}
    assert {k: v for k, v in head.items() if k not in changing} == {k: v for k, v in get.items() if k not in changing}
    assert int(head["content-length"]) > 1000


def test_curl_takes_up_a_broken_download_of_a_dump(url: str, tmp_path: Path) -> None:
    whole = curl(f"{url}/dumps/data/ponmetro.nq.gz")
    target = tmp_path / "dump.nq.gz"
    target.write_bytes(whole[:100])
    curl("--continue-at", "-", "-o", str(target), f"{url}/dumps/data/ponmetro.nq.gz")
    assert target.read_bytes() == whole
    assert curl("--range", "10-19", f"{url}/dumps/data/ponmetro.nq.gz") == whole[10:20]
    assert gzip.decompress(whole).count(b"\n") > 15


def test_the_manifest_tells_the_checksum_of_what_curl_downloads(url: str) -> None:
    manifest = json.loads(curl(f"{url}/dumps/manifest.json"))
    for graph in manifest["graphs"]:
        assert hashlib.sha256(curl(f"{url}/dumps/{graph['file']}")).hexdigest() == graph["sha256"]


# Comunica


def test_comunica_asks_the_endpoint_and_follows_the_thing(url: str, amounts: dict[str, str]) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("needs node")
    if not (CLIENTS / "node_modules" / "@comunica").is_dir():
        pytest.skip("needs Comunica: npm ci --ignore-scripts in tests/clients")
    command = [node, str(CLIENTS / "comunica.js"), url, PATH, AMOUNTS, ASK, CONSTRUCT]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)
    assert ran.returncode == 0, ran.stderr
    told = json.loads(ran.stdout)
    assert dict(told["select"]) == amounts
    assert told["ask"] is True
    assert told["construct"] > 15
    assert dict(told["both"]) == amounts  # joined with a document
    assert dict(told["dereferenced"]) == amounts  # no endpoint: it reads the thing's own data, by content negotiation


# pyoxigraph's parsers


RESULTS = [("json", ox.QueryResultsFormat.JSON), ("xml", ox.QueryResultsFormat.XML), ("tsv", ox.QueryResultsFormat.TSV)]


@pytest.mark.parametrize(("name", "syntax"), RESULTS)
def test_pyoxigraph_reads_results(url: str, amounts: dict[str, str], name: str, syntax: ox.QueryResultsFormat) -> None:
    found = ox.parse_query_results(ask(url, AMOUNTS, name), format=syntax)
    assert isinstance(found, ox.QuerySolutions)
    assert {row["p"].value: row["amount"].value for row in found} == amounts


@pytest.mark.parametrize(("name", "syntax"), RESULTS[:2])
def test_pyoxigraph_reads_booleans(url: str, name: str, syntax: ox.QueryResultsFormat) -> None:
    found = ox.parse_query_results(ask(url, ASK, name), format=syntax)
    assert isinstance(found, ox.QueryBoolean)
    assert bool(found)


@pytest.mark.parametrize("extension", ["ttl", "nt", "rdf", "jsonld", "trig", "nq"])
def test_pyoxigraph_reads_graphs(url: str, truth: rdflib.Graph, extension: str) -> None:
    syntax = ox.RdfFormat.from_extension(extension)
    assert syntax is not None
    of_query = {quad.triple for quad in ox.parse(ask(url, CONSTRUCT, extension), format=syntax)}
    assert len(of_query) == len(truth)
    document = requests.get(f"{url}/data/{PATH}.{extension}", timeout=20).content
    assert of_query <= {quad.triple for quad in ox.parse(document, format=syntax)}


def ask(url: str, query: str, format_name: str) -> bytes:
    """The answer in a format by name."""
    answer = requests.get(f"{url}/sparql", params={"query": query, "format": format_name}, timeout=20)
    answer.raise_for_status()
    return answer.content


# Data frames


def table(url: str) -> str:
    """The address of a CSV of the amounts."""
    return f"{url}/sparql?" + urlencode({"query": AMOUNTS, "format": "csv"}, quote_via=quote)


def test_polars_reads_csv(url: str, amounts: dict[str, str]) -> None:
    # Given the address itself it asks for ranges first, which a query's answer has not.
    answer = requests.get(table(url), timeout=20).content
    assert dict(pl.read_csv(answer, schema_overrides={"amount": pl.String}).iter_rows()) == amounts
    assert pl.read_csv(answer)["amount"].dtype.is_numeric()


def test_pandas_reads_csv_from_the_address(url: str, amounts: dict[str, str]) -> None:
    if not PEERS.exists():
        pytest.skip("needs pandas, in .venv-peers: make install-dev")
    program = "import pandas, sys; print(pandas.read_csv(sys.argv[1], dtype={'amount': str}).to_json(orient='values'))"
    ran = subprocess.run(
        [str(PEERS), "-c", program, table(url)], capture_output=True, text=True, timeout=60, check=True
    )
    assert dict(json.loads(ran.stdout)) == amounts


# Plain HTTP


def test_one_connection_serves_many_requests_of_every_kind(url: str) -> None:
    where = urlsplit(url)
    assert where.hostname
    connection = http.client.HTTPConnection(where.hostname, where.port, timeout=20)
    connection.connect()
    socket = connection.sock
    # Not among them: answers of unknown length and 304, after which waitress closes the connection.
    query = urlencode({"query": AMOUNTS})
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    wanted = [
        ("GET", f"/sparql?{query}", None, {}, 200),
        ("HEAD", f"/sparql?{query}", None, {}, 200),
        ("POST", "/sparql", query, form, 200),
        ("POST", "/sparql", "SELECT", {"Content-Type": "application/sparql-query"}, 400),
        ("GET", f"/id/{PATH}", None, {"Accept": "text/turtle"}, 303),
        ("GET", f"/data/{PATH}.ttl", None, {}, 200),
        ("GET", "/id/nothing", None, {}, 404),
        ("OPTIONS", "/sparql", None, {}, 200),
        ("GET", f"/doc/{PATH}", None, {}, 200),
    ]
    for method, path, body, headers, status in wanted * 3:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        answer.read()
        assert answer.status == status, (method, path)
        assert connection.sock is socket, f"{method} {path} closed the connection"
    connection.close()


def test_a_large_answer_streams_to_a_reader_of_lines(url: str) -> None:
    with requests.get(f"{url}/sparql", params={"query": LABELS, "format": "tsv"}, stream=True, timeout=20) as answer:
        lines = sum(1 for _ in answer.iter_lines())
    assert lines > 100
