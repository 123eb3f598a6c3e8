"""How answers are chosen, named and guarded: Accept, HEAD, OPTIONS, CORS, security headers, streaming, base IRI."""

from __future__ import annotations

import csv
import http.client
import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
import requests

if TYPE_CHECKING:
    from flask.testing import FlaskClient

    from tests.endpoint.conftest import Server

FOLDER = Path(__file__).parent / "data" / "protocol"
QUERIES = {
    "select": "SELECT * { ?s a ?c } LIMIT 3",
    "ask": "ASK {}",
    "construct": "CONSTRUCT { <x:a> <x:b> ?c } WHERE { ?s a ?c } LIMIT 3",
}
PAGES = [
    "/",
    "/projects",
    "/quality",
    "/queries",
    "/sparql",
    "/onto/",
    "/doc/operation/prova/AA1.1.1.a",
    "/no/such/page",
]
DATA = [
    "/sparql?query=ASK%7B%7D", "/sparql?query=nonsense", "/data/operation/prova/AA1.1.1.a.ttl", "/catalog",
    "/dumps/", "/dumps/data/prova.nq.gz", "/graph/prova", "/sitemap.xml", "/robots.txt", "/health", "/metrics",
    "/id/operation/prova/AA1.1.1.a", "/no/such/thing", "/projects.csv",
]  # fmt: skip
CROSS = "?a ?b ?c . ?d ?e ?f . ?g ?h ?i . ?j ?k ?l"


def rows(name: str) -> list[dict[str, str]]:
    with (FOLDER / name).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def changing(headers: Iterator[tuple[str, str]]) -> dict[str, str]:
    """Headers without those that differ from one request to the next."""
    return {name.lower(): value for name, value in headers if name not in ("Server-Timing", "X-Request-Id", "Date")}


@pytest.mark.parametrize("case", rows("accept.csv"), ids=lambda case: f"{case['query']} {case['accept']}")
def test_the_answer_is_of_the_type_that_accept_likes_best(case: dict[str, str], client: FlaskClient) -> None:
    headers = {"Accept": case["accept"]} if case["accept"] else {}
    answer = client.get("/sparql", query_string={"query": QUERIES[case["query"]]}, headers=headers)
    assert (answer.status_code, answer.headers["Content-Type"]) == (int(case["status"]), case["type"])
    assert "Accept" in answer.vary
    if answer.status_code == 406:
        assert answer.json is not None
        assert "Available: " in answer.json["detail"]


def test_several_accept_headers_are_one(server: Server) -> None:
    with closing(http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=20)) as connection:
        connection.putrequest("GET", f"/sparql?query={quote(QUERIES['select'])}")
        connection.putheader("Accept", "text/turtle")
        connection.putheader("Accept", "text/csv;q=0.5")
        connection.putheader("Accept", "application/sparql-results+xml;q=0.4")
        connection.endheaders()
        with connection.getresponse() as answer:
            assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
            answer.read()


@pytest.mark.parametrize("charset", ["utf-8", "UTF-8", '"utf-8"', "utf8"])
def test_a_content_type_may_name_its_charset(charset: str, client: FlaskClient) -> None:
    direct = client.post("/sparql", data="ASK {}", content_type=f"application/sparql-query; charset={charset}")
    form = client.post(
        "/sparql", data="query=ASK%7B%7D", content_type=f"application/x-www-form-urlencoded; charset={charset}"
    )
    assert (direct.status_code, form.status_code) == (200, 200)


@pytest.mark.parametrize("path", ["/sparql?query=" + quote(QUERIES["select"]), "/sparql?query=nonsense", *DATA, *PAGES])
def test_head_has_the_headers_of_get_and_no_body(path: str, server: Server) -> None:
    get = requests.get(server.url + path, timeout=20, allow_redirects=False)
    head = requests.head(server.url + path, timeout=20)
    assert head.content == b""
    assert head.status_code == get.status_code
    told, wanted = changing(iter(head.headers.items())), changing(iter(get.headers.items()))
    if "transfer-encoding" in wanted or "/metrics" in path or "problem" in wanted["content-type"]:
        for name in ("transfer-encoding", "connection", "content-length"):
            told.pop(name, None)
            wanted.pop(name, None)
    assert told == wanted


@pytest.mark.parametrize(
    ("path", "methods"), [("/sparql", "GET, HEAD, OPTIONS, POST"), ("/graph/prova", "GET, HEAD, OPTIONS"),
                          ("/data/operation/prova/AA1.1.1.a", "GET, HEAD, OPTIONS")],
)  # fmt: skip
def test_a_page_elsewhere_may_ask_what_it_may_send(path: str, methods: str, client: FlaskClient) -> None:
    asked = {
        "Origin": "https://example.org",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type",
    }
    answer = client.options(path, headers=asked)
    assert answer.status_code == 200
    assert ", ".join(sorted(answer.headers["Allow"].split(", "))) == methods
    assert sorted(answer.headers["Access-Control-Allow-Methods"].split(", ")) == methods.split(", ")
    assert "Content-Type" in answer.headers["Access-Control-Allow-Headers"]
    assert int(answer.headers["Access-Control-Max-Age"]) > 0


@pytest.mark.parametrize(
    "case", rows("headers.csv"), ids=lambda case: f"{case['path']} {case['header']} {case['value']}"
)
def test_every_answer_is_guarded(case: dict[str, str], client: FlaskClient) -> None:
    paths = {"page": PAGES, "data": DATA, "*": [*PAGES, *DATA]}[case["path"]]
    for path in paths:
        answer = client.get(path, headers={"Accept": case["accept"]} if case["accept"] else {})
        if case["path"] == "page":
            assert answer.mimetype == "text/html", path
        assert case["value"] in answer.headers.getlist(case["header"])[0], path
        assert len(answer.headers.getlist(case["header"])) == 1
        answer.close()


@pytest.mark.parametrize("path", [*PAGES, "/doc/project/B11C21000010006", "/quality?page=1"])
def test_no_page_needs_what_the_policy_forbids(path: str, client: FlaskClient) -> None:
    page = client.get(path, headers={"Accept": "text/html"}).text
    for script in re.findall(r"<script\b[^>]*>", page):
        assert 'src="/' in script or 'type="application/ld+json"' in script, script
    assert not re.search(r"<style\b|\sstyle=|\son[a-z]+=|javascript:", page)
    assert not re.search(
        r'<(?:link rel="stylesheet"|img|script|iframe|form)\b[^>]*(?:href|src|action)="(?:https?:)?//', page
    )


def test_an_answer_made_to_measure_is_no_page_of_ours(client: FlaskClient) -> None:
    query = "CONSTRUCT { <x:a> <http://www.w3.org/1999/xhtml#script> 'alert(1)' } WHERE {}"
    answer = client.get("/sparql", query_string={"query": query, "format": "rdfxml"})
    assert answer.status_code == 200
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


def test_a_relative_iri_is_one_of_ours(client: FlaskClient) -> None:
    answer = client.get("/sparql", query_string={"query": "ASK { <id/operation/prova/AA1.1.1.a> a ?c }"})
    assert answer.json == {"head": {}, "boolean": True}
    own = client.get("/sparql", query_string={"query": "BASE <https://example.org/> ASK { <id/x> a ?c }"})
    assert own.json == {"head": {}, "boolean": False}
    for text in ("ASK { ?a ?b ?c FILTER(?a<?b&&?b>?c) }", 'ASK { ?a ?b "<id>" }'):
        assert client.get("/sparql", query_string={"query": text}).status_code == 200


@pytest.mark.parametrize("name", ["json", "xml", "csv", "tsv"])
def test_results_leave_while_the_query_runs(name: str, server: Server) -> None:
    asked = {"query": f"SELECT * {{ {CROSS} }}", "format": name}
    with requests.get(f"{server.url}/sparql", params=asked, stream=True, timeout=20) as answer:
        assert answer.headers["Transfer-Encoding"] == "chunked"
        assert len(next(answer.iter_content(10_000))) > 1000


@pytest.mark.parametrize("name", ["turtle", "ntriples", "jsonld", "rdfxml", "trig", "nquads"])
def test_graphs_leave_while_the_query_runs(name: str, server: Server) -> None:
    construct = (
        f"CONSTRUCT {{ ?a <x:a-b> ?x }} WHERE {{ {CROSS} BIND(CONCAT(STR(?c), STR(?f), STR(?i), STR(?l)) AS ?x) }}"
    )
    with requests.get(
        f"{server.url}/sparql", params={"query": construct, "format": name}, stream=True, timeout=20
    ) as answer:
        assert answer.headers["Transfer-Encoding"] == "chunked"
        assert len(next(answer.iter_content(10_000))) > 1000
