"""What the pages call the fields of the sources."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from endpoint.describe import Term
from endpoint.language import LANGUAGES, Language, words
from endpoint.naming import field_name
from endpoint.problems import collect
from endpoint.terms import full
from etl.source import Source, sources

SHEETS = [source for source in sources().values() if source.form == "sheet"]


def read_fields(source: Source) -> Iterator[str]:
    """The fields that sheets of a source write under a label, and what is looked up in a list of codes for them.

    Both can stand in a reading or in a problem; a field that is only put together from others cannot.
    """
    columns = [column for group in source.groups.values() for column in group.columns.values()]
    for field in (*source.fields.values(), *columns):
        if field.labels or field.scheme:
            yield f"{field.group}.{field.name}" if field.group else field.name


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("source", SHEETS, ids=lambda source: source.id)
def test_every_field_read_from_a_sheet_is_called_by_words_of_ours(source: Source, lang: str) -> None:
    known = words(lang)
    fields = list(read_fields(source))
    assert fields
    assert not [code for code in fields if {f"field.{code}", f"field.{code.rpartition('.')[2]}"}.isdisjoint(known)]
    assert not [name for name in source.groups if f"group.{name}" not in known]


def test_a_field_is_called_by_our_words_or_the_source_s_or_its_own_name() -> None:
    assert field_name("start_date", Language("it")) == "Data d’inizio"
    assert field_name("object_code", Language("it"), "Codice oggetto:") == "Codice oggetto"
    assert field_name("object_code", Language("it")) == "object code"
    assert field_name("timetable.start_date", Language("en")) == "Timetable: Start date"


def test_a_column_that_means_something_of_its_own_is_not_called_as_the_field_of_its_name() -> None:
    assert field_name("unit", Language("en")) == "Organisational unit"
    assert field_name("indicators.unit", Language("en")) == "Indicators: Unit of measure"


@pytest.mark.parametrize(
    ("code", "italian", "english"),
    [
        ("lots.award_amount", "Lotti: Importo di aggiudicazione", "Lots: Award amount"),
        ("award_amount", "Importo di aggiudicazione", "Award amount"),
        ("object_code", "object code", "object code"),
    ],
)
def test_a_problem_calls_its_field_as_the_readings_do(code: str, italian: str, english: str) -> None:
    row = {
        "problem": Term("iri", "https://example.org/id/problem/1"),
        "p": Term("iri", full("cupola:field")),
        "o": Term("literal", code),
    }
    assert [problem.field_name for problem in collect([row], Language("it"))] == [italian]
    assert [problem.field_name for problem in collect([row], Language("en"))] == [english]
