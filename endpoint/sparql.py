"""SPARQL 1.1 Protocol, the query operation: https://www.w3.org/TR/sparql11-protocol/"""

from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import parse_qsl

from flask import Blueprint, Response, current_app, request
from werkzeug.exceptions import BadRequest, Forbidden, UnsupportedMediaType

from endpoint import catalog, errors, formats, pages
from endpoint.describe import iri_token
from endpoint.engine import Answer, EngineError
from endpoint.service import Service

blueprint = Blueprint("sparql", __name__)

FORM = "application/x-www-form-urlencoded"
QUERY = "application/sparql-query"


@dataclass(frozen=True)
class Asked:
    """What a request asks: the query (None: none), the dataset, and a format by name (None: by Accept)."""

    query: str | None
    default_graphs: list[str]
    named_graphs: list[str]
    format: str | None


@blueprint.route("/sparql", methods=["GET", "POST"])
def sparql() -> Response:
    """Answer a query; without one, the service description or the page to write one."""
    asked = _asked()
    if asked.query is None:
        if request.method == "POST":
            raise BadRequest(
                "No query: send it as `query=` in a form, or as the body with the type application/sparql-query."
            )
        return _no_query(asked)
    chosen = _formats(asked.format)
    if not chosen:
        return errors.not_acceptable(formats.KINDS)
    service: Service = current_app.extensions["cupola"]
    try:
        answer = service.engine.query(
            asked.query,
            formats=chosen,
            default_graphs=asked.default_graphs,
            named_graphs=asked.named_graphs,
            public=True,
        )
    except EngineError as error:
        service.count("queries", error.outcome)
        raise
    return _send(answer, service)


def _send(answer: Answer, service: Service) -> Response:
    response = Response(_counted(answer, service), content_type=answer.format.content_type)
    # A generator that was never begun does not run its `finally`: a HEAD, or a client gone at once.
    response.call_on_close(answer.close)
    if answer.size is not None:
        response.content_length = answer.size
    response.vary.add("Accept")
    response.headers["Server-Timing"] = ", ".join(f"{name};dur={s * 1000:.1f}" for name, s in answer.timings.items())
    limits = service.settings
    response.headers["X-Cupola-Limits"] = (
        f"seconds={limits.query_timeout:g}, memory={limits.query_memory}MiB, answer={limits.max_answer_size}MiB"
    )
    response.headers["Cache-Control"] = "no-cache"
    return response


def _counted(answer: Answer, service: Service) -> Iterator[bytes]:
    """The pieces of the answer. An EngineError goes on to the server, which breaks the connection off."""
    outcome = "abandoned"
    try:
        yield from answer
        outcome = "answered"
    except EngineError as error:
        outcome = error.outcome
        raise
    finally:
        service.count("queries", outcome)
        answer.close()


def _no_query(asked: Asked) -> Response:
    types = {f.media_type: f for f in formats.of("graph")}
    if asked.format is not None:
        chosen = formats.named(asked.format, "graph")
    else:
        best = formats.negotiate(request.accept_mimetypes, [*types, formats.HTML])
        if best == formats.HTML:
            page = pages.query_page()
            page.vary.add("Accept")
            return page
        chosen = types[best] if best else None
    if chosen is None:
        return errors.not_acceptable(("graph",), html=True)
    return catalog.service_description(chosen)


def _formats(name: str | None) -> dict[formats.Kind, formats.Format]:
    """How to write each kind of answer this client can take; a format asked for by name comes before Accept."""
    found = {
        kind: formats.named(name, kind) if name is not None else formats.preferred(request.accept_mimetypes, kind)
        for kind in formats.KINDS
    }
    return {kind: fmt for kind, fmt in found.items() if fmt is not None}


def _asked() -> Asked:
    """Read the three ways of sending a query (2.1.1 to 2.1.3). Raises 400, 403 or 415."""
    pairs = _pairs(request.query_string)
    body_query: str | None = None
    if request.method == "POST":
        if request.mimetype == FORM:
            pairs += _pairs(request.get_data())
        elif request.mimetype == QUERY:
            body_query = _text()
        elif request.mimetype == "application/sparql-update":
            raise Forbidden("This endpoint is read-only: it runs no updates.")
        else:
            raise UnsupportedMediaType(f"Send {FORM} or {QUERY}, not {request.mimetype or 'a body without a type'}.")
    if any(name == "update" for name, _ in pairs):
        raise Forbidden("This endpoint is read-only: it runs no updates.")
    queries = [value for name, value in pairs if name == "query"]
    if body_query is not None:
        queries.append(body_query)
    if len(queries) > 1:
        raise BadRequest("More than one query: send exactly one.")
    named = [value for name, value in pairs if name == "format" and value]
    asked = Asked(
        query=queries[0] if queries else None,
        default_graphs=[value for name, value in pairs if name == "default-graph-uri"],
        named_graphs=[value for name, value in pairs if name == "named-graph-uri"],
        format=named[-1] if named else None,
    )
    for iri in (*asked.default_graphs, *asked.named_graphs):
        if iri_token(iri) is None:
            raise BadRequest(f"Not an absolute IRI: {iri}")
    return asked


def _pairs(encoded: bytes) -> list[tuple[str, str]]:
    # Not request.args or .form: they replace what is not UTF-8, and a query must not change on its way.
    try:
        return parse_qsl(encoded.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=1000)
    except UnicodeDecodeError:
        raise BadRequest("The parameters are not percent-encoded UTF-8.") from None
    except ValueError as fault:
        raise BadRequest(f"The parameters cannot be read: {fault}.") from None


def _text() -> str:
    charset = request.mimetype_params.get("charset", "utf-8")
    try:
        return request.get_data().decode(charset)
    except LookupError:
        raise UnsupportedMediaType(f"Unknown charset: {charset}.") from None
    except UnicodeDecodeError:
        raise BadRequest(f"The query is not {charset}.") from None
