"""The code lists: made again from the official vocabularies, and what they say of known codes."""

from __future__ import annotations

import re
from pathlib import Path

import polars as pl
import pytest
from rdflib import RDF, SKOS, Graph, URIRef

from etl import codes
from etl.codes import make

ROOT = Path(__file__).parents[2]
SCHEME = "https://w3id.org/cupola/onto/scheme/"
PI = "https://w3id.org/italia/PublicInvestment/onto/PublicInvestment/"


def row(scheme: str, code: str) -> dict[str, str | None]:
    found = codes.scheme(scheme).filter(pl.col("code") == code).to_dicts()
    return found[0] if found else {}


def test_the_tables_are_what_the_vocabularies_say(shared: Path) -> None:
    for name, table in make.tables(shared / "vocabularies" / "public-investment").items():
        assert codes.scheme(name).equals(table), f"{name}.csv: make it again with python -m etl.codes.make"


def test_natures_have_their_own_codes() -> None:
    """The pilot takes 04, 05 and 06 for 06, 07 and 08: contributions become capital subscriptions."""
    assert set(codes.scheme("nature")["code"]) == {"01", "02", "03", "06", "07", "08"}
    assert row("nature", "06")["individual_iri"] == f"{PI}concessione_di_contributi_ad_altri_soggetti"
    assert row("nature", "08")["class_iri"] == f"{PI}Sottoscrizione_iniziale_o_aumento_di_capitale"


def test_sector_and_subsector_tell_the_area_and_a_sector_alone_does_not_always() -> None:
    sectors = codes.scheme("sector")
    assert set(sectors.filter(pl.col("area").is_null())["code"]) == {"06", "11"}
    assert codes.scheme("subsector")["area"].null_count() == codes.scheme("category")["area"].null_count() == 0
    assert row("category", "10_02_001") | {"area": "06"} == row("category", "10_02_001")
    assert str(row("category", "06_39_150")["iri"]).endswith("/Categoria_di_intervento/4_6_39_150")


def test_the_lists_have_as_many_codes_as_the_vocabularies() -> None:
    sizes = {name: codes.scheme(name).height for name in ("area", "sector", "subsector", "category", "typology")}
    # Thirteen sectors with their area, two of them in two areas.
    assert sizes == {"area": 6, "sector": 11, "subsector": 63, "category": 434, "typology": 81}


@pytest.mark.parametrize("name", codes.names())
def test_codes_of_our_lists_are_in_our_lists(name: str) -> None:
    ours = Graph().parse(ROOT / "ontology" / "schemes.ttl", format="turtle")
    concepts = {str(each) for each in ours.subjects(RDF.type, SKOS.Concept)}
    assert {iri for iri in codes.scheme(name)["iri"].drop_nulls() if iri.startswith(SCHEME)} <= concepts


def test_words_of_a_register_mean_terms_that_are_declared(shared: Path) -> None:
    ontology = Graph().parse(shared / "vocabularies/public-investment/public-investment.ttl", format="turtle")
    for name in ("cup-status", "cup-relation", "nature"):
        table = codes.scheme(name)
        terms = [iri for column in table.columns if column.endswith("iri") for iri in table[column].drop_nulls()]
        own = [iri for iri in terms if iri.startswith(PI)]
        assert own
        assert [iri for iri in own if (URIRef(iri), RDF.type, None) not in ontology] == []


def test_places_of_the_register_are_official(shared: Path) -> None:
    folder = shared / "vocabularies" / "ontopia" / "cv"
    text = "".join(
        (folder / name).read_text(encoding="utf-8") for name in ("geographical-distribution.ttl", "italy.ttl")
    )
    for name in ("geographical-area", "country"):
        for iri in codes.scheme(name)["iri"]:
            assert re.search(rf"<{re.escape(iri)}>|{re.escape(iri.rpartition('/')[2])} ", text), iri
