"""Columns that are there on a condition, for mappings are projections and know none; and days that are no amounts."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl

from etl import values
from etl.source import Field, Source


def source(**fields: Any) -> Source:
    """A source of rows with these fields, known by `key`."""
    told = {"key": Field("key", "code"), **{name: Field(name, **entry) for name, entry in fields.items()}}
    return Source(
        id="test", title={}, description={}, publisher="", licence="", homepage="", patterns=(), headings=(),
        absent=(), body_starts=(), constants={}, axes={}, fields=told, mapping=Path(), form="table", key=("key",),
        decimal=".",
    )  # fmt: skip


def cleaned(rows: list[dict[str, str | None]], **fields: Any) -> values.Cleaned:
    wanted = source(**fields)
    names = [name for name, field in wanted.fields.items() if field.type != "joined"]
    table = [{"key": str(number), **row} for number, row in enumerate(rows)]
    return values.clean(pl.DataFrame(table, schema=dict.fromkeys(names, pl.String)), wanted)


ROWS: list[dict[str, str | None]] = [
    {"code": "99999100011", "name": "Esempio"},
    {"code": None, "name": "Esempio"},
    {"code": "****************", "name": None},
    {"code": None, "name": None},
]
AGENT = {"code": {"type": "tax_code", "tells_null": True}, "name": {"type": "code"}}


def test_a_joined_field_is_there_when_one_of_these_is() -> None:
    agent = {"type": "joined", "of": ("key",), "when": ("code", "name", "code_null")}
    assert cleaned(ROWS, **AGENT, agent=agent).table["agent"].to_list() == ["0", "1", "2", None]


def test_a_joined_field_is_not_there_when_one_of_those_is() -> None:
    agent = {"type": "joined", "of": ("key",), "when": ("name",), "unless": ("code",)}
    assert cleaned(ROWS, **AGENT, agent=agent).table["agent"].to_list() == [None, "1", None, None]


def test_why_there_is_no_value_is_a_column() -> None:
    assert cleaned(ROWS, **AGENT).table["code_null"].to_list() == [None, None, "masked", None]


def test_the_columns_are_the_same_without_rows() -> None:
    assert cleaned([], **AGENT).table.schema == cleaned(ROWS, **AGENT).table.schema


def test_part_of_a_joined_field_is_taken() -> None:
    entry = {"type": "joined", "of": ("code",), "take": "^([0-9]{8})-[0-9]$"}
    told = cleaned([{"code": "72261000-2"}, {"code": "72261000"}, {"code": None}], code={"type": "code"}, entry=entry)
    assert told.table["entry"].to_list() == ["72261000", None, None]
    assert told.problems.select("code", "record", "field", "raw").rows() == [
        ("code.malformed", "1", "entry", "72261000")
    ]


def test_a_day_as_spreadsheets_number_it_is_no_amount() -> None:
    rows: list[dict[str, str | None]] = [
        {"day": "2022-02-10", "amount": "44602.0"},
        {"day": "2022-02-11", "amount": "44602.0"},
        {"day": "2022-02-10", "amount": "44602.01"},
        {"day": None, "amount": "44602.0"},
        {"day": "2022-02-10", "amount": None},
    ]
    told = cleaned(rows, day={"type": "date"}, amount={"type": "amount", "not_day": "day"})
    amounts = [None, Decimal("44602.00"), Decimal("44602.01"), Decimal("44602.00"), None]
    assert told.table["amount"].to_list() == amounts
    assert told.table["day"].to_list()[0] == date(2022, 2, 10)
    assert told.problems.select("code", "record", "field", "raw").rows() == [
        ("amount.is-a-day", "0", "amount", "44602.0")
    ]
    assert "2022-02-10" in told.problems["message_en"][0]
