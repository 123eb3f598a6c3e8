"""Cleaners of places: municipalities by name or code, provinces, regions, with their official identifiers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from typing import Final

import polars as pl

from etl import places, texts
from etl.cleaners.columns import ON, ROW, Column, Found, controls, refused
from etl.source import Field, Source

#: The columns of a municipality known by its code, after the field's name.
_MUNICIPALITY: Final = ("name", "iri", "province_iri", "province_name", "region_iri", "region_name")
#: How many digits a code has.
_PROVINCE: Final = 3
_REGION: Final = 2
_Area = places.Province | places.Region


def municipality(rows: pl.DataFrame, field: Field, _source: Source) -> Column:
    """A municipality by its name of today (or its last), with the IRIs of its province and region."""
    read = rows.select(ROW, raw=pl.col(field.name), name=texts.line(pl.col(field.name)))
    asked = {name: _by_name(name) for name in read["name"].drop_nulls().unique(maintain_order=True)}
    known = {name: place for name, place in asked.items() if isinstance(place, places.Found)}
    several = {name: place.candidates for name, place in asked.items() if isinstance(place, places.Ambiguous)}
    columns = {
        f"{field.name}_istat": [place.istat for place in known.values()],
        f"{field.name}_name": [place.name for place in known.values()],
        f"{field.name}_iri": [place.iri for place in known.values()],
        "province_iri": [place.province_iri for place in known.values()],
        "province_name": [place.province_name for place in known.values()],
        "region_iri": [place.region_iri for place in known.values()],
        "region_name": [place.region_name for place in known.values()],
    }
    found = pl.DataFrame({"name": list(known), **columns}, schema=dict.fromkeys(("name", *columns), pl.String))
    candidates = {name: ", ".join(f"{one.name} ({one.abbreviation})" for one in each) for name, each in several.items()}
    told = read.with_columns(
        candidates=pl.col("name").replace_strict(candidates, default=None, return_dtype=pl.String)
    ).filter(pl.col("name").is_not_null() & ~pl.col("name").is_in(list(known)))
    return Column(
        read.join(found, on="name", how="left", maintain_order="left").select(
            pl.col("name").alias(field.name), *columns
        ),
        (
            Found("municipality.unknown", field, told.filter(pl.col("candidates").is_null()).select(ROW)),
            Found(
                "municipality.ambiguous",
                field,
                told.filter(pl.col("candidates").is_not_null()).select(ROW, "candidates"),
            ),
            controls(rows, field),
        ),
    )


def _by_name(name: str) -> places.Found | places.Unknown | places.Ambiguous:
    """The municipality of a name; the province's letters after it ("Samone (TN)") must agree, and decide."""
    told = re.fullmatch(r"(.+?)[ ,]*\(([A-Za-z]{2})\)", name)
    if told is None:
        return places.find(name)
    found = places.find(told[1])
    borne = found.candidates if isinstance(found, places.Ambiguous) else (found,)
    agreeing = [one for one in borne if isinstance(one, places.Found) and one.abbreviation == told[2].upper()]
    return agreeing[0] if len(agreeing) == 1 else places.Unknown(name)


def istat(rows: pl.DataFrame, field: Field, _source: Source) -> Column:
    """A municipality by its ISTAT code, as it was on the day of `on`; else as it is today or was last.

    Nine digits are a region's, a province's and a municipality's three; fewer than six lost their zeros in a table.
    """
    name = field.name
    line = texts.line(pl.col(name))
    read = rows.select(
        ROW,
        name,
        (pl.col(ON) if ON in rows.columns else pl.lit(None, pl.Date)).alias(ON),
        code=pl.when(line.str.contains("^[0-9]{9}$"))
        .then(line.str.slice(3))
        .when(line.str.contains("^[0-9]{4,6}$"))
        .then(line.str.zfill(6)),
        region=pl.when(line.str.contains("^[0-9]{9}$")).then(line.str.head(3).str.strip_prefix("0")),
        short=line.str.contains("^[0-9]{4,5}$"),
    )
    asked = read.select("code", ON).drop_nulls("code").unique(maintain_order=True)
    told = [_by_code(code, on) for code, on in asked.iter_rows()]
    columns = {
        "code": pl.String, ON: pl.Date, "value": pl.String, "@region": pl.String,
        **{f"{name}_{part}": pl.String for part in _MUNICIPALITY},
    }  # fmt: skip
    known = pl.DataFrame(
        [
            (*row, place.istat, place.region, *(getattr(place, part) for part in _MUNICIPALITY))
            for row, place in zip(asked.iter_rows(), told, strict=True)
            if place is not None
        ],
        schema=columns,
        orient="row",
    )
    read = read.join(known, on=["code", ON], how="left", nulls_equal=True, maintain_order="left")
    agrees = pl.col("region").is_null() | (pl.col("region") == pl.col("@region"))
    read = read.with_columns(pl.when(agrees).then(pl.col(c)) for c in known.columns if c not in ("code", ON))
    padded = read.filter(pl.col("short") & pl.col("value").is_not_null())
    return Column(
        read.select(pl.col("value").alias(name), *(f"{name}_{part}" for part in _MUNICIPALITY)),
        (
            Found("istat.unknown", field, refused(read, field)),
            Found("istat.padded", field, padded.select(ROW, "value")),
        ),
    )


def _by_code(code: str, on: date | None) -> places.Found | None:
    """The municipality of a code on a day; if it was not there that day, as it is today or was last."""
    found = places.by_istat(code, on)
    if isinstance(found, places.Unknown) and on is not None:
        found = places.by_istat(code)
    return found if isinstance(found, places.Found) else None


def province(rows: pl.DataFrame, field: Field, _source: Source) -> Column:
    """A province by its ISTAT code or its two letters, with its region."""
    known = {key: one for one in places.provinces() for key in (one.code, one.abbreviation)}
    return _area(rows, field, _PROVINCE, known, ("iri", "name", "region_iri", "region_name"))


def region(rows: pl.DataFrame, field: Field, _source: Source) -> Column:
    """A region by its ISTAT code."""
    return _area(rows, field, _REGION, {one.code: one for one in places.regions()}, ("iri", "name"))


def _area(rows: pl.DataFrame, field: Field, width: int, known: Mapping[str, _Area], parts: tuple[str, ...]) -> Column:
    """A place looked up by its code, of `width` digits whatever the zeros before it, or by its letters."""
    name = field.name
    columns = ("asked", "value", *(f"{name}_{part}" for part in parts))
    table = pl.DataFrame(
        [(key, one.code, *(getattr(one, part) for part in parts)) for key, one in known.items()],
        schema=dict.fromkeys(columns, pl.String),
        orient="row",
    )
    line = texts.line(pl.col(name)).str.to_uppercase()
    asked = (
        pl.when(line.str.contains("^[0-9]+$")).then(line.str.strip_chars_start("0").str.zfill(width)).otherwise(line)
    )
    read = rows.with_columns(asked=asked).join(table, on="asked", how="left", maintain_order="left")
    kind_it, kind_en = ("provincia", "province") if width == _PROVINCE else ("regione", "region")
    wrong = refused(read, field).with_columns(kind_it=pl.lit(kind_it), kind_en=pl.lit(kind_en))
    return Column(
        read.select(pl.col("value").alias(name), *columns[2:]),
        (Found("place.unknown-code", field, wrong),),
    )
