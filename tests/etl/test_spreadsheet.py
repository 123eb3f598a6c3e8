"""Spreadsheets: cells as the file holds them, the sheet and the header that are meant, what is broken or too large."""

from __future__ import annotations

import datetime as dt
import io
import zipfile
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import polars as pl
import pytest
import xlsxwriter

from etl import spreadsheet
from etl.spreadsheet import PLACE, rows

Rows = Iterable[Sequence[Any]]

OFFICE = "urn:oasis:names:tc:opendocument:xmlns"


def xlsx(**sheets: Rows) -> bytes:
    """A workbook with these sheets."""
    packed = io.BytesIO()
    book = xlsxwriter.Workbook(packed, {"in_memory": True})
    day, moment = book.add_format({"num_format": "dd/mm/yyyy"}), book.add_format({"num_format": "dd/mm/yyyy hh:mm:ss"})
    for name, found in sheets.items():
        sheet = book.add_worksheet(name)
        for at, row in enumerate(found):
            for column, value in enumerate(row):
                if isinstance(value, dt.datetime):
                    sheet.write_datetime(at, column, value, moment)
                elif isinstance(value, dt.date):
                    sheet.write_datetime(at, column, value, day)
                elif isinstance(value, str):
                    sheet.write_string(at, column, value)
                else:
                    sheet.write(at, column, value)
    book.close()
    return packed.getvalue()


def ods(table: str) -> bytes:
    """An OpenDocument spreadsheet with this inside its one table."""
    spaces = f'xmlns:office="{OFFICE}:office:1.0" xmlns:table="{OFFICE}:table:1.0" xmlns:text="{OFFICE}:text:1.0"'
    content = (
        f"<office:document-content {spaces}><office:body><office:spreadsheet>"
        f'<table:table table:name="Elenco">{table}</table:table>'
        "</office:spreadsheet></office:body></office:document-content>"
    )
    return archive(
        {
            "mimetype": "application/vnd.oasis.opendocument.spreadsheet",
            "META-INF/manifest.xml": f'<manifest:manifest xmlns:manifest="{OFFICE}:manifest:1.0"/>',
            "content.xml": content,
        }
    )


def archive(parts: dict[str, str]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as file:
        for name, text in parts.items():
            file.writestr(name, text)
    return packed.getvalue()


def changed(data: bytes, name: str, change: Callable[[str], str]) -> bytes:
    """The same workbook with one part written otherwise."""
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        parts = {info.filename: file.read(info).decode() for info in file.infolist()}
    return archive(parts | {name: change(parts[name])})


def text(value: str) -> str:
    return f'<table:table-cell office:value-type="string"><text:p>{value}</text:p></table:table-cell>'


def with_cup(columns: list[str]) -> bool:
    return "CUP" in columns


def told(data: bytes) -> list[dict[str, Any]]:
    return rows(data, with_cup).to_dicts()


def test_a_cell_becomes_what_the_file_holds() -> None:
    moment = dt.datetime(2022, 7, 22, 8, 31, 26)  # noqa: DTZ001 - a spreadsheet knows no time zones
    data = xlsx(
        Dati=[
            ["CUP", "tax code", "cost", "day", "moment", "flag", "text"],
            ["F99C99999990001", "00123456789", 169500.0, dt.date(2022, 7, 22), moment, True, " à\nb "],
            ["F99C99999990002", 123456789, 123456789012.34, "22/07/2022", None, False, ""],
            ["F99C99999990003", None, -0.1, None, None, None, "-1"],
        ]
    )  # fmt: skip
    assert told(data) == [
        {PLACE: "row 1", "CUP": "F99C99999990001", "tax code": "00123456789", "cost": "169500", "day": "2022-07-22",
         "moment": "2022-07-22 08:31:26", "flag": "true", "text": " à\nb "},
        {PLACE: "row 2", "CUP": "F99C99999990002", "tax code": "123456789", "cost": "123456789012.34",
         "day": "22/07/2022", "moment": None, "flag": "false", "text": None},
        {PLACE: "row 3", "CUP": "F99C99999990003", "tax code": None, "cost": "-0.1", "day": None, "moment": None,
         "flag": None, "text": "-1"},
    ]  # fmt: skip


def test_every_column_is_text() -> None:
    assert set(rows(xlsx(Dati=[["CUP", "n"], [1, 2]]), with_cup).dtypes) == {pl.String}


def test_a_title_above_the_header_is_passed_over() -> None:
    data = xlsx(Dati=[["Elenco dei progetti", None], [], ["CUP", "cost"], ["F99C99999990001", 1]])
    assert told(data) == [{PLACE: "row 1", "CUP": "F99C99999990001", "cost": "1"}]


def test_an_empty_row_is_left_out_but_counted() -> None:
    data = xlsx(Dati=[["CUP", "cost"], ["F99C99999990001", 1], [], ["F99C99999990002", 2]])
    assert [row[PLACE] for row in told(data)] == ["row 1", "row 3"]


def test_the_sheet_with_the_columns_is_read_and_named_when_there_are_several() -> None:
    data = xlsx(Note=[["to be read first"]], Vuoto=[], Dati=[["CUP"], ["F99C99999990001"]])
    assert told(data) == [{PLACE: "row 1, sheet Dati", "CUP": "F99C99999990001"}]


def test_without_the_wanted_header_the_first_row_that_holds_anything_is_taken() -> None:
    found = rows(xlsx(Vuoto=[], Dati=[[], ["code", "cost"], ["x", 1]]), with_cup)
    assert found.columns == [PLACE, "code", "cost"]
    assert found.height == 1


def test_a_column_without_a_name_is_left_out_and_a_name_used_twice_is_numbered() -> None:
    found = rows(xlsx(Dati=[["CUP", None, "CUP"], ["a", "b", "c"]]), with_cup)
    assert found.to_dicts() == [{PLACE: "row 1", "CUP": "a", "CUP (2)": "c"}]


def test_a_header_alone_has_no_rows() -> None:
    assert rows(xlsx(Dati=[["CUP", "cost"]]), with_cup).height == 0


def test_more_rows_than_a_batch_are_numbered_through(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spreadsheet, "_BATCH", 2)
    found = rows(xlsx(Dati=[["CUP"], ["a"], ["b"], [], ["d"], ["e"]]), with_cup)
    assert found.rows() == [("row 1", "a"), ("row 2", "b"), ("row 4", "d"), ("row 5", "e")]


def test_ods_is_read_the_same_way() -> None:
    number = '<table:table-cell office:value-type="float" office:value="12.5"/>'
    day = '<table:table-cell office:value-type="date" office:date-value="2022-07-22"/>'
    trailing = '<table:table-cell table:number-columns-repeated="16380"/>'
    data = ods(
        f"<table:table-row>{text('CUP')}{text('cost')}{text('day')}{trailing}</table:table-row>"
        f"<table:table-row>{text('F99C99999990001')}{number}{day}{trailing}</table:table-row>"
        f'<table:table-row table:number-rows-repeated="1048570">{trailing}</table:table-row>'
    )
    assert told(data) == [{PLACE: "row 1", "CUP": "F99C99999990001", "cost": "12.5", "day": "2022-07-22"}]


# --- what is no spreadsheet, or too much of one -------------------------------------------------------------------


GOOD = xlsx(Dati=[["CUP"], ["F99C99999990001"]])
SHEET = "xl/worksheets/sheet1.xml"


@pytest.mark.parametrize(
    ("data", "says"),
    [
        pytest.param(b"", "not a zip file", id="empty"),
        pytest.param(b"CUP;cost\n", "not a zip file", id="text"),
        pytest.param(GOOD[: len(GOOD) // 2], "not a zip file", id="cut-short"),
        pytest.param(archive({"a.txt": "a"}), "neither an XLSX nor an ODS", id="another-archive"),
        pytest.param(archive({"xl/workbook.xml": "<workbook/>"}), ".", id="no-sheets"),
        pytest.param(xlsx(Vuoto=[]), "no sheet of the file has any cell", id="nothing-in-it"),
        pytest.param(changed(GOOD, SHEET, lambda xml: xml[: len(xml) // 2]), ".", id="broken-xml"),
        pytest.param(
            changed(ods(f"<table:table-row>{text('CUP')}</table:table-row>"), "content.xml", lambda xml: xml[:-60]),
            ".",
            id="ods-that-breaks-off",  # the library would never return
        ),
        pytest.param(
            changed(GOOD, SHEET, lambda xml: xml.replace('r="A2"', 'r="XFD1048576"')),
            "1048576 rows of 16384 columns",
            id="corner-to-corner",
        ),
    ],
)
def test_what_cannot_be_read_is_told_in_one_line(data: bytes, says: str) -> None:
    with pytest.raises(ValueError, match=says) as told:
        rows(data, with_cup)
    assert str(told.value)
    assert "\n" not in str(told.value)


def test_a_formatted_corner_without_a_value_is_no_cell() -> None:
    styled = changed(
        GOOD,
        SHEET,
        lambda xml: xml.replace("</sheetData>", '<row r="1048576"><c r="XFD1048576" s="1"/></row></sheetData>'),
    )
    assert len(told(styled)) == 1


def test_an_archive_that_unpacks_to_too_much_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spreadsheet, "MAX_UNPACKED", 1000)
    with pytest.raises(ValueError, match="unpacks to more than 1000 bytes"):
        rows(GOOD, with_cup)


def test_one_text_in_very_many_cells_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spreadsheet, "MAX_TEXT", 100_000)
    assert len(told(xlsx(Dati=[["CUP"], *[["x" * 1000]] * 50]))) == 50
    with pytest.raises(ValueError, match="more than 100000 bytes of text"):
        rows(xlsx(Dati=[["CUP"], *[["x" * 1000]] * 200]), with_cup)


def test_one_cell_of_an_ods_that_stands_for_very_many_is_refused() -> None:
    cell = text("x").replace("<table:table-cell", '<table:table-cell table:number-columns-repeated="16384"')
    data = ods(f'<table:table-row table:number-rows-repeated="1000000">{cell}</table:table-row>')
    with pytest.raises(ValueError, match="at most"):
        rows(data, with_cup)
