"""What a source says of where its documents are found: the table [harvest] of its source.toml."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

#: So many documents are taken, and so many listing pages read, when a source names no other number.
DOCUMENTS: Final = 10_000
PAGES: Final = 1_000

_KEYS: Final = ("listing", "links", "next", "limit", "pages")


@dataclass(frozen=True)
class Harvest:
    """The listing pages of a site, and which of their links are wanted.

    `listing` are the addresses to begin with; `links` is searched in each absolute address a page links to, and the
    document there is wanted where it matches; `next` likewise finds further listing pages ("": there are none).
    At most `limit` documents are taken and `pages` listing pages read: where that is not all, nothing is believed to
    have vanished.
    """

    listing: tuple[str, ...]
    links: re.Pattern[str]
    next: re.Pattern[str] | None = None
    limit: int = DOCUMENTS
    pages: int = PAGES


def load(told: Mapping[str, Any]) -> Harvest:
    """The table [harvest] of a source.toml; raises ValueError with the key at fault and what is allowed.

    >>> load({"listing": ["https://comune.example/progetti"], "links": "/progetti/[0-9]+$"}).limit
    10000
    """
    if unknown := sorted(set(told) - set(_KEYS)):
        raise ValueError(f"harvest: unknown key {unknown[0]!r}; allowed: {', '.join(_KEYS)}")
    if missing := [key for key in ("listing", "links") if key not in told]:
        raise ValueError(f"harvest: the key {missing[0]!r} is missing")
    listing = told["listing"]
    if not isinstance(listing, list) or not listing or not all(isinstance(each, str) for each in listing):
        raise ValueError(f"harvest.listing: {listing!r}; allowed: a list of addresses, at least one")
    for each in listing:
        if not each.lower().startswith(("http://", "https://")):
            raise ValueError(f"harvest.listing: {each!r}; allowed: addresses that begin with http:// or https://")
    return Harvest(
        listing=tuple(listing),
        links=_pattern("links", told["links"]),
        next=_pattern("next", told["next"]) if told.get("next") else None,
        limit=_number("limit", told.get("limit", DOCUMENTS)),
        pages=_number("pages", told.get("pages", PAGES)),
    )


def _pattern(key: str, told: Any) -> re.Pattern[str]:
    if not isinstance(told, str) or not told:
        raise ValueError(f"harvest.{key}: {told!r}; allowed: a regular expression")
    try:
        return re.compile(told)
    except re.error as error:
        raise ValueError(f"harvest.{key}: {told!r} is no regular expression: {error}") from error


def _number(key: str, told: Any) -> int:
    if isinstance(told, bool) or not isinstance(told, int) or told < 1:
        raise ValueError(f"harvest.{key}: {told!r}; allowed: a whole number from 1 on")
    return told
