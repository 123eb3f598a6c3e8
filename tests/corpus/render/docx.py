"""Word documents, made with python-docx: paragraphs, a table of two columns, headings as labels."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from datetime import datetime

from docx import Document
from docx.document import Document as Word

from tests.corpus.content import Content, Entry, Pair, Paragraph, Rows, Section

#: The same bytes whenever it is made.
_MADE = datetime(2024, 6, 30, 12)  # noqa: DTZ001 - Word's times have no zone


def paragraphs(sheets: Sequence[Content]) -> bytes:
    """A paragraph each: a bold label with a colon, its value beside it, prose and further values below."""
    return _document(sheets[0], _paragraph)


def table(sheets: Sequence[Content]) -> bytes:
    """Pairs that follow one another as a table of two columns."""
    return _document(sheets[0], None)


def headings(sheets: Sequence[Content]) -> bytes:
    """Each label a heading, its values paragraphs below."""
    return _document(sheets[0], _heading)


def _document(sheet: Content, pair: Callable[[Word, Pair], None] | None) -> bytes:
    word = Document()
    word.core_properties.created = word.core_properties.modified = _MADE
    word.sections[0].header.paragraphs[0].text = "Comune, settore programmazione: schede dei progetti"
    word.sections[0].footer.paragraphs[0].text = "Codice Progetto e CUP sono quelli della scheda. Pagina 1"
    if sheet.begins:
        word.add_paragraph(sheet.begins)
    word.add_heading(sheet.title, level=1)
    pending: list[Pair] = []
    for entry in sheet.entries:
        if isinstance(entry, Pair) and pair is None:
            pending.append(entry)
            continue
        _pairs(word, pending)
        pending = []
        if isinstance(entry, Pair):
            assert pair is not None
            pair(word, entry)
        else:
            _other(word, entry)
    _pairs(word, pending)
    written = io.BytesIO()
    word.save(written)
    return written.getvalue()


def _pairs(word: Word, pairs: Sequence[Pair]) -> None:
    if not pairs:
        return
    made = word.add_table(rows=0, cols=2, style="Table Grid")
    for pair in pairs:
        label, value = made.add_row().cells
        label.text = pair.label
        for number, part in enumerate(pair.paragraphs):
            (value.paragraphs[0] if number == 0 else value.add_paragraph()).text = part


def _paragraph(word: Word, pair: Pair) -> None:
    written = word.add_paragraph()
    written.add_run(f"{pair.label}:").bold = True
    beside = not pair.prose and len(pair.values) == 1
    if beside:
        written.add_run(f" {pair.values[0]}")
    for part in () if beside else pair.paragraphs:
        word.add_paragraph(part)


def _heading(word: Word, pair: Pair) -> None:
    word.add_heading(pair.label, level=3)
    for part in pair.paragraphs:
        word.add_paragraph(part)


def _other(word: Word, entry: Entry) -> None:
    match entry:
        case Section(heading):
            word.add_heading(heading, level=2)
        case Paragraph(text):
            word.add_paragraph(text)
        case Rows(heading, rows):
            if heading:
                word.add_heading(heading, level=2)
            made = word.add_table(rows=0, cols=len(rows[0]), style="Table Grid")
            for row in rows:
                for cell, text in zip(made.add_row().cells, row, strict=True):
                    cell.text = text
