"""The types of tables: what each reads, what it refuses, and that a table may be cleaned piece by piece."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl import amounts, codes, dates, problems, tax_codes, texts, values
from etl.cleaners import CLEANERS, written
from etl.source import MEANINGS, TYPES, Field, Parts, Source

VALUES = Path(__file__).parent / "values"
PROPERTY = settings(deadline=None, max_examples=60)
AMOUNTS = st.lists(st.decimals(min_value=0, max_value=amounts.LIMIT, places=2), min_size=1)
DIGITS = st.text("0123456789", min_size=10, max_size=10)


def lines(name: str) -> list[list[str]]:
    """A list of values, as test_values reads them."""
    told = (VALUES / name).read_text(encoding="utf-8").splitlines()
    rows = [line.split("\t") for line in told if line and not line.startswith("#")]
    return [[re.sub(r"\\u([0-9a-f]{4})", lambda m: chr(int(m[1], 16)), cell) for cell in row] for row in rows]


def source(*fields: Field, **kinds: Any) -> Source:
    """A source of rows with these fields, its key a code called `key`."""
    told: dict[str, Any] = {
        "id": "invented", "title": {}, "description": {}, "publisher": "", "licence": "", "homepage": "",
        "patterns": (), "headings": (), "absent": (), "body_starts": (), "constants": {}, "axes": {},
        "form": "table", "key": ("key",), "fields": {f.name: f for f in (Field("key", "code"), *fields)},
    }  # fmt: skip
    return Source(**{**told, **kinds})


def clean(of: Source, rows: list[dict[str, str | None]]) -> values.Cleaned:
    """Rows cleaned as those of one file, the first in row 1."""
    written_ = [
        {"file": "t.csv", "place": f"row {number}", "key": str(number), **row} for number, row in enumerate(rows, 1)
    ]
    return values.clean(pl.DataFrame(written_, schema_overrides=dict.fromkeys(of.fields, pl.String)), of)


def one(field: Field, raw: str | None, **kinds: Any) -> tuple[dict[str, Any], list[str]]:
    """The columns that come of one value, and the codes of what is wrong with it."""
    cleaned = clean(source(field, **kinds), [{field.name: raw}])
    return cleaned.table.row(0, named=True), cleaned.problems["code"].to_list()


def read(kind: str, raw: str, name: str = "it") -> tuple[dict[str, Any], list[str]]:
    return one(Field(name, kind), raw)  # type: ignore[arg-type]


# --- each type -----------------------------------------------------------------------------------

INVALID = {
    "integer": "integers",
    "year": "years",
    "flag": "flags",
    "moment": "moments",
    "tax_code": "tax-codes",
    "istat": "istat",
    "province": "provinces",
    "region": "regions",
}


@pytest.mark.parametrize(
    ("kind", "raw", "code"),
    [(kind, *row) for kind, name in INVALID.items() for row in lines(f"{name}.invalid.txt")],
)
def test_a_bad_value_is_null_and_a_problem(kind: str, raw: str, code: str) -> None:
    row, told = read(kind, raw)
    assert told == [code]
    assert {value for name, value in row.items() if name.startswith("it")} == {None}


@pytest.mark.parametrize(("raw", "number"), lines("integers.valid.txt"))
def test_a_whole_number_is_read(raw: str, number: str) -> None:
    assert read("integer", raw)[0]["it"] == int(number)


@pytest.mark.parametrize(("raw", "number"), lines("years.valid.txt"))
def test_a_year_is_read(raw: str, number: str) -> None:
    assert read("year", raw)[0]["it"] == int(number)


@pytest.mark.parametrize(("raw", "answer"), lines("flags.valid.txt"))
def test_yes_and_no_are_told_apart(raw: str, answer: str) -> None:
    assert read("flag", raw)[0]["it"] is (answer == "yes")


@pytest.mark.parametrize(("raw", "at"), lines("moments.valid.txt"))
def test_a_moment_is_told_by_italian_clocks(raw: str, at: str) -> None:
    row, told = read("moment", raw)
    assert (row["it"], told) == (datetime.fromisoformat(at), [])


@pytest.mark.parametrize(("raw", "code"), lines("tax-codes.valid.txt"))
def test_a_tax_code_is_a_bodys_or_a_persons(raw: str, code: str) -> None:
    row, told = read("tax_code", raw)
    assert (row["it"], row["it_person"]) == ((None, code) if len(code) == 16 else (code, None))
    padded = ["tax-code.padded"] if raw.isdigit() and len(raw) < 11 else []
    assert told == (["tax-code.person"] if len(code) == 16 else padded)


@pytest.mark.parametrize(("raw", "code", "name"), lines("istat.valid.txt"))
def test_a_municipality_is_known_by_its_code(raw: str, code: str, name: str) -> None:
    row, told = read("istat", raw)
    assert (row["it"], row["it_name"]) == (code, name)
    assert f"/cities/{code}-(" in row["it_iri"]
    assert "/regions/" in row["it_region_iri"]
    assert told == (["istat.padded"] if len(raw.strip()) < 6 else [])


@pytest.mark.parametrize(("raw", "code", "name"), lines("provinces.valid.txt"))
def test_a_province_is_known_by_code_or_letters(raw: str, code: str, name: str) -> None:
    row, told = read("province", raw)
    assert (row["it"], row["it_name"], told) == (code, name or None, [])
    assert row["it_iri"] is None or row["it_iri"].endswith(f"/provinces/{code}")
    assert row["it_region_iri"].rpartition("/")[2].isdigit()


@pytest.mark.parametrize(("raw", "code", "name"), lines("regions.valid.txt"))
def test_a_region_is_known_by_its_code(raw: str, code: str, name: str) -> None:
    row, told = read("region", raw)
    assert (row["it"], row["it_name"], told) == (code, name, [])
    assert row["it_iri"].endswith(f"/regions/{code}")


def test_every_type_has_a_cleaner_and_joined_is_made_of_others() -> None:
    assert {*CLEANERS, "joined"} == set(TYPES)


# --- amounts of tables ---------------------------------------------------------------------------

DIALECTS = {"point": ".", "comma": ","}


@pytest.mark.parametrize(
    ("dialect", "raw", "amount"), [(d, *row) for d in DIALECTS for row in lines(f"amounts-{d}.valid.txt")]
)
def test_an_amount_is_read_by_the_mark_of_its_table(dialect: str, raw: str, amount: str) -> None:
    told = amounts.read(pl.Series([raw]), DIALECTS[dialect])
    assert told.select("value", "code").row(0) == (Decimal(amount), None)


@pytest.mark.parametrize(
    ("dialect", "raw", "code"), [(d, *row) for d in DIALECTS for row in lines(f"amounts-{d}.invalid.txt")]
)
def test_what_is_no_amount_by_the_mark_of_its_table_is_refused(dialect: str, raw: str, code: str) -> None:
    assert amounts.read(pl.Series([raw]), DIALECTS[dialect]).select("value", "code").row(0) == (None, code)


@PROPERTY
@given(several=AMOUNTS)
def test_an_amount_comes_back_from_each_dialect(several: list[Decimal]) -> None:
    for written_, mark in [
        ([f"{a:.2f}" for a in several], "."),
        ([f"{a:,.2f}" for a in several], "."),
        ([f"{a:.13e}" for a in several], "."),
        ([f"{a:.2f}".replace(".", ",") for a in several], ","),
        ([f"{a:,.2f}".translate(str.maketrans(",.", ".,")) for a in several], ","),
    ]:
        assert amounts.read(pl.Series(written_), mark)["value"].to_list() == several


@PROPERTY
@given(raws=st.lists(st.text() | st.text(alphabet="0123456789.,-+eE €'"), min_size=1, max_size=8))
def test_a_table_of_any_texts_is_read_value_by_value(raws: list[str]) -> None:
    for mark in DIALECTS.values():
        for to_cents in (False, True):
            together = amounts.read(pl.Series(raws, dtype=pl.String), mark, to_cents)
            alone = [amounts.read(pl.Series([raw], dtype=pl.String), mark, to_cents).row(0) for raw in raws]
            assert together.rows() == alone
            assert all((value is None) is (code is not None) for value, code, *_ in alone)


@pytest.mark.parametrize(
    ("raw", "value", "margin"),
    [
        ("49999.77", "49999.77", None),
        ("0.009999999776482582", "0.01", None),
        ("131071.99", "131071.99", None),
        ("131072", "131072.00", "0.02"),
        ("1679886.375", "1679886.38", "0.13"),
        ("1679886.4", "1679886.40", "0.13"),
        ("36000000", "36000000.00", "4.00"),
        ("1.2e7", "12000000.00", "1.00"),
    ],
)
def test_an_amount_of_32_bits_is_rounded_and_says_how_far_off_it_may_be(
    raw: str, value: str, margin: str | None
) -> None:
    cleaned = clean(source(Field("it", "amount", imprecise=True), decimal="."), [{"it": raw}])
    assert cleaned.table["it"].item() == Decimal(value)
    assert cleaned.problems["code"].to_list() == (["amount.imprecise"] if margin else [])
    assert margin is None or f" {margin} euro" in cleaned.problems["message_en"].item()


@PROPERTY
@given(cents=st.integers(1, 10**9))
def test_an_amount_of_32_bits_is_exact_or_within_the_margin(cents: int) -> None:
    true = Decimal(cents) / 100
    held = pl.Series("it", [float(true)]).cast(pl.Float32).cast(pl.String)
    read_ = amounts.read(held, ".", to_cents=True).with_columns(pl.lit(0, pl.UInt32).alias("@row"))
    margins = written._imprecise(read_)["margin"].to_list() or [0]
    assert abs(read_["value"].item() - true) <= margins[0]


# --- codes ---------------------------------------------------------------------------------------


@PROPERTY
@given(DIGITS)
def test_exactly_one_digit_checks_ten(ten: str) -> None:
    told = pl.DataFrame({"code": [f"{ten}{last}" for last in range(10)]}).select(tax_codes.is_body(pl.col("code")))
    assert told.to_series().sum() == (0 if ten == "0" * 10 else 1)


@PROPERTY
@given(DIGITS, st.integers(0, 10), st.integers(1, 9))
def test_one_wrong_digit_is_always_found(ten: str, place: int, by: int) -> None:
    right = next(
        f"{ten}{last}" for last in range(10) if pl.select(tax_codes.is_body(pl.lit(f"1{ten[1:]}{last}"))).item()
    )
    right = f"1{right[1:]}"
    wrong = f"{right[:place]}{(int(right[place]) + by) % 10}{right[place + 1 :]}"
    assert pl.select(tax_codes.is_body(pl.lit(right))).item()
    assert not pl.select(tax_codes.is_body(pl.lit(wrong))).item()


def test_a_persons_tax_code_is_not_told_in_the_problem() -> None:
    told = clean(source(Field("it", "tax_code")), [{"it": "RSSMRA85T10A562S"}]).problems.row(0, named=True)
    assert told["raw"] is None
    assert not any("RSSMRA" in str(value) for value in told.values())


def test_a_masked_tax_code_is_no_value_whatever_its_length() -> None:
    cleaned = clean(source(Field("it", "tax_code")), [{"it": "*****"}, {"it": "****************"}])
    assert cleaned.table["it"].to_list() == [None, None]
    assert cleaned.problems["code"].to_list() == ["value.placeholder"] * 2
    assert "oscurato" in cleaned.problems["message_it"][0]


def test_a_code_of_a_list_gets_what_the_list_says() -> None:
    field = Field("nature", "coded", scheme="nature", width=2)
    row, told = one(field, " 3 ")
    (listed,) = codes.scheme("nature").filter(pl.col("code") == "03").to_dicts()
    assert (row["nature"], row["nature_iri"], row["nature_label"]) == ("03", listed["iri"], listed["label"])
    assert told == []
    row, told = one(field, "99")
    assert (row["nature"], row["nature_iri"], row["nature_label"]) == (None, None, None)
    assert told == ["code.unknown"]


@pytest.mark.parametrize("name", codes.names())
def test_a_code_list_has_each_code_once_with_a_label(name: str) -> None:
    table = codes.scheme(name)
    assert table["code"].is_unique().all()
    assert table.filter(pl.col("iri").is_not_null() & pl.col("label").is_null()).is_empty()
    assert table.filter(~pl.col("iri").str.contains("^https?://")).is_empty()


def test_a_code_list_that_is_not_there_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="code list 'none'; there are: "):
        codes.scheme("none")


def test_joined_fields_are_made_of_cleaned_ones() -> None:
    of = source(
        Field("nature", "coded", scheme="nature", width=2),
        Field("kind", "code", width=2),
        Field("typology", "joined", of=("nature", "kind"), separator="_", scheme="typology"),
        Field("both", "joined", of=("kind", "nature"), separator="-"),
    )
    cleaned = clean(of, [{"nature": "1", "kind": "8"}, {"nature": "1", "kind": "77"}, {"nature": "1", "kind": None}])
    assert cleaned.table["both"].to_list() == ["08-01", "77-01", None]
    assert cleaned.table["typology"].to_list() == ["01_08", None, None]
    assert cleaned.table["typology_label"][0] == codes.scheme("typology").filter(pl.col("code") == "01_08")["label"][0]
    (told,) = cleaned.problems.to_dicts()
    assert [told[c] for c in ("code", "field", "raw", "place", "record")] == [
        "code.unknown", "typology", "01_77", "row 2", "2",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("parts", "made"),
    [("all", ["a_b", None, None, None]), ("some", ["a_b", "a", "b", None]), ("first", ["a", "a", "b", None])],
)
def test_a_joined_field_may_do_without_some_of_its_parts(parts: Parts, made: list[str | None]) -> None:
    joined = Field("it", "joined", of=("x", "y"), separator="_", parts=parts)
    of = source(Field("x", "code"), Field("y", "code"), joined)
    rows: list[dict[str, str | None]] = [
        {"x": x, "y": y} for x, y in (("a", "b"), ("a", None), (None, "b"), (None, None))
    ]
    cleaned = clean(of, rows)
    assert (cleaned.table["it"].to_list(), cleaned.problems.height) == (made, 0)


@pytest.mark.parametrize(
    ("kind", "raw", "expected", "told"),
    [
        ("code", "a; b ;;a", ["a", "b"], []),
        ("code", ";", None, []),
        ("cup", "B31C20999990006;b44d19999990005", ["B31C20999990006", "B44D19999990005"], ["cup.normalised"]),
        ("cup", "B31C20999990006;X", ["B31C20999990006"], ["cup.malformed"]),
        ("cig", "Z44999901A;12", ["Z44999901A"], ["cig.malformed"]),
        ("tax_code", "99999000013;1", ["99999000013"], ["tax-code.malformed"]),
        ("integer", "1;x;2", [1, 2], ["integer.malformed"]),
        ("year", "9;8", None, ["year.impossible", "year.impossible"]),
    ],
)
def test_the_parts_of_a_value_are_cleaned_each(
    kind: str, raw: str, expected: list[object] | None, told: list[str]
) -> None:
    of = source(Field("it", kind, many=True, separator=";"))  # type: ignore[arg-type]
    cleaned = clean(of, [{"it": None}, {"it": raw}])
    assert cleaned.table["it"].to_list() == [None, expected]
    assert cleaned.problems["code"].to_list() == told
    assert all(part in raw.split(";") and part != raw for part in cleaned.problems["raw"])


def test_a_coded_field_of_several_is_a_list_of_codes() -> None:
    row, told = one(Field("it", "coded", many=True, separator="|", scheme="nature", width=2), "3|1|x")
    assert (row["it"], told) == (["03", "01"], ["code.unknown"])


# --- places on a day -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("day", "iri"),
    [
        ("2010-06-30", "001043-(1948-01-01)"),
        ("2015-01-01", "001043-(2015-01-01)"),
        ("2024-01-01", "001043-(2015-01-01)"),
        (None, "001043-(2015-01-01)"),
        ("ieri", "001043-(2015-01-01)"),
    ],
)
def test_a_municipality_is_as_it_was_on_the_day(day: str | None, iri: str) -> None:
    of = source(Field("day", "moment"), Field("town", "istat", on="day"))
    assert clean(of, [{"day": day, "town": "001043"}]).table["town_iri"].item().endswith(f"/cities/{iri}")


def test_a_municipality_that_was_not_there_on_the_day_is_known_by_its_code_all_the_same() -> None:
    of = source(Field("town", "istat", on="day"), Field("day", "date"))
    cleaned = clean(of, [{"day": "2010-01-01", "town": "022250"}])
    assert cleaned.table["town_name"].item() == "San Giovanni di Fassa"
    assert cleaned.problems.is_empty()


# --- words that are no value ---------------------------------------------------------------------


def test_words_that_are_no_value_are_counted_by_field() -> None:
    of = source(
        Field("a", "cup"),
        Field("b", "name", nulls={"-1": "all", "TUTTI": "all"}),
        nulls={"DATO NON PRESENTE": "absent", "***": "masked"},
    )
    cleaned = clean(
        of,
        [
            {"a": "x", "b": "-1"},
            {"a": "Dato  non presente", "b": "tutti"},
            {"a": "DATO NON PRESENTE ", "b": "***"},
            {"a": " ", "b": None},
            {"a": "-1", "b": "Tutti"},
        ],
    )
    told = cleaned.problems.filter(pl.col("code") == "value.placeholder")
    assert told.select("field", "raw", "record", "file", "place").rows() == [
        ("a", "DATO NON PRESENTE", None, "t.csv", "row 2"),
        ("b", "-1", None, "t.csv", "row 1"),
        ("b", "TUTTI", None, "t.csv", "row 2"),
        ("b", "***", None, "t.csv", "row 3"),
    ]
    assert "in 2 righe vuol dire «assente»" in told["message_it"][0]
    assert 'in 2 rows means "all"' in told["message_en"][2]
    assert cleaned.problems.filter(pl.col("code") == "cup.malformed")["raw"].to_list() == ["x", "-1"]
    assert cleaned.table["b"].null_count() == 5


def test_every_meaning_has_words() -> None:
    assert set(values._MEANINGS) == set(MEANINGS)


def test_the_words_of_all_pieces_are_added_up() -> None:
    of = source(Field("a", "text"), nulls={"-": "absent"})
    rows: list[dict[str, str | None]] = [{"key": "1", "a": "-"}, {"key": "2", "a": "-"}, {"key": "3", "a": "b"}]
    pieces = [clean(of, rows[:1]), clean(of, rows[1:])]
    added = values.placeholder_problems(pl.concat(piece.placeholders for piece in pieces), of)
    assert "in 2 righe" in added["message_it"].item()


# --- piece by piece ------------------------------------------------------------------------------

ALL = source(
    *(Field(f"a_{kind}", kind) for kind in CLEANERS if kind not in ("coded", "action", "municipality")),
    Field("a_coded", "coded", scheme="nature", width=2),
    Field("many", "cup", many=True, separator=";"),
    Field("imprecise", "amount", imprecise=True),
    Field("on", "istat", on="a_date"),
    Field("both", "joined", of=("a_code", "a_integer"), separator="_"),
    Field("looked_up", "joined", of=("a_coded", "a_code"), separator="_", scheme="typology"),
    decimal=".",
    nulls={"-": "absent", "N/D": "unknown"},
)
GOOD = ["-", "n/d", "1", "01", "001272", "2022", "99999000013", "B31C20999990006", "S", "2022-05-01 10:00", "12.50"]
ROWS = st.lists(
    st.dictionaries(st.sampled_from([n for n in ALL.fields if n != "key"]), st.sampled_from(GOOD) | st.text()),
    min_size=1,
    max_size=4,
)


def test_an_empty_piece_has_the_columns_of_a_full_one() -> None:
    full = clean(ALL, [dict.fromkeys(ALL.fields, "1")]).table
    assert clean(ALL, []).table.schema == full.schema
    assert not any(name.endswith("@place") for name in full.columns)
    types = {"a_integer": pl.Int64, "a_year": pl.Int32, "a_flag": pl.Boolean, "a_moment": pl.Datetime("us")}
    assert {name: full.schema[name] for name in types} == types
    assert full.schema["many"] == pl.List(pl.String)


@settings(deadline=None, max_examples=25)
@given(ROWS)
def test_a_row_is_cleaned_alike_whatever_its_company(rows: list[dict[str, str | None]]) -> None:
    numbered = [{"key": str(number), **row} for number, row in enumerate(rows)]
    whole = clean(ALL, numbered)
    pieces = [clean(ALL, [row]) for row in numbered]
    told = ["code", "field", "record", "raw", "message_it", "message_en"]
    single = problems.together(piece.problems for piece in pieces)
    assert whole.table.drop("place").rows() == pl.concat(piece.table for piece in pieces).drop("place").rows()
    rest = pl.col("code") != "value.placeholder"
    assert sorted(whole.problems.filter(rest).select(told).rows(), key=str) == sorted(
        single.filter(rest).select(told).rows(), key=str
    )


@settings(deadline=None, max_examples=25)
@given(ROWS)
def test_every_value_of_a_table_becomes_typed_or_a_problem(rows: list[dict[str, str | None]]) -> None:
    cleaned = clean(ALL, rows)
    told = set(cleaned.problems.select("field", "place").rows())
    words = set(cleaned.placeholders["field"])
    for number, row in enumerate(rows, 1):
        for name, raw in row.items():
            seen = pl.select(texts.line(pl.lit(raw, pl.String))).item()
            if seen and name not in words and ALL.fields[name].type != "joined" and set(seen) != {";"}:
                typed = [c for c in cleaned.table.columns if c == name or c == f"{name}_person"]
                at = cleaned.table.filter(pl.col("place") == f"row {number}")
                assert (name, f"row {number}") in told or any(at[c].item() is not None for c in typed), (name, raw)


def test_dates_with_a_moments_clock_are_the_days_written() -> None:
    raw = pl.Series([row[0] for row in lines("moments.valid.txt")])
    days = dates.read(raw)["value"].to_list()
    assert days == [date.fromisoformat(dates.read(pl.Series([one_]))["value"].item().isoformat()) for one_ in raw]


def test_problems_of_tables_stand_in_the_row() -> None:
    of = replace(source(Field("a", "year", labels=("Anno",), expected=True)))
    cleaned = clean(of, [{"a": "2022"}, {"a": None}, {"a": "x"}, {"key": None, "a": "2020"}])
    assert cleaned.problems.select("code", "place", "raw").rows() == [
        ("year.impossible", "row 3", "x"),
        ("table.no-key", "row 4", "a=2020"),
        ("field.missing", "row 2", None),
    ]
