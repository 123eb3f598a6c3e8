"""Strings as they stand in a source -> typed columns, and a problem for every value that cannot be or looks wrong.

Pure: tables in, tables out. Nothing is repaired on the quiet: a wrong value leaves its column null and a problem
behind, with a suggestion where the record itself tells what was meant (DESIGN "Values and problems").
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import polars as pl

from etl import amounts, cup, dates, iris, places, problems, texts
from etl.source import Field, FieldType, Source

#: The fields a record is known and dated by, whatever the source calls them.
TITLE: Final = "title"
LOCAL_CODE: Final = "local_code"
CUP: Final = "cup"
START: Final = "start_date"
END: Final = "end_date"

_ROW: Final = "@row"
_ACTION: Final = r"[0-9]{1,2}(?:\.[0-9]{1,2}){1,3}"


@dataclass(frozen=True)
class Cleaned:
    """Typed records (rows with neither code nor CUP are left out) and all problems, also those of rows left out."""

    table: pl.DataFrame
    problems: pl.DataFrame


@dataclass(frozen=True)
class _Found:
    """Problems of one code and field: a frame with `@row`, the message's placeholders, and perhaps a raw of its own."""

    code: str
    field: Field | None
    rows: pl.DataFrame


@dataclass(frozen=True)
class _Column:
    """A cleaned field: its columns, as many rows as the table, and what is wrong."""

    values: pl.DataFrame
    found: tuple[_Found, ...] = ()


def clean(table: pl.DataFrame, source: Source) -> Cleaned:
    """Typed columns and problems from a table of strings.

    `table` has a column for each field of the source, as found, null where absent, and may have `<field>@place`,
    `file`, `sha256` and `place`. Amounts become Decimal(20, 2) in euro, dates Date, lists List(String), all else
    String; `record` is the key (the local code, else the CUP), `label` what to call the record.
    """
    rows = _present(table, source)
    cleaners = _CLEANERS | {"bodies": partial(_bodies, starts=source.body_starts)}
    columns = {f.name: cleaners[f.type](rows, f) for f in source.fields.values()}
    found = [problem for column in columns.values() for problem in column.found]
    typed = pl.concat(
        [rows.select(_ROW, "file", "sha256", "place"), *(column.values for column in columns.values())],
        how="horizontal",
    ).with_columns(pl.lit(value).alias(name) for name, value in source.constants.items())
    if source.axes:
        axis = pl.col("action_code").str.split(".").list.first()
        named = axis.replace_strict(source.axes, default=None, return_dtype=pl.String)
        typed = typed.with_columns(axis_name=named, axis=pl.when(named.is_not_null()).then(axis))
        # What the action stands right under: its axis, or the programme when the axis is not known.
        typed = typed.with_columns(action_programme=pl.when(pl.col("axis").is_null()).then("programme"))
    # A field the source does not have counts as absent.
    known = {name: typed.schema.get(name) for name in (TITLE, LOCAL_CODE, CUP)}
    here = [pl.col(name) if known[name] is not None else pl.lit(None, pl.String) for name in known]
    title, local_code, code = here
    identity = pl.concat_str(source.key, separator="/") if source.key else pl.coalesce(local_code, code)
    typed = typed.with_columns(record=identity, label=pl.coalesce(texts.line(title), local_code, code))
    found = [*_with_suggestions(found, typed), *_across(typed, source), *_missing(rows, typed, source)]
    told = problems.together(
        problems.table(each.code, _in_context(each, rows, typed, source)) for each in found if each.rows.height
    )
    kept = typed.filter(pl.col("record").is_not_null())
    return Cleaned(kept.select("record", "label", pl.exclude(_ROW, "record", "label")), told)


# --- before and after the fields -----------------------------------------------------------------


def _present(table: pl.DataFrame, source: Source) -> pl.DataFrame:
    """The table with every column there may be, blank and absent values null, and a row number."""
    wanted = ["file", "sha256", "place", *(c for name in source.fields for c in (name, f"{name}@place"))]
    table = table.with_columns(pl.lit(None, pl.String).alias(c) for c in wanted if c not in table.columns)
    absent = [words.lower() for words in source.absent]
    return (
        table.select(wanted)
        .with_columns(
            pl.when(
                ~texts.is_blank(pl.col(name))
                & ~texts.line(pl.col(name)).str.to_lowercase().is_in(absent).fill_null(False)
            )
            .then(pl.col(name))
            .alias(name)
            for name in source.fields
        )
        .with_row_index(_ROW)
    )


def _in_context(found: _Found, rows: pl.DataFrame, typed: pl.DataFrame, source: Source) -> pl.DataFrame:
    """Problem rows with record, file, place, raw value and source."""
    name = found.field.name if found.field else None
    # A sheet's field stands at a line of its own, a table's in the row.
    place = pl.coalesce(f"{name}@place", "place") if name else pl.col("place")
    raw = pl.col(name) if name else pl.lit(None, pl.String)
    context = rows.select(_ROW, "file", place.alias("place"), raw.alias("raw")).join(
        typed.select(_ROW, "record"), on=_ROW, maintain_order="left"
    )
    own = [column for column in found.rows.columns if column != _ROW]
    return found.rows.join(context.select(pl.exclude(own)), on=_ROW, how="left", maintain_order="left").with_columns(
        source=pl.lit(source.id), field=pl.lit(name, pl.String)
    )


def _missing(rows: pl.DataFrame, typed: pl.DataFrame, source: Source) -> Iterator[_Found]:
    """Records nothing identifies, and expected fields that are absent in the others."""
    nameless = typed.filter(pl.col("record").is_null()).select(_ROW)
    if source.key:
        labels = ", ".join(source.fields[name].label for name in source.key)
        whole = rows.select(_ROW, raw=texts.whole(source.fields))  # the row is not published: it stands here
        yield _Found(
            "table.no-key",
            None,
            nameless.join(whole, on=_ROW, maintain_order="left").with_columns(label=pl.lit(labels)),
        )
    else:
        yield _Found("identity.missing", None, nameless)
    named = rows.join(nameless, on=_ROW, how="anti", maintain_order="left")
    for field in source.fields.values():
        if field.expected:
            without = named.filter(pl.col(field.name).is_null())
            yield _Found("field.missing", field, without.select(_ROW, label=pl.lit(field.label)))


def _across(typed: pl.DataFrame, source: Source) -> Iterator[_Found]:
    """What only two fields together show: a start far from the year of the CUP."""
    if CUP not in source.fields or START not in source.fields:
        return
    years = pl.col("start_year") - pl.col("cup_year")
    far = typed.select(_ROW, cup=CUP, start_year=pl.col(START).dt.year(), cup_year=cup.year(pl.col(CUP))).filter(
        (years < -cup.START_BEFORE) | (years > cup.START_AFTER)
    )
    yield _Found("cup.year-far", source.fields[START], far)


def _with_suggestions(found: Iterable[_Found], typed: pl.DataFrame) -> Iterator[_Found]:
    """Wrong start and end dates get the date the rest of the record points to, if there is exactly one."""
    for each in found:
        if each.field is None or each.field.name not in (START, END) or "day" not in each.rows.columns:
            yield each
            continue
        code = pl.col(CUP) if CUP in typed.columns else pl.lit(None, pl.String)
        told = typed.select(
            _ROW,
            code.alias("code"),
            *((pl.col(name) if name in typed.columns else pl.lit(None, pl.Date)).alias(name) for name in (START, END)),
        )
        meant = [
            dates.meant(
                row["day"],
                row["month"],
                row["year"],
                each.field.name == START,
                dates.Evidence(cup.Cup(row["code"]) if row["code"] else None, row[START], row[END]),
            )
            for row in each.rows.join(told, on=_ROW, how="left", maintain_order="left").iter_rows(named=True)
        ]
        words = {
            "suggestion": [m and m.date.isoformat() for m in meant],
            "reason": [m and m.reason_it for m in meant],
            "reason_en": [m and m.reason_en for m in meant],
        }
        new = pl.DataFrame(words, schema=dict.fromkeys(words, pl.String))
        yield _Found(
            each.code,
            each.field,
            pl.concat([each.rows.select(pl.exclude("day", "month", "year")), new], how="horizontal"),
        )


# --- one cleaner for each type -------------------------------------------------------------------


def _amount(rows: pl.DataFrame, field: Field) -> _Column:
    read = amounts.read(rows[field.name])
    wrong = read.with_columns(
        rows[_ROW],
        limit=pl.lit(str(amounts.LIMIT)),
        reason=pl.when(pl.col("suggestion").is_not_null()).then(
            pl.lit("le cifre dicono questo, la nota accanto va valutata")
        ),
        reason_en=pl.when(pl.col("suggestion").is_not_null()).then(
            pl.lit("so the figures say; the remark beside them needs a person")
        ),
    )
    return _Column(read.select(pl.col("value").alias(field.name)), _by_code(wrong, field))


def _date(rows: pl.DataFrame, field: Field) -> _Column:
    read = dates.read(rows[field.name])
    wrong = read.with_columns(rows[_ROW], earliest=pl.lit(str(dates.EARLIEST)), latest=pl.lit(str(dates.LATEST)))
    readable = _by_code(wrong.filter(pl.col("code") != "date.unreadable"), field)
    unreadable = wrong.filter(pl.col("code") == "date.unreadable").select(_ROW)
    return _Column(
        read.select(pl.col("value").alias(field.name)), (*readable, _Found("date.unreadable", field, unreadable))
    )


def _cup(rows: pl.DataFrame, field: Field) -> _Column:
    raw = pl.col(field.name)
    read = rows.select(_ROW, raw=raw, code=cup.normalised(raw))
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
    wrong = odd.select(_ROW, "raw").join(faults, on="raw", maintain_order="left")
    changed = read.filter(pl.col("raw") != pl.col("value")).select(_ROW, "value")
    return _Column(
        read.select(pl.col("value").alias(field.name)),
        (
            _Found("cup.malformed", field, wrong.filter(pl.col("found").is_null()).drop("found")),
            _Found("cup.several", field, wrong.filter(pl.col("found").is_not_null()).select(_ROW, "found")),
            _Found("cup.normalised", field, changed),
        ),
    )


def _cig(rows: pl.DataFrame, field: Field) -> _Column:
    """A tender code (CIG), or its short form: ten digits and letters (https://www.anticorruzione.it/)."""
    read = rows.select(
        _ROW, raw=pl.col(field.name), code=pl.col(field.name).str.replace_all(r"\s", "").str.to_uppercase()
    )
    read = read.with_columns(value=pl.when(pl.col("code").str.contains(r"^[0-9A-Z]{10}$")).then(pl.col("code")))
    wrong = read.filter(pl.col("raw").is_not_null() & pl.col("value").is_null()).select(_ROW)
    changed = read.filter(pl.col("raw") != pl.col("value")).select(_ROW, "value")
    return _Column(
        read.select(pl.col("value").alias(field.name)),
        (_Found("cig.malformed", field, wrong), _Found("cig.normalised", field, changed)),
    )


def _text(rows: pl.DataFrame, field: Field) -> _Column:
    return _Column(rows.select(texts.paragraphs(pl.col(field.name))), (_controls(rows, field),))


def _code(rows: pl.DataFrame, field: Field) -> _Column:
    return _Column(rows.select(texts.line(pl.col(field.name))), (_controls(rows, field),))


def _name(rows: pl.DataFrame, field: Field) -> _Column:
    read = texts.several if field.many else texts.line
    return _named(rows, field, read(pl.col(field.name)))


def _bodies(rows: pl.DataFrame, field: Field, starts: Sequence[str]) -> _Column:
    return _named(rows, field, texts.bodies(pl.col(field.name), starts), identified=True)


def _concept(rows: pl.DataFrame, field: Field) -> _Column:
    column = _named(rows, field, texts.line(pl.col(field.name)), identified=True)
    slug = iris.slugs(pl.col(field.name)).alias(f"{field.name}_slug")
    return _Column(column.values.with_columns(slug), column.found)


def _action(rows: pl.DataFrame, field: Field) -> _Column:
    name, codes = field.name, pl.col("codes")
    read = rows.select(
        _ROW, texts.line(pl.col(name)), codes=pl.col(name).str.extract_all(_ACTION).list.unique(maintain_order=True)
    )
    given = pl.col(name).is_not_null()
    return _Column(
        read.select(name, pl.when(codes.list.len() == 1).then(codes.list.first()).alias(f"{name}_code")),
        (
            _Found("action.unreadable", field, read.filter(given & (codes.list.len() == 0)).select(_ROW)),
            _Found(
                "action.several",
                field,
                read.filter(codes.list.len() > 1).select(_ROW, found=codes.list.join(", ")),
            ),
            _controls(rows, field),
        ),
    )


def _urls(rows: pl.DataFrame, field: Field) -> _Column:
    name = field.name
    each = rows.select(_ROW, raw=texts.lines(pl.col(name))).explode("raw").drop_nulls("raw")
    wrong = each.filter(~texts.is_url(pl.col("raw")).fill_null(False))
    return _Column(
        rows.select(texts.urls(pl.col(name))),
        (
            _Found("url.malformed", field, wrong.with_columns(suggestion=texts.meant_url(pl.col("raw")))),
            _controls(rows, field),
        ),
    )


def _municipality(rows: pl.DataFrame, field: Field) -> _Column:
    """A municipality by its name of today (or its last), with the IRIs of its province and region."""
    read = rows.select(_ROW, raw=pl.col(field.name), name=texts.line(pl.col(field.name)))
    asked = {name: _place(name) for name in read["name"].drop_nulls().unique(maintain_order=True)}
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
    return _Column(
        read.join(found, on="name", how="left", maintain_order="left").select(
            pl.col("name").alias(field.name), *columns
        ),
        (
            _Found("municipality.unknown", field, told.filter(pl.col("candidates").is_null()).select(_ROW)),
            _Found(
                "municipality.ambiguous",
                field,
                told.filter(pl.col("candidates").is_not_null()).select(_ROW, "candidates"),
            ),
            _controls(rows, field),
        ),
    )


def _place(name: str) -> places.Found | places.Unknown | places.Ambiguous:
    """The municipality of a name; the province's letters after it ("Samone (TN)") must agree, and decide."""
    told = re.fullmatch(r"(.+?)[ ,]*\(([A-Za-z]{2})\)", name)
    if told is None:
        return places.find(name)
    found = places.find(told[1])
    borne = found.candidates if isinstance(found, places.Ambiguous) else (found,)
    agreeing = [one for one in borne if isinstance(one, places.Found) and one.abbreviation == told[2].upper()]
    return agreeing[0] if len(agreeing) == 1 else places.Unknown(name)


_CLEANERS: Final[dict[FieldType, Callable[[pl.DataFrame, Field], _Column]]] = {
    "amount": _amount,
    "date": _date,
    "cup": _cup,
    "cig": _cig,
    "text": _text,
    "code": _code,
    "name": _name,
    "concept": _concept,
    "action": _action,
    "urls": _urls,
    "municipality": _municipality,
}


# --- shared by cleaners --------------------------------------------------------------------------


def _by_code(wrong: pl.DataFrame, field: Field) -> tuple[_Found, ...]:
    """One set of problems for each code in `wrong`."""
    coded = wrong.filter(pl.col("code").is_not_null())
    return tuple(
        _Found(str(code), field, part.drop("code", "value"))
        for (code,), part in coded.group_by("code", maintain_order=True)
    )


def _controls(rows: pl.DataFrame, field: Field) -> _Found:
    """The control characters taken out of a field, counted."""
    counted = rows.select(_ROW, found=texts.controls(pl.col(field.name))).filter(pl.col("found") > 0)
    return _Found("text.control-characters", field, counted)


def _named(rows: pl.DataFrame, field: Field, names: pl.Expr, identified: bool = False) -> _Column:
    """A name or list of names. Given, but with nothing left, or nothing to make an identifier of: a problem."""
    read = rows.select(_ROW, raw=pl.col(field.name), value=names)
    without = pl.col("raw").is_not_null() & pl.col("value").is_null()
    unusable = [read.filter(without).select(_ROW, "raw")]
    if identified:
        each = (
            read.select(_ROW, raw="value").explode("raw")
            if isinstance(read.schema["value"], pl.List)
            else read.select(_ROW, raw="value")
        )
        nameless = each.filter(~pl.col("raw").str.contains("[A-Za-z0-9]"))
        unusable.append(nameless.filter(iris.slugs(pl.col("raw")).is_null()))
    return _Column(
        read.select(pl.col("value").alias(field.name)),
        (_Found("name.unusable", field, pl.concat(unusable)), _controls(rows, field)),
    )
