"""A spreadsheet a person keeps, with a column of CUPs: read as it is, checked, joined by CUP, written to be opened.

What the person wrote stays, column by column and row by row; what is found is set to the right of it. Rows are joined
by the code only, never by a name.
"""

from __future__ import annotations

import codecs
import csv
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import polars as pl
import xlsxwriter

from etl import cup, spreadsheet
from etl.opening import content

#: A list is held in memory: a million rows of some columns.
MAX_BYTES: Final = 512 * 1024**2
#: The columns we add first: the code as it is officially written, what is wrong with it, what it may have meant.
CODE, STATE, PROBLEM, SUGGESTION = "cup_code", "cup_state", "cup_problem", "cup_suggestion"
#: A well-formed code that nothing was asked about yet, one that is no CUP, and a row without any.
WELLFORMED, MALFORMED, EMPTY = "well-formed", "malformed", "empty"
FOUND, NOT_FOUND = "found", "not-found"

_SPREADSHEETS: Final = (".xlsx", ".xlsm", ".ods")
_HEADERS: Final = re.compile(
    r"(?:codice[ _.-]*)?c\.?u\.?p\.?(?:[ _.-]*codice)?|codice[ _.-]*unico[ _.-]*(?:di[ _.-]*)?progetto.*"
)
_WORD: Final = re.compile(r"(?<![a-z])cup(?![a-z])")
_SAMPLE: Final = 2000
_FORMULA: Final = ("=", "+", "@", "\t", "\r")
_NUMBER: Final = re.compile(r"-?[0-9]+(\.[0-9]+)?")
_EXCEL_ROWS: Final = 1_048_576


class ListError(ValueError):
    """A list that cannot be used: the message says what was found and what is allowed."""


@dataclass(frozen=True)
class CupList:
    """The rows of a list as they are (all text), and the column its codes stand in."""

    rows: pl.DataFrame
    column: str


def read(path: Path, column: str | None = None) -> CupList:
    """The list at `path`: CSV or text with any delimiter, XLSX or ODS. The column of CUPs is the one named.

    Without a name it is the one whose header says CUP, else the one that mostly holds them. Raises ListError, and
    Unusable for a file that cannot be opened.
    """
    data, size = content(path, MAX_BYTES)
    if size > MAX_BYTES:
        raise ListError(f"{path}: {size} bytes; a list has at most {MAX_BYTES}")
    try:
        rows = _spreadsheet(data, column) if path.suffix.lower() in _SPREADSHEETS else _delimited(_text(data))
    except (ValueError, pl.exceptions.PolarsError) as error:
        raise ListError(f"{path}: {str(error).splitlines()[0]}") from error
    if column is not None and column not in rows.columns:
        raise ListError(f"{path}: there is no column {column!r}; there are: {', '.join(rows.columns)}")
    found = column or _by_header(rows) or _by_content(rows)
    if found is None:
        raise ListError(f"{path}: no column holds CUPs; name it with --column. There are: {', '.join(rows.columns)}")
    return CupList(rows, found)


def checked(table: CupList) -> pl.DataFrame:
    """The codes of a list, a row each: CODE (null when it is none), STATE, PROBLEM and SUGGESTION."""
    raw = pl.col("raw")
    read = table.rows.select(raw=pl.col(table.column)).with_columns(code=cup.normalised(raw))
    read = read.with_columns(value=pl.when(cup.is_wellformed(pl.col("code"))).then(pl.col("code")))
    given = read.filter(pl.col("code").is_not_null() & (pl.col("code") != "") & pl.col("value").is_null())[
        "raw"
    ].unique()
    told = {text: cup.parse(text) for text in given}
    repeated = {text: one.code for text, one in told.items() if isinstance(one, cup.Cup)}
    wrong = [one for one in told.values() if isinstance(one, cup.Malformed)]
    faults = pl.DataFrame(
        {
            "raw": [one.raw for one in wrong],
            "problem": [one.detail_en for one in wrong],
            "suggestion": [", ".join(one.suggestions) or None for one in wrong],
        },
        schema=dict.fromkeys(("raw", "problem", "suggestion"), pl.String),
    )
    again = raw.replace_strict(repeated, default=None, return_dtype=pl.String) if repeated else pl.lit(None, pl.String)
    return (
        read.with_columns(value=pl.coalesce("value", again))
        .join(faults, on="raw", how="left", maintain_order="left")
        .select(
            pl.col("value").alias(CODE),
            pl.when(pl.col("value").is_not_null())
            .then(pl.lit(WELLFORMED))
            .when(pl.col("problem").is_not_null())
            .then(pl.lit(MALFORMED))
            .otherwise(pl.lit(EMPTY))
            .alias(STATE),
            pl.col("problem").alias(PROBLEM),
            pl.col("suggestion").alias(SUGGESTION),
        )
    )


def with_answers(table: CupList, codes: pl.DataFrame, answers: Iterable[Sequence[Mapping[str, Any]]]) -> pl.DataFrame:
    """The list with what was found of each code, a line each (key "cup", "state" its state): all columns text.

    A list of values becomes one text, parted by " | ": several amounts are never added up.
    """
    parts = [
        pl.DataFrame(
            {key: pl.Series([_cell(line.get(key)) for line in lines], dtype=pl.String) for key in _keys(lines)}
        )
        for lines in answers
    ]
    if not parts:
        return _beside(table.rows, codes)
    told = pl.concat(parts, how="diagonal").unique("cup", keep="first", maintain_order=True)
    first = ("cup", "state", "sources", "contracts", "discrepancies", "disagreeing")
    told = told.select(*(c for c in first if c in told.columns), *sorted(c for c in told.columns if c not in first))
    joined = codes.join(told, left_on=CODE, right_on="cup", how="left", maintain_order="left")
    joined = joined.with_columns(pl.coalesce("state", STATE).alias(STATE)).drop("state")
    return _beside(table.rows, joined)


def joined(
    table: CupList, codes: pl.DataFrame, register: pl.LazyFrame, column: str, prefix: str = "opencup_"
) -> pl.DataFrame:
    """The list with the columns of a register beside it, by CUP: `register` has one column of codes, `column`.

    A code the register has more than once gives as many rows. Only the register's rows of the list's codes are held.
    """
    there = [name for name in register.collect_schema().names() if name != spreadsheet.PLACE]
    wanted = codes.select(CODE).drop_nulls().unique().lazy()
    rows = register.select(
        cup.normalised(pl.col(column).cast(pl.String)).alias(CODE),
        *(pl.col(n).cast(pl.String).alias(prefix + n) for n in there),
    )
    known = rows.join(wanted, on=CODE, how="semi").collect(engine="streaming").sort(CODE, maintain_order=True)
    state = (
        pl.when(pl.col(CODE).is_null())
        .then(pl.col(STATE))
        .when(pl.col(f"{prefix}{column}").is_not_null())
        .then(pl.lit(FOUND))
        .otherwise(pl.lit(NOT_FOUND))
    )
    whole = _beside(table.rows, codes).join(known, on=CODE, how="left", maintain_order="left_right")
    return whole.with_columns(state.alias(STATE))


def write(rows: pl.DataFrame, path: Path, ours: int) -> None:
    """Write rows, all text, where a person opens them; the last `ours` columns were found, the others are the person's.

    XLSX by the name of `path`; else CSV as an Italian spreadsheet takes it: `;`, a byte-order mark, a decimal comma in
    the amounts found. Found text that a spreadsheet would run as a formula gets an apostrophe before it. Raises
    ListError when the file cannot be written.
    """
    theirs, found = rows.columns[: len(rows.columns) - ours], rows.columns[len(rows.columns) - ours :]
    try:
        if path.suffix.lower() == ".xlsx":
            _write_xlsx(rows, path, set(found))
            return
        safe = rows.select(*theirs, *(_for_csv(name).alias(name) for name in found))
        safe.write_csv(path, separator=";", include_bom=True, line_terminator="\r\n")
    except (OSError, xlsxwriter.exceptions.XlsxWriterException) as error:
        raise ListError(f"{path}: cannot be written: {error}") from error


# --- reading -----------------------------------------------------------------------------------------------------


def _text(data: bytes) -> str:
    """The text of a file: by its byte-order mark, else UTF-8, else the encoding of Italian Windows."""
    for mark, encoding in (
        (codecs.BOM_UTF8, "utf-8-sig"),
        (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
    ):
        if data.startswith(mark):
            return data.decode(encoding)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("cp1252", errors="replace")


def _delimited(text: str) -> pl.DataFrame:
    lines = [line for line in text.splitlines()[:50] if line.strip()]
    if not lines:
        raise ValueError("the file is empty")
    first = next(csv.reader(lines[:1], delimiter=_delimiter(lines)))
    headless = any(cup.normalise(cell) and isinstance(cup.parse(cell), cup.Cup) for cell in first)
    rows = pl.read_csv(
        BytesIO(text.encode()),
        separator=_delimiter(lines),
        has_header=not headless,
        infer_schema=False,
    )
    if headless:
        rows.columns = [f"column {number}" for number in range(1, rows.width + 1)]
    return rows.rename(
        {name: again for name, again in zip(rows.columns, _once(rows.columns), strict=True) if name != again}
    )


def _delimiter(lines: Sequence[str]) -> str:
    """The sign that parts the same number of cells in most of the first lines; the semicolon when none does."""
    best, kept = ";", 0
    for sign in (";", "\t", ",", "|"):
        widths = Counter(len(row) for row in csv.reader(lines, delimiter=sign))
        (width, times), *_ = widths.most_common(1)
        if width > 1 and times * (width > 1) > kept:
            best, kept = sign, times
    return best


def _once(names: Iterable[str]) -> list[str]:
    """Names without blanks around them, each once."""
    seen: Counter[str] = Counter()
    told = []
    for name in (each.strip() or "column" for each in names):
        seen[name] += 1
        told.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return told


def _spreadsheet(data: bytes, column: str | None) -> pl.DataFrame:
    def header(names: list[str]) -> bool:
        return column in names if column else any(_says_cup(name) for name in names)

    rows = spreadsheet.rows(data, header).drop(spreadsheet.PLACE)
    return rows.rename(
        {name: again for name, again in zip(rows.columns, _once(rows.columns), strict=True) if name != again}
    )


def _says_cup(name: str) -> bool:
    plain = " ".join(name.split()).casefold()
    return bool(_HEADERS.fullmatch(plain) or _WORD.search(plain))


def _by_header(rows: pl.DataFrame) -> str | None:
    """The column that is called CUP, or else the only one with the word in its name."""
    plain = {name: " ".join(name.split()).casefold() for name in rows.columns}
    exact = [name for name, folded in plain.items() if _HEADERS.fullmatch(folded)]
    worded = [name for name, folded in plain.items() if _WORD.search(folded)]
    return exact[0] if exact else worded[0] if len(worded) == 1 else None


def _by_content(rows: pl.DataFrame) -> str | None:
    """The column most of whose first values are CUPs, if there is one."""
    if not rows.width:
        return None
    sample = rows.head(_SAMPLE).select(pl.all().replace("", None))
    share = sample.select(
        (cup.is_wellformed(cup.normalised(pl.col(name))).sum() / pl.col(name).count().clip(1)).alias(name)
        for name in sample.columns
    ).row(0, named=True)
    best = max(share, key=lambda name: share[name] or 0)
    return best if (share[best] or 0) >= 0.5 else None


# --- joining and writing -----------------------------------------------------------------------------------------


def _beside(rows: pl.DataFrame, found: pl.DataFrame) -> pl.DataFrame:
    """Two tables of as many rows side by side; a column of ours that has a name of theirs gives way."""
    taken = {name: f"{name} (cupola)" for name in found.columns if name in rows.columns}
    return pl.concat([rows, found.rename(taken)], how="horizontal")


def _keys(lines: Iterable[Mapping[str, Any]]) -> list[str]:
    return list(dict.fromkeys(key for line in lines for key in line))


def _cell(value: Any) -> str | None:
    """A value as text; nothing for what there is none of."""
    if isinstance(value, (list, tuple)):
        return " | ".join(map(str, value)) or None
    return None if value is None else str(value)


def _for_csv(name: str) -> pl.Expr:
    """A column found, as a spreadsheet reads it: amounts with a comma, text that is no formula."""
    value = pl.col(name)
    comma = value.str.replace_all(r"\b([0-9]+)\.([0-9]+)\b", "$1,$2")
    amounts = value.str.contains(r"^-?[0-9]+\.[0-9]+( \| -?[0-9]+(\.[0-9]+)?)*$")
    formula = pl.any_horizontal(value.str.starts_with(sign) for sign in _FORMULA)
    return pl.when(amounts).then(comma).when(formula).then(pl.lit("'") + value).otherwise(value)


def _write_xlsx(rows: pl.DataFrame, path: Path, found: set[str]) -> None:
    if rows.height >= _EXCEL_ROWS:
        raise ListError(f"{path}: {rows.height} rows; a sheet holds {_EXCEL_ROWS - 1}: write CSV")
    options = {"constant_memory": True, "strings_to_formulas": False}
    with path.open("wb") as file, xlsxwriter.Workbook(file, options) as book:
        sheet, bold = book.add_worksheet(), book.add_format({"bold": True})
        sheet.freeze_panes(1, 0)
        for column, name in enumerate(rows.columns):
            sheet.write_string(0, column, name, bold)
        numbers = {at for at, name in enumerate(rows.columns) if name in found and _is_number(rows[name])}
        for at, row in enumerate(rows.iter_rows(), start=1):
            for column, value in enumerate(row):
                if value in (None, ""):
                    continue
                if column in numbers and _NUMBER.fullmatch(value):
                    sheet.write_number(at, column, Decimal(value))
                else:
                    sheet.write_string(at, column, value)


def _is_number(values: pl.Series) -> bool:
    """Whether a column holds amounts or counts, not codes whose zeros a number would lose."""
    there = values.drop_nulls()
    return bool(len(there)) and bool(there.str.contains(r"^(-?[0-9]+\.[0-9]+|-?[1-9][0-9]{0,14}|0)( \| .*)?$").all())
