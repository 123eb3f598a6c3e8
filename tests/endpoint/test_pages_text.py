"""Words, numbers, dates and colours of the pages."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path
from string import Formatter

import pytest

import endpoint
from endpoint.language import LANGUAGES, Language, words
from endpoint.operation import cup_view
from endpoint.terms import licence_name, short
from endpoint.views import Text

HERE = Path(endpoint.__file__).parent
SOURCES = [*HERE.glob("*.py"), *HERE.glob("templates/*.html")]

# Keys that templates and views put together from a part that varies.
COMPOSED = re.compile(
    r"(month|term|topic|field|group|role|place|media|sort|format|nav)\..*|error\.\d+|home\.(operations|cups|triples|problems)\.(one|many)"
    r"|problem\.(violation|warning|info)(_plural|_note)?|projects\.(city|region|source|any_.*)"
    r"|projects\.(programmed|admitted|committed|disbursed)"
    r"|operation\.(programmed|admitted|committed|disbursed|total_funding|total_payments|granted)(_note)?"
    r"|operation\.(programme|action|thematic_area|official|opencup|documents)|project\.(contracts|disagreements)"
    r"|inverse\..*|ontology\.(classes|(object|datatype|other)_properties|individuals|schemes|in_(it|en)|checked_(by|on))"
    r"|sparql\.(table|result|running|rows_one|rows_many|failed|unreachable|shown_rows)"
)


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


def test_both_languages_have_the_same_words_with_the_same_blanks() -> None:
    italian, english = words("it"), words("en")
    assert italian.keys() == english.keys()
    differing = {
        key
        for key in italian
        if key != "format.short_date" and placeholders(italian[key]) != placeholders(english[key])
    }
    assert not differing
    assert not [key for lang in LANGUAGES for key, text in words(lang).items() if not text.strip()]


def test_every_word_is_used_and_every_word_used_is_there() -> None:
    source = "".join(path.read_text(encoding="utf-8") for path in SOURCES)
    known = words("it")
    used = set(re.findall(r"""\bt(?:\.count)?\(\s*['"]([\w.]+)['"]\s*[,)]""", source))
    used |= set(re.findall(r"""(?:lang|language)\(\s*['"]([\w.]+)['"]""", source))
    missing = {key for key in used if key not in known and f"{key}.one" not in known}
    assert not missing
    counted = {f"{key}.{form}" for key in used for form in ("one", "many")}
    conditional = set(re.findall(r"""['"](\w+\.\w+)['"] if [^'"]+ else ['"]""", source))
    conditional |= set(re.findall(r"""else ['"](\w+\.\w+)['"]""", source))
    unused = {key for key in known if key not in used | counted | conditional and not COMPOSED.fullmatch(key)}
    assert not unused


def test_an_unknown_word_is_an_error() -> None:
    with pytest.raises(KeyError):
        Language("it")("home.no-such-word")


@pytest.mark.parametrize(
    ("lexical", "italian", "english"),
    [
        ("1190893.72", "1.190.893,72 €", "€1,190,893.72"),
        ("1200000.00", "1.200.000,00 €", "€1,200,000.00"),
        ("1200000", "1.200.000,00 €", "€1,200,000.00"),
        ("0.1", "0,10 €", "€0.10"),
        ("-5", "−5,00 €", "€−5.00"),
        ("1.005", "1,005 €", "€1.005"),  # more decimals than cents stay: nothing is rounded away
        ("9007199254740993.01", "9.007.199.254.740.993,01 €", "€9,007,199,254,740,993.01"),
        ("123456789012345678901234567890.12", "123.456.789.012.345.678.901.234.567.890,12 €",
         "€123,456,789,012,345,678,901,234,567,890.12"),
        ("+.5", "0,50 €", "€0.50"),
        ("NaN", "NaN", "NaN"),
        ("circa 3", "circa 3", "circa 3"),
        ("1e5", "1e5", "1e5"),
    ],
)  # fmt: skip
def test_amounts_are_written_exactly(lexical: str, italian: str, english: str) -> None:
    assert Language("it").amount(lexical) == italian
    assert Language("en").amount(lexical) == english


@pytest.mark.parametrize(
    ("lexical", "italian", "english", "short_italian", "short_english"),
    [
        ("2023-06-30", "30 giugno 2023", "30 June 2023", "30/06/2023", "30 Jun 2023"),
        ("2023-01-05Z", "5 gennaio 2023", "5 January 2023", "05/01/2023", "5 Jan 2023"),
        ("30-09-0021", "30-09-0021", "30-09-0021", "30-09-0021", "30-09-0021"),
        ("2023-13-01", "2023-13-01", "2023-13-01", "2023-13-01", "2023-13-01"),
    ],
)
def test_dates_are_written(lexical: str, italian: str, english: str, short_italian: str, short_english: str) -> None:
    assert (Language("it").date(lexical), Language("en").date(lexical)) == (italian, english)
    assert Language("it").date(lexical, "short_date") == short_italian
    assert Language("en").date(lexical, "short_date") == short_english


def test_counts_and_shares_are_in_words() -> None:
    italian = Language("it")
    assert italian.count("projects.found", 1) == "1 progetto"
    assert italian.count("projects.found", 12345) == "12.345 progetti"
    assert italian.percent(Decimal("218177.38"), Decimal(1200000)) == "18,2 %"


def test_a_label_is_chosen_in_the_page_s_language_then_untagged_then_any() -> None:
    english = Language("en")
    assert english.choose({"it": "a", "en": "b", "": "c"}) == ("b", "en")
    assert english.choose({"it": "a", "": "c"}) == ("c", "")
    assert english.choose({"de": "d", "it": "a"}) == ("a", "it")
    assert english.choose({"de": "d"}) == ("d", "de")
    assert english.choose({}) is None


@pytest.mark.parametrize(
    ("code", "year"),
    [
        ("C19J21037430006", "2021"),
        ("C19J98037430006", "1998"),
        ("C19J91037430006", "1991"),
        ("C19J21", None),
        ("", None),
    ],
)
def test_the_year_a_cup_tells(code: str, year: str | None) -> None:
    assert cup_view(code).year == year


def test_short_names_of_terms_and_licences() -> None:
    assert short("https://w3id.org/italia/onto/Project/projectTitle") == "PRJ:projectTitle"
    assert short("https://example.org/x") is None
    assert licence_name("https://creativecommons.org/licenses/by/4.0/") == "CC BY 4.0"
    assert licence_name("https://creativecommons.org/licenses/by-sa/3.0/it/") == "CC BY-SA 3.0"
    assert licence_name("https://creativecommons.org/publicdomain/zero/1.0/") == "CC0 1.0"
    assert licence_name("https://www.dati.gov.it/iodl/2.0/") == "IODL 2.0"
    assert licence_name("https://example.org/licence") == "https://example.org/licence"


def test_a_text_is_cut_into_its_paragraphs() -> None:
    assert Text("Uno.\n\n Due.\nTre.\n").paragraphs == ["Uno.", "Due.", "Tre."]


# --- colours: WCAG 2.2, 1.4.3 and 1.4.11 (https://www.w3.org/TR/WCAG22/#contrast-minimum) ---


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def palette() -> dict[str, dict[str, str]]:
    css = (HERE / "static" / "cupola.css").read_text(encoding="utf-8")
    blocks = re.findall(r":root \{(.*?)\}", css, re.DOTALL)
    light, dark = (dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", block)) for block in blocks[:2])
    return {"light": light, "dark": {**light, **dark}}


TEXT = [
    *((ink, paper) for paper in ("paper", "card", "faint") for ink in ("ink", "soft", "link", "visited")),
    ("terracotta", "paper"), ("terracotta", "card"), ("on-deep", "deep"), ("on-deep-soft", "deep"),
    ("ink", "warning-soft"), ("violation", "paper"), ("violation", "card"),
    *((kind, f"{kind}-soft") for kind in ("violation", "warning", "info")),
]  # fmt: skip


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_the_contrast_of_wcag_aa(scheme: str) -> None:
    colours = palette()[scheme]
    weak = {pair: contrast(colours[pair[0]], colours[pair[1]]) for pair in TEXT}
    assert not {pair: ratio for pair, ratio in weak.items() if ratio < 4.5}
    assert contrast("#ffffff", colours["button"]) >= 4.5
    assert contrast(colours["focus"], colours["paper"]) >= 3
    assert contrast(colours["fill"], colours["track"]) >= 3
    assert contrast(colours["fill-last"], colours["track"]) >= 3
    assert contrast("#7b8794", colours["card"]) >= 3  # the border of a field
