"""One CUP looked up live: against a local server that behaves like a register, and misbehaves in every way we know."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from etl import live
from etl.live import Answer, lookup

CUP = "C51C22999990009"
RECORD = {"CUP": CUP, "COSTO_PROGETTO": "14000", "DESCRIZIONE_SINTETICA_CUP": "ESEMPIO"}
NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)


@dataclass
class Reply:
    """What the register answers to one question."""

    status: int = 200
    body: bytes = json.dumps(RECORD).encode()
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0
    cut: bool = False


class Register(ThreadingHTTPServer):
    """A register that answers from a script, the last reply again and again, and remembers what it was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.script: list[Reply] = [Reply()]
        self.asked: list[tuple[str, dict[str, str]]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, *_: object) -> None:
        """Who asked went away while a slow reply was being written: that is what is tested."""

    def says(self, *replies: Reply) -> None:
        self.script = list(replies)


class Handler(BaseHTTPRequestHandler):
    server: Register

    def do_GET(self) -> None:
        self.server.asked.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
        reply = self.server.script.pop(0) if len(self.server.script) > 1 else self.server.script[0]
        time.sleep(reply.delay)
        self.send_response(reply.status)
        for name, value in {"Content-Type": "application/json", **reply.headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(reply.body) + (100 if reply.cut else 0)))
        self.end_headers()
        self.wfile.write(reply.body)

    def log_request(self, *_: object) -> None:
        pass


@pytest.fixture
def register() -> Iterator[Register]:
    server = Register()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def waits() -> list[float]:
    return []


def ask(register: Register, waits: list[float], **more: Any) -> Answer:
    return lookup(CUP, f"{register.url}/cup/{{cup}}", sleep=waits.append, now=lambda: NOW, **more)


def test_a_cup_that_is_there_is_found_with_its_record_and_its_day(register: Register, waits: list[float]) -> None:
    assert ask(register, waits) == Answer(CUP, "found", NOW, RECORD)
    assert [path for path, _ in register.asked] == [f"/cup/{CUP}"]
    assert waits == []


def test_an_address_without_a_place_for_it_gets_the_cup_at_its_end(register: Register) -> None:
    assert lookup(CUP, f"{register.url}/api/").state == "found"
    assert register.asked[0][0] == f"/api/{CUP}"


@pytest.mark.parametrize(
    "body",
    [
        [RECORD],
        {"result": [RECORD]},
        {"count": 2, "records": [{"CUP": "C51C22999990017"}, RECORD]},
        {"progetto": RECORD},
        {"codiceCup": CUP.lower(), "stato": {"codice": "A"}},
    ],
    ids=["list", "list-under-a-key", "among-others", "under-a-key", "with-an-object-in-it"],
)
def test_the_record_is_found_where_it_stands(body: Any, register: Register, waits: list[float]) -> None:
    register.says(Reply(body=json.dumps(body).encode()))
    answer = ask(register, waits)
    assert answer.state == "found"
    assert answer.record is not None
    assert CUP in {str(value).upper() for value in answer.record.values()}


@pytest.mark.parametrize(
    "reply",
    [
        Reply(404, b'{"message": "no such CUP"}'),
        Reply(204, b""),
        Reply(200, b""),
        Reply(200, b"[]"),
        Reply(200, b"{}"),
        Reply(200, b"null"),
        Reply(200, b'{"records": []}'),
    ],
    ids=["404", "204", "empty", "empty-list", "empty-object", "null", "no-records"],
)
def test_nothing_is_not_found(reply: Reply, register: Register, waits: list[float]) -> None:
    register.says(reply)
    assert ask(register, waits) == Answer(CUP, "not-found", NOW)
    assert len(register.asked) == 1


@pytest.mark.parametrize(
    ("reply", "why", "asked"),
    [
        (Reply(401, b"{}"), "refuses the key (status 401)", 1),
        (Reply(403, b"{}"), "refuses the key (status 403)", 1),
        (Reply(400, b"{}"), "status 400", 1),
        (Reply(404, b"<html>", {"Content-Type": "text/html"}), "a web page that says 404: see opencup_url", 1),
        (Reply(200, b"<html>no</html>"), "not JSON", 1),
        (Reply(200, b'{"CUP": '), "not JSON", 1),
        (Reply(200, b"[" * 100_000), "not JSON", 1),
        (Reply(200, json.dumps({"CUP": "C51C22999990017"}).encode()), "another CUP", 1),
        (Reply(302, b"", {"Location": "http://10.0.0.1/admin"}), "redirects to http://10.0.0.1", 1),
        (Reply(301, b"", {"Location": "/elsewhere"}), "redirects (status 301)", 1),
        (Reply(500, b"{}"), "status 500 (4 tries)", 4),
        (Reply(503, b"{}"), "status 503 (4 tries)", 4),
        (Reply(429, b"{}", {"Retry-After": "3600"}), "asks to wait 3600 s", 1),
        (Reply(200, b'{"CUP"', cut=True), "breaks off", 4),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_no_answer_is_told_and_never_taken_for_not_found(
    reply: Reply, why: str, asked: int, register: Register, waits: list[float]
) -> None:
    register.says(reply)
    answer = ask(register, waits)
    assert answer.state == "unreachable"
    assert answer.record is None
    assert why in answer.why
    assert "127.0.0.1" in answer.why
    assert len(register.asked) == asked


def test_the_target_of_a_redirect_is_not_asked(register: Register, waits: list[float]) -> None:
    register.says(Reply(302, b"", {"Location": f"{register.url}/private"}), Reply())
    assert ask(register, waits, key="secret").state == "unreachable"
    assert [path for path, _ in register.asked] == [f"/cup/{CUP}"]


def test_after_a_failure_it_is_asked_again_a_little_later_each_time(register: Register, waits: list[float]) -> None:
    register.says(Reply(500, b""), Reply(502, b""), Reply())
    assert ask(register, waits).state == "found"
    assert len(register.asked) == 3
    assert 0.5 <= waits[0] <= 1 <= waits[1] <= 2


@pytest.mark.parametrize(
    "told", ["7", format_datetime(NOW + timedelta(seconds=7), usegmt=True)], ids=["seconds", "date"]
)
def test_it_waits_as_long_as_the_register_asks(told: str, register: Register, waits: list[float]) -> None:
    register.says(Reply(429, b"", {"Retry-After": told}), Reply())
    assert ask(register, waits).state == "found"
    assert waits == [7]


def test_a_retry_after_that_says_nothing_is_passed_over(register: Register, waits: list[float]) -> None:
    register.says(Reply(429, b"", {"Retry-After": "soon"}), Reply())
    assert ask(register, waits).state == "found"
    assert 0.5 <= waits[0] <= 1


def test_a_slow_register_is_not_waited_for(
    register: Register, waits: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "PIECE", 0.1)
    monkeypatch.setattr(live, "TRIES", 2)
    register.says(Reply(delay=0.5))
    assert ask(register, waits).why.endswith("does not answer in time (2 tries)")


def test_too_long_an_answer_is_broken_off(
    register: Register, waits: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "MAX_BYTES", 10)
    assert "more than 10 bytes" in ask(register, waits).why


def test_a_register_that_is_not_there_cannot_be_reached(waits: list[float]) -> None:
    server = Register()
    url = server.url
    server.server_close()
    answer = lookup(CUP, url, sleep=waits.append)
    assert answer.state == "unreachable"
    assert answer.why.endswith("cannot be reached (4 tries)")
    assert len(waits) == 3


# --- the key -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "header", "value"),
    [("secret", "authorization", "Bearer secret"), ("X-Api-Key: secret", "x-api-key", "secret")],
)
def test_the_key_is_sent_in_its_header(
    key: str, header: str, value: str, register: Register, waits: list[float]
) -> None:
    ask(register, waits, key=key)
    assert register.asked[0][1][header] == value


def test_without_a_key_none_is_sent(register: Register, waits: list[float]) -> None:
    ask(register, waits)
    assert "authorization" not in register.asked[0][1]
    assert "cupola" in register.asked[0][1]["user-agent"]


@pytest.mark.parametrize(
    ("address", "key", "says"),
    [
        ("ftp://example.org", "", "http or https"),
        ("example.org/{cup}", "", "http or https"),
        ("https://", "", "http or https"),
        ("https://me:word@example.org/", "", "opencup_key"),
        ("http://example.org/", "secret", "https only"),
        ("https://example.org/", "secret\r\nX: y", "one line"),
    ],
)
def test_an_address_or_key_that_cannot_be_used_is_refused(address: str, key: str, says: str) -> None:
    with pytest.raises(ValueError, match=says) as told:
        lookup(CUP, address, key)
    assert "secret" not in str(told.value)
    assert "word@" not in str(told.value)


# --- answers kept ------------------------------------------------------------------------------------------------


def test_an_answer_is_kept_for_a_day(register: Register, waits: list[float], tmp_path: Path) -> None:
    cache = tmp_path / "made" / "answers.sqlite"
    first = ask(register, waits, cache=cache)
    register.says(Reply(500, b""))
    again = lookup(CUP, f"{register.url}/cup/{{cup}}", cache=cache, now=lambda: NOW + timedelta(hours=23))
    assert (again.state, again.record, again.at, again.kept) == ("found", RECORD, first.at, True)
    assert len(register.asked) == 1
    later = ask_at(NOW + timedelta(hours=25), register, waits, cache)
    assert (later.state, later.kept) == ("unreachable", False)


def ask_at(now: datetime, register: Register, waits: list[float], cache: Path) -> Answer:
    return lookup(CUP, f"{register.url}/cup/{{cup}}", cache=cache, sleep=waits.append, now=lambda: now)


def test_a_failure_is_not_kept(register: Register, waits: list[float], tmp_path: Path) -> None:
    register.says(Reply(401, b""), Reply())
    assert ask(register, waits, cache=tmp_path / "a").state == "unreachable"
    assert ask(register, waits, cache=tmp_path / "a").state == "found"


def test_that_a_cup_is_not_there_is_kept_too(register: Register, waits: list[float], tmp_path: Path) -> None:
    register.says(Reply(404, b""), Reply())
    assert ask(register, waits, cache=tmp_path / "a").state == "not-found"
    assert ask(register, waits, cache=tmp_path / "a").kept


def test_another_address_has_answers_of_its_own(register: Register, waits: list[float], tmp_path: Path) -> None:
    ask(register, waits, cache=tmp_path / "a")
    lookup(CUP, f"{register.url}/other/", cache=tmp_path / "a")
    assert len(register.asked) == 2


@pytest.mark.parametrize("kind", ["a-folder", "no-database", "another-database"])
def test_a_cache_that_cannot_be_used_is_told_and_the_answer_given(
    kind: str, register: Register, waits: list[float], tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    if kind == "a-folder":
        cache.mkdir()
    elif kind == "no-database":
        cache.write_bytes(b"not a database at all, only some text" * 40)
    else:
        with sqlite3.connect(cache) as base:
            base.execute("CREATE TABLE answer (something TEXT)")
        base.close()
    answer = ask(register, waits, cache=cache)
    assert answer.state == "found"
    assert str(cache) in answer.note


def test_the_key_is_not_written_down(register: Register, waits: list[float], tmp_path: Path) -> None:
    ask(register, waits, key="very-secret", cache=tmp_path / "a")
    assert b"very-secret" not in (tmp_path / "a").read_bytes()
