"""The HTML pages over a real release, built by the `cupola` command from the example sheets and a few of our own."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
from collections.abc import Callable
from html import unescape
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import pytest
from flask.testing import FlaskClient

from endpoint import create_app
from endpoint.settings import Settings
from endpoint.terms import NAMESPACES, Links

PAGES = ["/", "/projects", "/projects?q=autobus", "/quality", "/queries", "/sparql", "/onto/"]
GENOVA = "/doc/operation/ponmetro/GE2.2.1.b"
HOSTILE = "<script>alert(1)</script> & \"altro\" 'ancora'"
VOID = {"meta", "link", "input", "br", "use", "rect", "img", "hr"}

# A sheet whose text is markup, and one that shares its CUP with it.
SHEETS = {
    "XX1.1.1.a.txt": f"""{HOSTILE}

Descrizione dell'intervento

Prima <b>riga</b> & seconda.

Città: Bologna
Codice Progetto: XX1.1.1.a
Azione: Azione 1.1.1
Soggetto attuatore: <i>Ente</i> di prova
Codice Unico Progetto - CUP: B31C20999990006
Data inizio: 01-02-2021
Data fine: 30-06-2022
Importo Programmato: € 1.234.567,89
Importo Ammesso A Finanziamento: € 0,10
Importo Giuridicamente Vincolante: € 0,10
Importo Erogato: € 0,00
""",
    "vuoto.txt": "",
}


class Page(HTMLParser):
    """What a test asks of a page: its elements with their attributes, the text, and whether the tags nest."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.faults: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        self.faults += [f"<{tag}> left open" for tag in self.open]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.faults.append(f"</{tag}> out of place")

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("script", "style"):
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    def ids(self) -> list[str]:
        return [value for _, attributes in self.elements if (value := attributes.get("id"))]


@pytest.fixture(scope="module")
def releases(cupola: Callable[..., Any], examples: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    sheets = tmp_path_factory.mktemp("sheets")
    for name, text in SHEETS.items():
        (sheets / name).write_text(text, encoding="utf-8")
    folder = tmp_path_factory.mktemp("releases")
    done = cupola("build", examples, sheets, "--releases", folder, cwd=sheets)
    assert done.returncode == 1, done.stderr  # there are problems, on purpose
    return folder


def get(client: FlaskClient, address: str, language: str | None = None) -> str:
    headers = {"Accept": "text/html"} | ({"Accept-Language": language} if language else {})
    answer = client.get(address, headers=headers)
    assert answer.status_code == 200, f"{address}: {answer.status}"
    return answer.get_data(as_text=True)


def crawl(client: FlaskClient, start: str) -> dict[str, str]:
    """Every page of ours that can be reached from one, with its text; a link that leads nowhere fails."""
    found: dict[str, str] = {}
    waiting = [start]
    while waiting:
        address = waiting.pop()
        if address in found:
            continue
        answer = client.get(address, headers={"Accept": "text/html"}, follow_redirects=True)
        assert answer.status_code == 200, f"{address}: {answer.status}"
        if answer.mimetype != "text/html":
            found[address] = ""
            answer.close()
            continue
        found[address] = answer.get_data(as_text=True)
        answer.close()
        for tag in ("a", "link"):
            for attributes in Page(found[address]).all(tag):
                parts = urlsplit(urljoin(address, attributes.get("href") or ""))
                if not parts.netloc:
                    waiting.append(parts.path + (f"?{parts.query}" if parts.query else ""))
    return found


@pytest.fixture(scope="module")
def site(client: FlaskClient) -> dict[str, str]:
    """Every page in English, and every file they link to (as an empty text)."""
    return {address: text for address, text in crawl(client, "/?lang=en").items() if text}


def test_every_link_leads_somewhere_and_every_kind_of_page_is_reached(site: dict[str, str]) -> None:
    kinds = {re.sub(r"\?.*", "", address).split("/")[2] for address in site if address.startswith("/doc/")}
    assert kinds >= {"operation", "project", "cup", "agent", "action", "programme", "sheet", "problem", "thematic-area"}
    assert {urlsplit(a).path for a in site} >= {urlsplit(p).path for p in PAGES}


def test_pages_are_well_formed_and_accessible(site: dict[str, str]) -> None:
    for address, text in site.items():
        page = Page(text)
        assert not page.faults, (address, page.faults)
        assert len(page.all("h1")) == len(page.all("main")) == 1, address
        assert len(page.ids()) == len(set(page.ids())), (address, "an id twice")
        assert page.all("a")[0]["class"] == "skip", address
        assert page.all("a")[0]["href"] == "#content", address
        assert len(page.all("table")) == len(page.all("caption")), address
        assert all("scope" in th for th in page.all("th")), address
        labelled = {attributes.get("for") for attributes in page.all("label")}
        named = [e for tag in ("input", "select", "textarea") for e in page.all(tag) if e.get("type") != "hidden"]
        assert {element["id"] for element in named} <= labelled, address
        for attribute in ("aria-labelledby", "aria-describedby"):
            wanted = {attributes[attribute] for _, attributes in page.elements if attribute in attributes}
            assert wanted <= set(page.ids()), (address, attribute)
        levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch("h[1-6]", tag)]
        assert all(after <= before + 1 for before, after in pairwise(levels)), (address, levels)


def test_links_to_places_inside_a_page_have_their_place(site: dict[str, str]) -> None:
    for address, text in site.items():
        page = Page(text)
        inside = {h[1:] for a in page.all("a") if (h := a.get("href") or "").startswith("#")}
        assert inside <= set(page.ids()), address


def test_nothing_in_a_page_needs_more_than_the_content_security_policy_gives(site: dict[str, str]) -> None:
    for address, text in site.items():
        page = Page(text)
        for tag, attributes in page.elements:
            assert tag != "style", address
            assert "style" not in attributes, address
            assert not [name for name in attributes if name.startswith("on")], address
            if tag == "script":
                assert attributes.get("type") == "application/ld+json" or attributes.get("src"), address
            loaded = attributes.get("src") or (attributes.get("href") if tag in ("use", "link") else None)
            if loaded and not (tag == "link" and attributes.get("rel") in ("canonical", "alternate", "describedby")):
                assert loaded.startswith("/static/"), (address, loaded)


def test_links_keep_the_language_that_was_asked_for(site: dict[str, str]) -> None:
    for address, text in site.items():
        for link in Page(text).all("a"):
            parts = urlsplit(link["href"] or "")
            machine = (
                parts.path.startswith(("/data/", "/copy/", "/onto.", "/onto/context."))
                or parts.netloc
                or not parts.path
            )
            assert machine or "lang=" in parts.query, (address, link["href"])


@pytest.mark.parametrize("address", [*PAGES, GENOVA])
def test_the_browser_decides_the_language_until_the_address_does(client: FlaskClient, address: str) -> None:
    sep = "&" if "?" in address else "?"
    for header, asked, expected in [
        (None, None, "it"),
        ("en-GB,en;q=0.9", None, "en"),
        ("de", None, "it"),
        ("en", "it", "it"),
        ("it", "en", "en"),
        ("en", "fr", "en"),
    ]:
        text = get(client, address + (f"{sep}lang={asked}" if asked else ""), header)
        assert Page(text).all("html")[0]["lang"] == expected


def test_pages_set_no_cookie_and_say_they_vary(client: FlaskClient) -> None:
    answer = client.get("/", headers={"Accept-Language": "en"})
    assert "Set-Cookie" not in answer.headers
    assert "Accept-Language" in answer.headers["Vary"]
    assert answer.headers["Content-Language"] == "en"


def test_the_page_of_an_operation_tells_a_citizen_everything(client: FlaskClient) -> None:
    text = Page(get(client, f"{GENOVA}?lang=it")).text
    for words in [
        "Autobus puntuali in Val Bisagno",
        "Genova provincia: Genova regione: Liguria",
        "Soggetto attuatore Comune di Genova",
        "Responsabile unico del procedimento (RUP) Ottavio Parodi Serra",
        "2.400.000,00 €",
        "2.350.000,00 € 97,9 %",
        "2.310.450,60 € 96,3 %",
        "2.401.118,09 €",
        "La fonte scrive «15-03-0020»: non è pubblicato. Forse è 15 marzo 2020: è solo un suggerimento, non applicato.",
        "31 dicembre 2022",
        "il CUP B31C20999990006 è del 2020",
        "GE2.2.1.b.txt, riga 39",
        "https://w3id.org/italia/PublicInvestment/data/CUP/B31C20999990006",
        "https://opencup.gov.it/portale/progetto/-/cup/B31C20999990006",
        "Data inizio 15-03-0020 riga 39",
    ]:
        assert words in text, words


def test_the_page_of_an_operation_in_english(client: FlaskClient) -> None:
    text = Page(get(client, f"{GENOVA}?lang=en")).text
    for words in [
        "€2,350,000.00 97.9%",
        "The source says “15-03-0020”: not published. It may be 15 March 2020: only a suggestion, not applied.",
        "31 December 2022",
        "line 39",
        "is of 2020",
    ]:
        assert words in text, words


def test_texts_in_another_language_than_the_page_are_marked(client: FlaskClient) -> None:
    page = Page(get(client, f"{GENOVA}?lang=en"))
    assert page.all("h1")[0].get("lang") == "it"
    assert Page(get(client, f"{GENOVA}?lang=it")).all("h1")[0].get("lang") is None


def test_the_page_offers_its_data_and_they_are_there(client: FlaskClient) -> None:
    page = Page(get(client, GENOVA))
    offered = {a["type"]: a["href"] for a in page.all("link") if a.get("rel") == "alternate" and a.get("type")}
    assert set(offered) == {"text/turtle", "application/ld+json", "application/rdf+xml", "application/n-triples"}
    for media_type, href in offered.items():
        assert client.get(href or "").mimetype == media_type
    assert {a["href"] for a in page.all("a") if a.get("type")} == set(offered.values())
    canonical = [a["href"] for a in page.all("link") if a.get("rel") == "canonical"]
    assert canonical == ["https://w3id.org/cupola/id/operation/ponmetro/GE2.2.1.b"]


def test_bars_are_as_long_as_the_amounts_say(client: FlaskClient) -> None:
    bars = [float(a["width"] or "") for a in Page(get(client, GENOVA)).all("rect") if a.get("class") == "fill"]
    assert bars == [99.95, 97.87, 96.22, 100.0]


def test_the_page_of_a_cup_shows_every_operation_of_it(client: FlaskClient) -> None:
    page = Page(get(client, "/doc/project/B31C20999990006?lang=it"))
    assert "2 schede riguardano questo progetto" in page.text
    assert "Autobus puntuali in Val Bisagno" in page.text
    assert HOSTILE in page.text
    assert "1.234.567,89 €" in page.text
    assert "«20», dicono l’anno della decisione: 2020" in page.text
    assert "Dove le fonti discordano title: le fonti discordano sul CUP B31C20999990006" in page.text
    assert "Contratti Fornitura di apparati per il controllo della flotta" in page.text


def test_an_operation_of_the_recovery_plan_shows_its_own_stages(client: FlaskClient) -> None:
    text = Page(get(client, "/doc/operation/example-pnrr/PRJ99999-1?lang=it")).text
    assert "Finanziato il finanziamento di tutte le fonti 252.118,00 €" in text
    assert "Pagato i pagamenti rilevati, da tutte le fonti 102.347,20 € 40,6 %" in text
    assert "Programmato" not in text


def test_markup_in_the_data_is_shown_not_obeyed(site: dict[str, str]) -> None:
    shown = [address for address, text in site.items() if HOSTILE in Page(text).text]
    assert {"/projects?lang=en", "/doc/operation/ponmetro/XX1.1.1.a?lang=en"} <= set(shown)
    for address, text in site.items():
        assert "<script>alert" not in text, address
        assert "<b>riga" not in text, address
        assert "<i>Ente" not in text, address


def test_what_is_no_web_address_becomes_no_link() -> None:
    links = Links("https://w3id.org/cupola/")
    assert links.href("javascript:alert(1)") is None
    assert links.href("urn:x") is None
    assert links.href("https://w3id.org/cupola/id/cup/X?a b") == "/doc/cup/X%3Fa%20b"
    assert links.href(NAMESPACES["cupola"] + "cup") == "/onto/#cup"
    assert links.href("https://w3id.org/cupola/copy/0a?x/../b") == "/copy/0a%3Fx/../b"


def test_home_gives_the_numbers_of_the_release(client: FlaskClient, releases: Path) -> None:
    manifest = json.loads((releases / "current" / "manifest.json").read_text())
    text = Page(get(client, "/?lang=en")).text
    assert f"{manifest['triples']:,} linked facts" in text
    sheets = [s for s in manifest["sources"] if s["id"] in manifest["mappings"]]
    assert f"{sum(s['published'] for s in sheets)} projects" in text
    assert f"Errors: {manifest['problems']['violation']}" in text
    assert "CC BY 4.0" in text


def test_home_describes_the_release_to_search_engines(client: FlaskClient, releases: Path) -> None:
    text = get(client, "/?lang=en")
    found = re.search(r'<script type="application/ld\+json">(.*?)</script>', text, re.DOTALL)
    assert found
    dataset = json.loads(found[1])
    assert dataset["@type"] == "Dataset"
    assert dataset["version"] == (releases / "current").readlink().name


def test_the_curl_of_the_home_page_gives_turtle(client: FlaskClient) -> None:
    command = re.search(r"curl -L -H 'Accept: text/turtle' \S+?(/id/\S+?)\s", Page(get(client, "/")).text + " ")
    assert command
    answer = client.get(command[1], headers={"Accept": "text/turtle"}, follow_redirects=True)
    assert answer.mimetype == "text/turtle"
    assert "cupola/onto/" in answer.get_data(as_text=True)


def test_csv_has_every_project_found_with_exact_amounts(client: FlaskClient) -> None:
    answer = client.get("/projects.csv")
    rows = list(csv.DictReader(io.StringIO(answer.get_data(as_text=True))))
    genova = next(row for row in rows if row["local_code"] == "GE2.2.1.b")
    assert genova["iri"] == "https://w3id.org/cupola/id/operation/ponmetro/GE2.2.1.b"
    assert genova["disbursed_amount"] == "2401118.09"
    assert genova["start_date"] == ""
    assert "attachment" in answer.headers["Content-Disposition"]
    listed = re.search(r"(\d+) projects", Page(get(client, "/projects?lang=en")).text)
    assert listed
    assert len(rows) == int(listed[1])
    only = list(csv.DictReader(io.StringIO(client.get("/projects.csv?city=Genova").get_data(as_text=True))))
    assert only == [row for row in rows if row["city"] == "Genova"]


def test_quality_counts_what_the_manifest_declares(client: FlaskClient, releases: Path) -> None:
    declared = json.loads((releases / "current" / "manifest.json").read_text())["problems"]
    page = Page(get(client, "/quality?lang=en"))
    total = declared["violation"] + declared["warning"] + declared["info"]
    assert f"count the same {total} problems" in page.text
    assert len([a for a in page.all("article") if "problem" in (a.get("class") or "")]) == total
    for code, number in declared["codes"].items():
        filtered = Page(get(client, f"/quality?lang=en&code={code}"))
        assert f"{number} problem" in filtered.text
        assert len([a for a in filtered.all("article") if "problem" in (a.get("class") or "")]) == number
    assert "the document vuoto.txt" in page.text


def test_quality_pages_hold_every_problem_once_the_gravest_first(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cards(address: str) -> list[tuple[str, str]]:
        found = [a for a in Page(get(client, address)).all("article") if "problem" in (a.get("class") or "")]
        return [(a["id"] or "", (a["class"] or "").split()[1]) for a in found]

    whole = cards("/quality")
    ranks = [["violation", "warning", "info"].index(severity) for _, severity in whole]
    assert ranks == sorted(ranks)
    assert set(ranks) == {0, 1, 2}
    monkeypatch.setattr("endpoint.pages.PROBLEMS_PER_PAGE", 4)
    pages = [cards(f"/quality?page={n}") for n in range(1, -(-len(whole) // 4) + 1)]
    assert [len(page) for page in pages[:-1]] == [4] * (len(pages) - 1)
    assert sorted(card for page in pages for card in page) == sorted(whole)
    assert [s for page in pages for _, s in page] == [s for _, s in whole]


@pytest.mark.parametrize(
    "query", ["code=no.such", "severity=grave", "page=99", "page=x", "code=%22%7D%20%3Fs", "page=-1"]
)
def test_quality_takes_nonsense_for_nothing(client: FlaskClient, query: str) -> None:
    assert Page(get(client, f"/quality?{query}")).text == Page(get(client, "/quality")).text


def test_quality_says_so_when_the_counts_disagree(releases: Path, tmp_path: Path) -> None:
    name = (releases / "current").readlink().name
    shutil.copytree(releases / name, tmp_path / name)
    manifest = json.loads((tmp_path / name / "manifest.json").read_text())
    manifest["problems"]["violation"] += 40
    (tmp_path / name / "manifest.json").write_text(json.dumps(manifest))
    (tmp_path / "current").symlink_to(name)
    app = create_app(Settings(releases=tmp_path))
    try:
        assert "The counts disagree" in get(app.test_client(), "/quality?lang=en")
    finally:
        app.extensions["cupola"].close()


def test_an_error_is_a_page_in_the_reader_s_language(client: FlaskClient) -> None:
    answer = client.get("/doc/project/NOWHERE?lang=it", headers={"Accept": "text/html"})
    assert answer.status_code == 404
    page = Page(answer.get_data(as_text=True))
    assert not page.faults
    assert "Errore 404 Non trovato" in page.text


def test_an_error_without_a_release_is_still_a_page(tmp_path: Path) -> None:
    app = create_app(Settings(releases=tmp_path))
    answer = app.test_client().get("/", headers={"Accept": "text/html", "Accept-Language": "en"})
    assert answer.status_code == 503
    assert "No release of the data is published" in answer.get_data(as_text=True)


def test_the_query_page_holds_the_example_asked_for(client: FlaskClient) -> None:
    text = get(client, "/sparql?lang=en&example=bodies-by-number-of-projects")
    area = re.search(r"<textarea[^>]*>(.*?)</textarea>", text, re.DOTALL)
    assert area
    assert "RO:withRole cupola:ImplementingBody" in area[1]
    form = next(a for a in Page(text).all("form") if a.get("id") == "sparql")
    assert (form["method"], form["action"]) == ("get", "/sparql")


def test_the_query_form_works_without_a_script(client: FlaskClient) -> None:
    page = Page(get(client, "/sparql"))
    query = re.search(r"<textarea[^>]*>(.*?)</textarea>", get(client, "/sparql"), re.DOTALL)
    assert query
    formats = [a["value"] for a in page.all("option")]
    assert {"json", "csv", "turtle"} <= set(formats)
    # What a browser sends: the text of the area and the first format of the list, with its own Accept header.
    answer = client.get(
        "/sparql",
        query_string={"query": unescape(query[1]), "format": formats[0] or ""},
        headers={"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"},
    )
    assert answer.status_code == 200
    assert json.loads(answer.get_data())["results"]["bindings"]


def test_the_vocabulary_page_has_every_term_of_the_release(client: FlaskClient) -> None:
    page = Page(get(client, "/onto/?lang=it"))
    answer = client.get(
        "/sparql",
        query_string={
            "query": "SELECT DISTINCT ?t { ?t <http://www.w3.org/2000/01/rdf-schema#isDefinedBy> ?o "
            f"FILTER(STRSTARTS(STR(?t), '{NAMESPACES['cupola']}')) }}"
        },
        headers={"Accept": "application/sparql-results+json"},
    )
    terms = {
        row["t"]["value"].removeprefix(NAMESPACES["cupola"])
        for row in answer.get_json(force=True)["results"]["bindings"]
    }
    assert len(terms) > 20
    assert terms <= set(page.ids())
