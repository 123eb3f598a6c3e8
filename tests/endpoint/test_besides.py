"""What layouts of sheets say that a project's page has no place of its own for stands on it all the same."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from flask.testing import FlaskClient

from endpoint import create_app
from endpoint.settings import Settings
from etl import pipeline
from etl.settings import Settings as BuildSettings
from etl.source import sources

LAYOUTS = Path(__file__).parents[1] / "etl" / "layouts"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> pipeline.Built:
    folder = tmp_path_factory.mktemp("layouts")
    for layout in ("opere", "opencoesione", "piano-operativo"):
        (folder / f"{layout}.txt").write_bytes((LAYOUTS / layout / "full.txt").read_bytes())
    return pipeline.build(sorted(folder.glob("*.txt")), BuildSettings(releases=folder / "releases"))


@pytest.fixture(scope="module")
def client(built: pipeline.Built) -> Iterator[FlaskClient]:
    app = create_app(Settings(releases=built.folder.parent, workers=1))
    try:
        yield app.test_client()
    finally:
        app.extensions["cupola"].close()


def page(client: FlaskClient, source: str, record: str, language: str = "en") -> str:
    answer = client.get(f"/doc/operation/{source}/{record}?lang={language}", headers={"Accept": "text/html"})
    assert answer.status_code == 200
    return " ".join(re.sub(r"<[^>]*>", " ", html.unescape(answer.get_data(as_text=True))).split())


def record(built: pipeline.Built, source: str) -> str:
    return str(pl.read_parquet(built.folder / "tables" / f"{source}.parquet")["record"].item())


def test_a_municipal_work_shows_its_economic_framework_its_contract_and_its_phases(
    built: pipeline.Built, client: FlaskClient
) -> None:
    text = page(client, "opere", record(built, "opere"))
    assert "Lavori 3 April 2023 – 18 November 2024 planned: … – 30 September 2024" in text
    assert "the source says nothing; the other amounts it gives are in the tables below" in text
    assert "Economic framework" in text
    assert "Oneri della sicurezza 40,000" in text
    assert "total of the economic framework" in text
    assert "1,550,000" in text
    assert "via dei Tigli 12" in text
    assert "Lotto 9480316C3E" in text
    assert "The source does not say." not in text


def test_nothing_that_a_page_shows_elsewhere_stands_there_again(built: pipeline.Built, client: FlaskClient) -> None:
    text = page(client, "opere", record(built, "opere"))
    besides = text.partition("What else the source says")[2].partition("What it is about")[0]
    assert besides
    for shown in ("Ottavio Prova", "Livia Fittizia", "progetto-esecutivo.pdf", "Demolizione"):
        assert shown not in besides


@pytest.mark.parametrize("source", ["opere", "opencoesione", "piano-operativo"])
@pytest.mark.parametrize("language", ["it", "en"])
def test_every_amount_a_sheet_publishes_stands_on_its_page(
    built: pipeline.Built, client: FlaskClient, source: str, language: str
) -> None:
    text = page(client, source, record(built, source), language)
    # Not what was read, but what is published: the readings are no proof.
    text = re.sub(r"Text in the source .*? Label|Testo nella fonte .*? Voce|Valore nella fonte .*? Voce", "", text)
    table = pl.read_parquet(built.folder / "tables" / f"{source}.parquet")
    fields = [name for name, field in sources()[source].fields.items() if field.type == "amount"]
    amounts = {name: value for name in fields if (value := table[name].item()) is not None}
    assert len(amounts) > 1
    marks = {"it": (".", ","), "en": (",", ".")}[language]
    turned = str.maketrans({",": marks[0], ".": marks[1]})
    written = {name: f"{value:,.2f}".translate(turned) for name, value in amounts.items()}
    assert [name for name, each in written.items() if each.rstrip("0").rstrip(".,") not in text] == []
