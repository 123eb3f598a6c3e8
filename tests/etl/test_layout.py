"""Documents to sheets: where one ends and another begins, which layout it is, and tables made labels and values."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import pytest

from etl import layout, sheet
from etl.documents.model import Cell, Datum, Document, Line, Table
from etl.source import Field, Group, Source, sources

FINANCING = Group(
    "financing",
    ("Piano finanziario",),
    {
        "fund": Field("fund", "text", ("Fonte", "Fondo"), group="financing"),
        "year": Field("year", "year", ("Anno", "Annualità"), group="financing"),
        "amount": Field("amount", "amount", ("Importo", "Importo (€)"), group="financing"),
    },
    across="year",
    cell="amount",
    totals=("Totale",),
)
SOURCE = dataclasses.replace(
    sources()["ponmetro"], begins=("Scheda intervento",), groups={"financing": FINANCING}, metadata={"name": "title"}
)


def table(*rows: Sequence[str], grid: bool = False, head: bool = False) -> Table:
    cells = [
        tuple(Cell(text, f"row {r}, column {c}", header=head and r == 1) for c, text in enumerate(row, start=1))
        for r, row in enumerate(rows, start=1)
    ]
    return Table(tuple(cells), "table 1", grid)


def text(*lines: str) -> list[Line]:
    return [Line(line, f"line {n}", "break" if line == "\f" else "text") for n, line in enumerate(lines, start=1)]


def document(*blocks: Line | Table, metadata: Sequence[Datum] = ()) -> Document:
    return Document(blocks, tuple(metadata), "text/html", "utf-8", "0" * 64, 1)


def read(*blocks: Line | Table, source: Source = SOURCE) -> list[sheet.Sheet]:
    return [sheet.fields(part.lines, source) for part in layout.sheets(document(*blocks), source)]


def values(found: sheet.Sheet) -> dict[str, str]:
    return {r.field: r.value for r in found.readings if not r.group}


def rows(found: sheet.Sheet) -> list[dict[str, str]]:
    mine = [r for r in found.readings if r.group]
    return [{r.field: r.value for r in mine if r.row == row} for row in sorted({r.row for r in mine})]


# --- tables ------------------------------------------------------------------------------------------------------


def test_a_row_of_two_cells_is_a_label_and_its_value_at_its_cell() -> None:
    (found,) = read(table(["Titolo progetto", "Orti di quartiere"], ["Città", "Torino"], ["CUP", "C19J21037430006"]))
    assert [(r.field, r.value, r.place) for r in found.readings] == [
        ("title", "Orti di quartiere", "row 1, column 2"),
        ("city", "Torino", "row 2, column 2"),
        ("cup", "C19J21037430006", "row 3, column 2"),
    ]


def test_a_row_may_hold_several_labels() -> None:
    (found,) = read(table(["Città", "Torino", "CUP", "C19J21037430006"], ["Ambito", "Casa", "Azione", "Azione 1.1.1"]))
    assert values(found) == {
        "city": "Torino", "cup": "C19J21037430006", "thematic_area": "Casa", "action": "Azione 1.1.1",
    }  # fmt: skip


def test_a_label_within_a_value_is_part_of_it_where_the_format_says_what_is_what() -> None:
    (found,) = read(table(["Descrizione", "Città: il progetto riguarda la\nFine del degrado"], ["Città", "Torino"]))
    assert values(found)["description"].startswith("Città: il progetto")


def test_rows_under_known_labels_are_sheets() -> None:
    found = read(
        table(
            ["Titolo", "Codice progetto", "CUP"],
            ["Orti", "TO1.1.1.a", "C19J21037430006"],
            ["Case", "TO1.1.1.b", "C19J21037440006"],
            grid=True,
        )
    )
    assert [values(each)["title"] for each in found] == ["Orti", "Case"]
    parts = layout.sheets(
        document(table(["Titolo", "CUP"], ["A", "C19J21037430006"], ["B", "C19J21037440006"])), SOURCE
    )
    assert [part.place for part in parts] == ["row 2, column 1", "row 3, column 1"]


def test_rows_of_a_group_are_numbered_and_sums_are_no_rows() -> None:
    (found,) = read(
        *text("Città: Torino"),
        table(["Fonte", "Anno", "Importo"], ["FESR", "2019", "€ 10,00"], ["FSE", "2020", "5"], ["Totale", "", "15"]),
    )
    assert rows(found) == [
        {"fund": "FESR", "year": "2019", "amount": "€ 10,00"},
        {"fund": "FSE", "year": "2020", "amount": "5"},
    ]
    assert [(note.code, note.label, note.raw) for note in found.notes] == [("sheet.unknown-label", "Totale", "15")]


def test_years_in_the_head_are_values_of_their_column() -> None:
    (found,) = read(
        *text("Città: Torino"), table(["Fonte", "2019", "Anno 2020"], ["FESR", "1,00", "2,00"], ["FSE", "", "3,00"])
    )
    assert rows(found) == [
        {"fund": "FESR", "year": "2019", "amount": "1,00"},
        {"fund": "FESR", "year": "2020", "amount": "2,00"},
        {"fund": "FSE", "year": "2020", "amount": "3,00"},
    ]


def test_a_group_told_by_labels_begins_a_row_each_time_a_column_comes_again() -> None:
    (found,) = read(
        *text("Città: Torino", "Piano finanziario", "Fonte: FESR", "Anno: 2019", "Importo: 10,00", "Fonte: FSE",
              "Importo: 5,00", "Codice progetto: TO1.1.1.a"),
    )  # fmt: skip
    assert rows(found) == [{"fund": "FESR", "year": "2019", "amount": "10,00"}, {"fund": "FSE", "amount": "5,00"}]
    assert values(found) == {"city": "Torino", "local_code": "TO1.1.1.a"}


def test_columns_drawn_with_spaces_are_a_table_if_they_are_a_group_s() -> None:
    (found,) = read(*text("Città: Torino", "Fonte    Anno   Importo", "FESR    2019   10,00", "FSE     2020   5,00"))
    assert rows(found) == [
        {"fund": "FESR", "year": "2019", "amount": "10,00"},
        {"fund": "FSE", "year": "2020", "amount": "5,00"},
    ]


def test_nothing_in_an_unknown_table_is_lost() -> None:
    (found,) = read(*text("Città: Torino"), table(["Voce", "Peso", "Nota"], ["Sabbia", "12 kg", "fine"], head=True))
    assert {(note.label, note.raw) for note in found.notes} == {
        ("Voce", "Sabbia"), ("Peso", "12 kg"), ("Nota", "fine"),
    }  # fmt: skip


def test_an_unknown_label_is_told_with_the_nearest_known_one() -> None:
    (found,) = read(table(["Città", "Torino"], ["Codice del progetto locale", "X1"]))
    (note,) = found.notes
    assert (note.code, note.label, note.raw) == ("sheet.unknown-label", "Codice del progetto locale", "X1")
    assert note.extra["nearest"] == "Codice Progetto"


# --- several sheets in a document --------------------------------------------------------------------------------

A = ("Titolo: Orti", "Codice progetto: TO1.1.1.a", "Città: Torino")
B = ("Titolo: Case", "Codice progetto: TO1.1.1.b", "Città: Torino")


@pytest.mark.parametrize("between", [["\f"], ["\f", "Scheda intervento"], ["Scheda intervento"]])
def test_another_code_after_a_page_or_the_first_heading_begins_another_sheet(between: list[str]) -> None:
    assert [values(each)["title"] for each in read(*text(*A, *between, *B))] == ["Orti", "Case"]


def test_a_sheet_may_go_on_after_a_page() -> None:
    (found,) = read(*text(*A, "\f", "CUP: C19J21037430006", "\f", "Codice progetto: TO1.1.1.a", "Ambito: Casa"))
    assert values(found) == {
        "title": "Orti", "local_code": "TO1.1.1.a", "city": "Torino", "cup": "C19J21037430006", "thematic_area": "Casa",
    }  # fmt: skip


def test_where_a_sheet_begins_is_told_only_if_there_are_several() -> None:
    assert [part.place for part in layout.sheets(document(*text(*A)), SOURCE)] == [""]
    assert [part.place for part in layout.sheets(document(*text(*A, "\f", *B)), SOURCE)] == ["line 1", "line 4"]


# --- whose layout it is ------------------------------------------------------------------------------------------


def test_the_layout_with_most_labels_in_a_document_is_its_own() -> None:
    few = dataclasses.replace(SOURCE, id="few", fields={"city": SOURCE.fields["city"]}, groups={})
    assert layout.recognised(document(*text(*A)), [few, SOURCE]) == [SOURCE]
    assert layout.recognised(document(*text("Città: Torino")), [few]) == []


def test_a_document_that_might_be_of_two_layouts_is_given_to_none() -> None:
    other = dataclasses.replace(SOURCE, id="other")
    assert layout.recognised(document(*text(*A)), [SOURCE, other]) == [SOURCE, other]


def test_what_a_document_marks_as_labels_and_a_layout_does_not_know_counts_against_it() -> None:
    other = dataclasses.replace(SOURCE, id="other", fields={**SOURCE.fields, "cup": Field("cup", "cup", ("CUP X",))})
    marked = [Line("Città", "1", "label"), Line("Torino", "2", "value"), Line("CUP", "3", "label")]
    assert layout.recognised(document(*marked, *text("Azione 1", "Ambito: Casa")), [other, SOURCE]) == [SOURCE]


# --- metadata ----------------------------------------------------------------------------------------------------


def test_metadata_fill_what_the_page_does_not_show_and_differences_are_told() -> None:
    (found,) = read(*text("Città: Torino", "CUP: C19J21037430006"))
    datum = Datum("name", "Orti di quartiere", "JSON-LD 1, name")
    filled = sheet.with_metadata(found, [datum], SOURCE)
    assert filled.readings[-1] == sheet.Reading("title", "name", "Orti di quartiere", "JSON-LD 1, name")
    (shown,) = read(*text("Titolo: Orti", "Città: Torino"))
    assert sheet.with_metadata(shown, [datum], SOURCE) == shown  # the page cuts it short
    (note,) = sheet.with_metadata(shown, [dataclasses.replace(datum, value="Case")], SOURCE).notes
    assert (note.code, note.raw, note.extra["other"]) == ("sheet.metadata-differs", "Case", "Orti")
