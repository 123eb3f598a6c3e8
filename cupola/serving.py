"""The current release served, and whoever started it invited to try it."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

from rich.text import Text

from cupola.settings import settings_of
from cupola.terminal import fail, failing_on, out
from endpoint import server
from endpoint.settings import Settings
from etl import release


def serve(releases: Path | None, host: str | None, port: int | None) -> None:
    """Serve until stopped; fail when there is no release that can be served, or the port is taken."""
    chosen = settings_of(Settings, releases=releases, host=host, port=port)
    try:
        folder = release.find(chosen.releases)
    except release.ReleaseError as error:
        fail(f"{error}. Build one first: cupola build")
    with failing_on(release.ReleaseError):
        told = release.manifest(folder)
    if told.get("format") != release.FORMAT:
        fail(f"{folder} was built by another version of Cupola: build it again (cupola build)")
    if not chosen.remote_endpoint and not told["index"]:
        fail(f"{folder} was built without an index: set remote_endpoint to a store that has it, or index = true")
    if not chosen.remote_endpoint and chosen.engine == "sparq" and not told.get("sparq_index"):
        fail(f"{folder} was built without sparq's index: build with sparq_index = true, or set engine = oxigraph")
    with failing_on(server.CannotListen):
        server.run(chosen, on_ready=lambda url: _invite(url, folder))


def _invite(url: str, folder: Path) -> None:
    """The address, and three things to try on what is really there."""
    told = release.manifest(folder)
    with contextlib.closing(sqlite3.connect(f"file:{folder / 'search.sqlite'}?mode=ro", uri=True)) as base:
        project = base.execute("SELECT path FROM project ORDER BY rowid").fetchone()
    first = f"{url}/id/{project[0]}" if project else f"{url}/catalog"  # tables may tell of no project
    out.print(f"Cupola serves release {told['id']}: {told['triples']} triples at [bold]{url}/[/bold]")
    out.print("Three things to try:")
    out.print(Text(f"  a page    {first}"))
    out.print(Text(f"  a curl    curl -L -H 'Accept: text/turtle' {first}"))
    ask = "SELECT (SUM(?x) AS ?total) { ?o cupola:disbursedAmount ?x }"
    prefix = "PREFIX cupola: <https://w3id.org/cupola/onto/>"
    out.print(Text(f"  a query   curl {url}/sparql -H 'Accept: text/csv' --data-urlencode 'query={prefix} {ask}'"))
    out.print("Ctrl-C stops it.")
