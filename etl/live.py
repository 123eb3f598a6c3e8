"""One CUP looked up live at an address that answers like OpenCUP's: found, not found, or why there is no answer.

Polite: one question at a time, time limits, tries again later when asked to, keeps answers for a day. The address and
the key are the user's; the key goes to that address only, never along a redirect.
"""

from __future__ import annotations

import json
import random
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import quote, urlsplit

import requests

State = Literal["found", "not-found", "unreachable"]

#: What stands in the address where the CUP goes; an address without it gets the CUP as its last part.
PLACE: Final = "{cup}"
TRIES: Final = 4
#: Seconds: to connect, between two pieces, for one whole answer, for a wait the server asks for.
CONNECT, PIECE, WHOLE, LONGEST_WAIT = 5.0, 10.0, 30.0, 60.0
MAX_BYTES: Final = 4 * 1024**2
KEPT: Final = timedelta(days=1)
_AGAIN: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
_CHUNK: Final = 1 << 16


@dataclass(frozen=True)
class Answer:
    """What came of looking a CUP up: `at` is when it was asked, `record` what the register says when it is found.

    `why` tells a person why there is no answer; `kept` that the answer is one given earlier; `note` what else went
    wrong (a cache that cannot be used).
    """

    cup: str
    state: State
    at: datetime
    record: dict[str, Any] | None = None
    why: str = ""
    kept: bool = False
    note: str = ""


def lookup(
    cup: str,
    address: str,
    key: str = "",
    cache: Path | None = None,
    *,
    sleep: Callable[[float], None] = time.sleep,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Answer:
    """Look a well-formed CUP up at an address (`PLACE` in it stands for the CUP).

    The key is sent as `Authorization: Bearer KEY`, or as another header when it is written "Name: value". Answers are
    kept in the SQLite file `cache` for a day; a failure never is. Raises ValueError for an address or key that cannot
    be used.
    """
    url = _url(address, cup)
    headers = _headers(key, url)
    kept, note = _kept(cache, url, cup, now())
    if kept is not None:
        return kept
    answer = _asked(cup, url, headers, sleep, now)
    if answer.state != "unreachable" and not note:
        note = _keep(cache, url, answer)
    return replace(answer, note=note)


def _url(address: str, cup: str) -> str:
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(
            f"opencup_url = {address!r}: allowed is an http or https address, {PLACE} in it stands for the CUP"
        )
    if parts.username or parts.password:
        raise ValueError(
            "opencup_url: a name and password in the address would be written down in many places; use opencup_key"
        )
    code = quote(cup, safe="")
    return address.replace(PLACE, code) if PLACE in address else f"{address.rstrip('/')}/{code}"


def _headers(key: str, url: str) -> dict[str, str]:
    headers = {"Accept": "application/json", "User-Agent": "cupola (https://w3id.org/cupola/)"}
    if not key:
        return headers
    if not key.isprintable():
        raise ValueError("opencup_key: allowed is one line of printable characters")
    if urlsplit(url).scheme != "https" and not _is_local(url):
        raise ValueError("opencup_url: a key is sent over https only (or to this machine)")
    name, colon, value = key.partition(":")
    return headers | ({name.strip(): value.strip()} if colon else {"Authorization": f"Bearer {key.strip()}"})


def _is_local(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


# --- asking ------------------------------------------------------------------------------------------------------


class _Failed(Exception):
    """One try that gave no answer: why, whether to try again, and after how many seconds the server asks for."""

    def __init__(self, why: str, *, again: bool, wait: float | None = None) -> None:
        super().__init__(why)
        self.why, self.again, self.wait = why, again, wait


def _asked(
    cup: str, url: str, headers: dict[str, str], sleep: Callable[[float], None], now: Callable[[], datetime]
) -> Answer:
    host = urlsplit(url).netloc
    for number in range(1, TRIES + 1):
        try:
            record = _once(cup, url, headers, now)
            return Answer(cup, "not-found" if record is None else "found", now(), record)
        except _Failed as failed:
            wait = failed.wait if failed.wait is not None else 2.0 ** (number - 1) * random.uniform(0.5, 1)  # noqa: S311 - no secret
            tried = f" ({number} tries)" if number > 1 else ""
            if wait > LONGEST_WAIT:
                why = f"{host} {failed.why}, and asks to wait {wait:.0f} s: try again later{tried}"
                return Answer(cup, "unreachable", now(), why=why)
            if not failed.again or number == TRIES:
                return Answer(cup, "unreachable", now(), why=f"{host} {failed.why}{tried}")
        sleep(wait)
    raise AssertionError("the last try returns")


def _once(cup: str, url: str, headers: dict[str, str], now: Callable[[], datetime]) -> dict[str, Any] | None:
    """The record of the CUP, or None when the register says it has none; raises _Failed."""
    deadline = time.monotonic() + WHOLE
    try:
        # Not along redirects: another address must not get the key, nor may a register send us into a local network.
        with requests.get(url, headers=headers, timeout=(CONNECT, PIECE), allow_redirects=False, stream=True) as reply:
            if reply.status_code in (204, 404) and "html" not in reply.headers.get("Content-Type", ""):
                return None
            _refuse(reply, now)
            body = bytearray()
            for piece in reply.iter_content(_CHUNK):
                body += piece
                if len(body) > MAX_BYTES:
                    raise _Failed(f"answers with more than {MAX_BYTES} bytes", again=False)
                if time.monotonic() > deadline:
                    raise _Failed(f"takes more than {WHOLE:.0f} s to answer", again=False)
    except requests.Timeout as error:
        raise _Failed("does not answer in time", again=True) from error
    except requests.ConnectionError as error:
        raise _Failed("cannot be reached", again=True) from error
    except requests.RequestException as error:
        raise _Failed(f"breaks off: {type(error).__name__}", again=True) from error
    return _record(cup, bytes(body))


def _refuse(reply: requests.Response, now: Callable[[], datetime]) -> None:
    code = reply.status_code
    if code in (401, 403):
        raise _Failed(f"refuses the key (status {code}): see opencup_key", again=False)
    if 300 <= code < 400:
        target = urlsplit(reply.headers.get("Location", ""))
        where = f" to {target.scheme}://{target.netloc}" if target.netloc else ""
        raise _Failed(f"redirects{where} (status {code}), which is not followed: see opencup_url", again=False)
    if code == 404:  # a register without the CUP answers a program; a web page says that the address is wrong
        raise _Failed("has only a web page that says 404: see opencup_url", again=False)
    if code != 200:
        raise _Failed(f"answers with status {code}", again=code in _AGAIN, wait=_wait(reply, now))


def _wait(reply: requests.Response, now: Callable[[], datetime]) -> float | None:
    """The seconds of Retry-After, which is a number or a date; None when it says neither."""
    told = reply.headers.get("Retry-After", "").strip()
    if told.isdecimal():
        return float(told[:9])
    try:
        return max(0.0, (parsedate_to_datetime(told) - now()).total_seconds()) if told else None
    except (TypeError, ValueError):
        return None


def _record(cup: str, body: bytes) -> dict[str, Any] | None:
    """The record in an answer: an object, or the one in a list or under a key; None when there is nothing in it."""
    if not body.strip():
        return None
    try:
        told = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise _Failed("answers with something that is not JSON", again=False) from error
    records = _objects(told)
    if not records:
        return None
    about = [record for record in records if _code(record) == cup]
    if about:
        return about[0]
    if len(records) == 1 and _code(records[0]) is None:
        return records[0]
    raise _Failed("answers about another CUP", again=False)


def _objects(told: Any) -> list[dict[str, Any]]:
    """The records in an answer: itself, or those of a list, or of the one list or object it holds."""
    if isinstance(told, list):
        return [each for each in told if isinstance(each, dict) and each]
    if not isinstance(told, dict) or not told:
        return []
    if _code(told) is None and len(inside := [v for v in told.values() if isinstance(v, (list, dict))]) == 1:
        scalars = [value for value in told.values() if not isinstance(value, (list, dict))]
        if isinstance(inside[0], list) or not scalars:
            return _objects(inside[0])
    return [told]


def _code(record: dict[str, Any]) -> str | None:
    """The CUP a record says it is of."""
    names = ("cup", "codice_cup", "codicecup")
    return next((str(v).strip().upper() for k, v in record.items() if k.casefold() in names and v), None)


# --- answers kept ------------------------------------------------------------------------------------------------

_TABLE: Final = "CREATE TABLE IF NOT EXISTS answer (url TEXT PRIMARY KEY, state TEXT, at TEXT, record TEXT)"


def _kept(cache: Path | None, url: str, cup: str, now: datetime) -> tuple[Answer | None, str]:
    """The answer kept, if it is young enough, and what is wrong with the cache."""
    if cache is None:
        return None, ""
    try:
        cache.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(cache, timeout=CONNECT)) as base, base:
            base.execute(_TABLE)
            row = base.execute("SELECT state, at, record FROM answer WHERE url = ?", (url,)).fetchone()
        if row is None:
            return None, ""
        state, at, record = row[0], datetime.fromisoformat(row[1]), row[2]
        young = timedelta() <= now - at < KEPT
        return (Answer(cup, state, at, json.loads(record) if record else None, kept=True), "") if young else (None, "")
    except (OSError, sqlite3.Error, ValueError, TypeError) as error:
        return None, f"{cache} cannot be used to keep answers: {error}"


def _keep(cache: Path | None, url: str, answer: Answer) -> str:
    """Keep an answer; what is wrong with the cache, if anything."""
    if cache is None:
        return ""
    record = None if answer.record is None else json.dumps(answer.record, ensure_ascii=False)
    try:
        with closing(sqlite3.connect(cache, timeout=CONNECT)) as base, base:
            row = (url, answer.state, answer.at.isoformat(), record)
            base.execute("INSERT OR REPLACE INTO answer VALUES (?, ?, ?, ?)", row)
    except sqlite3.Error as error:
        return f"{cache} cannot be used to keep answers: {error}"
    return ""
