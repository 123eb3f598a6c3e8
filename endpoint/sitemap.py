"""What crawlers may read, and where: robots.txt and sitemaps (https://www.sitemaps.org/protocol.html).

`/sitemap.xml` lists the pages people look for: every operation's. Of the other resources, some two million, crawlers
of linked data take the dumps, which `/sitemap-data.xml` lists with the datasets: a page each would be days of crawling.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from urllib.parse import quote
from xml.sax.saxutils import escape

from flask import Blueprint, Response, current_app, request
from werkzeug.exceptions import NotFound

from endpoint import addresses
from endpoint.release import Release
from endpoint.service import Service

blueprint = Blueprint("sitemap", __name__)

URLS = 50_000  # the most one file may list
PAGES = ("/", "/projects", "/quality", "/queries", "/onto/")
DATA = ("/catalog", "/.well-known/void", "/.well-known/api-catalog", "/sparql", "/shapes/", "/dumps/")
CLOSED = ("/sparql?", "/metrics", "/copy/")  # work for us and nothing to index; and files that name persons
_OPERATIONS = URLS - len(PAGES)  # in one file


def _service() -> Service:
    service: Service = current_app.extensions["cupola"]
    return service


def _root() -> str:
    """The address of this server as the world sees it, without the last slash."""
    return (_service().settings.public_url or request.url_root).rstrip("/")


@blueprint.get("/sitemap.xml")
def sitemap() -> Response:
    """Every operation's page for search engines; an index of several such files when they are many."""
    release, root = _service().release, _root()
    with closing(_index(release)) as index:
        (number,) = index.execute("SELECT coalesce(max(rowid), 0) FROM project").fetchone()
    pages = max(1, -(-number // _OPERATIONS))
    page = request.args.get("page", type=int)
    if page is None and pages > 1:
        maps = ((f"{root}/sitemap.xml?page={n + 1}", None) for n in range(pages))
        return _answer(_xml("sitemapindex", "sitemap", maps))
    page = page or 1
    if not 1 <= page <= pages:
        raise NotFound(f"The sitemap has {pages} pages.")
    return _answer(_xml("urlset", "url", _operations(release, root, page)))


@blueprint.get("/sitemap-data.xml")
def data_sitemap() -> Response:
    """The datasets, what describes them, and their files, for crawlers of linked data."""
    release, root = _service().release, _root()
    changed = release.manifest.get("modified", {})
    of = {graph["file"]: graph["iri"] for graph in release.manifest["graphs"]}
    created = release.created.isoformat()
    told = [(f"{root}{path}", created) for path in DATA]
    for iri in of.values():
        name = addresses.address(iri.rpartition("/")[2])
        told.append((f"{root}/doc/dataset/{name}", changed.get(iri, created)))
    told += [(f"{root}/dumps/{quote(file)}", changed.get(of.get(file), created)) for file in release.files]
    return _answer(_xml("urlset", "url", told))


@blueprint.get("/robots.txt")
def robots() -> Response:
    """What crawlers may read: everything but what is CLOSED."""
    closed = "".join(f"Disallow: {path}\n" for path in CLOSED)
    maps = "".join(f"Sitemap: {_root()}/{name}\n" for name in ("sitemap.xml", "sitemap-data.xml"))
    return Response(f"User-agent: *\n{closed}\n{maps}", mimetype="text/plain")


def _index(release: Release) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{quote(str(release.path))}/search.sqlite?mode=ro", uri=True)


def _operations(release: Release, root: str, page: int) -> Iterator[tuple[str, str | None]]:
    """Addresses of pages, and when each last changed: an operation's when anything in its source's graph did."""
    created, changed = release.created.isoformat(), release.manifest.get("modified", {})
    if page == 1:
        yield from ((f"{root}{path}", created) for path in PAGES)
    with closing(_index(release)) as index:
        chosen = "SELECT path, source FROM project WHERE rowid > ? AND rowid <= ? ORDER BY rowid"
        for path, source in index.execute(chosen, ((page - 1) * _OPERATIONS, page * _OPERATIONS)):
            yield f"{root}/doc/{addresses.address(path)}", changed.get(f"{release.base}graph/{source}", created)


def _xml(outer: str, inner: str, entries: Iterable[tuple[str, str | None]]) -> Iterator[str]:
    yield f'<?xml version="1.0" encoding="UTF-8"?>\n<{outer} xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n'
    for address, changed in entries:
        lastmod = f"<lastmod>{changed}</lastmod>" if changed else ""
        yield f"<{inner}><loc>{escape(address)}</loc>{lastmod}</{inner}>\n"
    yield f"</{outer}>\n"


def _answer(body: Iterator[str]) -> Response:
    return Response(body, mimetype="application/xml")
