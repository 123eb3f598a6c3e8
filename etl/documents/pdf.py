"""A PDF to lines and tables, page by page; what stands alike on most pages is kept apart.

PDFium opens it (through pypdfium2) in a process apart and hands over where each character stands;
`etl.documents.layout` makes lines of them. Only the text layer is read: a scan without one is refused, a page that is a
picture is told.
https://www.iso.org/standard/75839.html (PDF 2.0)
"""

from __future__ import annotations

import json
import re
import time
from array import array
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final

from etl.documents import apart, layout
from etl.documents.layout import Box, Char, Grid, TextLine
from etl.documents.limits import Counted, limits
from etl.documents.model import Cell, Line, Table
from etl.problems import Unusable

#: Not a character of the text: PDFium marks so a hyphen at a line's end.
_HYPHENS: Final = {0x02: "-", 0xFFFE: "-"}
#: A page says its number in a line that says nothing else: "3", "pag. 3 di 12", "- 3 -", "3/12".
_PAGE_NUMBER: Final = re.compile(
    r"[-–—\s]*(?:pag(?:ina|\.)?|p\.|page|foglio)?\s*(\d{1,4})(?:\s*(?:di|of|/|su)\s*\d{1,4})?[-–—\s]*", re.IGNORECASE
)
#: A running header or footer stands at the same height, within points …
_SAME_PLACE: Final = 3.0
#: … and apart from the text by more than this part of its height: a sheet's first label is no header.
_PARTED: Final = 1.2


@dataclass
class _Page:
    number: int
    items: list[TextLine | Grid]
    turned: str
    picture: bool
    running: set[int] = field(default_factory=set)  # which items are, by their index


def read(data: bytes) -> tuple[tuple[Line | Table, ...], tuple[Line, ...], tuple[str, ...]]:
    """The blocks of a PDF, what it says on the margins of every page, and the pages that are nothing but a picture.

    Raises Unusable: file.malformed, file.encrypted, file.no-text, file.too-many-pages, file.too-many-blocks,
    file.too-slow, file.reader-stopped.
    """
    end = time.monotonic() + limits().worker.seconds
    pages = []
    for page in _pages(apart.run("pdf", data)):
        pages.append(page)
        if time.monotonic() > end:
            raise Unusable("file.too-slow", format="PDF", limit=str(limits().worker.seconds))
    if not any(page.items or page.turned for page in pages):
        raise Unusable("file.no-text", found=str(len(pages)))
    _find_running(pages)
    counted = Counted()
    blocks: list[Line | Table] = []
    ignored: list[Line] = []
    for page in pages:
        if page.number > 1:
            blocks.append(counted.line(Line("", f"page {page.number}", "break")))
        _told(page, counted, blocks, ignored)
    pictures = [f"page {page.number}" for page in pages if page.picture]
    return tuple(blocks), tuple(ignored), tuple(pictures)


def _told(page: _Page, counted: Counted, blocks: list[Line | Table], ignored: list[Line]) -> None:
    number = tables = 0
    before: TextLine | Grid | None = None
    for at, item in enumerate(page.items):
        if isinstance(item, Grid):
            tables += 1
            counted.table(len(item.rows), len(item.rows[0]))
            blocks.append(_table(item, f"page {page.number}, table {tables}"))
            before = item
            continue
        number += 1
        line = counted.line(Line(item.text, f"page {page.number}, line {number}", links=tuple(item.links)))
        if at in page.running:
            ignored.append(line)
            continue
        if isinstance(before, TextLine) and layout.empty_between(before, item):
            blocks.append(counted.line(Line("", line.place)))
        blocks.append(line)
        before = item
    if page.turned:
        ignored.append(counted.line(Line(page.turned, f"page {page.number}, turned text")))


def _table(grid: Grid, place: str) -> Table:
    rows = []
    for r, row in enumerate(grid.rows, start=1):
        cells = []
        for c, found in enumerate(row, start=1):
            texts = tuple(line.text for line in found)
            links = tuple(link for line in found for link in line.links)
            where = f"{place}, row {r}, column {c}"
            cells.append(Cell(" ".join(texts), where, links=links, lines=texts if len(texts) > 1 else ()))
        rows.append(tuple(cells))
    return Table(tuple(rows), place)


# --- from the worker -------------------------------------------------------------------------------------------------


def _pages(found: bytes) -> Iterator[_Page]:
    """The pages as the worker wrote them: a line of JSON, then its characters, their boxes, those turned, the rules."""
    at = 0

    def numbers(code: str, count: int) -> array[Any]:
        nonlocal at
        made: array[Any] = array(code)
        size = count * made.itemsize
        made.frombytes(found[at : at + size])
        at += size
        return made

    while at < len(found):
        end = found.index(b"\n", at)
        told = json.loads(found[at:end])
        at = end + 1
        codes = numbers("I", told["characters"])
        boxes = numbers("f", 4 * told["characters"])
        turned = set(numbers("I", told["turned"]))
        rules = numbers("f", 4 * told["rules"])
        yield _page(told, codes, boxes, turned, rules)


def _page(told: dict[str, Any], codes: array[Any], boxes: array[Any], turned: set[float], rules: array[Any]) -> _Page:
    texts = _texts(codes)
    four = iter(boxes)
    boxed = map(Char, texts, four, four, four, four)
    chars = [char for at, char in enumerate(boxed) if char.text and at not in turned]
    is_drawing = len(rules) // 4 > limits().pdf.rules
    strokes: list[Box] = [] if is_drawing else [_box(rules, at) for at in range(0, len(rules), 4)]
    items = layout.read(chars, strokes)
    for box, target in told["links"]:
        _link(items, box, target)
    aside = (
        "".join(texts[int(at)] if at in turned or texts[int(at)].isspace() else "" for at in range(len(texts)))
        if turned
        else ""
    )
    return _Page(told["page"], items, " ".join(aside.split()), told["picture"])


def _box(numbers: array[Any], at: int) -> Box:
    return numbers[at], numbers[at + 1], numbers[at + 2], numbers[at + 3]


def _texts(codes: array[Any]) -> list[str]:
    """Each code as text: two that make one character (UTF-16) stand with the first; what is no character is none."""
    made: list[str] = []
    for at, number in enumerate(codes):
        code = int(number)
        if 0 < code < 0xD800 and code != 0x02:
            made.append(chr(code))
        elif 0xDC00 <= code <= 0xDFFF:
            high = int(codes[at - 1]) if at else 0
            made.append("")
            if 0xD800 <= high <= 0xDBFF:
                made[at - 1] = chr(0x10000 + ((high - 0xD800) << 10) + (code - 0xDC00))
        elif code in _HYPHENS:
            made.append(_HYPHENS[code])
        else:  # NUL, the first half of a pair, or beyond Unicode
            made.append(chr(code) if 0xE000 <= code <= 0x10FFFF else "")
    return made


def _link(items: list[TextLine | Grid], box: Box, target: str) -> None:
    """Give a link to the line its box lies on."""
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    for item in items:
        for line in (
            [item] if isinstance(item, TextLine) else [line for row in item.rows for cell in row for line in cell]
        ):
            left, bottom, right, top = line.box
            if left - 2 <= x <= right + 2 and bottom - 2 <= y <= top + 2:
                if target not in line.links:
                    line.links.append(target)
                return


# --- what runs through all pages -------------------------------------------------------------------------------------


def _find_running(pages: list[_Page]) -> None:
    """Find the headers and footers: the same text at the same height on most pages, and the numbers of pages."""
    if len(pages) < 2:
        return
    edges = [(page, at, line) for page in pages for at, line in _edges(page)]
    alike = Counter(key for key in {(page.number, *_key(line)) for page, _, line in edges})
    often: Counter[tuple[str, int]] = Counter()
    for _, text, height in alike:
        often[text, height] += 1
    for page, at, line in edges:
        text, height = _key(line)
        # The grid of heights has edges of its own: the places just above and below count as the same.
        times = max(often[text, height], often[text, height] + max(often[text, height - 1], often[text, height + 1]))
        if times > len(pages) / 2 or _is_number(line.text, page.number, len(pages)):
            page.running.add(at)


def _key(line: TextLine) -> tuple[str, int]:
    return line.text, round(line.box[1] / _SAME_PLACE)


def _is_number(text: str, number: int, count: int) -> bool:
    """A page's number may begin anywhere, but counts up with the pages: it is not more than a cover away."""
    found = _PAGE_NUMBER.fullmatch(text)
    return found is not None and abs(int(found[1]) - number) <= max(2, count // 10)


def _edges(page: _Page) -> Iterator[tuple[int, TextLine]]:
    """The lines at the top and at the bottom that a gap parts from the rest of the page."""
    by_height = sorted(enumerate(page.items), key=lambda each: -each[1].box[3])
    for turned in (False, True):
        ordered = by_height[::-1] if turned else by_height
        group: list[tuple[int, TextLine]] = []
        for (at, item), (_, following) in pairwise(ordered):
            if not isinstance(item, TextLine) or len(group) == 3:
                break
            group.append((at, item))
            upper, lower = (following, item) if turned else (item, following)
            if upper.box[1] - lower.box[3] > _PARTED * (item.box[3] - item.box[1]):
                yield from group
                break
