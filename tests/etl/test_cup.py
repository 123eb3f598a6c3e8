"""The CUP: what is one, what is none and why, and that columns and single values are read alike."""

from __future__ import annotations

import json
import re
from pathlib import Path

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from etl import cup

VALUES = Path(__file__).parent / "values"
SHARED = Path(__file__).parents[2].parent / "shared" / "data"
PROPERTY = settings(deadline=None)
WELLFORMED = st.from_regex(r"\A[A-Z][0-9]{2}[A-Z][0-9]{11}\Z")


def _lines(name: str) -> list[list[str]]:
    """A list of values: raw and what is expected of it, with \\uXXXX read as the character."""
    told = (VALUES / name).read_text(encoding="utf-8").splitlines()
    rows = [line.split("\t") for line in told if line and not line.startswith("#")]
    return [[re.sub(r"\\u([0-9a-f]{4})", lambda m: chr(int(m[1], 16)), cell) for cell in row] for row in rows]


def _column(text: str, expression: pl.Expr) -> object:
    return pl.DataFrame({"text": [text]}, schema={"text": pl.String}).select(expression).item()


@pytest.mark.parametrize(("raw", "code"), _lines("cup.valid.txt"))
def test_a_cup_is_read_however_it_is_written(raw: str, code: str) -> None:
    assert cup.parse(raw) == cup.Cup(code)


@pytest.mark.parametrize(("raw", "words", "suggestion"), [[*row, None][:3] for row in _lines("cup.invalid.txt")])
def test_what_is_no_cup_says_what_is_wrong(raw: str, words: str, suggestion: str | None) -> None:
    told = cup.parse(raw)
    assert isinstance(told, cup.Malformed)
    assert words in told.detail_it
    assert told.detail_en not in ("", told.detail_it)
    assert told.suggestion == suggestion


@PROPERTY
@given(st.text())
@example("CUP:\nC19J21037430006")
@example("codice cup n° c19j-2103 7430006")
@example("ßC19J21037430006ſı")
def test_columns_and_single_values_are_normalised_alike(text: str) -> None:
    assert _column(text, cup.normalised(pl.col("text"))) == cup.normalise(text)


@PROPERTY
@given(st.text(alphabet="CUPcup:. \n\t-nN°BJ019OI\u00a0\u200b", max_size=40))
def test_columns_and_single_values_agree_on_what_is_a_cup(text: str) -> None:
    code = cup.normalise(text)
    wellformed = _column(code, cup.is_wellformed(pl.col("text")))
    assert wellformed is isinstance(cup.parse(code), cup.Cup)
    if wellformed:
        assert cup.parse(text) == cup.Cup(code)


@PROPERTY
@given(WELLFORMED)
def test_columns_and_single_values_agree_on_the_year(code: str) -> None:
    assert _column(code, cup.year(pl.col("text"))) == cup.Cup(code).year


@PROPERTY
@given(WELLFORMED, st.sampled_from([" {} ", "CUP: {}", "{}.", "({})", "CUP {}", "\n{}\n"]))
def test_a_cup_survives_what_people_write_around_it(code: str, form: str) -> None:
    small = code.lower().replace("l", "L")  # no CUP has an L: a small one is an I or a 1 read wrong
    assert cup.parse(form.format(small)) == cup.Cup(code)


@PROPERTY
@given(st.from_regex(r"\A[B-J][0-9]{2}[A-J][0-9]{11}\Z"), st.sets(st.integers(0, 14), min_size=1))
def test_signs_ocr_took_for_one_another_are_found_and_said(code: str, places: set[int]) -> None:
    wrong = {"0": "O", "1": "l", "2": "Z", "5": "S", "6": "G", "8": "B", "B": "8", "I": "1", "D": "0"}
    read = "".join(wrong.get(sign, sign) if place in places else sign for place, sign in enumerate(code))
    if read != code:
        told = cup.parse(read)
        assert isinstance(told, cup.Malformed)
        assert told.suggestion == code
        assert told.reason_it.count("posizione") == told.reason_en.count("position") == len(_differing(read, code))


def _differing(one: str, other: str) -> list[int]:
    return [place for place, (a, b) in enumerate(zip(one, other, strict=True)) if a != b]


def test_of_several_possible_codes_none_is_suggested_and_all_are_named() -> None:
    told = cup.parse("c1gj21037430006")
    assert isinstance(told, cup.Malformed)
    assert told.suggestion is None
    assert told.reason_it == "letture possibili: C19J21037430006, C16J21037430006"
    assert told.reason_en == "possible readings: C19J21037430006, C16J21037430006"


@PROPERTY
@given(st.text())
def test_any_text_is_a_cup_or_is_explained(text: str) -> None:
    told = cup.parse(text)
    if isinstance(told, cup.Malformed):
        assert told.detail_it
        assert told.detail_en
        assert all(isinstance(cup.parse(meant), cup.Cup) for meant in told.suggestions)


def test_a_year_is_null_for_what_is_no_cup() -> None:
    codes = pl.DataFrame({"text": [None, "", "C19J", "c19j21037430006", "C19J21037430006\n"]})
    assert codes.select(cup.year(pl.col("text")))["text"].to_list() == [None] * 5


@pytest.mark.parametrize(
    ("short", "year"), [("00", 2000), ("24", 2024), ("49", 2049), ("50", 1950), ("91", 1991), ("99", 1999)]
)
def test_the_century_of_a_year(short: str, year: int) -> None:
    assert cup.Cup(f"C19J{short}037430006").year == year


def test_an_explanation_covers_every_character_once_in_both_languages() -> None:
    told = cup.explain(cup.Cup("C19J21037430006"))
    assert "".join(part.characters for part in told.parts) == "C19J21037430006"
    assert [part.first for part in told.parts] == [1, *(part.last + 1 for part in told.parts[:-1])]
    assert all(part.it and part.en and "{" not in part.it + part.en for part in told.parts)
    assert any("2021" in part.it and "2021" in part.en for part in told.parts)


def test_an_explanation_says_that_form_is_no_proof() -> None:
    ((it, en),) = cup.explain(cup.Cup("C19J21037430006")).notes
    assert "non prova che esista" in it
    assert "does not prove" in en
    assert it.endswith("https://opencup.gov.it/portale/progetto/-/cup/C19J21037430006")


def test_an_explanation_tells_unusual_characters_and_years() -> None:
    notes = [it for it, _ in cup.explain(cup.Cup("Z19K55037430006")).notes[1:]]
    assert ["«Z»" in notes[0], "«K»" in notes[1], "1955" in notes[2]] == [True] * 3


def test_every_real_cup_but_one_is_written_officially() -> None:
    codes = _real_cups()
    read = codes.select("cup", code=cup.normalised(pl.col("cup")))
    assert codes.height > 213_000
    assert read.filter(~cup.is_wellformed(pl.col("code"))).is_empty()
    assert read.filter(pl.col("cup") != pl.col("code"))["cup"].to_list() == ["G17h03000130001"]


def test_the_letters_called_usual_are_those_of_real_cups() -> None:
    read = _real_cups().select(code=cup.normalised(pl.col("cup")))
    notes = [part["usual"] for part in cup._facts()["part"] if "usual" in part]
    seen = ["".join(sorted(read["code"].str.slice(at, 1).unique())) for at in (0, 3)]
    assert seen == notes


def _real_cups() -> pl.DataFrame:
    """Every different CUP of the shared open data, as found but for blanks around it."""
    if not SHARED.is_dir():
        pytest.skip(f"the open data is not here: {SHARED.name} beside the repository")
    tables = [
        pl.read_parquet(SHARED / "pnrr/progetti_validati.parquet", columns=["CUP"]),
        pl.read_parquet(SHARED / "pnrr/localizzazioni.parquet", columns=["CUP"]),
        pl.read_parquet(SHARED / "pnrr/pagamenti.parquet", columns=["cup"]),
        pl.read_parquet(SHARED / "pnrr/gare.parquet", columns=["cup"]),
        pl.read_csv(SHARED / "pnrr/soggetti_validati.csv", separator=";", columns=["CUP"], infer_schema=False),
        pl.read_csv(SHARED / "pnrr/progetti_2022.csv", separator=";", infer_schema=False).select("CUP "),
        pl.read_csv(SHARED / "opencup/focus_piemonte.csv", columns=["CODICE_CUP"], infer_schema=False),
        pl.read_csv(SHARED / "anac/cup_cig.csv", columns=["CUP"], infer_schema=False),
        pl.DataFrame(
            {"cup": [r["CUP"] for r in json.loads((SHARED / "opencup/progetti.json").read_bytes())["opencup"]]}
        ),
    ]
    every = pl.concat(table.select(pl.first().str.strip_chars().alias("cup")) for table in tables)
    return every.drop_nulls().unique()
