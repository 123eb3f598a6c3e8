"""Problems are declared, complete, and made for whole tables at once."""

from __future__ import annotations

import re

import polars as pl
import pytest

from etl import problems


@pytest.mark.parametrize("kind", problems.kinds().values(), ids=lambda kind: kind.code)
def test_every_declared_problem_speaks_both_languages_with_the_same_facts(kind: problems.Kind) -> None:
    assert kind.severity in {"violation", "warning", "info"}
    assert kind.withholds in {"record", "statement", "nothing"}
    assert set(kind.title) == set(kind.message) == {"it", "en"}
    named = {
        language: sorted(set(re.findall(r"\{(\w+?)(?:_it|_en)?\}", text))) for language, text in kind.message.items()
    }
    assert named["it"] == named["en"]


def test_a_table_of_problems_has_a_row_for_each_row_found() -> None:
    found = pl.DataFrame({"file": ["a.txt", "b.txt"], "raw": ["31-02-2021", None]})
    told = problems.table("date.impossible", found)
    assert told.schema == problems.SCHEMA
    assert told["message_en"].to_list() == [
        '"31-02-2021" does not exist in the calendar',
        '"?" does not exist in the calendar',
    ]


def test_a_missing_placeholder_is_noticed_by_the_programmer_not_by_the_reader() -> None:
    with pytest.raises(KeyError, match="limit"):
        problems.one("file.too-large", found="3")


def test_a_long_raw_value_is_shortened_in_the_message_but_kept_whole() -> None:
    told = problems.one("date.unreadable", raw="x" * 5000)
    assert len(told["message_en"].item()) < 400
    assert len(told["raw"].item()) == 5000
