"""The JSON-LD context: made from the ontology, and data written with it says the same as without."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyoxigraph as ox
import pytest
import rdflib
import requests

from endpoint.context import Context, others
from endpoint.describe import Description, Term
from endpoint.graph import Graph
from endpoint.terms import NAMESPACES, ONTO
from endpoint.vocabulary import Vocabulary

if TYPE_CHECKING:
    from tests.endpoint.conftest import Server

BASE = "https://w3id.org/cupola/"
THING = "https://example.org/thing"
PREFIXES = "".join(f"@prefix {prefix}: <{iri}> .\n" for prefix, iri in NAMESPACES.items())
Json = dict[str, Any]

pytestmark = pytest.mark.filterwarnings(
    "ignore:ConjunctiveGraph is deprecated:DeprecationWarning"  # rdflib's own JSON-LD parser
)


def context_of(tmp_path: Path, turtle: str) -> Context:
    (tmp_path / "o.ttl").write_text(PREFIXES + turtle, encoding="utf-8")
    return Context.of(Vocabulary(Graph.read(tmp_path / "o.ttl"), Graph.of(())))


@pytest.fixture(scope="module")
def whole(root: Path) -> Context:
    """The context of the ontology as it is."""
    files = sorted((root / "ontology").glob("*.ttl"))
    triples = [
        (s, p, o) for f in files for s, said in Graph.read(f).statements.items() for p, os in said.items() for o in os
    ]
    return Context.of(Vocabulary(Graph.of(triples), Graph.of(())))


def read_by_rdflib(text: str) -> set[tuple[str, str, str]]:
    graph = rdflib.Graph().parse(data=text, format="json-ld")
    return {
        (s.n3(), p.n3(), repr((str(o), getattr(o, "datatype", None), getattr(o, "language", None))))
        for s, p, o in graph
    }


def read_by_oxigraph(text: str | bytes, fmt: ox.RdfFormat = ox.RdfFormat.JSON_LD) -> set[str]:
    return {str(quad.triple) for quad in ox.parse(text, format=fmt)}


def test_our_terms_are_typed_by_their_ranges(whole: Context) -> None:
    said = json.loads(whole.document)["@context"]
    xsd = NAMESPACES["xsd"]
    assert said["disbursedAmount"] == {"@id": f"{ONTO}disbursedAmount", "@type": f"{xsd}decimal"}
    assert said["startDate"] == {"@id": f"{ONTO}startDate", "@type": f"{xsd}date"}
    assert said["concernsProject"] == {"@id": f"{ONTO}concernsProject", "@type": "@id"}
    assert said["reason"] == {"@id": f"{ONTO}reason", "@container": "@language"}
    assert said["cup"] == f"{ONTO}cup"
    assert said["Operation"] == f"{ONTO}Operation"
    assert said["title"] == {"@id": f"{NAMESPACES['PRJ']}projectTitle", "@container": "@language"}
    assert (said["id"], said["type"], said["prov"]) == ("@id", "@type", NAMESPACES["prov"])


def test_a_term_added_to_the_ontology_is_in_the_context(tmp_path: Path) -> None:
    said = context_of(tmp_path, "cupola:depth a owl:DatatypeProperty ; rdfs:range xsd:double .").definitions
    assert said["depth"] == {"@id": f"{ONTO}depth", "@type": f"{NAMESPACES['xsd']}double"}


def test_a_name_that_is_ours_too_is_ours_and_the_other_keeps_its_prefix(tmp_path: Path) -> None:
    context = context_of(tmp_path, "cupola:title a owl:DatatypeProperty ; rdfs:range rdf:langString .")
    quads = [
        (THING, f"{ONTO}title", Term("literal", "nostro", lang="it"), "g"),
        (THING, f"{NAMESPACES['PRJ']}projectTitle", Term("literal", "altro", lang="it"), "g"),
    ]
    said = json.loads(context.compact(Description(THING, quads)))
    assert said["title"] == {"it": "nostro"}
    assert said["PRJ:projectTitle"] == {"@language": "it", "@value": "altro"}


def test_the_names_for_terms_of_others_are_those_of_the_file_and_none_is_ours(whole: Context) -> None:
    names = [name for table in others().values() for name in table]
    assert len(names) == len(set(names))
    assert not [name for name in names if str(whole.definitions[name]).find(ONTO) >= 0]


def test_every_answer_reads_the_same_as_its_n_triples(server: Server) -> None:
    subjects = server.ask(f"SELECT DISTINCT ?s {{ ?s ?p ?o FILTER(STRSTARTS(STR(?s), '{BASE}id/')) }}", "text/csv")
    paths = [iri.removeprefix(f"{BASE}id/") for iri in subjects.text.split()[1:]]
    assert len(paths) > 20
    for path in paths:
        plain = server.get(f"/data/{path}.nt").text
        compact = server.get(f"/data/{path}.jsonld").text
        assert read_by_oxigraph(compact) == read_by_oxigraph(plain, ox.RdfFormat.N_TRIPLES), path
        as_triples = rdflib.Graph().parse(data=plain, format="nt").serialize(format="json-ld")
        assert read_by_rdflib(compact) == read_by_rdflib(as_triples), path


def test_an_answer_reads_the_same_with_the_whole_context_in_place_of_its_own(server: Server) -> None:
    whole = server.get("/onto/context.jsonld").json()["@context"]
    answer: Json = server.get("/data/operation/prova/AA1.1.1.a.jsonld").json()
    with_whole = json.dumps({**answer, "@context": whole})
    assert read_by_oxigraph(with_whole) == read_by_oxigraph(json.dumps(answer))
    assert answer["@context"].items() <= whole.items()


def test_an_answer_is_compact_and_the_thing_itself_comes_first(server: Server) -> None:
    answer = server.get("/data/operation/prova/AA1.1.1.a.jsonld")
    assert answer.headers["Content-Type"] == "application/ld+json"
    thing = answer.json()["@graph"][0]
    assert thing["id"] == f"{BASE}id/operation/prova/AA1.1.1.a"
    assert "Operation" in thing["type"]
    assert thing["title"] == {"it": "Biblioteca di quartiere"}
    assert thing["localCode"] == "AA1.1.1.a"


STRANGE = [
    Term("literal", ""),
    Term("literal", 'a\n"b" \\ €'),
    Term("literal", "007", f"{NAMESPACES['xsd']}integer"),
    Term("literal", "1.50", f"{NAMESPACES['xsd']}decimal"),
    Term("literal", "sì", f"{NAMESPACES['xsd']}boolean"),
    Term("literal", "x", "https://example.org/odd#type"),
    Term("literal", "uno", lang="it"),
    Term("literal", "due", lang="it"),
    Term("literal", "one", lang="en-GB"),
    Term("iri", "pi:abc"),
    Term("iri", "urn:x"),
    Term("iri", "title:x"),
    Term("iri", f"{ONTO}Operation"),
]


@pytest.mark.parametrize("name", ["startDate", "concernsProject", "reason", "cup", "noSuchTerm"])
def test_values_that_are_not_what_a_property_should_have_are_said_as_they_are(name: str, whole: Context) -> None:
    quads = [(THING, ONTO + name, term, "g") for term in STRANGE]
    quads += [(f"https://example.org/{n}", f"https://example.org/{n}", STRANGE[n], "g") for n in range(3)]
    quads += quads[:2]  # the same statement of two graphs
    text = whole.compact(Description(THING, quads, [("pi:x", f"{ONTO}action", "g")]))
    triples = [
        ox.Triple(ox.NamedNode(s), ox.NamedNode(p), _node(o))
        for s, p, o in [*((s, p, o) for s, p, o, _ in quads), ("pi:x", f"{ONTO}action", Term("iri", THING))]
    ]
    assert read_by_oxigraph(text) == {str(triple) for triple in triples}


def _node(term: Term) -> ox.NamedNode | ox.Literal:
    if term.kind == "iri":
        return ox.NamedNode(term.value)
    if term.lang:
        return ox.Literal(term.value, language=term.lang)
    return ox.Literal(term.value, datatype=ox.NamedNode(term.datatype) if term.datatype else None)


def test_any_page_may_load_the_context_and_keep_it(server: Server) -> None:
    answer = server.get("/onto/context.jsonld", "application/ld+json")
    assert answer.headers["Content-Type"] == "application/ld+json"
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "max-age" in answer.headers["Cache-Control"]
    again = requests.get(
        f"{server.url}/onto/context.jsonld", headers={"If-None-Match": answer.headers["ETag"]}, timeout=20
    )
    assert again.status_code == 304
