"""The code lists that no official vocabulary makes for us (etl/codes/make.py), beside what they were taken from."""

from __future__ import annotations

from pathlib import Path

import pytest
from rdflib import RDF, SKOS, Graph, URIRef

from etl import codes

ROOT = Path(__file__).parents[2]
LEGAL = "https://w3id.org/italia/controlled-vocabulary/classifications-for-organizations/legal-status/"


def test_legal_statuses_are_those_of_the_official_list(shared: Path) -> None:
    graph = Graph().parse(shared / "vocabularies" / "ontopia" / "cv" / "legal-status.ttl")
    official = {
        str(concept).removeprefix(LEGAL): (str(concept), str(label))
        for concept in graph.subjects(RDF.type, SKOS.Concept)
        if str(concept).startswith(LEGAL)
        for label in graph.objects(concept, SKOS.prefLabel)
        if getattr(label, "language", None) == "it"
    }
    table = codes.scheme("legal-status")
    assert {row["code"]: (row["iri"], row["label"]) for row in table.to_dicts()} == official


def test_states_of_applications_are_those_of_our_scheme() -> None:
    graph = Graph().parse(ROOT / "ontology" / "schemes.ttl")
    for row in codes.scheme("application-state").to_dicts():
        assert str(graph.value(URIRef(row["iri"]), SKOS.notation)) == row["code"]
        assert row["label"] in {str(label) for label in graph.objects(URIRef(row["iri"]), SKOS.prefLabel)}


@pytest.mark.parametrize(
    ("code", "label"), [("L6", "Comuni e loro Consorzi e Associazioni"), ("L45", "Città Metropolitane")]
)
def test_categories_of_indicepa_have_their_names(code: str, label: str) -> None:
    table = codes.scheme("ipa-category")
    assert table.filter(code=code)["label"].to_list() == [label]


def test_only_pec_is_certified() -> None:
    assert {row["code"]: row["certified"] for row in codes.scheme("mail-type").to_dicts()} == {
        "Pec": "mail",
        "Altro": None,
    }
