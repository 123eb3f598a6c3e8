"""The cache of answers made before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from endpoint.cache import Cache

if TYPE_CHECKING:
    from tests.endpoint.conftest import Server


def test_what_was_used_last_stays_and_the_rest_makes_room() -> None:
    cache: Cache[str] = Cache(100)
    for n in range(10):
        cache.put(n, f"value {n}", 10)
    assert cache.get(0) == "value 0"
    cache.put(10, "value 10", 10)
    assert cache.get(0) == "value 0"
    assert cache.get(1) is None
    assert cache.get(10) == "value 10"


def test_a_value_put_again_counts_once() -> None:
    cache: Cache[str] = Cache(100)
    for _ in range(50):
        cache.put("same", "value", 10)
    for n in range(9):
        cache.put(n, "other", 10)
    assert cache.get("same") == "value"


def test_one_value_cannot_take_all_the_room() -> None:
    cache: Cache[str] = Cache(100)
    cache.put("small", "value", 10)
    cache.put("large", "value", 99)
    assert cache.get("large") is None
    assert cache.get("small") == "value"


def test_an_answer_given_again_is_the_same(server: Server) -> None:
    path = "/data/operation/prova/AA1.1.1.b"
    for variant in (f"{path}.ttl", f"{path}.jsonld", path):
        first, second = server.get(variant), server.get(variant)
        assert first.content == second.content
        own = {"Date": "", "X-Request-Id": ""}
        assert {**first.headers, **own} == {**second.headers, **own}
