"""What the server tells on standard error: one line for each request, and whatever else happens.

Kept of a request: its id, method, route (the name of what answers, such as `resources.data`), status, seconds, bytes,
and of a query the kind of its answer and how it ended. That finds a slow route or a failing query, and the id finds
the same request in a proxy's log. Not kept, because it tells who asked for what: addresses of clients, user agents, the
path and the query string (addresses here name persons). The text of a query is kept only where the setting
`log_queries` says so, and then only of one that failed or was slow.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import time
import uuid
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime

from flask import request

FORMATS = ("text", "json")
SLOW = 1.0  # seconds from which a query counts as slow
KEY = "cupola.entry"  # of the Entry in a request's WSGI environment

# What is taken over from a client: whatever a UUID, a ULID, a trace id or a proxy's own id is written with.
_SANE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:+/=@-]{0,127}", re.ASCII)
_METHODS = ("GET", "HEAD", "POST", "OPTIONS", "PUT", "DELETE", "PATCH")
_current: ContextVar[str] = ContextVar("request_id", default="")

requests_log = logging.getLogger("cupola.requests")


@dataclass
class Query:
    """What is told of a query: the kind of its answer ("none" until one is known) and how it ended."""

    text: str
    kind: str = "none"
    outcome: str = "abandoned"
    began: float = field(default_factory=time.monotonic)
    seconds: float = 0.0


@dataclass
class Entry:
    """What is told of a request."""

    id: str
    method: str
    route: str = "none"
    status: int = 0
    bytes: int = 0
    query: Query | None = None
    began: float = field(default_factory=time.monotonic)
    seconds: float = 0.0


def begin(method: str, given_id: str) -> Entry:
    """The entry of a request that begins in this thread; its id is the client's if that is sane, else a new one."""
    entry = Entry(
        id=given_id if _SANE_ID.fullmatch(given_id) else uuid.uuid4().hex,
        method=method if method in _METHODS else "other",
    )
    _current.set(entry.id)
    return entry


def end(entry: Entry, *, queries: bool) -> None:
    """Tell of a request that is over; `queries`: with the text of a query that failed or was slow."""
    entry.seconds = time.monotonic() - entry.began
    told: dict[str, object] = {
        "method": entry.method,
        "route": entry.route,
        "status": entry.status,
        "seconds": round(entry.seconds, 6),
        "bytes": entry.bytes,
    }
    if query := entry.query:
        told |= {"kind": query.kind, "outcome": query.outcome}
        if queries and (query.outcome != "answered" or query.seconds > SLOW):
            told["query"] = query.text
    requests_log.info("request", extra={"told": told})
    _current.set("")


def entry() -> Entry:
    """The entry of the request being answered."""
    found: Entry = request.environ[KEY]
    return found


def request_id() -> str:
    """The id of the request this thread is at; empty outside one."""
    return _current.get()


class JsonFormatter(logging.Formatter):
    """A record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        said: dict[str, object] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if identifier := request_id():
            said["request_id"] = identifier
        said |= getattr(record, "told", {})
        if record.exc_info:
            said["exception"] = self.formatException(record.exc_info)
        return json.dumps(said, ensure_ascii=False)


class TextFormatter(logging.Formatter):
    """A record as a line for people; what follows of an exception stands on further lines."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        told = getattr(record, "told", None)
        # A query's line breaks would look like lines of ours.
        said = " ".join(str(value) for value in told.values()) if told else record.getMessage()
        words = [_time(record), record.levelname.lower(), record.name, json.dumps(said, ensure_ascii=False)[1:-1]]
        if identifier := request_id():
            words.append(f"[{identifier}]")
        line = " ".join(words)
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def without_address(record: logging.LogRecord) -> bool:
    """Take the path out of waitress' messages ("Exception while serving /…")."""
    said = record.getMessage()
    record.msg, record.args = re.sub(r"(?<= while serving ).*", "a request", said, flags=re.DOTALL), ()
    return True


def configure(log_format: str) -> None:
    """Write every log of this process to standard error, as "text" or "json"."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if log_format == "json" else TextFormatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.getLogger("waitress").addFilter(without_address)
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)  # a line for each request that waits, under load
