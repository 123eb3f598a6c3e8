"""The words of chrome.toml: what of a page is around its content, and how a page tells labels from values."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

from selectolax.lexbor import LexborNode

_UNSEEN: Final = re.compile(r"(?:^|;)\s*(?:display\s*:\s*none|visibility\s*:\s*hidden)\b", re.IGNORECASE)
Attributes = dict[str, str | None]


@dataclass(frozen=True)
class Chrome:
    """The word lists of chrome.toml; see there."""

    content_tags: tuple[str, ...]
    content_roles: tuple[str, ...]
    content_ids: tuple[str, ...]
    tags: frozenset[str]
    page_tags: frozenset[str]
    sections: frozenset[str]
    roles: frozenset[str]
    ids: frozenset[str]
    classes: frozenset[str]
    code: frozenset[str]
    labels: frozenset[str]
    values: frozenset[str]
    badges: frozenset[str]
    lines: frozenset[str]
    paragraphs: frozenset[str]

    def around(self, tag: str, attributes: Attributes, in_section: bool) -> bool:
        """Whether an element is around the content, or hidden."""
        if tag in self.tags or (tag in self.page_tags and not in_section):
            return True
        if not attributes:
            return False
        return (
            "hidden" in attributes
            or word(attributes, "aria-hidden") == "true"
            or _UNSEEN.search(attributes.get("style") or "") is not None
            or word(attributes, "role") in self.roles
            or word(attributes, "id") in self.ids
            or not self.classes.isdisjoint(classes(attributes))
        )


@cache
def chrome() -> Chrome:
    """The word lists as declared in chrome.toml."""
    told = tomllib.loads(files("etl.documents").joinpath("chrome.toml").read_text(encoding="utf-8"))
    content, around, blocks, flow = told["content"], told["around"], told["blocks"], told["flow"]
    return Chrome(
        tuple(content["tags"]),
        tuple(content["roles"]),
        tuple(content["ids"]),
        frozenset(around["tags"]),
        frozenset(around["page_tags"]),
        frozenset(around["sections"]),
        frozenset(around["roles"]),
        frozenset(around["ids"]),
        frozenset(around["classes"]),
        frozenset(told["code"]["tags"]),
        frozenset(blocks["labels"]),
        frozenset(blocks["values"]),
        frozenset(blocks["badges"]),
        frozenset(flow["lines"]),
        frozenset(flow["paragraphs"]),
    )


def word(attributes: Attributes, name: str) -> str:
    """An attribute's value in small letters, "" without it."""
    return (attributes.get(name) or "").strip().lower()


def classes(attributes: Attributes) -> list[str]:
    """The names of an element's classes, in small letters."""
    return word(attributes, "class").split()


def content(root: LexborNode) -> LexborNode | None:
    """The element with the content proper, if a page has one that holds text and is not hidden."""
    words = chrome()
    wanted = [*words.content_tags, *(f'[role="{role}" i]' for role in words.content_roles)]
    for selector in [*wanted, *(f'[id="{name}" i]' for name in words.content_ids)]:
        for node in root.css(selector):
            if node.text(strip=True) and not _hidden(node):
                return node
    return None


def _hidden(node: LexborNode) -> bool:
    at: LexborNode | None = node
    while at is not None:
        attributes = at.attributes
        if "hidden" in attributes or _UNSEEN.search(attributes.get("style") or ""):
            return True
        at = at.parent
    return False
