"""The page of the vocabulary: drawn from the ontology and the release, and every term's IRI leads to its entry."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pyoxigraph as ox
import pytest
import rdflib
from flask.testing import FlaskClient

from endpoint.formats import of
from endpoint.terms import NAMESPACES, ONTO
from endpoint.vocabulary import Vocabulary
from tests.endpoint.conftest import BASE, build_release

SCHEME = f"{ONTO}scheme/colours"

# What the ontology may not have: a scheme in levels, odd codes, a concept broader than itself, a class of nothing.
ADDED = f"""
{"".join(f"@prefix {prefix}: <{iri}> ." for prefix, iri in NAMESPACES.items())}
cupola:Unicorn a owl:Class ; rdfs:label "Liocorno"@it , "Unicorn"@en ; rdfs:comment "Non c'è."@it , "<b>None</b>."@en ;
  rdfs:subClassOf cupola:Operation ; skos:closeMatch <https://example.org/Einhorn> ; rdfs:isDefinedBy <{ONTO}> .
cupola:horns a owl:ObjectProperty ; rdfs:label "corna"@it , "horns"@en ; rdfs:domain cupola:Unicorn .
<{SCHEME}> a skos:ConceptScheme ; skos:prefLabel "Colori"@it , "Colours"@en .
<{SCHEME}/10> a skos:Concept ; skos:inScheme <{SCHEME}> ; skos:notation "10" ; skos:prefLabel "Viola"@it .
<{SCHEME}/2> a skos:Concept ; skos:inScheme <{SCHEME}> ; skos:notation "2" ; skos:prefLabel "Rosso"@it , "Red"@en ;
  skos:definition "Come il fuoco."@it , "Like fire."@en ; skos:exactMatch <https://example.org/rot> .
<{SCHEME}/2%2Fa%20b> a skos:Concept ; skos:inScheme <{SCHEME}> ; skos:notation "2/a b" ; skos:prefLabel "Rubino"@it ;
  skos:broader <{SCHEME}/2> .
<{SCHEME}/è'> a skos:Concept ; skos:topConceptOf <{SCHEME}> ; skos:notation "è'" ; skos:prefLabel "Giro"@it ;
  skos:broader <{SCHEME}/è'> .
"""


@pytest.fixture(scope="module")
def releases(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small release, with the ontology and shapes as they are, and some terms more."""
    releases = tmp_path_factory.mktemp("releases")
    folder = build_release(releases)
    graph = ox.NamedNode(f"{BASE}graph/ontology")
    store = ox.Store(str(folder / "store"))
    store.remove_graph(graph)
    texts = [path.read_text(encoding="utf-8") for path in sorted((root / "ontology").glob("*.ttl"))]
    for text in (*texts, ADDED):
        for quad in ox.parse(text, format=ox.RdfFormat.TURTLE):
            store.extend([ox.Quad(quad.subject, quad.predicate, quad.object, graph), quad])
    store.flush()
    del store
    shapes = "".join(path.read_text(encoding="utf-8") for path in sorted((root / "shapes").glob("*.ttl")))
    (folder / "shapes.ttl").write_text(shapes, encoding="utf-8")
    return releases


@pytest.fixture(scope="module")
def vocabulary(client: FlaskClient) -> Vocabulary:
    found: Vocabulary = client.application.extensions["cupola"].vocabulary
    return found


def page(client: FlaskClient, language: str = "en") -> str:
    answer = client.get(f"/onto/?lang={language}", headers={"Accept": "text/html"})
    assert answer.status_code == 200
    return answer.get_data(as_text=True)


def entry(text: str, name: str) -> str:
    """The text of a term's entry, its tags taken out."""
    found = re.search(rf'<article class="term[^"]*" id="{re.escape(name)}">(.*?)</article>', text, re.DOTALL)
    assert found, name
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", found[1])).split())


def test_every_iri_of_ours_that_the_ontology_describes_leads_to_its_place(
    client: FlaskClient, vocabulary: Vocabulary
) -> None:
    places = {unescape(name) for name in re.findall(r' id="([^"]+)"', page(client))}
    described = [iri for iri in vocabulary.graph.statements if iri.startswith(ONTO) and iri != ONTO]
    assert {f"{ONTO}maintainers", f"{ONTO}turtle", f"{SCHEME}/2%2Fa%20b", f"{SCHEME}/è'"} <= set(described)
    for iri in [*described, *vocabulary.versions]:
        answer = client.get("/onto/" + iri.removeprefix(ONTO), headers={"Accept": "text/html"})
        assert answer.status_code == 303, iri
        assert urlsplit(answer.headers["Location"]).path == "/onto/"
        fragment = urlsplit(answer.headers["Location"]).fragment
        # A browser looks for the fragment as it is, then for what its percent-encoding stands for.
        assert {fragment, unquote(fragment)} & places, iri
        to_data = client.get("/onto/" + iri.removeprefix(ONTO), headers={"Accept": "text/turtle"})
        assert (to_data.status_code, to_data.headers["Location"]) == (303, "/onto.ttl")
        assert "Accept" in to_data.headers["Vary"]


def test_the_language_asked_for_is_kept_on_the_way_to_an_entry(client: FlaskClient) -> None:
    answer = client.get("/onto/Operation?lang=en", headers={"Accept": "text/html"})
    assert answer.headers["Location"] == "/onto/?lang=en#Operation"


def test_an_entry_says_what_the_ontology_says_from_both_ends(client: FlaskClient) -> None:
    text = page(client)
    unicorn = entry(text, "Unicorn")
    assert "more general Operation" in unicorn
    assert "has the properties horns" in unicorn
    assert "is nearly Einhorn" in unicorn
    assert "<b>None</b>." in unicorn  # shown, not obeyed
    assert "Liocorno" in unicorn
    assert "In Italian Non c'è." in unicorn
    assert f"{ONTO}Unicorn" in unicorn
    assert "more specific Unicorn" in entry(text, "Operation")
    assert "said of Unicorn" in entry(text, "horns")


def test_the_page_is_in_the_language_asked_for_with_the_other_at_hand(client: FlaskClient) -> None:
    unicorn = entry(page(client, "it"), "Unicorn")
    assert "più generale Operazione" in unicorn
    assert "In inglese <b>None</b>." in unicorn


def test_classes_and_properties_tell_the_shapes_that_check_them(client: FlaskClient) -> None:
    text = page(client)
    assert re.search(r"checked by .*\boperation\b", entry(text, "Operation"))
    assert 'href="/shapes/operation?format=turtle&amp;lang=en"' in text
    assert client.get("/shapes/operation?format=turtle&lang=en").mimetype == "text/turtle"
    assert re.search(r"used by .*\bOperation\b", entry(text, "cup"))


def test_a_class_has_an_example_from_the_release_and_says_so_when_there_is_none(client: FlaskClient) -> None:
    text = page(client)
    operation = entry(text, "Operation")
    assert "resources of this class" in operation
    assert re.search(r"<id/operation/prova/[^>]+> a .*cupola:Operation", operation)
    example = re.search(r'id="Operation".*?href="(/doc/operation/prova/[^"]+)"', text, re.DOTALL)
    assert example
    assert client.get(example[1], headers={"Accept": "text/html"}).status_code == 200
    assert "This release of the data has none." in entry(text, "Unicorn")


def test_the_example_is_turtle_that_the_release_says(client: FlaskClient) -> None:
    found = re.search(r'id="Operation".*?<pre class="turtle"><code>(.*?)</code>', page(client), re.DOTALL)
    assert found
    turtle = f"@base <{BASE}> .\n" + "".join(f"@prefix {p}: <{iri}> .\n" for p, iri in NAMESPACES.items())
    turtle += unescape(re.sub(r"<[^>]+>", "", found[1]))
    triples = [quad.triple for quad in ox.parse(turtle, format=ox.RdfFormat.TURTLE)]
    assert 5 < len(triples) <= 15
    data = client.get(triples[0].subject.value.replace(f"{BASE}id/", "/data/") + ".nt").get_data()
    said = {str(quad.triple) for quad in ox.parse(data, format=ox.RdfFormat.N_TRIPLES)}
    whole = {str(triple) for triple in triples if "…" not in str(triple)}
    assert whole <= said


def test_a_scheme_lists_its_concepts_in_order_the_narrower_after_the_broader(client: FlaskClient) -> None:
    colours = entry(page(client), "scheme/colours")
    assert "4 entries" in colours
    assert "2 Red Like fire. is the same as rot 2/a b Rubino 10 Viola è' Giro" in colours
    rows = re.findall(r'<tr class="depth-(\d)" id="scheme/colours/([^"]+)"', page(client))
    assert [(depth, unescape(code)) for depth, code in rows] == [
        ("0", "2"),
        ("1", "2%2Fa%20b"),
        ("0", "10"),
        ("0", "%C3%A8'"),
    ]


def test_the_page_tells_version_licence_and_namespaces(client: FlaskClient, vocabulary: Vocabulary) -> None:
    text = " ".join(unescape(re.sub(r"<[^>]+>", " ", page(client))).split())
    version = vocabulary.graph.all(ONTO, "owl:versionInfo")[0].value
    assert f"version {version}" in text
    assert "licence EUPL_1_2" in text
    assert f"cupola {ONTO}" in text


@pytest.mark.filterwarnings("ignore:ConjunctiveGraph is deprecated:DeprecationWarning")  # rdflib's own JSON-LD parser
def test_every_format_of_the_vocabulary_reads_the_same(client: FlaskClient) -> None:
    said = []
    for fmt in of("graph"):
        answer = client.get("/onto/", headers={"Accept": fmt.media_type})
        assert (answer.mimetype, answer.status_code) == (fmt.media_type, 200)
        assert "Accept" in answer.headers["Vary"]
        assert client.get(f"/onto.{fmt.extension}").get_data() == answer.get_data()
        if fmt.name not in ("trig", "nquads"):
            graph = rdflib.Graph().parse(data=answer.get_data(as_text=True), format=fmt.media_type)
            said.append({(str(s), str(p), str(o)) for s, p, o in graph})
    assert (f"{ONTO}Unicorn", f"{NAMESPACES['rdfs']}subClassOf", f"{ONTO}Operation") in said[0]
    assert all(each == said[0] for each in said)


@pytest.mark.parametrize("path", ["/onto/", "/onto/Operation"])
def test_what_cannot_be_given_is_refused_with_what_can(path: str, client: FlaskClient) -> None:
    answer = client.get(path, headers={"Accept": "image/png"})
    assert answer.status_code == 406
    assert "text/turtle" in answer.get_data(as_text=True)


def test_what_is_no_term_is_not_found(client: FlaskClient) -> None:
    for name in ("NoSuchTerm", "scheme/colours/3", "0.0.1", "scheme/colours/2/a b"):
        assert client.get(f"/onto/{name}").status_code == 404
