"""Pages of projects from the file to what is published: with names for codes, and crossed with the register by CUP."""

from __future__ import annotations

import gzip
from pathlib import Path

import polars as pl
import pyoxigraph as ox
import pytest

from etl import mapping, pipeline
from etl.settings import Settings
from etl.source import sources

HERE = Path(__file__).parent
REGISTER = HERE / "sources" / "opencup" / "opencup_progetti.csv"
#: A project of the register's invented file as a page would have it; only cost, status and category differ.
PAGE = """
Dettaglio progetto
CUP: C51C22999990009
Descrizione sintetica CUP: PORTALE DI ESEMPIO*COMUNE DI ESEMPIO*DELL'ESPERIENZA
Stato progetto: CUP CHIUSO
Anno decisione: 2022
Data generazione CUP: 27/05/2022
Natura: Acquisto o realizzazione di servizi
Tipologia: Applicativi e piattaforme web
Settore: Servizi per la P.A. e per la collettività
Sottosettore: SERVIZI E APPLICAZIONI INFORMATICHE PER I CITTADINI E LE IMP
Categoria: Servizi ed applicazioni per le PMI
Soggetto titolare: COMUNE DI ESEMPIO
Codice fiscale soggetto titolare: 99999000013
Comune: Torino
Costo del progetto: 100.000,02
Importo finanziato pubblico: 80.000,50
"""
OTHER = PAGE.replace("C51C22999990009", "C51C22999990077").replace(
    "Acquisto o realizzazione di servizi", "Servizi vari"
)


@pytest.fixture(scope="module")
def crossed(tmp_path_factory: pytest.TempPathFactory) -> pipeline.Built:
    """The register's invented file, the page, and one that names no nature there is, in one release."""
    folder = tmp_path_factory.mktemp("pages")
    (folder / "pagina.txt").write_text(PAGE, encoding="utf-8")
    (folder / "altra.txt").write_text(OTHER, encoding="utf-8")
    return pipeline.build(
        [REGISTER, folder / "pagina.txt", folder / "altra.txt"], Settings(releases=folder / "releases", index=False)
    )


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> tuple[pl.DataFrame, ox.Store]:
    """The pages of OpenCoesione in tests/etl/layouts, published: the problems and the statements."""
    paths = sorted(path for path in (HERE / "layouts" / "opencoesione").iterdir() if path.suffix != ".json")
    built = pipeline.build(paths, Settings(releases=tmp_path_factory.mktemp("coesione"), index=False))
    store = ox.Store()
    for dump in sorted((built.folder / "data").glob("*.nq.gz")):
        store.bulk_load(gzip.decompress(dump.read_bytes()), format=ox.RdfFormat.N_QUADS)
    return built.problems, store


def asked(store: ox.Store, query: str) -> bool:
    prefixes = mapping.load(sources()["opencoesione"].mapping, Settings().base).prefixes
    return bool(store.query(f"ASK {{ {query} }}", prefixes=prefixes, use_default_graph_as_union=True))


def test_a_page_is_known_by_its_labels(crossed: pipeline.Built) -> None:
    assert [source["id"] for source in crossed.manifest["sources"]] == ["opencup", "opencup-page"]


def test_where_a_page_and_the_register_disagree_is_told_and_where_they_agree_is_not(crossed: pipeline.Built) -> None:
    """Names, codes and the two ways to write a year or an amount are the same thing said differently."""
    told = pl.read_parquet(crossed.folder / "tables" / "discrepancies.parquet")
    mine = told.filter(pl.col("sources").str.contains("opencup-page"))
    assert sorted(mine["comparison"]) == ["category", "status", "total-cost"]
    assert mine.filter(pl.col("comparison") == "total-cost")["difference"].item() * 100 == 2


def test_a_name_the_register_has_not_is_a_problem_and_no_guess(crossed: pipeline.Built) -> None:
    found = crossed.problems.filter((pl.col("code") == "code.unknown") & (pl.col("source") == "opencup-page"))
    assert found.select("record", "field", "raw").rows() == [("C51C22999990077", "nature_said", "Servizi vari")]
    quads = gzip.decompress((crossed.folder / "data" / "opencup-page.nq.gz").read_bytes()).decode()
    assert "/id/project/C51C22999990009/intervention> <http://purl.org/dc/terms/type>" in quads
    assert "/id/project/C51C22999990077/intervention> <http://purl.org/dc/terms/type>" not in quads


def test_every_good_page_is_published_without_a_violation(pages: tuple[pl.DataFrame, ox.Store]) -> None:
    problems, store = pages
    assert set(problems.filter(pl.col("severity") == "violation")["file"]) == {"faults.txt"}
    assert asked(store, "?sheet a cupola:ProjectSheet ; foaf:primaryTopic ?op . ?op a cupola:Operation")


def test_money_by_source_is_observed_on_the_day_of_the_page(pages: tuple[pl.DataFrame, ox.Store]) -> None:
    scheme = "https://w3id.org/cupola/onto/scheme"
    assert asked(
        pages[1],
        f"""?o cupola:observedOperation <https://w3id.org/cupola/id/operation/opencoesione/9EXNA00012> ;
        cupola:fundingSource <{scheme}/funding-sources/region> ;
        cupola:financialPhase <{scheme}/financial-phases/funding> ;
        cupola:observedOn "2023-10-31"^^xsd:date ; cupola:amount 2500000.00""",
    )


def test_a_region_that_pays_is_no_place_and_one_where_the_project_is_pays_nothing(
    pages: tuple[pl.DataFrame, ox.Store],
) -> None:
    operation = "<https://w3id.org/cupola/id/operation/opencoesione/8EXSS0021>"
    assert not asked(pages[1], f"{operation} CLV:hasAddress ?place")
    naples = "<https://w3id.org/cupola/id/operation/opencoesione/9EXNA00012>"
    assert asked(pages[1], f"{naples} CLV:hasAddress/CLV:hasCity/rdfs:label 'Portici'@it")


def test_an_impossible_actual_date_leaves_the_planned_ones(pages: tuple[pl.DataFrame, ox.Store]) -> None:
    operation = "<https://w3id.org/cupola/id/operation/opencoesione/7EXVE0009>"
    assert asked(pages[1], f'{operation} cupola:plannedStartDate "2020-09-01"^^xsd:date')
    assert not asked(pages[1], f"{operation} cupola:startDate ?day")
