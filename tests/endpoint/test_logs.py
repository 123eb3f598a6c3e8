"""What the server writes to standard error: a line for each request, with its id and without personal data."""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests

from endpoint import create_app, logs
from endpoint.settings import Settings

if TYPE_CHECKING:
    from tests.endpoint.conftest import Server, Start

Lines = Callable[["Server"], list[dict[str, Any]]]


@pytest.fixture
def lines(capfd: pytest.CaptureFixture[str]) -> Lines:
    """Stop a server and read what it wrote, each line as JSON."""

    def lines(server: Server) -> list[dict[str, Any]]:
        assert server.stop() == 0
        return [json.loads(line) for line in capfd.readouterr().err.splitlines()]

    return lines


def test_every_request_is_one_line_without_what_tells_who_asked_for_what(
    start: Start, releases: Path, lines: Lines
) -> None:
    server = start(releases, log_format="json")
    headers = {"User-Agent": "secret-agent", "Referer": "https://secret.example/", "Cookie": "secret=1"}
    query = 'SELECT * { ?secret ?p "Mario Rossi" }'
    requests.get(f"{server.url}/sparql", params={"query": query}, headers=headers, timeout=20)
    requests.post(f"{server.url}/sparql", data={"query": "SELECT nonsense secret"}, headers=headers, timeout=20)
    requests.get(f"{server.url}/data/agent/secret-name.ttl?secret", headers=headers, timeout=20)
    plain = {**headers, "Accept-Encoding": "identity"}
    size = len(requests.get(f"{server.url}/dumps/manifest.json", headers=plain, timeout=20).content)
    requests.request("SECRET", f"{server.url}/secret", headers=headers, timeout=20)
    said = lines(server)
    told = [
        (one["method"], one["route"], one["status"], one.get("kind"), one.get("outcome"))
        for one in said
        if one["message"] == "request"
    ]
    assert told == [
        ("GET", "sparql.sparql", 200, "results", "answered"),
        ("POST", "sparql.sparql", 400, "none", "syntax"),
        ("GET", "resources.data", 404, None, None),
        ("GET", "catalog.dump", 200, None, None),
        ("other", "none", 404, None, None),
    ]
    dump = next(one for one in said if one.get("route") == "catalog.dump")
    assert dump["bytes"] == size
    assert 0 < dump["seconds"] < 20
    whole = json.dumps(said)
    for never in ("secret", "SECRET", "Rossi", "127.0.0.1"):
        assert never not in whole.replace(server.url, "")


def test_each_request_has_an_id_that_its_answer_its_error_and_its_line_carry(
    start: Start, releases: Path, lines: Lines
) -> None:
    server = start(releases, log_format="json")
    given = "01HXYZ-abc.9:8@proxy"
    answer = requests.get(f"{server.url}/sparql?query=nonsense", headers={"X-Request-ID": given}, timeout=20)
    assert answer.headers["X-Request-ID"] == answer.json()["request_id"] == given
    made = {server.get(path).headers["X-Request-ID"] for path in ("/", "/", "/nowhere", "/static/cupola.css")}
    assert len(made) == 4
    assert "X-Request-ID" in answer.headers["Access-Control-Expose-Headers"]
    written = {one["request_id"] for one in lines(server) if one["message"] == "request"}
    assert written == {given, *made}


@pytest.mark.parametrize("given", ["", "a b", "x" * 129, "<script>", "-x", 'a"b', "{}", "é", "a\tb"])
def test_an_id_that_is_not_sane_is_replaced(given: str) -> None:
    entry = logs.begin("GET", given)
    logs.end(entry, queries=False)
    assert entry.id != given
    assert re.fullmatch("[0-9a-f]{32}", entry.id)


@pytest.mark.parametrize(("wanted", "texts"), [(True, ["SELECT nonsense"]), (False, [])])
def test_the_text_of_a_query_that_failed_is_told_only_where_the_setting_says_so(
    wanted: bool, texts: list[str], releases: Path, caplog: pytest.LogCaptureFixture
) -> None:
    app = create_app(Settings(releases=releases, log_queries=wanted))
    with caplog.at_level(logging.INFO, "cupola.requests"):
        for query in ("SELECT nonsense", "ASK {}"):
            with app.test_client().get("/sparql", query_string={"query": query}) as answer:
                answer.get_data()
    app.extensions["cupola"].close()
    told = [one.__dict__["told"] for one in caplog.records if one.name == "cupola.requests"]
    assert [one["outcome"] for one in told] == ["syntax", "answered"]
    assert [one["query"] for one in told if "query" in one] == texts


def record(**more: Any) -> logging.LogRecord:
    made = logging.LogRecord("cupola", logging.INFO, __file__, 1, "read %d", (3,), None)
    made.__dict__.update(more)
    return made


def test_a_record_is_a_line_for_people_or_a_line_of_json() -> None:
    assert logs.TextFormatter().format(record()).endswith("Z info cupola read 3")
    told = json.loads(logs.JsonFormatter().format(record(told={"status": 200})))
    assert (told["level"], told["logger"], told["message"], told["status"]) == ("info", "cupola", "read 3", 200)


def test_a_query_in_the_log_cannot_pretend_to_be_lines_of_it() -> None:
    forged = "ASK {}\n2026-01-01T00:00:00Z info cupola all is well"
    for formatter in (logs.TextFormatter(), logs.JsonFormatter()):
        assert "\n" not in formatter.format(record(told={"query": forged}))


def test_a_fault_is_told_with_its_place() -> None:
    try:
        int("broken")
    except ValueError:
        fault = record(exc_info=sys.exc_info())
    assert "test_a_fault_is_told_with_its_place" in logs.TextFormatter().format(fault)
    assert "'broken'" in json.loads(logs.JsonFormatter().format(fault))["exception"]


def test_waitress_messages_lose_their_addresses() -> None:
    made = logging.LogRecord("waitress", logging.ERROR, __file__, 1, "Exception while serving /id/mario?x", (), None)
    assert logs.without_address(made)
    assert made.getMessage() == "Exception while serving a request"


def test_a_format_of_the_log_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="allowed: text, json"):
        Settings(log_format="xml")
