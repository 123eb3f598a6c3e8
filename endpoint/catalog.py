"""For machines: catalogue, service description, dumps, sitemap, health, metrics."""

import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import quote
from xml.sax.saxutils import escape

import pyoxigraph as ox
from flask import Blueprint, Response, current_app, request, send_file
from werkzeug.exceptions import Gone, NotFound

from endpoint import addresses, errors, formats
from endpoint.formats import FORMATS, Format
from endpoint.rdf import written
from endpoint.release import Release
from endpoint.resources import best, cached, see_other
from endpoint.service import Service
from endpoint.terms import full

blueprint = Blueprint("catalog", __name__)

SD = "http://www.w3.org/ns/sparql-service-description#"
RELEASE = re.compile(r"\d{4}-\d{2}-\d{2}T\d{6}Z(-\d+)?")
FILE_TYPES = {
    ".gz": "application/gzip",
    ".json": "application/json",
    ".parquet": "application/vnd.apache.parquet",
    ".ttl": "text/turtle",
}
SITEMAP_URLS = 50_000  # the most one file may list, https://www.sitemaps.org/protocol.html


def _service() -> Service:
    service: Service = current_app.extensions["cupola"]
    return service


def _root() -> str:
    """The address of this server as the world sees it, without the last slash."""
    return (_service().settings.public_url or request.url_root).rstrip("/")


def service_description(fmt: Format) -> Response:
    """What /sparql can do, in SPARQL 1.1 Service Description (https://www.w3.org/TR/sparql11-service-description/)."""
    release = _service().release
    url = f"{_root()}/sparql"
    service, dataset, default = (ox.NamedNode(url + part) for part in ("", "#dataset", "#default-graph"))
    a = ox.NamedNode(full("rdf:type"))

    def sd(name: str) -> ox.NamedNode:
        return ox.NamedNode(SD + name)

    statements: list[tuple[ox.NamedNode, ox.NamedNode, ox.NamedNode | ox.Literal]] = [
        (service, a, sd("Service")),
        (service, sd("endpoint"), service),
        (service, sd("supportedLanguage"), sd("SPARQL11Query")),
        (service, sd("feature"), sd("UnionDefaultGraph")),
        (service, sd("defaultDataset"), dataset),
        (dataset, a, sd("Dataset")),
        (dataset, sd("defaultGraph"), default),
        (default, a, sd("Graph")),
        *((service, sd("resultFormat"), ox.NamedNode(iri)) for iri in dict.fromkeys(f.iri for f in FORMATS)),
    ]
    triples = ox.NamedNode("http://rdfs.org/ns/void#triples")
    for number, graph in enumerate(release.manifest["graphs"], start=1):
        named, inside = ox.NamedNode(f"{url}#graph-{number}"), ox.NamedNode(f"{url}#graph-{number}-content")
        statements += [
            (dataset, sd("namedGraph"), named),
            (named, a, sd("NamedGraph")),
            (named, sd("name"), ox.NamedNode(graph["iri"])),
            (named, sd("graph"), inside),
            (inside, a, sd("Graph")),
            (inside, triples, ox.Literal(int(graph["triples"]))),
        ]
    response = Response(written((ox.Quad(*s) for s in statements), fmt), content_type=fmt.content_type)
    response.vary.add("Accept")
    return response


def _rdf(path: Path, release: Release) -> Response:
    """A Turtle file of the release, in the graph format the client likes best."""
    fmt = best(html=False)
    if not isinstance(fmt, Format):
        return errors.not_acceptable(("graph",))
    if not path.is_file():
        raise NotFound(f"This release has no {path.name}.")
    quads = ox.parse(path=str(path), format=ox.RdfFormat.TURTLE, base_iri=release.base)
    response = Response(written(quads, fmt), content_type=fmt.content_type)
    response.vary.add("Accept")
    return cached(response, release, f"{path.stem}-{fmt.extension}")


@blueprint.get("/catalog")
@blueprint.get("/.well-known/void")
def catalog() -> Response:
    """The catalogue of this release: DCAT-AP_IT, VoID, PROV."""
    release = _service().release
    return _rdf(release.catalog, release)


@blueprint.get("/catalog.<extension>")
def catalog_file(extension: str) -> Response:
    """The catalogue in one format: the same as with `?format=`."""
    if formats.named(extension, "graph") is None:
        raise NotFound(f"No such format. Available: {formats.listing(['graph'])}.")
    return see_other(f"/catalog?format={extension}")


@blueprint.get("/shapes/")
@blueprint.get("/shapes/<path:_shape>")
def shapes(_shape: str = "") -> Response:
    """The SHACL shapes this release was checked with; a shape's IRI leads to all of them, as a hash IRI would."""
    release = _service().release
    return _rdf(release.path / "shapes.ttl", release)


@blueprint.get("/release/<name>")
def release(name: str) -> Response:
    """What is known of a release: its manifest as JSON, else its catalogue as RDF; 410 for one that was replaced."""
    served = _service().release
    if name != served.id:
        if RELEASE.fullmatch(name) and name < served.id:
            raise Gone(f"Release {name} is not served any more; the current one is {served.id}.")
        raise NotFound(f"No release {name}; the current one is {served.id}.")
    types = ["application/json", *(f.media_type for f in formats.of("graph"))]
    if "format" not in request.args and formats.negotiate(request.accept_mimetypes, types) == "application/json":
        response = Response(json.dumps(served.manifest, ensure_ascii=False, indent=1), mimetype="application/json")
        response.vary.add("Accept")
        return cached(response, served, "manifest")
    return _rdf(served.catalog, served)


@blueprint.get("/graph/<_name>")
def graph(_name: str) -> Response:
    """A named graph: its dump for whoever takes N-Quads (or anything), else asked of the engine, within its limits."""
    service = _service()
    released = service.release
    iri = f"{released.base}graph/{addresses.spellings(addresses.after('/graph/'))[0]}"
    known = next((g for g in released.manifest["graphs"] if g["iri"] == iri), None)
    if known is None:
        raise NotFound("No such graph; /catalog lists those of this release.")
    types = ["application/n-quads", *(f.media_type for f in formats.of("graph"))]
    asked = request.args.get("format") or formats.negotiate(request.accept_mimetypes, types) or ""
    chosen = formats.named(asked, "graph")
    if chosen is None:
        return errors.not_acceptable(("graph",))
    if chosen.name == "nquads":
        response = see_other(f"/dumps/{known['file']}")
    else:
        text = f"CONSTRUCT {{ ?s ?p ?o }} WHERE {{ GRAPH {ox.NamedNode(iri)} {{ ?s ?p ?o }} }}"
        answer = service.engine.query(text, formats={"graph": chosen}, public=True)
        response = Response(iter(answer), content_type=chosen.content_type)
        response.call_on_close(answer.close)
    response.vary.add("Accept")
    return response


@blueprint.get("/dumps/")
def dumps() -> Response:
    """The files of this release with sizes and checksums, as JSON."""
    served = _service().release
    files = [
        {"url": f"{_root()}/dumps/{quote(name)}", "file": name, "bytes": path.stat().st_size, "sha256": checksum}
        for (name, path), checksum in zip(served.files.items(), served.checksums.values(), strict=True)
    ]
    body = json.dumps({"release": served.id, "files": files}, ensure_ascii=False, indent=1)
    return cached(Response(body, mimetype="application/json"), served, "dumps")


@blueprint.get("/dumps/SHA256SUMS")
def checksums() -> Response:
    """The checksums as `sha256sum --check` reads them."""
    served = _service().release
    lines = "".join(f"{checksum}  {name}\n" for name, checksum in served.checksums.items())
    return cached(Response(lines, mimetype="text/plain"), served, "sums")


@blueprint.get("/dumps/<path:name>")
def dump(name: str) -> Response:
    """One file of this release. Only names the release lists are served, so no path leads out of it."""
    served = _service().release
    path = served.files.get(name)
    if path is None:
        raise NotFound("No such file; /dumps/ lists those of this release.")
    # A .gz is sent as the file it is, not as something to unpack on the way.
    kind = FILE_TYPES.get(path.suffix, "application/octet-stream")
    return send_file(path, mimetype=kind, etag=served.checksums[name], last_modified=served.created)


@blueprint.get("/sitemap.xml")
def sitemap() -> Response:
    """Every operation's page for search engines; an index of several such files when they are many."""
    served, root = _service().release, _root()
    with closing(sqlite3.connect(f"file:{quote(str(served.path))}/search.sqlite?mode=ro", uri=True)) as index:
        (number,) = index.execute("SELECT count(*) FROM project").fetchone()
    pages = -(-number // SITEMAP_URLS)
    page = request.args.get("page", type=int)
    if page is None and pages > 1:
        entries = (f"<sitemap><loc>{escape(root)}/sitemap.xml?page={n + 1}</loc></sitemap>" for n in range(pages))
        body: Iterator[str] = _xml("sitemapindex", entries)
    else:
        page = page or 1
        if not 1 <= page <= max(1, pages):
            raise NotFound(f"The sitemap has {max(1, pages)} pages.")
        body = _xml("urlset", _urls(served.path, root, page))
    return Response(body, mimetype="application/xml")


def _xml(root: str, entries: Iterator[str]) -> Iterator[str]:
    yield f'<?xml version="1.0" encoding="UTF-8"?>\n<{root} xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n'
    for entry in entries:
        yield entry + "\n"
    yield f"</{root}>\n"


def _urls(folder: Path, root: str, page: int) -> Iterator[str]:
    if page == 1:
        for path in ("/", "/projects", "/quality", "/queries", "/onto/"):
            yield f"<url><loc>{escape(root + path)}</loc></url>"
    with closing(sqlite3.connect(f"file:{quote(str(folder))}/search.sqlite?mode=ro", uri=True)) as index:
        chosen = "SELECT path FROM project ORDER BY rowid LIMIT ? OFFSET ?"
        for (path,) in index.execute(chosen, (SITEMAP_URLS - 5, (page - 1) * (SITEMAP_URLS - 5))):
            yield f"<url><loc>{escape(f'{root}/doc/{addresses.address(path)}')}</loc></url>"


@blueprint.get("/robots.txt")
def robots() -> Response:
    """What crawlers may read: everything but the queries, which are work for us and nothing to index, and the copies
    of files, which name persons.
    """
    closed = "".join(f"Disallow: {path}\n" for path in ("/sparql?", "/metrics", "/copy/"))
    return Response(f"User-agent: *\n{closed}\nSitemap: {_root()}/sitemap.xml\n", mimetype="text/plain")


@blueprint.get("/health")
def health() -> Response:
    """Whether queries are answered: 200 and the release, or 503."""
    service = _service()
    alive = service.engine.alive()
    body = {"status": "ok" if alive else "failing", "release": service.release.id, "engine": alive}
    response = Response(json.dumps(body), 200 if alive else 503, mimetype="application/json")
    response.headers["Cache-Control"] = "no-store"
    return response


@blueprint.get("/metrics")
def metrics() -> Response:
    """Counters in Prometheus' text format: https://prometheus.io/docs/instrumenting/exposition_formats/"""
    service = _service()
    with service.counting:
        counts = sorted(service.counts.items())
    labels = {"requests": ("route", "status"), "queries": ("outcome",)}
    lines: list[str] = []
    for family, names in labels.items():
        lines.append(f"# TYPE cupola_{family}_total counter")
        for (counted, *values), count in counts:
            if counted == family:
                said = ",".join(f'{name}="{value}"' for name, value in zip(names, values, strict=True))
                lines.append(f"cupola_{family}_total{{{said}}} {count}")
    for name, value in service.engine.stats().items():
        lines.append(f"# TYPE cupola_{name} {'counter' if name.endswith('_total') else 'gauge'}")
        lines.append(f"cupola_{name} {value:g}")
    lines.append("# TYPE cupola_release_info gauge")
    lines.append(f'cupola_release_info{{release="{service.release.id}"}} 1')
    return Response("\n".join(lines) + "\n", content_type="text/plain; version=0.0.4; charset=utf-8")
