"""How the server is doing, for whoever runs it: /health for probes, /metrics for Prometheus, a log line a request."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Protocol, cast

from flask import Blueprint, Flask, Response, current_app, request
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

from endpoint import logs
from endpoint.service import Service

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

blueprint = Blueprint("monitoring", __name__)

disable_created_metrics()  # type: ignore[no-untyped-call] # a second series for each, of use to nobody here

# What answers whether or not there is a release, and never waits for one.
WITHOUT_RELEASE = ("monitoring.live", "monitoring.metrics")
SECONDS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
# What the engine and the cache count, and what it means; an engine tells what it has.
TOLD = {
    "worker_restarts": "Workers replaced since this release is served.",
    "workers_busy": "Workers at a query.",
    "workers_memory_bytes": "Resident memory of the workers.",
    "queries_queued": "Queries of strangers waiting for their turn.",
    "queries_waiting": "Queries, the pages' own too, waiting for a worker.",
    "cache_hits": "Answers given again from memory since this release is served.",
    "cache_misses": "Answers that were not in memory.",
    "cache_bytes": "Size of the answers held in memory.",
}


class Metrics:
    """The figures of one application, in a registry of its own. Labels take few values: routes, never addresses."""

    def __init__(self, service: Service) -> None:
        self.registry = CollectorRegistry()
        own: dict[str, Any] = {"namespace": "cupola", "registry": self.registry}
        self.requests = Counter("requests", "Requests answered.", ("route", "status"), **own)
        self.request_seconds = Histogram(
            "request_seconds", "Seconds until a request's last byte was made.", ("route",), buckets=SECONDS, **own
        )
        self.active = Gauge("requests_active", "Requests being answered.", **own)
        self.queries = Counter(
            "queries", "Queries at /sparql, by kind of answer and how they ended.", ("kind", "outcome"), **own
        )
        self.query_seconds = Histogram(
            "query_seconds", "Seconds a query took, its download included.", ("kind",), buckets=SECONDS, **own
        )
        ProcessCollector(registry=self.registry)  # memory, processor time and open files of the server itself
        self.registry.register(_State(service))

    def count(self, entry: logs.Entry) -> None:
        """A request is over."""
        self.requests.labels(entry.route, str(entry.status)).inc()
        self.request_seconds.labels(entry.route).observe(entry.seconds)


class _State:
    """What is asked only when /metrics is: the release, its engine, its cache."""

    def __init__(self, service: Service) -> None:
        self.service = service

    def collect(self) -> Iterator[Metric]:
        serving = self.service.serving
        ready = serving is not None and not self.service.stopping
        yield GaugeMetricFamily("cupola_ready", "1 while a release is served and the server is not stopping.", ready)
        if serving is None:
            return
        info = GaugeMetricFamily("cupola_release_info", "The release being served.", labels=("release",))
        info.add_metric((serving.release.id,), 1)
        yield info
        created = serving.release.created.timestamp()
        yield GaugeMetricFamily(
            "cupola_release_created_timestamp_seconds", "When it was built; time() less this is its age.", created
        )
        told = {"queries_queued": self.service.turns.waiting(), **serving.engine.stats(), **serving.cache.stats()}
        for name, value in told.items():
            short = name.removesuffix("_total")
            family = CounterMetricFamily if short != name else GaugeMetricFamily
            yield family(f"cupola_{short}", TOLD.get(short, short.replace("_", " ")), value)


class QueryWatch:
    """One query under way: told in /metrics and in the request's line of the log when it ends."""

    def __init__(self, text: str) -> None:
        self.told = logs.entry().query = logs.Query(text)
        self.metrics: Metrics = current_app.extensions["cupola.metrics"]

    def end(self, outcome: str, kind: str = "none") -> None:
        """It is over, this way; `kind` is that of its answer, when there was one."""
        told = self.told
        told.outcome, told.kind, told.seconds = outcome, kind, time.monotonic() - told.began
        self.metrics.queries.labels(kind, outcome).inc()
        self.metrics.query_seconds.labels(kind).observe(told.seconds)


class _Closing(Protocol):
    def close(self) -> object: ...


class _Body:
    """The pieces of an answer on their way to the server, counted; says when the last is gone."""

    def __init__(self, pieces: Iterable[bytes], entry: logs.Entry, over: Callable[[logs.Entry], None]) -> None:
        self.pieces, self.entry, self.over = pieces, entry, over

    def __iter__(self) -> Iterator[bytes]:
        for piece in self.pieces:
            self.entry.bytes += len(piece)
            yield piece

    def close(self) -> None:
        """Called by the server whatever happened (PEP 3333)."""
        try:
            if hasattr(self.pieces, "close"):
                cast("_Closing", self.pieces).close()
        finally:
            self.over(self.entry)


class Watch:
    """WSGI middleware around the application: gives each request its id, counts it and tells of it when it is over.

    Around everything, because only there are the end of a streamed answer and its size known.
    """

    def __init__(self, app: WSGIApplication, metrics: Metrics, log_queries: bool) -> None:
        self.app, self.metrics, self.log_queries = app, metrics, log_queries

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request."""
        entry = environ[logs.KEY] = logs.begin(environ["REQUEST_METHOD"], environ.get("HTTP_X_REQUEST_ID", ""))
        length = 0
        self.metrics.active.inc()

        def started(status: str, headers: list[tuple[str, str]], *error: Any) -> Callable[[bytes], object]:
            nonlocal length
            entry.status = int(status[:3])
            length = next((int(value) for name, value in headers if name.lower() == "content-length"), 0)
            return start_response(status, [*headers, ("X-Request-ID", entry.id)], *error)

        try:
            pieces = self.app(environ, started)
        except BaseException:
            entry.status = 500
            self._over(entry)
            raise
        file = environ.get("wsgi.file_wrapper")
        if isinstance(file, type) and isinstance(pieces, file):
            # The server sends a file by itself, without a thread, if it is handed over as it is.
            entry.bytes = length
            self._over(entry)
            return pieces
        return _Body(pieces, entry, self._over)

    def _over(self, entry: logs.Entry) -> None:
        self.metrics.active.dec()
        logs.end(entry, queries=self.log_queries)
        self.metrics.count(entry)


def register(app: Flask, service: Service) -> None:
    """Watch every request of the application."""
    metrics = app.extensions["cupola.metrics"] = Metrics(service)
    app.register_blueprint(blueprint)
    app.wsgi_app = Watch(app.wsgi_app, metrics, service.settings.log_queries)  # type: ignore[method-assign]

    @app.before_request
    def name_route() -> None:
        logs.entry().route = request.endpoint or "none"


def _service() -> Service:
    service: Service = current_app.extensions["cupola"]
    return service


def _told(code: int, **body: object) -> Response:
    response = Response(json.dumps(body), code, mimetype="application/json")
    response.headers["Cache-Control"] = "no-store"
    return response


@blueprint.get("/health")
def health() -> Response:
    """Whether queries are answered: 200 and the release, or 503."""
    service = _service()
    alive = service.engine.alive()
    return _told(200 if alive else 503, status="ok" if alive else "failing", release=service.release.id, engine=alive)


@blueprint.get("/health/live")
def live() -> Response:
    """Whether the process answers at all; asks no engine. A 200 for as long as it does."""
    return _told(200, status="ok")


@blueprint.get("/health/ready")
def ready() -> Response:
    """Whether to send requests here: 200 while a release is served, its engine answers and the server is not stopping,
    else 503.
    """
    service = _service()
    if service.stopping:
        return _told(503, status="stopping")
    return health()


@blueprint.get("/metrics")
def metrics() -> Response:
    """The figures in Prometheus' text format: https://prometheus.io/docs/instrumenting/exposition_formats/"""
    found: Metrics = current_app.extensions["cupola.metrics"]
    return Response(generate_latest(found.registry), content_type=CONTENT_TYPE_PLAIN_0_0_4)
