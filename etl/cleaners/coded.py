"""Cleaners of codes: of projects, tenders, bodies and persons, and of what official lists hold."""

from __future__ import annotations

import polars as pl

from etl import codes, cup, tax_codes, texts
from etl.cleaners.columns import ROW, Column, Found, controls, refused
from etl.cleaners.written import widened
from etl.source import Field, Source


def project_code(rows: pl.DataFrame, field: Field, _source: Source) -> Column:
    """A project code (CUP), as officially written."""
    raw = pl.col(field.name)
    read = rows.select(ROW, raw=raw, code=cup.normalised(raw))
    read = read.with_columns(value=pl.when(cup.is_wellformed(pl.col("code"))).then(pl.col("code")))
    odd = read.filter(pl.col("raw").is_not_null() & pl.col("value").is_null())
    parsed = {text: cup.parse(text) for text in odd["raw"].unique()}
    repeated = {text: one.code for text, one in parsed.items() if isinstance(one, cup.Cup)}
    if repeated:
        read = read.with_columns(value=pl.coalesce("value", pl.col("raw").replace_strict(repeated, default=None)))
    malformed = [one for one in parsed.values() if isinstance(one, cup.Malformed)]
    faults = pl.DataFrame(
        {
            "raw": [m.raw for m in malformed],
            "detail_it": [m.detail_it for m in malformed],
            "detail_en": [m.detail_en for m in malformed],
            "suggestion": [m.suggestion for m in malformed],
            "found": [", ".join(m.found) if len(m.found) > 1 else None for m in malformed],
        },
        schema=dict.fromkeys(("raw", "detail_it", "detail_en", "suggestion", "found"), pl.String),
    )
    wrong = odd.select(ROW, "raw").join(faults, on="raw", maintain_order="left")
    changed = read.filter(pl.col("raw") != pl.col("value")).select(ROW, "value")
    return Column(
        read.select(pl.col("value").alias(field.name)),
        (
            Found("cup.malformed", field, wrong.filter(pl.col("found").is_null()).drop("found")),
            Found("cup.several", field, wrong.filter(pl.col("found").is_not_null()).select(ROW, "found")),
            Found("cup.normalised", field, changed),
        ),
    )


def tender_code(rows: pl.DataFrame, field: Field, _source: Source) -> Column:
    """A tender code (CIG), or its short form: ten digits and letters (https://www.anticorruzione.it/)."""
    read = rows.select(
        ROW, raw=pl.col(field.name), code=pl.col(field.name).str.replace_all(r"\s", "").str.to_uppercase()
    )
    read = read.with_columns(value=pl.when(pl.col("code").str.contains(r"^[0-9A-Z]{10}$")).then(pl.col("code")))
    wrong = read.filter(pl.col("raw").is_not_null() & pl.col("value").is_null()).select(ROW)
    changed = read.filter(pl.col("raw") != pl.col("value")).select(ROW, "value")
    return Column(
        read.select(pl.col("value").alias(field.name)),
        (Found("cig.malformed", field, wrong), Found("cig.normalised", field, changed)),
    )


def tax_code(rows: pl.DataFrame, field: Field, _source: Source) -> Column:
    """A body's tax code; a person's stands in a column of its own, for it is no body's identifier."""
    name = field.name
    read = tax_codes.read(rows[name]).with_columns(rows[ROW])
    wrong = read.filter(pl.col("code").is_not_null()).select(ROW)
    # A person's code is not repeated in the problem: it says the day and the place of birth.
    persons = read.filter(pl.col("person").is_not_null()).select(ROW, raw=pl.lit(None, pl.String))
    return Column(
        read.select(pl.col("value").alias(name), pl.col("person").alias(f"{name}_person")),
        (
            Found("tax-code.malformed", field, wrong),
            Found("tax-code.padded", field, read.filter("padded").select(ROW, "value")),
            Found("tax-code.person", field, persons),
        ),
    )


def coded(rows: pl.DataFrame, field: Field, _source: Source) -> Column:
    """A code of a list: with its identifier, its label and whatever else the list says of it."""
    name = field.name
    known = codes.scheme(field.scheme)
    known = known.rename({column: f"{name}_{column}" for column in known.columns}).with_columns(
        folded=pl.col(f"{name}_code").str.to_lowercase()
    )
    read = rows.with_columns(folded=widened(texts.line(pl.col(name)), field).str.to_lowercase()).join(
        known, on="folded", how="left", maintain_order="left"
    )
    wrong = refused(read, field, f"{name}_code").with_columns(scheme=pl.lit(field.scheme))
    return Column(
        read.select(
            pl.col(f"{name}_code").alias(name), *(c for c in known.columns if c not in (f"{name}_code", "folded"))
        ),
        (Found("code.unknown", field, wrong), controls(rows, field)),
    )
