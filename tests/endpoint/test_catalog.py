"""What the endpoint says to machines: catalogue, dumps, sitemap; and how it changes releases."""

from __future__ import annotations

import hashlib
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import pytest
import rdflib
import requests

from endpoint import ask, create_app
from endpoint.release import NoRelease, current
from endpoint.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.endpoint.conftest import Build, Server, Start

BASE = "https://w3id.org/cupola/"
FIRST = "/data/operation/prova/AA1.1.1.a.nt"


def wait(until: Callable[[], bool]) -> None:
    """Wait for something that comes by itself; fails after ten seconds."""
    deadline = time.monotonic() + 10
    while not until():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_the_catalogue_is_negotiated(server: Server) -> None:
    for path in ("/catalog", "/.well-known/void", "/catalog?format=nt"):
        answer = server.get(path)
        kind = answer.headers["Content-Type"].split(";")[0]
        assert len(rdflib.Graph().parse(data=answer.text, format=kind)) == 1
    assert server.get("/catalog", "application/rdf+xml").headers["Content-Type"] == "application/rdf+xml"
    assert server.get("/catalog.jsonld").headers["Location"] == "/catalog?format=jsonld"


def test_every_file_of_the_release_can_be_had_and_checked(server: Server, tmp_path: Path) -> None:
    files = server.get("/dumps/").json()["files"]
    assert {"data/prova.nq.gz", "tables/prova.parquet", "catalog.ttl", "manifest.json"} <= {f["file"] for f in files}
    for file in files:
        answer = requests.get(file["url"], timeout=20)
        assert hashlib.sha256(answer.content).hexdigest() == file["sha256"]
        assert len(answer.content) == file["bytes"]
        (tmp_path / file["file"]).parent.mkdir(exist_ok=True)
        (tmp_path / file["file"]).write_bytes(answer.content)
    (tmp_path / "SUMS").write_text(server.get("/dumps/SHA256SUMS").text)
    subprocess.run(["sha256sum", "--check", "--strict", "--quiet", "SUMS"], cwd=tmp_path, check=True)


def test_a_dump_can_be_resumed(server: Server) -> None:
    path = server.url + "/dumps/data/prova.nq.gz"
    whole = requests.get(path, timeout=20).content
    part = requests.get(path, headers={"Range": "bytes=10-"}, timeout=20)
    assert part.status_code == 206
    assert part.content == whole[10:]


@pytest.mark.parametrize("name", ["store/CURRENT", "search.sqlite", "../current/manifest.json", "data/", "/etc/passwd"])
def test_only_what_a_release_lists_can_be_had(name: str, server: Server) -> None:
    assert server.get(f"/dumps/{name}").status_code == 404


def test_a_release_tells_of_itself(server: Server, release: Path) -> None:
    assert server.get(f"/release/{release.name}").json()["id"] == release.name
    assert server.get(f"/release/{release.name}", "text/turtle").headers["Content-Type"].startswith("text/turtle")
    assert server.get("/release/2020-01-01T000000Z").status_code == 410
    assert server.get("/release/2999-01-01T000000Z").status_code == 404
    assert server.get("/release/x").status_code == 404


def test_the_sitemap_lists_pages_that_exist(server: Server) -> None:
    tree = ElementTree.fromstring(server.get("/sitemap.xml").content)
    places = [e.text or "" for e in tree.iter("{http://www.sitemaps.org/schemas/sitemap/0.9}loc")]
    assert len(places) == 12 + 5
    for place in places:
        assert requests.get(place, headers={"Accept": "text/html"}, timeout=20).status_code == 200
    assert server.get("/sitemap.xml?page=2").status_code == 404
    robots = server.get("/robots.txt").text
    assert f"Sitemap: {server.url}/sitemap.xml" in robots
    assert "\nDisallow: /copy/\n" in robots


def test_public_url_is_what_the_world_is_told(start: Start, releases: Path) -> None:
    server = start(releases, public_url="https://dati.example.it/")
    assert "https://dati.example.it/doc/operation/prova/AA1.1.1.a" in server.get("/sitemap.xml").text
    assert "<https://dati.example.it/sparql>" in server.get("/sparql", "application/n-triples").text


def test_a_new_release_is_served_without_a_restart_and_without_an_error(
    tmp_path: Path, build: Build, start: Start
) -> None:
    build(tmp_path, "2026-01-01T000000Z", title="Prima")
    server = start(tmp_path)
    assert "Prima" in server.get(FIRST).text
    with ThreadPoolExecutor() as pool:
        build(tmp_path, "2026-01-02T000000Z", title="Seconda")
        until = time.monotonic() + 10
        seen: list[requests.Response] = []
        while not seen or seen[-1].headers["X-Cupola-Release"] != "2026-01-02T000000Z":
            assert time.monotonic() < until
            seen += pool.map(lambda _: server.get(FIRST), range(8))
    for answer in seen:
        assert answer.status_code == 200
        old = answer.headers["X-Cupola-Release"] == "2026-01-01T000000Z"
        assert ("Prima" if old else "Seconda") in answer.text
        assert ("Seconda" if old else "Prima") not in answer.text
    assert server.get("/health").json()["release"] == "2026-01-02T000000Z"


def test_an_answer_under_way_goes_on_from_the_release_it_began_with_and_then_its_workers_end(
    tmp_path: Path, build: Build, start: Start
) -> None:
    build(tmp_path, "2026-01-01T000000Z")
    server = start(tmp_path)
    before = server.workers()
    endless = {"query": "SELECT * { ?a ?b ?c . ?d ?e ?f . ?g ?h ?i }"}
    with requests.get(f"{server.url}/sparql", params=endless, stream=True, timeout=20) as answer:
        pieces = answer.iter_content(1_000_000)
        assert next(pieces)
        build(tmp_path, "2026-01-02T000000Z")
        wait(lambda: server.get("/health").json()["release"] == "2026-01-02T000000Z")
        assert sum(len(next(pieces)) for _ in range(400)) > 20_000_000  # more than any buffer between us holds
    wait(lambda: not before & server.workers())
    assert len(server.workers()) == 3


def test_a_broken_release_does_not_take_over(tmp_path: Path, build: Build, start: Start) -> None:
    build(tmp_path, "2026-01-01T000000Z", title="Prima")
    server = start(tmp_path)
    broken = build(tmp_path, "2026-01-02T000000Z")
    (broken / "manifest.json").write_text("{")
    time.sleep(1.2)  # the link is looked at once a second
    assert "Prima" in server.get(FIRST).text


def test_without_a_release_every_answer_says_so_until_there_is_one(tmp_path: Path, build: Build) -> None:
    app = create_app(Settings(releases=tmp_path))
    client = app.test_client()
    for path in ("/", "/sparql?query=ASK%7B%7D", "/id/x", "/health"):
        answer = client.get(path)
        assert answer.status_code == 503
        assert "cupola build" in answer.text
    build(tmp_path)
    time.sleep(1.1)
    assert client.get("/health").status_code == 200
    app.extensions["cupola"].close()


def test_a_folder_without_a_release_is_told_clearly(tmp_path: Path, build: Build) -> None:
    with pytest.raises(NoRelease, match="cupola build"):
        current(tmp_path)
    folder = build(tmp_path)
    assert current(tmp_path).id == folder.name
    (folder / "manifest.json").write_text('{"id": "x"}')
    with pytest.raises(NoRelease, match="cannot be read"):
        current(tmp_path)


def test_a_query_can_be_asked_without_a_server(releases: Path) -> None:
    settings = Settings(releases=releases)
    text = f"SELECT (COUNT(*) AS ?n) {{ ?o a <{BASE}onto/Operation> }}"
    assert b"".join(ask.query(settings, text, "csv")).split() == [b"n", b"12"]
    assert b"<" in b"".join(ask.query(settings, "DESCRIBE ?o { ?o a ?c }", "nt"))
    with pytest.raises(ValueError, match="1:"):
        list(ask.query(settings, "SELECT nonsense", "csv"))
    with pytest.raises(ValueError, match="turtle"):
        list(ask.query(settings, text, "docx"))
