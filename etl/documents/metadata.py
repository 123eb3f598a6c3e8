"""The machine-readable part of a page: JSON-LD, microdata, and the meta elements that say what it is about.

https://www.w3.org/TR/json-ld11/#embedding-json-ld-in-html-documents,
https://html.spec.whatwg.org/multipage/microdata.html, https://ogp.me, https://www.dublincore.org/specifications/dublin-core/dcq-html/
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Final

from selectolax.lexbor import LexborNode

from etl.documents import markup
from etl.documents.limits import limits
from etl.documents.model import Datum, Line
from etl.problems import Unusable

_SCHEMA: Final = re.compile(r"(?:schema:|https?://schema\.org/)")
_META: Final = re.compile(r"(description|keywords|author|date|(?:og|article|dc|dcterms)[.:].+)", re.IGNORECASE)
#: Where the value of an element with itemprop stands, if not in its text.
_VALUED: Final = {
    "meta": "content",
    "audio": "src",
    "embed": "src",
    "iframe": "src",
    "img": "src",
    "source": "src",
    "track": "src",
    "video": "src",
    "a": "href",
    "area": "href",
    "link": "href",
    "object": "data",
    "data": "value",
    "meter": "value",
    "time": "datetime",
}

_Json = dict[str, "_Json"] | list["_Json"] | str | bool | None


def read(root: LexborNode) -> tuple[tuple[Datum, ...], tuple[Line, ...]]:
    """The values of a page's metadata, and as lines the JSON-LD that is none.

    Raises Unusable (file.too-many-blocks) for more than limits.toml allows.
    """
    found: list[Datum] = []
    leftover: list[Line] = []
    left = limits().blocks.metadata
    for each in _all(root, leftover):
        left -= len(each.value) + len(each.name)
        if left < 0:
            raise Unusable(
                "file.too-many-blocks",
                found="characters of metadata",
                found_it="caratteri di metadati",
                limit=str(limits().blocks.metadata),
            )
        found.append(each)
    return tuple(found), tuple(leftover)


def base(root: LexborNode) -> str:
    """What relative links are relative to: the first base element's address, else the canonical one's, else ""."""
    for selector in ("base[href]", 'link[rel~="canonical" i][href]'):
        node = root.css_first(selector)
        if node is not None and (href := (node.attributes.get("href") or "").strip()):
            return href
    return ""


def _all(root: LexborNode, leftover: list[Line]) -> Iterator[Datum]:
    title = root.css_first("head > title")
    if title is not None and (text := markup.plain_text(title)):
        yield Datum("title", text, "/html/head/title")
    yield from _metas(root)
    yield from _json_ld(root, leftover)
    if root.css_first("[itemprop]") is not None:
        yield from _microdata(root)


def _metas(root: LexborNode) -> Iterator[Datum]:
    for node in root.css("meta[content]"):
        attributes = node.attributes
        name = (attributes.get("property") or attributes.get("name") or "").strip()
        value = " ".join((attributes.get("content") or "").split())
        if value and _META.fullmatch(name):
            yield Datum(name, value, f"meta {name}")


# --- JSON-LD -----------------------------------------------------------------------------------------------------


def _json_ld(root: LexborNode, leftover: list[Line]) -> Iterator[Datum]:
    number = 0
    for node in root.css("script[type]"):
        if (node.attributes.get("type") or "").partition(";")[0].strip().lower() != "application/ld+json":
            continue
        number += 1
        place = f"JSON-LD {number}"
        text = _raw(node)
        try:
            told = json.loads(text, parse_int=str, parse_float=str, parse_constant=str)
            # Made whole before any of it counts: what breaks half way is told as it stands.
            yield from list(_flat(told, "", "", place, 1))
        except (ValueError, RecursionError):
            if text.strip():
                leftover.append(Line(" ".join(text.split()), place))


def _raw(script: LexborNode) -> str:
    pieces = []
    child = script.first_child
    while child is not None:
        if child.is_text_node:
            pieces.append(child.text_content or "")
        child = child.next
    return "".join(pieces)


def _flat(value: _Json, name: str, path: str, place: str, depth: int) -> Iterator[Datum]:
    """Every value of an object with its dotted name; what is in @graph belongs to the object that has it."""
    if depth > limits().blocks.levels:
        raise RecursionError
    if isinstance(value, list):
        for at, each in enumerate(value):
            yield from _flat(each, name, f"{path}[{at + 1}]" if len(value) > 1 else path, place, depth + 1)
    elif isinstance(value, dict):
        for key, each in value.items():
            term = _SCHEMA.sub("", key, count=1)
            if key == "@context":
                continue  # says how terms are read, nothing of the page
            if key in ("@graph", "@value"):
                yield from _flat(each, name, path, place, depth + 1)
            else:
                yield from _flat(each, _dotted(name, term), _dotted(path, term), place, depth + 1)
    else:
        text = ("true" if value else "false") if isinstance(value, bool) else value
        if text and name:
            yield Datum(name, " ".join(text.split()), f"{place}, {path}")


def _dotted(name: str, term: str) -> str:
    return f"{name}.{term}" if name else term


# --- microdata ---------------------------------------------------------------------------------------------------


def _microdata(root: LexborNode) -> Iterator[Datum]:
    """Every itemprop with its value, in the order of the page; properties of an item within one have dotted names.

    itemref is not followed: its properties are told where they stand.
    """
    opened = [(markup.Element(root, "/html"), "")]
    while opened:
        element, prefix = opened[-1]
        child = element.step()
        if child is None:
            opened.pop()
            continue
        if not child.is_element_node:
            continue
        path = element.path_of(child)
        attributes = child.attributes
        names = [_dotted(prefix, _SCHEMA.sub("", each, count=1)) for each in (attributes.get("itemprop") or "").split()]
        inner = prefix
        if "itemscope" in attributes:
            inner = names[0] if names else ""
            for kind in (attributes.get("itemtype") or "").split():
                yield Datum(_dotted(inner, "@type"), kind, f"microdata {path}")
        else:
            value = _value(child, attributes) if names else ""
            yield from (Datum(name, value, f"microdata {path}") for name in names if value)
        opened.append((markup.Element(child, path, element.depth + 1), inner))


def _value(node: LexborNode, attributes: dict[str, str | None]) -> str:
    told = attributes.get(_VALUED.get(node.tag or "", ""))
    return " ".join((told if told is not None else markup.plain_text(node)).split())
