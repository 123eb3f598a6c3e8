"""Places shared fairly (endpoint.turns), for whom (endpoint.clients), and rows counted on their way (endpoint.rows)."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pyoxigraph as ox
import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st

from endpoint import clients
from endpoint.engine import Abandoned, Busy, TooManyQueries, TooManyRows
from endpoint.rows import Counted
from endpoint.settings import Settings
from endpoint.turns import Turn, Turns, for_downloads, for_queries

if TYPE_CHECKING:
    from collections.abc import Callable


def here() -> bool:
    """A client that stays."""
    return False


class Asking(threading.Thread):
    """A request that takes a place, notes it, and keeps it until told."""

    def __init__(self, turns: Turns, client: str, order: list[str], gone: Callable[[], bool] = here) -> None:
        super().__init__(daemon=True)
        self.turns, self.client, self.order, self.is_gone = turns, client, order, gone
        self.error: Exception | None = None
        before = turns.waiting()
        self.start()
        while turns.waiting() == before and self.is_alive():
            pass  # until it waits, so that the requests come in a known order

    def run(self) -> None:
        try:
            with self.turns.take(self.client, self.is_gone):
                self.order.append(self.client)
        except Exception as error:
            self.error = error


def test_a_free_place_goes_round_the_clients_that_wait() -> None:
    turns, order = Turns(1, 1, 100, 60), list[str]()
    first = turns.take("z", here)
    waiting = [Asking(turns, client, order) for client in "aaaabbc"]
    first.over()
    for each in waiting:
        each.join(20)
    assert "".join(order) == "abcabaa"


def test_a_client_with_its_share_is_passed_over() -> None:
    turns, order = Turns(2, 1, 100, 60), list[str]()
    first, second = turns.take("a", here), turns.take("b", here)
    again, other = Asking(turns, "a", order), Asking(turns, "c", order)
    second.over()
    other.join(20)
    assert order == ["c"]
    first.over()
    again.join(20)
    assert order == ["c", "a"]


def test_whose_fault_it_is_decides_between_429_and_503() -> None:
    turns, order = Turns(2, 1, 4, 0.01), list[str]()
    with turns.take("a", here):
        with pytest.raises(TooManyQueries, match="1 at the same time"):
            turns.take("a", here)
        with turns.take("b", here), pytest.raises(Busy) as full:
            turns.take("c", here)
        assert full.value.status == 503
        assert full.value.retry_after >= 1
    assert turns.waiting() == 0
    slow = Turns(1, 1, 3, 60)
    held = slow.take("z", here)
    queue = [Asking(slow, "a", order), Asking(slow, "a", order)]
    with pytest.raises(TooManyQueries):  # half of the queue is full of its own
        slow.take("a", here)
    queue.append(Asking(slow, "b", order))
    with pytest.raises(Busy) as full:  # all of the queue is full
        slow.take("c", here)
    assert full.value.status == 503
    held.over()
    for each in queue:
        each.join(20)
    assert sorted(order) == ["a", "a", "b"]


def test_a_client_that_goes_away_leaves_the_queue() -> None:
    turns, order, left = Turns(1, 1, 10, 60), list[str](), threading.Event()
    with turns.take("z", here):
        waiting = Asking(turns, "a", order, left.is_set)
        left.set()
        waiting.join(20)
        assert isinstance(waiting.error, Abandoned)
        assert turns.waiting() == 0
    assert order == []


def test_a_place_given_back_twice_is_one_place() -> None:
    turns = Turns(1, 1, 0, 0)
    turn: Turn = turns.take("a", here)
    turn.over()
    turn.over()
    with turns.take("a", here), pytest.raises(Busy):
        turns.take("b", here)


@given(st.integers(1, 100), st.integers(1, 100), st.integers(0, 1000), st.integers(0, 100))
def test_strangers_never_get_every_thread(threads: int, workers: int, queue: int, own: int) -> None:
    settings = Settings(threads=threads, workers=workers, queue_length=queue, client_queries=own)
    turns = for_queries(settings)
    assert 1 <= turns.places <= workers
    assert turns.places + turns.queue < max(2, threads)
    if threads >= 8:
        assert turns.places + turns.queue + for_downloads(settings).places < threads
    assert turns.per_client >= 1


@pytest.mark.parametrize(
    ("trusted", "forwarded", "client"),
    [
        (0, None, "198.51.100.7"),
        (0, "192.0.2.1", "198.51.100.7"),  # nobody's word is taken
        (1, "192.0.2.1", "192.0.2.1"),
        (1, "203.0.113.9, 192.0.2.1", "192.0.2.1"),
        (2, "203.0.113.9, 192.0.2.1, 10.0.0.1", "192.0.2.1"),
        (2, "192.0.2.1", "192.0.2.1"),  # fewer proxies than promised
        (1, None, "198.51.100.7"),
        (1, "unknown", "198.51.100.7"),
        (1, "a b\tc, <script>", "198.51.100.7"),
        (1, "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        (1, "[2001:db8:1:2::9]", "2001:db8:1:2::/64"),
    ],
)
def test_a_client_is_known_by_what_the_trusted_proxy_says(trusted: int, forwarded: str | None, client: str) -> None:
    headers = {"X-Forwarded-For": forwarded} if forwarded is not None else {}
    with Flask("test").test_request_context(headers=headers, environ_base={"REMOTE_ADDR": "198.51.100.7"}):
        assert clients.address(trusted) == client


class Pieces(Iterator[bytes]):
    """An answer in pieces that end anywhere."""

    def __init__(self, body: bytes, size: int) -> None:
        self.pieces = iter([body[i : i + size] for i in range(0, len(body), size)])
        self.closed = False

    def __next__(self) -> bytes:
        return next(self.pieces)

    def close(self) -> None:
        self.closed = True


EVIL = st.text(alphabet="a\"\\,{}[]:\n\r\t<>/&'r ", max_size=12) | st.sampled_from(
    ["},{", "\r\n", '"', "<result>", "\\"]
)


@pytest.mark.parametrize("name", ["json", "xml", "csv", "tsv"])
@given(values=st.lists(EVIL, max_size=12), size=st.integers(1, 50))
def test_rows_are_counted_exactly_whatever_they_say(name: str, values: list[str], size: int) -> None:
    text = " ".join(f"({ox.Literal(value)} UNDEF)" for value in values)
    results = ox.Store().query(f"SELECT ?a ?b {{ VALUES (?a ?b) {{ {text} }} }}")
    assert isinstance(results, ox.QuerySolutions)
    body = results.serialize(format=getattr(ox.QueryResultsFormat, name.upper()))
    assert body is not None
    assert b"".join(Counted(Pieces(body, size), name, len(values))) == body
    if values:
        with pytest.raises(TooManyRows, match=f"more than {len(values) - 1} rows"):
            list(Counted(Pieces(body, size), name, len(values) - 1))


def test_rows_without_a_value_count_too() -> None:
    results = ox.Store().query("SELECT ?a { VALUES ?a { UNDEF UNDEF UNDEF } }")
    assert isinstance(results, ox.QuerySolutions)
    body = results.serialize(format=ox.QueryResultsFormat.JSON) or b""
    with pytest.raises(TooManyRows):
        list(Counted(Pieces(body, 7), "json", 2))


def test_json_with_spaces_is_counted_as_well() -> None:
    body = b'{"head": {"link": ["x"], "vars": ["a"]}, "results": {"bindings": [ {"a": {"type": "uri"}} ,\n {} ]}}'
    assert b"".join(Counted(Pieces(body, 3), "json", 2)) == body
    with pytest.raises(TooManyRows):
        list(Counted(Pieces(body, 3), "json", 1))
