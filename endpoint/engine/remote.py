"""The remote engine: the same interface over any SPARQL 1.1 endpoint (Fuseki, QLever, Virtuoso, GraphDB, our own).

What to set for which store is in REMOTE.md, what is particular about each in stores.toml.
"""

import logging
import math
import re
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

import requests
import urllib3

from endpoint.engine import (
    DEFAULT_FORMATS,
    Abandoned,
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
from endpoint.engine.connection import CONNECT, Elsewhere, refusal, send, session, with_socket_told
from endpoint.engine.forms import form
from endpoint.engine.stores import Store, store_named
from endpoint.formats import Format
from endpoint.settings import Settings

log = logging.getLogger("cupola")

CHUNK = 64 * 1024
TOLD = 2000  # bytes of an error's text that are read
# Seconds the store gets more than the query: we end the answer first, visibly; what a store ends may look whole.
GRACE = 1
TICK = 0.025  # seconds between two looks at the queries under way


class RemoteEngine:
    """Sends the queries to `settings.remote_endpoint`; see endpoint.engine.Engine. Its memory is its own affair."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.store = store_named(settings.remote_store)
        self.session = session(settings)
        self.change = threading.Condition()
        self.under_way: set[_Exchange] = set()
        self.waiting = 0
        self.closed = False
        self.told = ""
        threading.Thread(target=self._watch, name="remote-watchdog", daemon=True).start()

    def query(
        self,
        text: str,
        *,
        formats: Formats | None = None,
        default_graphs: Sequence[str] = (),
        named_graphs: Sequence[str] = (),
        timeout: float | None = None,
        memory: int | None = None,  # noqa: ARG002
        gone: Callable[[], bool] | None = None,
    ) -> Answer:
        """Run a query there; see Engine.query (`memory` means nothing here)."""
        if len(text) > self.settings.max_query_length:
            raise QueryRefused(
                f"The query is {len(text)} characters long; at most {self.settings.max_query_length} are allowed."
            )
        kind = form(text)
        chosen = (DEFAULT_FORMATS if formats is None else formats).get(kind)
        if chosen is None:
            raise NotAcceptable("None of the media types you accept can write this answer.", kind=kind)
        asked = time.monotonic()
        exchange = self._begin(timeout or self.settings.query_timeout, gone)
        began = time.monotonic()
        try:
            response = self._post(exchange, text, chosen, default_graphs, named_graphs)
        except BaseException:
            self._over(exchange)
            raise
        body = _Body(response, exchange, self.settings.max_answer_size, self.store.cut.encode(), self._over)
        waited = time.monotonic() - began
        return Answer(chosen, kind, body, seconds=waited, timings={"wait": began - asked, "remote": waited})

    def _post(
        self, exchange: "_Exchange", text: str, chosen: Format, default: Sequence[str], named: Sequence[str]
    ) -> requests.Response:
        parameters = {"query": text, "default-graph-uri": list(default), "named-graph-uri": list(named)}
        if self.store.timeout:
            parameters["timeout"] = self.store.timeout.format(seconds=math.ceil(exchange.seconds) + GRACE)
        accepted = (chosen.media_type, *chosen.also)
        try:
            with with_socket_told(exchange.reads_from):
                response = send(
                    self.session,
                    "POST",
                    self.settings.remote_endpoint,
                    data=parameters,
                    headers={"Accept": ", ".join(accepted)},
                    timeout=(min(CONNECT, exchange.seconds), exchange.seconds),
                    stream=True,
                )
        except requests.RequestException as fault:
            if exchange.ended is not None:
                raise exchange.ended from fault
            if isinstance(fault, requests.ReadTimeout):
                raise QueryTimeout(_too_long(exchange.seconds)) from fault
            if isinstance(fault, Elsewhere):
                raise EngineDown(f"{fault}.") from fault
            raise EngineDown(f"The remote endpoint does not answer ({type(fault).__name__}).") from fault
        header, value = self.store.partial
        if response.status_code == 206 or (header and response.headers.get(header) == value):
            response.close()
            raise QueryTimeout(_too_long(exchange.seconds))
        if response.ok:
            given = response.headers.get("Content-Type", "").split(";")[0].strip().lower()
            if given in accepted:
                return response
            response.close()
            raise EngineDown(
                f"The remote endpoint answered with {given or 'no media type'} instead of {chosen.media_type}."
            )
        raise _error(response, self.store, exchange.seconds)

    def alive(self) -> bool:
        """Whether it answers ASK {}; why it does not is logged, once."""
        try:
            answered = b"true" in self.query("ASK {}", timeout=5).read()
            why = "" if answered else "It does not answer ASK {} with true."
        except EngineError as fault:
            answered, why = False, str(fault)
        if why and why != self.told:
            log.error("%s: %s", self.settings.remote_endpoint, why)
        self.told = why
        return answered

    def stats(self) -> Mapping[str, float]:
        """Gauges for /metrics."""
        with self.change:
            return {"workers_busy": len(self.under_way), "queries_waiting": self.waiting}

    def close(self) -> None:
        """Close idle connections; those in use end with their answers."""
        with self.change:
            self.closed = True
            self.change.notify_all()
        self.session.close()

    def kill(self) -> None:
        """End the queries under way too."""
        with self.change:
            for exchange in self.under_way:
                exchange.end(EngineDown("The server is stopping."))
        self.close()

    def _begin(self, seconds: float, gone: Callable[[], bool] | None) -> "_Exchange":
        """A place for one more query there, waiting for it a bounded time. Raises Busy or Abandoned."""
        until = time.monotonic() + self.settings.queue_timeout
        most = self.settings.remote_connections
        with self.change:
            self.waiting += 1
            try:
                while len(self.under_way) >= most:
                    left = until - time.monotonic()
                    if self.closed or left <= 0 or self.waiting > self.settings.queue_length:
                        again = max(1, math.ceil(self.settings.queue_timeout))
                        raise Busy(f"All {most} places for queries are taken; try again in a few seconds.", again)
                    self.change.wait(min(left, 10 * TICK))
                    if gone is not None and gone():
                        raise Abandoned("The client has gone away.")
            finally:
                self.waiting -= 1
            exchange = _Exchange(seconds, gone)
            self.under_way.add(exchange)
            self.change.notify_all()  # the watchdog among them
            return exchange

    def _over(self, exchange: "_Exchange") -> None:
        with self.change:
            self.under_way.discard(exchange)
            self.change.notify_all()

    def _watch(self) -> None:
        """End what passes its time or whose client went away, until the engine is closed and its last query over."""
        while True:
            with self.change:
                while not self.under_way:
                    if self.closed:
                        return
                    self.change.wait()
                now = time.monotonic()
                for exchange in self.under_way:
                    if now > exchange.deadline:
                        exchange.end(QueryTimeout(_too_long(exchange.seconds)))
                    elif exchange.gone is not None and exchange.gone():
                        exchange.end(Abandoned("The client has gone away."))
            time.sleep(TICK)


class _Exchange:
    """One query under way: its time, and the socket that shutting ends it, whatever it waits for."""

    def __init__(self, seconds: float, gone: Callable[[], bool] | None) -> None:
        self.seconds, self.gone = seconds, gone
        self.deadline = time.monotonic() + seconds
        self.ended: EngineError | None = None
        self.socket: socket.socket | None = None

    def reads_from(self, connected: socket.socket) -> None:
        """The answer will come from this socket."""
        self.socket = connected
        if self.ended is not None:
            self._shut()

    def end(self, why: EngineError) -> None:
        """Break it off, from whichever thread: its reader finds out. The first reason stays."""
        if self.ended is None:
            self.ended = why
            self._shut()

    def _shut(self) -> None:
        if self.socket is not None:
            with suppress(OSError):  # it has just been closed
                # Below TLS: a reader in the middle of a record must not find its state gone.
                socket.socket.shutdown(self.socket, socket.SHUT_RDWR)


class _Body:
    """The body of an HTTP answer in pieces; raises an EngineError where it breaks off."""

    def __init__(
        self,
        response: requests.Response,
        exchange: _Exchange,
        most: int,
        cut: bytes,
        over: Callable[[_Exchange], None],
    ) -> None:
        self.response, self.exchange, self.most, self.cut, self.over = response, exchange, most, cut, over
        self.size = 0
        self.tail = b""
        self.closing = threading.Lock()
        self.closed = False

    def __iter__(self) -> "_Body":
        return self

    def __next__(self) -> bytes:
        if self.closed:
            raise StopIteration
        try:
            piece: bytes = self.response.raw.read1(CHUNK, decode_content=True)
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as fault:  # ValueError: close() in another thread
            self.close()
            if self.exchange.ended is not None:
                raise self.exchange.ended from fault
            raise EngineDown(f"The remote endpoint broke off its answer ({type(fault).__name__}).") from fault
        if self.exchange.ended is not None:
            self.close()
            raise self.exchange.ended
        if not piece:
            self.close()
            if self.cut and self.cut in self.tail:
                raise QueryTimeout(_too_long(self.exchange.seconds))
            raise StopIteration
        self.size += len(piece)
        if self.size > self.most * 2**20:
            self.close()
            raise AnswerTooLarge(f"The answer is larger than {self.most} MiB, the most this endpoint sends.")
        if self.cut:
            self.tail = (self.tail + piece)[-4 * len(self.cut) :]
        return piece

    def close(self) -> None:
        """End the query: a connection whose answer was not read to its end is closed, and the store sees that."""
        with self.closing:
            was_open, self.closed = not self.closed, True
        if was_open:
            self.response.close()
            self.over(self.exchange)


def _error(response: requests.Response, store: Store, seconds: float) -> EngineError:
    """What an answer that is no success means for whoever asked us."""
    status = response.status_code
    try:
        with response:
            said = response.raw.read(TOLD, decode_content=True).decode("utf-8", "replace")
    except urllib3.exceptions.HTTPError:
        said = ""
    said = _plain(said)
    if status in (408, 504) or any(words in said for words in store.timed_out):
        return QueryTimeout(_too_long(seconds))
    if status == 400:
        return QuerySyntax(said or "The store behind this endpoint cannot read this query.")
    if status in (401, 403, 407):
        return EngineDown(refusal(status))
    if status in (413, 414):
        return QueryRefused("The query is longer than the store behind this endpoint accepts.")
    if status in (429, 503):
        after = response.headers.get("Retry-After", "")
        return Busy(f"The remote endpoint is busy: {said}", retry_after=int(after) if after.isdecimal() else 5)
    return EngineDown(f"The remote endpoint answered {status}: {said}")


def _plain(said: str) -> str:
    """An error's text as one can read it: without the tags of a page, and its empty lines."""
    if "<html" in said.lower():
        said = re.sub(r"<[^<>]*>", "", said)
    return "\n".join(line.strip() for line in said.splitlines() if line.strip())


def _too_long(seconds: float) -> str:
    return f"The query was given up after {seconds:g} seconds, the most this endpoint gives one. Ask for less (LIMIT)."
