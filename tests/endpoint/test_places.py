"""Places in a file: in words (the cases are data/places.csv) and in order."""

from __future__ import annotations

import csv
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from endpoint.language import LANGUAGES, Language
from endpoint.places import in_words, order

_TABLE = (Path(__file__).parent / "data" / "places.csv").read_text(encoding="utf-8")
CASES = list(csv.reader(_TABLE.splitlines()))[1:]


@pytest.mark.parametrize(("place", "italian", "english"), CASES, ids=[case[0] for case in CASES])
def test_a_place_is_said_in_the_words_of_the_page_s_language(place: str, italian: str, english: str) -> None:
    assert in_words(place, Language("it")) == italian
    assert in_words(place, Language("en")) == english


@pytest.mark.parametrize(
    "places",
    [
        ["line 2", "lines 5-9", "line 10", "lines 100-101"],
        ["page 1, line 3", "page 1, lines 4-9", "page 2, line 1", "page 10, line 1"],
        ["Sheet1!B7", "Sheet1!AA7", "Sheet1!A8", "Sheet1!B10", "Sheet2!A1"],
        ["/html/body/dl[1]/dd[2]", "/html/body/dl[1]/dd[10]", "/html/body/dl[2]/dd[1]", "JSON-LD 1, name"],
        ["line 1", "page 2, line 1", "meta og:title"],
    ],
)
def test_places_come_in_the_order_of_the_document_and_metadata_last(places: list[str]) -> None:
    mixed = random.Random(7).sample(places, len(places))
    assert sorted(mixed, key=order) == places


PLACES = st.lists(st.sampled_from([case[0] for case in CASES]) | st.text(max_size=30), max_size=8)


@settings(max_examples=200, deadline=None)
@given(PLACES)
def test_whatever_a_place_looks_like_it_can_be_said_and_sorted(places: list[str]) -> None:
    assert len(sorted([*places, None], key=order)) == len(places) + 1
    for place in places:
        for code in LANGUAGES:
            assert (in_words(place, Language(code)) == "") == (place == "")
