"""The stores a remote endpoint can be, and what is particular about each: stores.toml says it."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("stores.toml")


@dataclass(frozen=True)
class Store:
    """One kind of store; stores.toml tells what each field means. The empty one is a store we know nothing of."""

    timeout: str = ""
    timed_out: tuple[str, ...] = ()
    cut: str = ""
    partial: tuple[str, str] = ("", "")
    addresses: tuple[tuple[str, str], ...] = ()
    sources: tuple[str, ...] = ()


@cache
def stores() -> Mapping[str, Store]:
    """Every kind of store by its name."""
    told = tomllib.loads(FILE.read_text(encoding="utf-8"))
    return {name: Store(**{key: _frozen(value) for key, value in entry.items()}) for name, entry in told.items()}


def store_named(name: str) -> Store:
    """The kind of store of this name; "" is any other. Raises ValueError with the names there are."""
    if not name:
        return Store()
    if name not in stores():
        raise ValueError(f"remote_store = {name!r}: allowed: {', '.join(stores())}, or nothing")
    return stores()[name]


def query_address(graph_store: str) -> str | None:
    """The SPARQL endpoint beside a Graph Store, where its address has the form a known store gives it.

    >>> query_address("http://127.0.0.1:3030/cupola/data"), query_address("http://127.0.0.1:7878/store?no_transaction")
    ('http://127.0.0.1:3030/cupola/query', 'http://127.0.0.1:7878/query')
    """
    graph_store = graph_store.partition("?")[0]
    for store in stores().values():
        for end, other in store.addresses:
            if graph_store.endswith(end):
                return graph_store.removesuffix(end) + other
    return None


def _frozen(value: Any) -> Any:
    return tuple(map(_frozen, value)) if isinstance(value, list) else value
