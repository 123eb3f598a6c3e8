"""SPARQL 1.1 Protocol, the query operation: https://www.w3.org/TR/sparql11-protocol/"""

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from urllib.parse import parse_qsl

import pyoxigraph as ox
from flask import Blueprint, Response, current_app, request
from werkzeug.exceptions import BadRequest, Forbidden, RequestEntityTooLarge, RequestURITooLarge, UnsupportedMediaType

from endpoint import catalog, clients, editor, errors, formats
from endpoint.engine import Answer, EngineError
from endpoint.formats import Format, Kind
from endpoint.monitoring import QueryWatch
from endpoint.rows import Counted
from endpoint.service import Service
from endpoint.settings import Settings
from endpoint.turns import Turn

blueprint = Blueprint("sparql", __name__)

FORM = "application/x-www-form-urlencoded"
QUERY = "application/sparql-query"
# What may be an IRI without a scheme: only a text with one of these needs a base.
_RELATIVE = re.compile(r"<(?![A-Za-z][A-Za-z0-9+.\-]*:)[^<>\"{}|^`\\\x00-\x20]*>")


@dataclass(frozen=True)
class Asked:
    """What a request asks: the query (None: none), the dataset, and a format by name (None: by Accept)."""

    query: str | None
    default_graphs: list[str]
    named_graphs: list[str]
    format: str | None


@blueprint.route("/sparql", methods=["GET", "POST"])
def sparql() -> Response:
    """Answer a query; without one, the service description or the page to write one.

    A HEAD costs what the beginning of the answer costs: only the query tells its status and type. A graph that is not
    in the release is an empty graph, in the request's dataset and in FROM: nothing is ever fetched.
    """
    asked = _asked()
    if asked.query is None:
        if request.method == "POST":
            raise BadRequest(
                "No query: send it as `query=` in a form, or as the body with the type application/sparql-query."
            )
        return _no_query(asked)
    longest = current_app.extensions["cupola"].settings.max_query_length
    if len(asked.query) > longest:
        too_long = RequestEntityTooLarge if request.method == "POST" else RequestURITooLarge
        raise too_long(f"The query is {len(asked.query)} characters long; at most {longest} are allowed. Shorten it.")
    chosen = _formats(asked.format)
    if not chosen:
        return errors.not_acceptable(formats.KINDS)
    return answered(asked.query, chosen, asked.default_graphs, asked.named_graphs)


def answered(
    text: str, chosen: Mapping[Kind, Format], default_graphs: Sequence[str] = (), named_graphs: Sequence[str] = ()
) -> Response:
    """Run a stranger's query when it is their turn, within all limits, and stream its answer. Raises an EngineError."""
    service: Service = current_app.extensions["cupola"]
    settings = service.settings
    watch = QueryWatch(text)
    turn: Turn | None = None
    gone = clients.departure()
    came = time.monotonic()
    try:
        turn = service.turns.take(clients.address(settings.trusted_proxies), gone)
        waited = time.monotonic() - came
        answer = service.engine.query(
            _with_base(text, service.release.base),
            formats=chosen,
            default_graphs=default_graphs,
            named_graphs=named_graphs,
            gone=gone,
        )
        sending = _Sending(answer, turn, watch)
    except BaseException as error:
        if turn is not None:
            turn.over()
        watch.end(error.outcome if isinstance(error, EngineError) else "error")
        raise
    try:
        sending.begin(settings.max_rows)
    except BaseException:
        sending.close()
        raise
    if answer.size is not None:  # all of it is here, and the worker free again
        turn.over()
    answer.timings["wait"] = answer.timings.get("wait", 0.0) + waited
    return _response(sending, answer, settings)


class _Sending(Iterator[bytes]):
    """The pieces of an answer; at their end, however that comes, all that the query holds is given back.

    An EngineError goes on to the server, which breaks the connection off.
    """

    def __init__(self, answer: Answer, turn: Turn, watch: QueryWatch) -> None:
        self._answer, self._turn, self._watch = answer, turn, watch
        self._pieces: Iterator[bytes] = answer.chunks
        self._outcome = "answered" if request.method == "HEAD" else "abandoned"
        self._open = True

    def begin(self, max_rows: int) -> None:
        """Have the rows counted, if there is a limit. Raises TooManyRows if the first piece has too many already."""
        if max_rows and self._answer.kind == "results":
            counted = self._pieces = Counted(self._answer.chunks, self._answer.format.name, max_rows)
            self._pieces = chain([next(self)], counted)

    def __next__(self) -> bytes:
        try:
            return next(self._pieces)
        except StopIteration:
            self._outcome = "answered"
            self.close()
            raise
        except EngineError as error:
            self._outcome = error.outcome
            self.close()
            raise

    def close(self) -> None:
        """End the query, if it still runs, and tell of it; called by the server when the answer is sent or given up."""
        was_open, self._open = self._open, False
        if was_open:
            self._answer.close()
            self._turn.over()
            self._watch.end(self._outcome, self._answer.kind)


def _response(sending: _Sending, answer: Answer, limits: Settings) -> Response:
    response = Response(sending, content_type=answer.format.content_type)
    if answer.size is not None:
        response.content_length = answer.size
    response.vary.add("Accept")
    response.headers["Server-Timing"] = ", ".join(f"{name};dur={s * 1000:.1f}" for name, s in answer.timings.items())
    told = f"seconds={limits.query_timeout:g}, memory={limits.query_memory}MiB, answer={limits.max_answer_size}MiB"
    response.headers["X-Cupola-Limits"] = told + (f", rows={limits.max_rows}" if limits.max_rows else "")
    response.headers["Cache-Control"] = "no-cache"
    return response


def _with_base(text: str, base: str) -> str:
    """The query with the base that this service defines (SPARQL 1.1, 4.1.1.2): `<id/project/…>` is one of ours.

    Only where it may need one, and on its first line: the places in error messages stay right.
    """
    return f"BASE <{base}> {text}" if _RELATIVE.search(text) else text


def _no_query(asked: Asked) -> Response:
    types = {f.media_type: f for f in formats.of("graph")}
    if asked.format is not None:
        chosen = formats.named(asked.format, "graph")
    else:
        best = formats.negotiate(request.accept_mimetypes, [*types, formats.HTML])
        if best == formats.HTML:
            page = editor.page()
            page.vary.add("Accept")
            return page
        chosen = types[best] if best else None
    if chosen is None:
        return errors.not_acceptable(("graph",), html=True)
    return catalog.service_description(chosen)


def _formats(name: str | None) -> dict[Kind, Format]:
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
        try:
            ox.NamedNode(iri)
        except ValueError:
            raise BadRequest(f"Not an absolute IRI: {iri}") from None
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
    charset = request.mimetype_params.get("charset", "utf-8").lower()
    if charset not in ("utf-8", "utf8"):
        raise UnsupportedMediaType(f"A query is sent as UTF-8 (SPARQL 1.1 Protocol, 2.1.3), not as {charset}.")
    try:
        return request.get_data().decode("utf-8")
    except UnicodeDecodeError:
        raise BadRequest("The query is not UTF-8.") from None
