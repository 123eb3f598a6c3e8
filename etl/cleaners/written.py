"""Cleaners of what is written out: words, names, addresses, amounts, dates, numbers, yes and no."""

from __future__ import annotations

from typing import Final

import polars as pl

from etl import amounts, dates, iris, ocr, prose, texts
from etl.cleaners.columns import ROW, Column, Found, by_code, controls, named, refused
from etl.source import Field, Source

_ACTION: Final = r"[0-9]{1,2}(?:\.[0-9]{1,2}){1,3}"
#: The years a decision or a plan of a project may be of: OpenCUP has decisions from the 1950s on.
YEARS: Final = (1950, 2100)
_FLAGS: Final = {
    **dict.fromkeys(("s", "si", "sì", "si'", "y", "yes", "true", "vero", "1"), True),
    **dict.fromkeys(("n", "no", "false", "falso", "0"), False),
}
#: From here on two amounts that differ by a cent may be one number of 32 bits (24 bits of figures: 2^17 steps by 1/64).
CENTS_LOST: Final = 131_072


def amount(rows: pl.DataFrame, field: Field, source: Source) -> Column:
    """An amount in euro; one that the source holds as a number of 32 bits is rounded to cents and told."""
    read = amounts.read(rows[field.name], source.decimal, to_cents=field.imprecise)
    # A suggestion without a reason of its own is what stands beside a remark.
    remark = pl.when(pl.col("suggestion").is_not_null())
    wrong = read.with_columns(
        rows[ROW],
        limit=pl.lit(str(amounts.LIMIT)),
        reason=pl.coalesce("reason", remark.then(pl.lit("le cifre dicono questo, la nota accanto va valutata"))),
        reason_en=pl.coalesce(
            "reason_en", remark.then(pl.lit("so the figures say; the remark beside them needs a person"))
        ),
    )
    found = by_code(wrong, field)
    if field.imprecise:
        found = (*found, Found("amount.imprecise", field, _imprecise(read.with_columns(rows[ROW]))))
    return Column(read.select(pl.col("value").alias(field.name)), found)


def _imprecise(read: pl.DataFrame) -> pl.DataFrame:
    """The amounts whose cents a number of 32 bits cannot hold, with the `margin` the true one may lie off by.

    The number is the true amount's neighbour, half a step away at most; its shortest text is another half away.
    """
    amount = pl.col("value").cast(pl.Float64)
    step = pl.lit(2.0).pow(amount.log(2).floor() - 23)
    margin = (step * 100).ceil() / 100
    return read.filter(pl.col("value") >= CENTS_LOST).select(ROW, margin=margin.cast(amounts.TYPE))


def date(rows: pl.DataFrame, field: Field, _source: Source) -> Column:
    """A day; a time after it is passed over."""
    return _dated(rows, field, dates.read(rows[field.name]))


def moment(rows: pl.DataFrame, field: Field, _source: Source) -> Column:
    """A day and the time in Italy."""
    return _dated(rows, field, dates.moments(rows[field.name]))


def _dated(rows: pl.DataFrame, field: Field, read: pl.DataFrame) -> Column:
    wrong = read.with_columns(rows[ROW], earliest=pl.lit(str(dates.EARLIEST)), latest=pl.lit(str(dates.LATEST)))
    told = [name for name in ("suggestion", "reason", "reason_en") if name in read.columns]
    readable = by_code(wrong.filter(pl.col("code") != "date.unreadable").drop(told), field)
    unreadable = wrong.filter(pl.col("code") == "date.unreadable").select(ROW, *told)
    return Column(
        read.select(pl.col("value").alias(field.name)), (*readable, Found("date.unreadable", field, unreadable))
    )


def integer(rows: pl.DataFrame, field: Field, _source: Source) -> Column:
    """A whole number, also one a table made a fraction of ("7.0")."""
    read = rows.with_columns(value=_whole(field))
    return Column(
        read.select(pl.col("value").alias(field.name)), (Found("integer.malformed", field, refused(read, field)),)
    )


def number(rows: pl.DataFrame, field: Field, source: Source) -> Column:
    """A number with two decimals at most, such as a quantity or a percentage; the sign "%" after it is passed over."""
    read = amounts.read(rows[field.name].str.replace(r"\s*%\s*$", ""), source.decimal)
    wrong = read.with_columns(rows[ROW]).filter(pl.col("code").is_not_null())
    told = wrong.select(ROW, "suggestion", "reason", "reason_en")
    return Column(read.select(pl.col("value").alias(field.name)), (Found("number.malformed", field, told),))


def year(rows: pl.DataFrame, field: Field, _source: Source) -> Column:
    """A year that can be."""
    whole, (earliest, latest) = _whole(field), YEARS
    read = rows.with_columns(value=pl.when(whole.is_between(earliest, latest)).then(whole).cast(pl.Int32))
    wrong = refused(read, field).with_columns(earliest=pl.lit(str(earliest)), latest=pl.lit(str(latest)))
    return Column(read.select(pl.col("value").alias(field.name)), (Found("year.impossible", field, wrong),))


def _whole(field: Field) -> pl.Expr:
    return texts.line(pl.col(field.name)).str.extract(r"^([+-]?[0-9]+)(?:[.,]0{0,2})?$").cast(pl.Int64, strict=False)


def flag(rows: pl.DataFrame, field: Field, _source: Source) -> Column:
    """Yes or no."""
    said = texts.line(pl.col(field.name)).str.to_lowercase()
    read = rows.with_columns(value=said.replace_strict(_FLAGS, default=None, return_dtype=pl.Boolean))
    return Column(read.select(pl.col("value").alias(field.name)), (Found("flag.unknown", field, refused(read, field)),))


def widened(code: pl.Expr, field: Field) -> pl.Expr:
    """A code of figures with zeros before it, as many as the field's `width` asks for."""
    return pl.when(code.str.contains("^[0-9]+$")).then(code.str.zfill(field.width)).otherwise(code)


def text(rows: pl.DataFrame, field: Field, _source: Source) -> Column:
    """Prose, in paragraphs; of a field whose words OCR may have spoilt (`ocr`) repaired for reading, and told."""
    values = rows.select(texts.paragraphs(pl.col(field.name)))
    if not field.ocr:
        return Column(values, (controls(rows, field),))
    read = prose.repaired(values[field.name]).with_columns(rows[ROW])
    # A message is short: the reason has all the words.
    changed = read.drop_nulls("found").select(ROW, "found", reason="found", reason_en="found")
    return Column(
        read.select(pl.col("value").alias(field.name)),
        (Found("text.ocr-repaired", field, changed), controls(rows, field)),
    )


def code(rows: pl.DataFrame, field: Field, _source: Source) -> Column:
    """A text of one line, as it is; with `width` figures get the zeros they lack, `lower` sets aside capitals.

    With a `pattern`, a code of another form is told; one that usual errors of OCR make of that form is withheld.
    """
    line = widened(texts.line(pl.col(field.name)), field)
    read = rows.select(ROW, value=line.str.to_lowercase() if field.lower else line)
    told = [controls(rows, field)]
    if field.pattern:
        other = read.filter(~pl.col("value").str.contains(rf"\A(?:{field.pattern})\z"))
        other = other.hstack(ocr.columns(ocr.patterned(code, field.pattern) for code in other["value"]))
        spoilt = other.filter(pl.col("reason").is_not_null()).drop("value")
        unlike = other.filter(pl.col("reason").is_null()).select(ROW)
        told += [Found("code.malformed", field, spoilt), Found("code.unlike", field, unlike)]
        read = read.with_columns(value=pl.when(~pl.col(ROW).is_in(spoilt[ROW].implode())).then(pl.col("value")))
    return Column(read.select(pl.col("value").alias(field.name)), tuple(told))


def name(rows: pl.DataFrame, field: Field, _source: Source) -> Column:
    """A person's name, or several."""
    read = texts.several if field.many else texts.line
    return named(rows, field, read(pl.col(field.name)))


def bodies(rows: pl.DataFrame, field: Field, source: Source) -> Column:
    """The bodies a value names."""
    return named(rows, field, texts.bodies(pl.col(field.name), source.body_starts), identified=True)


def concept(rows: pl.DataFrame, field: Field, _source: Source) -> Column:
    """A name of a kind of things, with the slug its identifier is made of."""
    column = named(rows, field, texts.line(pl.col(field.name)), identified=True)
    slug = iris.slugs(pl.col(field.name)).alias(f"{field.name}_slug")
    return Column(column.values.with_columns(slug), column.found)


def action(rows: pl.DataFrame, field: Field, _source: Source) -> Column:
    """An action of a programme, known by the code in it."""
    name, codes = field.name, pl.col("codes")
    read = rows.select(
        ROW, texts.line(pl.col(name)), codes=pl.col(name).str.extract_all(_ACTION).list.unique(maintain_order=True)
    )
    given = pl.col(name).is_not_null()
    return Column(
        read.select(name, pl.when(codes.list.len() == 1).then(codes.list.first()).alias(f"{name}_code")),
        (
            Found("action.unreadable", field, read.filter(given & (codes.list.len() == 0)).select(ROW)),
            Found(
                "action.several",
                field,
                read.filter(codes.list.len() > 1).select(ROW, found=codes.list.join(", ")),
            ),
            controls(rows, field),
        ),
    )


def urls(rows: pl.DataFrame, field: Field, _source: Source) -> Column:
    """The web addresses in a value."""
    name = field.name
    each = rows.select(ROW, raw=texts.lines(pl.col(name))).explode("raw").drop_nulls("raw")
    wrong = each.filter(~texts.is_url(pl.col("raw")).fill_null(False))
    return Column(
        rows.select(texts.urls(pl.col(name))),
        (
            Found("url.malformed", field, wrong.with_columns(suggestion=texts.meant_url(pl.col("raw")))),
            controls(rows, field),
        ),
    )


def url(rows: pl.DataFrame, field: Field, _source: Source) -> Column:
    """One web address as it is written, and as a link (`<field>_url`): only what begins with http is one."""
    name = field.name
    line = texts.line(pl.col(name))
    read = rows.select(ROW, name, line=line, meant=texts.meant_url(line), url=texts.urls(line))
    read = read.with_columns(url=pl.when(pl.col("url").list.first() == pl.col("line")).then(pl.col("line")))
    read = read.with_columns(value=pl.when(pl.col("url").is_not_null() | pl.col("meant").is_not_null()).then("line"))
    bare = read.filter(pl.col("url").is_null() & pl.col("value").is_not_null())
    return Column(
        read.select(pl.col("value").alias(name), pl.col("url").alias(f"{name}_url")),
        (
            Found("url.malformed", field, refused(read, field)),
            Found("url.no-scheme", field, bare.select(ROW, suggestion="meant")),
            controls(rows, field),
        ),
    )
