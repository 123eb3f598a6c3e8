"""Bytes of a page to its elements as a browser has them, each with the path that finds it there.

The parser is Lexbor (through selectolax), which builds the tree that the HTML standard asks for: so a place is the
place a browser knows. Like every such parser it takes time that grows with the square of the depth and of the number of
attributes: a page large enough to make that felt is first parsed in a process apart (`etl.documents.apart`).
https://html.spec.whatwg.org/multipage/parsing.html
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Final

import webencodings
from selectolax.lexbor import LexborHTMLParser, LexborNode

from etl import read
from etl.documents import apart
from etl.documents.limits import limits, too_deep
from etl.problems import Unusable

_PLAIN_NAME: Final = re.compile(r"[a-z][a-z0-9-]*")
#: The standard looks for a meta element in this many bytes.
_PRESCAN: Final = 1024
_META: Final = re.compile(rb"""<meta\s[^>]*?charset\s*=\s*["']?\s*([A-Za-z0-9_:.-]+)""", re.IGNORECASE)
_COMMENT: Final = re.compile(rb"<!--.*?-->", re.DOTALL)


def decoded(data: bytes, charset: str = "") -> tuple[str, str]:
    """The text of a page and the name of its encoding, after https://encoding.spec.whatwg.org/.

    A byte order mark counts before `charset` (what the server said), that before the page's own meta element, that
    before what the bytes look like. An encoding that was told but does not fit the bytes gives way to what they look
    like, because a reader's question marks would be characters lost. Raises Unusable (file.binary) if nothing fits.
    """
    mark, bare = _marked(data)
    for encoding in (mark, webencodings.lookup(charset) if charset else None, _declared(data)):
        if encoding is not None:
            try:
                return encoding.codec_info.decode(bare if mark else data, "strict")[0], encoding.name
            except UnicodeDecodeError:
                continue  # told wrongly: what is told next is tried, then what the bytes look like
    text, encoding_name = read.utf8_or_windows(data)
    return text, "windows-1252" if encoding_name == read.WINDOWS else encoding_name


def _marked(data: bytes) -> tuple[webencodings.Encoding | None, bytes]:
    for mark, name in ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16le"), (b"\xfe\xff", "utf-16be")):
        if data.startswith(mark):
            return webencodings.lookup(name), data[len(mark) :]
    return None, data


def _declared(data: bytes) -> webencodings.Encoding | None:
    """What the page says of itself near its beginning."""
    found = _META.search(_COMMENT.sub(b"", data[:_PRESCAN]))
    encoding = webencodings.lookup(found[1].decode("ascii")) if found else None
    # ASCII was read to find this, so it cannot be UTF-16: the standard's own rule.
    return webencodings.UTF8 if encoding is not None and encoding.name.startswith("utf-16") else encoding


def parsed(text: str) -> LexborNode:
    """The html element of a page. Raises Unusable: file.too-slow, file.reader-stopped, file.malformed."""
    if len(text) > limits().worker.html:
        apart.run("html", text.encode("utf-8", "replace"))
    root = LexborHTMLParser(text).root
    if root is None:
        raise Unusable("file.malformed", format="HTML", found="no element", found_it="nessun elemento")
    return root


@dataclass
class Element:
    """An element on the way through a tree: its node, its path, and how many elements of each name it holds."""

    node: LexborNode
    path: str
    depth: int = 1
    totals: Counter[str] = field(default_factory=Counter)
    seen: Counter[str] = field(default_factory=Counter)
    child: LexborNode | None = None

    def __post_init__(self) -> None:
        """Count the children, once: a path says a position only among several of a name."""
        if self.depth > limits().blocks.depth:
            raise too_deep(limits().blocks.depth)
        self.child = self.node.first_child
        at = self.child
        while at is not None:
            if at.is_element_node:
                self.totals[at.tag or ""] += 1
            at = at.next

    def step(self) -> LexborNode | None:
        """The next child, of any kind."""
        child = self.child
        if child is not None:
            self.child = child.next
        return child

    def path_of(self, child: LexborNode) -> str:
        """The path of a child element; to be asked of each in its turn, once."""
        name = child.tag or ""
        self.seen[name] += 1
        if not _PLAIN_NAME.fullmatch(name):  # o:p, and what else no XPath can name
            return f"{self.path}/*[{self.seen.total()}]"
        return f"{self.path}/{name}[{self.seen[name]}]" if self.totals[name] > 1 else f"{self.path}/{name}"


def survey(root: LexborNode) -> frozenset[int]:
    """The tables that hold other tables, by their `mem_id`: they are there for the layout of a page.

    Raises Unusable (file.too-deep): the parser itself would follow any depth.
    """
    nesting: set[int] = set()
    tables: list[tuple[int, int]] = []  # those open: depth, id
    deepest, depth = limits().blocks.depth, 1
    at: LexborNode | None = root
    while at is not None:
        if at.tag == "table":
            if tables:
                nesting.add(tables[-1][1])
            tables.append((depth, at.mem_id))
        inner = at.first_child
        if inner is not None:
            at, depth = inner, depth + 1
            if depth > deepest + 1:  # the text of the deepest element stands one below
                raise too_deep(deepest)
            continue
        while True:
            if tables and tables[-1][0] == depth:
                tables.pop()
            following = at.next if depth > 1 else None
            if following is not None or depth <= 1:
                at = following
                break
            above = at.parent
            if above is None:
                at = None
                break
            at, depth = above, depth - 1
    return frozenset(nesting)


def plain_text(node: LexborNode) -> str:
    """All text within a node, without that of scripts and styles, white space made one."""
    pieces: list[str] = []
    at: LexborNode | None = node.first_child
    depth = 0
    while at is not None:
        if at.is_text_node:
            pieces.append(at.text_content or "")
        inner = at.first_child if at.is_element_node and at.tag not in ("script", "style") else None
        if inner is not None:
            at, depth = inner, depth + 1
            continue
        while at is not None and at.next is None and depth:
            at, depth = at.parent, depth - 1
        at = at.next if at is not None else None
    return " ".join("".join(pieces).split())
