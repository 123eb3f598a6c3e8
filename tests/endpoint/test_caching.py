"""Validators: whoever has an answer is told 304 until there is a new release, which changes the validator."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest

from endpoint import create_app
from endpoint.settings import Settings
from tests.endpoint.conftest import build_release

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from flask.testing import FlaskClient
    from werkzeug.test import TestResponse

    from tests.endpoint.conftest import Build

HTML, TURTLE = "text/html", "text/turtle"
#: Everything that is tied to the release, with what to accept; of some the second release says nothing else.
ROUTES = [
    ("/", HTML), ("/projects", HTML), ("/projects?q=biblioteca", HTML), ("/projects.csv", "*/*"), ("/quality", HTML),
    ("/queries", HTML), ("/onto/", HTML), ("/onto/", TURTLE), ("/onto.ttl", "*/*"), ("/onto/context.jsonld", "*/*"),
    ("/shapes/", TURTLE), ("/doc/operation/prova/AA1.1.1.a", HTML), ("/data/operation/prova/AA1.1.1.a.ttl", "*/*"),
    ("/data/operation/prova/AA1.1.1.a", "application/ld+json"), ("/catalog", TURTLE),
    ("/catalog", "application/n-triples"),
    ("/.well-known/void", TURTLE), ("/.well-known/api-catalog", "*/*"), ("/sparql", TURTLE), ("/dumps/", "*/*"),
    ("/dumps/SHA256SUMS", "*/*"), ("/dumps/data/prova.nq.gz", "*/*"), ("/dumps/catalog.ttl", "*/*"),
    ("/sitemap.xml", "*/*"), ("/sitemap-data.xml", "*/*"), ("/robots.txt", "*/*"),
]  # fmt: skip
#: What stays as it is when only the title of a project changes: a validator that changed would be a lie, or a waste.
SAME = {"/robots.txt", "/.well-known/api-catalog", "/dumps/catalog.ttl"}


def got(client: FlaskClient, path: str, headers: dict[str, str] | None = None) -> TestResponse:
    """An answer read to its end: a file that is sent stays open until then."""
    return client.get(path, headers=headers, buffered=True)


def varies(answer: TestResponse) -> set[str]:
    """The headers of a request that an answer depends on."""
    return {name.strip() for name in answer.headers.get("Vary", "").split(",") if name}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of releases of this module's own."""
    return tmp_path_factory.mktemp("releases")


@pytest.fixture(scope="module")
def answers(folder: Path) -> Iterator[tuple[FlaskClient, dict[tuple[str, str], list[TestResponse]]]]:
    """Each route's answer over two releases, the second with another title, from one application."""
    build_release(folder, "2026-01-01T000000Z")
    (folder / "current" / "shapes.ttl").write_text("<http://e/a> a <http://e/Shape> .")
    app = create_app(Settings(releases=folder))
    client = app.test_client()
    found = {route: [got(client, route[0], headers={"Accept": route[1]})] for route in ROUTES}
    second = build_release(folder, "2036-01-02T000000Z", title="Un altro titolo")
    (second / "shapes.ttl").write_text("<http://e/a> a <http://e/Shape> .")
    deadline = time.monotonic() + 20
    while got(client, "/robots.txt").headers["X-Cupola-Release"] != "2036-01-02T000000Z":
        assert time.monotonic() < deadline
        time.sleep(0.1)
    for route in ROUTES:
        found[route].append(got(client, route[0], headers={"Accept": route[1]}))
    yield client, found
    app.extensions["cupola"].close()


@pytest.mark.parametrize("route", ROUTES, ids=" ".join)
def test_whoever_has_it_is_told_so_until_the_release_changes(
    route: tuple[str, str], answers: tuple[FlaskClient, dict[tuple[str, str], list[TestResponse]]]
) -> None:
    client, found = answers
    path, accept = route
    old, new = found[route]
    assert (old.status_code, new.status_code) == (200, 200)
    for has in ({"If-None-Match": new.headers["ETag"]}, {"If-Modified-Since": new.headers["Last-Modified"]}):
        told = got(client, path, headers={"Accept": accept, **has})
        assert told.status_code == 304, has
        assert not told.data
        assert told.headers["ETag"] == new.headers["ETag"]
        assert varies(new) <= varies(told)
    stale = got(client, path, headers={"Accept": accept, "If-None-Match": old.headers["ETag"]})
    if path in SAME:
        assert stale.status_code == 304
    else:
        assert stale.status_code == 200
        assert stale.data == new.data
    head = client.head(path, headers={"Accept": accept}, buffered=True)
    assert head.headers["ETag"] == new.headers["ETag"]
    before = got(client, path, headers={"Accept": accept, "If-Modified-Since": old.headers["Last-Modified"]})
    assert before.status_code == 200, "a new release is newer than the old one"
    expected = "public, max-age=3600" if path == "/onto/context.jsonld" else "no-cache"
    assert new.headers["Cache-Control"] == expected


@pytest.mark.parametrize("path", ["/", "/projects", "/quality", "/queries", "/onto/", "/doc/operation/prova/AA1.1.1.a"])
def test_a_page_in_another_language_is_another_answer(path: str, client: FlaskClient) -> None:
    pages = [got(client, path, headers={"Accept": HTML, "Accept-Language": language}) for language in ("it", "en")]
    assert pages[0].headers["ETag"] != pages[1].headers["ETag"]
    assert all("Accept-Language" in page.headers["Vary"] for page in pages)
    crossed = got(
        client, path, headers={"Accept": HTML, "Accept-Language": "en", "If-None-Match": pages[0].headers["ETag"]}
    )
    assert crossed.status_code == 200


@pytest.mark.parametrize(
    "path", ["/catalog", "/.well-known/void", "/sparql", "/onto/", "/data/operation/prova/AA1.1.1.a"]
)
def test_data_in_another_format_is_another_answer(path: str, client: FlaskClient) -> None:
    forms = [got(client, path, headers={"Accept": accept}) for accept in (TURTLE, "application/ld+json")]
    assert forms[0].headers["ETag"] != forms[1].headers["ETag"]
    assert all("Accept" in form.headers["Vary"] for form in forms)


def test_errors_and_queries_are_not_kept(client: FlaskClient) -> None:
    missing = got(client, "/doc/operation/prova/none")
    assert (missing.status_code, missing.headers["Cache-Control"]) == (404, "no-store")
    assert "ETag" not in missing.headers
    answer = got(client, "/sparql?query=ASK%7B%7D")
    assert "ETag" not in answer.headers


def test_a_dump_that_did_not_change_keeps_its_date(tmp_path: Path, build: Build) -> None:
    folder = build(tmp_path)
    manifest = json.loads((folder / "manifest.json").read_text())
    iri = "https://w3id.org/cupola/graph/prova"
    (folder / "manifest.json").write_text(json.dumps(manifest | {"modified": {iri: "2020-01-01T00:00:00Z"}}))
    app = create_app(Settings(releases=tmp_path))
    client = app.test_client()
    assert got(client, "/dumps/data/prova.nq.gz").headers["Last-Modified"] == "Wed, 01 Jan 2020 00:00:00 GMT"
    assert got(client, "/dumps/data/quality.nq.gz").headers["Last-Modified"] == "Fri, 02 Jan 2026 03:04:05 GMT"
    assert "<lastmod>2020-01-01T00:00:00Z</lastmod>" in got(client, "/sitemap.xml").text
    app.extensions["cupola"].close()
