"""The code lists: whole, in two languages, as OntoPiA asks, and the same as what the code uses."""

from __future__ import annotations

from pathlib import Path

import pyshacl
import pytest
from rdflib import DCAT, DCTERMS, RDF, RDFS, SKOS, Graph, Literal, URIRef
from rdflib.term import Node

from etl import codes, problem_scheme, problems
from etl.source import sources

ROOT = Path(__file__).parents[2]
SCHEME = "https://w3id.org/cupola/onto/scheme/"
#: The lists the vocabulary must have.
SCHEMES = [
    "actions", "application-states", "call-types", "cig-absence-reasons", "comparison-rules", "contract-types",
    "cup-kinds", "cup-states", "financial-phases", "funding-sources", "implementation-states", "null-meanings",
    "problem-codes", "programmes",
    "realisation-modes", "state-aid", "thematic-areas", "work-categories",
]  # fmt: skip


@pytest.fixture(scope="module")
def graph() -> Graph:
    found = Graph()
    for path in (ROOT / "ontology").glob("*.ttl"):
        found.parse(path, format="turtle")
    return found


def tags(graph: Graph, node: Node, predicate: URIRef) -> list[str]:
    return sorted(text.language or "" for text in graph.objects(node, predicate) if isinstance(text, Literal))


def test_every_list_is_there(graph: Graph) -> None:
    found = {str(scheme).removeprefix(SCHEME) for scheme in graph.subjects(RDF.type, SKOS.ConceptScheme)}
    assert found == set(SCHEMES)


def test_every_concept_stands_in_a_list_with_a_code_and_a_name_in_two_languages(graph: Graph) -> None:
    concepts = set(graph.subjects(RDF.type, SKOS.Concept))
    assert len(concepts) > 100
    for concept in concepts:
        (scheme,) = graph.objects(concept, SKOS.inScheme)
        assert (scheme, RDF.type, SKOS.ConceptScheme) in graph
        assert len(list(graph.objects(concept, SKOS.notation))) == 1, concept
        assert tags(graph, concept, SKOS.prefLabel) == ["en", "it"], concept
        assert set(graph.objects(concept, RDFS.label)) == set(graph.objects(concept, SKOS.prefLabel)), concept
        for wider in graph.objects(concept, SKOS.broader):
            assert wider in concepts
            assert wider != concept


def test_a_code_stands_once_in_its_list(graph: Graph) -> None:
    # A line of a programme has the code the programme gives it: 1 is an axis of one, M1 a mission of another.
    for scheme in graph.subjects(RDF.type, SKOS.ConceptScheme):
        codes = [str(graph.value(concept, SKOS.notation)) for concept in graph.subjects(SKOS.inScheme, scheme)]
        assert len(codes) == len(set(codes)) > 1, scheme


def test_top_concepts_are_the_same_from_both_sides(graph: Graph) -> None:
    assert set(graph.subject_objects(SKOS.hasTopConcept)) == {
        (s, c) for c, s in graph.subject_objects(SKOS.topConceptOf)
    }


def test_codes_of_problems_are_those_declared(graph: Graph) -> None:
    assert (ROOT / "ontology" / "problem-codes.ttl").read_text(encoding="utf-8") == problem_scheme.turtle(), (
        "say: python -m etl.problem_scheme > ontology/problem-codes.ttl"
    )
    found = {str(c).removeprefix(f"{SCHEME}problem-codes/") for c in graph.subjects(RDF.type, SKOS.Concept)}
    assert problems.kinds().keys() <= found


def test_axes_of_a_source_are_named_as_in_the_list(graph: Graph) -> None:
    compared = 0
    for source in sources().values():
        for code, name in source.axes.items():
            axis = URIRef(f"https://w3id.org/cupola/id/action/{source.constants['programme']}/{code}")
            assert Literal(name, lang="it") in set(graph.objects(axis, SKOS.prefLabel))
            compared += 1
    assert compared >= 8


def test_code_lists_of_sources_lead_to_codes_that_are_there(graph: Graph) -> None:
    concepts = set(graph.subjects(RDF.type, SKOS.Concept))
    ours = {iri for name in codes.names() for iri in codes.scheme(name)["iri"].drop_nulls() if iri.startswith(SCHEME)}
    assert {URIRef(iri) for iri in ours} - concepts == set()
    assert len(ours) > 20


def test_lines_of_the_recovery_plan_are_named_as_in_the_list(graph: Graph) -> None:
    for code, label in codes.scheme("pnrr-line").select("code", "label").iter_rows():
        line = URIRef(f"https://w3id.org/cupola/id/action/PNRR/{code}")
        assert Literal(label, lang="it") in set(graph.objects(line, SKOS.prefLabel)), code


def test_totals_of_funding_sources_are_wider_than_their_parts(graph: Graph) -> None:
    """So that who sums amounts by source can leave the totals out: they are what has narrower sources."""
    funds = f"{SCHEME}funding-sources/"
    wider = {str(fund).removeprefix(funds) for fund in graph.objects(None, SKOS.broader) if str(fund).startswith(funds)}
    assert wider == {"all", "all-public", "all-public-net"}


# --- OntoPiA's rules for controlled vocabularies ---------------------------------------------------------------------


def conforms(shared: Path, graph: Graph) -> bool:
    """Whether the lists keep OntoPiA's rules; they need SHACL-AF, without which everything conforms."""
    rules = Graph().parse(shared / "vocabularies" / "shapes" / "ontopia-vocabolari-rules.shacl", format="turtle")
    answer, _, _ = pyshacl.validate(graph, shacl_graph=rules, advanced=True)
    return bool(answer)


def test_ontopia_rules_pass(shared: Path, graph: Graph) -> None:
    assert conforms(shared, graph)


@pytest.mark.parametrize("missing", [DCTERMS.rightsHolder, DCAT.theme, DCAT.distribution, DCTERMS.modified])
def test_ontopia_rules_fail_a_list_that_breaks_them(shared: Path, graph: Graph, missing: URIRef) -> None:
    crippled = Graph()
    crippled += graph
    crippled.remove((URIRef(f"{SCHEME}null-meanings"), missing, None))
    assert len(crippled) == len(graph) - len(list(graph.objects(URIRef(f"{SCHEME}null-meanings"), missing)))
    assert not conforms(shared, crippled)
