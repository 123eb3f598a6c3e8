"""OpenDocument texts and spreadsheets, made with odfpy."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from typing import Any

from odf import teletype
from odf.opendocument import OpenDocumentSpreadsheet, OpenDocumentText
from odf.style import Style, TextProperties
from odf.table import Table, TableCell, TableColumn, TableRow
from odf.text import H, P, Span

from tests.corpus.content import Content, Pair, Paragraph, Rows, Section
from tests.corpus.render.grid import pairs_and_tables, records


def text_table(sheets: Sequence[Content]) -> bytes:
    """A text in which pairs that follow one another are a table of two columns."""
    return _text(sheets[0], "table")


def text_paragraphs(sheets: Sequence[Content]) -> bytes:
    """A text of paragraphs that begin with a bold label."""
    return _text(sheets[0], "paragraphs")


def text_headings(sheets: Sequence[Content]) -> bytes:
    """A text with each label a heading, its values paragraphs below."""
    return _text(sheets[0], "headings")


def rows(sheets: Sequence[Content]) -> bytes:
    """A spreadsheet with a row for each sheet, below the labels."""
    return _spreadsheet([("Progetti", records(sheets))])


def tabs(sheets: Sequence[Content]) -> bytes:
    """A spreadsheet with a tab for each sheet, labels in its first column."""
    return _spreadsheet([(sheet.name, pairs_and_tables(sheet)) for sheet in sheets])


def _text(sheet: Content, dress: str) -> bytes:
    document = OpenDocumentText()
    bold = Style(name="Etichetta", family="text")
    bold.addElement(TextProperties(fontweight="bold"))
    document.automaticstyles.addElement(bold)
    into = document.text
    if sheet.begins:
        into.addElement(_p(sheet.begins))
    into.addElement(_h(sheet.title, 1))
    pending: list[Sequence[str | Sequence[str]]] = []
    for entry in sheet.entries:
        if isinstance(entry, Pair) and dress == "table":
            pending.append((entry.label, entry.paragraphs))
            continue
        _add_table(into, pending)
        pending = []
        match entry:
            case Pair(label) if dress == "headings":
                into.addElement(_h(label, 3))
                _add(into, map(_p, entry.paragraphs))
            case Pair(label, values):
                written = P()
                written.addElement(Span(stylename=bold, text=f"{label}:"))
                beside = len(values) == 1 and not entry.prose
                if beside:
                    teletype.addTextToElement(written, f" {values[0]}")
                into.addElement(written)
                _add(into, map(_p, () if beside else entry.paragraphs))
            case Section(heading):
                into.addElement(_h(heading, 2))
            case Paragraph(text):
                into.addElement(_p(text))
            case Rows(heading, lines):
                if heading:
                    into.addElement(_h(heading, 2))
                _add_table(into, lines)
    _add_table(into, pending)
    return _written(document)


def _spreadsheet(tables: Iterable[tuple[str, Sequence[Sequence[str]]]]) -> bytes:
    document = OpenDocumentSpreadsheet()
    for name, lines in tables:
        _add_table(document.spreadsheet, lines, name=name[:31])
    return _written(document)


def _add_table(into: Any, lines: Sequence[Sequence[str | Sequence[str]]], **attributes: str) -> None:
    if not lines:
        return
    table = Table(**attributes)
    for _ in range(max(map(len, lines))):
        table.addElement(TableColumn())
    for line in lines:
        row = TableRow()
        for value in line:
            cell = TableCell(valuetype="string")
            _add(cell, map(_p, value.split("\n") if isinstance(value, str) else value))
            row.addElement(cell)
        table.addElement(row)
    into.addElement(table)


def _p(text: str) -> Any:
    return teletype.addTextToElement(paragraph := P(), text) or paragraph


def _h(text: str, level: int) -> Any:
    return H(outlinelevel=level, text=text)


def _add(into: Any, elements: Iterable[Any]) -> None:
    for element in elements:
        into.addElement(element)


def _written(document: Any) -> bytes:
    written = io.BytesIO()
    document.write(written)
    return written.getvalue()
