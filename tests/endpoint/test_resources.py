"""Dereferencing: /id leads to /doc or /data, whatever characters an identifier has."""

from __future__ import annotations

import re
import socket
from typing import TYPE_CHECKING
from urllib.parse import urljoin

import pyoxigraph as ox
import pytest
import rdflib
import requests

from endpoint.describe import Term, describe, existing
from endpoint.formats import FORMATS, of

if TYPE_CHECKING:
    from pathlib import Path

    from endpoint.engine.local import LocalEngine
    from tests.endpoint.conftest import Build, Server, Start

BASE = "https://w3id.org/cupola/"
ONTO = "https://w3id.org/cupola/onto/"
FIRST = "operation/prova/AA1.1.1.a"
SLASHED = "operation/prova/AA%202.1%2Fb"


def raw(server: Server, path: str | bytes) -> tuple[int, str, str]:
    """Status, type and body of a GET of exactly this path: no client tidies it up on the way."""
    host, port = re.findall(r"//(.*):(\d+)", server.url)[0]
    path = path.encode() if isinstance(path, str) else path
    with socket.create_connection((host, int(port)), timeout=20) as client:
        client.sendall(b"GET " + path + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        answer = b""
        while piece := client.recv(65536):
            answer += piece
    head, _, body = answer.partition(b"\r\n\r\n")
    content_type = re.search(rb"(?im)^content-type: *([^\r;]*)", head)
    return int(head.split()[1]), content_type[1].decode() if content_type else "", body.decode()


def test_an_identifier_leads_to_its_data_and_to_its_page_on_the_same_host(server: Server) -> None:
    to_data = server.get(f"/id/{FIRST}", "text/turtle")
    to_page = server.get(f"/id/{FIRST}", "text/html")
    assert (to_data.status_code, to_data.headers["Location"]) == (303, f"/data/{FIRST}.ttl")
    assert (to_page.status_code, to_page.headers["Location"]) == (303, f"/doc/{FIRST}")
    page = server.get(to_page.headers["Location"], "text/html")
    assert page.status_code == 200
    assert "Biblioteca di quartiere" in page.text


def test_an_extension_and_a_format_by_name_lead_there_too(server: Server) -> None:
    assert server.get(f"/id/{FIRST}.jsonld", "text/html").headers["Location"] == f"/data/{FIRST}.jsonld"
    assert server.get(f"/id/{FIRST}?format=nt", "text/html").headers["Location"] == f"/data/{FIRST}.nt"
    assert server.get(f"/id/{FIRST}?format=html").headers["Location"] == f"/doc/{FIRST}"


def test_a_dot_in_a_code_is_no_extension(server: Server) -> None:
    code = "operation/prova/BB3.1.nt"
    assert server.get(f"/id/{code}", "text/turtle").headers["Location"] == f"/data/{code}.ttl"
    answer = server.get(f"/data/{code}", "application/ld+json")
    assert answer.headers["Content-Type"] == "application/ld+json"
    assert server.get(f"/data/{code}.nt").headers["Content-Type"] == "application/n-triples"


@pytest.mark.filterwarnings("ignore:ConjunctiveGraph is deprecated:DeprecationWarning")  # rdflib's own JSON-LD parser
def test_every_format_says_the_same(server: Server) -> None:
    said = []
    for fmt in of("graph"):
        answer = server.get(f"/data/{FIRST}.{fmt.extension}")
        assert answer.headers["Content-Type"].split(";")[0] == fmt.media_type
        if fmt.name in ("trig", "nquads"):
            quads = list(ox.parse(answer.content, format=getattr(ox.RdfFormat, fmt.serialiser)))
            assert {str(q.graph_name)[1:-1] for q in quads} == {
                BASE + f"graph/{g}" for g in ("altra", "prova", "quality")
            }
            said.append({(q.subject.value, q.predicate.value, getattr(q.object, "value", "")) for q in quads})
        else:
            graph = rdflib.Graph().parse(data=answer.text, format=fmt.media_type)
            said.append({(str(s), str(p), str(o)) for s, p, o in graph})
    assert (BASE + f"id/{FIRST}", f"{ONTO}localCode", "AA1.1.1.a") in said[0]
    assert all({(s, p) for s, p, _ in each} == {(s, p) for s, p, _ in said[0]} for each in said)
    assert all(len(each) == len(said[0]) for each in said)


def test_a_description_has_the_parts_and_what_points_to_it(engine: LocalEngine) -> None:
    found = describe(engine, BASE + f"id/{FIRST}")
    assert found is not None
    prova = BASE + "graph/prova"
    assert (found.iri, f"{ONTO}localCode", Term("literal", "AA1.1.1.a", None, None), prova) in found.quads
    assert {s for s, *_ in found.quads} == {found.iri, f"{found.iri}/rup", f"{found.iri}/rup/person"}
    assert (
        f"{BASE}id/problem/prova/1",
        "http://www.w3.org/ns/shacl#focusNode",
        f"{BASE}graph/quality",
    ) in found.incoming
    assert not found.incoming_cut
    assert found.labels[f"{ONTO}Operation"] == {"it": "Intervento", "en": "Operation"}
    assert found.labels[found.iri] == {"it": "Biblioteca di quartiere"}


def test_a_description_has_parts_that_point_to_the_whole(engine: LocalEngine) -> None:
    sheet = BASE + "id/sheet/prova/AA1.1.1.a"
    found = describe(engine, sheet)
    assert found is not None
    assert f"{sheet}/field/start_date" in {s for s, *_ in found.quads}


@pytest.mark.parametrize("iri", ["no iri", f"{BASE}id/none", "<x>", 'http://x/"}', "http://x/\udce8", ""])
def test_what_is_unknown_or_no_iri_has_no_description(iri: str, engine: LocalEngine) -> None:
    assert describe(engine, iri) is None
    assert existing(engine, [iri]) is None


def test_many_links_are_cut_and_it_is_said(tmp_path: Path, build: Build, start: Start) -> None:
    folder = build(tmp_path)
    store = ox.Store(str(folder / "store"))
    popular, p, g = (
        ox.NamedNode(BASE + "id/" + FIRST),
        ox.NamedNode("http://x.example/p"),
        ox.NamedNode("http://x.example/g"),
    )
    store.extend(ox.Quad(ox.NamedNode(f"http://x.example/{n}"), p, popular, g) for n in range(300))
    store.flush()
    del store
    answer = start(tmp_path).get(f"/data/{FIRST}.nt")
    assert "200" in answer.headers["X-Cupola-Incoming"]
    assert answer.text.count(f"<{BASE}id/{FIRST}> .") == 200


@pytest.mark.parametrize(
    ("path", "code"),
    [
        (SLASHED, "AA 2.1/b"),
        ("operation/prova/AA%202.1%2fb", "AA 2.1/b"),
        ("operation/prova/AA%202%2E1%2Fb", "AA 2.1/b"),
        ("operation/prov%61/AA%202.1%2Fb", "AA 2.1/b"),
        ("operation/prova/BB1.2.1.%C3%A8", "BB1.2.1.è"),
        ("operation/prova/BB1.2.1.%c3%a8", "BB1.2.1.è"),
        ("operation/prova/BB1.2.1.è", "BB1.2.1.è"),
        ("operation/prova/BB%273.1", "BB'3.1"),
        ("operation/prova/BB'3.1", "BB'3.1"),
        ("agent/prova/societ%C3%A0-d'ambito", "Società d'ambito"),
        ("agent/prova/societ%C3%A0-d%27ambito", "Società d'ambito"),
        ("agent/prova/società-d'ambito", "Società d'ambito"),
    ],
)
def test_an_identifier_is_found_however_it_is_percent_encoded(path: str, code: str, server: Server) -> None:
    for prefix, kind in (("/data/", "text/turtle"), ("/doc/", "text/html")):
        status, content_type, body = raw(server, prefix + path)
        assert (status, content_type) == (200, kind)
        assert code in body.replace("&#39;", "'")
    answer = server.get("/id/" + path)
    assert answer.status_code == 303
    followed = requests.get(urljoin(server.url, answer.headers["Location"]), timeout=20)
    assert followed.status_code == 200
    assert code in followed.text


def test_an_encoded_slash_is_not_a_slash(server: Server) -> None:
    assert raw(server, "/data/operation/prova/AA%202.1/b")[0] == 404


HOSTILE = [
    "a/../b",
    "%2e%2e/%2e%2e/etc/passwd",
    "%00",
    "%",
    "%zz",
    "%E8",
    "%FF%FE",
    b"\xff\xfe",
    b"\xe8",
    "x%22y",
    'x"y',
    "<script>",
    "%3Cx%3E",
    "x%0Ay",
    "x%0D%0AX-Evil:1",
    "//x",
    "x{}|^`\\y",
    "%F0%9F%92%A9",
    "%25",
    "a" * 5000,
    "%7B%7D%20UNION",
    "ý" * 500,
]


@pytest.mark.parametrize("path", HOSTILE, ids=repr)
@pytest.mark.parametrize("prefix", ["/id/", "/data/", "/doc/", "/onto/", "/graph/", "/dumps/", "/release/", "/"])
def test_a_hostile_path_is_answered_and_never_a_fault(prefix: str, path: str | bytes, server: Server) -> None:
    path = prefix.encode() + (path.encode() if isinstance(path, str) else path)
    status, _, body = raw(server, path)
    assert status in (400, 404)
    assert "Traceback" not in body


@pytest.mark.parametrize("path", ["/id/{}", "/id/{}.ttl", "/doc/{}", "/data/{}.jsonld", "/data/{}"])
def test_what_an_earlier_release_described_is_a_410_that_names_it(path: str, server: Server) -> None:
    answer = server.get(path.format("project/G00X00000000000"), "*/*")
    assert answer.status_code == 410
    assert "release 2025-12-31T000000Z was the last" in answer.json()["detail"]


def test_a_page_of_what_is_gone_says_so_to_a_reader(server: Server) -> None:
    page = server.get("/doc/project/G00X00000000000", "text/html")
    assert page.status_code == 410
    assert "release 2025-12-31T000000Z was the last" in page.text


def test_what_is_unknown_is_a_404_that_says_what_was_looked_for(server: Server) -> None:
    answer = server.get("/id/project/NONE")
    assert answer.status_code == 404
    assert f"{BASE}id/project/NONE" in answer.json()["detail"]
    page = server.get("/doc/project/NONE", "text/html")
    assert page.status_code == 404
    assert page.headers["Content-Type"].startswith("text/html")


def test_data_not_changed_is_not_sent_again(server: Server, release: Path) -> None:
    first = server.get(f"/data/{FIRST}.ttl")
    assert release.name in first.headers["ETag"]
    assert "Last-Modified" in first.headers
    assert server.get(f"/data/{FIRST}.ttl").content == first.content
    headers = {"If-None-Match": first.headers["ETag"]}
    again = requests.get(f"{server.url}/data/{FIRST}.ttl", headers=headers, timeout=20)
    assert (again.status_code, again.content) == (304, b"")
    other = requests.get(f"{server.url}/data/{FIRST}.nt", headers=headers, timeout=20)
    assert other.status_code == 200


def test_head_has_the_headers_of_get_and_no_body(server: Server) -> None:
    for path in (f"/id/{FIRST}", f"/data/{FIRST}.ttl", "/onto/", "/catalog", "/health"):
        got, head = server.get(path), requests.head(server.url + path, timeout=20)
        assert (head.status_code, head.content) == (got.status_code, b"")
        assert head.headers.get("Content-Type") == got.headers.get("Content-Type")


def test_links_tell_the_other_forms_the_thing_and_the_licence(server: Server) -> None:
    links = requests.utils.parse_header_links(server.get(f"/data/{FIRST}.ttl").headers["Link"])
    by_relation: dict[str, list[str]] = {}
    for link in links:
        by_relation.setdefault(link["rel"], []).append(link["url"])
    assert by_relation["cite-as"] == by_relation["describes"] == [f"{BASE}id/{FIRST}"]
    assert by_relation["canonical"] == [f"{BASE}data/{FIRST}.ttl"]
    assert by_relation["license"] == ["https://creativecommons.org/licenses/by/4.0/"]
    for url in by_relation["alternate"]:
        assert server.get(url, "text/html" if "/doc/" in url else None).status_code == 200
    page = requests.utils.parse_header_links(server.get(f"/doc/{FIRST}", "text/html").headers["Link"])
    assert len([link for link in page if link["rel"] == "describedby"]) == len(of("graph"))


def test_any_web_page_may_read_the_data(server: Server) -> None:
    for path in (f"/id/{FIRST}", f"/data/{FIRST}.ttl", "/sparql?query=ASK%7B%7D", "/onto/", "/none"):
        assert server.get(path).headers["Access-Control-Allow-Origin"] == "*"


def test_answers_carry_the_security_headers(server: Server) -> None:
    page = server.get(f"/doc/{FIRST}", "text/html")
    assert page.headers["X-Content-Type-Options"] == "nosniff"
    assert "default-src 'none'; script-src 'self'" in page.headers["Content-Security-Policy"]


def test_the_ontology_is_rdf_for_programs_and_a_page_for_readers(server: Server) -> None:
    graph = rdflib.Graph().parse(data=server.get("/onto/", "text/turtle").text, format="turtle")
    assert (rdflib.URIRef(f"{ONTO}Operation"), rdflib.RDF.type, rdflib.OWL.Class) in graph
    assert rdflib.URIRef(f"{BASE}id/{FIRST}") not in set(graph.subjects())
    page = server.get("/onto/", "text/html")
    assert page.headers["Content-Type"].startswith("text/html")
    assert "Intervento" in page.text


def test_a_term_leads_to_the_ontology(server: Server) -> None:
    assert server.get("/onto/Operation", "text/html").headers["Location"] == "/onto/#Operation"
    to_data = server.get("/onto/Operation", "text/turtle")
    assert (to_data.status_code, to_data.headers["Location"]) == (303, "/onto.ttl")
    assert f"{ONTO}Operation" in rdflib.Graph().parse(data=server.get("/onto.ttl").text).serialize(format="nt")
    assert server.get("/onto/NoSuchTerm").status_code == 404


def test_names_and_extensions_of_formats_are_told_apart() -> None:
    for kind in ("results", "graph"):
        names = [name for f in FORMATS if kind in f.kinds for name in {f.name, f.extension}]
        assert len(names) == len(set(names))
