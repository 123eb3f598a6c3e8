"""The ontology: well described, used as declared, and built on terms that exist."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pyshacl
import pytest
from rdflib import OWL, RDF, RDFS, SH, SKOS, XSD, BNode, Graph, Namespace, URIRef
from rdflib.collection import Collection

from tests.ontology.uses import MAPPINGS, ROOT, iris, mapping_terms

CUPOLA = Namespace("https://w3id.org/cupola/onto/")
SHAPE = Namespace("https://w3id.org/cupola/shapes/")
ONTOLOGY = URIRef(CUPOLA)
ROLE = URIRef("https://w3id.org/italia/onto/RO/Role")


@cache
def turtle(folder: str) -> Graph:
    """All Turtle files of a folder of the repository as one graph."""
    graph = Graph()
    for file in sorted((ROOT / folder).glob("*.ttl")):
        graph.parse(file, format="turtle")
    return graph


def own_terms() -> set[URIRef]:
    """The terms of our namespace that the ontology describes (schemes and their concepts are under `scheme/`)."""
    about = {s for s in turtle("ontology").subjects(RDF.type, None) if isinstance(s, URIRef)}
    return {term for term in about if term.startswith(CUPOLA) and term != ONTOLOGY and "/scheme/" not in term}


# --- our own terms -------------------------------------------------------------------------------


def test_every_term_has_a_label_a_comment_and_a_home() -> None:
    graph = turtle("ontology")
    assert len(own_terms()) > 30
    for term in {*own_terms(), ONTOLOGY}:
        for about in (RDFS.label, RDFS.comment):
            languages = sorted(str(getattr(text, "language", None)) for text in graph.objects(term, about))
            assert languages == ["en", "it"], (term, about)
    assert {term for term in own_terms() if (term, RDFS.isDefinedBy, ONTOLOGY) not in graph} == set()


def test_there_are_no_blank_nodes() -> None:
    assert not [node for triple in turtle("ontology") for node in triple if isinstance(node, BNode)]


def test_nothing_makes_a_reasoner_merge_what_must_stay_apart() -> None:
    merging = {OWL.sameAs, OWL.equivalentClass, OWL.equivalentProperty, OWL.FunctionalProperty}
    merging |= {OWL.InverseFunctionalProperty, SKOS.exactMatch, SKOS.closeMatch}
    assert iris(turtle("ontology")).isdisjoint(map(str, merging))


def test_the_version_has_an_iri_of_its_own() -> None:
    graph = turtle("ontology")
    assert list(graph.subjects(RDF.type, OWL.Ontology)) == [ONTOLOGY]
    assert graph.value(ONTOLOGY, OWL.versionIRI) == CUPOLA[str(graph.value(ONTOLOGY, OWL.versionInfo))]


def test_every_amount_is_a_decimal_number() -> None:
    graph = turtle("ontology")
    amounts = set(graph.transitive_subjects(RDFS.subPropertyOf, CUPOLA.amount))
    assert len(amounts) >= 5
    assert {graph.value(amount, RDFS.range) for amount in amounts} == {XSD.decimal}


@pytest.mark.parametrize("mapping", MAPPINGS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_mappings_use_terms_of_ours_that_exist(mapping: Path) -> None:
    used = {URIRef(iri) for iri in mapping_terms(mapping) if iri.startswith(CUPOLA)}
    assert used
    graph = turtle("ontology")
    codes = {code for kind in (SKOS.ConceptScheme, SKOS.Concept) for code in graph.subjects(RDF.type, kind)}
    assert used - own_terms() - codes == set()


def test_shapes_use_terms_of_ours_that_exist() -> None:
    used = {URIRef(iri) for iri in iris(turtle("shapes")) if iri.startswith(CUPOLA)}
    assert len(used) > 20
    assert used - own_terms() == set()


def test_queries_use_terms_of_ours_that_exist() -> None:
    files = [*(ROOT / "endpoint").rglob("*.py"), *(ROOT / "endpoint" / "queries").iterdir()]
    files += (ROOT / "ontology").glob("views/*.rq")
    used = {
        (file.name, name)
        for file in files
        for name in re.findall(r"(?<![\w:])cupola:(\w+)", file.read_text(encoding="utf-8"))
    }
    assert len({file for file, _ in used}) > 5
    assert {(file, name) for file, name in used if CUPOLA[name] not in own_terms()} == set()


# --- ontology and shapes agree -------------------------------------------------------------------


def test_shapes_ask_for_the_ranges_the_ontology_declares() -> None:
    graph, shapes = turtle("ontology"), turtle("shapes")
    compared = 0
    for shape, path in shapes.subject_objects(SH.path):
        for asked in (*shapes.objects(shape, SH.datatype), *shapes.objects(shape, SH["class"])):
            if path in own_terms():
                compared += 1
                assert graph.value(path, RDFS.range) == asked, shape
    assert compared > 20


def test_shapes_know_every_role() -> None:
    shapes = turtle("shapes")
    allowed = shapes.value(SHAPE["role/kind"], SH["in"])
    assert allowed is not None
    assert set(Collection(shapes, allowed)) == set(turtle("ontology").subjects(RDF.type, ROLE))


# --- OntoPiA's rules for ontologies --------------------------------------------------------------


def ontopia_conforms(vocabulary_files: Path, ontology: Graph) -> bool:
    """Whether an ontology keeps OntoPiA's rules; they need SHACL-AF, without which everything conforms."""
    rules = Graph().parse(vocabulary_files / "shapes" / "ontopia-ontologie-rules.shacl", format="turtle")
    conforms, _, _ = pyshacl.validate(ontology, shacl_graph=rules, advanced=True)
    return bool(conforms)


def test_ontopia_rules_pass(vocabulary_files: Path) -> None:
    assert ontopia_conforms(vocabulary_files, turtle("ontology"))


@pytest.mark.parametrize("missing", ["dct:rightsHolder", "dcat:theme", "ADMS:prefix", "owl:versionIRI"])
def test_ontopia_rules_fail_an_ontology_that_breaks_them(vocabulary_files: Path, missing: str) -> None:
    crippled = Graph()
    crippled += turtle("ontology")
    predicate = turtle("ontology").namespace_manager.expand_curie(missing)
    crippled.remove((ONTOLOGY, predicate, None))
    assert len(crippled) < len(turtle("ontology"))
    assert not ontopia_conforms(vocabulary_files, crippled)
