"""One document asked for politely: robots.txt, pauses, tries, redirects each checked again, limits."""

from __future__ import annotations

import hashlib
import io
import ssl
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import IO, Final

import certifi

from etl.fetch import coding, robots
from etl.fetch.addresses import Address, Resolve, checked, resolved
from etl.fetch.pace import Pace, asked_wait
from etl.fetch.settings import FetchSettings
from etl.fetch.urls import Target, target
from etl.fetch.wire import Exchange, Failed, Limits, Wire
from etl.problems import Unusable

REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
#: Statuses that may be others in a while, and failures that may not occur again.
_AGAIN: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
_PASSING: Final = frozenset({"fetch.unreachable", "fetch.no-answer", "fetch.broken-off"})
#: Bytes read of what accompanies a redirect or an error: enough for the archive to show what it was.
_ASIDE: Final = 256 * 1024
#: What lines and headers may add to a body on the wire, in bytes.
_HEADERS: Final = 1 << 20
#: Bytes of an answer kept in memory while it comes, before they go to disk.
_SPOOLED: Final = 1 << 20

#: Bytes of a body looked at to tell what it is.
_HEAD: Final = 4096

#: Told of every exchange once it is over, with what went wrong in it ("": nothing) and what it was for.
Archive = Callable[[Exchange, Mapping[str, str]], None]


@dataclass(frozen=True)
class Known:
    """What is kept of a document, so that the site can say it did not change: its tags, and of which address."""

    where: str
    etag: str = ""
    last_modified: str = ""


@dataclass(frozen=True)
class Answer:
    """An answer whose body is in the file that was given.

    `where` is whose it is, `sha256` and `size` (bytes) are the body's, `head` is its beginning, `at` when it was asked
    for (UTC).
    """

    where: Target
    status: int
    headers: Mapping[str, str] = field(hash=False)
    sha256: str
    size: int
    head: bytes
    at: datetime


@dataclass(frozen=True)
class _Room:
    """How many bytes of a body are taken; of one that is larger the beginning, or nothing."""

    size: int
    begin: bool = False


class Client:
    """Asks sites for documents; one for a run, as it remembers what they forbid and when they were asked.

    `archive` is told every exchange. Nothing is asked through a proxy: who is asked would then be chosen by another.
    Raises ValueError for a `fetch_ca_file` that is none.
    """

    def __init__(
        self,
        settings: FetchSettings,
        archive: Archive,
        pace: Pace | None = None,
        resolve: Resolve = resolved,
        work: Path | None = None,
    ) -> None:
        self._settings, self._archive, self._resolve, self._work = settings, archive, resolve, work
        self._pace = pace or Pace(settings)
        self._robots = robots.Robots(settings.fetch_agent, self._robots_txt)
        self._secure = _secure(settings.fetch_ca_file)

    def get(self, where: Target, into: IO[bytes], known: Known | None = None, via: str = "") -> Answer:
        """The answer at an address, its body written to `into` (open for writing and reading, emptied first).

        What the answer is, is for the caller to judge by its status: 200, 304 (when `known` has the document's tags),
        404 and whatever else is no redirect and no passing failure. `via` is told to the archive: the page that named
        the address. Raises Unusable: fetch.robots, fetch.private-address, fetch.too-large, … (problems.toml).
        """
        seen = [where]
        while True:
            host = where.host
            self._pace.slower(host, self._robots.check(where))
            headers = _conditions(where, known)
            try:
                answer = self._tried(where, into, headers, _Room(self._settings.fetch_max_bytes), via)
            except Unusable as wrong:
                if wrong.code in _PASSING or wrong.code in ("fetch.status", "fetch.too-slow"):
                    self._pace.failed(host)
                raise
            self._pace.answered(host)
            if answer.status not in REDIRECTS:
                return answer
            via = str(where)
            where = self._redirected(seen, answer, self._settings.fetch_max_redirects)

    def _robots_txt(self, where: Target) -> tuple[int, str]:
        """The status and text of a robots.txt; of one that is too long the beginning."""
        seen, into = [where], io.BytesIO()
        while True:
            answer = self._tried(where, into, {}, _Room(robots.MAX_BYTES, begin=True), "")
            if answer.status not in REDIRECTS:
                return answer.status, into.getvalue().decode("utf-8", "replace")
            try:
                where = self._redirected(seen, answer, robots.MAX_REDIRECTS)
            except Unusable as wrong:
                if wrong.code in ("fetch.too-many-redirects", "fetch.redirect-loop", "fetch.redirect-nowhere"):
                    return 404, ""  # the RFC's "unavailable", section 2.3.1.2
                raise

    def _redirected(self, seen: list[Target], answer: Answer, limit: int) -> Target:
        """Where a redirect leads; `seen` grows by it. Raises Unusable for a loop, one too many, or no address."""
        here, location = seen[-1], answer.headers.get("location", "")
        if not location:
            raise Unusable("fetch.redirect-nowhere", host=here.host, found=str(answer.status))
        with suppress(UnicodeDecodeError, UnicodeEncodeError):  # Latin-1 it is, then
            # Headers come as Latin-1; browsers read an address in one as the UTF-8 it mostly is.
            location = location.encode("latin-1").decode("utf-8")
        there = target(location, here)
        if there in seen:
            raise Unusable("fetch.redirect-loop", host=here.host, found=str(there))
        if len(seen) > limit:
            raise Unusable("fetch.too-many-redirects", host=here.host, limit=str(limit), found=str(there))
        seen.append(there)
        return there

    def _tried(self, where: Target, into: IO[bytes], headers: Mapping[str, str], room: _Room, via: str) -> Answer:
        """The answer of one address, tried again while it fails for the moment; redirects are not followed."""
        host, tries = where.host, self._settings.fetch_tries
        for number in range(1, tries + 1):
            self._pace.turn(host)
            addresses = checked(where, self._settings, self._resolve)
            wait = None
            try:
                answer = self._once(where, addresses, into, headers, room, via)
                if answer.status not in _AGAIN:
                    return answer
                code, found, wait = "fetch.status", str(answer.status), asked_wait(answer.headers)
            except Failed as failed:
                code, found = failed.code, failed.found
                if code not in _PASSING:
                    limit = str(room.size) if code == "fetch.too-large" else found
                    raise Unusable(code, host=host, found=found, limit=limit) from failed
            if number == tries:
                raise Unusable(code, host=host, found=found, limit=found)
            self._pace.again(number, wait, host)
        raise AssertionError("the last try returns or raises")

    def _once(
        self,
        where: Target,
        addresses: list[Address],
        into: IO[bytes],
        headers: Mapping[str, str],
        room: _Room,
        via: str,
    ) -> Answer:
        """One try: the answer, its body without its coding in `into`; raises Failed. It is archived in any case."""
        settings = self._settings
        limits = Limits(
            settings.fetch_connect_timeout,
            settings.fetch_read_timeout,
            settings.fetch_total_timeout,
            2 * room.size + _HEADERS,  # twice: a body in small pieces has a line before each
        )
        into.seek(0)
        into.truncate()
        told = {"via": via}
        with tempfile.SpooledTemporaryFile(_SPOOLED, dir=None if self._work is None else str(self._work)) as tape:
            exchange = Exchange(where, tape, datetime.now(UTC))
            try:
                with Wire(exchange, addresses, {**self._head(where), **headers}, limits, self._secure) as wire:
                    answer = _received(wire, into, room, exchange.began)
                if answer.status == 200:
                    told["sha256"] = answer.sha256
            except Failed as failed:
                told["failure"] = str(failed)
                raise
            else:
                return answer
            finally:
                self._pace.asked(where.host)
                self._archive(exchange, told)

    def _head(self, where: Target) -> dict[str, str]:
        """The headers of every request; https://www.rfc-editor.org/rfc/rfc9110#section-10.1 asks for the contact."""
        settings, contact = self._settings, self._settings.fetch_contact
        about = "; ".join(["+https://w3id.org/cupola/", *([contact] if contact else [])])
        headers = {
            "Host": where.authority,
            "User-Agent": f"{settings.fetch_agent}/{version('cupola')} ({about})",
            "Accept": "*/*",
            "Accept-Encoding": coding.ACCEPTED,
            "Connection": "close",
        }
        return headers | ({"From": contact} if "@" in contact and "/" not in contact else {})


def _secure(ca_file: str) -> ssl.SSLContext:
    """What trusts the authorities of a PEM file and checks the name of who answers."""
    try:
        return ssl.create_default_context(cafile=ca_file or certifi.where())
    except OSError as error:
        raise ValueError(f"fetch_ca_file = {ca_file!r}: allowed: a PEM file of certificates ({error})") from error


def _received(wire: Wire, into: IO[bytes], room: _Room, at: datetime) -> Answer:
    """The answer whose head has come; its body is written to `into`, as far as there is room. Raises Failed."""
    exchange = wire.exchange
    headers, status = exchange.headers, exchange.status
    wanted = 200 <= status < 300
    limit = room.size if wanted else min(room.size, _ASIDE)
    length = headers.get("content-length", "")
    if wanted and not room.begin and length.isascii() and length.isdecimal() and int(length[:18]) > limit:
        exchange.cut = "length"
        raise Failed("fetch.too-large", str(limit))
    body = _Body(into, limit)
    try:
        for piece in coding.undone(wire.body(), headers.get("content-encoding", "")):
            if not body.takes(piece):
                break
    except (coding.Broken, Failed) as error:
        # What an error or a redirect is stands in its head; that its page did not come whole changes nothing.
        if wanted:
            raise Failed("fetch.coding" if isinstance(error, coding.Broken) else error.code, error.found) from error
    if body.full:
        exchange.cut = "length"
        if wanted and not room.begin:
            raise Failed("fetch.too-large", str(limit))
    into.flush()
    return Answer(exchange.where, status, headers, body.digest.hexdigest(), body.size, body.head, at)


class _Body:
    """A body as it comes: written to a file up to its limit, counted, digested, its first bytes at hand."""

    def __init__(self, into: IO[bytes], limit: int) -> None:
        self._into, self._limit = into, limit
        self.digest, self.size, self.head, self.full = hashlib.sha256(), 0, b"", False

    def takes(self, piece: bytes) -> bool:
        """Take a piece, or what of it there is room for; False when it was too much."""
        self.full = self.size + len(piece) > self._limit
        piece = piece[: self._limit - self.size]
        self.digest.update(piece)
        self.size += len(piece)
        if len(self.head) < _HEAD:
            self.head = (self.head + piece)[:_HEAD]
        self._into.write(piece)
        return not self.full


def _conditions(where: Target, known: Known | None) -> dict[str, str]:
    """The headers that ask for a document only if it changed, https://www.rfc-editor.org/rfc/rfc9110#section-13

    Tags are of one address: along a redirect they are told only to the one that gave them.
    """
    if known is None or known.where != str(where):
        return {}
    found = {"If-None-Match": known.etag, "If-Modified-Since": known.last_modified}
    return {name: value for name, value in found.items() if value and value.isascii() and value.isprintable()}
