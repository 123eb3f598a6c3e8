"""What the official pilot asks of the same data, answered right where it fails (research/features.md, part 3).

The pilot writes amounts as text, so that a SUM is unbound, gives a project several fundings, so that its chart of money
by body is two and three times what it should be, and drops columns. Here the figures come out of what is published of
the real files, by the example queries anybody finds on the site, and are compared with figures computed from the JSON.
"""

from __future__ import annotations

import gzip
import json
from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyoxigraph as ox
import pytest

from endpoint.examples import example_named
from etl import pipeline
from etl.settings import Settings

FILES = (
    "opencup/progetti.json",
    "padigitale/candidature_comuni_finanziate.json",
    "ipa/enti.json",
    "anac/cup_cig_padigitale.json",
)
ORGANIZATION = "https://w3id.org/cupola/id/organization/"
OPENCUP = "https://w3id.org/cupola/graph/opencup"
_PI = "https://w3id.org/italia/PublicInvestment/onto/PublicInvestment/"
_ONTOPIA = "https://w3id.org/italia/onto/"

#: Terms the pilot uses and we do not, with what is published instead.
INSTEAD = {
    f"{_PI}importo_finanziamento_pubblico": "cupola:publicFunding: functional there, and sources disagree",
    f"{_PI}costo_del_progetto": "cupola:totalCost: whole euro there",
    f"{_PI}ha_tipologia_copertura_finanziaria": "cupola:fundingCoverage: functional there, and projects have several",
    f"{_PI}Tipologia_copertura_finanziaria": "concepts of scheme/funding-sources",
    f"{_PI}Tipo_strumento_di_programmazione": "pi:Strumento_di_programmazione, the class above it",
    f"{_PI}oggetto_progettuale": "pi:infrastruttura_di_progetto, above it: the projects are services, not works",
    f"{_PI}data_chiusura_prevista": "cupola:closedOn and the state's TI:startTime: it is the day a code was closed",
    f"{_ONTOPIA}PublicContract/hasProject": "cupola:concernsProject: declared nowhere",
    f"{_ONTOPIA}CLV/cityName": "CLV:hasCity: declared nowhere",
    f"{_ONTOPIA}CLV/cityCode": "CLV:hasCity/skos:notation: declared nowhere",
    f"{_ONTOPIA}CLV/provinceName": "CLV:hasProvince: declared nowhere",
    f"{_ONTOPIA}CLV/regionName": "CLV:hasRegion: declared nowhere",
    f"{_ONTOPIA}COV/IPACode": "COV:IPAcode: declared nowhere in capitals",
    "http://www.w3.org/2002/07/owl#sameAs": "schema:sameAs and rdfs:seeAlso: it would merge projects with codes",
}


@pytest.fixture(scope="module")
def rows(shared: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((shared / "data" / FILES[0]).read_text(encoding="utf-8"))["opencup"]
    return found


@pytest.fixture(scope="module")
def store(rows: list[dict[str, Any]], shared: Path, tmp_path_factory: pytest.TempPathFactory) -> ox.Store:
    """All that is published of the files the pilot is made of."""
    assert rows
    built = pipeline.build(
        [shared / "data" / file for file in FILES], Settings(releases=tmp_path_factory.mktemp("pilot"), index=False)
    )
    store = ox.Store()
    for dump in sorted((built.folder / "data").glob("*.nq.gz")):
        store.bulk_load(gzip.decompress(dump.read_bytes()), format=ox.RdfFormat.N_QUADS)
    return store


def answers(store: ox.Store, name: str) -> Iterator[dict[str, str]]:
    """What an example query answers: of each row, the texts by variable."""
    example = example_named(name)
    assert example is not None
    found = store.query(example.query, use_default_graph_as_union=True)
    assert isinstance(found, ox.QuerySolutions)
    for solution in found:
        yield {variable.value: str(getattr(solution[variable], "value", "")) for variable in found.variables}


def once_each(rows: list[dict[str, Any]], column: str) -> dict[str, Decimal]:
    """An amount by CUP: the rows of a CUP repeat it, and it is counted once."""
    told: defaultdict[str, set[Decimal]] = defaultdict(set)
    for row in rows:
        told[row["CUP"]].add(Decimal(row[column]))
    assert all(len(amounts) == 1 for amounts in told.values())
    return {cup: amounts.pop() for cup, amounts in told.items()}


def test_costs_and_fundings_are_numbers_that_can_be_summed(store: ox.Store, rows: list[dict[str, Any]]) -> None:
    (told,) = [row for row in answers(store, "cost-and-funding-by-register") if row["source"] == OPENCUP]
    costs, fundings = once_each(rows, "COSTO_PROGETTO"), once_each(rows, "FINANZIAMENTO_PROGETTO")
    assert int(told["projects"]) == len(costs) == 534
    assert Decimal(told["totalCost"]) == sum(costs.values()) == Decimal(61975907)
    assert Decimal(told["publicFunding"]) == sum(fundings.values()) == Decimal(61975907)
    # Adding up rows, as many a spreadsheet does, would count three million euro twice.
    assert sum(Decimal(row["COSTO_PROGETTO"]) for row in rows) == Decimal(65192694)


def test_money_by_holder_is_counted_once(store: ox.Store, rows: list[dict[str, Any]]) -> None:
    fundings = once_each(rows, "FINANZIAMENTO_PROGETTO")
    holders = {row["CUP"]: row["PIVA_CODFISCALE_SOG_TITOLARE"] for row in rows}
    computed: defaultdict[str, Decimal] = defaultdict(Decimal)
    for cup, funding in fundings.items():
        computed[holders[cup]] += funding
    told = {row["holder"]: row for row in answers(store, "holders-of-cups")}
    assert {iri: Decimal(row["publicFunding"]) for iri, row in told.items()} == {
        f"{ORGANIZATION}{code}": amount for code, amount in computed.items()
    }
    venezia, bari = told[f"{ORGANIZATION}00339370272"], told[f"{ORGANIZATION}80015010723"]
    assert (Decimal(venezia["publicFunding"]), venezia["cups"]) == (Decimal(7127677), "6")
    assert (Decimal(bari["publicFunding"]), bari["cups"]) == (Decimal(4858680), "1")


def test_a_filter_on_costs_finds_projects(store: ox.Store, rows: list[dict[str, Any]]) -> None:
    query = "SELECT (COUNT(DISTINCT ?p) AS ?n) { ?p <https://w3id.org/cupola/onto/totalCost> ?c FILTER (?c > 100000) }"
    found = store.query(query, use_default_graph_as_union=True)
    assert isinstance(found, ox.QuerySolutions)
    (row,) = found
    over = sum(cost > 100000 for cost in once_each(rows, "COSTO_PROGETTO").values())
    assert int(row["n"].value) == over > 0


def test_no_word_for_nothing_is_published_as_a_fact(store: ox.Store) -> None:
    words = {"TUTTI", "TUTTE", "-1", "TERRITORIO NAZIONALE", "DATO NON PRESENTE", "***************"}
    found = {
        quad.object.value
        for quad in store.quads_for_pattern(None, None, None, ox.NamedNode(OPENCUP))
        if isinstance(quad.object, ox.Literal)
    }
    assert len(found) > 1000
    assert found & words == set()


def test_every_term_of_the_pilot_is_used_or_something_better_is(store: ox.Store, shared: Path) -> None:
    pilot = shared / "data" / "opencup-ld" / "all.ttl"
    if not pilot.is_file():
        pytest.skip(f"needs {pilot}, which is not on this machine")
    theirs = ox.Store()
    theirs.bulk_load(path=str(pilot), format=ox.RdfFormat.TURTLE)
    asked = "SELECT DISTINCT ?term { { ?s ?term ?o } UNION { ?s a ?term } }"
    terms, ours = (
        {row["term"].value for row in each.query(asked, use_default_graph_as_union=True)}  # type: ignore[union-attr]
        for each in (theirs, store)
    )
    assert len(terms) == 57
    assert terms - ours == set(INSTEAD)
