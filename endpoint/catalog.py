"""For machines: catalogue, VoID, service description, API catalogue, dumps."""

import json
import re
from collections.abc import Iterable
from hashlib import blake2b
from pathlib import Path
from urllib.parse import quote

import pyoxigraph as ox
from flask import Blueprint, Response, current_app, request, send_file
from werkzeug.exceptions import Gone, NotFound

from endpoint import errors, formats
from endpoint.formats import FORMATS, Format
from endpoint.rdf import written
from endpoint.release import Release
from endpoint.resources import best, cached, see_other
from endpoint.service import Service
from endpoint.settings import Settings
from endpoint.terms import full

blueprint = Blueprint("catalog", __name__)

DCAT = "http://www.w3.org/ns/dcat#"
VOID = "http://rdfs.org/ns/void#"
SD = "http://www.w3.org/ns/sparql-service-description#"
RELEASE = re.compile(r"\d{4}-\d{2}-\d{2}T\d{6}Z(-\d+)?")
FILE_TYPES = {
    ".gz": "application/gzip",
    ".json": "application/json",
    ".parquet": "application/vnd.apache.parquet",
    ".ttl": "text/turtle",
}
# What says where something is to be had. An IRI names the same thing wherever it is served (DESIGN: IRIs); an address
# must lead to the host that was asked, or its files could not be had from it.
ADDRESSES = frozenset(
    ox.NamedNode(iri)
    for iri in (
        *(
            f"{DCAT}{name}"
            for name in ("accessURL", "downloadURL", "endpointURL", "endpointDescription", "landingPage")
        ),
        *(f"{VOID}{name}" for name in ("dataDump", "sparqlEndpoint")),
        "http://xmlns.com/foaf/0.1/homepage",
    )
)
DOCUMENT = ox.NamedNode("http://xmlns.com/foaf/0.1/Document")


def _service() -> Service:
    service: Service = current_app.extensions["cupola"]
    return service


def _root() -> str:
    """The address of this server as the world sees it, without the last slash."""
    return (_service().settings.public_url or request.url_root).rstrip("/")


def service_description(fmt: Format) -> Response:
    """What /sparql can do, in SPARQL 1.1 Service Description (https://www.w3.org/TR/sparql11-service-description/).

    No input formats and no extensions are told: there are none. Limits have no terms; they are told in words.
    """
    service = _service()
    manifest, root = service.release.manifest, _root()
    url = f"{root}/sparql"
    found = _Statements()
    found.add(url, "rdf:type", SD + "Service")
    found.add(url, SD + "endpoint", url)
    found.add(url, SD + "supportedLanguage", SD + "SPARQL11Query")
    found.add(url, SD + "feature", SD + "UnionDefaultGraph")
    found.add(url, SD + "defaultEntailmentRegime", "http://www.w3.org/ns/entailment/Simple")
    for iri in dict.fromkeys(fmt.iri for fmt in FORMATS):
        found.add(url, SD + "resultFormat", iri)
    for language, text in _limits(service.settings).items():
        found.add(url, "rdfs:comment", ox.Literal(text, language=language))
    found.add(url, SD + "defaultDataset", f"{url}#dataset")
    found.add(f"{url}#dataset", "rdf:type", SD + "Dataset")
    found.add(f"{url}#dataset", "rdfs:seeAlso", f"{root}/.well-known/void")
    found.add(f"{url}#dataset", SD + "defaultGraph", f"{url}#default-graph")
    found.add(f"{url}#default-graph", "rdf:type", SD + "Graph")
    catalogue = [manifest["catalogue"]] if "catalogue" in manifest else []
    for number, graph in enumerate([*manifest["graphs"], *catalogue], start=1):
        named, inside = f"{url}#graph-{number}", f"{url}#graph-{number}-content"
        found.add(f"{url}#dataset", SD + "namedGraph", named)
        found.add(named, "rdf:type", SD + "NamedGraph")
        found.add(named, SD + "name", graph["iri"])
        found.add(named, SD + "graph", inside)
        found.add(inside, "rdf:type", SD + "Graph")
        found.add(inside, VOID + "triples", ox.Literal(int(graph["triples"])))
    response = Response(written(found.quads, fmt), content_type=fmt.content_type)
    response.vary.add("Accept")
    # The settings are in it too, and may change while the release does not.
    return cached(
        response, service.release, f"{blake2b(response.get_data(), digest_size=8).hexdigest()}-{fmt.extension}"
    )


class _Statements:
    """Statements being gathered."""

    def __init__(self) -> None:
        self.quads: list[ox.Quad] = []

    def add(self, subject: str, predicate: str, value: str | ox.Literal) -> None:
        """One more; the predicate may be a prefixed name, a string as value is an IRI."""
        term = value if isinstance(value, ox.Literal) else ox.NamedNode(value)
        told = full(predicate) if predicate.startswith(("rdf:", "rdfs:")) else predicate
        self.quads.append(ox.Quad(ox.NamedNode(subject), ox.NamedNode(told), term))


def _limits(settings: Settings) -> dict[str, str]:
    """What a query may take, in words, by language."""
    seconds, memory, size = f"{settings.query_timeout:g}", settings.query_memory, settings.max_answer_size
    rows, length = settings.max_rows, settings.max_query_length
    return {
        "it": f"Una interrogazione può durare {seconds} secondi, usare {memory} MiB di memoria e dare {size} MiB di "
        f"risposta{f' e {rows} righe' if rows else ''}; il suo testo può avere {length} caratteri. SERVICE e gli "
        "aggiornamenti sono rifiutati.",
        "en": f"A query may take {seconds} seconds, use {memory} MiB of memory and give {size} MiB of "
        f"answer{f' and {rows} rows' if rows else ''}; its text may have {length} characters. SERVICE and updates are "
        "refused.",
    }


def _rdf(path: Path, release: Release) -> Response:
    """A Turtle file of the release, in the graph format the client likes best."""
    fmt = best(html=False)
    if not isinstance(fmt, Format):
        return errors.not_acceptable(("graph",))
    if not path.is_file():
        raise NotFound(f"This release has no {path.name}.")
    quads = ox.parse(path=str(path), format=ox.RdfFormat.TURTLE, base_iri=release.base)
    response = Response(written(_here(quads, release.base), fmt), content_type=fmt.content_type)
    response.vary.add("Accept")
    return cached(response, release, f"{path.stem}-{fmt.extension}")


def _here(quads: Iterable[ox.Quad], base: str) -> list[ox.Quad]:
    """Statements with the ADDRESSES in them below this host, where they are below the base of the data."""
    told, root = list(quads), f"{_root()}/"
    found = {
        quad.object.value for quad in told if quad.predicate in ADDRESSES and isinstance(quad.object, ox.NamedNode)
    }
    moved = {iri: ox.NamedNode(root + iri.removeprefix(base)) for iri in found if iri.startswith(base)}

    def here(quad: ox.Quad) -> ox.Quad:
        subject, value = quad.subject, quad.object
        if quad.predicate in ADDRESSES and isinstance(value, ox.NamedNode):
            value = moved.get(value.value, value)
        elif value == DOCUMENT and isinstance(subject, ox.NamedNode):  # a page is what its address says
            subject = moved.get(subject.value, subject)
        return ox.Quad(subject, quad.predicate, value)

    return [here(quad) for quad in told]


@blueprint.get("/catalog")
def catalog() -> Response:
    """The catalogue of this release: DCAT-AP_IT and PROV."""
    release = _service().release
    return _rdf(release.catalog, release)


@blueprint.get("/.well-known/void")
def void() -> Response:
    """What the graphs hold and link to, in numbers: VoID, at the place it is looked for (RFC 8615)."""
    release = _service().release
    return _rdf(release.path / "void.ttl", release)


@blueprint.get("/.well-known/api-catalog")
def api_catalog() -> Response:
    """What programs can call here, as a set of links (RFC 9727, RFC 9264)."""
    root = _root()
    turtle, html = {"type": "text/turtle"}, {"type": formats.HTML}
    described = [{"href": f"{root}/catalog", **turtle}, {"href": f"{root}/.well-known/void", **turtle}]
    links = [
        {
            "anchor": f"{root}/sparql",
            "service-desc": [{"href": f"{root}/sparql", **turtle}],
            "service-doc": [{"href": f"{root}/queries", **html}],
            "service-meta": described,
            "status": [{"href": f"{root}/health", "type": "application/json"}],
        },
        {"anchor": f"{root}/dumps/", "service-meta": described},
    ]
    profile = "https://www.rfc-editor.org/info/rfc9727"
    body = json.dumps({"linkset": links}, indent=1)
    response = Response(body, content_type=f'application/linkset+json; profile="{profile}"')
    response.headers["Link"] = f'<{request.root_path}/.well-known/api-catalog>; rel="api-catalog"'
    return response


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
    return send_file(path, mimetype=kind, etag=served.checksums[name], last_modified=served.modified(name))
