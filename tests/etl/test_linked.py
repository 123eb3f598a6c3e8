"""Linked data as a source: graphs that say what they are are published, everything else is one clear problem."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyoxigraph as ox
import pytest

from etl import linked, pipeline, problems
from etl.settings import Settings

BASE = "https://w3id.org/cupola/"
ABOUT = """
@prefix dct: <http://purl.org/dc/terms/> .
@prefix foaf: <http://xmlns.com/foaf/0.1/> .
@base <https://w3id.org/cupola/> .
<graph/one> dct:title "Uno"@it , "One"@en ; dct:description "Prova."@it , "A try."@en ;
  dct:license <https://creativecommons.org/publicdomain/zero/1.0/> ; dct:publisher <id/publisher/me> .
<id/publisher/me> foaf:name "I"@en , "Io"@it .
"""
LOT = """
<graph/one> {{
  <id/lot/{cig}> a <https://w3id.org/italia/onto/PublicContract/Lot> ;
    <http://www.w3.org/2000/01/rdf-schema#label> "Un lotto"@it ;
    <https://w3id.org/italia/onto/PublicContract/CIG> "{cig}" ;
    <https://w3id.org/cupola/onto/tenderAmount> {amount} .
}}
"""
GOOD = ABOUT + LOT.format(cig="Z99999901A", amount="10.50")


def written(folder: Path, text: str, name: str = "lots.trig") -> Path:
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def test_a_graph_is_read_with_what_the_file_says_of_it(tmp_path: Path) -> None:
    (graph,) = linked.graphs(written(tmp_path, GOOD), "https://w3id.org/cupola/", tmp_path)
    assert (graph.id, graph.title["en"], graph.publisher) == ("one", "One", "Io")
    assert graph.subjects == frozenset([f"{BASE}id/lot/Z99999901A"])
    assert graph.quads.read_text().count("<https://w3id.org/cupola/graph/one> .\n") == 4


def test_a_deployment_has_its_base_in_data_and_graphs(tmp_path: Path) -> None:
    (graph,) = linked.graphs(written(tmp_path, GOOD), "http://localhost:1234/", tmp_path)
    quad = next(iter(ox.parse(path=str(graph.quads), format=ox.RdfFormat.N_QUADS)))
    assert str(quad.subject) == "<http://localhost:1234/id/lot/Z99999901A>"
    assert str(quad.graph_name) == "<http://localhost:1234/graph/one>"
    assert "<https://w3id.org/cupola/onto/tenderAmount>" in graph.quads.read_text()


BAD = {
    "no end": ("linked.syntax", GOOD[:-3]),
    "not RDF": ("linked.syntax", "CUP;importo\n"),
    "nothing in a named graph": ("linked.no-graph", ABOUT),
    "a graph that is not ours": ("linked.no-graph", GOOD.replace("<graph/one> {", "<http://example.org/g> {")),
    "a graph with a path in its name": ("linked.no-graph", GOOD.replace("graph/one", "graph/../one")),
    "a graph nobody describes": ("linked.undescribed", GOOD.replace("<graph/one> {", "<graph/two> {")),
    "no English title": ("linked.undescribed", GOOD.replace('"One"@en', '"One"@de')),
    "no licence": ("linked.undescribed", GOOD.replace("dct:license", "dct:rights")),
    "a publisher without a name": ("linked.undescribed", GOOD.replace("foaf:name", "foaf:nick")),
    "a blank node": ("linked.blank-node", GOOD + '<graph/one> { [] <urn:p> "x" }'),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_published_is_refused_by_name(name: str, tmp_path: Path) -> None:
    code, text = BAD[name]
    with pytest.raises(problems.Unusable) as refused:
        linked.graphs(written(tmp_path, text), "https://w3id.org/cupola/", tmp_path)
    assert refused.value.code == code


def test_a_file_that_is_not_there_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(problems.Unusable) as refused:
        linked.graphs(tmp_path / "none.trig", "https://w3id.org/cupola/", tmp_path)
    assert refused.value.code == "file.not-found"


@pytest.mark.parametrize(("code", "text"), [*BAD.values(), ("shacl.pattern", GOOD.replace('"Z99999901A"', '"Z9"'))])
def test_one_bad_file_is_told_and_the_rest_is_published(
    code: str, text: str, tmp_path: Path, cupola: Callable[..., Any]
) -> None:
    written(tmp_path, text)
    written(tmp_path, GOOD.replace("graph/one", "graph/other"), "good.trig")
    built = pipeline.build([tmp_path], Settings(releases=tmp_path / "releases", index=False))
    assert built.problems.select("code", "file").rows() == [(code, "lots.trig")]
    assert [source["id"] for source in built.manifest["sources"]] == ["other"]


def test_a_warning_is_about_its_resource_and_counted_with_its_graph(tmp_path: Path) -> None:
    written(tmp_path, GOOD.replace("10.50", "10.50 , 12.00"))  # two sources may say two amounts of one lot
    built = pipeline.build([tmp_path], Settings(releases=tmp_path / "releases", index=False))
    assert built.problems.select("severity", "source", "record").rows() == [("warning", "one", "lot/Z99999901A")]
    assert [source["problems"] for source in built.manifest["sources"]] == [1]
    quality = ox.parse(
        gzip.decompress((built.folder / "data" / "quality.nq.gz").read_bytes()), format=ox.RdfFormat.N_QUADS
    )
    focus = [q.object.value for q in quality if q.predicate.value == "http://www.w3.org/ns/shacl#focusNode"]
    assert focus == [f"{BASE}id/lot/Z99999901A"]


def test_two_files_of_one_graph_are_not_merged(tmp_path: Path) -> None:
    written(tmp_path, GOOD, "a.trig")
    written(tmp_path, ABOUT + LOT.format(cig="Z99999902B", amount="3"), "b.trig")
    built = pipeline.build([tmp_path], Settings(releases=tmp_path / "releases", index=False))
    assert built.problems.select("code", "file").rows() == [("linked.graph-taken", "b.trig")]


@pytest.mark.parametrize("name", ["ponmetro", "quality", "ontology", "catalog", "public-contracts"])
def test_a_graph_of_cupola_s_own_is_not_taken(name: str, tmp_path: Path) -> None:
    written(tmp_path, GOOD.replace("graph/one", f"graph/{name}"))
    with pytest.raises(pipeline.NothingToPublish) as nothing:
        pipeline.build([tmp_path], Settings(releases=tmp_path / "releases", index=False))
    assert nothing.value.problems["code"].to_list() == ["linked.graph-taken"]


def test_any_bytes_are_read_or_refused_by_name(tmp_path: Path) -> None:
    for number, data in enumerate([b"", b"\x00\xff", b"{" * 5000, GOOD.encode("utf-16")]):
        path = tmp_path / f"{number}.trig"
        path.write_bytes(data)
        with pytest.raises(problems.Unusable):
            linked.graphs(path, "https://w3id.org/cupola/", tmp_path)
