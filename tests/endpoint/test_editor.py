"""The page of /sparql in a real browser: with YASGUI's editor where npm put it, with the plain form where not."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from endpoint import editor
from tests.endpoint.browser import Browser, chromium
from tests.endpoint.conftest import START, Server

LOCK = Path(editor.__file__).with_name("package-lock.json")
QUERY = "SELECT ?s ?o {{ ?s <https://w3id.org/italia/onto/Project/projectTitle> ?o }} ORDER BY ?s LIMIT {}"
needs_chromium = pytest.mark.skipif(chromium() is None, reason="needs Debian's chromium")
needs_editor = pytest.mark.skipif(not editor.available(), reason="needs the editor's files from npm: make editor")


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with Browser(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


def opened(browser: Browser, server: Server, lang: str, wait_for: str) -> None:
    """Open the page anew, with nothing noted of what was asked for before."""
    browser.addresses.clear()
    browser.complaints.clear()
    browser.open(f"{server.url}/sparql?lang={lang}")
    browser.wait(wait_for)


def rows(browser: Browser) -> list[str]:
    """The text of each row of results shown."""
    browser.wait("document.querySelector('#answer tbody td')")
    found: list[str] = browser.run("[...document.querySelectorAll('#answer tbody tr')].map(row => row.innerText)")
    return found


def nothing_from_elsewhere(browser: Browser, server: Server) -> None:
    assert {urlsplit(address).netloc for address in browser.addresses} == {urlsplit(server.url).netloc}
    assert not browser.complaints


def has_shown_the_results_of_a_typed_query(browser: Browser) -> None:
    """Type a query at the cursor, run it by the keyboard, see its rows."""
    browser.press("a", 65, modifiers=2)
    browser.write(QUERY.format(2))
    browser.press("Enter", 13, modifiers=2)
    assert len(rows(browser)) == 2


@needs_chromium
@needs_editor
@pytest.mark.parametrize(("lang", "words"), [("it", ("Tabella", "2 risultati")), ("en", ("Table", "2 results"))])
def test_a_query_typed_and_run_by_the_keyboard_shows_its_rows_in_the_editor(
    browser: Browser, server: Server, lang: str, words: tuple[str, str]
) -> None:
    opened(browser, server, lang, "document.querySelector('.CodeMirror')")
    browser.run("document.querySelector('.CodeMirror').CodeMirror.focus()")
    has_shown_the_results_of_a_typed_query(browser)
    header = browser.run("document.querySelector('.yasr_header').innerText")
    assert all(word in header for word in words)
    links = browser.run("[...document.querySelectorAll('#answer a.iri')].map(a => a.getAttribute('href'))")
    assert len(links) == 2
    assert all(link.startswith("/doc/") for link in links), "results lead to pages of this server"
    browser.run("document.querySelector('.CodeMirror').CodeMirror.focus()")
    browser.press("Tab", 9)
    assert browser.run("document.activeElement.id") == "format", "the editor lets the keyboard go on"
    nothing_from_elsewhere(browser, server)


@needs_chromium
@needs_editor
def test_prefixes_and_terms_are_completed_from_our_own_vocabulary(browser: Browser, server: Server) -> None:
    opened(browser, server, "en", "document.querySelector('.CodeMirror')")
    browser.wait("performance.getEntriesByType('resource').some(one => one.name.endsWith('/sparql/terms.json'))")
    for written, offered in (
        ("PREFIX cup", "cupola: <https://w3id.org/cupola/onto/>"),
        ("PREFIX cupola: <https://w3id.org/cupola/onto/> SELECT * { ?s a cupola:", "Operation"),
    ):
        browser.run("document.querySelector('.CodeMirror').CodeMirror.focus()")
        browser.press("a", 65, modifiers=2)
        browser.write(written)
        browser.wait("document.querySelector('.CodeMirror').CodeMirror.getValue() === " + json.dumps(written))
        browser.press(" ", 32, modifiers=2)
        browser.wait(f"document.querySelector('.CodeMirror-hints')?.innerText.includes({json.dumps(offered)})")
        browser.press("Escape", 27)
    nothing_from_elsewhere(browser, server)


@needs_chromium
@needs_editor
def test_a_column_made_wider_and_a_failure_break_no_rule_of_the_page(browser: Browser, server: Server) -> None:
    opened(browser, server, "it", "document.querySelector('.CodeMirror')")
    set_query = "document.querySelector('.CodeMirror').CodeMirror.setValue"
    browser.run(f"{set_query}({json.dumps(QUERY.format(5))}); document.getElementById('sparql').requestSubmit()")
    assert len(rows(browser)) == 5
    browser.run("document.querySelector('.yasr_btn.select_response').click()")
    browser.wait("document.querySelector('.yasr_results .CodeMirror')?.innerText.includes('bindings')")
    nothing_from_elsewhere(browser, server)
    browser.run(f"{set_query}('SELECT'); document.getElementById('sparql').requestSubmit()")
    browser.wait("document.querySelector('#answer .notice')")
    assert not [said for said in browser.complaints if "400" not in said]


@pytest.fixture(scope="module")
def bare(releases: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of a copy of the program without the editor's files, as on a machine without npm."""
    copy = tmp_path_factory.mktemp("bare")
    leave_out = shutil.ignore_patterns("node_modules", "__pycache__", editor.FOLDER.name)
    shutil.copytree(editor.FOLDER.parent.parent, copy / "endpoint", ignore=leave_out)
    shutil.copytree(LOCK.parent, copy / "endpoint" / "editor", ignore=leave_out)
    command = [sys.executable, "-c", START, str(releases), repr({"port": 0})]
    # With -c Python looks for its modules in the working folder first.
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=copy) as process:
        assert process.stdout is not None
        yield Server(process, process.stdout.readline().strip())
        process.kill()


@needs_chromium
def test_without_the_files_from_npm_the_form_shows_rows_all_the_same(browser: Browser, bare: Server) -> None:
    opened(browser, bare, "it", "document.readyState === 'complete'")
    assert browser.run("document.querySelectorAll('script[src]').length") == 1
    browser.run("document.getElementById('query').select()")
    browser.write(QUERY.format(3))
    browser.run("document.getElementById('sparql').requestSubmit()")
    assert len(rows(browser)) == 3
    assert browser.run("document.querySelector('#answer caption').innerText") == "3 righe"
    nothing_from_elsewhere(browser, bare)


def test_only_the_style_of_the_editors_page_is_freer_and_only_by_texts_that_are_known(server: Server) -> None:
    def rules(path: str) -> dict[str, str]:
        policy = server.get(path, "text/html").headers["Content-Security-Policy"]
        return {name: values for name, _, values in (rule.strip().partition(" ") for rule in policy.split(";"))}

    page, other = rules("/sparql"), rules("/queries")
    styles = page.pop("style-src").split() if editor.available() else ["'self'"]
    assert page == {name: value for name, value in other.items() if name in page}
    assert other.pop("style-src") == "'self'"
    assert styles[0] == "'self'"
    assert all(style.startswith("'sha256-") for style in styles[1:])


def test_the_terms_offered_are_those_of_the_vocabulary_and_the_shapes(server: Server) -> None:
    answer = server.get("/sparql/terms.json")
    assert answer.headers["ETag"]
    terms = answer.json()
    assert terms["prefixes"]["cupola"] == "https://w3id.org/cupola/onto/"
    assert "https://w3id.org/cupola/onto/Operation" in terms["classes"]
    assert all(iri.startswith("http") for iri in terms["classes"] + terms["properties"])


def test_the_locked_packages_are_free_and_named_without_a_place() -> None:
    lock = json.loads(LOCK.read_text(encoding="utf-8"))
    packages = {name: told for name, told in lock["packages"].items() if name}
    assert {"node_modules/@zazuko/yasqe", "node_modules/@zazuko/yasr"} <= packages.keys()
    free = {"MIT", "BSD-3-Clause", "CC0-1.0", "(CC-BY-4.0 AND MIT)", "(MPL-2.0 OR Apache-2.0)"}
    assert not {name: told.get("license") for name, told in packages.items() if told.get("license") not in free}
    assert not [name for name, told in packages.items() if "integrity" not in told]
    assert "resolved" not in json.dumps(lock)
