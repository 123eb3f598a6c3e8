"""Strings as they stand in a source -> typed columns, and a problem for every value that cannot be or looks wrong.

Pure: tables in, tables out. Nothing is repaired on the quiet: a wrong value leaves its column null and a problem
behind, with a suggestion where the record itself tells what was meant (DESIGN "Values and problems").

No row knows of another, so a long table may be cleaned piece by piece: the columns are the same for every piece. Each
value is read once, however many rows have it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from typing import Final

import polars as pl

from etl import cup, dates, problems, texts
from etl.cleaners import CLEANERS, coded
from etl.cleaners.columns import ON, ROW, Column, Found, from_windows
from etl.source import Field, Group, Source

#: The fields a record is known and dated by, whatever the source calls them.
TITLE: Final = "title"
LOCAL_CODE: Final = "local_code"
CUP: Final = "cup"
START: Final = "start_date"
END: Final = "end_date"

#: What a sheet's row has besides a table's: its copy's name, the address it comes from, when it was got.
OWN: Final = ("copy", "url", "retrieved")

#: What a word that is no value can mean, in Italian and English: the code list null-meanings, in a sentence.
_MEANINGS: Final = {
    "absent": ("assente", "absent"),
    "not-applicable": ("non applicabile", "not applicable"),
    "masked": ("oscurato", "masked"),
    "all": ("tutti", "all"),
    "unknown": ("sconosciuto", "unknown"),
}
#: The day from which spreadsheets number days, 1900 being a leap year for them.
_DAY_ZERO: Final = date(1899, 12, 30)
#: Types that part several values by themselves, whatever the separator.
_OWN_PARTS: Final = ("bodies", "urls")


@dataclass(frozen=True)
class Cleaned:
    """Typed records (rows with neither code nor CUP are left out) and all problems, also those of rows left out.

    `placeholders` are the words that are no value: one row for each `file`, `field` and word (`raw`), with its
    `meaning`, how many rows have it (`found`) and the `place` of the first. `problems` tells of them; who cleans a
    table piece by piece adds them up instead (`placeholder_problems`).
    """

    table: pl.DataFrame
    problems: pl.DataFrame
    placeholders: pl.DataFrame


def clean(table: pl.DataFrame, source: Source) -> Cleaned:
    """Typed columns and problems from a table of strings.

    `table` has a column for each field of the source, as found, null where absent, and may have `<field>@place`,
    `file`, `sha256` and `place`; of sheets also `copy` (what the copy of the file is published as, null if it is not),
    `url` and `retrieved`. Amounts become Decimal(20, 2) in euro, dates Date, lists List(String) and so on; `record` is
    the key (the local code, else the CUP), `label` what to call the record.
    """
    rows, placeholders = _present(table, source)
    rows, columns = _cleaned(rows, source)
    found = [problem for column in columns.values() for problem in column.found]
    typed = pl.concat(
        [rows.select(ROW, "file", "sha256", "place", *_own(source)), *(columns[name].values for name in source.fields)],
        how="horizontal",
    ).with_columns(pl.lit(value).alias(name) for name, value in source.constants.items())
    if source.axes:
        axis = pl.col("action_code").str.split(".").list.first()
        named = axis.replace_strict(source.axes, default=None, return_dtype=pl.String)
        typed = typed.with_columns(axis_name=named, axis=pl.when(named.is_not_null()).then(axis))
        # What the action stands right under: its axis, or the programme when the axis is not known.
        typed = typed.with_columns(action_programme=pl.when(pl.col("axis").is_null()).then("programme"))
    title, local_code, code = (_string(typed, name) for name in (TITLE, LOCAL_CODE, CUP))
    identity = pl.concat_str(source.key, separator="/") if source.key else pl.coalesce(local_code, code)
    typed = typed.with_columns(record=identity, label=pl.coalesce(texts.line(title), local_code, code))
    found = [*_with_suggestions(found, typed), *_across(typed, source), *_missing(rows, typed, source)]
    told = problems.together(
        [
            *(problems.table(each.code, _in_context(each, rows, typed, source)) for each in found if each.rows.height),
            placeholder_problems(placeholders, source),
        ]
    )
    kept = typed.filter(pl.col("record").is_not_null())
    return Cleaned(kept.select("record", "label", pl.exclude(ROW, "record", "label")), told, placeholders)


def clean_group(table: pl.DataFrame, group: Group, source: Source) -> Cleaned:
    """Typed columns and problems of the rows of a group, as `clean` has them of records.

    `table` has `file`, `place` (where the row's sheet begins), `number` and the `record` of that sheet besides the
    columns; rows of a sheet without record are left out, what is wrong with them is told.
    """
    columns = replace(source, fields=group.columns)
    rows, placeholders = _present(table, columns)
    rows, cleaned = _cleaned(rows, columns)
    typed = pl.concat(
        [rows.select(ROW), table.select("record", "file", "place", "number"), *(c.values for c in cleaned.values())],
        how="horizontal",
    )
    found = [problem for column in cleaned.values() for problem in column.found if problem.rows.height]
    told = problems.together(
        [
            *(problems.table(each.code, _in_context(each, rows, typed, source)) for each in found),
            placeholder_problems(placeholders, source),
        ]
    ).with_columns(field=pl.concat_str(pl.lit(f"{group.name}."), "field"))
    return Cleaned(typed.filter(pl.col("record").is_not_null()).drop(ROW), told, placeholders)


def placeholder_problems(placeholders: pl.DataFrame, source: Source) -> pl.DataFrame:
    """One problem for each file, field and word that is no value, from the `placeholders` of all pieces of a table."""
    together = placeholders.group_by("file", "field", "raw", "meaning", maintain_order=True).agg(
        pl.col("found").sum(), pl.col("place").first()
    )
    meaning = pl.col("meaning")
    return problems.table(
        "value.placeholder",
        together.with_columns(
            source=pl.lit(source.id),
            meaning_it=meaning.replace_strict({key: it for key, (it, _) in _MEANINGS.items()}),
            meaning_en=meaning.replace_strict({key: en for key, (_, en) in _MEANINGS.items()}),
        ),
    )


# --- before the fields ---------------------------------------------------------------------------

_PLACEHOLDERS: Final = pl.Schema(
    {"file": pl.String, "field": pl.String, "raw": pl.String, "meaning": pl.String, "found": pl.Int64,
     "place": pl.String}
)  # fmt: skip


def _present(table: pl.DataFrame, source: Source) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The table with every column there may be, blanks and words for nothing null, rows numbered; and those words."""
    fields = [field for field in source.fields.values() if field.type != "joined"]
    wanted = ["file", "sha256", "place", *_own(source), *(field.name for field in fields)]
    if source.form == "sheet":  # a table's values stand where the row stands
        wanted += [f"{field.name}@place" for field in fields]
    table = table.with_columns(pl.lit(None, pl.String).alias(c) for c in wanted if c not in table.columns)
    absent: dict[str, tuple[str, str | None]] = {_folded(words): (words, None) for words in source.absent}
    rows = table.select(wanted).with_row_index(ROW)
    told = [pl.DataFrame(schema=_PLACEHOLDERS)]
    for field in fields:
        words = absent | {_folded(raw): (raw, meaning) for raw, meaning in (source.nulls | field.nulls).items()}
        none = _no_values(rows[field.name], field, words)
        if field.tells_null:
            meanings = dict(none.drop_nulls("meaning").select("given", "meaning").iter_rows())
            meaning = rows[field.name].replace_strict(meanings, default=None, return_dtype=pl.String)
            rows = rows.with_columns(meaning.alias(_meaning(field)))
        if none.is_empty():
            continue
        is_none = pl.col(field.name).is_in(none["given"].implode())
        counted = (
            rows.filter(is_none)
            .join(none, left_on=field.name, right_on="given", maintain_order="left")
            .drop_nulls("meaning")
            .group_by("file", "raw", "meaning", maintain_order=True)
            .agg(found=pl.len().cast(pl.Int64), place=pl.col("place").first())
        )
        told.append(counted.with_columns(field=pl.lit(field.name)).select(_PLACEHOLDERS.names()))
        rows = rows.with_columns(pl.when(~is_none).then(pl.col(field.name)))
    return rows, pl.concat(told)


def _own(source: Source) -> tuple[str, ...]:
    """What a row has besides its place and its fields."""
    return OWN if source.form == "sheet" else ()


def _meaning(field: Field) -> str:
    """The column, while a field is cleaned, with what the word meant that is no value."""
    return f"{field.name}@null"


def _no_values(column: pl.Series, field: Field, words: dict[str, tuple[str, str | None]]) -> pl.DataFrame:
    """The texts of a column that are no value: as `given`, the word each is (`raw`) and its `meaning`.

    Blanks are nothing at all and have no meaning; a tax code of asterisks is masked however many there are.
    """
    given = column.unique(maintain_order=True).drop_nulls().alias("given").to_frame()
    given = given.with_columns(line=texts.line(pl.col("given")).str.to_lowercase())
    known = pl.DataFrame(
        [(folded, *word) for folded, word in words.items()],
        schema=dict.fromkeys(("line", "raw", "meaning"), pl.String),
        orient="row",
    )
    if field.type == "tax_code":
        stars = given.filter(pl.col("line").str.contains(r"^\*+$") & ~pl.col("line").is_in(known["line"].implode()))
        known = pl.concat([known, stars.select("line", raw="line", meaning=pl.lit("masked")).unique()])
    blank = given.filter(texts.is_blank(pl.col("given")))
    nothing = blank.select("given", raw=pl.lit(None, pl.String), meaning=pl.lit(None, pl.String))
    return pl.concat([given.join(known, on="line").select("given", "raw", "meaning"), nothing])


def _folded(words: str) -> str:
    return " ".join(words.split()).lower()


# --- the fields ----------------------------------------------------------------------------------


def _cleaned(rows: pl.DataFrame, source: Source) -> tuple[pl.DataFrame, dict[str, Column]]:
    """Every field's column. Those made of cleaned ones come last; what they are made of is then in the rows too."""
    later = [field for field in source.fields.values() if field.type == "joined" or field.on]
    columns = {f.name: _column(rows, f, source) for f in source.fields.values() if f not in later}
    for field in source.fields.values():
        if field.tells_null:
            values = columns[field.name].values.with_columns(rows[_meaning(field)].alias(f"{field.name}_null"))
            columns[field.name] = replace(columns[field.name], values=values)
        if field.not_day:
            day = columns[field.not_day].values[field.not_day]
            columns[field.name] = _no_day(rows, columns[field.name], day, field)
    for field in later:
        if field.type == "joined":
            made = pl.concat([column.values for column in columns.values()], how="horizontal")
            rows = rows.with_columns(made.select(_joined(field)).to_series())
            columns[field.name] = _column(rows, field, source)
        else:
            on = columns[field.on].values[field.on].cast(pl.Date)
            columns[field.name] = _column(rows.with_columns(on.alias(ON)), field, source)
    return rows, columns


def _joined(field: Field) -> pl.Expr:
    """What a joined field is made of, put together: of all its parts, of those there are, or the first there is.

    Null where none of `when` has a value, or one of `unless` has.
    """
    parts = [pl.col(name).cast(pl.String) for name in field.of]
    if field.parts == "first":
        together = pl.coalesce(parts)
    else:
        together = pl.concat_str(parts, separator=field.separator, ignore_nulls=field.parts == "some")
    some = pl.any_horizontal(part.is_not_null() for part in parts)
    needed = pl.any_horizontal(pl.col(name).is_not_null() for name in field.when) if field.when else pl.lit(True)
    free = [pl.col(name).is_null() for name in field.unless]
    return pl.when(pl.all_horizontal(some, needed, *free)).then(together).alias(field.name)


def _no_day(rows: pl.DataFrame, column: Column, day: pl.Series, field: Field) -> Column:
    """The amounts without those that are the number a spreadsheet gives the day: day 1 is 1 January 1900."""
    name = field.name
    both = column.values.with_columns(rows[ROW], date=day)
    number = (pl.col("date") - _DAY_ZERO).dt.total_days()
    wrong = (pl.col(name) == number).fill_null(False)
    told = Found("amount.is-a-day", field, both.filter(wrong).select(ROW, day=pl.col("date").cast(pl.String)))
    left = both.select(pl.when(~wrong).then(pl.col(name)).alias(name))
    return Column(column.values.with_columns(left), (*column.found, told))


def _column(rows: pl.DataFrame, field: Field, source: Source) -> Column:
    """A field's column. Every text that is in it is cleaned once, and the rows that have it get what comes of it."""
    keys = [field.name, ON] if field.on else [field.name]
    distinct = rows.select(keys).unique(maintain_order=True).with_row_index(ROW)
    parted = field.many and field.separator and field.type not in _OWN_PARTS
    column = (_parts if parted else _value)(distinct, field, source)
    written = [] if field.type == "joined" else [from_windows(distinct, field)]
    which = rows.select(ROW, *keys).join(
        distinct.rename({ROW: "@distinct"}), on=keys, how="left", nulls_equal=True, maintain_order="left"
    )
    found = [
        Found(
            each.code,
            field,
            which.select(ROW, "@distinct")
            .join(each.rows.rename({ROW: "@distinct"}), on="@distinct", maintain_order="left_right")
            .drop("@distinct"),
        )
        for each in (*column.found, *written)
        if each.rows.height
    ]
    return Column(column.values[which["@distinct"]], tuple(found))


def _value(rows: pl.DataFrame, field: Field, source: Source) -> Column:
    if field.type != "joined":
        return CLEANERS[field.type](rows, field, source)
    if field.take:
        taken = rows.select(ROW, field.name, taken=pl.col(field.name).str.extract(field.take))
        wrong = taken.filter(pl.col(field.name).is_not_null() & pl.col("taken").is_null())
        told = Found("code.malformed", field, wrong.select(ROW, raw=field.name))
        return Column(taken.select(pl.col("taken").alias(field.name)), (told,))
    return coded.coded(rows, field, source) if field.scheme else Column(rows.select(field.name))


def _parts(rows: pl.DataFrame, field: Field, source: Source) -> Column:
    """A list of what the parts of a value are, each once, in their order; null when there is none."""
    name = field.name
    text = pl.col(name)
    if source.form == "sheet":  # which may give each value a line of its own, whatever else parts them
        text = text.str.replace_all("\n", field.separator, literal=True)
    each = (
        rows.select(whole=pl.col(ROW), part=text.str.split(field.separator))
        .explode("part")
        .filter(~texts.is_blank(pl.col("part")))
        .with_row_index(ROW)
    )
    column = _value(each.select(ROW, pl.col("part").alias(name)), field, source)
    lists = (
        each.select(pl.col("whole").alias(ROW))
        .with_columns(column.values[name])
        .drop_nulls()
        .group_by(ROW)
        .agg(pl.col(name).unique(maintain_order=True))
    )
    # What is wrong is wrong with a part: it says so itself.
    parts = each.select(ROW, "whole", raw="part")
    found = [
        Found(
            one.code,
            field,
            parts.select(pl.exclude([c for c in one.rows.columns if c != ROW]))
            .join(one.rows, on=ROW, maintain_order="left_right")
            .drop(ROW)
            .rename({"whole": ROW}),
        )
        for one in column.found
        if one.rows.height
    ]
    return Column(
        rows.join(lists, on=ROW, how="left", maintain_order="left").select(pl.col(f"{name}_right").alias(name)),
        tuple(found),
    )


# --- after the fields ----------------------------------------------------------------------------


def _string(typed: pl.DataFrame, name: str) -> pl.Expr:
    """A field of one string; one the source does not have, or has of another kind, counts as absent."""
    return pl.col(name) if typed.schema.get(name) == pl.String else pl.lit(None, pl.String)


def _in_context(found: Found, rows: pl.DataFrame, typed: pl.DataFrame, source: Source) -> pl.DataFrame:
    """Problem rows with record, file, place, raw value and source."""
    name = found.field.name if found.field else None
    # A sheet's field stands at a line of its own, a table's in the row.
    own_place = [c for c in (f"{name}@place",) if c in rows.columns]
    context = rows.select(
        "file",
        place=pl.coalesce(*own_place, "place"),
        raw=pl.col(name) if name else pl.lit(None, pl.String),
    ).with_columns(typed["record"])
    own = [column for column in found.rows.columns if column in context.columns]
    return found.rows.hstack(context.drop(own)[found.rows[ROW]]).with_columns(
        source=pl.lit(source.id), field=pl.lit(name, pl.String)
    )


def _missing(rows: pl.DataFrame, typed: pl.DataFrame, source: Source) -> Iterator[Found]:
    """Records nothing identifies, and expected fields that are absent in the others."""
    nameless = typed.filter(pl.col("record").is_null()).select(ROW)
    if source.key:
        labels = ", ".join(source.fields[name].label for name in source.key)
        told = [field.name for field in source.fields.values() if field.type != "joined"]
        # The row is not published: it stands here whole.
        yield Found("table.no-key", None, rows[nameless[ROW]].select(ROW, raw=texts.whole(told), label=pl.lit(labels)))
    else:
        yield Found("identity.missing", None, nameless)
    is_named = typed["record"].is_not_null()
    for field in source.fields.values():
        if field.expected:
            without = rows.filter(is_named & rows[field.name].is_null())
            yield Found("field.missing", field, without.select(ROW, label=pl.lit(field.label)))


def _across(typed: pl.DataFrame, source: Source) -> Iterator[Found]:
    """What only two fields together show: a start far from the year of the CUP."""
    if typed.schema.get(CUP) != pl.String or START not in source.fields:
        return
    years = pl.col("start_year") - pl.col("cup_year")
    far = typed.select(ROW, cup=CUP, start_year=pl.col(START).dt.year(), cup_year=cup.year(pl.col(CUP))).filter(
        (years < -cup.START_BEFORE) | (years > cup.START_AFTER)
    )
    yield Found("cup.year-far", source.fields[START], far)


def _with_suggestions(found: Iterable[Found], typed: pl.DataFrame) -> Iterator[Found]:
    """Wrong start and end dates get the date the rest of the record points to, if there is exactly one."""
    for each in found:
        if each.field is None or each.field.name not in (START, END) or "day" not in each.rows.columns:
            yield each
            continue
        code = _string(typed, CUP)
        told = typed.select(
            ROW,
            code.alias("code"),
            *(
                (pl.col(name) if typed.schema.get(name) == pl.Date else pl.lit(None, pl.Date)).alias(name)
                for name in (START, END)
            ),
        )
        meant = [
            dates.meant(
                row["day"],
                row["month"],
                row["year"],
                each.field.name == START,
                dates.Evidence(cup.Cup(row["code"]) if row["code"] else None, row[START], row[END]),
            )
            for row in each.rows.join(told, on=ROW, how="left", maintain_order="left").iter_rows(named=True)
        ]
        words = {
            "suggestion": [m and m.date.isoformat() for m in meant],
            "reason": [m and m.reason_it for m in meant],
            "reason_en": [m and m.reason_en for m in meant],
        }
        new = pl.DataFrame(words, schema=dict.fromkeys(words, pl.String))
        yield Found(
            each.code,
            each.field,
            pl.concat([each.rows.select(pl.exclude("day", "month", "year")), new], how="horizontal"),
        )
