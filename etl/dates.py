"""Dates as Italian sheets and open data write them -> calendar dates. Pure and vectorised.

The day stands first unless the year does; months may be named in Italian or English (OpenCUP writes "22-JUL-2022").
A time of day after the date is passed over. A year that cannot be is never repaired here: `meant` says which date
the rest of the record points to, for a person to decide.

What OCR spoilt is no date any more ("3O-06-2O23", "l5 rnarzo 2021") and refused, with a suggestion where there is one
date it can have been. A digit read for another leaves another date, and only the record can raise a doubt.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from typing import Final

import polars as pl
from rapidfuzz import process
from rapidfuzz.distance import Levenshtein

from etl import cup, ocr

_ZONE: Final = "Europe/Rome"
EARLIEST: Final = 1990
LATEST: Final = 2100

#: How months begin, in Italian and English; no two different months begin alike.
_MONTHS: Final = {
    1: ("gen", "jan"),
    2: ("feb",),
    3: ("mar",),
    4: ("apr",),
    5: ("mag", "may"),
    6: ("giu", "jun"),
    7: ("lug", "jul"),
    8: ("ago", "aug"),
    9: ("set", "sep"),
    10: ("ott", "oct"),
    11: ("nov",),
    12: ("dic", "dec"),
}
_MONTH: Final = (
    "gen(?:naio)?|feb(?:braio|bruary|br)?|mar(?:zo|ch)?|apr(?:ile|il)?|mag(?:gio)?|giu(?:gno)?|lug(?:lio)?|ago(?:sto)?"
    "|sett?(?:embre)?|ott(?:obre)?|nov(?:embre|ember)?|dic(?:embre)?"
    "|jan(?:uary)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|dec(?:ember)?"
)
_TIME: Final = (
    r"(?:,? |t)(?:(?:alle )?ore )?[0-9]{1,2}[:.][0-9]{2}(?:[:.][0-9]{2}(?:[.,][0-9]+)?)?"
    r" ?(?:z|[+-][0-9]{2}:?[0-9]{2})?"
)
_DATE: Final = (
    r"^(?:"
    r"(?P<day1>[0-9]{1,2})-(?P<month1>[0-9]{1,2})-(?P<year1>[0-9]{1,5})"
    r"|(?P<day2>[0-9]{1,2})/(?P<month2>[0-9]{1,2})/(?P<year2>[0-9]{1,5})"
    r"|(?P<day3>[0-9]{1,2})\.(?P<month3>[0-9]{1,2})\.(?P<year3>[0-9]{1,5})"
    r"|(?P<year4>[0-9]{4})-(?P<month4>[0-9]{1,2})-(?P<day4>[0-9]{1,2})"
    r"|(?P<year5>[0-9]{4})/(?P<month5>[0-9]{1,2})/(?P<day5>[0-9]{1,2})"
    rf"|(?P<day6>[0-9]{{1,2}})[°º^]?[ ./-]?(?P<month6>{_MONTH})\.?[ ./-]?(?P<year6>[0-9]{{1,5}})"
    rf")(?:{_TIME})?$"
)
#: A time of day, as `_TIME` lets it stand after a date, and how far its clock is from Greenwich.
_CLOCK: Final = (
    r"(?:,? |t)(?:(?:alle )?ore )?(?P<hour>[0-9]{1,2})[:.](?P<minute>[0-9]{2})"
    r"(?:[:.](?P<second>[0-9]{2})(?:[.,](?P<fraction>[0-9]+))?)?"
    r" ?(?P<zone>z|(?P<sign>[+-])(?P<hours>[0-9]{2}):?(?P<minutes>[0-9]{2}))?$"
)
_BLANKS: Final = r"[\s\u00a0\u2000-\u200b\u202f\u205f\u2060\u3000\ufeff]+"
_FORMS: Final = range(1, 7)

_NAMES: Final = (
    "gennaio", "febbraio", "marzo", "aprile", "maggio", "giugno", "luglio", "agosto", "settembre", "ottobre",
    "novembre", "dicembre",
)  # fmt: skip
#: A month's name must be this like (0-1) to one, and to one only.
_LIKENESS: Final = 0.75
#: What OCR makes of letters in names of months.
_LEVELLED: Final = str.maketrans({"0": "o", "1": "i", "l": "i", "|": "i", "!": "i", "5": "s", "8": "b", "4": "a"})
#: A date in figures with marks of any kind, or one sign where each mark was; a date in words.
_PARTED: Final = re.compile(r"(\d{1,4})[^\w]+(\d{1,2})[^\w]+(\d{1,4})")
_IN_PLACE: Final = re.compile(r"(\d\d)[^02-9](\d\d)[^02-9](\d{4})")
_WORDED: Final = re.compile(r"(\S{1,3}?)[°º^]?[ ./-]+([^\W\d][^\s./-]{2,10}|\d[^\W\d][^\s./-]{1,9}) *[./-]? *(\S{4})")
_STRAY: Final = re.compile(r"['’`´^*_~·•]")
#: Marks at the ends of a date belong to no date.
_AROUND: Final = " .,;:'’‘`´·•_~^-"
#: Longer texts are no date with a few wrong signs.
_LONGEST: Final = 30


@dataclass(frozen=True)
class Evidence:
    """What the record of a date tells: its CUP, and the date at the other end."""

    cup: cup.Cup | None = None
    start: date | None = None
    end: date | None = None


@dataclass(frozen=True)
class Meant:
    """The date a wrong one may stand for, and why, in Italian and English."""

    date: date
    reason_it: str
    reason_en: str


def read(raw: pl.Series) -> pl.DataFrame:
    """Dates from strings, row by row: `value` (Date) or the `code` of what is wrong, and `day, month, year` as written.

    Of a date that is unreadable for usual errors of OCR the `suggestion` is what it was, with its `reason` in Italian
    and `reason_en`. A null string gives nulls throughout.
    """
    rows = raw.alias("raw").to_frame().with_columns(_tidy().str.extract_groups(_DATE).alias("found")).unnest("found")
    rows = rows.with_columns(
        day=pl.coalesce(f"day{n}" for n in _FORMS).cast(pl.Int32),
        month=_month(pl.coalesce(f"month{n}" for n in _FORMS)),
        year=pl.coalesce(f"year{n}" for n in _FORMS),
    )
    # A leap year stands in for a year out of range: "31-02-0021" is impossible first of all.
    number = pl.col("year").cast(pl.Int32)
    in_range = (pl.col("year").str.len_chars() == 4) & number.is_between(EARLIEST, LATEST)
    checked = pl.format(
        "{}-{}-{}",
        pl.when(in_range).then(number).otherwise(pl.lit(2000)),
        pl.col("month").cast(pl.String).str.zfill(2),
        pl.col("day").cast(pl.String).str.zfill(2),
    ).str.to_date("%Y-%m-%d", strict=False)
    code = (
        pl.when(pl.col("raw").is_null())
        .then(None)
        .when(pl.col("year").is_null())
        .then(pl.lit("date.unreadable"))
        .when(checked.is_null())
        .then(pl.lit("date.impossible"))
        .when(~in_range)
        .then(pl.lit("date.out-of-range"))
    )
    rows = rows.select(
        "raw", pl.when(code.is_null()).then(checked).alias("value"), code.alias("code"), "day", "month", "year"
    )
    return _with_misread(rows).drop("raw")


def _with_misread(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows with what unreadable ones among them may have been. They are few: each is looked at by itself."""
    short = (pl.col("raw").str.len_chars() <= _LONGEST) & pl.col("raw").str.contains("[0-9]")
    rows = rows.with_row_index("@wrong").with_columns(pl.lit(None, pl.String).alias(name) for name in ocr.SUGGESTED)
    given = rows.filter((pl.col("code") == "date.unreadable") & short).select("@wrong", "raw")
    found = given.select("@wrong").hstack(ocr.columns(map(misread, given["raw"])))
    return rows.update(found, on="@wrong").drop("@wrong")


def misread(raw: str) -> ocr.Meant | None:
    """The one date a text with usual errors of OCR may stand for, as "2023-06-30", and why; None if there is none."""
    offset = len(raw) - len(raw.lstrip(_AROUND))
    text = raw.strip(_AROUND)
    if not any(map(str.isdecimal, text)):
        return None
    if worded := _WORDED.fullmatch(_STRAY.sub("", text)):
        return _misread_words(worded, offset)
    figures = "".join(ocr.as_digit(sign) or sign for sign in text)
    slips = [ocr.Slip(offset + slip.position, slip.read, slip.meant) for slip in ocr.slips(text, figures)]
    match = _PARTED.fullmatch(figures) or _PARTED.fullmatch("".join(figures.split()))
    in_place = None if match else _IN_PLACE.fullmatch(figures)
    if in_place:  # its marks were read for digits: they are no slips
        slips = [slip for slip in slips if slip.position - offset not in (3, 6)]
    together = re.sub(r"[\W_]", "", figures)
    if match or in_place:
        first, month, last = (match or in_place).groups()  # type: ignore[union-attr]  # one of them matches
        orders = [(last, month, first)] if len(first) == 4 else [(first, month, last)]
    elif len(figures) > len(together) == 8:  # a mark was lost, or is at the wrong place
        orders = [(together[:2], together[2:4], together[4:]), (together[6:], together[4:6], together[:4])]
    else:
        return None
    remark = not match or len(set(re.findall(r"\W+", figures))) > 1 or not slips
    return ocr.meant(
        ocr.Reading(
            found.isoformat(), tuple(slips), ocr.sentence("date", meant=f"{found:%d/%m/%Y}") if remark else None
        )
        for day, month, year in orders
        if len(year) == 4 and together.isdecimal() and (found := _believed(int(year), int(month), int(day)))
    )


def _misread_words(worded: re.Match[str], offset: int) -> ocr.Meant | None:
    """A day, a month's name and a year, each of which may be misread."""
    day, name, year = worded.groups()
    figures = ["".join(map(ocr.as_digit, part)) for part in (day, year)]
    levelled = name.casefold().replace("rn", "m").translate(_LEVELLED)
    names = [month.translate(_LEVELLED) for month in _NAMES]
    near = process.extract(levelled, names, scorer=Levenshtein.normalized_similarity, score_cutoff=_LIKENESS)
    written = re.fullmatch(_MONTH, name.casefold())
    if written:
        near = [(name, 1.0, next(n for n, starts in _MONTHS.items() if name.casefold().startswith(starts)) - 1)]
    if not near or (len(near) > 1 and near[0][1] == near[1][1]) or list(map(len, figures)) != [len(day), len(year)]:
        return None
    month = near[0][2]
    found = _believed(int(figures[1]), month + 1, int(figures[0]))
    if found is None:
        return None
    slips = [
        ocr.Slip(offset + worded.start(group) + slip.position, slip.read, slip.meant)
        for group, read, meant in ((1, day, figures[0]), (3, year, figures[1]))
        for slip in ocr.slips(read, meant)
    ]
    remark = None if written else ocr.sentence("month", read=name, meant=_NAMES[month])
    if written and not slips:
        remark = ocr.sentence("date", meant=f"{found:%d/%m/%Y}")
    return ocr.meant([ocr.Reading(found.isoformat(), tuple(slips), remark)])


def _believed(year: int, month: int, day: int) -> date | None:
    return _date(year, month, day) if EARLIEST <= year <= LATEST else None


def moments(raw: pl.Series) -> pl.DataFrame:
    """Days and times from strings, row by row: `value` (Datetime, by Italian clocks) or the `code` of what is wrong.

    Without a time it is midnight. A time that says how far it is from Greenwich is told as it was in Italy.
    """
    clock = raw.alias("raw").to_frame().select(_tidy().str.extract_groups(_CLOCK).alias("found")).unnest("found")
    number = {name: pl.col(name).cast(pl.Int64, strict=False).fill_null(0) for name in clock.columns}
    possible = (number["hour"] < 24) & (number["minute"] < 60) & (number["second"] < 60)
    fraction = pl.col("fraction").fill_null("").str.head(6).str.pad_end(6, "0").cast(pl.Int64)
    offset = pl.duration(hours=number["hours"], minutes=number["minutes"])
    time = pl.duration(hours=number["hour"], minutes=number["minute"], seconds=number["second"], microseconds=fraction)
    at = pl.col("value").cast(pl.Datetime("us")) + time
    zoned = at - pl.when(pl.col("sign") == "-").then(-offset).otherwise(offset)
    italian = zoned.dt.replace_time_zone("UTC").dt.convert_time_zone(_ZONE).dt.replace_time_zone(None)
    impossible = pl.col("code").is_null() & pl.col("value").is_not_null() & ~possible
    return pl.concat([read(raw).select("value", "code"), clock], how="horizontal").select(
        value=pl.when(possible).then(pl.when(pl.col("zone").is_null()).then(at).otherwise(italian)),
        code=pl.when(impossible).then(pl.lit("date.impossible")).otherwise("code"),
    )


def _tidy() -> pl.Expr:
    """`raw` in small letters, blanks single and none beside a mark, dashes plain."""
    return (
        pl.col("raw")
        .str.replace_all(_BLANKS, " ")
        .str.replace_all("[‐‑‒–—−]", "-")
        .str.replace_all(" ?([-/.]) ?", "$1")
        .str.strip_chars(" ")
        .str.to_lowercase()
    )


def meant(day: int, month: int, year: str, is_start: bool, evidence: Evidence) -> Meant | None:
    """The one date that a date with an impossible year or month may stand for and the record bears out, if any.

    Candidates: the century left out, two digits swapped, one wrong, one too few or too many; day and month swapped.
    """
    if evidence.cup is None and (evidence.end if is_start else evidence.start) is None:
        return None
    days = {(day, month)} if month <= 12 else {(month, day)}
    candidates = {found for number in _years(year) for d, m in days if (found := _date(number, m, d)) is not None}
    borne_out = [found for found in sorted(candidates) if _fits(found, is_start, evidence)]
    return Meant(borne_out[0], *_reason(is_start, evidence)) if len(borne_out) == 1 else None


def _month(found: pl.Expr) -> pl.Expr:
    """A month's number from digits or a name's first three letters."""
    names = {start: number for number, starts in _MONTHS.items() for start in starts}
    named = found.str.head(3).replace_strict(names, default=None, return_dtype=pl.Int32)
    return pl.coalesce(found.cast(pl.Int32, strict=False), named)


def _years(written: str) -> set[int]:
    """The years a written one may stand for, by the slips people and OCR make; a possible one stands for itself."""
    if len(written) == 4 and EARLIEST <= int(written) <= LATEST:
        return {int(written)}
    digits = "0123456789"
    places = range(len(written))
    readings = {written}
    if len(written) <= 2 or (len(written) == 4 and written.startswith("00")):
        readings |= {f"{century}{written[-2:]:0>2}" for century in (19, 20)}
    readings |= {written[:i] + written[i + 1] + written[i] + written[i + 2 :] for i in places[:-1]}
    if len(written) == 3:
        readings |= {written[:i] + d + written[i:] for i in range(4) for d in digits}
    elif len(written) == 4:
        readings |= {written[:i] + d + written[i + 1 :] for i in places for d in digits}
    elif len(written) == 5:
        readings |= {written[:i] + written[i + 1 :] for i in places}
    return {int(y) for y in readings if len(y) == 4 and EARLIEST <= int(y) <= LATEST}


def _date(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:  # 29 February of another year, or no such day at all: no candidate
        return None


def _fits(found: date, is_start: bool, evidence: Evidence) -> bool:
    """Whether the record bears a date out: near its CUP's year, and before (after) the other date."""
    if evidence.cup is not None:
        years = found.year - evidence.cup.year
        # A project ends later than it starts: the same span again is allowed for it to last.
        latest = cup.START_AFTER if is_start else 2 * cup.START_AFTER
        if not -cup.START_BEFORE <= years <= latest:
            return False
    start, end = (found, evidence.end) if is_start else (evidence.start, found)
    return start is None or end is None or (start <= end and end.year - start.year <= 2 * cup.START_AFTER)


def _reason(is_start: bool, evidence: Evidence) -> tuple[str, str]:
    """The evidence in words, Italian and English."""
    it, en = [], []
    if evidence.cup is not None:
        it.append(f"il CUP {evidence.cup.code} è del {evidence.cup.year}")
        en.append(f"the CUP {evidence.cup.code} is of {evidence.cup.year}")
    other = evidence.end if is_start else evidence.start
    if other is not None:
        it.append(f"la data di {'fine' if is_start else 'inizio'} è {other:%d/%m/%Y}")
        en.append(f"the {'end' if is_start else 'start'} date is {other.isoformat()}")
    return " e ".join(it), " and ".join(en)
