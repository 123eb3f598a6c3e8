"""Excel's spreadsheets, made with XlsxWriter: a tab a sheet or a row a sheet, as text or as numbers and days."""

from __future__ import annotations

import datetime as dt
import io
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import xlsxwriter

from tests.corpus.content import Content
from tests.corpus.render.grid import pairs_and_tables, records

_EURO = re.compile(r"€ ?([0-9]{1,3}(?:\.[0-9]{3})*),([0-9]{2})")
_DAY = re.compile(r"([0-3][0-9])[-/]([01][0-9])[-/]((?:19|20)[0-9]{2})")


def tabs(sheets: Sequence[Content]) -> bytes:
    """A tab for each sheet, labels in its first column."""
    return _book((sheet.name, pairs_and_tables(sheet)) for sheet in sheets)


def rows(sheets: Sequence[Content]) -> bytes:
    """A row for each sheet, below the labels."""
    return _book([("Progetti", records(sheets))])


def typed(sheets: Sequence[Content]) -> bytes:
    """The same, with amounts that are numbers and days that are dates."""
    return _book([("Progetti", records(sheets))], _typed)


def _typed(value: str) -> Any:
    """A value as a person types it into a cell, where the program makes it a number or a day."""
    if told := _EURO.fullmatch(value):
        return float(f"{told[1].replace('.', '')}.{told[2]}")
    if told := _DAY.fullmatch(value):
        return dt.date(int(told[3]), int(told[2]), int(told[1]))
    return value


def _book(tabs: Iterable[tuple[str, Sequence[Sequence[str]]]], made: Callable[[str], Any] = str) -> bytes:
    written = io.BytesIO()
    with xlsxwriter.Workbook(written, {"in_memory": True, "strings_to_urls": False}) as book:
        book.set_properties({"created": dt.datetime(2024, 6, 30, 12)})  # noqa: DTZ001 - the same bytes each time
        euro, day = book.add_format({"num_format": "€ #,##0.00"}), book.add_format({"num_format": "dd/mm/yyyy"})
        for name, lines in tabs:
            tab = book.add_worksheet(name[:31])
            for number, line in enumerate(lines):
                for column, text in enumerate(line):
                    match made(text):
                        case float(value):
                            tab.write_number(number, column, value, euro)
                        case dt.date() as value:
                            tab.write_datetime(number, column, value, day)
                        case "":
                            continue
                        case value:
                            tab.write_string(number, column, value)
    return written.getvalue()
