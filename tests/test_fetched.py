"""From a site to a release: sheets are fetched, published with their address, and known to be gone when they are."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pyoxigraph as ox
import pytest

from tests.conftest import Cupola
from tests.etl.fetch_site import Page, Site, running

SHEET = """<!DOCTYPE html><html lang="it"><body><nav>Home</nav><main><h1>{title}</h1>
<dl><dt>Città</dt><dd>Torino</dd><dt>Codice progetto</dt><dd>{code}</dd><dt>CUP</dt><dd>{cup}</dd>
<dt>Documenti</dt><dd><a href="/atti/{code}.pdf">Progetto</a></dd></dl></main></body></html>"""
ORTI = SHEET.format(title="Orti di quartiere", code="TO1.1.1.a", cup="C19J21999990008")
CASE = SHEET.format(title="Case più calde", code="TO1.1.1.b", cup="C19J21999991008")
PROV = "http://www.w3.org/ns/prov#"
Run = Callable[..., dict[str, Any]]


@pytest.fixture
def site() -> Iterator[Site]:
    """A site with two sheets, one of them in the encoding its HTTP header names."""
    with running() as served:
        served.pages["/progetti/orti"] = Page(ORTI.encode())
        served.pages["/progetti/case"] = Page(CASE.encode("cp1252"), "text/html; charset=iso-8859-1")
        yield served


@pytest.fixture
def run(site: Site, tmp_path: Path, cupola: Cupola) -> Run:
    """`cupola … --json` in a folder of its own, which may ask the local site; gives what it printed."""
    allowed = {"CUPOLA_FETCH_ALLOW": "127.0.0.1", "CUPOLA_FETCH_PORTS": str(site.port), "CUPOLA_FETCH_DELAY": "0"}

    def told(*arguments: str, code: int = 0) -> dict[str, Any]:
        ended = cupola(*arguments, "--json", cwd=tmp_path, **allowed)
        assert ended.returncode == code, ended.stderr
        found: dict[str, Any] = json.loads(ended.stdout)
        return found

    return told


def both(site: Site) -> list[str]:
    return [site.url(path, "127.0.0.1") for path in ("/progetti/orti", "/progetti/case")]


def test_what_was_fetched_is_published_with_its_address_and_then_gone(site: Site, run: Run, tmp_path: Path) -> None:
    assert run("fetch", "--source", "ponmetro", *both(site))["counts"] == {"got": 2}
    first = run("build", "fetched")
    assert first["sources"][0]["published"] == 2
    assert {entry["url"] for entry in first["inputs"]} == set(both(site))
    store = ox.Store.read_only(str(tmp_path / "releases" / "current" / "store"))
    sheet = ox.NamedNode(f"{first['base']}id/sheet/ponmetro/TO1.1.1.b")
    (origin,) = store.quads_for_pattern(sheet, ox.NamedNode(f"{PROV}hadPrimarySource"), None, ox.DefaultGraph())
    assert origin.object == ox.NamedNode(both(site)[1])
    (when,) = store.quads_for_pattern(sheet, ox.NamedNode(f"{PROV}generatedAtTime"), None, ox.DefaultGraph())
    assert isinstance(when.object, ox.Literal)
    assert when.object.value.endswith("Z")
    operation = ox.NamedNode(f"{first['base']}id/operation/ponmetro/TO1.1.1.b")
    found = {quad.object for quad in store.quads_for_pattern(operation, None, None, ox.DefaultGraph())}
    assert ox.Literal("Case più calde", language="it") in found  # decoded as HTTP said
    assert ox.NamedNode(site.url("/atti/TO1.1.1.b.pdf", "127.0.0.1")) in found  # relative to where the page was
    del store

    assert run("build", "fetched")["id"] == first["id"]  # nothing changed
    del site.pages["/progetti/case"]
    assert run("fetch", "--source", "ponmetro", *both(site))["counts"] == {"unchanged": 1, "vanished": 1}
    second = run("build", "fetched")
    assert second["sources"][0]["published"] == 1
    with closing(sqlite3.connect(tmp_path / "releases" / "current" / "search.sqlite")) as base:
        told = dict(base.execute("SELECT path, last FROM gone"))
    assert told["id/operation/ponmetro/TO1.1.1.b"] == first["id"]


def test_a_page_that_cannot_be_had_is_told_and_the_rest_is_got(site: Site, run: Run) -> None:
    report = run("fetch", *both(site), site.url("/nothing", "127.0.0.1"), "http://169.254.169.254/", code=1)
    assert report["counts"]["got"] == 2
    assert [outcome["kind"] for outcome in report["outcomes"][2:]] == ["failed", "refused"]
