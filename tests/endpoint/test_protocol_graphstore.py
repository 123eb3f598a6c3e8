"""The reading side of the Graph Store Protocol (https://www.w3.org/TR/sparql11-http-rdf-update/) over HTTP."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import TYPE_CHECKING

import pyoxigraph as ox
import pytest
import requests

from endpoint.graphstore import BrokenDump, _unpacked

if TYPE_CHECKING:
    from tests.endpoint.conftest import Server

BASE = "https://w3id.org/cupola/"
GRAPH = f"{BASE}graph/prova"
FORMATS = {
    "text/turtle": ox.RdfFormat.TURTLE,
    "application/n-triples": ox.RdfFormat.N_TRIPLES,
    "application/ld+json": ox.RdfFormat.JSON_LD,
    "application/rdf+xml": ox.RdfFormat.RDF_XML,
    "application/trig": ox.RdfFormat.TRIG,
    "application/n-quads": ox.RdfFormat.N_QUADS,
}
Triples = set[ox.Triple]


def triples(body: bytes, format_: ox.RdfFormat) -> Triples:
    store = ox.Store()  # it writes numbers in one way, as the engine does: 1.50 is 1.5
    store.extend(ox.parse(body, format=format_))
    return {quad.triple for quad in store}


@pytest.fixture(scope="module")
def inside(release: Path) -> Triples:
    """What is in the graph, by its dump."""
    return triples(gzip.decompress((release / "data" / "prova.nq.gz").read_bytes()), ox.RdfFormat.N_QUADS)


def get(server: Server, path: str, **headers: str | None) -> requests.Response:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return requests.get(server.url + path, headers=sent, timeout=20)


@pytest.mark.parametrize("path", ["/graph/prova", f"/graphs?graph={GRAPH}", "/graph/pr%6Fva"])
@pytest.mark.parametrize("media", FORMATS)
def test_a_graph_is_the_same_however_it_is_named_and_written(
    path: str, media: str, server: Server, inside: Triples
) -> None:
    answer = get(server, path, Accept=media)
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"].partition(";")[0] == media
    assert triples(answer.content, FORMATS[media]) == inside
    assert 'rel="license"' in answer.headers["Link"]


def test_the_default_graph_is_the_union_of_all(server: Server, release: Path) -> None:
    union = {t for dump in (release / "data").glob("*.nq.gz")
             for t in triples(gzip.decompress(dump.read_bytes()), ox.RdfFormat.N_QUADS)}  # fmt: skip
    assert triples(get(server, "/graphs?default", Accept="text/turtle").content, ox.RdfFormat.TURTLE) == union


def test_a_client_without_a_wish_gets_the_dump_as_it_lies(server: Server, release: Path) -> None:
    dump = release / "data" / "prova.nq.gz"
    head = requests.head(f"{server.url}/graph/prova", headers={"Accept-Encoding": "gzip"}, timeout=20)
    assert head.headers["Content-Type"] == "application/n-quads"
    assert head.headers["Content-Encoding"] == "gzip"
    assert int(head.headers["Content-Length"]) == dump.stat().st_size
    headers = {"Accept-Encoding": "gzip", "Range": "bytes=10-29"}
    with requests.get(f"{server.url}/graph/prova", headers=headers, stream=True, timeout=20) as part:
        assert part.status_code == 206
        assert part.raw.read(decode_content=False) == dump.read_bytes()[10:30]


@pytest.mark.parametrize("coding", ["identity", "gzip", "br"])
@pytest.mark.parametrize("media", ["application/n-quads", "application/n-triples"])
def test_a_dump_the_client_has_is_not_sent_again(media: str, coding: str, server: Server, inside: Triples) -> None:
    first = get(server, "/graph/prova", Accept=media, Accept_Encoding=coding)
    assert first.headers.get("Content-Encoding", "identity") == coding
    assert triples(first.content, FORMATS[media]) == inside
    again = get(server, "/graph/prova", Accept=media, Accept_Encoding=coding, If_None_Match=first.headers["ETag"])
    assert again.status_code == 304
    assert {"Accept", "Accept-Encoding"} <= set(again.headers["Vary"].split(", "))
    assert get(server, "/graph/quality", Accept=media, If_None_Match=first.headers["ETag"]).status_code == 200


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/graph/none", 404),
        ("/graph/prova/more", 404),
        ("/graphs?graph=https://example.org/none", 404),
        ("/graphs", 400),
        (f"/graphs?default&graph={GRAPH}", 400),
        (f"/graphs?graph={GRAPH}&graph={GRAPH}", 400),
        ("/graphs?graph=prova", 400),
        ("/graphs?graph=", 400),
        ("/graphs?graph=%3E%20UNION", 400),
        ("/graph/prova?format=nothing", 406),
    ],
)
def test_what_names_no_graph_is_told_so(path: str, status: int, server: Server) -> None:
    answer = get(server, path)
    assert answer.status_code == status
    assert answer.json()["detail"]


@pytest.mark.parametrize("path", ["/graph/prova", "/graphs?default"])
@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE", "PATCH"])
def test_nothing_can_be_written(method: str, path: str, server: Server) -> None:
    answer = requests.request(method, server.url + path, data=b"<x:a> <x:b> <x:c> .", timeout=20)
    assert answer.status_code == 405
    assert set(answer.headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS"}


def test_a_graph_that_names_itself_keeps_its_triples(tmp_path: Path) -> None:
    lines = f'<x:a> <x:b> <{GRAPH}> <{GRAPH}> .\n<x:a> <x:b> " <{GRAPH}> .\\n" <{GRAPH}> .\n' * 3000
    (tmp_path / "x.nq.gz").write_bytes(gzip.compress(lines.encode()))
    plain = b"".join(_unpacked(tmp_path / "x.nq.gz", GRAPH))
    assert triples(plain, ox.RdfFormat.N_TRIPLES) == triples(lines.encode(), ox.RdfFormat.N_QUADS)
    assert plain.count(b"\n") == 6000


def test_a_dump_of_another_graph_is_broken_off(tmp_path: Path) -> None:
    (tmp_path / "x.nq.gz").write_bytes(gzip.compress(f"<x:a> <x:b> <x:c> <{BASE}graph/other> .\n".encode()))
    with pytest.raises(BrokenDump, match=r"x\.nq\.gz"):
        list(_unpacked(tmp_path / "x.nq.gz", GRAPH))


def test_a_graph_whose_dump_is_missing_is_asked_of_the_engine(server: Server, release: Path, inside: Triples) -> None:
    manifest = json.loads((release / "manifest.json").read_text())
    assert all((release / graph["file"]).is_file() for graph in manifest["graphs"])
    dump = release / "data" / "prova.nq.gz"
    aside = dump.rename(dump.with_suffix(".aside"))
    try:
        answer = get(server, "/graph/prova", Accept="application/n-triples")
    finally:
        aside.rename(dump)
    assert triples(answer.content, ox.RdfFormat.N_TRIPLES) == inside
