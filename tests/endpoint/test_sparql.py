"""SPARQL 1.1 Protocol over HTTP (https://www.w3.org/TR/sparql11-protocol/), section by section."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import pyoxigraph as ox
import pytest
import rdflib
import requests
from SPARQLWrapper import CSV, JSON, POST, TURTLE, SPARQLWrapper

if TYPE_CHECKING:
    from pathlib import Path

    from tests.endpoint.conftest import Build, Server, Start

ONTO = "https://w3id.org/cupola/onto/"
GRAPH = "https://w3id.org/cupola/graph/"
TITLES = "SELECT ?t { ?o a <https://w3id.org/cupola/onto/Operation> ; <http://www.w3.org/2000/01/rdf-schema#label> ?t }"
SUM = f"SELECT (SUM(?x) AS ?total) {{ ?o <{ONTO}disbursedAmount> ?x }}"
COUNT = "SELECT (COUNT(*) AS ?n) { ?s ?p ?o }"
# 100,000.25 · (1 + 2 + … + 12); four of the amounts stand in two graphs.
TOTAL = 7800019.5


def post(server: Server, data: object, content_type: str | None, **options: object) -> requests.Response:
    headers = {"Content-Type": content_type} if content_type else {}
    return requests.post(f"{server.url}/sparql", data=data, headers=headers, timeout=20, **options)  # type: ignore[arg-type]


def number(answer: requests.Response) -> float:
    assert answer.status_code == 200, answer.text
    (row,) = answer.json()["results"]["bindings"]
    (cell,) = row.values()
    return float(cell["value"])


def test_the_three_ways_of_asking_give_the_same_answer(server: Server) -> None:
    by_get = server.ask(TITLES)
    by_form = post(server, {"query": TITLES}, None)
    direct = post(server, TITLES.encode(), "application/sparql-query")
    with_charset = post(server, TITLES.encode(), "application/sparql-query; charset=UTF-8")
    assert by_get.status_code == 200
    assert len(by_get.json()["results"]["bindings"]) == 12
    assert by_get.json() == by_form.json() == direct.json() == with_charset.json()


def test_letters_beyond_ascii_arrive_whole_each_way(server: Server) -> None:
    query = 'SELECT ?t { VALUES ?t { "società — €" } }'
    for answer in (server.ask(query), post(server, {"query": query}, None)):
        assert answer.json()["results"]["bindings"][0]["t"]["value"] == "società — €"
    # The Protocol knows no other charset for a query (2.1.3): nothing is guessed.
    assert post(server, query.encode("cp1252"), "application/sparql-query; charset=cp1252").status_code == 415


def test_select_can_be_read_in_every_format(server: Server) -> None:
    titles = {row["t"]["value"] for row in server.ask(TITLES).json()["results"]["bindings"]}
    assert 'Scuola "Le Betulle": palestra' in titles
    for media in ("text/csv", "text/tab-separated-values"):
        parted = "\t" if "tab" in media else ","
        assert len(list(csv.DictReader(io.StringIO(server.ask(TITLES, media).text), delimiter=parted))) == 12
    assert {row["t"] for row in csv.DictReader(io.StringIO(server.ask(TITLES, "text/csv").text))} == titles
    tree = ElementTree.fromstring(server.ask(TITLES, "application/sparql-results+xml").content)
    assert {e.text for e in tree.iter("{http://www.w3.org/2005/sparql-results#}literal")} == titles


def test_ask_can_be_read_in_every_format(server: Server) -> None:
    assert server.ask("ASK { ?s ?p ?o }").json()["boolean"] is True
    assert server.ask("ASK { ?s ?p 'nowhere' }").json()["boolean"] is False
    assert "<boolean>true</boolean>" in server.ask("ASK {}", "application/sparql-results+xml").text
    assert server.ask("ASK {}", "text/csv").text.strip() == "true"


# rdflib's own JSON-LD parser uses the class it deprecates.
@pytest.mark.filterwarnings("ignore:ConjunctiveGraph is deprecated:DeprecationWarning")
@pytest.mark.parametrize("query", ["CONSTRUCT WHERE { ?s ?p ?o }", f"DESCRIBE <{ONTO}Operation> ?p {{ ?p a ?c }}"])
def test_graphs_say_the_same_in_every_format(query: str, server: Server) -> None:
    if "CONSTRUCT" in query:  # an RDF/XML name may not begin with a digit: leave nothing out, ask for our terms
        query = f"CONSTRUCT {{ ?s ?p ?o }} WHERE {{ GRAPH <{GRAPH}prova> {{ ?s ?p ?o }} }}"
    found = []
    for media in ("text/turtle", "application/n-triples", "application/ld+json", "application/rdf+xml"):
        answer = server.ask(query, media)
        assert answer.headers["Content-Type"].split(";")[0] == media
        graph = rdflib.Graph().parse(data=answer.text, format=media)
        found.append({(str(s), str(p), str(o), getattr(o, "language", None)) for s, p, o in graph})
    assert len(found[0]) > 50
    assert all(each == found[0] for each in found)


def test_a_graph_has_no_triple_twice(server: Server) -> None:
    for query in ("CONSTRUCT { ?s a ?c } WHERE { ?s a ?c . ?s ?p ?o }", "DESCRIBE ?p { ?p a ?c }"):
        lines = server.ask(query, "application/n-triples").text.splitlines()
        assert len(lines) == len(set(lines)) > 20


def test_rdfxml_is_refused_for_names_it_cannot_write(server: Server) -> None:
    answer = server.ask("CONSTRUCT { ?s <http://example.org/7.1> ?o } WHERE { ?s a ?o }", "application/rdf+xml")
    assert answer.status_code == 406
    assert "http://example.org/7.1" in answer.json()["detail"]


def test_a_triple_of_two_graphs_counts_once(server: Server) -> None:
    assert number(server.ask(SUM)) == TOTAL


def test_the_union_made_at_query_time_serves_a_store_without_the_merge(
    tmp_path: Path, build: Build, start: Start
) -> None:
    build(tmp_path, merged=False)
    server = start(tmp_path)
    assert len(server.ask(TITLES).json()["results"]["bindings"]) == 12
    lines = server.ask("DESCRIBE ?p { ?p a ?c }", "application/n-triples").text.splitlines()
    assert len(lines) == len(set(lines)) > 20
    one = server.ask(f"SELECT (COUNT(*) AS ?n) FROM <{GRAPH}quality> {{ ?s ?p ?o }}")
    assert number(one) == number(server.get("/sparql", params={"query": COUNT, "default-graph-uri": f"{GRAPH}quality"}))


def test_default_graph_uri_names_what_is_asked(server: Server) -> None:
    def count(**graphs: object) -> float:
        return number(server.get("/sparql", params={"query": COUNT, **graphs}))

    quality = count(**{"default-graph-uri": f"{GRAPH}quality"})
    ontology = count(**{"default-graph-uri": f"{GRAPH}ontology"})
    assert quality == 45
    assert count(**{"default-graph-uri": [f"{GRAPH}quality", f"{GRAPH}ontology"]}) == quality + ontology
    assert count(**{"default-graph-uri": f"{GRAPH}none"}) == 0
    assert count(**{"named-graph-uri": f"{GRAPH}quality"}) == 0  # then the default graph is empty
    form = post(server, {"query": COUNT, "default-graph-uri": f"{GRAPH}quality"}, None)
    direct = post(server, COUNT, "application/sparql-query", params={"default-graph-uri": f"{GRAPH}quality"})
    assert number(form) == number(direct) == quality


def test_named_graph_uri_limits_graph_patterns(server: Server) -> None:
    query = "SELECT (COUNT(DISTINCT ?g) AS ?n) { GRAPH ?g { ?s ?p ?o } }"
    assert number(server.ask(query)) == 4
    assert number(server.get("/sparql", params={"query": query, "named-graph-uri": f"{GRAPH}quality"})) == 1


def test_the_dataset_of_the_request_wins_over_that_of_the_query(server: Server) -> None:
    query = COUNT.replace("{", f"FROM <{GRAPH}ontology> {{", 1)
    assert number(server.get("/sparql", params={"query": query, "default-graph-uri": f"{GRAPH}quality"})) == 45
    assert number(server.ask(query)) != 9


@pytest.mark.parametrize(
    ("status", "ask"),
    [
        (400, lambda s: s.ask("SELECT nonsense")),
        (400, lambda s: s.get("/sparql?query=ASK%7B%7D&query=ASK%7B%7D")),
        (400, lambda s: s.get("/sparql?query=%FF")),
        (400, lambda s: s.get("/sparql", params={"query": COUNT, "default-graph-uri": "not an iri>"})),
        (400, lambda s: post(s, {"q": "ASK {}"}, None)),
        (400, lambda s: post(s, b"ASK { ?s ?p '\xff' }", "application/sparql-query")),
        (400, lambda s: post(s, b"ASK {}", "application/sparql-query", params={"query": "ASK {}"})),
        (403, lambda s: post(s, {"update": "CLEAR ALL"}, None)),
        (403, lambda s: post(s, b"CLEAR ALL", "application/sparql-update")),
        (403, lambda s: s.ask("# a comment\nPREFIX x: <http://x.example/> INSERT DATA { x:a x:b x:c }")),
        (403, lambda s: s.ask("SELECT * { SERVICE <http://127.0.0.1:9/> { ?s ?p ?o } }")),
        (413, lambda s: post(s, {"query": "ASK {} #" + "x" * 100_000}, None)),
        (413, lambda s: post(s, {"query": "ASK {} #" + "x" * 2_000_000}, None)),
        (415, lambda s: post(s, b"ASK {}", "text/plain")),
        (415, lambda s: post(s, b"ASK {}", None)),
        (415, lambda s: post(s, b"ASK {}", "application/sparql-query; charset=klingon")),
        (405, lambda s: requests.put(f"{s.url}/sparql", data=b"ASK {}", timeout=20)),
        (405, lambda s: requests.delete(f"{s.url}/sparql", timeout=20)),
    ],
)
def test_a_wrong_request_gets_its_status_and_a_reason(status: int, ask: object, server: Server) -> None:
    answer = ask(server)  # type: ignore[operator]
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == status
    assert len(problem["detail"]) > 10
    if status == 405:
        assert {"GET", "HEAD", "OPTIONS", "POST"} == set(answer.headers["Allow"].replace(" ", "").split(","))


def test_a_syntax_error_says_where(server: Server) -> None:
    assert "1:" in server.ask("SELECT * { ?s ?p }").json()["detail"]


def test_a_reader_gets_an_error_as_a_page(server: Server) -> None:
    answer = server.ask("SELECT nonsense", "text/html,*/*;q=0.8")
    assert answer.status_code == 400
    assert answer.headers["Content-Type"].startswith("text/html")
    assert "<h1" in answer.text


def test_head_and_options_are_answered(server: Server) -> None:
    head = requests.head(f"{server.url}/sparql", params={"query": TITLES}, timeout=20)
    assert head.status_code == 200
    assert head.content == b""
    assert head.headers["Content-Type"] == "application/sparql-results+json"
    options = requests.options(f"{server.url}/sparql", timeout=20)
    assert options.status_code == 200
    assert "POST" in options.headers["Access-Control-Allow-Methods"]
    assert options.headers["Access-Control-Allow-Origin"] == "*"


def test_an_answer_tells_its_release_its_limits_and_its_time(server: Server, release: Path) -> None:
    answer = server.ask("ASK {}")
    assert answer.headers["X-Cupola-Release"] == release.name
    assert "seconds=30" in answer.headers["X-Cupola-Limits"]
    assert "query;dur=" in answer.headers["Server-Timing"]


def test_without_a_query_the_service_describes_itself(server: Server) -> None:
    answer = server.get("/sparql", "text/turtle")
    graph = rdflib.Graph().parse(data=answer.text, format="turtle")
    sd = rdflib.Namespace("http://www.w3.org/ns/sparql-service-description#")
    service = rdflib.URIRef(f"{server.url}/sparql")
    assert (service, sd.endpoint, service) in graph
    assert (service, sd.supportedLanguage, sd.SPARQL11Query) in graph
    assert len(list(graph.objects(service, sd.resultFormat))) == 10
    assert {str(g) for g in graph.objects(None, sd.name)} == {
        GRAPH + name for name in ("altra", "ontology", "prova", "quality")
    }
    assert server.get("/sparql", "application/ld+json").headers["Content-Type"] == "application/ld+json"


def test_without_a_query_a_browser_gets_the_page_to_write_one(server: Server) -> None:
    answer = server.get("/sparql", "text/html,application/xhtml+xml,*/*;q=0.8")
    assert answer.headers["Content-Type"].startswith("text/html")
    assert "<textarea" in answer.text


def test_sparqlwrapper_asks_as_any_endpoint(server: Server) -> None:
    client = SPARQLWrapper(f"{server.url}/sparql")

    def ask(query: str, format_: str) -> Any:
        client.setQuery(query)
        client.setReturnFormat(format_)
        return client.queryAndConvert()

    assert float(ask(SUM, JSON)["results"]["bindings"][0]["total"]["value"]) == TOTAL
    client.setMethod(POST)
    assert ask(SUM, CSV).split() == [b"total", b"7800019.5"]
    turtle = ask("CONSTRUCT { ?s a ?c } WHERE { ?s a ?c }", TURTLE)
    assert len(list(ox.parse(turtle, format=ox.RdfFormat.TURTLE))) > 20


def test_problem_json_is_json_even_with_quotes(server: Server) -> None:
    detail = json.loads(server.ask('SELECT "\\"').text)["detail"]
    assert isinstance(detail, str)
