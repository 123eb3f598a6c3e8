"""Serving for real: waitress, one process with threads around the engine's worker processes.

Chosen by trying (granian 2.8, gunicorn 27, cheroot 11, waitress 3.0). granian ends a chunked body properly when the
application fails in the middle of it, so a broken-off answer looks complete, and it gives no raw path. The others break
the connection off and give it; waitress is one plain process that ends cleanly, reads slow clients without spending a
thread on them, and is as fast as the rest for us.
"""

import errno
import logging
import re
import signal
from collections.abc import Callable
from types import FrameType

from flask import Flask
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser
from waitress.server import BaseWSGIServer, MultiSocketServer, create_server

from endpoint import create_app
from endpoint.engine import EngineError
from endpoint.release import current
from endpoint.service import Service
from endpoint.settings import Settings


class CannotListen(Exception):
    """The address cannot be listened on; the message says which and why."""


class _Stop(SystemExit):
    """A signal to stop: waitress takes a SystemExit as its own sign to let running requests end."""


class _Parser(HTTPRequestParser):
    """waitress' parser, that also takes addresses with bytes above 127 (`/id/x/società`), as some clients send them."""

    def parse_header(self, header_plus: bytes) -> None:
        """Percent-encode those bytes in the request line before it is parsed."""
        line, end, rest = header_plus.partition(b"\r\n")
        line = re.sub(rb"[\x80-\xff]", lambda byte: b"%%%02X" % ord(byte[0]), line)
        super().parse_header(line + end + rest)


HTTPChannel.parser_class = _Parser  # the only place waitress takes it from


def _brief(record: logging.LogRecord) -> bool:
    """Tell a query that was broken off in one line: it is the client's news, not a fault of ours to trace."""
    if record.exc_info and isinstance(record.exc_info[1], EngineError):
        record.msg, record.args, record.exc_info = "answer broken off: %s", (str(record.exc_info[1]),), None
    return True


def run(settings: Settings, on_ready: Callable[[str], None] | None = None) -> None:
    """Serve until SIGINT or SIGTERM; `on_ready` is called with the URL once requests are answered.

    Raises NoRelease when there is nothing to serve, CannotListen when the port is taken. Call it from the main thread.
    """
    current(settings.releases)
    logging.getLogger("waitress").addFilter(_brief)
    app = create_app(settings)
    service: Service = app.extensions["cupola"]
    try:
        server = _listen(app, settings)
        try:
            with app.app_context():
                service.engine.alive()  # starts it, so that the first visitor does not wait
            if on_ready is not None:
                on_ready(_url(settings, server))
            _serve(server, service)
        finally:
            server.close()
    finally:
        service.close()


def _listen(app: Flask, settings: Settings) -> MultiSocketServer | BaseWSGIServer:
    try:
        return create_server(
            app,
            host=settings.host,
            port=settings.port,
            threads=settings.threads,
            ident=None,
            max_request_body_size=4 * settings.max_body,  # below it the application refuses, in its own words
            # An idle connection costs no thread, but waitress refuses new ones above its limit (100 by default).
            connection_limit=1000,
            asyncore_use_poll=True,
            channel_timeout=60,
            # What a client has not read yet waits here; beyond it the query's worker waits.
            outbuf_high_watermark=4 * 2**20,
            outbuf_overflow=1 * 2**20,
            expose_tracebacks=False,
        )
    except OSError as fault:
        why = {errno.EADDRINUSE: "another program uses it", errno.EACCES: "not permitted"}.get(
            fault.errno or 0, fault.strerror
        )
        raise CannotListen(f"Cannot listen on {settings.host} port {settings.port}: {why}.") from fault


def _url(settings: Settings, server: MultiSocketServer | BaseWSGIServer) -> str:
    port = getattr(server, "effective_port", settings.port)
    host = settings.host if settings.host.strip("0.:") else "127.0.0.1"  # 0.0.0.0 and :: are every address
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def _serve(server: MultiSocketServer | BaseWSGIServer, service: Service) -> None:
    def stop(_signal: int, _frame: FrameType | None) -> None:
        for number in before:
            signal.signal(number, signal.SIG_DFL)  # asked a second time, the process ends at once (its workers too)
        # The queries first, or waitress would wait for them. This is the main thread, which holds no lock of ours.
        service.close()
        raise SystemExit  # waitress' loop ends at this; other exceptions it would only log

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        server.run()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
