"""Terms are used as their vocabularies declare them, in a release and in all we write: mappings, queries, shapes."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import pytest
from rdflib import OWL, RDFS, Graph

from tests.ontology.declared import RULES, Fault, Vocabulary
from tests.ontology.uses import MAPPINGS, ROOT, Files, mapping_terms, queries, query_terms, turtles

EXCEPTIONS = tomllib.loads(Path(__file__).with_name("exceptions.toml").read_text(encoding="utf-8"))["exception"]
#: What may break a rule: pairs of rule and term.
ALLOWED = {(one["rule"], term) for one in EXCEPTIONS for term in one["terms"]}


def report(faults: Iterable[Fault]) -> str:
    """Faults that are no exception, one a line; empty when there are none."""
    return "\n".join(str(fault) for fault in sorted(faults) if (fault.rule, fault.term) not in ALLOWED)


@cache
def in_mappings(declared: Vocabulary) -> set[Fault]:
    found = ((mapping_terms(path), str(path.relative_to(ROOT))) for path in MAPPINGS)
    return set().union(*(declared.named(terms, file, all_are_terms=True) for terms, file in found))


@cache
def in_queries(declared: Vocabulary) -> set[Fault]:
    asked = (declared.named(terms, file, all_are_terms=True) for file, terms in queries().items())
    return set().union(*asked) | declared.faults(turtles("endpoint/queries"))


# --- what we write and publish ----------------------------------------------------------------------------------------


def test_a_release_uses_terms_as_declared(declared: Vocabulary, release: Files) -> None:
    assert sum(map(len, release.values())) > 2000
    assert report(declared.faults(release)) == ""


def test_the_release_of_torino_uses_terms_as_declared(declared: Vocabulary, torino_release: Files) -> None:
    assert report(declared.faults(torino_release)) == ""


def test_mappings_use_declared_terms(declared: Vocabulary) -> None:
    assert all(len(mapping_terms(path)) > 5 for path in MAPPINGS)
    assert report(in_mappings(declared)) == ""


def test_views_and_example_queries_use_declared_terms(declared: Vocabulary) -> None:
    assert sum(map(len, queries().values())) > 50
    assert report(in_queries(declared)) == ""


@pytest.mark.parametrize("folder", ["ontology", "shapes"])
def test_ontology_and_shapes_use_terms_as_declared(declared: Vocabulary, folder: str) -> None:
    assert report(declared.faults(turtles(folder))) == ""


def test_what_is_repeated_from_others_is_what_they_say(declared: Vocabulary) -> None:
    italian = "https://w3id.org/italia/"
    pairs = [pair for graph in turtles("ontology").values() for pair in graph.subject_objects(RDFS.subClassOf)]
    repeated = [(str(s), str(o)) for s, o in pairs if str(s).startswith(italian) and str(o).startswith(italian)]
    assert repeated
    assert [(s, o) for s, o in repeated if o not in declared.terms[s].supers] == []


# --- exceptions -------------------------------------------------------------------------------------------------------


def test_exceptions_are_still_needed(declared: Vocabulary, release: Files) -> None:
    ours = declared.faults({**release, **turtles("ontology"), **turtles("shapes")})
    found = ours | in_mappings(declared) | in_queries(declared)
    assert ALLOWED - {(fault.rule, fault.term) for fault in found} == set()


def test_every_exception_has_a_reason_and_breaks_a_rule() -> None:
    assert all(one["reason"] and one["rule"] in RULES for one in EXCEPTIONS)


# --- the rules find what breaks them ----------------------------------------------------------------------------------

PREFIXES = """
@prefix : <https://example.org/> .
@prefix ADMS: <https://w3id.org/italia/onto/ADMS/> .
@prefix COV: <https://w3id.org/italia/onto/COV/> .
@prefix cupola: <https://w3id.org/cupola/onto/> .
@prefix dct: <http://purl.org/dc/terms/> .
@prefix foaf: <http://xmlns.com/foaf/0.1/> .
@prefix l0: <https://w3id.org/italia/onto/l0/> .
@prefix opencup: <https://w3id.org/italia/onto/OpenCUP/> .
@prefix PCTR: <https://w3id.org/italia/onto/PublicContract/> .
@prefix pi: <https://w3id.org/italia/PublicInvestment/onto/PublicInvestment/> .
@prefix PRJ: <https://w3id.org/italia/onto/Project/> .
@prefix provinces: <https://w3id.org/italia/controlled-vocabulary/territorial-classifications/provinces/> .
@prefix RO: <https://w3id.org/italia/onto/RO/> .
@prefix rdf: <http://www.w3.org/1999/02/22-rdf-syntax-ns#> .
@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .
@prefix sdo: <https://schema.org/> .
@prefix skos: <http://www.w3.org/2004/02/skos/core#> .
@prefix unheard: <https://example.org/unheard#> .
@prefix xsd: <http://www.w3.org/2001/XMLSchema#> .
"""

#: A statement that breaks a rule, the rule, the term: real mistakes of earlier data, and the traps of the vocabularies.
BROKEN = [
    (":a PCTR:hasProject :b .", "undeclared", "PCTR:hasProject"),
    (':a COV:IPACode "c_l219" .', "undeclared", "COV:IPACode"),
    (":a a cupola:Operazione .", "undeclared", "cupola:Operazione"),
    (":a a opencup:Progetto_di_investimento_pubblico .", "undeclared", "opencup:Progetto_di_investimento_pubblico"),
    (':a unheard:of "b" .', "undeclared", "unheard:of"),
    (':a rdfs:label "b"^^unheard:text .', "undeclared", "unheard:text"),
    (":a rdfs:seeAlso RO:Ruolo .", "undeclared", "RO:Ruolo"),
    (":a rdfs:seeAlso provinces:999 .", "undeclared", "provinces:999"),
    (':a rdfs:lable "b" .', "undeclared", "rdfs:lable"),
    (":a pi:finanza_di_progetto true .", "deprecated", "pi:finanza_di_progetto"),
    (":a PRJ:Programme :b .", "misplaced", "PRJ:Programme"),
    (":a a PRJ:hasProgramme .", "misplaced", "PRJ:hasProgramme"),
    (":a cupola:programmedAmount 1.5e3 .", "range", "cupola:programmedAmount"),
    (':a cupola:startDate "2021-09-30T00:00:00"^^xsd:dateTime .', "range", "cupola:startDate"),
    (":a pi:costo_del_progetto 1190893.72 .", "range", "pi:costo_del_progetto"),
    (':a cupola:sha256 "b"@it .', "range", "cupola:sha256"),
    (':a cupola:reason "b" .', "range", "cupola:reason"),
    (':a ADMS:status "bozza" .', "range", "ADMS:status"),
    (':a sdo:startDate "presto"^^xsd:boolean .', "range", "sdo:startDate"),
    (':a PRJ:hasProgramme "PON Metro" .', "range", "PRJ:hasProgramme"),
    (':a dct:license "CC BY 4.0" .', "range", "dct:license"),
    (":a dct:identifier :b .", "range", "dct:identifier"),
    (":a l0:description :b .", "range", "l0:description"),
    (":a cupola:cup :b .", "range", "cupola:cup"),
    (':a cupola:startDate "2021-02-30"^^xsd:date .', "ill-typed", "xsd:date"),
    (":a pi:ha_cup :b , :c .", "functional", "pi:ha_cup"),
    (':a COV:taxCode "00514490010" , "514490010" .', "functional", "COV:taxCode"),
    (":a foaf:primaryTopic :b , :c .", "functional", "foaf:primaryTopic"),
    (":a pi:ha_cup :c . :b pi:ha_cup :c .", "inverse-functional", "pi:ha_cup"),
    (":a foaf:homepage :c . :b foaf:homepage :c .", "inverse-functional", "foaf:isPrimaryTopicOf"),
]


@pytest.mark.parametrize(("statement", "rule", "name"), BROKEN, ids=[f"{rule} {name}" for _, rule, name in BROKEN])
def test_a_rule_finds_what_breaks_it(declared: Vocabulary, statement: str, rule: str, name: str) -> None:
    graph = Graph().parse(data=PREFIXES + statement, format="turtle")
    term = str(graph.namespace_manager.expand_curie(name))
    found = declared.faults({"wrong.ttl": graph})
    assert (term, rule) in {(fault.term, fault.rule) for fault in found}
    assert all(
        str(fault).startswith(f"wrong.ttl: {fault.term} ") and "example.org/" in fault.example for fault in found
    )


@pytest.mark.parametrize(
    "statement",
    [
        ":a pi:costo_del_progetto 1190893 ; pi:importo_finanziamento_pubblico 1190893.72 , 1190893.720 .",
        ':a l0:description "b"@it , "c" ; dct:issued "2021"^^xsd:gYear ; ADMS:status "draft" .',
        ":a dct:license :b ; PRJ:hasProgramme [ a PRJ:Programme ] ; cupola:awardAmount 12 .",
        ':a sdo:identifier "b" ; sdo:startDate "2021-09-30"^^xsd:date ; sdo:url :b ; foaf:homepage :c .',
        ':a COV:taxCode "00514490010" ; COV:IPAcode "c_l219" ; rdfs:seeAlso provinces:001 , :anything .',
    ],
)
def test_what_keeps_the_rules_has_no_fault(declared: Vocabulary, statement: str) -> None:
    graph = Graph().parse(data=PREFIXES + statement, format="turtle")
    assert [str(fault) for fault in declared.faults({"right.ttl": graph})] == []


def test_values_in_two_graphs_are_counted_together(declared: Vocabulary) -> None:
    files = {
        f"{name}.ttl": Graph().parse(data=f"{PREFIXES}:a pi:anno_di_decisione {year} .", format="turtle")
        for name, year in (("one", 2020), ("two", 2021))
    }
    (fault,) = declared.faults(files)
    assert str(fault) == (
        f"one.ttl, two.ttl: {fault.term} is functional, and has several values: <https://example.org/a>: "
        '"2020"^^<http://www.w3.org/2001/XMLSchema#integer>, "2021"^^<http://www.w3.org/2001/XMLSchema#integer>'
    )


def test_names_in_strings_and_comments_of_a_query_are_no_terms() -> None:
    query = """
    PREFIX a: <https://example.org/a#> # a:comment
    SELECT * { ?s a:one/a:two "a:string" ; <https://example.org/a#iri> ?a:b }
    """
    assert query_terms(query) == {"https://example.org/a#one", "https://example.org/a#two"}


# --- identity ---------------------------------------------------------------------------------------------------------


def test_nothing_published_is_said_to_be_the_same(release: Files) -> None:
    assert {file for file, graph in release.items() if (None, OWL.sameAs, None) in graph} == set()


def test_nothing_published_of_torino_is_said_to_be_the_same(torino_release: Files) -> None:
    assert {file for file, graph in torino_release.items() if (None, OWL.sameAs, None) in graph} == set()


def test_nothing_we_write_says_that_things_are_the_same() -> None:
    same = str(OWL.sameAs)
    files = [
        path
        for kind in ("etl/**/*.yml", "ontology/**/*.rq", "ontology/*.ttl", "examples/*.trig")
        for path in ROOT.glob(kind)
    ]
    assert len(files) > 5
    said = {path.name for path in files if "owl:sameAs" in (text := path.read_text(encoding="utf-8")) or same in text}
    assert said == set()
