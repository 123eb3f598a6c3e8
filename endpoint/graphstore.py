"""Graph Store HTTP Protocol, the part that reads: https://www.w3.org/TR/sparql11-http-rdf-update/

A graph is found at its own IRI, `/graph/<name>` (direct identification, 4.1), and at `/graphs?graph=IRI` (indirect,
4.2), where `/graphs?default` is the default graph, the union of all. N-Quads and N-Triples come from the graph's dump,
however large, with its checksum as validator; the other formats are asked of the engine, within a query's limits.
"""

import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyoxigraph as ox
from flask import Blueprint, Response, current_app, request, send_file
from werkzeug.exceptions import BadRequest, NotFound

from endpoint import addresses, clients, errors, formats
from endpoint.describe import iri_token
from endpoint.formats import Format
from endpoint.service import Service
from endpoint.sparql import answered
from endpoint.turns import Turn

blueprint = Blueprint("graphstore", __name__)

PIECE = 64 * 1024  # bytes of a dump unpacked at a time


class BrokenDump(Exception):
    """A dump is not as the build writes them; what was sent of it is broken off."""


def _service() -> Service:
    service: Service = current_app.extensions["cupola"]
    return service


@blueprint.get("/graph/<_name>")
def direct(_name: str) -> Response:
    """The named graph whose IRI has this path."""
    return _named(f"{_service().release.base}graph/{addresses.spellings(addresses.after('/graph/'))[0]}")


@blueprint.get("/graphs")
def indirect() -> Response:
    """The graph named by `?graph=IRI`, or the default graph by `?default`: one of them, once."""
    named = request.args.getlist("graph")
    if len(named) + ("default" in request.args) != 1:
        raise BadRequest("Name one graph: ?graph=IRI or ?default. /catalog lists those of this release.")
    if named:
        if iri_token(named[0]) is None:
            raise BadRequest(f"Not an absolute IRI: {named[0]}")
        return _named(named[0])
    chosen = _format(formats.by_type("graph"))
    if chosen is None:
        return errors.not_acceptable(("graph",))
    return answered("CONSTRUCT { ?s ?p ?o } WHERE { ?s ?p ?o }", {"graph": chosen})


def _named(iri: str) -> Response:
    release = _service().release
    known = next((graph for graph in release.manifest["graphs"] if graph["iri"] == iri), None)
    if known is None:
        raise NotFound("No such graph; /catalog lists those of this release.")
    types = formats.by_type("graph")
    # N-Quads first: sent as the file it is, it costs the server least.
    chosen = _format({"application/n-quads": types["application/n-quads"], **types})
    if chosen is None:
        return errors.not_acceptable(("graph",))
    if chosen.name in ("nquads", "ntriples") and (release.path / known["file"]).is_file():
        response = _dump(known, chosen)
        response.vary.add("Accept")
    else:
        response = answered(
            f"CONSTRUCT {{ ?s ?p ?o }} WHERE {{ GRAPH {ox.NamedNode(iri)} {{ ?s ?p ?o }} }}", {"graph": chosen}
        )
    if licence := release.licences.get(iri):
        response.headers["Link"] = f'<{licence}>; rel="license"'
    return response


def _format(types: dict[str, Format]) -> Format | None:
    if name := request.args.get("format"):
        return formats.named(name, "graph")
    best = formats.negotiate(request.accept_mimetypes, types)
    return types[best] if best else None


def _dump(graph: dict[str, Any], chosen: Format) -> Response:
    service = _service()
    path: Path = service.release.path / graph["file"]
    etag = f"{graph['sha256']}-{chosen.extension}"
    if chosen.name == "nquads" and request.accept_encodings["gzip"] > 0:
        response = send_file(path, mimetype=chosen.media_type, etag=etag, last_modified=service.release.created)
        if response.status_code != 304:
            response.headers["Content-Encoding"] = "gzip"
        response.vary.add("Accept-Encoding")
        return response
    response = Response(iter(()), content_type=chosen.content_type)
    response.set_etag(etag, weak=True)  # the same content as the packed one, in other bytes
    response.last_modified = service.release.created
    response.headers["Cache-Control"] = "no-cache"
    response.make_conditional(request)
    del response.content_length  # that of no body yet
    if response.status_code == 200 and request.method == "GET":
        turn = service.downloads.take(clients.address(service.settings.trusted_proxies), clients.departure())
        response.response = _while(turn, _unpacked(path, graph["iri"] if chosen.name == "ntriples" else None))
        response.call_on_close(turn.over)  # a generator that was never begun does not end, either
    return response


def _while(turn: Turn, pieces: Iterator[bytes]) -> Iterator[bytes]:
    with turn:
        yield from pieces


def _unpacked(path: Path, graph: str | None) -> Iterator[bytes]:
    """A dump, unpacked; without the name of the graph at the end of each line if that is given."""
    ending = f" {ox.NamedNode(graph)} .\n".encode() if graph else b""
    with gzip.open(path) as file:
        while piece := file.read(PIECE) + file.readline():
            if ending:
                # A literal has no line breaks (they are escaped), so this is the end of a line and nothing else.
                if piece.count(ending) < piece.count(b"\n"):
                    raise BrokenDump(f"{path.name} has lines that do not end in {ending.decode().strip()}")
                piece = piece.replace(ending, b" .\n")
            yield piece
