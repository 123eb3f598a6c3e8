"""The W3C's SPARQL 1.1 Protocol tests, over HTTP against a real server; the cases are in data/protocol/w3c.toml."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyoxigraph as ox
import pytest
import rdflib
import requests

from tests.endpoint.conftest import Server, build_release, start_server

CASES = tomllib.loads((Path(__file__).parent / "data" / "protocol" / "w3c.toml").read_text())["case"]
DATA = "http://kasei.us/2009/09/sparql/data/"
MANIFEST = rdflib.Namespace("http://www.w3.org/2001/sw/DataAccess/tests/test-manifest#")
DOCUMENT = ox.NamedNode("http://xmlns.com/foaf/0.1/Document")
TYPE = ox.NamedNode("http://www.w3.org/1999/02/22-rdf-syntax-ns#type")
# What expectedFormat means, in the words of the tests' own names.
FORMATS = {
    "boolean": {"application/sparql-results+json", "application/sparql-results+xml"},
    "tabular": {"application/sparql-results+json", "application/sparql-results+xml", "text/csv",
                "text/tab-separated-values"},
    "RDF": {"application/rdf+xml", "text/turtle", "application/n-triples"},
}  # fmt: skip


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server over a release that has the graphs of the tests, too."""
    releases = tmp_path_factory.mktemp("w3c")
    folder = build_release(releases)
    store = ox.Store(str(folder / "store"))
    manifest = json.loads((folder / "manifest.json").read_text())
    for name in ("data1.rdf", "data2.rdf", "data3.rdf"):
        iri = ox.NamedNode(DATA + name)
        store.add(ox.Quad(iri, TYPE, DOCUMENT, iri))
        store.add(ox.Quad(iri, TYPE, DOCUMENT))
        manifest["graphs"].append({"iri": iri.value, "file": f"data/{name}.nq.gz", "triples": 1})
    store.flush()
    del store
    (folder / "manifest.json").write_text(json.dumps(manifest))
    server = start_server(releases)
    yield server
    assert server.stop() == 0
    assert server.process.stdout is not None
    server.process.stdout.close()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_the_answer_is_what_the_w3c_expects(case: dict[str, Any], server: Server) -> None:
    answer = requests.request(
        case["method"],
        f"{server.url}/sparql",
        params=case.get("parameters"),
        data=case["body"].encode(case.get("charset", "utf-8")) if "body" in case else None,
        headers={"Content-Type": case["content_type"]} if "content_type" in case else {},
        timeout=20,
    )
    assert answer.status_code // 100 == case["status"], answer.text
    if wanted := case.get("format"):
        assert answer.headers["Content-Type"].partition(";")[0] in FORMATS[wanted]
    if "boolean" in case:
        assert answer.json()["boolean"] is case["boolean"]


def test_no_case_of_the_manifest_is_left_out_but_updates_that_should_succeed(shared: Path) -> None:
    manifest = rdflib.Graph().parse(shared / "w3c/sparql11/protocol/manifest.ttl")
    named = {str(s).rpartition("#")[2] for s in manifest.subjects(rdflib.RDF.type, MANIFEST.ProtocolTest)}
    assert {case["name"] for case in CASES} == {name for name in named if not name.startswith("update_")}
