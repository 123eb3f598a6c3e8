"""What every cleaner gives: columns, and what is wrong with the values they come from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import polars as pl

from etl import iris, texts
from etl.source import Field, Source

#: The column that numbers the rows a cleaner is given, from 0.
ROW: Final = "@row"
#: The column with the day a place's code is of, where the field has one (`on`).
ON: Final = "@on"


@dataclass(frozen=True)
class Found:
    """Problems of one code and field: a frame with `@row`, the message's placeholders, and perhaps a raw of its own."""

    code: str
    field: Field | None
    rows: pl.DataFrame


@dataclass(frozen=True)
class Column:
    """A cleaned field: its columns, as many rows as were given, the same columns for any rows; and what is wrong."""

    values: pl.DataFrame
    found: tuple[Found, ...] = ()


#: A cleaner is given rows that hold `@row`, the field as strings and perhaps `@on`; each row is read by itself.
Cleaner = Callable[[pl.DataFrame, Field, Source], Column]


def by_code(wrong: pl.DataFrame, field: Field) -> tuple[Found, ...]:
    """One set of problems for each code in `wrong`."""
    coded = wrong.filter(pl.col("code").is_not_null())
    return tuple(
        Found(str(code), field, part.drop("code", "value"))
        for (code,), part in coded.group_by("code", maintain_order=True)
    )


def controls(rows: pl.DataFrame, field: Field) -> Found:
    """The control characters taken out of a field, counted."""
    counted = rows.select(ROW, found=texts.controls(pl.col(field.name))).filter(pl.col("found") > 0)
    return Found("text.control-characters", field, counted)


def from_windows(rows: pl.DataFrame, field: Field) -> Found:
    """The characters of a field that were taken for others, and are read as what they were."""
    counted = rows.select(ROW, found=texts.from_windows(pl.col(field.name))).filter(pl.col("found") > 0)
    return Found("text.windows-1252", field, counted)


def refused(rows: pl.DataFrame, field: Field, value: str = "value") -> pl.DataFrame:
    """The rows that have something in the field and no `value`."""
    return rows.filter(pl.col(field.name).is_not_null() & pl.col(value).is_null()).select(ROW)


def named(rows: pl.DataFrame, field: Field, names: pl.Expr, identified: bool = False) -> Column:
    """A name or list of names. Given, but with nothing left, or nothing to make an identifier of: a problem."""
    read = rows.select(ROW, raw=pl.col(field.name), value=names)
    without = pl.col("raw").is_not_null() & pl.col("value").is_null()
    unusable = [read.filter(without).select(ROW, "raw")]
    if identified:
        each = (
            read.select(ROW, raw="value").explode("raw")
            if isinstance(read.schema["value"], pl.List)
            else read.select(ROW, raw="value")
        )
        nameless = each.filter(~pl.col("raw").str.contains("[A-Za-z0-9]"))
        unusable.append(nameless.filter(iris.slugs(pl.col("raw")).is_null()))
    return Column(
        read.select(pl.col("value").alias(field.name)),
        (Found("name.unusable", field, pl.concat(unusable)), controls(rows, field)),
    )
