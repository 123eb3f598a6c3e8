"""What can be wrong with a source, in words: declared in problems.toml, made here, never written inline.

A problem is a row: what code, how severe, where it was found, what was found, and a sentence in Italian and in
English. Rows are made vectorised (`table`), so a million bad values cost no Python loop.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final, Literal

import polars as pl

Severity = Literal["violation", "warning", "info"]
Withholds = Literal["record", "statement", "nothing"]

#: What a caller may give; the rest follows from the code.
CONTEXT: Final = ("source", "record", "field", "file", "place", "raw", "suggestion", "reason", "reason_en")
#: The columns of problems.parquet, all strings; empty cells are null.
SCHEMA: Final = pl.Schema(
    dict.fromkeys(
        ("code", "severity", *CONTEXT[:6], "message_it", "message_en", *CONTEXT[6:]),
        pl.String(),
    )
)

_PLACEHOLDER: Final = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True)
class Kind:
    """One declared problem: its severity, what it keeps from being published, its title and message.

    One that is `gathered` is published once for each file and field, with how often it occurs.
    """

    code: str
    severity: Severity
    withholds: Withholds
    title: dict[str, str]
    message: dict[str, str]
    gathered: bool = False


class Unusable(Exception):
    """A whole file or record that cannot be used: `code` is declared in problems.toml, `details` fill its message."""

    def __init__(self, code: str, **details: str) -> None:
        self.code, self.details = code, details
        super().__init__(one(code, **details)["message_en"].item())


@cache
def kinds() -> dict[str, Kind]:
    """Every declared problem by its code, in the order of problems.toml."""
    declared = tomllib.loads(files("etl").joinpath("problems.toml").read_text(encoding="utf-8"))
    return {code: Kind(code=code, **entry) for code, entry in declared.items()}


def empty() -> pl.DataFrame:
    """No problems: a table with the right columns and no rows."""
    return pl.DataFrame(schema=SCHEMA)


def table(code: str, found: pl.DataFrame) -> pl.DataFrame:
    """Problems of one kind, one for each row of `found`.

    `found` holds any of the CONTEXT columns and a column for each placeholder of the message; a missing
    placeholder is a programming error (KeyError), a null one is shown as "?".
    """
    kind = kinds()[code]
    found = found.with_columns(pl.lit(None, pl.String).alias(c) for c in CONTEXT if c not in found.columns)
    return found.select(
        pl.lit(code).alias("code"),
        pl.lit(kind.severity).alias("severity"),
        *(pl.col(c).cast(pl.String) for c in CONTEXT[:6]),
        _filled(kind.message["it"], found).alias("message_it"),
        _filled(kind.message["en"], found).alias("message_en"),
        *(pl.col(c).cast(pl.String) for c in CONTEXT[6:]),
    ).match_to_schema(SCHEMA)


def one(code: str, **values: str | None) -> pl.DataFrame:
    """A single problem as a table of one row; `values` are CONTEXT columns and placeholders."""
    return table(code, pl.DataFrame({name: [value] for name, value in values.items()} or {"raw": [None]}))


def together(tables: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """Several problem tables as one."""
    return pl.concat([empty(), *tables])


def _filled(message: str, found: pl.DataFrame) -> pl.Expr:
    """`message` with each {placeholder} replaced by the column of that name, shortened to what a person reads."""
    names = _PLACEHOLDER.findall(message)
    for name in names:
        if name not in found.columns:
            raise KeyError(f"the message needs {{{name}}}; given: {', '.join(found.columns)}")
    parts = [_shortened(pl.col(name).cast(pl.String)).fill_null("?") for name in names]
    return pl.format(_PLACEHOLDER.sub("{}", message), *parts) if parts else pl.lit(message)


def _shortened(text: pl.Expr, limit: int = 200) -> pl.Expr:
    text = text.str.replace_all(r"\s*[\r\n]+\s*", " ")  # a message is one line
    return pl.when(text.str.len_chars() > limit).then(text.str.head(limit) + "…").otherwise(text)
