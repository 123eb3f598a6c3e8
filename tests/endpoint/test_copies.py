"""The copies of the files that were read: whole, under their name, and harmless in a browser."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest
import requests
from flask.testing import FlaskClient
from hypothesis import given, settings
from hypothesis import strategies as st

from endpoint import create_app
from endpoint.copies import disposition
from endpoint.release import current
from endpoint.settings import Settings

if TYPE_CHECKING:
    from tests.endpoint.conftest import Build, Server

COPIES = Path(__file__).parent / "data" / "copies"
DIGESTS = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in COPIES.iterdir()}


@pytest.mark.parametrize(
    ("copy", "media_type"),
    [
        ("pista.pdf", "application/pdf"),
        ("pista.html", "text/html"),
        ("pista.xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    ],
)
def test_a_copy_is_the_file_that_was_read_byte_for_byte(server: Server, copy: str, media_type: str) -> None:
    answer = server.get(f"/copy/{DIGESTS[copy]}")
    assert answer.status_code == 200
    assert answer.content == (COPIES / copy).read_bytes()
    assert answer.headers["Content-Type"] == media_type  # and no encoding that nobody knows


@pytest.mark.parametrize("copy", DIGESTS)
def test_a_copy_is_saved_not_shown_and_can_run_nothing(server: Server, copy: str) -> None:
    headers = server.get(f"/copy/{DIGESTS[copy]}").headers
    assert headers["Content-Disposition"].startswith("attachment; ")
    assert headers["Content-Security-Policy"] == "sandbox; default-src 'none'"
    assert headers["X-Content-Type-Options"] == "nosniff"


def test_a_copy_has_the_name_it_was_published_with(server: Server) -> None:
    told = server.get(f"/copy/{DIGESTS['pista.pdf']}").headers["Content-Disposition"]
    assert unquote(told.partition("filename*=UTF-8''")[2]) == "pista – città.pdf"
    assert 'filename="pista _ citt_.pdf"' in told


@settings(max_examples=200, deadline=None)
@given(st.text(min_size=1))
def test_any_name_makes_a_header_of_one_plain_line(name: str) -> None:
    told = disposition(name)
    assert re.fullmatch(r"attachment; filename=\"[ -~]*\"; filename\*=UTF-8''[\w%!#$&+\-.^`|~]*", told, re.ASCII)
    assert unquote(told.partition("filename*=UTF-8''")[2]) == name


def test_a_copy_is_kept_by_whoever_has_it(server: Server) -> None:
    address = f"/copy/{DIGESTS['pista.pdf']}"
    first = server.get(address)
    assert first.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert first.headers["ETag"] == f'"{DIGESTS["pista.pdf"]}"'
    again = requests.get(server.url + address, headers={"If-None-Match": first.headers["ETag"]}, timeout=20)
    assert (again.status_code, again.content) == (304, b"")


def test_head_tells_the_same_without_the_file(server: Server) -> None:
    address = f"{server.url}/copy/{DIGESTS['pista.pdf']}"
    got, asked = requests.get(address, timeout=20), requests.head(address, timeout=20)
    assert asked.status_code == 200
    assert asked.content == b""
    names = ("Content-Length", "Content-Type", "Content-Disposition", "Content-Security-Policy", "ETag")
    assert [asked.headers[n] for n in names] == [got.headers[n] for n in names]
    assert asked.headers["Content-Length"] == str((COPIES / "pista.pdf").stat().st_size)


@pytest.mark.parametrize(
    "name",
    [
        "0" * 64,  # in the manifest, but a table: tables are not copied
        "f" * 64,
        "0" * 63 + "1",
        DIGESTS["pista.pdf"].upper(),
        DIGESTS["pista.pdf"] + "0",
        DIGESTS["pista.pdf"][:-1],
        "pista.pdf",
        "..%2fmanifest.json",
        "..",
        "%2e%2e%2f%2e%2e%2fcurrent%2fmanifest.json",
        "../manifest.json",
        f"../copies/{DIGESTS['pista.pdf']}",
        f"%00{DIGESTS['pista.pdf']}",
        "",
    ],
)
def test_nothing_else_is_there(client: FlaskClient, name: str) -> None:
    assert client.get(f"/copy/{name}").status_code == 404


def test_a_manifest_cannot_lead_out_of_the_release(build: Build, tmp_path: Path) -> None:
    folder = build(tmp_path)
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "secret").write_text("not to be had")
    for sha256 in ("../secret", "/etc/passwd", str(folder / "secret"), None, ""):
        told = {"source": "prova", "file": "x", "sha256": sha256, "bytes": 1, "media_type": "text/plain", "rows": 1}
        manifest["inputs"].append(told)
    (folder / "manifest.json").write_text(json.dumps(manifest))
    assert current(tmp_path).documents.keys() == set(DIGESTS.values())


def test_without_its_copy_a_document_is_told_but_not_offered(build: Build, tmp_path: Path) -> None:
    """As where persons are withheld: the release has no copies, whatever the graph says."""
    shutil.rmtree(build(tmp_path) / "copies")
    app = create_app(Settings(releases=tmp_path))
    client = app.test_client()
    try:
        assert client.get(f"/copy/{DIGESTS['pista.pdf']}").status_code == 404
        page = client.get("/doc/sheet/prova/AA1.1.1.b-pdf?lang=en", headers={"Accept": "text/html"}).get_data(True)
        assert "The copy of the document is not published." in page
        assert "copy of the document, as it was read" not in page
        page = client.get("/doc/operation/prova/AA1.1.1.b?lang=en", headers={"Accept": "text/html"}).get_data(True)
        assert "page 2, line 5" not in page
        assert "page 2, line 4" in page
        assert 'title="copy of the document' not in page
    finally:
        app.extensions["cupola"].close()


# --- in a browser ----------------------------------------------------------------------------------------------------


class _Quiet(WSGIRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def served_without(releases: Path, *left_out: str) -> Iterator[str]:
    """The address of a server whose answers lack these headers, as a browser might not heed them."""
    app = create_app(Settings(releases=releases))

    def without(environ: Any, start: Callable[..., Any]) -> Any:
        def begin(status: str, headers: list[tuple[str, str]], *more: object) -> Any:
            return start(status, [(n, v) for n, v in headers if n not in left_out], *more)

        return app(environ, begin)

    with make_server("127.0.0.1", 0, without, handler_class=_Quiet) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{running.server_port}"
        finally:
            running.shutdown()
            thread.join()
            app.extensions["cupola"].close()


def in_a_browser(address: str, profile: Path) -> str:
    """What becomes of a page in Chromium, as HTML."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("needs Debian's chromium")
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
             "--disable-component-update", "--disable-sync", f"--user-data-dir={profile}"]  # fmt: skip
    command = [chromium, *flags, "--dump-dom", address]
    return subprocess.run(command, capture_output=True, text=True, timeout=90, check=True).stdout


def test_a_script_in_a_copied_page_does_not_run_even_where_it_is_shown(releases: Path, tmp_path: Path) -> None:
    address = f"/copy/{DIGESTS['pista.html']}"
    with served_without(releases, "Content-Disposition") as url:
        page = in_a_browser(url + address, tmp_path / "ours")
    assert "<title>Pista ciclabile lungofiume</title>" in page
    with served_without(releases, "Content-Disposition", "Content-Security-Policy") as url:
        page = in_a_browser(url + address, tmp_path / "without")
    assert "<title>a script of the copy ran</title>" in page  # it is our header that keeps it from running
