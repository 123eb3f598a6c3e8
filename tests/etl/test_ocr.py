"""Errors of OCR: found in codes, amounts and dates, and suggested; repaired in prose; and what is left of a sheet."""

from __future__ import annotations

import dataclasses
import json
import random
import unicodedata
from datetime import date
from decimal import Decimal
from functools import cache
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks import ocr as benchmark
from etl import amounts, cig, dates, ocr, prose, read, values
from etl.cleaners import CLEANERS
from etl.source import Field, Source, sources

VALUES = Path(__file__).parent / "values"
SHEETS = Path(__file__).parent / "sheets"
EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.txt"))
PROPERTY = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
FORM = r"(?:BO|MI|TO)[1-9](?:\.[0-9]{1,2}){2}\.[a-z]"
#: What digits are read as that no amount or date can hold.
LETTERS = {"0": "O", "1": "l", "2": "Z", "5": "S", "6": "b", "8": "B", "9": "g"}


def _cases(name: str) -> list[tuple[str, str | None, str]]:
    lines = (VALUES / name).read_text(encoding="utf-8").splitlines()
    cells = [line.split("\t") for line in lines if line and not line.startswith("#")]
    return [(raw, suggestion or None, reason) for raw, suggestion, reason in cells]


def _told(meant: ocr.Meant | None) -> tuple[str | None, str, str]:
    return (meant.suggestion, meant.reason_it, meant.reason_en) if meant else (None, "", "")


# --- codes, amounts, dates ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("raw", "suggestion", "reason"), _cases("amounts.misread.txt"))
def test_a_spoilt_amount_is_refused_and_its_only_reading_suggested(
    raw: str, suggestion: str | None, reason: str
) -> None:
    told = amounts.read(pl.Series([raw])).row(0, named=True)
    assert (told["value"], told["code"], told["suggestion"]) == (None, "amount.unreadable", suggestion)
    assert reason in (told["reason"] or "")
    assert (told["reason"] is None) is (told["reason_en"] is None)


@pytest.mark.parametrize(("raw", "suggestion", "reason"), _cases("dates.misread.txt"))
def test_a_spoilt_date_is_refused_and_its_only_reading_suggested(raw: str, suggestion: str | None, reason: str) -> None:
    told = dates.read(pl.Series([raw])).row(0, named=True)
    assert (told["value"], told["code"], told["suggestion"]) == (None, "date.unreadable", suggestion)
    assert reason in (told["reason"] or "")
    assert (told["reason"] is None) is (told["reason_en"] is None)


@pytest.mark.parametrize(("raw", "suggestion", "reason"), _cases("codes.misread.txt"))
def test_a_spoilt_code_of_a_known_form_has_the_code_it_was(raw: str, suggestion: str | None, reason: str) -> None:
    found, it, en = _told(ocr.patterned(raw, FORM))
    assert found == suggestion
    assert reason in it
    assert bool(it) is bool(en)


@pytest.mark.parametrize(("raw", "suggestion", "reason"), _cases("cig.misread.txt"))
def test_a_spoilt_tender_code_has_the_code_whose_check_is_right(raw: str, suggestion: str | None, reason: str) -> None:
    found, it, _ = _told(cig.meant(raw))
    assert (found, it) == (suggestion, reason)


@PROPERTY
@given(st.integers(0, 9_999_999), st.integers(0, 16**7 - 1), st.sampled_from("XYZ"))
def test_columns_and_single_tender_codes_agree_on_the_check(number: int, serial: int, first: str) -> None:
    long, short = f"{number:07}{number * 211 % 4091:03X}", f"{first}{serial * 211 % 251:02X}{serial:07X}"
    for code in (long, short):
        assert cig.passes(code)
        wrong = code[:-1] + ("0" if code[-1] != "0" else "1")
        told = pl.DataFrame({"code": [code, wrong, "A0123456B7", None]}).select(cig.fails(pl.col("code")))["code"]
        assert told.to_list() == [False, not cig.passes(wrong), False, False]


@PROPERTY
@given(st.decimals(1, amounts.LIMIT, places=2), st.sets(st.integers(0, 20), min_size=1))
def test_letters_in_an_amount_are_never_published_and_the_amount_is_suggested(
    amount: Decimal, places: set[int]
) -> None:
    written = f"{amount:,.2f}".translate(str.maketrans(",.", ".,"))
    spoilt = "".join(LETTERS.get(sign, sign) if place in places else sign for place, sign in enumerate(written))
    told = amounts.read(pl.Series([spoilt])).row(0, named=True)
    if spoilt == written:
        assert told["value"] == amount
    else:
        assert told["value"] is None
        assert told["suggestion"] == (str(amount) if any(map(str.isdigit, spoilt)) else None)


@PROPERTY
@given(st.dates(date(dates.EARLIEST, 1, 1), date(dates.LATEST, 12, 31)), st.sets(st.integers(0, 9), min_size=1))
def test_letters_in_a_date_are_never_published_and_the_date_is_suggested(day: date, places: set[int]) -> None:
    written = f"{day:%d-%m-%Y}"
    spoilt = "".join(LETTERS.get(sign, sign) if place in places else sign for place, sign in enumerate(written))
    told = dates.read(pl.Series([spoilt])).row(0, named=True)
    if spoilt == written:
        assert told["value"] == day
    else:
        assert told["value"] is None
        assert told["suggestion"] == (day.isoformat() if any(map(str.isdigit, spoilt)) else None)


@PROPERTY
@given(st.text(alphabet="0123456789OlISBZ.,;:'€CE -/|gqabcemnoru\u00a0", max_size=25))
def test_a_suggestion_can_itself_be_read_and_has_a_reason(raw: str) -> None:
    for read_ in (amounts.read, dates.read):
        told = read_(pl.Series([raw])).row(0, named=True)
        if told["suggestion"] is not None:
            assert told["value"] is None
            assert read_(pl.Series([told["suggestion"]]))["value"].item() is not None
            assert told["reason"]
            assert told["reason_en"]


def test_too_many_readings_are_none() -> None:
    assert ocr.readings("1" * 10, ["1I"] * 10, doubtful=True)
    assert ocr.readings("1" * 11, ["1I"] * 11, doubtful=True) == ()


def test_more_than_a_few_readings_are_not_all_named() -> None:
    told = ocr.meant(ocr.Reading(str(number), ()) for number in range(9))
    assert told == ocr.Meant(None, "letture possibili: 0, 1, 2, 3, …", "possible readings: 0, 1, 2, 3, …")


def test_a_spoilt_project_code_is_withheld_and_one_of_another_form_is_told() -> None:
    row = {"file": "x.txt", "title": "Orti", "city": "Torino", "cup": "C19J2O999990008"}
    both = [{**row, "local_code": "TO7.l.1.b"}, {**row, "local_code": "PON-2021-a"}]
    cleaned = values.clean(pl.DataFrame(both), sources()["ponmetro"])
    told = {p["code"]: p for p in cleaned.problems.to_dicts()}
    assert cleaned.table["local_code"].to_list() == ["PON-2021-a"]
    assert (told["code.malformed"]["suggestion"], told["code.unlike"]["raw"]) == ("TO7.1.1.b", "PON-2021-a")
    assert told["cup.malformed"]["suggestion"] == "C19J20999990008"
    assert told["cup.malformed"]["reason"] == "posizione 6: O letto per 0"


@pytest.mark.parametrize(
    ("field", "raw", "code", "suggestion"),
    [
        (Field("code", "cig"), "99999I2C6D", "cig.check", "9999912C6D"),
        (Field("code", "cig"), "99999|2C6D", "cig.malformed", "9999912C6D"),
        (Field("code", "cig"), "9999-912", "cig.malformed", None),
        (Field("code", "tax_code"), "9999999999O", "tax-code.malformed", "99999999990"),
        (Field("code", "tax_code"), "999999999l2", "tax-code.malformed", None),
        (Field("code", "tax_code"), "9999999999B", "tax-code.malformed", None),
    ],
)
def test_codes_with_a_check_are_suggested_by_it(field: Field, raw: str, code: str, suggestion: str | None) -> None:
    rows = pl.DataFrame({"@row": [0], "code": [raw]}, schema={"@row": pl.UInt32, "code": pl.String})
    (told,) = [each for each in CLEANERS[field.type](rows, field, sources()["ponmetro"]).found if each.rows.height]
    assert told.code == code
    assert told.rows["suggestion"].to_list() == [suggestion]


# --- prose -------------------------------------------------------------------------------------------------------

RULES = [pytest.param(rule, id=str(number)) for number, rule in enumerate(prose.rules(), start=1)]


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_repairs_its_examples_and_leaves_the_rest(rule: prose.Rule) -> None:
    assert rule.examples
    assert rule.unlike
    for wrong, right in rule.examples:
        alone = unicodedata.normalize("NFC", rule.pattern.sub(rule.replacement, wrong))
        assert (alone, prose.one(wrong)[0]) == (right, right)
    for text in rule.unlike:
        assert rule.pattern.sub(rule.replacement, text) == text
        assert prose.one(text) == (text, None)


def test_a_right_word_stays_and_a_confused_one_is_read_as_it() -> None:
    for wrong, right in prose.confused().items():
        assert prose.one(right) == (right, None)
        assert prose.one(f"la {wrong}.") == (f"la {right}.", f"{wrong} → {right}")
        assert prose.one(wrong.capitalize())[0] == right.capitalize()
        assert prose.one(wrong.upper())[0] == wrong.upper()  # capitals are not confused so


def test_the_noise_of_a_real_sheet_is_repaired() -> None:
    found = (
        "L'azione volta a superare le fragility sociali prevede I'attivazione di percorsi, un sistema innovative "
        "finalizzato alle reti, occasioni e opportunity diffuse; è emersa I'esigenza di una linea finalizzata alia "
        "generazione di un impatto innovativo, in coerenza con Io sviluppo dell'azione."
    )
    read_, told = prose.one(found)
    assert read_ == (
        "L'azione volta a superare le fragilità sociali prevede l'attivazione di percorsi, un sistema innovativo "
        "finalizzato alle reti, occasioni e opportunità diffuse; è emersa l'esigenza di una linea finalizzata alla "
        "generazione di un impatto innovativo, in coerenza con lo sviluppo dell'azione."
    )
    assert told == (
        "fragility → fragilità; I'attivazione → l'attivazione; innovative → innovativo; opportunity → opportunità; "
        "I'esigenza → l'esigenza; alia → alla; Io → lo"
    )


@pytest.mark.parametrize(
    "text",
    [
        "Io sono un operatore. Io studio, io sviluppo, poi Io scrivo.",
        "I servizi, I percorsi e i progetti; fase I, fase II, Giovanni XXIII",
        "Nell'App IO: l'IA, il WiFi, eIDAS, pagoPA, SPID/CIE; IoT e ISEE",
        "Smart City, community, opportunity fund, Creative Commons, innovative public procurement",
        "Delia Rossi e Alia Servizi Ambientali S.p.A., inter alia, in via Dalia 1",
        "CITTA' DI TORINO - PERCHE' NO? E' GIA' COSI'",
        "dal 1'30\" al 2'; 1.1.1 Azione, 10%, € 1.200.000,00, CUP C19J21037430006",
    ],
)
def test_right_text_stays_as_it_is(text: str) -> None:
    assert prose.one(text) == (text, None)


@pytest.mark.parametrize(
    "path",
    [path for path in (*EXAMPLES, *sorted(SHEETS.glob("*.txt"))) if path.stem != "ocr-labels"],
    ids=lambda path: path.stem,
)
def test_no_sheet_of_the_repository_is_changed(path: Path) -> None:
    text = "\n".join(read.text(path).lines)
    assert prose.one(text) == (text, None)


@PROPERTY
@given(st.text(alphabet="aeiolI1'’ .,\nnsturcdhmAzvyèé`", max_size=60))
def test_repairing_keeps_blanks_and_says_every_change(text: str) -> None:
    read_, told = prose.one(text)
    assert len(read_.split()) == len(text.split())
    assert (told is None) is (read_ == text)
    assert prose.repaired(pl.Series([text, None, text], dtype=pl.String)).rows() == [
        (read_, told),
        (None, None),
        (read_, told),
    ]


@cache
def _reading_prose() -> Source:
    """The sheets' source, whose title and description are read through OCR's errors."""
    source = sources()["ponmetro"]
    told = {name: dataclasses.replace(source.fields[name], ocr=True) for name in ("title", "description")}
    return dataclasses.replace(source, fields={**source.fields, **told})


def test_prose_is_published_repaired_and_the_problem_says_which_words() -> None:
    row = {"file": "x.txt", "local_code": "TO7.1.1.z", "title": "Servizi per I'infanzia", "city": "Torino",
           "description": "Reti.\n\nLinea finalizzata alia cura e alia casa", "thematic_area": "I'ambito"}  # fmt: skip
    cleaned = values.clean(pl.DataFrame([row]), _reading_prose())
    published = cleaned.table.row(0, named=True)
    told = {p["field"]: p for p in cleaned.problems.to_dicts() if p["code"] == "text.ocr-repaired"}
    assert published["title"] == published["label"] == "Servizi per l'infanzia"
    assert published["description"] == "Reti.\n\nLinea finalizzata alla cura e alla casa"
    assert published["thematic_area"] == "I'ambito"  # a name is no prose
    assert set(told) == {"title", "description"}
    assert told["title"]["raw"] == "Servizi per I'infanzia"
    assert told["description"]["severity"] == "info"
    assert "alia → alla" in told["description"]["message_it"]
    assert told["description"]["reason"] == told["description"]["reason_en"] == "alia → alla"


# --- noise -------------------------------------------------------------------------------------------------------


def test_noise_is_the_same_for_the_same_seed_and_as_much_as_asked_for() -> None:
    text = "Importo Programmato\n€ 1.200.000,00 per l'anno 2021, alla scuola\n" * 200
    assert benchmark.spoilt(text, 0, random.Random(1)) == text
    once, again = (benchmark.spoilt(text, 5, random.Random(1)) for _ in range(2))
    assert once == again != text
    lines = zip(text.splitlines(), benchmark.spoilt(text, 5, random.Random(2)).splitlines(), strict=False)
    changed = sum(one != other for one, other in lines)
    assert changed > 100


def test_one_digit_for_another_is_read_only_when_asked_for() -> None:
    digits = [sign for options in benchmark.confusions().values() for sign in options if sign[0] in ocr.DIGITS]
    assert not any(read_ in ocr.DIGITS for _, read_, _ in digits)
    assert ("3", "8", 2.0) in benchmark.confusions(figures=True)["3"]


#: What must be kept of a sheet with so many errors in a hundred signs: [precision, recall] of CUPs, amounts and dates,
#: of project codes, the share of wrong values that is told, of labels found. Measured on these copies less a margin.
FLOORS = json.loads((Path(__file__).parent / "values" / "ocr-floors.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("percent", sorted(FLOORS))
def test_what_is_left_of_spoilt_sheets_gets_no_less(percent: str) -> None:
    source, floor = sources()["ponmetro"], FLOORS[percent]
    result = benchmark.measure(EXAMPLES, source, float(percent), copies=4)
    seen = result.together(name for name in benchmark.exact(source) if source.fields[name].type != "code")
    codes = result.together(name for name in benchmark.exact(source) if source.fields[name].type == "code")
    assert seen.precision >= floor["precision"], benchmark.table(result, source)
    assert seen.recall >= floor["recall"], benchmark.table(result, source)
    assert seen.told >= floor["found"], benchmark.table(result, source)
    assert seen.suggested >= floor["suggested"], benchmark.table(result, source)
    assert seen.suggestions >= floor["suggestions"], benchmark.table(result, source)
    assert codes.precision >= floor["codes"], benchmark.table(result, source)
    assert result.labels_found / result.labels >= floor["labels"], benchmark.table(result, source)


def test_repairing_prose_makes_no_right_word_wrong() -> None:
    source = _reading_prose()
    result = benchmark.measure(EXAMPLES, source, 2, copies=4)
    assert result.words["repaired"] > 0
    assert result.words["made worse"] == 0
    assert result.words["repaired wrongly"] <= result.words["repaired"]
