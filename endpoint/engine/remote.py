"""The remote engine: the same interface over any SPARQL 1.1 endpoint (Fuseki, QLever, Virtuoso, GraphDB, our own)."""

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import requests
from pyparsing import ParseBaseException
from rdflib.plugins.sparql.parser import parseQuery
from rdflib.plugins.sparql.parserutils import CompValue

from endpoint.engine import (
    DEFAULT_FORMATS,
    Answer,
    AnswerTooLarge,
    Busy,
    EngineDown,
    EngineError,
    Formats,
    NotAcceptable,
    QueryRefused,
    QuerySyntax,
    QueryTimeout,
)
from endpoint.formats import Format, Kind
from endpoint.settings import Settings

CHUNK = 64 * 1024
_KINDS: dict[str, Kind] = {
    "SelectQuery": "results",
    "AskQuery": "boolean",
    "ConstructQuery": "graph",
    "DescribeQuery": "graph",
}


def _mentions(node: Any, name: str) -> bool:
    """Whether a parse tree of rdflib's has a node of this name."""
    if isinstance(node, CompValue):
        return node.name == name or any(_mentions(value, name) for value in node.values())
    if isinstance(node, Sequence) and not isinstance(node, str | bytes):
        return any(_mentions(value, name) for value in node)
    # pyparsing's own containers are no Sequence, but are walked like one.
    return hasattr(node, "asList") and any(_mentions(value, name) for value in node)


def form(text: str) -> Kind:
    """The kind of answer a query asks for. Raises QuerySyntax, or QueryRefused for SERVICE."""
    try:
        parsed = parseQuery(text)
    except (ParseBaseException, RecursionError, ValueError) as fault:
        raise QuerySyntax(str(fault)) from fault
    if _mentions(parsed, "ServiceGraphPattern"):
        raise QueryRefused("This endpoint does not call other endpoints: SERVICE is not allowed.")
    return _KINDS[parsed[1].name]


class _Body:
    """The body of an HTTP answer in pieces; raises an EngineError where it breaks off."""

    def __init__(self, response: requests.Response, deadline: float, timeout: float, limit: int) -> None:
        self.response, self.deadline, self.timeout, self.limit = response, deadline, timeout, limit
        self.pieces: Iterator[bytes] = response.iter_content(CHUNK)
        self.size = 0

    def __iter__(self) -> "_Body":
        return self

    def __next__(self) -> bytes:
        if time.monotonic() > self.deadline:
            self.close()
            raise QueryTimeout(_too_long(self.timeout))
        try:
            piece = next(self.pieces)
        except requests.RequestException as fault:
            raise EngineDown(f"The remote endpoint broke off its answer ({type(fault).__name__}).") from fault
        self.size += len(piece)
        if self.size > self.limit:
            self.close()
            raise AnswerTooLarge(f"The answer is larger than {self.limit // 2**20} MiB, the most this endpoint sends.")
        return piece

    def close(self) -> None:
        self.response.close()


class RemoteEngine:
    """Sends the queries to `settings.remote_endpoint`; see endpoint.engine.Engine. Its memory is its own affair."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.session = requests.Session()
        self.session.headers["User-Agent"] = "cupola"

    def query(
        self,
        text: str,
        *,
        formats: Formats | None = None,
        default_graphs: Sequence[str] = (),
        named_graphs: Sequence[str] = (),
        timeout: float | None = None,
        memory: int | None = None,  # noqa: ARG002
        public: bool = False,  # noqa: ARG002
    ) -> Answer:
        """Run a query there; see Engine.query (`memory` and `public` mean nothing here)."""
        if len(text) > self.settings.max_query_length:
            raise QueryRefused(
                f"The query is {len(text)} characters long; at most {self.settings.max_query_length} are allowed."
            )
        kind = form(text)
        chosen = (DEFAULT_FORMATS if formats is None else formats).get(kind)
        if chosen is None:
            raise NotAcceptable("None of the media types you accept can write this answer.", kind=kind)
        seconds = timeout or self.settings.query_timeout
        began = time.monotonic()
        response = self._post(text, chosen, default_graphs, named_graphs, seconds)
        waited = time.monotonic() - began
        body = _Body(response, began + seconds, seconds, self.settings.max_answer_size * 2**20)
        return Answer(chosen, kind, body, seconds=waited, timings={"remote": waited})

    def _post(
        self, text: str, chosen: Format, default: Sequence[str], named: Sequence[str], seconds: float
    ) -> requests.Response:
        try:
            response = self.session.post(
                self.settings.remote_endpoint,
                data={"query": text, "default-graph-uri": list(default), "named-graph-uri": list(named)},
                headers={"Accept": ", ".join((chosen.media_type, *chosen.also))},
                timeout=seconds,
                stream=True,
            )
        except requests.Timeout as fault:
            raise QueryTimeout(_too_long(seconds)) from fault
        except requests.RequestException as fault:
            raise EngineDown(f"The remote endpoint does not answer ({type(fault).__name__}).") from fault
        if response.ok:
            given = response.headers.get("Content-Type", "").split(";")[0].strip().lower()
            if given in (chosen.media_type, *chosen.also):
                return response
            response.close()
            raise EngineDown(
                f"The remote endpoint answered with {given or 'no media type'} instead of {chosen.media_type}."
            )
        with response:
            said = response.raw.read(2000, decode_content=True).decode("utf-8", "replace")
        raise self._error(response, said)

    def _error(self, response: requests.Response, said: str) -> EngineError:
        if response.status_code == 400:
            return QuerySyntax(said)
        if response.status_code in (429, 503):
            after = response.headers.get("Retry-After", "")
            return Busy(f"The remote endpoint is busy: {said}", retry_after=int(after) if after.isdecimal() else 5)
        return EngineDown(f"The remote endpoint answered {response.status_code}: {said}")

    def alive(self) -> bool:
        """Whether it answers ASK {}."""
        try:
            return b"true" in self.query("ASK {}", timeout=5).read()
        except EngineError:
            return False

    def stats(self) -> Mapping[str, float]:
        """Nothing of ours to count."""
        return {}

    def close(self) -> None:
        """Close idle connections; those in use end with their answers."""
        self.session.close()

    def kill(self) -> None:
        """As close()."""
        self.close()


def _too_long(seconds: float) -> str:
    return f"The query was given up after {seconds:g} seconds, the most this endpoint gives one. Ask for less (LIMIT)."
