"""The diagram of the model: drawn from the ontology, whatever is in it."""

from __future__ import annotations

import random
import re
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import pytest

from endpoint.diagram import Drawing, draw
from endpoint.graph import Graph
from endpoint.language import Language
from endpoint.layout import Box, lay_out
from endpoint.terms import ONTO, Links, full
from endpoint.vocabulary import Vocabulary

if TYPE_CHECKING:
    from tests.endpoint.conftest import Server

BASE = "https://w3id.org/cupola/"
SVG = "{http://www.w3.org/2000/svg}"

# Terms that no ontology of ours has: in a circle, alone, from a class to itself, with two domains, to a foreign class.
ADDED = """
@prefix : <https://w3id.org/cupola/onto/> .
@prefix owl: <http://www.w3.org/2002/07/owl#> .
@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .
@prefix xsd: <http://www.w3.org/2001/XMLSchema#> .
:Bridge a owl:Class ; rdfs:label "Ponte"@it , "Bridge"@en ; rdfs:subClassOf :Crossing .
:Crossing a owl:Class ; rdfs:label "Attraversamento"@it , "Crossing"@en .
:Hermit a owl:Class ; rdfs:label "Eremita"@it , "Hermit"@en .
:River a owl:Class ; rdfs:label "Fiume"@it , "River & more"@en .
:spans a owl:ObjectProperty ; rdfs:domain :Bridge ; rdfs:range :River ; rdfs:label "scavalca"@it , "spans"@en .
:under a owl:ObjectProperty ; rdfs:domain :River ; rdfs:range :Bridge ; rdfs:label "sotto"@it , "under"@en .
:flowsInto a owl:ObjectProperty ; rdfs:domain :River ; rdfs:range :River ; rdfs:label "va in"@it , "flows into"@en .
:leadsTo a owl:ObjectProperty ; rdfs:domain :Bridge , :Crossing ; rdfs:range <https://example.org/Place> ;
  rdfs:label "porta a"@it , "leads to"@en .
:endless a owl:ObjectProperty ; rdfs:domain :Bridge ; rdfs:label "senza fine"@it , "endless"@en .
:metres a owl:DatatypeProperty ; rdfs:domain :Bridge ; rdfs:range xsd:decimal ; rdfs:label "metri"@it , "metres"@en .
"""


@pytest.fixture
def vocabulary(root: Path, tmp_path: Path) -> Vocabulary:
    """The ontology as it is, and with it the terms added here."""
    text = "".join(path.read_text(encoding="utf-8") for path in sorted((root / "ontology").glob("*.ttl")))
    (tmp_path / "whole.ttl").write_text(text + ADDED, encoding="utf-8")
    return Vocabulary(Graph.read(tmp_path / "whole.ttl"), Graph.of(()))


def drawn(vocabulary: Vocabulary, language: str = "en") -> Drawing:
    return draw(vocabulary, Language(language), Links(BASE))


def test_it_shows_every_class_of_ours_and_every_object_property_that_has_both_ends(vocabulary: Vocabulary) -> None:
    graph, drawing = vocabulary.graph, drawn(vocabulary)
    boxes = {node.href for node in drawing.nodes if node.kind == "ours"}
    assert boxes == {f"/onto/#{iri.removeprefix(ONTO)}" for iri in graph.subjects(full("owl:Class"), "rdf:type")}
    assert boxes >= {"/onto/#Operation", "/onto/#Bridge", "/onto/#Crossing", "/onto/#Hermit", "/onto/#River"}
    named = {line.href for node in drawing.nodes if node.kind == "names" for line in node.lines}
    both = [
        iri
        for iri in graph.subjects(full("owl:ObjectProperty"), "rdf:type")
        if graph.iris(iri, "rdfs:domain") + graph.iris(iri, "schema:domainIncludes") and graph.iris(iri, "rdfs:range")
    ]
    assert named == {f"/onto/#{iri.removeprefix(ONTO)}" for iri in both}
    assert named >= {"/onto/#action", "/onto/#spans", "/onto/#under", "/onto/#flowsInto", "/onto/#leadsTo"}
    assert "/onto/#endless" not in named


def test_every_arrow_begins_and_ends_at_its_boxes(vocabulary: Vocabulary) -> None:
    drawing = drawn(vocabulary)
    sides = {(round(x), round(n.box.middle)) for n in drawing.nodes for x in (n.box.x, n.box.right)}
    for arrow in drawing.arrows:
        ends = re.fullmatch(r"M(\d+) (\d+)H.* (\d+)H(\d+)", arrow.path)
        assert ends
        for x, y in (ends.group(1, 2), ends.group(4, 3)):
            assert any(abs(float(x) - a) <= 1 and abs(float(y) - b) <= 1 for a, b in sides), arrow
    names = [node for node in drawing.nodes if node.kind == "names"]
    assert [a.kind for a in drawing.arrows].count("from") == [a.kind for a in drawing.arrows].count("to") == len(names)
    assert "up" in {arrow.kind for arrow in drawing.arrows}


def test_datatype_properties_are_in_the_box_of_their_class(vocabulary: Vocabulary) -> None:
    by_code = {node.code: [line.text.text for line in node.lines] for node in drawn(vocabulary).nodes}
    assert by_code["cupola:Bridge"] == ["metres"]
    assert "disbursed amount" in by_code["cupola:Operation"]


def test_a_class_of_others_leads_to_its_own_address_and_looks_different(vocabulary: Vocabulary) -> None:
    place = next(node for node in drawn(vocabulary).nodes if node.href == "https://example.org/Place")
    assert (place.kind, place.code) == ("other", "Place")


def test_names_are_in_the_language_of_the_page(vocabulary: Vocabulary) -> None:
    titles = {
        language: {n.title.text for n in drawn(vocabulary, language).nodes if n.title} for language in ("it", "en")
    }
    assert {"Ponte", "Operazione"} <= titles["it"]
    assert {"Bridge", "Operation"} <= titles["en"]


def test_an_empty_vocabulary_is_an_empty_drawing() -> None:
    assert drawn(Vocabulary(Graph.of(()), Graph.of(()))).nodes == []


@pytest.mark.parametrize("seed", range(12))
def test_no_box_covers_another_or_leaves_the_drawing(seed: int) -> None:
    chance = random.Random(seed)
    boxes = [Box(chance.uniform(20, 300), chance.uniform(20, 250)) for _ in range(chance.randint(1, 30))]
    numbers = range(len(boxes))
    edges = [(chance.choice(numbers), chance.choice(numbers)) for _ in range(chance.randint(0, 40))]
    layout = lay_out(boxes, edges)
    assert len(layout.lines) == len(edges)
    for box in boxes:
        assert box.x >= 0
        assert box.y >= 0
        assert box.right <= layout.width
        assert box.y + box.height <= layout.height
    for a, b in combinations(boxes, 2):
        apart = a.right <= b.x or b.right <= a.x or a.y + a.height <= b.y + 1e-6 or b.y + b.height <= a.y + 1e-6
        assert apart, (a, b)


def test_the_same_vocabulary_gives_the_same_drawing(vocabulary: Vocabulary) -> None:
    assert drawn(vocabulary).arrows == drawn(vocabulary).arrows


def test_it_has_an_address_of_its_own_and_is_a_picture_by_itself(server: Server) -> None:
    answer = server.get("/onto/diagram.svg?lang=en", "image/svg+xml")
    assert answer.headers["Content-Type"].startswith("image/svg+xml")
    assert "Accept-Language" in answer.headers["Vary"]
    picture = ElementTree.fromstring(answer.content)
    assert picture.tag == f"{SVG}svg"
    assert picture.findtext(f"{SVG}title") == "Diagram of the model"
    assert picture.findtext(f"{SVG}desc")
    assert picture.find(f"{SVG}style") is not None
    assert "/onto/?lang=en#Operation" in {a.get("href") for a in picture.iter(f"{SVG}a")}
    assert not [e for e in picture.iter() if "style" in e.attrib or any(name.startswith("on") for name in e.attrib)]
