"""Serving for real: waitress, one process with threads around the engine's worker processes.

Chosen by trying (granian 2.8, gunicorn 27, cheroot 11, waitress 3.0). granian ends a chunked body properly when the
application fails in the middle of it, so a broken-off answer looks complete, and it gives no raw path. The others break
the connection off and give it; waitress is one plain process that ends cleanly, reads slow clients without spending a
thread on them, and is as fast as the rest for us.
"""

import errno
import logging
import os
import re
import signal
import socket
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

from flask import Flask
from waitress import wasyncore
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser, ParsingError
from waitress.server import BaseWSGIServer, MultiSocketServer, create_server

from endpoint import create_app, logs
from endpoint.channel import Channel
from endpoint.engine import EngineError
from endpoint.release import current
from endpoint.service import Service
from endpoint.settings import Settings

Sockets = dict[int, Any]  # waitress' own register of what it listens to and talks to, by file descriptor


class CannotListen(Exception):
    """The address cannot be listened on; the message says which and why."""


class _Parser(HTTPRequestParser):
    """waitress' parser, that also takes addresses with bytes above 127 (`/id/x/società`), as some clients send them."""

    def parse_header(self, header_plus: bytes) -> None:
        """Percent-encode those bytes in the request line before it is parsed."""
        line, end, rest = header_plus.partition(b"\r\n")
        line = re.sub(rb"[\x80-\xff]", lambda byte: b"%%%02X" % ord(byte[0]), line)
        super().parse_header(line + end + rest)
        if self.chunked and "CONTENT_LENGTH" in self.headers:
            # A proxy may have believed the other one, and taken what follows for another's request (RFC 9112, 6.3).
            raise ParsingError("Content-Length and Transfer-Encoding together")


HTTPChannel.parser_class = _Parser  # the only place waitress takes it from
BaseWSGIServer.channel_class = Channel


def _brief(record: logging.LogRecord) -> bool:
    """Tell a query that was broken off in one line: it is the client's news, not a fault of ours to trace."""
    if record.exc_info and isinstance(record.exc_info[1], EngineError):
        record.msg, record.args, record.exc_info = "answer broken off: %s", (str(record.exc_info[1]),), None
    return True


def run(settings: Settings, on_ready: Callable[[str], None] | None = None) -> None:
    """Serve until SIGINT or SIGTERM; `on_ready` is called with the URL once requests are answered.

    On the signal /health/ready turns to 503, what is being answered has `stop_timeout` seconds to end, then everything
    ends; a second signal ends it at once.

    Raises NoRelease when there is nothing to serve, CannotListen when the port is taken. Call it from the main thread.
    """
    current(settings.releases)
    logs.configure(settings.log_format)
    logging.getLogger("waitress").addFilter(_brief)
    app = create_app(settings)
    service: Service = app.extensions["cupola"]
    try:
        sockets: Sockets = {}
        server = _listen(app, settings, sockets)
        try:
            with app.app_context():
                service.engine.alive()  # starts it, so that the first visitor does not wait
            _serve(server, service, sockets, on_ready)
        finally:
            server.close()
    finally:
        service.close()


def _listen(app: Flask, settings: Settings, sockets: Sockets) -> MultiSocketServer | BaseWSGIServer:
    try:
        return create_server(
            app,
            map=sockets,
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
            channel_request_lookahead=1,  # without it waitress does not notice a client that goes away
            clear_untrusted_proxy_headers=False,  # endpoint.clients knows how much of them to believe
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


def _serve(
    server: MultiSocketServer | BaseWSGIServer,
    service: Service,
    sockets: Sockets,
    on_ready: Callable[[str], None] | None,
) -> None:
    """waitress' own loop, that also knows when the answers under way at the signal have all gone out."""

    def stop(_signal: int, _frame: FrameType | None) -> None:
        for number in before:
            signal.signal(number, signal.SIG_DFL)  # asked a second time, the process ends at once (its workers too)
        service.stopping = True

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        if on_ready is not None:
            on_ready(_url(service.settings, server))
        _tell_manager("READY=1")
        while not service.stopping:
            _turn(sockets)
        _tell_manager("STOPPING=1")
        # Meanwhile others are still answered: whoever sends them here has first to learn that it should not.
        until = time.monotonic() + service.settings.stop_timeout
        under_way = _busy(sockets)
        while (under_way := under_way & _busy(sockets)) and time.monotonic() < until:
            _turn(sockets)
        service.close()  # the queries left first, or waitress would wait for them
        server.task_dispatcher.shutdown()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _turn(sockets: Sockets) -> None:
    # A signal does not end a poll, so this is also how long one may go unnoticed.
    wasyncore.loop(timeout=0.25, use_poll=True, map=sockets, count=1)


def _busy(sockets: Sockets) -> set[HTTPChannel]:
    """The connections with a request being answered, or an answer not all sent."""
    channels = (channel for channel in list(sockets.values()) if isinstance(channel, HTTPChannel))
    return {channel for channel in channels if channel.requests or channel.total_outbufs_len}


def _tell_manager(state: str) -> None:
    """Tell the service manager, if one started us and wants to know (systemd's Type=notify).

    https://www.freedesktop.org/software/systemd/man/latest/sd_notify.html
    """
    if address := os.environ.get("NOTIFY_SOCKET"):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.sendto(state.encode(), address.replace("@", "\0", 1) if address[0] == "@" else address)
