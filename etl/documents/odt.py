"""An OpenDocument text (ODT) to paragraphs and tables, as a reader sees it once all changes are accepted.

https://docs.oasis-open.org/office/OpenDocument/v1.3/. Deleted text is not read; text boxes come after the paragraph
that holds them; headers, footers, notes, comments and hidden text are kept apart. Pictures are never unpacked.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Final

from lxml import etree

from etl.documents.model import Line, Table
from etl.documents.office import Found, Writer, cell_lines
from etl.documents.package import Package, attribute, child, children, local
from etl.documents.runs import Run
from etl.problems import Unusable

_NOT_READ: Final = frozenset(
    {
        "tracked-changes",
        "forms",
        "sequence-decls",
        "variable-decls",
        "user-field-decls",
        "event-listeners",
        "desc",
        "title",
        "bookmark",
        "image",
        "object",
    }
)
_ASIDE: Final = {
    "note": "note",
    "annotation": "comment",
    "hidden-text": "hidden",
    "hidden-paragraph": "hidden",
    "ruby-text": "ruby",
}
_WHITE: Final = re.compile("[ \t\n\r]+")
_MOST_BLANKS: Final = 1_000
_MOST_REPEATED: Final = 16_384


@dataclass(frozen=True)
class _Looks:
    """What the styles say: which are bold, and before or after which a page begins."""

    bold: frozenset[str]
    before: frozenset[str]
    after: frozenset[str]
    hidden: frozenset[str]


@dataclass
class _Paragraph:
    runs: list[Run] = field(default_factory=list)
    aside: list[tuple[str, list[Run]]] = field(default_factory=list)
    boxes: list[etree._Element] = field(default_factory=list)


@dataclass(frozen=True)
class _Style:
    bold: bool
    link: str = ""


def read(package: Package) -> tuple[tuple[Line | Table, ...], tuple[Line, ...]]:
    """The blocks of an ODT, and what is kept apart.

    Raises Unusable: file.encrypted, file.malformed, file.too-deep, file.too-many-blocks, file.unpacks-too-large.
    """
    if "META-INF/manifest.xml" in package.parts and b"encryption-data" in package.read("META-INF/manifest.xml"):
        raise Unusable("file.encrypted")
    content = package.xml("content.xml")
    body = child(content, "body", "text")
    if body is None:
        raise package.malformed("content.xml: no text", "content.xml: manca il testo")
    styles = package.xml("styles.xml") if "styles.xml" in package.parts else None
    reader = _Reader(Writer(), _looks([each for each in (styles, content) if each is not None]))
    reader.blocks(body)
    if styles is not None:
        masters = child(styles, "master-styles")
        for master in children(masters, "master-page") if masters is not None else ():
            reader.margins(master)
    return tuple(reader.writer.blocks), tuple(reader.writer.ignored)


def _looks(roots: list[etree._Element]) -> _Looks:
    bold: dict[str, bool] = {}
    based: dict[str, str] = {}
    breaks: dict[str, set[str]] = {"break-before": set(), "break-after": set()}
    hidden: set[str] = set()
    for root in roots:
        for holder in children(root, "styles", "automatic-styles"):
            for style in children(holder, "style"):
                name = attribute(style, "name")
                based[name] = attribute(style, "parent-style-name")
                text = child(style, "text-properties")
                weight = attribute(text, "font-weight")
                if weight:
                    bold[name] = weight == "bold" or (weight.isdecimal() and int(weight) >= 600)
                if attribute(text, "display") == "none":
                    hidden.add(name)
                for which, names in breaks.items():
                    if attribute(child(style, "paragraph-properties"), which) == "page":
                        names.add(name)
                if attribute(style, "master-page-name"):
                    breaks["break-before"].add(name)
    for name in based:
        seen, at = {name}, name
        while at not in bold and based.get(at) and based[at] not in seen:
            at = based[at]
            seen.add(at)
        bold[name] = bold.get(at, False)
    strong = frozenset(name for name, is_bold in bold.items() if is_bold)
    return _Looks(strong, frozenset(breaks["break-before"]), frozenset(breaks["break-after"]), frozenset(hidden))


class _Reader:
    def __init__(self, writer: Writer, looks: _Looks) -> None:
        self.writer, self.looks = writer, looks

    def blocks(self, holder: etree._Element) -> None:
        """The paragraphs, lists and tables of the text, a section or a text box."""
        for each in _blocks(holder):
            name = local(each)
            if name == "table":
                self.writer.tables += 1
                self._table(each, f"table {self.writer.tables}")
            else:
                self._paragraph(each, name)

    def margins(self, master: etree._Element) -> None:
        """The headers and footers of one kind of pages."""
        for each in master:
            kind = local(each).partition("-")[0]
            if kind in ("header", "footer"):
                for runs in self._all_runs(each):
                    self.writer.aside(runs, f"{kind} of {attribute(master, 'name')}")

    def _paragraph(self, element: etree._Element, name: str) -> None:
        style = attribute(element, "style-name")
        if style in self.looks.before:
            self.writer.break_()
        found = self._runs(element)
        told = attribute(element, "outline-level")
        level = min(int(told) if told.isdecimal() else 1, 6) or 1
        if name == "h":
            self.writer.paragraph([found.runs], "heading", level)
        else:
            self.writer.paragraph([found.runs])
        self._tell_aside(found, f"paragraph {self.writer.paragraphs}")
        for box in found.boxes:
            self.blocks(box)
        if style in self.looks.after:
            self.writer.break_()

    def _tell_aside(self, found: _Paragraph, place: str) -> None:
        for what, runs in found.aside:
            self.writer.aside(runs, f"{place}, {what}")

    # --- tables ------------------------------------------------------------------------------------------------------

    def _table(self, table: etree._Element, place: str) -> None:
        rows: list[list[Found]] = []
        for row, header in _rows(table, False):
            cells: list[Found] = []
            for each in children(row, "table-cell", "covered-table-cell"):
                times = _number(each, "number-columns-repeated")
                if local(each) == "covered-table-cell":
                    continue  # the spanning cell takes its place
                found, bold = cell_lines(list(self._all_runs(each)))
                across, down = _number(each, "number-columns-spanned"), _number(each, "number-rows-spanned")
                self.writer.counted.table(times, across)
                cells += [Found(found, bold, across, down, header)] * times
            times = _number(row, "number-rows-repeated")
            self.writer.counted.table(times, len(cells))
            rows += [cells] * times
        self.writer.table(rows, place)

    def _all_runs(self, holder: etree._Element) -> Iterator[list[Run]]:
        """The runs of every paragraph, those of tables and text boxes within too."""
        for each in _blocks(holder):
            if local(each) == "table":
                for row, _ in _rows(each, False):
                    for inner in children(row, "table-cell"):
                        yield from self._all_runs(inner)
            else:
                found = self._runs(each)
                self._tell_aside(found, f"table {self.writer.tables}")
                yield found.runs
                for box in found.boxes:
                    yield from self._all_runs(box)

    # --- runs --------------------------------------------------------------------------------------------------------

    def _runs(self, paragraph: etree._Element) -> _Paragraph:
        found = _Paragraph()
        self._inline(paragraph, found, _Style(attribute(paragraph, "style-name") in self.looks.bold))
        return found

    def _inline(self, holder: etree._Element, found: _Paragraph, style: _Style) -> None:
        self._say(holder.text, found, style)
        for each in holder:
            self._element(each, found, style)
            self._say(each.tail, found, style)

    def _element(self, each: etree._Element, found: _Paragraph, style: _Style) -> None:
        name = local(each)
        if name in _NOT_READ:
            return
        if name in _ASIDE:
            text = "".join(str(part) for part in each.itertext())
            told = attribute(each, "string-value") or text
            found.aside.append((_ASIDE[name], [Run(" ".join(told.split()))]))
        elif name == "s":
            count = attribute(each, "c")
            found.runs.append(
                Run(" " * (min(int(count), _MOST_BLANKS) if count.isdecimal() else 1), style.bold, style.link)
            )
        elif name in ("tab", "line-break"):
            found.runs.append(Run("\t" if name == "tab" else "\n", style.bold, style.link))
        elif name == "text-box":
            found.boxes.append(each)
        elif name == "a":
            self._inline(each, found, replace(style, link=attribute(each, "href")))
        elif name == "span":
            named = attribute(each, "style-name")
            if named in self.looks.hidden:
                found.aside.append(("hidden", [Run("".join(str(part) for part in each.itertext()))]))
            else:
                self._inline(each, found, replace(style, bold=style.bold or named in self.looks.bold))
        else:
            self._inline(each, found, style)

    def _say(self, text: str | None, found: _Paragraph, style: _Style) -> None:
        """Text as it is written in the XML: its white space counts as one blank."""
        if text:
            found.runs.append(Run(_WHITE.sub(" ", text), style.bold, style.link))


def _blocks(holder: etree._Element) -> Iterator[etree._Element]:
    """The paragraphs, headings and tables of a holder, those of sections, lists and indexes too."""
    for each in holder:
        name = local(each)
        if name in ("p", "h", "table"):
            yield each
        elif name not in _NOT_READ and name not in _ASIDE:
            yield from _blocks(each)


def _rows(table: etree._Element, header: bool) -> Iterator[tuple[etree._Element, bool]]:
    """The rows of a table, and whether they are its header's."""
    for each in table:
        name = local(each)
        if name == "table-row":
            yield each, header
        elif name in ("table-header-rows", "table-rows", "table-row-group"):
            yield from _rows(each, header or name == "table-header-rows")


def _number(element: etree._Element, name: str) -> int:
    told = attribute(element, name)
    return max(1, min(int(told), _MOST_REPEATED)) if told.isdecimal() else 1
