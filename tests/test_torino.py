"""The real Torino sheet, the whole way: what is published of it is what it says, exactly, and what is wrong is told."""

from __future__ import annotations

import gzip
import hashlib
from decimal import Decimal
from pathlib import Path

import pyoxigraph as ox
import pytest

from etl import pipeline
from etl.settings import Settings

BASE = "https://w3id.org/cupola/"
OPERATION = f"<{BASE}id/operation/ponmetro/TO7.1.1.b>"
PREFIXES = {
    "cupola": f"{BASE}onto/",
    "adms": "http://www.w3.org/ns/adms#",
    "CLV": "https://w3id.org/italia/onto/CLV/",
    "CPV": "https://w3id.org/italia/onto/CPV/",
    "foaf": "http://xmlns.com/foaf/0.1/",
    "l0": "https://w3id.org/italia/onto/l0/",
    "pi": "https://w3id.org/italia/PublicInvestment/onto/PublicInvestment/",
    "PRJ": "https://w3id.org/italia/onto/Project/",
    "prov": "http://www.w3.org/ns/prov#",
    "RO": "https://w3id.org/italia/onto/RO/",
    "sdo": "https://schema.org/",
    "rdfs": "http://www.w3.org/2000/01/rdf-schema#",
    "sh": "http://www.w3.org/ns/shacl#",
    "skos": "http://www.w3.org/2004/02/skos/core#",
}


@pytest.fixture(scope="module")
def built(torino: Path, tmp_path_factory: pytest.TempPathFactory) -> pipeline.Built:
    return pipeline.build([torino], Settings(releases=tmp_path_factory.mktemp("releases")))


@pytest.fixture(scope="module")
def store(built: pipeline.Built) -> ox.Store:
    return ox.Store.read_only(str(built.folder / "store"))


def ask(store: ox.Store, variables: str, pattern: str) -> list[tuple[str, ...]]:
    """The distinct values of some variables of a pattern, as text, sorted."""
    query = f"SELECT DISTINCT {variables} {{ {pattern} }}"
    rows = store.query(query, prefixes=PREFIXES)
    assert isinstance(rows, ox.QuerySolutions)
    return sorted(tuple(getattr(value, "value", "") for value in row) for row in rows)


#: What the sheet says and what must come of it: property path from the operation, values.
FACTS = {
    "PRJ:projectTitle": ["Piani di sostegno e sviluppo per enti di terzo settore"],
    "cupola:localCode": ["TO7.1.1.b"],
    "cupola:cup": ["C19J21037430006"],
    "cupola:action": [f"{BASE}id/action/2014IT16M2OP004/7.1.1"],
    "cupola:action/skos:broader": [f"{BASE}id/action/2014IT16M2OP004/7"],
    "cupola:action/skos:broader/skos:broader": [f"{BASE}id/programme/2014IT16M2OP004"],
    "PRJ:hasProgramme/a": [
        "http://www.w3.org/2004/02/skos/core#Concept",
        "https://w3id.org/italia/onto/Project/Programme",
    ],
    "cupola:programmedAmount": ["1200000.00"],
    "cupola:admittedAmount": ["1190893.72"],
    "cupola:committedAmount": ["1190893.72"],
    "cupola:disbursedAmount": ["218177.38"],
    "cupola:startDate": [],
    "cupola:endDate": ["2023-06-30"],
    "cupola:thematicArea": [],
    "cupola:document": [],
    "cupola:concernsProject": [f"{BASE}id/project/C19J21037430006"],
    "cupola:concernsProject/pi:ha_cup": [f"{BASE}id/cup/C19J21037430006"],
    "cupola:concernsProject/pi:ha_cup/skos:notation": ["C19J21037430006"],
    "cupola:concernsProject/sdo:sameAs": ["https://w3id.org/italia/PublicInvestment/data/CUP/C19J21037430006"],
    "cupola:concernsProject/rdfs:seeAlso": ["https://w3id.org/italia/PublicInvestment/data/CUP/C19J21037430006"],
    "cupola:concernsProject/pi:ha_cup/foaf:page": ["https://opencup.gov.it/portale/progetto/-/cup/C19J21037430006"],
    "PRJ:hasParticipantingAgent/l0:name": ["Comune di Torino", "Terzo settore"],
    "CLV:hasSpatialCoverage": [
        "https://w3id.org/italia/controlled-vocabulary/territorial-classifications/cities/001272-(2015-01-01)"
    ],
    "CLV:hasSpatialCoverage/rdfs:label": ["Torino"],
    "cupola:concernsProject/pi:ha_localizzazione/CLV:hasRegion/rdfs:label": ["Piemonte"],
    "prov:wasDerivedFrom/cupola:fileName": ["TO7.1.1.b.txt"],
    "prov:wasDerivedFrom/foaf:primaryTopic": [OPERATION[1:-1]],
}


@pytest.mark.parametrize("path", FACTS)
def test_the_sheet_says(path: str, store: ox.Store) -> None:
    found = ask(store, "?value", f"{OPERATION} {path} ?value")
    if path.endswith("Amount"):  # the index keeps the value, not its digits: 1200000 for 1200000.00
        assert [Decimal(value) for (value,) in found] == [Decimal(value) for value in FACTS[path]]
    else:
        assert found == sorted((value,) for value in FACTS[path])


def test_the_description_is_whole_and_in_italian(store: ox.Store) -> None:
    ((text, language),) = ask(store, "?text (LANG(?text) AS ?language)", f"{OPERATION} l0:description ?text")
    assert language == "it"
    assert text.startswith("L'azione della Città")
    assert text.endswith("dell'azione 3.3.1 del Programma.")
    assert text.count("\n\n") == 2, "its three paragraphs"


def test_amounts_are_decimals_so_that_they_can_be_summed(store: ox.Store) -> None:
    ((total, datatype),) = ask(
        store,
        "?total (DATATYPE(?total) AS ?datatype)",
        "SELECT (SUM(?x) AS ?total) { ?o cupola:disbursedAmount ?x }",
    )
    assert (total, datatype) == ("218177.38", "http://www.w3.org/2001/XMLSchema#decimal")


def test_the_dump_has_the_amounts_to_the_cent(built: pipeline.Built) -> None:
    lines = gzip.decompress((built.folder / "data" / "ponmetro.nq.gz").read_bytes()).decode().splitlines()
    amounts = [line.split('"')[1] for line in lines if "Amount>" in line]
    assert sorted(amounts) == ["1190893.72", "1190893.72", "1200000.00", "218177.38"]


def test_the_rup_is_a_role_held_by_a_person_of_this_operation_only(store: ox.Store) -> None:
    held = "RO:hasRiT ?role . ?role RO:withRole cupola:RUP ; RO:isRoleInTimeOf ?person . ?person CPV:fullName ?name"
    ((role, person, name),) = ask(store, "?role ?person ?name", f"{OPERATION} {held}")
    assert (role, person) == (f"{OPERATION[1:-1]}/rup", f"{OPERATION[1:-1]}/rup/person")
    assert name == "Alessandro Cabodi Gatti"


def test_every_field_keeps_the_place_it_was_read_at_and_its_raw_value(store: ox.Store, torino: Path) -> None:
    lines = torino.read_text(encoding="utf-8").splitlines()
    pattern = "?r a cupola:FieldReading ; cupola:field ?field ; cupola:place ?place ; cupola:sourceValue ?raw"
    rows = ask(store, "?field ?place ?raw", pattern)
    assert len(rows) == 14, "as many as the sheet has values"
    for field, place, raw in rows:
        first, _, last = place.removeprefix("lines ").removeprefix("line ").partition("-")
        there = [line.strip() for line in lines[int(first) - 1 : int(last or first)] if line.strip()]
        assert [line for line in raw.splitlines() if line] == there, field


def test_the_sheet_is_known_by_its_checksum(store: ox.Store, torino: Path) -> None:
    expected = hashlib.sha256(torino.read_bytes()).hexdigest()
    assert ask(store, "?sum", f"{OPERATION} prov:wasDerivedFrom/cupola:sha256 ?sum") == [(expected,)]


def test_the_impossible_start_date_is_a_problem_with_its_place_and_a_suggestion_that_is_not_applied(
    built: pipeline.Built, store: ox.Store
) -> None:
    (problem,) = built.problems.filter(field="start_date").to_dicts()
    assert problem["code"] == "date.out-of-range"
    assert problem["severity"] == "violation"
    assert problem["raw"] == "30-09-0021"
    assert problem["place"] == "line 38"
    assert problem["suggestion"] == "2021-09-30"
    assert "C19J21037430006" in problem["reason"]
    assert "C19J21037430006" in problem["reason_en"]
    assert "1990" in problem["message_it"]
    published = f'?problem sh:focusNode {OPERATION} ; sh:value "30-09-0021" ; cupola:suggestion ?suggestion'
    assert ask(store, "?suggestion", published) == [("2021-09-30",)]


def test_nothing_else_is_wrong_with_it(built: pipeline.Built) -> None:
    assert built.problems.filter(built.problems["severity"] != "info")["code"].to_list() == ["date.out-of-range"]


def test_there_is_no_blank_node_and_no_owl_same_as(store: ox.Store) -> None:
    assert not any(isinstance(term, ox.BlankNode) for quad in store for term in (quad.subject, quad.object))
    assert not list(store.quads_for_pattern(None, ox.NamedNode("http://www.w3.org/2002/07/owl#sameAs"), None))
