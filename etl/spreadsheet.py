"""A spreadsheet (XLSX, ODS) to a table of strings: the sheet that has the source's columns, each row with its place.

A cell becomes what the file holds, not what a screen shows: a number without needless zeros, a day as 2022-07-22, text
with its leading zeros. Nothing is guessed: a title above the header is passed over, a sheet of notes too.
"""

from __future__ import annotations

import datetime as dt
import io
import re
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import IO, Final

import polars as pl
from lxml import etree
from python_calamine import CalamineError, CalamineSheet, CalamineWorkbook

#: The column with the place of a row: "row 1" is the first below the header, as in any other file of rows.
PLACE: Final = "@place"

#: A sheet is held in memory cell by cell. These bounds are asked before the library opens it, because it fills the
#: whole rectangle up to the last cell: two cells at opposite corners of a sheet would take hundreds of gigabytes.
MAX_UNPACKED: Final = 2 * 1024**3
MAX_CELLS: Final = 50_000_000
MAX_TEXT: Final = 2 * 1024**3

_HEADER_WITHIN: Final = 30  # rows in which a header is looked for
_BATCH: Final = 20_000
_CHUNK: Final = 1 << 20

_CELL: Final = re.compile(rb"""<(?:\w+:)?c\s[^>]*?\br\s*=\s*["']\s*([A-Za-z]{1,3}[0-9]{1,7})\s*["'][^>]*(?<!/)>""")
_LETTERS: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_DIGITS: Final = b"0123456789"
_SHARED: Final = re.compile(rb"""<(?:\w+:)?c\s[^>]*?\bt\s*=\s*["']s["'][^>]*>\s*<(?:\w+:)?v\s*>\s*([0-9]{1,9})""")
_TEXT_END: Final = re.compile(rb"</(?:\w+:)?si\s*>")
_ODS_ROW: Final = re.compile(rb"<table:table-row\b")
_ODS_ROWS: Final = re.compile(rb"""\btable:number-rows-repeated\s*=\s*["']\s*([0-9]+)""")
_ODS_CELL: Final = re.compile(rb"<table:(?:covered-)?table-cell\b[^>]*>")
_ODS_COLUMNS: Final = re.compile(rb"""\btable:number-columns-repeated\s*=\s*["']\s*([0-9]+)""")

Value = str | int | float | bool | dt.date | dt.datetime | dt.time | dt.timedelta


def rows(data: bytes, wanted: Callable[[list[str]], bool]) -> pl.DataFrame:
    """The rows of the first sheet that has a header for which `wanted` says yes, and their place (column PLACE).

    All columns are strings, an empty cell is null, a row without any value is left out but counted. Without such a
    header the first row of the first sheet that has any is taken: the caller tells which columns were missed. Raises
    ValueError, one line, for what is no spreadsheet, is broken, or would not fit in memory.
    """
    bounded(data)
    try:
        book = CalamineWorkbook.from_filelike(io.BytesIO(data))
        sheets = [(name, book.get_sheet_by_name(name)) for name in book.sheet_names]
    except (CalamineError, OSError, ValueError) as error:
        raise ValueError(first_line(error)) from error
    filled = [(name, sheet) for name, sheet in sheets if sheet.height]
    if not filled:
        raise ValueError("no sheet of the file has any cell with a value")
    name, sheet, at = next(
        ((name, sheet, at) for name, sheet in filled if (at := _header(sheet, wanted)) is not None),
        (*filled[0], _first(filled[0][1])),
    )
    return _table(sheet, at, f", sheet {name}" if len(filled) > 1 else "")


def _header(sheet: CalamineSheet, wanted: Callable[[list[str]], bool]) -> int | None:
    """The number of the row, from 0, that is the wanted header."""
    for at, row in enumerate(islice(sheet.iter_rows(), _first(sheet) + _HEADER_WITHIN)):
        if wanted([text for cell in row if (text := cell_text(cell))]):
            return at
    return None


def _first(sheet: CalamineSheet) -> int:
    return sheet.start[0] if sheet.start else 0


def _table(sheet: CalamineSheet, header: int, where: str) -> pl.DataFrame:
    found = sheet.iter_rows()
    names = _names(cell_text(cell) for cell in next(islice(found, header, None)))
    schema = {PLACE: pl.String, **dict.fromkeys((n for n in names if n is not None), pl.String)}
    batches = [pl.DataFrame(schema=schema)]
    number = 0
    while batch := list(islice(found, _BATCH)):
        kept: list[list[str | None]] = []
        for number, row in enumerate(batch, start=number + 1):  # noqa: B020 - the count goes on from batch to batch
            cells = [cell_text(cell) for cell, name in zip(row, names, strict=False) if name is not None]
            if any(cells):
                kept.append([f"row {number}{where}", *cells])
        batches.append(pl.DataFrame(kept, schema=schema, orient="row"))
    return pl.concat(batches, rechunk=True)


def _names(header: Iterable[str | None]) -> list[str | None]:
    """A name for each column; None for one without, whose cells are of no field. A name used again gets a number."""
    seen: Counter[str] = Counter()
    names: list[str | None] = []
    for text in header:
        if text is None or not text.strip():
            names.append(None)
            continue
        seen[text] += 1
        names.append(text if seen[text] == 1 else f"{text} ({seen[text]})")
    return names


def cell_text(cell: Value) -> str | None:
    """What a cell holds, as text; None when it is empty."""
    if isinstance(cell, str):
        return cell or None
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() and abs(cell) < 1e15 else repr(cell)
    if isinstance(cell, dt.datetime):
        return cell.isoformat(sep=" ", timespec="seconds") if cell.time() != dt.time() else cell.date().isoformat()
    return cell.isoformat() if isinstance(cell, (dt.date, dt.time)) else str(cell)


# --- bounds ------------------------------------------------------------------------------------------------------


def bounded(data: bytes) -> None:
    """Refuse (ValueError) an archive that unpacks to too much, and a sheet of too many cells or too much text.

    Every part is unpacked once to its end, piece by piece: the sizes the archive declares are not believed.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = [info.filename for info in archive.infolist()]
            if "content.xml" in names:
                _ods(archive)
            elif "xl/workbook.xml" in names:
                _xlsx(archive)
            else:
                raise ValueError("neither an XLSX nor an ODS spreadsheet")
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, etree.XMLSyntaxError) as error:
        raise ValueError(first_line(error)) from error


def _xlsx(archive: zipfile.ZipFile) -> None:
    left = MAX_UNPACKED
    texts = bytearray()
    uses: Counter[bytes] = Counter()
    for info in archive.infolist():
        row = column = 0
        is_text = info.filename.lower().endswith("sharedstrings.xml")
        is_sheet = not is_text and info.filename.lower().endswith(".xml")  # a sheet may be called anything
        with archive.open(info) as part:
            for chunk in _pieces(part, b"</c>" if is_sheet else None):
                left -= len(chunk)
                if left < 0:
                    raise ValueError(f"unpacks to more than {MAX_UNPACKED} bytes")
                if is_text:
                    texts += chunk
                elif is_sheet:
                    cells = b" ".join(_CELL.findall(chunk))
                    row = max([row, *map(int, cells.translate(None, _LETTERS).split())])
                    column = max([column, *map(_column, set(cells.translate(None, _DIGITS).split()))])
                    uses.update(_SHARED.findall(chunk))
        if row * column > MAX_CELLS:
            raise ValueError(f"{info.filename}: {row} rows of {column} columns; at most {MAX_CELLS} cells are read")
    sizes = [len(each) for each in _TEXT_END.split(texts)]
    written = sum(sizes[int(at)] * times for at, times in uses.items() if int(at) < len(sizes))
    if written > MAX_TEXT:
        raise ValueError(f"the cells hold more than {MAX_TEXT} bytes of text")


def _ods(archive: zipfile.ZipFile) -> None:
    """Rows and cells of an ODS are written once with how often they come: a bound for what is really there."""
    left, cells = MAX_UNPACKED, 0
    for info in archive.infolist():
        with archive.open(info) as part:
            for chunk in _pieces(part, b"</table:table-row>" if info.filename == "content.xml" else None):
                left -= len(chunk)
                if left < 0:
                    raise ValueError(f"unpacks to more than {MAX_UNPACKED} bytes")
                if info.filename == "content.xml":
                    cells += sum(map(_ods_cells, _ODS_ROW.split(chunk)[1:]))
                if cells > MAX_CELLS:
                    raise ValueError(f"{info.filename}: at most {MAX_CELLS} cells are read")
    # The library never returns from a table that breaks off.
    with archive.open("content.xml") as part:
        for _, element in etree.iterparse(part, resolve_entities=False, no_network=True, load_dtd=False):
            element.clear()


def _ods_cells(row: bytes) -> int:
    """How many cells a row stands for, up to its last with a value."""
    width = last = 0
    for cell in _ODS_CELL.findall(row):
        repeated = _ODS_COLUMNS.search(cell)
        width += int(repeated[1]) if repeated else 1
        if b"value-type" in cell:
            last = width
    repeated = _ODS_ROWS.search(row.partition(b">")[0])
    return last * (int(repeated[1]) if repeated else 1)


def _pieces(part: IO[bytes], end: bytes | None) -> Iterator[bytes]:
    """A part of the archive piece by piece; with `end`, no piece but the last ends elsewhere than after it."""
    rest = b""
    while chunk := part.read(_CHUNK):
        if end is None:
            yield chunk
            continue
        whole, found, rest = (rest + chunk).rpartition(end)
        if found:
            yield whole + found
        elif len(rest) > 64 * _CHUNK:
            raise ValueError("a cell or row of more than 64 MiB")
    if rest:
        yield rest


def _column(letters: bytes) -> int:
    """The number of a column by its letters: A is 1, XFD is 16384."""
    number = 0
    for letter in letters.upper():
        number = number * 26 + letter - 64
    return number


def first_line(error: BaseException) -> str:
    """What an error says, on one line."""
    return (str(error) or type(error).__name__).splitlines()[0]
