"""A person's list of CUPs: read whatever its layout, nothing of it lost, joined by code only, written to be opened."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import xlsxwriter

from etl import lists, spreadsheet
from etl.lists import CODE, PROBLEM, STATE, SUGGESTION, CupList, ListError

A, B, C = "C51C22999990009", "B31C20999990006", "F39G20999990001"


def file(folder: Path, content: str | bytes, name: str = "list.csv") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def xlsx(folder: Path, rows: list[list[Any]]) -> Path:
    packed = io.BytesIO()
    with xlsxwriter.Workbook(packed, {"in_memory": True}) as book:
        sheet = book.add_worksheet()
        for at, row in enumerate(rows):
            sheet.write_row(at, 0, row)
    return file(folder, packed.getvalue(), "list.xlsx")


# --- reading -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        f"CUP;titolo\n{A};uno\n{B};due\n",
        f"CUP,titolo\n{A},uno\n{B},due\n",
        f"CUP\ttitolo\n{A}\tuno\n{B}\tdue\n",
        f"CUP|titolo\r\n{A}|uno\r\n{B}|due\r\n",
        f"\ufeffCUP;titolo\n{A};uno\n{B};due\n",
        f"CUP;titolo\n{A};uno\n{B};due\n".encode("utf-16"),
        f'"CUP";"titolo"\n"{A}";"uno"\n"{B}";"due"\n',
    ],
    ids=["semicolon", "comma", "tab", "pipe-crlf", "bom", "utf-16", "quotes"],
)
def test_a_list_is_read_whatever_its_layout(content: str | bytes, tmp_path: Path) -> None:
    told = lists.read(file(tmp_path, content))
    assert told.column == "CUP"
    assert told.rows.rows() == [(A, "uno"), (B, "due")]


def test_italian_windows_text_is_read(tmp_path: Path) -> None:
    told = lists.read(file(tmp_path, f"CUP;città\n{A};Forlì\n".encode("cp1252")))
    assert told.rows.to_dicts() == [{"CUP": A, "città": "Forlì"}]


def test_codes_alone_need_no_header(tmp_path: Path) -> None:
    told = lists.read(file(tmp_path, f"{A}\n{B}\n{A}\n", "list.txt"))
    assert told.rows[told.column].to_list() == [A, B, A]


def test_a_comma_in_an_amount_does_not_make_it_the_delimiter(tmp_path: Path) -> None:
    told = lists.read(file(tmp_path, f"CUP;importo\n{A};1.200,50\n{B};3,00\n{C};7,10\n"))
    assert told.rows["importo"].to_list() == ["1.200,50", "3,00", "7,10"]


def test_a_spreadsheet_is_read_below_its_title(tmp_path: Path) -> None:
    told = lists.read(xlsx(tmp_path, [["Elenco"], [], ["n.", "Codice CUP"], [1, A], [2, B]]))
    assert told.column == "Codice CUP"
    assert told.rows.rows() == [("1", A), ("2", B)]


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ("id;CUP;importo", "CUP"),
        ("id;codice_cup;importo", "codice_cup"),
        ("id;CODICE CUP;importo", "CODICE CUP"),
        ("id;C.U.P.;importo", "C.U.P."),
        ("id;Codice Unico di Progetto;importo", "Codice Unico di Progetto"),
        ("id;CUP progetto;occupati", "CUP progetto"),
        ("occupazione;codice;recupero", "codice"),
    ],
)
def test_the_column_is_found_by_its_header_or_by_what_it_holds(header: str, found: str, tmp_path: Path) -> None:
    assert lists.read(file(tmp_path, f"{header}\n1;{A};2\n2;{B};3\n3;?;4\n")).column == found


def test_the_header_cup_wins_over_what_other_columns_hold(tmp_path: Path) -> None:
    told = lists.read(file(tmp_path, f"CUP_MASTER;CUP\n{A};x\n{B};{C}\n"))
    assert told.column == "CUP"


def test_a_named_column_is_taken(tmp_path: Path) -> None:
    path = file(tmp_path, f"CUP;master\n{A};{B}\n")
    assert lists.read(path, "master").column == "master"
    with pytest.raises(ListError, match="no column 'nothing'; there are: CUP, master"):
        lists.read(path, "nothing")


@pytest.mark.parametrize(
    ("content", "name", "says"),
    [
        ("", "a.csv", "the file is empty"),
        ("titolo;importo\nuno;1\n", "a.csv", "no column holds CUPs; name it with --column. There are: titolo, importo"),
        (b"not a spreadsheet", "a.xlsx", "not a zip file"),
        (f"CUP;a\n{A};1;2;3\n", "a.csv", ""),
    ],
)
def test_a_list_that_cannot_be_used_is_told_in_one_line(
    content: str | bytes, name: str, says: str, tmp_path: Path
) -> None:
    with pytest.raises(ListError) as told:
        lists.read(file(tmp_path, content, name))
    assert says in str(told.value)
    assert name in str(told.value)
    assert "\n" not in str(told.value)


# --- checking ----------------------------------------------------------------------------------------------------


def test_codes_are_checked_one_by_one() -> None:
    raw = [A, f" {B.lower()} ", "CUP: " + C, "C51C2299999", "C51C2299999OOO9", None, "", "-", A]
    told = lists.checked(CupList(pl.DataFrame({"CUP": raw}, schema={"CUP": pl.String}), "CUP"))
    assert told[CODE].to_list() == [A, B, C, None, None, None, None, None, A]
    assert told[STATE].to_list() == [
        "well-formed", "well-formed", "well-formed", "malformed", "malformed", "empty", "empty", "empty", "well-formed",
    ]  # fmt: skip
    assert told[PROBLEM][3] == "it has 11 characters instead of 15"
    assert told[SUGGESTION][4] == "C51C22999990009"


# --- joining -----------------------------------------------------------------------------------------------------

REGISTER = pl.LazyFrame(
    {"CUP": [A, B, B, " c51c22999990017"], "TITOLO": ["uno", "due", "due bis", "tre"], "COSTO": ["1", "2", "3", "4"]}
)


def test_a_list_is_joined_to_a_register_by_code(tmp_path: Path) -> None:
    table = lists.read(file(tmp_path, f"n;CUP;TITOLO\n1;{A.lower()};mio\n2;C51C22999990017;\n3;{C};x\n4;?;y\n5;;z\n"))
    told = lists.joined(table, lists.checked(table), REGISTER, "CUP")
    assert told.columns == [
        "n", "CUP", "TITOLO", CODE, STATE, PROBLEM, SUGGESTION, "opencup_CUP", "opencup_TITOLO", "opencup_COSTO",
    ]  # fmt: skip
    assert told["n"].to_list() == ["1", "2", "3", "4", "5"]
    assert told[STATE].to_list() == ["found", "found", "not-found", "malformed", "empty"]
    assert told["opencup_TITOLO"].to_list() == ["uno", "tre", None, None, None]
    assert told["TITOLO"].to_list() == ["mio", None, "x", "y", "z"]


def test_a_code_the_register_has_twice_gives_two_rows_in_their_order(tmp_path: Path) -> None:
    table = lists.read(file(tmp_path, f"CUP\n{B}\n{A}\n"))
    told = lists.joined(table, lists.checked(table), REGISTER, "CUP")
    assert told["opencup_TITOLO"].to_list() == ["due", "due bis", "uno"]


def test_a_name_in_common_joins_nothing(tmp_path: Path) -> None:
    table = lists.read(file(tmp_path, f"CUP;TITOLO\n{C};uno\n"))
    assert lists.joined(table, lists.checked(table), REGISTER, "CUP")[STATE].to_list() == ["not-found"]


def test_answers_stand_beside_the_rows_they_are_about(tmp_path: Path) -> None:
    table = lists.read(file(tmp_path, f"CUP;sources\n{A};mie\n{B};\n?;\n{A};\n"))
    answers: list[list[dict[str, Any]]] = [
        [{"cup": A, "state": "found", "sources": ["opencup", "pnrr"], "totalCost opencup": ["10.5", "11"]}],
        [{"cup": B, "state": "not-loaded", "sources": [], "contracts": 0, "disagreeing": []}],
    ]
    told = lists.with_answers(table, lists.checked(table), answers)
    assert told.columns[:2] == ["CUP", "sources"]
    assert told[STATE].to_list() == ["found", "not-loaded", "malformed", "found"]
    assert told["sources (cupola)"].to_list() == ["opencup | pnrr", None, None, "opencup | pnrr"]
    assert told["totalCost opencup"].to_list() == ["10.5 | 11", None, None, "10.5 | 11"]
    assert told["contracts"].to_list() == [None, "0", None, None]
    assert set(told.dtypes) == {pl.String}


def test_without_any_usable_code_the_list_is_told_what_is_wrong(tmp_path: Path) -> None:
    table = lists.read(file(tmp_path, "CUP\n?\n"))
    assert lists.with_answers(table, lists.checked(table), []).to_dicts()[0][STATE] == "malformed"


# --- writing -----------------------------------------------------------------------------------------------------

WRITTEN = pl.DataFrame(
    {"CUP": [A], "mine": ["=1+1"], "n": ["1.5"], "amount": ["1200.50"], "several": ["1.5 | 20.25"], "text": ["=cmd()"],
     "place": ["v. 1.2"], "tax_code": ["00123456789"], "none": [None]},
    schema_overrides={"none": pl.String},
)  # fmt: skip


def test_csv_is_what_an_italian_spreadsheet_takes(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    lists.write(WRITTEN, path, 6)
    assert path.read_bytes().startswith(b"\xef\xbb\xbf")
    header, row = path.read_text(encoding="utf-8-sig").splitlines()
    assert header == "CUP;mine;n;amount;several;text;place;tax_code;none"
    assert row == f"{A};=1+1;1.5;1200,50;1,5 | 20,25;'=cmd();v. 1.2;00123456789;"


def test_xlsx_has_numbers_that_are_numbers_and_codes_that_are_text(tmp_path: Path) -> None:
    path = tmp_path / "out.xlsx"
    lists.write(WRITTEN, path, 6)
    (row,) = spreadsheet.rows(path.read_bytes(), lambda names: "CUP" in names).to_dicts()
    assert row["amount"] == "1200.5"
    assert row["tax_code"] == "00123456789"
    assert row["several"] == "1.5 | 20.25"
    assert row["text"] == "=cmd()"
    assert row["n"] == "1.5"


def test_what_was_written_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    lists.write(WRITTEN, path, 6)
    assert lists.read(path).rows["amount"].to_list() == ["1200,50"]


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    for name in ("no/such/folder.csv", "no/such/folder.xlsx"):
        with pytest.raises(ListError, match="cannot be written"):
            lists.write(WRITTEN, tmp_path / name, 6)
