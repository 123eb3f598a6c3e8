"""Sheets as the cells of a spreadsheet, whichever program writes it."""

from __future__ import annotations

from collections.abc import Sequence

from tests.corpus.content import Content, Pair, Paragraph, Rows, Section


def records(sheets: Sequence[Content]) -> list[list[str]]:
    """A head of all labels, and a row for each sheet; several values of a cell stand on lines of their own."""
    told = [{sheet.title_label: sheet.title} | _cells(sheet) for sheet in sheets]
    head = list(dict.fromkeys(label for row in told for label in row))
    return [head, *([row.get(label, "") for label in head] for row in told)]


def pairs_and_tables(sheet: Content) -> list[list[str]]:
    """The title, then a row for each label with its value beside it, tables below empty rows."""
    lines = [[sheet.begins], []] if sheet.begins else []
    lines += [[sheet.title], []]
    for entry in sheet.entries:
        match entry:
            case Pair(label):
                lines.append([label, _cell(entry)])
            case Section(heading):
                lines += [[], [heading]]
            case Paragraph(text):
                lines += [[], [text], []]
            case Rows(heading, rows):
                lines += [[], *([[heading]] if heading else []), *map(list, rows), []]
    return lines


def _cells(sheet: Content) -> dict[str, str]:
    """Each label with its values; a flat sheet has neither parts nor tables."""
    return {entry.label: _cell(entry) for entry in sheet.entries if isinstance(entry, Pair)}


def _cell(pair: Pair) -> str:
    """All values on lines of their own, paragraphs with an empty line between."""
    return ("\n\n" if pair.prose else "\n").join(pair.values)
