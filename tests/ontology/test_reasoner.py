"""What we publish is consistent with the official vocabularies, by HermiT; the mistakes they invite are not."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
from rdflib import OWL, RDF, Graph, Namespace, URIRef

from tests.ontology.reasoning import (
    EVERY,
    HERE,
    LEFT_OUT,
    OFFICIAL,
    NoVerdictError,
    all_different,
    case,
    consistent,
    declaring,
    probes,
    together,
    vocabularies,
)
from tests.ontology.uses import Files

CUPOLA = Namespace("https://w3id.org/cupola/onto/")
ID = "https://w3id.org/cupola/id/"
PI = Namespace("https://w3id.org/italia/PublicInvestment/onto/PublicInvestment/")
EPO = Namespace("http://data.europa.eu/a4g/ontology#")
EX = Namespace("https://example.org/")
CASES = sorted(path.stem for path in (HERE / "inconsistent").glob("*.ttl"))
#: Classes that can have no member, by their own vocabulary.
EMPTY = {
    EPO[name]: "a term of the lot and of the procedure, which ePO declares disjoint"
    for name in (
        "AccessTerm", "DesignContestRegimeTerm", "FrameworkAgreementTerm", "OpeningTerm", "ReviewTerm",
        "SubmissionTerm",
    )
}  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def java() -> None:
    if shutil.which("java") is None:
        pytest.skip("needs Java for the reasoner: Debian's default-jre-headless")


@pytest.fixture(scope="module")
def official(vocabulary_files: Path) -> Graph:
    return vocabularies(vocabulary_files, OFFICIAL, "identifier-is-functional")


@pytest.fixture(scope="module")
def every(vocabulary_files: Path) -> Graph:
    return vocabularies(vocabulary_files, EVERY, "identifier-is-functional", "unit-holds-employment")


@pytest.fixture(scope="module")
def data(release: Files) -> Graph:
    """What a release says; its shapes and the report of validation speak of graphs, not of the world."""
    return together(graph for file, graph in release.items() if file not in {"shapes.ttl", "validation.ttl"})


@pytest.fixture(scope="module")
def twins() -> Graph:
    """Each mistake as it should have been."""
    return together(case("consistent", name) for name in CASES)


# --- what we publish --------------------------------------------------------------------------------------------------


def test_a_release_is_consistent_with_ontopia_and_public_investment(official: Graph, data: Graph, twins: Graph) -> None:
    assert len(data) > 2000
    assert consistent(official, data, twins)


def test_a_release_is_consistent_with_every_vocabulary_and_merges_nothing(every: Graph, data: Graph) -> None:
    things = {thing for thing in data.subjects() if isinstance(thing, URIRef) and thing.startswith(ID)}
    assert len(things) > 200
    assert consistent(every, data, all_different(things))


def test_no_class_of_ours_is_empty_or_merged_with_another(every: Graph) -> None:
    assert consistent(every, probes(every, CUPOLA, EMPTY))


def test_the_reasoner_knows_every_property_we_publish(official: Graph, data: Graph) -> None:
    # what is declared as neither is an annotation to it, of which it draws no conclusion
    known = {*official.subjects(RDF.type, OWL.ObjectProperty), *official.subjects(RDF.type, OWL.DatatypeProperty)}
    used = {p for p in data.predicates() if str(p).startswith((CUPOLA, "https://w3id.org/italia/"))}
    assert len(used) > 50
    assert used - known == set()


# --- mistakes ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def answers(official: Graph) -> Iterator[dict[str, Future[bool]]]:
    """Whether each mistake is consistent with the vocabularies, asked two at a time."""
    consistent(official)  # makes the text of it once, before the threads want it
    with ThreadPoolExecutor(2) as pool:
        yield {name: pool.submit(consistent, official, case("inconsistent", name)) for name in CASES}


@pytest.mark.parametrize("name", CASES)
def test_a_mistake_is_inconsistent(answers: dict[str, Future[bool]], name: str) -> None:
    assert answers[name].result() is False


def test_every_mistake_has_its_twin_that_is_right() -> None:
    assert len(CASES) > 15
    assert sorted(path.stem for path in (HERE / "consistent").glob("*.ttl")) == CASES


# --- what is kept from the reasoner is still wrong --------------------------------------------------------------------


def test_a_public_body_has_two_codes_which_clv_forbids(vocabulary_files: Path) -> None:
    body = Graph().parse(
        data="""@prefix COV: <https://w3id.org/italia/onto/COV/> .
        <https://example.org/body> a COV:PublicOrganization ; COV:taxCode "00514490010" ; COV:IPAcode "c_l219" ."""
    )
    assert not consistent(vocabularies(vocabulary_files, OFFICIAL), body)


def test_in_public_investment_whoever_asks_for_a_cup_is_a_person_and_an_organisation(vocabulary_files: Path) -> None:
    whole = vocabularies(vocabulary_files, EVERY, "identifier-is-functional")
    project = Graph()
    project.add((EX.project, RDF.type, PI.Progetto_di_investimento_pubblico))
    assert not consistent(whole, project)


def test_the_list_of_provinces_makes_one_of_three(vocabulary_files: Path, every: Graph) -> None:
    assert "ontopia/cv/provinces.ttl" in LEFT_OUT
    assert not consistent(every, Graph().parse(vocabulary_files / "ontopia" / "cv" / "provinces.ttl"))


def test_classes_known_to_be_empty_are(every: Graph) -> None:
    for named in EMPTY:
        assert (named, RDF.type, OWL.Class) in every
    assert not consistent(every, probes(every, CUPOLA, set()))


# --- the questions can be answered no ---------------------------------------------------------------------------------


def small(turtle: str) -> Graph:
    prefixes = "@prefix : <https://example.org/> . @prefix owl: <http://www.w3.org/2002/07/owl#> ."
    rdfs = "@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> ."
    return declaring(Graph().parse(data=f"{prefixes} {rdfs} {turtle}", format="turtle"))


def test_things_that_must_be_one_are_not_all_different() -> None:
    graph = small(":p a owl:ObjectProperty , owl:FunctionalProperty . :a :p :b , :c .")
    assert consistent(graph)
    assert not consistent(graph, all_different([EX.b, EX.c]))


@pytest.mark.parametrize(
    "wrong",
    [
        ":Ours rdfs:subClassOf :One , :Other . :One owl:disjointWith :Other .",
        ":Theirs owl:equivalentClass [ owl:intersectionOf ( :Ours ) ] .",
        ":p a owl:ObjectProperty ; rdfs:domain :Ours . "
        ":Theirs rdfs:subClassOf [ a owl:Restriction ; owl:onProperty :p ; owl:someValuesFrom owl:Thing ] .",
    ],
)
def test_classes_that_are_empty_or_merged_are_found(wrong: str) -> None:
    classes = ":Ours a owl:Class . :Theirs a owl:Class . :One a owl:Class . :Other a owl:Class ."
    ours = Namespace("https://example.org/Ours")
    right, graph = small(f"{classes} :Ours rdfs:subClassOf :One ."), small(f"{classes} {wrong}")
    assert consistent(right, probes(right, ours))
    assert not consistent(graph, probes(graph, ours))


def test_there_is_no_verdict_when_hermit_fails() -> None:
    with pytest.raises(NoVerdictError, match="heap"):
        consistent(small(":a a :Ours ."), memory=1)
