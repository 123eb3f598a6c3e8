"""A Word document (DOCX) to paragraphs and tables, as a reader sees it once all changes are accepted.

https://ecma-international.org/publications-and-standards/standards/ecma-376/ (WordprocessingML). Insertions are read,
deletions are not; text boxes come after the paragraph that holds them; headers, footers, notes, comments, hidden text
and the words of empty fields are kept apart. Pictures are never unpacked.
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

_DELETED: Final = frozenset({"del", "moveFrom", "delText", "delInstrText"})
_PROPERTIES: Final = frozenset({"pPr", "rPr", "sdtPr", "sdtEndPr", "tblPr", "tblGrid", "trPr", "tcPr", "sectPr"})
_CODE: Final = re.compile("[0-9A-Fa-f]{1,4}")
_CHARACTERS: Final = {
    "br": "\n",
    "tab": "\t",
    "ptab": "\t",
    "cr": "\n",
    "noBreakHyphen": "\u2011",
    "softHyphen": "\u00ad",
}
_HYPERLINK: Final = re.compile(r'\s*HYPERLINK\s+(?:\\\w\s+)*(?:"([^"]*)"|(\S+))', re.IGNORECASE)
_HEADING: Final = re.compile(r"heading (\d)", re.IGNORECASE)
_NOTES: Final = {"footnotes": "footnote", "endnotes": "endnote", "comments": "comment"}
_OUTLINE: Final = frozenset("012345678")  # 9 is the level of what is no heading
_MOST_COLUMNS: Final = 16_384
_MOST_STYLES: Final = 50  # on one another; Word stops at ten or so


@dataclass(frozen=True)
class _Paragraph:
    """The runs of a paragraph in the parts in which pages part it, what is hidden in it, and its text boxes."""

    parts: list[list[Run]] = field(default_factory=lambda: [[]])
    hidden: list[Run] = field(default_factory=list)
    boxes: list[etree._Element] = field(default_factory=list)


@dataclass(frozen=True)
class _Style:
    """What a run has from the elements around it."""

    bold: bool
    link: str = ""
    hidden: bool = False


@dataclass(frozen=True)
class _Styles:
    """What the document's styles say: the level of those of headings, and which are bold."""

    levels: dict[str, int]
    bold: frozenset[str]


@dataclass
class _State:
    """What has begun: the complex fields that are open, each with its instruction and, once known, its target."""

    fields: list[list[str]] = field(default_factory=list)

    @property
    def link(self) -> str:
        return next((told[1] for told in reversed(self.fields) if len(told) > 1 and told[1]), "")

    @property
    def instructing(self) -> bool:
        return bool(self.fields) and len(self.fields[-1]) == 1


def read(package: Package) -> tuple[tuple[Line | Table, ...], tuple[Line, ...]]:
    """The blocks of a DOCX, and what is kept apart.

    Raises Unusable: file.malformed, file.too-deep, file.too-many-blocks, file.unpacks-too-large.
    """
    main = next((t for kind, t, _ in package.related("").values() if kind == "officeDocument"), "word/document.xml")
    if main not in package.parts:
        raise package.malformed("no document in it", "non contiene un documento")
    body = child(package.xml(main), "body")
    if body is None:
        raise package.malformed(f"{main}: no body", f"{main}: manca il corpo")
    relations = package.related(main)
    targets = {name: kind_target[1] for name, kind_target in relations.items() if kind_target[2]}
    reader = _Reader(Writer(), targets, _styles(package, relations))
    reader.blocks(body)
    counts: dict[str, int] = {}
    for kind, target, outside in relations.values():
        if outside or target not in package.parts:
            continue
        if kind in ("header", "footer"):
            counts[kind] = counts.get(kind, 0) + 1
            reader.aside(package.xml(target), f"{kind} {counts[kind]}")
        elif kind in _NOTES:
            for note in package.xml(target):
                # Negative and zero numbers are the lines that part notes from the text.
                if attribute(note, "type") in ("", "normal"):
                    reader.aside(note, f"{_NOTES[kind]} {attribute(note, 'id')}")
    return tuple(reader.writer.blocks), tuple(reader.writer.ignored)


def _styles(package: Package, relations: dict[str, tuple[str, str, bool]]) -> _Styles:
    """The document's styles: what one does not say itself is said by the one it is based on."""
    part = next((t for kind, t, outside in relations.values() if kind == "styles" and not outside), "")
    if part not in package.parts:
        return _Styles({}, frozenset())
    levels: dict[str, int] = {}
    bold: dict[str, bool] = {}
    based: dict[str, str] = {}
    for style in children(package.xml(part), "style"):
        identity = attribute(style, "styleId")
        based[identity] = attribute(child(style, "basedOn"), "val")
        if level := _level(attribute(child(style, "name"), "val"), child(style, "pPr")):
            levels[identity] = level
        if (told := child(style, "rPr", "b")) is not None:
            bold[identity] = _on(told)
    for style_id in based:
        chain = _chain(style_id, based)
        levels[style_id] = next((levels[one] for one in chain if one in levels), 0)
        bold[style_id] = next((bold[one] for one in chain if one in bold), False)
    return _Styles(levels, frozenset(name for name, is_bold in bold.items() if is_bold))


def _chain(style: str, based: dict[str, str]) -> list[str]:
    """A style and those it is based on, nearest first; some are based on one another in a circle."""
    chain: list[str] = []
    while style in based and style not in chain and len(chain) < _MOST_STYLES:
        chain.append(style)
        style = based[style]
    return chain


def _level(name: str, properties: etree._Element | None) -> int:
    """The level of a heading by its style's name, the same in every language, or by its outline level; else 0."""
    outline = attribute(child(properties, "outlineLvl"), "val")
    if found := _HEADING.fullmatch(name):
        return min(int(found[1]), 6) or 1
    if name.lower() == "title":
        return 1
    return min(int(outline) + 1, 6) if outline in _OUTLINE else 0


class _Reader:
    def __init__(self, writer: Writer, targets: dict[str, str], styles: _Styles) -> None:
        self.writer, self.targets, self.styles = writer, targets, styles

    # --- blocks ------------------------------------------------------------------------------------------------------

    def blocks(self, holder: etree._Element) -> None:
        """The paragraphs and tables of the body, of a content control or of a text box."""
        for each in _blocks(holder):
            if local(each) == "tbl":
                self.writer.tables += 1
                self._table(each, f"table {self.writer.tables}")
            else:
                self._paragraph(each)

    def _paragraph(self, element: etree._Element) -> None:
        properties = child(element, "pPr")
        if _on(child(properties, "pageBreakBefore")):
            self.writer.break_()
        found = self._runs(element)
        level = _level("", properties) or self.styles.levels.get(attribute(child(properties, "pStyle"), "val"), 0)
        self.writer.paragraph(found.parts, "heading" if level else "text", level)
        place = f"paragraph {self.writer.paragraphs}"
        self.writer.aside(found.hidden, f"{place}, hidden")
        for box in found.boxes:
            self.blocks(box)
        section = child(properties, "sectPr")
        if section is not None and attribute(child(section, "type"), "val") != "continuous":
            self.writer.break_()

    def aside(self, holder: etree._Element, place: str) -> None:
        """All paragraphs of a header, footer or note."""
        for paragraph in self._all_runs(holder):
            self.writer.aside(paragraph, place)

    # --- tables ------------------------------------------------------------------------------------------------------

    def _table(self, table: etree._Element, place: str) -> None:
        rows = []
        for row in _inside(table, "tr"):
            header = _on(child(row, "trPr", "tblHeader"))
            before = _number(child(row, "trPr", "gridBefore"), 0)
            cells = [Found([], False, across=before)] if before else []
            for each in _inside(row, "tc"):
                properties = child(each, "tcPr")
                merge = child(properties, "vMerge")
                found, bold = cell_lines(list(self._all_runs(each)))
                cells.append(
                    Found(
                        found,
                        bold,
                        across=_number(child(properties, "gridSpan"), 1),
                        header=header,
                        repeated=merge is not None and attribute(merge, "val") != "restart",
                    )
                )
            rows.append(cells)
        self.writer.table(rows, place)

    def _all_runs(self, holder: etree._Element) -> Iterator[list[Run]]:
        """The runs of every paragraph, those of tables and text boxes within too."""
        for each in _blocks(holder):
            if local(each) == "tbl":
                for row in _inside(each, "tr"):
                    for inner in _inside(row, "tc"):
                        yield from self._all_runs(inner)
            else:
                found = self._runs(each)
                self.writer.aside(found.hidden, f"table {self.writer.tables}, hidden")
                yield [run for part in found.parts for run in part]
                for box in found.boxes:
                    yield from self._all_runs(box)

    # --- runs --------------------------------------------------------------------------------------------------------

    def _runs(self, paragraph: etree._Element) -> _Paragraph:
        found = _Paragraph()
        bold = attribute(child(paragraph, "pPr", "pStyle"), "val") in self.styles.bold
        self._inline(paragraph, found, _State(), _Style(bold))
        return found

    def _inline(self, holder: etree._Element, found: _Paragraph, state: _State, style: _Style) -> None:
        for each in holder:
            name = local(each)
            if name in _PROPERTIES or name in _DELETED:
                continue
            if name == "fldChar":
                _field(attribute(each, "fldCharType"), state)
            elif name == "instrText":
                if state.instructing:
                    state.fields[-1][0] += each.text or ""
            elif name == "txbxContent":
                found.boxes.append(each)
            elif name in ("t", "sym") or name in _CHARACTERS:
                if not state.instructing:
                    _write(each, name, found, replace(style, link=style.link or state.link))
            else:
                held = _chosen(each) if name == "AlternateContent" else each
                self._inline(held, found, state, self._styled(each, name, style))

    def _styled(self, each: etree._Element, name: str, outer: _Style) -> _Style:
        if name == "r":
            properties = child(each, "rPr")
            told = child(properties, "b")
            named = attribute(child(properties, "rStyle"), "val") in self.styles.bold
            bold = _on(told) if told is not None else named or outer.bold
            return replace(outer, bold=bold, hidden=outer.hidden or _on(child(properties, "vanish")))
        if name == "hyperlink":
            return replace(outer, link=self.targets.get(attribute(each, "id"), "") or outer.link)
        if name == "fldSimple":
            return replace(outer, link=_target(attribute(each, "instr")) or outer.link)
        if name == "sdt":  # a field whose words ask to be replaced
            return replace(outer, hidden=outer.hidden or child(each, "sdtPr", "showingPlcHdr") is not None)
        return outer


def _write(each: etree._Element, name: str, found: _Paragraph, style: _Style) -> None:
    """A character or text to the runs of a paragraph; a page's end parts them."""
    if name == "br" and attribute(each, "type") == "page":
        if not style.hidden:
            found.parts.append([])
        return
    if name == "t":
        text = each.text or ""
    elif name == "sym":
        code = attribute(each, "char")
        text = chr(int(code, 16)) if _CODE.fullmatch(code) else ""
    else:
        text = _CHARACTERS[name]
    (found.hidden if style.hidden else found.parts[-1]).append(Run(text, style.bold, style.link))


def _blocks(holder: etree._Element) -> Iterator[etree._Element]:
    """The paragraphs and tables of a holder, those in content controls and accepted insertions too."""
    for each in holder:
        name = local(each)
        if name in ("p", "tbl"):
            yield each
        elif name not in _PROPERTIES and name not in _DELETED:
            yield from _blocks(_chosen(each) if name == "AlternateContent" else each)


def _inside(holder: etree._Element, wanted: str) -> Iterator[etree._Element]:
    """The rows of a table, the cells of a row: within content controls and insertions too, not those deleted."""
    for each in holder:
        name = local(each)
        if name == wanted:
            if child(each, "trPr", "del") is None:
                yield each
        elif name not in _PROPERTIES and name not in _DELETED:
            yield from _inside(each, wanted)


def _chosen(alternatives: etree._Element) -> etree._Element:
    """One of several ways to say the same: the first, which Word shows."""
    return next(children(alternatives, "Choice", "Fallback"), alternatives)


def _field(kind: str, state: _State) -> None:
    if kind == "begin":
        state.fields.append([""])
    elif kind == "separate" and state.fields:
        state.fields[-1].append(_target(state.fields[-1][0]))
    elif kind == "end" and state.fields:
        state.fields.pop()


def _target(instruction: str) -> str:
    found = _HYPERLINK.match(instruction)
    return (found[1] or found[2] or "").strip() if found else ""


def _on(element: etree._Element | None) -> bool:
    """Whether a property that may be written out as off is on."""
    return element is not None and attribute(element, "val") not in ("0", "false", "off", "none")


def _number(element: etree._Element | None, default: int) -> int:
    told = attribute(element, "val")
    return min(int(told), _MOST_COLUMNS) if told.isdecimal() and int(told) else default
