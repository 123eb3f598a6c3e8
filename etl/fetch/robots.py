"""What a site's robots.txt forbids us: https://www.rfc-editor.org/rfc/rfc9309"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from protego import Protego

from etl.fetch.urls import Target
from etl.problems import Unusable

#: How much of a robots.txt is read: what the RFC asks for at least (section 2.5); the rest is left aside.
MAX_BYTES: Final = 500 * 1024
#: How many redirects of it are followed: what the RFC asks for at least (section 2.3.1.2).
MAX_REDIRECTS: Final = 5


@dataclass(frozen=True)
class Rules:
    """The rules of one site; without `parsed` all is allowed; `closed` says why nothing may be asked for now."""

    parsed: Protego | None = None
    closed: Unusable | None = None


#: Gets the robots.txt of a site: its status and text. Raises Unusable when there is no answer.
Get = Callable[[Target], tuple[int, str]]


class Robots:
    """The rules of every site asked in a run, each got once, when it is first needed."""

    def __init__(self, agent: str, get: Get) -> None:
        self._agent, self._get = agent, get
        self._rules: dict[str, Rules] = {}

    def check(self, where: Target) -> float:
        """The seconds the site wants between two requests (0: it says nothing).

        Raises Unusable: fetch.robots when the address is forbidden; fetch.robots-unavailable when the site cannot say
        for now what it forbids, which forbids everything; and what refuses the site altogether, such as
        fetch.private-address.
        """
        if where.origin not in self._rules:
            self._rules[where.origin] = self._got(where)
        rules = self._rules[where.origin]
        if rules.closed is not None:
            raise rules.closed
        if rules.parsed is None:
            return 0.0
        if not rules.parsed.can_fetch(str(where), self._agent):
            raise Unusable("fetch.robots", host=where.authority, agent=self._agent)
        rate = rules.parsed.request_rate(self._agent)
        pause = rate.seconds / rate.requests if rate is not None and rate.requests > 0 else 0.0
        return max(0.0, rules.parsed.crawl_delay(self._agent) or 0.0, pause)

    def _got(self, where: Target) -> Rules:
        try:
            status, text = self._get(Target(where.scheme, where.host, where.port, "/robots.txt"))
        except Unusable as wrong:
            # What refuses the site altogether, such as a private address, says so itself.
            return self._closed(where, wrong.details["found"]) if wrong.code in _NO_ANSWER else Rules(closed=wrong)
        if 200 <= status < 300:
            return Rules(parsed=Protego.parse(text.removeprefix("\ufeff")))
        # A site that asks us to slow down has not said that all is allowed, though 429 is in the RFC's "unavailable".
        if status == 429 or status >= 500:
            return self._closed(where, str(status))
        return Rules()

    @staticmethod
    def _closed(where: Target, found: str) -> Rules:
        return Rules(closed=Unusable("fetch.robots-unavailable", host=where.authority, found=found))


#: Problems that mean that robots.txt is "unreachable" (section 2.3.1.4): complete disallow, for now.
_NO_ANSWER: Final = frozenset(
    {"fetch.unreachable", "fetch.no-answer", "fetch.too-slow", "fetch.broken-off", "fetch.status", "fetch.coding"}
)
