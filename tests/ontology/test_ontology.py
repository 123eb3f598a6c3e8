"""The ontology: well described, used as declared, and built on terms that exist."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pyshacl
import pytest
from rdflib import OWL, RDF, RDFS, SH, SKOS, XSD, BNode, Graph, Literal, Namespace, URIRef
from rdflib.collection import Collection
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
MAPPINGS = sorted((ROOT / "etl").rglob("*.yml"))
CUPOLA = Namespace("https://w3id.org/cupola/onto/")
SHAPE = Namespace("https://w3id.org/cupola/shapes/")
ONTOLOGY = URIRef(CUPOLA)
ROLE = URIRef("https://w3id.org/italia/onto/RO/Role")

#: RDF's own languages, which no list of vocabularies holds.
LANGUAGES = (str(RDF), str(RDFS), str(OWL), str(XSD))
#: External terms we use although declared-terms.tsv does not know them, and why.
UNDECLARED = {
    "http://purl.org/vocab/vann/preferredNamespacePrefix": "VANN is not among the copies; tools look for it",
    "http://purl.org/vocab/vann/preferredNamespaceUri": "VANN is not among the copies; tools look for it",
}


class Declared(NamedTuple):
    """What a vocabulary's own file says of a term."""

    supers: str
    flags: str


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


def iris(graph: Graph) -> set[str]:
    """Every IRI a graph holds, in whatever position, and the datatypes of its literals."""
    nodes = {node for triple in graph for node in triple}
    datatypes = {str(node.datatype) for node in nodes if isinstance(node, Literal) and node.datatype}
    return {str(node) for node in nodes if isinstance(node, URIRef)} | datatypes


def texts(told: Any) -> Iterator[str]:
    """Every string value in a YAML document."""
    if isinstance(told, dict):
        for value in told.values():
            yield from texts(value)
    elif isinstance(told, list):
        for value in told:
            yield from texts(value)
    elif isinstance(told, str):
        yield told


def mapping_terms(path: Path) -> set[str]:
    """The constant IRIs a YARRRML file writes: predicates, classes, datatypes, individuals."""
    told = YAML(typ="safe", pure=True).load(path)
    prefixes: dict[str, str] = told["prefixes"]
    found = set()
    for text in texts([mapping["po"] for mapping in told["mappings"].values()]):
        bare = text.removesuffix("~iri")
        prefix, _, name = bare.partition(":")
        if prefix in prefixes and re.fullmatch(r"[\w.-]+", name):
            found.add(prefixes[prefix] + name)
        elif bare.startswith("http") and "$(" not in bare:
            found.add(bare)
    return found


def namespace(iri: str) -> str:
    return re.sub(r"[^/#]*$", "", iri)


@pytest.fixture(scope="session")
def vocabularies(shared: Path) -> Path:
    return shared / "vocabularies"


@pytest.fixture(scope="session")
def declared(vocabularies: Path) -> dict[str, Declared]:
    """Every term of the external vocabularies."""
    with (vocabularies / "declared-terms.tsv").open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        return {row["iri"]: Declared(row["super"], row["flags"]) for row in rows}


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
    assert used - own_terms() - set(turtle("ontology").subjects(RDF.type, SKOS.ConceptScheme)) == set()


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


# --- the terms of others -------------------------------------------------------------------------


def external() -> dict[str, set[str]]:
    """The IRIs of others that we use, by where."""
    places = {str(path.relative_to(ROOT)): mapping_terms(path) for path in MAPPINGS}
    places |= {folder: iris(turtle(folder)) for folder in ("shapes", "ontology")}
    ours = (*LANGUAGES, str(CUPOLA), str(SHAPE))
    return {place: {iri for iri in found if not iri.startswith(ours)} for place, found in places.items()}


def in_term_position() -> set[str]:
    """The IRIs that stand where only a term can: as a property, a class, a datatype."""
    written = {iri for path in MAPPINGS for iri in mapping_terms(path)}
    for folder in ("shapes", "ontology"):
        written |= {str(predicate) for predicate in turtle(folder).predicates()}
        for kind in (RDF.type, SH.path, SH["class"], SH.targetClass, RDFS.subClassOf, RDFS.subPropertyOf):
            written |= {str(o) for o in turtle(folder).objects(None, kind) if isinstance(o, URIRef)}
    return written


def test_external_terms_are_declared_and_not_deprecated(declared: dict[str, Declared]) -> None:
    vocabularies, placed = {namespace(iri) for iri in declared}, in_term_position()
    for place, found in external().items():
        terms = {iri for iri in found if namespace(iri) in vocabularies or iri in placed} - UNDECLARED.keys()
        assert len(terms) > 2, place
        assert terms - declared.keys() == set(), place
        assert {iri for iri in terms if "deprecated" in declared[iri].flags} == set(), place


def test_exceptions_are_still_needed(declared: dict[str, Declared]) -> None:
    assert UNDECLARED.keys() <= set().union(*external().values())
    assert UNDECLARED.keys().isdisjoint(declared)


def test_what_is_repeated_from_others_is_what_they_say(declared: dict[str, Declared]) -> None:
    italian = "https://w3id.org/italia/"
    pairs = turtle("ontology").subject_objects(RDFS.subClassOf)
    repeated = [(s, o) for s, o in pairs if str(s).startswith(italian) and str(o).startswith(italian)]
    assert repeated
    for term, above in repeated:
        vocabulary, name = str(above).rsplit("/", 2)[-2:]
        assert f"{vocabulary}:{name}" in declared[str(term)].supers.split(" & ")


# --- OntoPiA's rules for ontologies --------------------------------------------------------------


def ontopia_conforms(vocabularies: Path, ontology: Graph) -> bool:
    """Whether an ontology keeps OntoPiA's rules; they need SHACL-AF, without which everything conforms."""
    rules = Graph().parse(vocabularies / "shapes" / "ontopia-ontologie-rules.shacl", format="turtle")
    conforms, _, _ = pyshacl.validate(ontology, shacl_graph=rules, advanced=True)
    return bool(conforms)


def test_ontopia_rules_pass(vocabularies: Path) -> None:
    assert ontopia_conforms(vocabularies, turtle("ontology"))


@pytest.mark.parametrize("missing", ["dct:rightsHolder", "dcat:theme", "ADMS:prefix", "owl:versionIRI"])
def test_ontopia_rules_fail_an_ontology_that_breaks_them(vocabularies: Path, missing: str) -> None:
    crippled = Graph()
    crippled += turtle("ontology")
    predicate = turtle("ontology").namespace_manager.expand_curie(missing)
    crippled.remove((ONTOLOGY, predicate, None))
    assert len(crippled) < len(turtle("ontology"))
    assert not ontopia_conforms(vocabularies, crippled)
