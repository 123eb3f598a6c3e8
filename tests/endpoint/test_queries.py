"""The example queries: each follows the convention, runs, and answers what it asks."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from endpoint import create_app
from endpoint.examples import FOLDER, Example, example_named, examples, read
from endpoint.listing import Listing, Wanted
from endpoint.pages import FIRST_QUESTION
from endpoint.settings import Settings

# A second sheet of the CUP of examples/GE2.2.1.b.txt, carried out by two bodies and ended before all was paid.
SHEET = """Pensiline per la Val Bisagno

Città: Genova
Codice Progetto: GE2.2.1.z
Azione: Azione 2.2.1
Soggetto attuatore: Comune di Genova e Regione Liguria
Codice Unico Progetto - CUP: B31C20999990006
Data inizio: 01-03-2020
Data fine: 30-06-2022
Importo Programmato: € 500.000,00
Importo Ammesso A Finanziamento: € 450.000,00
Importo Giuridicamente Vincolante: € 400.000,00
Importo Erogato: € 100.000,01
"""

Rows = list[dict[str, dict[str, str]]]


@pytest.fixture(scope="module")
def releases(cupola: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory, root: Path) -> Path:
    folder, sheets = tmp_path_factory.mktemp("releases"), tmp_path_factory.mktemp("sheets")
    (sheets / "GE2.2.1.z.txt").write_text(SHEET, encoding="utf-8")
    done = cupola("build", root / "examples", sheets, "--releases", folder, cwd=sheets)
    assert (folder / "current").exists(), done.stderr
    return folder


@pytest.fixture(scope="module")
def client(releases: Path) -> Iterator[FlaskClient]:
    app = create_app(Settings(releases=releases))
    yield app.test_client()
    app.extensions["cupola"].close()


def ask(client: FlaskClient, query: str) -> tuple[list[str], Rows]:
    answer = client.post("/sparql", data={"query": query}, headers={"Accept": "application/sparql-results+json"})
    text = answer.get_data(as_text=True)
    assert answer.status_code == 200, text
    found = json.loads(text)
    return found["head"]["vars"], found["results"]["bindings"]


def named(name: str) -> Example:
    found = example_named(name)
    assert found is not None, f"no example query is called {name}"
    return found


def test_there_are_enough_and_the_first_is_one_of_them() -> None:
    assert len(examples()) >= 8
    assert named(FIRST_QUESTION)


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.ttl")), ids=lambda p: p.stem)
def test_each_file_follows_the_convention(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    example = read(path)
    assert re.fullmatch(r"[a-z]+(-[a-z]+)+", path.stem)
    assert f"query:{path.stem} a sh:SPARQLExecutable , sh:SPARQLSelectExecutable" in text
    assert all(question.endswith("?") for question in example.question.values())
    assert example.keywords
    # Examples must hold whatever base a deployment has: they may name vocabularies, but no data.
    assert not re.search(r"<https://w3id\.org/cupola/(?!onto/)", example.query)


@pytest.mark.parametrize("example", examples(), ids=lambda e: e.name)
def test_each_runs_and_finds_something(client: FlaskClient, example: Example) -> None:
    variables, rows = ask(client, example.query)
    assert variables
    assert rows
    for row in rows:
        assert row.keys() <= set(variables)


def test_a_file_that_is_no_example_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.ttl").write_text("<a> <b> <c> .".replace("<", "<http://example.org/"))
    with pytest.raises(ValueError, match="one sh:SPARQLExecutable expected, 0 found"):
        read(tmp_path / "x.ttl")
    text = (FOLDER / f"{FIRST_QUESTION}.ttl").read_text(encoding="utf-8")
    (tmp_path / "y.ttl").write_text(text.replace("@en ;", "@de ;"), encoding="utf-8")
    with pytest.raises(ValueError, match="in it and en"):
        read(tmp_path / "y.ttl")


def test_money_disbursed_by_city_adds_up(client: FlaskClient, releases: Path) -> None:
    _, rows = ask(client, named("money-disbursed-by-city").query)
    expected: dict[str, Decimal] = {}
    with Listing(releases / "current") as listing:
        for row in listing.all(Wanted()):
            if row.city and row.disbursed_amount:
                expected[row.city] = expected.get(row.city, Decimal(0)) + Decimal(row.disbursed_amount)
    assert {row["city"]["value"]: Decimal(row["disbursed"]["value"]) for row in rows} == expected
    assert expected["Genova"] == Decimal("2401118.09") + Decimal("100000.01")


def test_more_disbursed_than_committed(client: FlaskClient) -> None:
    _, rows = ask(client, named("disbursed-more-than-committed").query)
    excess = {row["operation"]["value"].rpartition("/")[2]: Decimal(row["excess"]["value"]) for row in rows}
    assert excess == {"GE2.2.1.b": Decimal("90667.49")}


def test_values_withheld_with_a_suggestion(client: FlaskClient) -> None:
    _, rows = ask(client, named("values-withheld-with-suggestion").query)
    found = {(row["operation"]["value"].rpartition("/")[2], row["field"]["value"]): row for row in rows}
    genova = found["GE2.2.1.b", "start_date"]
    assert (genova["written"]["value"], genova["suggestion"]["value"]) == ("15-03-0020", "2020-03-15")


def test_cups_with_several_operations_and_projects_with_several_bodies(client: FlaskClient) -> None:
    _, cups = ask(client, named("cups-with-several-operations").query)
    assert [(row["cup"]["value"], row["sheets"]["value"]) for row in cups] == [("B31C20999990006", "2")]
    _, projects = ask(client, named("projects-with-several-bodies").query)
    ours = next(row for row in projects if row["operation"]["value"].endswith("GE2.2.1.z"))
    assert set(ours["names"]["value"].split(", ")) == {"Comune di Genova", "Regione Liguria"}


def test_where_an_amount_was_read_gives_the_line(client: FlaskClient) -> None:
    _, rows = ask(client, named("where-an-amount-was-read").query)
    ours = next(row for row in rows if row["operation"]["value"].endswith("GE2.2.1.z"))
    line = SHEET.splitlines().index("Importo Erogato: € 100.000,01") + 1
    assert (ours["written"]["value"], ours["place"]["value"]) == ("€ 100.000,01", f"line {line}")
