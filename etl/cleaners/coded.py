"""Cleaners of codes: of projects, tenders, bodies and persons, and of what official lists hold."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl

from etl import cig, codes, cup, ocr, tax_codes, texts
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
            "reason": [m.reason_it or None for m in malformed],
            "reason_en": [m.reason_en or None for m in malformed],
            "found": [", ".join(m.found) if len(m.found) > 1 else None for m in malformed],
        },
        schema=dict.fromkeys(("raw", "detail_it", "detail_en", *ocr.SUGGESTED, "found"), pl.String),
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


def tender_code(rows: pl.DataFrame, field: Field, source: Source) -> Column:
    """A tender code (CIG), or its short form: ten digits and letters (https://www.anticorruzione.it/).

    One of a sheet whose check characters are wrong is published and told, with what OCR may have made it of.
    """
    read = rows.select(
        ROW, raw=pl.col(field.name), code=pl.col(field.name).str.replace_all(r"\s", "").str.to_uppercase()
    )
    read = read.with_columns(value=pl.when(pl.col("code").str.contains(r"^[0-9A-Z]{10}$")).then(pl.col("code")))
    wrong = _meant(read.filter(pl.col("raw").is_not_null() & pl.col("value").is_null()), cig.meant)
    unchecked = _meant(read.filter(cig.fails(pl.col("value")) & pl.lit(source.form == "sheet")), cig.meant)
    changed = read.filter(pl.col("raw") != pl.col("value")).select(ROW, "value")
    return Column(
        read.select(pl.col("value").alias(field.name)),
        (
            Found("cig.malformed", field, wrong),
            Found("cig.check", field, unchecked),
            Found("cig.normalised", field, changed),
        ),
    )


def tax_code(rows: pl.DataFrame, field: Field, _source: Source) -> Column:
    """A body's tax code; a person's stands in a column of its own, for it is no body's identifier."""
    name = field.name
    read = tax_codes.read(rows[name]).with_columns(rows[ROW], raw=rows[name])
    wrong = _meant(read.filter(pl.col("code").is_not_null()), _body_meant)
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


def _body_meant(raw: str) -> ocr.Meant | None:
    """The body's code whose check digit is right that OCR may have spoilt. Persons' codes are not told in problems."""
    found = ocr.readings("".join(raw.split()), [ocr.DIGITS] * 11)
    right = pl.DataFrame({"code": [reading.text for reading in found]}, schema={"code": pl.String})
    checked = right.select(tax_codes.is_body(pl.col("code"))).to_series()
    return ocr.meant(reading for reading, ok in zip(found, checked, strict=True) if ok)


def _meant(wrong: pl.DataFrame, meant: Callable[[str], ocr.Meant | None]) -> pl.DataFrame:
    """What OCR may have made wrong values (`raw`) of, with the reason."""
    return wrong.select(ROW).hstack(ocr.columns(map(meant, wrong["raw"])))


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
