"""PDF files, made with reportlab: flowing text, two columns, ruled tables, forms.

Files of several sheets have page numbers and running headers: they are known by their coming again.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from html import escape
from itertools import groupby
from typing import Any

from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import cm
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import (
    BalancedColumns,
    BaseDocTemplate,
    Flowable,
    Frame,
    PageBreak,
    PageTemplate,
    Table,
    TableStyle,
)
from reportlab.platypus import Paragraph as Text

from tests.corpus.content import Content, Entry, Pair, Paragraph, Rows, Section

_MARGIN = 2 * cm
_WIDTH = A4[0] - 2 * _MARGIN
_BODY = ParagraphStyle("body", fontName="Helvetica", fontSize=10, leading=12.5, spaceAfter=12)
_SMALL = ParagraphStyle("small", _BODY, fontSize=8, leading=10, spaceAfter=10)
_LABEL = ParagraphStyle("label", _BODY, fontName="Helvetica-Bold", fontSize=9, leading=11, spaceBefore=4, spaceAfter=5)
_TITLE = ParagraphStyle("title", _BODY, fontName="Helvetica-Bold", fontSize=16, leading=20, spaceAfter=14)
_HEADING = ParagraphStyle("heading", _BODY, fontName="Helvetica-Bold", fontSize=12, leading=15, spaceBefore=10)
_CELL = ParagraphStyle("cell", _BODY, spaceAfter=0)
_CELL_LABEL = ParagraphStyle("cell label", _CELL, fontName="Helvetica-Bold", fontSize=8.5)
_RULES = TableStyle([("GRID", (0, 0), (-1, -1), 0.5, colors.black), ("VALIGN", (0, 0), (-1, -1), "TOP")])
_NO_RULES = TableStyle([("VALIGN", (0, 0), (-1, -1), "TOP")])


def flowing(sheets: Sequence[Content]) -> bytes:
    """Each label a line above its value."""
    return _document(sheets, _stacked)


def pairs(sheets: Sequence[Content]) -> bytes:
    """Each label beside its value, after a colon."""
    return _document(sheets, lambda of: _beside(of, _BODY))


def columns(sheets: Sequence[Content]) -> bytes:
    """The same in two columns of one length, read one after the other; title and tables reach across."""
    return _document(sheets, lambda of: _beside(of, _SMALL), columns=2)


def ruled(sheets: Sequence[Content]) -> bytes:
    """A table with rules: labels on the left, values on the right."""
    return _document(sheets, lambda of: _row(of, _RULES))


def form(sheets: Sequence[Content]) -> bytes:
    """Labels on the left, values on the right, no rules."""
    return _document(sheets, lambda of: _row(of, _NO_RULES))


def _document(sheets: Sequence[Content], pair: Callable[[Pair], Iterator[Flowable]], columns: int = 1) -> bytes:
    written = io.BytesIO()
    height = A4[1] - 2 * _MARGIN - 2 * cm
    made = BaseDocTemplate(written, pagesize=A4, invariant=1, title="Schede dei progetti")
    frame = Frame(_MARGIN, _MARGIN + cm, _WIDTH, height, 0, 0, 0, 0, id="page")
    made.addPageTemplates(PageTemplate(frames=[frame], onPage=_around if len(sheets) > 1 else _bare))
    story: list[Flowable] = []
    for number, sheet in enumerate(sheets):
        if number:
            story.append(PageBreak())
        if sheet.begins:
            story.append(_text(sheet.begins, _LABEL))
        story.append(_text(sheet.title, _TITLE))
        for across, entries in groupby(sheet.entries, lambda entry: isinstance(entry, Rows)):
            parts = [part for entry in entries for part in (pair(entry) if isinstance(entry, Pair) else _other(entry))]
            balanced = columns > 1 and not across
            story += [BalancedColumns(parts, nCols=columns, innerPadding=cm)] if balanced else parts
    made.build(story)
    return written.getvalue()


def _around(canvas: Canvas, document: Any) -> None:
    """What stands on every page and is no sheet's."""
    canvas.saveState()
    canvas.setFont("Helvetica", 8)
    canvas.drawString(_MARGIN, A4[1] - 1.5 * cm, "Programma degli investimenti - Schede dei progetti")
    canvas.drawRightString(A4[0] - _MARGIN, 1.2 * cm, f"Pagina {document.page}")
    canvas.restoreState()


def _bare(canvas: Canvas, document: Any) -> None:
    """Nothing around."""


def _stacked(of: Pair) -> Iterator[Flowable]:
    yield _text(of.label, _LABEL)
    yield from (_text(part, _BODY) for part in of.paragraphs)


def _beside(of: Pair, style: ParagraphStyle) -> Iterator[Flowable]:
    if of.prose or len(of.values) != 1:
        yield Text(f"<b>{escape(of.label)}:</b>", style)
        yield from (_text(part, style) for part in of.paragraphs)
    else:
        yield Text(f"<b>{escape(of.label)}:</b> {escape(of.values[0])}", style)


def _row(of: Pair, style: TableStyle) -> Iterator[Flowable]:
    gap = ParagraphStyle("cell of paragraphs", _CELL, spaceAfter=12)
    values = [_text(part, gap if of.prose else _CELL) for part in of.paragraphs]
    yield Table(
        [[_text(of.label, _CELL_LABEL), values]], colWidths=[0.42 * _WIDTH, 0.58 * _WIDTH], style=style, splitInRow=1
    )


def _other(entry: Entry) -> Iterator[Flowable]:
    match entry:
        case Section(heading):
            yield _text(heading, _HEADING)
        case Paragraph(text):
            yield _text(text, _BODY)
        case Rows(heading, rows):
            if heading:
                yield _text(heading, _HEADING)
            head, *below = rows
            cells = [[_text(cell, _CELL_LABEL) for cell in head], *([_text(c, _CELL) for c in row] for row in below)]
            yield Table(cells, colWidths=[_WIDTH / len(head)] * len(head), style=_RULES, spaceAfter=8, repeatRows=1)


def _text(text: str, style: ParagraphStyle) -> Flowable:
    return Text(escape(text, quote=False), style)
