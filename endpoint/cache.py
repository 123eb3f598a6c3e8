"""Answers made before. A release never changes, so what was made from it once need not be made again."""

import threading
from collections import OrderedDict
from collections.abc import Hashable, Mapping
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Cache(Generic[Value]):
    """The answers used last, as many as fit into a number of bytes; safe to use from several threads."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._size = self._hits = self._misses = 0
        self._held: OrderedDict[Hashable, tuple[Value, int]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable) -> Value | None:
        """What is held under this key; None when nothing is."""
        with self._lock:
            if key not in self._held:
                self._misses += 1
                return None
            self._hits += 1
            self._held.move_to_end(key)
            return self._held[key][0]

    def put(self, key: Hashable, value: Value, size: int) -> None:
        """Hold a value of so many bytes; what was not used for longest makes room. One too large is not held."""
        if size > self.limit // 10:
            return
        with self._lock:
            self._size += size - self._held.pop(key, (None, 0))[1]
            self._held[key] = value, size
            while self._size > self.limit:
                self._size -= self._held.popitem(last=False)[1][1]

    def stats(self) -> Mapping[str, float]:
        """Counters and gauges for /metrics."""
        with self._lock:
            return {"cache_hits_total": self._hits, "cache_misses_total": self._misses, "cache_bytes": self._size}
