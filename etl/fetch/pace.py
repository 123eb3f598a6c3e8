"""How long to wait before asking a host again, and when to leave it alone."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from etl.fetch.settings import FetchSettings
from etl.problems import Unusable


class Pace:
    """One run's patience with each host: at least `fetch_delay` between two requests, or what the host asks for."""

    def __init__(
        self,
        settings: FetchSettings,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings, self._sleep, self._clock = settings, sleep, clock
        self._last: dict[str, float] = {}
        self._delays: dict[str, float] = {}
        self._failed: dict[str, int] = {}
        self._resting: dict[str, Unusable] = {}

    def slower(self, host: str, seconds: float) -> None:
        """Let the requests to a host be so many seconds apart, as it asks for; no more than `fetch_longest_wait`."""
        self._delays[host] = max(self._delays.get(host, 0.0), min(seconds, self._settings.fetch_longest_wait))

    def turn(self, host: str) -> None:
        """Wait until the host may be asked; raises Unusable when it is to be left alone for the rest of the run."""
        if host in self._resting:
            raise self._resting[host]
        delay = max(self._settings.fetch_delay, self._delays.get(host, 0.0))
        if host in self._last and (wait := self._last[host] + delay - self._clock()) > 0:
            self._sleep(wait)

    def asked(self, host: str) -> None:
        """A request to the host is over: the waiting counts from now."""
        self._last[host] = self._clock()

    def again(self, number: int, wait: float | None, host: str) -> None:
        """Wait before try `number` + 1: as long as the host asks for, else twice as long each time (with some chance).

        Raises Unusable (fetch.asked-to-wait) for more than `fetch_longest_wait`: the host is then left alone.
        """
        if wait is not None and wait > self._settings.fetch_longest_wait:
            limit = f"{self._settings.fetch_longest_wait:g}"
            self._resting[host] = Unusable("fetch.asked-to-wait", host=host, found=f"{wait:.0f}", limit=limit)
            raise self._resting[host]
        # Chance keeps several who failed together from coming back together.
        self._sleep(wait if wait is not None else 2.0 ** (number - 1) * random.uniform(0.5, 1))  # noqa: S311 - no secret

    def answered(self, host: str) -> None:
        """The host gave a definite answer."""
        self._failed.pop(host, None)

    def failed(self, host: str) -> None:
        """A document of the host could not be had for the moment; after `fetch_give_up` in a row it is left alone."""
        self._failed[host] = self._failed.get(host, 0) + 1
        if self._failed[host] >= self._settings.fetch_give_up:
            found = str(self._failed[host])
            self._resting.setdefault(host, Unusable("fetch.host-left-alone", host=host, found=found))


def asked_wait(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """The seconds of Retry-After, a number or a date (https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3), or None.

    >>> asked_wait({"retry-after": "120"})
    120.0
    """
    told = headers.get("retry-after", "").strip()
    if told.isascii() and told.isdecimal():
        return float(told[:9])
    try:
        when = parsedate_to_datetime(told) if told else None
    except (TypeError, ValueError):
        return None  # neither of the two: the usual waiting holds
    if when is None:
        return None
    when = when if when.tzinfo else when.replace(tzinfo=UTC)
    return max(0.0, (when - (now or datetime.now(UTC))).total_seconds())
