"""A spreadsheet (XLSX, ODS): each tab a table, its cells named as people write them (Sheet1!B7, 'Foglio 1'!B7).

`etl.spreadsheet` says what a cell holds as text and how many there may be; here every tab is read whole. A hidden tab
is kept apart. https://ecma-international.org/publications-and-standards/standards/ecma-376/,
https://docs.oasis-open.org/office/OpenDocument/v1.3/
"""

from __future__ import annotations

import io
import re
from itertools import chain, islice, repeat
from typing import Final

from python_calamine import CalamineError, CalamineSheet, CalamineWorkbook, SheetTypeEnum, SheetVisibleEnum

from etl import spreadsheet
from etl.documents import apart
from etl.documents.limits import Counted
from etl.documents.model import Cell, Line, Table
from etl.documents.package import Package
from etl.documents.runs import of_lines, split

#: A tab of another name is quoted (https://learn.microsoft.com/office/vba/excel/concepts/cells-and-ranges/refer-to-cells-and-ranges-by-using-a1-notation).
_PLAIN_NAME: Final = re.compile(r"[^\W\d]\w*")


def read(data: bytes, package: Package) -> tuple[tuple[Line | Table, ...], tuple[Line, ...]]:
    """A break and a table for each tab that has values, and the values of hidden tabs.

    Raises Unusable: file.malformed, file.unpacks-too-large, file.too-many-blocks, file.too-slow, file.reader-stopped.
    """
    package.vouch()
    if "content.xml" in package.parts:
        package.well_formed(
            "content.xml"
        )  # python-calamine was seen to read on for ever where that of an ODS breaks off
    try:
        spreadsheet.bounded(data)
        apart.run("grid", data)
        book = CalamineWorkbook.from_filelike(io.BytesIO(data))
        tabs = [
            (each, book.get_sheet_by_name(each.name))
            for each in book.sheets_metadata
            if each.typ == SheetTypeEnum.WorkSheet
        ]
    except (CalamineError, OSError, ValueError) as error:
        raise package.malformed(spreadsheet.first_line(error), spreadsheet.first_line(error)) from error
    counted = Counted()
    blocks: list[Line | Table] = []
    ignored: list[Line] = []
    for told, sheet in tabs:
        table = _table(sheet, counted)
        if table is None:
            continue
        if told.visible == SheetVisibleEnum.Visible:
            blocks += [counted.line(Line("", table.place, "break")), table]
        else:
            found = chain.from_iterable(table.rows)
            ignored += (counted.line(Line(cell.text, cell.place)) for cell in found if cell.text)
    return tuple(blocks), tuple(ignored)


def _table(sheet: CalamineSheet, counted: Counted) -> Table | None:
    """A tab, from its first row and column with a value to its last; None if there is none."""
    name = sheet.name if _PLAIN_NAME.fullmatch(sheet.name) else "'{}'".format(sheet.name.replace("'", "''"))
    top, left = sheet.start or (0, 0)  # rows come from the first of the sheet, columns from the first with a value
    counted.table(sheet.height, sheet.width)
    rows: list[list[str]] = []
    for row in islice(sheet.iter_rows(), top, None):
        texts = [spreadsheet.cell_text(value) or "" for value in row]
        while texts and not texts[-1].strip():
            texts.pop()
        rows.append(texts)
    while rows and not rows[-1]:
        rows.pop()
    if not rows:
        return None
    width = max(map(len, rows))
    letters = [_letters(column) for column in range(left, left + width)]
    made = tuple(
        tuple(
            _cell(text, f"{name}!{column}{at}") for text, column in zip(chain(row, repeat("")), letters, strict=False)
        )
        for at, row in enumerate(rows, start=top + 1)
    )
    return Table(made, name, grid=True)


def _cell(text: str, place: str) -> Cell:
    return of_lines(split(text), place)


def _letters(column: int) -> str:
    """A column, counted from 0, as people write it: A, Z, AA."""
    written = ""
    column += 1
    while column:
        column, rest = divmod(column - 1, 26)
        written = chr(ord("A") + rest) + written
    return written
