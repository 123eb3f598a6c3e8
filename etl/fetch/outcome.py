"""What came of a fetch: one outcome for each address, told in Italian and English."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import polars as pl

from etl import problems
from etl.problems import Unusable

Kind = Literal[
    "got", "unchanged", "changed", "vanished",
    "forbidden", "refused", "too-large", "too-slow", "wrong-type", "failed",
]  # fmt: skip
KINDS: Final[tuple[Kind, ...]] = Kind.__args__  # type: ignore[attr-defined] # a Literal's values, which mypy keeps to itself
#: The kinds that are no failure: the copies are as the site has them now.
FINE: Final[frozenset[Kind]] = frozenset({"got", "unchanged", "changed", "vanished"})

#: Problems that have a kind of their own; all others are "failed".
_KINDS: Final[dict[str, Kind]] = {
    "fetch.robots": "forbidden",
    "fetch.robots-unavailable": "forbidden",
    "fetch.not-an-address": "refused",
    "fetch.port": "refused",
    "fetch.private-address": "refused",
    "fetch.too-large": "too-large",
    "fetch.too-slow": "too-slow",
    "fetch.no-answer": "too-slow",
    "fetch.wrong-type": "wrong-type",
    "fetch.vanished": "vanished",
    "fetch.unlisted": "vanished",
}


@dataclass(frozen=True)
class Outcome:
    """What came of one address.

    `path` is its copy, relative to the folder ("": there is none); `code` the problem's ("": none), `message_it` and
    `message_en` its sentence; `status` the last HTTP status (0: no answer); `earlier` says that it was settled before
    an interruption, and not asked again.
    """

    url: str
    kind: Kind
    path: str = ""
    code: str = ""
    message_it: str = ""
    message_en: str = ""
    status: int = 0
    earlier: bool = False

    @property
    def fine(self) -> bool:
        """Whether the copy (or that there is none) is as the site has it."""
        return self.kind in FINE


def wrong(url: str, problem: Unusable, path: str = "", status: int = 0) -> Outcome:
    """The outcome of an address with a problem."""
    told = problems.one(problem.code, **problem.details)
    kind = _KINDS.get(problem.code, "failed")
    it, en = told["message_it"].item(), told["message_en"].item()
    return Outcome(url, kind, path, problem.code, it, en, status)


@dataclass(frozen=True)
class Report:
    """What came of a whole fetch: an outcome for each document, and for each listing page that could not be read.

    `folder` holds the copies, `warc` is the run's archive; `resumed` says that an interrupted run was gone on with;
    `complete` is False when a listing was not read whole, so that nothing was taken for unlisted.
    """

    folder: Path
    warc: Path
    outcomes: tuple[Outcome, ...]
    resumed: bool = False
    complete: bool = True

    @property
    def fine(self) -> bool:
        """Whether every address could be had, or is known to be gone."""
        return all(outcome.fine for outcome in self.outcomes)

    @property
    def counts(self) -> dict[str, int]:
        """How many outcomes there are of each kind, in the order of KINDS; kinds without any are left out."""
        found = Counter(outcome.kind for outcome in self.outcomes)
        return {kind: found[kind] for kind in KINDS if kind in found}

    def problems(self) -> pl.DataFrame:
        """The problems as a table like all others (etl.problems.SCHEMA), the address as its file."""
        return _table(outcome for outcome in self.outcomes if outcome.code)


def _table(outcomes: Iterable[Outcome]) -> pl.DataFrame:
    kinds = problems.kinds()
    rows = [
        {
            "code": each.code,
            "severity": kinds[each.code].severity,
            "file": each.url,
            "message_it": each.message_it,
            "message_en": each.message_en,
        }
        for each in outcomes
    ]
    return pl.DataFrame(rows, schema=problems.SCHEMA)
