"""A page to lines and tables, each with the path of its element; what is around the content is kept apart.

A line ends where a browser ends it: at blocks and at br. What the markup itself says is taken over: dt and dd, th and
td, label, headings, a bold lead that ends in a colon, and the classes by which content management systems tell labels
from values (chrome.toml).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from selectolax.lexbor import LexborNode

from etl.documents import chrome, markup, metadata
from etl.documents.limits import Counted
from etl.documents.markup import Element
from etl.documents.model import Cell, Datum, Kind, Line, Table
from etl.documents.runs import Run, all_bold, cell, lines

_HEADING: Final = re.compile(r"h([1-6])")
_BOLD: Final = frozenset({"b", "strong"})
_WHITE: Final = re.compile(r"[ \t\n\r\f]+")
#: An input that shows its value to a reader; buttons, passwords and hidden ones do not say anything.
_SHOWN_INPUTS: Final = frozenset(
    {"", "text", "date", "datetime-local", "month", "week", "time", "number", "email", "tel", "url"}
)
#: A span of the standard's own limits (https://html.spec.whatwg.org/multipage/tables.html#attr-tdth-colspan).
_MOST_COLUMNS: Final = 1000
_MOST_ROWS: Final = 65_534
_DIGITS: Final = re.compile(r"[ \t\n\f\r]*\+?([0-9]{1,9})")


@dataclass(frozen=True)
class Page:
    """What a page says: its blocks, what is around them, its metadata, and what its relative links are relative to."""

    blocks: tuple[Line | Table, ...]
    ignored: tuple[Line, ...]
    metadata: tuple[Datum, ...]
    base: str


def read(text: str) -> Page:
    """The page of a text of HTML.

    Raises Unusable: file.too-deep, file.too-many-blocks, file.too-slow, file.reader-stopped, file.malformed.
    """
    root = markup.parsed(text)
    nesting = markup.survey(root)  # first of all: what follows would be slow on a tree too deep
    data, leftover = metadata.read(root)
    reader = _Reader(chrome.content(root), Counted(), nesting)
    reader.read(root, "/html", _Style("/html", aside=reader.content is not None))
    return Page(tuple(reader.blocks), (*reader.ignored, *leftover), data, metadata.base(root))


@dataclass(frozen=True)
class _Style:
    """What text has from the elements around it."""

    place: str  # of the block it stands in
    kind: Kind = "text"
    level: int = 0
    bold: bool = False
    link: str = ""
    keep: bool = False  # white space, within pre
    aside: bool = False  # around the content
    in_section: bool = False
    hidden: bool = False  # aside by an element of its own: what is in it stays aside, be it the content or not


@dataclass
class _Open:
    """An element whose children are being read: their style, and what is done when they are."""

    element: Element
    style: _Style
    ends_line: bool
    ends_paragraph: bool
    label: str = ""  # the place of the block whose next text is the value of the label that ends here


class _Reader:
    """Goes through a tree once, without recursion: depth is data."""

    def __init__(self, content: LexborNode | None, counted: Counted, nesting: frozenset[int]) -> None:
        self.content = content.mem_id if content is not None else None
        self.counted = counted
        self.nesting = nesting
        self.blocks: list[Line | Table] = []
        self.ignored: list[Line] = []
        self.runs: list[Run] = []
        self.style = _Style("")  # that of the line being made
        self.parted = False  # an empty line is due before the next text
        self.labelled = ""  # the block in which a label was just read
        self.told: list[Run] = []  # all runs, to know a cell that is bold as a whole

    def read(self, root: LexborNode, path: str, style: _Style, depth: int = 1) -> None:
        """Read an element: its lines and tables go to `blocks` and `ignored`."""
        opened = [_Open(Element(root, path, depth), style, True, False)]
        while opened:
            top = opened[-1]
            child = top.element.step()
            if child is None:
                self._leave(opened.pop())
            elif child.is_text_node:
                self._text(child.text_content or "", top.style)
            elif child.is_element_node:
                path = top.element.path_of(child)
                entered = self._enter(child, path, top)
                if entered is not None:
                    opened.append(entered)
        self._flush()

    # --- elements ----------------------------------------------------------------------------------------------------

    def _enter(self, node: LexborNode, path: str, parent: _Open) -> _Open | None:
        words, tag = chrome.chrome(), node.tag or ""
        if tag in words.code:
            return None
        if tag == "br":
            self._add(Run("\n"), parent.style)
            return None
        attributes = node.attributes
        style = self._styled(node, tag, attributes, path, parent.style)
        if tag in ("img", "input", "select"):
            self._replaced(node, tag, attributes, style if tag == "img" else replace(style, place=path))
            return None
        if tag == "table" and not style.aside and self._is_data(node, attributes):
            self._flush()
            self._table(node, path, style, parent.element.depth + 1)
            return None
        if style.aside and not parent.style.aside and tag not in words.lines and tag not in words.paragraphs:
            # An icon or a hidden word within a line: the line goes on after it.
            if text := markup.plain_text(node):
                self.ignored.append(self.counted.line(Line(text, path)))
            return None
        apart = style.kind != parent.style.kind or style.aside != parent.style.aside
        paragraph = tag in words.paragraphs
        block = paragraph or tag in words.lines
        if block or apart:
            self._flush()
            self.parted = self.parted or paragraph
            style = replace(style, place=path)
        label = parent.style.place if style.kind == "label" and tag != "dt" else ""
        return _Open(Element(node, path, parent.element.depth + 1), style, block or apart, paragraph, label)

    def _styled(self, node: LexborNode, tag: str, attributes: chrome.Attributes, path: str, outer: _Style) -> _Style:
        """The style of an element's text."""
        words, style = chrome.chrome(), outer
        if node.mem_id == self.content and not outer.hidden:
            style = replace(style, aside=False)
        elif not outer.hidden and words.around(tag, attributes, outer.in_section):
            style = replace(style, aside=True, hidden=True, kind="text", level=0)
        if tag in words.sections:
            style = replace(style, in_section=True)
        if tag in _BOLD:
            style = replace(style, bold=True)
        elif tag == "a" and attributes.get("href"):
            style = replace(style, link=(attributes["href"] or "").strip())
        elif tag in ("pre", "textarea", "listing"):
            style = replace(style, keep=True)
        if not style.aside and (kind := self._kind(tag, attributes)) is not None:
            level = int(tag[1]) if kind == "heading" else 0
            style = replace(style, kind=kind, level=level, place=path)
        return style

    def _kind(self, tag: str, attributes: chrome.Attributes) -> Kind | None:
        """What the markup says of an element's text, if it says anything."""
        if _HEADING.fullmatch(tag):
            return "heading"
        if tag in ("dt", "label"):
            return "label"
        if tag in ("dd", "textarea"):
            return "value"
        names = chrome.classes(attributes)
        if names:
            words = chrome.chrome()
            if not words.labels.isdisjoint(names) and words.badges.isdisjoint(names):
                return "label"
            if not words.values.isdisjoint(names):
                return "value"
        return None

    def _replaced(self, node: LexborNode, tag: str, attributes: chrome.Attributes, style: _Style) -> None:
        """What stands in the page in the element's stead: an image's address, what a form has filled in."""
        if tag == "img":
            for target in (style.link, (attributes.get("src") or "").strip()):
                if target:
                    self._add(Run("", style.bold, target), style)
            return
        self._flush()
        if tag == "input" and chrome.word(attributes, "type") in _SHOWN_INPUTS:
            self._add(Run(attributes.get("value") or ""), replace(style, kind="value"))
        elif tag == "select":
            options = node.css("option")
            chosen = [each for each in options if "selected" in each.attributes] or options[:1]
            for option in options:
                # What could have been chosen is no part of what the page says.
                is_chosen = any(option.mem_id == each.mem_id for each in chosen)
                self._add(
                    Run(markup.plain_text(option)), replace(style, kind="value", aside=style.aside or not is_chosen)
                )
                self._flush()
        self._flush()

    def _is_data(self, node: LexborNode, attributes: chrome.Attributes) -> bool:
        """Whether a table is one, and not there for the layout of a page."""
        return chrome.word(attributes, "role") not in ("presentation", "none") and node.mem_id not in self.nesting

    def _leave(self, opened: _Open) -> None:
        if opened.ends_line:
            self._flush()
            self.parted = self.parted or opened.ends_paragraph
        if opened.label:
            self.labelled = opened.label

    # --- text --------------------------------------------------------------------------------------------------------

    def _text(self, text: str, style: _Style) -> None:
        if not style.keep:
            text = _WHITE.sub(" ", text)
        if self.runs or text.strip():
            self._add(Run(text, style.bold, style.link), style)

    def _add(self, run: Run, style: _Style) -> None:
        if not self.runs:
            self.style = style
        self.runs.append(run)
        self.told.append(run)

    def _flush(self) -> None:
        """Make lines of the runs gathered: they are one block's."""
        if not self.runs:
            return
        runs, style, self.runs = self.runs, self.style, []
        made = lines(runs, style.place, style.kind, style.level, keep=style.keep)
        if not made:
            return
        if style.aside:
            self.ignored += [
                self.counted.line(Line(each.text, each.place, links=each.links)) for each in made if each.text
            ]
            return
        if self.labelled and self.labelled == style.place and made[0].kind == "text":
            made[0] = replace(made[0], kind="value")
        self.labelled = ""
        if self.parted and self.blocks:
            last = self.blocks[-1]
            if not isinstance(last, Line) or (
                last.text and last.kind != "label"
            ):  # nothing parts a label from its value
                self.blocks.append(self.counted.line(Line("", style.place)))
        self.parted = False
        self.blocks += map(self.counted.line, made)

    # --- tables ------------------------------------------------------------------------------------------------------

    def _table(self, node: LexborNode, path: str, style: _Style, depth: int) -> None:
        """A table of data as one block, its caption as a line before it; one without text leaves nothing."""
        rows: list[list[tuple[int, Cell]]] = []
        bold: set[str] = set()
        texts = width = counted = 0
        full: dict[int, int] = {}  # the row at which each column is free again
        for part, where, level in _parts(Element(node, path, depth)):
            if part.tag != "tr":  # a caption
                self.blocks += self._within(part, where, style, level)[0]
                continue
            at, column = len(rows), 0
            rows.append([])
            row = Element(part, where, level)
            while (child := row.step()) is not None:
                if not child.is_element_node:
                    continue
                inner = row.path_of(child)
                if child.tag not in ("td", "th"):
                    continue  # scripts and templates: no text of a reader's
                while full.get(column, 0) > at:
                    column += 1
                found, is_bold = self._within(child, inner, style, level + 1)
                made = cell(found, inner, child.tag == "th")
                rows[-1].append((column, made))
                texts += bool(made.text or made.links)
                if is_bold:
                    bold.add(inner)
                down, across = _spans(child.attributes)
                self.counted.table(1, across)
                counted += across
                for each in range(column, column + across):
                    full[each] = at + down
                column += across
                width = max(width, column)
        if not texts:
            return
        self.counted.table(1, max(len(rows) * width - counted, 0))  # the places that were left empty
        marked = bold if len(bold) < texts else set()  # all bold says nothing
        empty = Cell("", path)
        made_rows = []
        for row_cells in rows:
            line = [empty] * width
            for at, found_cell in row_cells:
                line[at] = replace(found_cell, header=found_cell.header or found_cell.place in marked)
            made_rows.append(tuple(line))
        self.blocks.append(Table(tuple(made_rows), path))

    def _within(self, node: LexborNode, path: str, style: _Style, depth: int) -> tuple[list[Line], bool]:
        """The lines of a cell or caption, and whether all of them are bold."""
        inner = _Reader(None, self.counted, self.nesting)
        inner.read(node, path, replace(style, place=path), depth)
        self.ignored += inner.ignored
        return [line for line in inner.blocks if isinstance(line, Line)], all_bold(inner.told)


def _parts(table: Element) -> Iterator[tuple[LexborNode, str, int]]:
    """The captions and rows of a table, each with its path and depth."""
    while (child := table.step()) is not None:
        if not child.is_element_node:
            continue
        path = table.path_of(child)
        if child.tag in ("thead", "tbody", "tfoot"):
            group = Element(child, path, table.depth + 1)
            while (row := group.step()) is not None:
                if row.is_element_node:
                    inner = group.path_of(row)
                    if row.tag == "tr":
                        yield row, inner, group.depth + 1
        elif child.tag == "caption":
            yield child, path, table.depth + 1


def _spans(attributes: chrome.Attributes) -> tuple[int, int]:
    """How many rows and columns a cell takes; 0 rows are all that follow."""
    down, across = (_number(attributes.get(name)) for name in ("rowspan", "colspan"))
    return (down or _MOST_ROWS), min(max(across, 1), _MOST_COLUMNS)


def _number(written: str | None) -> int:
    found = _DIGITS.match(written or "")
    return min(int(found[1]), _MOST_ROWS) if found else 1
