"""Values: what is read, what is refused and why, and that nothing given gets lost."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from etl import amounts, cup, dates, problems, texts, values
from etl.source import sources

VALUES = Path(__file__).parent / "values"
SHARED = Path(__file__).parents[2].parent / "shared" / "data"
PROPERTY = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
EURO = st.decimals(min_value=0, max_value=amounts.LIMIT, places=2)
DAYS = st.dates(date(dates.EARLIEST, 1, 1), date(dates.LATEST, 12, 31))
SOURCE = sources()["ponmetro"]
_BLANK_ONLY = re.compile(r"[\s\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]*")


def _lines(name: str) -> list[list[str]]:
    """A list of values: raw and what is expected of it, with \\uXXXX read as the character."""
    told = (VALUES / name).read_text(encoding="utf-8").splitlines()
    rows = [line.split("\t") for line in told if line and not line.startswith("#")]
    return [[re.sub(r"\\u([0-9a-f]{4})", lambda m: chr(int(m[1], 16)), cell) for cell in row] for row in rows]


def _amount(raw: str) -> tuple[Decimal | None, str | None]:
    read = amounts.read(pl.Series([raw]))
    return read["value"].item(), read["code"].item()


def _date(raw: str) -> tuple[date | None, str | None]:
    read = dates.read(pl.Series([raw]))
    return read["value"].item(), read["code"].item()


def _clean(**fields: str | None) -> values.Cleaned:
    """One record, with an identity unless it is given."""
    row = {"file": "sheet.txt", "sha256": "0", "local_code": "TO7.1.1.b"} | fields
    return values.clean(pl.DataFrame([row], schema=dict.fromkeys(row, pl.String)), SOURCE)


def _problem(cleaned: values.Cleaned, code: str) -> dict[str, str | None]:
    (row,) = cleaned.problems.filter(pl.col("code") == code).to_dicts()
    return row


# --- amounts -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("raw", "amount"), _lines("amounts.valid.txt"))
def test_an_amount_is_read_exactly(raw: str, amount: str) -> None:
    assert _amount(raw) == (Decimal(amount), None)


@pytest.mark.parametrize(("raw", "code"), _lines("amounts.invalid.txt"))
def test_what_is_no_amount_is_refused(raw: str, code: str) -> None:
    assert _amount(raw) == (None, code)


def _grouped(amount: Decimal, thousands: str, mark: str) -> str:
    return f"{amount:,.2f}".replace(",", "\0").replace(".", mark).replace("\0", thousands)


SPELLINGS: dict[str, Callable[[Decimal], str]] = {
    "italian": lambda a: _grouped(a, ".", ","),
    "italian-euro": lambda a: f"€ {_grouped(a, '.', ',')}",
    "italian-words": lambda a: f"{_grouped(a, '.', ',')} euro",
    "blanks": lambda a: _grouped(a, " ", ","),
    "narrow-blanks": lambda a: _grouped(a, "\u202f", ","),
    "apostrophes": lambda a: _grouped(a, "’", "."),
    "english": lambda a: f"EUR {_grouped(a, ',', '.')}",
    "plain-comma": lambda a: f"{a:.2f}".replace(".", ","),
    "plain-dot": lambda a: f"{a:.2f}",
    "four-decimals": lambda a: f"{a:.4f}",
    "whole-italian": lambda a: _grouped(a, ".", ",").removesuffix(",00"),
    "no-cents": lambda a: re.sub(",00$", ",-", _grouped(a, ".", ",")),
    "millions": lambda a: f"{a / 1_000_000:.8f} milioni di euro".replace(".", ","),
}


@PROPERTY
@given(several=st.lists(EURO, min_size=1))
@example(several=[Decimal("0.00"), Decimal("1234.00"), amounts.LIMIT])
def test_an_amount_comes_back_from_every_spelling(several: list[Decimal]) -> None:
    written = [spelling(amount) for spelling in SPELLINGS.values() for amount in several]
    assert amounts.read(pl.Series(written))["value"].to_list() == several * len(SPELLINGS)


@PROPERTY
@given(amount=EURO.filter(bool))
def test_a_negative_amount_is_refused(amount: Decimal) -> None:
    assert [_amount(f"-{amount}"), _amount(f"({amount})")] == [(None, "amount.out-of-range")] * 2


def test_an_ambiguous_amount_tells_its_readings() -> None:
    assert "1234.00 / 1.234" in (_problem(_clean(programmed_amount="1,234"), "amount.ambiguous")["message_it"] or "")
    told = _problem(_clean(programmed_amount="1.250 milioni"), "amount.ambiguous")["message_en"]
    assert "1250000000 / 1250000" in (told or "")


def test_figures_with_a_remark_are_suggested_not_published() -> None:
    cleaned = _clean(disbursed_amount="218.177,38€ (IVA inclusa)")
    assert cleaned.table["disbursed_amount"].item() is None
    assert _problem(cleaned, "amount.unreadable")["suggestion"] == "218177.38"


# --- dates ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("raw", "day"), _lines("dates.valid.txt"))
def test_a_date_is_read(raw: str, day: str) -> None:
    assert _date(raw) == (date.fromisoformat(day), None)


@pytest.mark.parametrize(("raw", "code"), _lines("dates.invalid.txt"))
def test_what_is_no_date_is_refused(raw: str, code: str) -> None:
    assert _date(raw) == (None, code)


MONTHS = {
    1: ("gennaio", "JAN"),
    2: ("febbraio", "FEB"),
    3: ("marzo", "MAR"),
    4: ("aprile", "APR"),
    5: ("maggio", "MAY"),
    6: ("giugno", "JUN"),
    7: ("luglio", "JUL"),
    8: ("agosto", "AUG"),
    9: ("settembre", "SEP"),
    10: ("ottobre", "OCT"),
    11: ("novembre", "NOV"),
    12: ("dicembre", "DEC"),
}


@PROPERTY
@given(day=DAYS)
def test_a_date_comes_back_from_every_spelling(day: date) -> None:
    italian, english = MONTHS[day.month]
    spellings = [
        day.isoformat(),
        f"{day:%d-%m-%Y}",
        f"{day:%d/%m/%Y}",
        f"{day:%d.%m.%Y}",
        f"{day.day}/{day.month}/{day.year}",
        f"{day:%d/%m/%Y} 00:00:00",
        f"{day.day} {italian} {day.year}",
        f"{day.day}° {italian.upper()} {day.year}",
        f"{day:%d}-{italian[:3]}-{day.year}",
        f"{day:%d}-{english}-{day.year}",
    ]
    assert dates.read(pl.Series(spellings))["value"].to_list() == [day] * len(spellings)


@PROPERTY
@given(day=st.integers(0, 99), month=st.integers(0, 99), year=st.integers(0, 9999))
def test_a_date_is_what_the_calendar_says(day: int, month: int, year: int) -> None:
    value, code = _date(f"{day:02}/{month:02}/{year:04}")
    try:
        expected = date(year, month, day)
    except ValueError:
        assert value is None
        assert code in ("date.impossible", "date.out-of-range")  # 29 February of a year out of range is either
    else:
        in_range = dates.EARLIEST <= year <= dates.LATEST
        assert (value, code) == ((expected, None) if in_range else (None, "date.out-of-range"))


def test_the_start_of_the_turin_sheet_is_withheld_and_meant() -> None:
    cleaned = _clean(
        start_date="30-09-0021", end_date="30-06-2023", cup="C19J21037430006", **{"start_date@place": "line 38"}
    )
    told = _problem(cleaned, "date.out-of-range")
    assert cleaned.table["start_date"].item() is None
    assert cleaned.table["end_date"].item() == date(2023, 6, 30)
    assert told["suggestion"] == "2021-09-30"
    assert told["reason"] == "il CUP C19J21037430006 è del 2021 e la data di fine è 30/06/2023"
    assert told["reason_en"] == "the CUP C19J21037430006 is of 2021 and the end date is 2023-06-30"
    assert [told[c] for c in ("severity", "source", "record", "field", "file", "place", "raw")] == [
        "violation", "ponmetro", "TO7.1.1.b", "start_date", "sheet.txt", "line 38", "30-09-0021",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("raw", "code", "suggestion"),
    [
        ("30-09-0021", "C19J21037430006", "2021-09-30"),
        ("30/09/21", "C19J21037430006", "2021-09-30"),
        ("30/09/2201", "C19J21037430006", "2021-09-30"),  # two digits swapped
        ("30/09/3021", "C19J21037430006", "2021-09-30"),  # one digit wrong
        ("30/09/20221", "C19J22037430006", None),  # 2021, 2022: both possible
        ("30/09/202", "C19J21037430006", None),  # many years are possible
        ("09/30/2021", "C19J21037430006", "2021-09-30"),  # month and day swapped
        ("31/02/0021", "C19J21037430006", None),  # no such day in any year
        ("30/09/0001", "C19J21037430006", None),  # 2001: the CUP is of 2021
        ("30-09-0021", None, None),  # nothing to go by
    ],
)
def test_a_wrong_start_is_meant_only_if_the_record_bears_out_one_date(
    raw: str, code: str | None, suggestion: str | None
) -> None:
    told = _clean(start_date=raw, cup=code).problems.filter(pl.col("field") == "start_date")
    assert told["suggestion"].to_list() == [suggestion]
    assert (told["reason"].item() is None) is (suggestion is None)


def test_a_wrong_end_must_follow_the_start() -> None:
    cleaned = _clean(end_date="30/06/0023", start_date="01/01/2021")
    assert _problem(cleaned, "date.out-of-range")["suggestion"] == "2023-06-30"
    assert _problem(cleaned, "date.out-of-range")["reason"] == "la data di inizio è 01/01/2021"
    before = _clean(end_date="30/06/0019", start_date="01/01/2021")
    assert _problem(before, "date.out-of-range")["suggestion"] is None


# --- the CUP and the record ----------------------------------------------------------------------


def test_a_cup_that_is_none_is_withheld_and_explained() -> None:
    cleaned = _clean(cup="C19J2103743000O")
    told = _problem(cleaned, "cup.malformed")
    assert cleaned.table["cup"].item() is None
    assert told["suggestion"] == "C19J21037430000"
    assert "al posto 15" in (told["message_it"] or "")
    assert "at position 15" in (told["message_en"] or "")


def test_of_several_cups_none_is_chosen() -> None:
    cleaned = _clean(cup="C19J21037430006\nC19J21037430007")
    assert cleaned.table["cup"].item() is None
    assert "C19J21037430006, C19J21037430007" in (_problem(cleaned, "cup.several")["message_it"] or "")


@pytest.mark.parametrize("raw", ["c19j21037430006", "CUP: C19J21037430006", "C19J21037430006\nC19J21037430006"])
def test_a_cup_written_otherwise_is_normalised_and_said(raw: str) -> None:
    cleaned = _clean(cup=raw)
    assert cleaned.table["cup"].item() == "C19J21037430006"
    assert _problem(cleaned, "cup.normalised")["raw"] == raw


@pytest.mark.parametrize(("year", "far"), [(2015, True), (2016, False), (2021, False), (2029, False), (2030, True)])
def test_a_start_far_from_the_year_of_the_cup_is_flagged(year: int, far: bool) -> None:
    cleaned = _clean(cup="C19J21037430006", start_date=f"01/01/{year}")
    assert ("cup.year-far" in cleaned.problems["code"].to_list()) is far
    assert cleaned.table["start_date"].item() == date(year, 1, 1)


def test_a_record_without_code_and_cup_is_left_out_with_one_line() -> None:
    cleaned = _clean(local_code=None, title="Un titolo")
    assert cleaned.table.is_empty()
    assert cleaned.problems["code"].to_list() == ["identity.missing"]


def test_the_cup_is_the_key_where_there_is_no_code() -> None:
    assert _clean(local_code=None, cup="C19J21037430006").table["record"].item() == "C19J21037430006"


def test_what_is_expected_is_missed() -> None:
    cleaned = _clean(cup="C19J21037430006", city="Torino")
    assert _problem(cleaned, "field.missing")["field"] == "title"
    assert cleaned.problems["code"].to_list() == ["field.missing"]


def test_words_for_nothing_count_as_absent() -> None:
    cleaned = _clean(photos="Foto non disponibili", documents="DOCUMENTI NON DISPONIBILI", start_date="n.d.")
    assert cleaned.problems.filter(pl.col("code") != "field.missing").is_empty()


def test_a_table_without_rows_or_fields_has_every_column() -> None:
    empty = values.clean(pl.DataFrame(schema={"file": pl.String}), SOURCE)
    assert empty.problems.is_empty()
    assert empty.table.schema == _clean(title="x").table.schema
    assert empty.table.schema["admitted_amount"] == pl.Decimal(20, 2)
    assert empty.table.schema["start_date"] == pl.Date()
    assert empty.table.schema["rup"] == pl.List(pl.String)


# --- words ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("raw", "named"), _lines("bodies.txt"))
def test_bodies_are_told_apart(raw: str, named: str) -> None:
    column = pl.DataFrame({"raw": [raw]}).select(texts.bodies(pl.col("raw"), SOURCE.body_starts))["raw"]
    assert column.to_list() == [named.split("|") if named else None]


def test_prose_keeps_its_paragraphs_and_loses_its_noise() -> None:
    cleaned = _clean(description="La\u00a0citta\u0300  di\nTorino\n \n\nSeconda\x07 parte\u200b ")
    assert cleaned.table["description"].item() == "La città di Torino\n\nSeconda parte"
    assert "2" in (_problem(cleaned, "text.control-characters")["message_it"] or "")


def test_a_code_is_kept_as_found_but_for_blanks() -> None:
    assert _clean(local_code=" to7.1.1 .b/ÀC ").table["record"].item() == "to7.1.1 .b/ÀC"


@pytest.mark.parametrize(
    ("raw", "code", "problem"),
    [
        ("Azione 7.1.1", "7.1.1", None),
        ("7.1.1.b", "7.1.1", None),
        ("Azione 1.1.1 - Agenda digitale (azione 1.1.1)", "1.1.1", None),
        ("Azione", None, "action.unreadable"),
        ("Azioni 1.1.1 e 1.1.2", None, "action.several"),
    ],
)
def test_an_action_is_known_by_its_code(raw: str, code: str | None, problem: str | None) -> None:
    cleaned = _clean(action=raw)
    assert cleaned.table.select("action", "action_code").row(0) == (raw, code)
    assert [c for c in cleaned.problems["code"] if c.startswith("action")] == ([problem] if problem else [])


def test_documents_are_addresses_and_the_rest_is_told() -> None:
    cleaned = _clean(
        documents="Relazione: https://a.it/x.pdf, HTTP://b.it/y.\nwww.comune.torino.it/z\njavascript:alert(1)"
    )
    told = cleaned.problems.filter(pl.col("code") == "url.malformed")
    assert cleaned.table["documents"].item().to_list() == ["https://a.it/x.pdf", "HTTP://b.it/y"]
    assert told["raw"].to_list() == ["www.comune.torino.it/z", "javascript:alert(1)"]
    assert told["suggestion"].to_list() == ["https://www.comune.torino.it/z", None]


def test_a_theme_has_a_slug() -> None:
    cleaned = _clean(thematic_area="Inclusione  sociale")
    assert cleaned.table.select("thematic_area", "thematic_area_slug").row(0) == (
        "Inclusione sociale", "inclusione-sociale",
    )  # fmt: skip


def test_names_without_a_latin_letter_are_told() -> None:
    cleaned = _clean(thematic_area="…", implementing_body="Comune di Torino; Општина")
    told = cleaned.problems.filter(pl.col("code") == "name.unusable")
    assert told["raw"].to_list() == ["…", "Општина"]


# --- places --------------------------------------------------------------------------------------


def test_a_municipality_gets_its_official_identifiers() -> None:
    row = _clean(city="Comune di Torino").table.row(0, named=True)
    assert row["city_istat"] == "001272"
    assert row["city_name"] == "Torino"
    assert row["city_iri"].endswith("/cities/001272-(2015-01-01)")
    assert row["region_name"] == "Piemonte"


def test_a_municipality_of_many_is_decided_by_its_province_only() -> None:
    several = _clean(city="Samone")
    assert several.table["city_istat"].item() is None
    assert "Samone (TN)" in (_problem(several, "municipality.ambiguous")["message_it"] or "")
    assert _clean(city="Samone (TN)").table["city_istat"].item() == "022165"
    assert _problem(_clean(city="Torino (MI)"), "municipality.unknown")["raw"] == "Torino (MI)"


# --- nothing is lost -----------------------------------------------------------------------------

_TYPED: dict[str, tuple[str, ...]] = {name: (name,) for name in SOURCE.fields} | {
    "action": ("action", "action_code"),
    "city": ("city_istat",),
    "thematic_area": ("thematic_area_slug",),
}
NOISY = st.text() | st.text(alphabet="0123456789.,-/ €'()abmilDE\n\x00\u00a0\u200b;:°", max_size=30)


@PROPERTY
@given(st.dictionaries(st.sampled_from(sorted(SOURCE.fields.keys() - {"local_code"})), NOISY, min_size=1))
@example({"rup": "\x00", "implementing_body": ";", "title": "\u200b", "documents": "\x00\n;", "cup": "\x00"})
@example({"action": "-\x08"})
@example({"city": "\x00", "action": "\x00", "thematic_area": "\u200e", "rup": ";", "implementing_body": "\x00,"})
def test_every_value_becomes_typed_or_a_problem(given_values: dict[str, str]) -> None:
    """Whatever is given: no exception, and each value stands in its typed column or in a problem of its field."""
    cleaned = _clean(**given_values)
    told = set(cleaned.problems.filter(~pl.col("code").is_in(["field.missing", "cup.year-far"]))["field"])
    absent = {word.lower() for word in SOURCE.absent}
    assert cleaned.problems.schema == problems.SCHEMA
    for name, raw in given_values.items():
        seen = pl.select(texts.line(pl.lit(raw))).item() or ""  # "-" with an invisible character is a dash to all
        if not _BLANK_ONLY.fullmatch(raw) and seen.lower() not in absent:
            assert name in told or all(cleaned.table[column].item() is not None for column in _TYPED[name]), name


def test_a_code_of_nothing_visible_is_told_and_is_no_key() -> None:
    cleaned = _clean(local_code="\x00", cup="C19J21037430006")
    assert cleaned.table["record"].item() == "C19J21037430006"
    assert _problem(cleaned, "text.control-characters")["field"] == "local_code"


@PROPERTY
@given(st.lists(NOISY, min_size=1, max_size=8))
def test_a_column_is_read_as_its_values_are_one_by_one(raws: list[str]) -> None:
    for read in (amounts.read, dates.read):
        together = read(pl.Series(raws, dtype=pl.String))
        assert together.rows() == [read(pl.Series([raw], dtype=pl.String)).row(0) for raw in raws]


# --- real data -----------------------------------------------------------------------------------


def test_every_date_of_opencup_is_read() -> None:
    records = pl.DataFrame(_shared("opencup/progetti.json")["opencup"], infer_schema_length=None)
    raw = records["DATA_GENERAZIONE_CUP"]
    read = dates.read(raw)
    assert raw.null_count() == 0
    assert read["value"].null_count() == 0
    assert read["value"].dt.strftime("%d-%b-%Y").str.to_uppercase().to_list() == raw.to_list()


def test_few_real_projects_start_far_from_the_year_of_their_cup() -> None:
    _shared("opencup/progetti.json")
    tenders = pl.read_parquet(SHARED / "pnrr/gare.parquet", columns=["cup", "data_pubblicazione_del_cig"])
    first = (
        tenders.drop_nulls().group_by("cup").agg(pl.col("data_pubblicazione_del_cig").min().dt.year().alias("start"))
    )
    away = first.select(pl.col("start") - cup.year(pl.col("cup"))).to_series()
    assert away.len() > 26_000
    far = away.filter((away < -cup.START_BEFORE) | (away > cup.START_AFTER)).len()
    assert 0 < far / away.len() < 0.005


def _shared(name: str) -> dict[str, list[dict[str, str | None]]]:
    if not (SHARED / name).is_file():
        pytest.skip(f"the open data is not here: {name} in shared/data beside the repository")
    told: dict[str, list[dict[str, str | None]]] = json.loads((SHARED / name).read_bytes())
    return told
