"""Turns: a few places shared fairly by many clients.

Who comes when all places are taken waits. When one is free it goes round the clients that wait, each getting one turn,
however many requests one of them has sent. A place is held from the start of the work until its answer is sent, so
what is counted here is also how many threads of the server strangers can hold.
"""

import math
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from types import TracebackType
from typing import Self

from endpoint.engine import Abandoned, Busy, TooManyQueries
from endpoint.settings import Settings

LOOK = 0.25  # seconds between two looks whether a waiting client is still there


class Turn:
    """A place that is held; give it back with over(), which may be called twice, or leave the `with` block."""

    def __init__(self, turns: "Turns", client: str) -> None:
        self._turns, self._client = turns, client
        self._held = True

    def over(self) -> None:
        """Give the place back."""
        held, self._held = self._held, False
        if held:
            self._turns.give_back(self._client)

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the place back."""
        self.over()


class _Waiter:
    def __init__(self, lock: threading.Lock) -> None:
        self.called = threading.Condition(lock)
        self.has_place = False


class Turns:
    """`places` of which one client may hold `per_client`; `queue` requests may wait, for at most `seconds`.

    One client may have half of the queue (but at least one request in it, if there is a queue at all).
    """

    def __init__(self, places: int, per_client: int, queue: int, seconds: float) -> None:
        self.places, self.per_client, self.queue, self.seconds = places, per_client, queue, seconds
        self._own_queue = -(-queue // 2)
        self._lock = threading.Lock()
        self._held: Counter[str] = Counter()
        # The clients that wait, in the order of their next turn, each with its requests in the order they came.
        self._waiting: dict[str, deque[_Waiter]] = {}

    def take(self, client: str, gone: Callable[[], bool]) -> Turn:
        """A place for this client, waiting for it; `gone` tells whether the client has gone away meanwhile.

        Raises TooManyQueries where the client's own number is the reason, Busy where all clients' is, Abandoned.
        """
        until = time.monotonic() + self.seconds
        with self._lock:
            waiter = _Waiter(self._lock)
            self._waiting.setdefault(client, deque()).append(waiter)
            self._call()
            try:
                if not waiter.has_place and len(self._waiting[client]) > self._own_queue:
                    raise self._too_many()
                if not waiter.has_place and sum(map(len, self._waiting.values())) > self.queue:
                    raise self._busy()
                while not waiter.has_place:
                    left = until - time.monotonic()
                    if left <= 0:
                        raise self._too_many() if self._held[client] >= self.per_client else self._busy()
                    if gone():
                        raise Abandoned("The client went away while it waited.")
                    waiter.called.wait(min(left, LOOK))
            finally:
                if not waiter.has_place:
                    self._leave(client, waiter)
        return Turn(self, client)

    def give_back(self, client: str) -> None:
        """A place is free again."""
        with self._lock:
            self._held[client] -= 1
            if not self._held[client]:
                del self._held[client]
            self._call()

    def waiting(self) -> int:
        """How many requests wait now."""
        with self._lock:
            return sum(map(len, self._waiting.values()))

    def _call(self) -> None:
        """Give the free places to who waits, a turn for each client."""
        while self._held.total() < self.places:
            client = next((c for c in self._waiting if self._held[c] < self.per_client), None)
            if client is None:
                return
            waiter = self._waiting[client][0]
            self._leave(client, waiter)
            if client in self._waiting:  # its next one waits until all others had a turn
                self._waiting[client] = self._waiting.pop(client)
            self._held[client] += 1
            waiter.has_place = True
            waiter.called.notify()

    def _leave(self, client: str, waiter: _Waiter) -> None:
        queue = self._waiting[client]
        queue.remove(waiter)
        if not queue:
            del self._waiting[client]

    def _too_many(self) -> TooManyQueries:
        return TooManyQueries(
            f"You have as many requests under way as one client may: {self.per_client} at the same time, and "
            f"{self._own_queue} more may wait for up to {self.seconds:g} seconds. Send the next when one is answered.",
            retry_after=self._after(),
        )

    def _busy(self) -> Busy:
        return Busy(f"All {self.places} places are taken; try again in a few seconds.", retry_after=self._after())

    def _after(self) -> int:
        return max(1, math.ceil(self.seconds))


def for_queries(settings: Settings) -> Turns:
    """The places for strangers' queries: as many as workers, and never so many that no thread is left for pages."""
    threads = max(1, settings.threads - max(1, settings.threads // 4))
    places = min(settings.workers, threads)
    own = settings.client_queries or max(1, settings.workers // 2)
    return Turns(places, own, min(settings.queue_length, threads - places), settings.queue_timeout)


def for_downloads(settings: Settings) -> Turns:
    """The places for dumps that are unpacked while they are sent: each keeps a thread for as long as its client reads.

    The packed dump needs none of these, so nobody waits long for one.
    """
    places = max(1, settings.threads // 8)
    return Turns(places, max(1, places // 2), places, 1.0)
