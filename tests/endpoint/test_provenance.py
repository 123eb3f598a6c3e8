"""What a page says, on request, of where each value was read: the trial release's AA1.1.1.b (data/provenance.trig)."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from flask.testing import FlaskClient

from endpoint.examples import example_named
from endpoint.provenance import COMPARED, SHOWN, Change, changes

if TYPE_CHECKING:
    from tests.endpoint.conftest import Server

OPERATION = "/doc/operation/prova/AA1.1.1.b"
VOID = {"meta", "link", "input", "br", "use", "rect", "img", "hr"}
PDF, PAGE = "schede/pista – città.pdf", "pista.html"


class Origins(HTMLParser):
    """The controls of a page: the element each stands in, and the text it holds, by what its summary says."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.texts: dict[str, str] = {}
        self.inside: dict[str, str] = {}
        self.links: dict[str, list[str]] = {}
        self._open: list[tuple[str, str | None]] = []
        self._pieces: list[str] | None = None
        self._hrefs: list[str] = []
        self._parent = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = dict(attrs)
        if tag == "details" and told.get("class") == "origin":
            assert "open" not in told
            self._parent = self._open[-1][0]
            self._pieces, self._hrefs = [], []
        if tag == "a" and self._pieces is not None:
            self._hrefs.append(told.get("href") or "")
        if tag not in VOID:
            self._open.append((tag, told.get("class")))

    def handle_endtag(self, tag: str) -> None:
        if tag in ("dt", "li") and self._pieces is not None:
            self._pieces.append(" ")
        if tag in VOID:
            return
        _, kind = self._open.pop()
        if tag == "details" and kind == "origin":
            name, _, text = " ".join("".join(self._pieces or []).split()).partition(": ")
            assert name not in self.texts, f"two controls of one name: {name}"
            self.texts[name], self.inside[name], self.links[name] = text, self._parent, self._hrefs
            self._pieces = None

    def handle_data(self, data: str) -> None:
        if self._pieces is not None:
            self._pieces.append(data)


def origins(client: FlaskClient, language: str, address: str = OPERATION) -> Origins:
    answer = client.get(f"{address}?lang={language}", headers={"Accept": "text/html"})
    assert answer.status_code == 200
    return Origins(answer.get_data(as_text=True))


@pytest.mark.parametrize(
    ("language", "name", "told"),
    [
        ("it", "Importo programmato", "fonte Valore nella fonte Euro 1.001.000,00 Voce nella fonte Importo Programmato "
         f"Posto {PDF}, pagina 2, riga 2 · questa lettura come dato Pubblicato come 1001000"),
        ("en", "Programmed amount", "source Text in the source Euro 1.001.000,00 Label in the source "
         f"Importo Programmato Place {PDF}, page 2, line 2 · this reading as data Published as 1001000"),
        ("it", "Data d’inizio", "fonte Valore nella fonte 1 febbraio 2021 Voce nella fonte Data di inizio lavori "
         f"Posto {PAGE}, elemento /html/body/dl/dd[2] · questa lettura come dato Pubblicato come 2021-02-01"),
        ("en", "City", "source Text in the source Castel Ponente Label in the source comune "
         "Place pista.json, JSON pointer /progetti/0/comune · this reading as data "
         "Published as Castel Ponente https://example.org/register/010001"),
        ("it", "Finanziamento per fonte e anno, riga 1", "fonte Valore nella fonte PON Metro Voce nella fonte Fonte "
         "Posto pista.xlsx, cella Quadro economico!A2 · questa lettura come dato "
         "Valore nella fonte 600.000,00 Voce nella fonte Importo "
         "Posto pista.xlsx, cella Quadro economico!C2 · questa lettura come dato"),
    ],
)  # fmt: skip
def test_each_value_tells_what_was_read_where_and_what_became_of_it(
    client: FlaskClient, language: str, name: str, told: str
) -> None:
    assert origins(client, language).texts[name] == told


def test_of_several_sheets_each_reading_says_which(client: FlaskClient) -> None:
    title = origins(client, "en").texts["Title"]
    assert f"Place {PDF}, page 1, lines 3–4" in title
    assert f"Place {PAGE}, metadata: JSON-LD 1, name" in title
    assert title.endswith("It is published as it is written, but for spaces and line breaks.")


def test_what_was_normalised_is_said_in_the_words_of_its_problem(client: FlaskClient) -> None:
    cup = origins(client, "en").texts["CUP"]
    assert "CUP X21 B210 0001 0006" in cup
    assert "Published as X21B210000010006" in cup
    assert 'Note "CUP X21 B210 0001 0006" was written in the official form X21B210000010006' in cup
    assert "Nota «CUP X21 B210 0001 0006» è stato scritto" in origins(client, "it").texts["CUP"]


def test_of_a_text_the_words_that_were_changed_are_told(client: FlaskClient) -> None:
    told = origins(client, "en").texts["Description"]
    assert told.endswith("Changed in what is published: concIuso → concluso I'anno - → l'anno —")


def test_a_problem_of_one_row_is_told_at_that_row_with_suggestion_and_reason(client: FlaskClient) -> None:
    told = origins(client, "en").texts
    assert 'Warning "401.000,00" is to be checked It may be €410,000.00' in told["Funding by source and year, row 2"]
    assert told["Funding by source and year, row 2"].endswith("Reason: two figures swapped")
    assert "Warning" not in told["Funding by source and year, row 1"]


def test_a_value_that_was_read_and_not_published_says_so_and_why(client: FlaskClient) -> None:
    told = origins(client, "en").texts["End date"]
    assert "It is not published." in told
    assert 'Error "31/02/2023" does not exist in the calendar' in told


def test_file_copies_and_readings_are_linked_where_there_are_copies(client: FlaskClient) -> None:
    links = origins(client, "en").links
    assert [href.startswith("/copy/") for href in links["Programmed amount"]] == [True, False]
    for href in links["Programmed amount"]:
        with client.get(href, headers={"Accept": "text/html"}) as answer:
            assert answer.status_code == 200
    # Of the JSON file there is no copy: its name leads nowhere.
    assert links["City"][0].startswith("/doc/sheet/prova/AA1.1.1.b-json/field/city")


def test_a_control_stands_where_a_browser_leaves_it(client: FlaskClient) -> None:
    """Not in a heading, nor in a paragraph, which a browser would end before it."""
    inside = set(origins(client, "en").inside.values())
    assert inside <= {"dd", "div", "td", "th", "article", "section"}


def test_rows_that_became_nothing_of_their_name_are_shown_as_they_were_read(client: FlaskClient) -> None:
    answer = client.get(f"{OPERATION}?lang=en", headers={"Accept": "text/html"})
    text = " ".join(re.sub(r"<[^>]+>", " ", answer.get_data(as_text=True)).split())
    assert "Timetable: as the source has it Row Phase Planned end source 1 Progettazione 30/06/2021" in text
    told = origins(client, "en").texts["Timetable, row 1"]
    assert "30/06/2021 Label in the source fine prevista Place pista.json, JSON pointer /progetti/0/fasi/0/fine" in told


def test_an_operation_no_sheet_tells_of_has_no_controls(client: FlaskClient) -> None:
    found = origins(client, "en", "/doc/operation/prova/AA4.1.1.a").texts
    assert not found  # its one reading has no field


def test_the_page_of_a_sheet_has_its_document_and_its_readings_in_order(client: FlaskClient) -> None:
    answer = client.get("/doc/sheet/prova/AA1.1.1.b-pdf?lang=it", headers={"Accept": "text/html"})
    text = " ".join(re.sub(r"<[^>]+>", " ", answer.get_data(as_text=True)).split())
    for words in [
        "Tipo PDF, application/pdf",
        "Dimensione 2.213 byte",
        "Scaricato 1 gennaio 2026",
        "Da dove https://example.org/pista/scheda?formato=pdf",
        "c0603a1d2a9e26007c86da851471042f8f04c5662931f1900f0b5a363f1f9b13",
        f"Documento {PDF} · copia del documento, com’è stato letto",
    ]:
        assert words in text, words
    places = re.findall(r"pagina \d, righ?[ea] [\d–]+", text)
    assert places == ["pagina 1, righe 3–4", "pagina 2, riga 2", "pagina 2, riga 4", "pagina 2, righe 6–7"]


def test_the_data_of_a_sheet_lead_to_its_copy(server: Server) -> None:
    things = server.get("/data/sheet/prova/AA1.1.1.b-html.jsonld").json()["@graph"]
    sheet = next(each for each in things if each["id"] == "https://w3id.org/cupola/id/sheet/prova/AA1.1.1.b-html")
    path = sheet["contentUrl"].removeprefix("https://w3id.org/cupola")
    assert server.get(path).content.startswith(b"<!doctype html>")


def test_what_the_page_says_one_query_says_too(client: FlaskClient) -> None:
    example = example_named("where-a-value-was-read")
    assert example
    query = example.query.replace("TO1.1.1.e", "AA1.1.1.b")
    answer = client.post("/sparql", data={"query": query}, headers={"Accept": "application/sparql-results+json"})
    rows = [{n: t["value"] for n, t in r.items()} for r in json.loads(answer.get_data())["results"]["bindings"]]
    assert {row["field"] for row in rows} >= {"title", "cup", "city", "documents", "financing.amount"}
    page = origins(client, "en")
    whole = " ".join(page.texts.values())
    for row in rows:
        for name in ("label", "file", "note", "reason"):
            assert row.get(name, "") in whole, row
        assert " ".join(row["written"].split()) in whole, row
    copies = {row["copy"].rpartition("/")[2] for row in rows if "copy" in row}
    assert {h.rpartition("/")[2] for links in page.links.values() for h in links if h.startswith("/copy/")} == copies


def test_a_browser_has_every_control_closed_and_in_its_place(
    server: Server, client: FlaskClient, tmp_path: Path
) -> None:
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("needs Debian's chromium")
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
             "--disable-component-update", "--disable-sync", f"--user-data-dir={tmp_path}"]  # fmt: skip
    command = [chromium, *flags, "--dump-dom", f"{server.url}{OPERATION}?lang=it"]
    page = subprocess.run(command, capture_output=True, text=True, timeout=90, check=True).stdout
    found, sent = Origins(page), origins(client, "it")
    assert found.texts
    assert (found.texts, found.inside) == (sent.texts, sent.inside)


# --- what differs between two texts ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("uno due tre", "uno due tre", []),
        ("uno  due\n\ntre", "uno due tre", []),
        ("uno deIl'due tre", "uno dell'due tre", [Change("deIl'due", "dell'due")]),
        ("uno due tre", "uno tre", [Change("due", "")]),
        ("uno tre", "uno due tre", [Change("", "due")]),
        ("a uno b due c", "a UNO b DUE c", [Change("uno", "UNO"), Change("due", "DUE")]),
        ("", "uno", [Change("", "uno")]),
        ("x " * 5000 + "I'area " + "y " * 5000, "x " * 5000 + "l'area " + "y " * 5000, [Change("I'area", "l'area")]),
    ],
)
def test_a_long_text_tells_the_words_that_were_changed(before: str, after: str, told: list[Change]) -> None:
    assert changes(before, after) == told


def test_texts_that_differ_in_too_many_places_are_not_compared_word_by_word() -> None:
    many = " ".join(f"{n} same" for n in range(SHOWN + 1))
    assert changes(many, re.sub(r"\d+", "x", many)) is None
    assert changes("a " * (COMPARED + 1), "b " * (COMPARED + 1)) is None
    assert changes("a " * COMPARED, "b " * COMPARED) is not None
