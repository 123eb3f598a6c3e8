"""The links of a page, as a browser would follow them."""

from __future__ import annotations

import re
from typing import Final, cast

import webencodings
from lxml import etree

from etl.fetch.urls import Target, target
from etl.problems import Unusable

_PIECE: Final = 1 << 16
_LINKS: Final = ("a", "area")
#: The standard looks for a page's own word in so many bytes: https://html.spec.whatwg.org/#prescan-a-byte-stream-to-determine-its-encoding
_PRESCAN: Final = 1024
_META: Final = re.compile(rb"""<meta\s[^>]*?charset\s*=\s*["']?\s*([A-Za-z0-9_:.-]+)""", re.IGNORECASE)
_COMMENT: Final = re.compile(rb"<!--.*?-->", re.DOTALL)


def text_of(data: bytes, charset: str = "") -> str:
    """A page's text: its byte order mark counts first, then `charset` (the server's), its own word, its bytes.

    Bytes that are not of the encoding become U+FFFD, as in a browser: what is wanted here are addresses, and these are
    mostly ASCII. (https://encoding.spec.whatwg.org/#decode)
    """
    encoding = webencodings.lookup(charset) if charset else None
    found = _META.search(_COMMENT.sub(b"", data[:_PRESCAN]))
    if encoding is None and found:
        encoding = webencodings.lookup(found[1].decode("ascii"))
        if encoding is not None and encoding.name.startswith("utf-16"):
            encoding = webencodings.UTF8  # ASCII was read to find this
    if encoding is None:
        try:
            return data.decode("utf-8-sig")
        except UnicodeDecodeError:
            encoding = webencodings.lookup("windows-1252") or webencodings.UTF8
    return webencodings.decode(data, encoding, "replace")[0]


def links(text: str, page: Target) -> list[Target]:
    """The addresses a page links to, in its order, each once; relative ones as its <base> or its own address says.

    What is no http or https address, as mailto: is, is left out.
    """
    seen = _Seen()
    # Events, no tree: the time grows with the page's length only, however deep it is nested.
    # (Its stub is a class of the type checker only, with more methods than lxml asks for.)
    parser = etree.HTMLParser(target=cast("etree.ParserTarget[None]", seen), no_network=True)
    for at in range(0, len(text), _PIECE):
        parser.feed(text[at : at + _PIECE])
    parser.close()
    base = page
    for told in seen.bases[:1]:
        base = _target(told, page) or page
    return list(dict.fromkeys(each for told in seen.links if (each := _target(told, base)) is not None))


def _target(told: str, base: Target) -> Target | None:
    try:
        return target(told, base)
    except Unusable:
        return None  # mailto:, javascript:, what people mistype: no document is there


class _Seen:
    """What a parser tells of a page, as far as it is of links."""

    def __init__(self) -> None:
        self.links: list[str] = []
        self.bases: list[str] = []
        self._templates = 0

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        if tag == "template":
            self._templates += 1
        elif "href" in attributes and not self._templates:
            if tag in _LINKS:
                self.links.append(attributes["href"])
            elif tag == "base":
                self.bases.append(attributes["href"])

    def end(self, tag: str) -> None:
        if tag == "template":
            self._templates = max(0, self._templates - 1)

    def close(self) -> None:
        """Nothing is made of it: what was seen is in the lists."""
