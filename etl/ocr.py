"""What a text may have meant that a reader of scanned pages (OCR) got wrong: signs taken for one another.

Where a form decides whether a sign is a digit or a letter, a sign of the other kind is an error that can be seen, and
undone if it is a usual one (etl/ocr.toml). Suggestions, never applied.

What cannot be seen: an error that leaves another well-formed value (a 3 read as an 8, a line that lost its end). Only
a check character (`etl.cig`, `etl.tax_codes`) or the rest of a record can tell. Pure.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import product
from math import prod
from typing import Any, Final

import polars as pl

#: The columns of a suggestion, as problems have them.
SUGGESTED: Final = pl.Schema(dict.fromkeys(("suggestion", "reason", "reason_en"), pl.String()))
DIGITS: Final = "0123456789"
#: More readings than this are none: whoever is told so many has to look at the page anyway.
MOST: Final = 1024
#: How many possible readings a reason names.
NAMED: Final = 4


@dataclass(frozen=True)
class Slip:
    """A sign, counted from 1, that was read for another; one that does not belong stands for nothing."""

    position: int
    read: str
    meant: str


@dataclass(frozen=True)
class Reading:
    """What a text may have meant, what signs were read wrong in it, and what else to say of it, it and en."""

    text: str
    slips: tuple[Slip, ...]
    remark: tuple[str, str] | None = None


@dataclass(frozen=True)
class Meant:
    """A suggestion and its reason, in Italian and English; of several readings none is suggested, all are named."""

    suggestion: str | None
    reason_it: str
    reason_en: str


def readings(text: str, places: Sequence[str], small: bool = False, doubtful: bool = False) -> tuple[Reading, ...]:
    """What a text may have meant whose signs must each be one of those its place allows (`places`).

    Empty if a sign fits nothing, or if too many readings are possible. `small` says that capitals are written small:
    "g" in a digit's place may then be the 6 that G is taken for, too. `doubtful` says that a sign its place allows may
    be wrong as well, where figures and letters are one alphabet.
    """
    if len(text) != len(places):
        return ()
    choices = [_allowed(read, place, small, doubtful) for read, place in zip(text, places, strict=True)]
    if not 0 < prod(map(len, choices)) <= MOST:
        return ()
    found = ("".join(choice) for choice in product(*choices))
    return tuple(Reading(meant, slips(text, meant)) for meant in found)


def patterned(text: str, pattern: str) -> Meant | None:
    """What a code of a known form may have been that usual errors of OCR spoilt; None if nothing, or if it is of it.

    `pattern` is a regular expression the whole code must match. Besides signs taken for one another a comma may be a
    point, one point may be lost, and other marks be there by mistake. Of several codes the one with fewest errors.
    """
    form = re.compile(pattern)
    if form.fullmatch(text):
        return None
    found = [
        reading
        for comma in dict.fromkeys((".", "") if "," in text else ("",))
        for reading in _of_form(text, form, comma)
    ]
    fewest = min((len(one.slips) + (one.remark is not None) for one in found), default=0)
    return meant(one for one in found if len(one.slips) + (one.remark is not None) == fewest)


def _of_form(text: str, form: re.Pattern[str], comma: str) -> Iterator[Reading]:
    """The codes of a form that a text may stand for, where a comma is a point or nothing."""
    kept = [(place, comma if sign == "," else sign) for place, sign in enumerate(text, start=1)]
    kept = [(place, sign) for place, sign in kept if sign == "." or (sign and (sign.isalnum() or as_digit(sign)))]
    while kept and kept[-1][1] == ".":
        kept.pop()
    kept = [each for at, each in enumerate(kept) if each[1] != "." or (at and kept[at - 1][1] != ".")]
    inside = {place for place, _ in kept}
    marks = [Slip(place, sign, "") for place, sign in enumerate(text, start=1) if place not in inside]
    marks += [Slip(place, text[place - 1], sign) for place, sign in kept if text[place - 1] != sign]
    for lost in range(len(kept)):  # 0: no point was lost
        signs = [*kept[:lost], (0, "."), *kept[lost:]] if lost else kept
        for choice in _choices([sign for _, sign in signs]):
            if form.fullmatch(code := "".join(choice)):
                wrong = [
                    Slip(place, read, sign) for (place, read), sign in zip(signs, choice, strict=True) if read != sign
                ]
                told = sorted([*marks, *wrong], key=lambda slip: slip.position)
                yield Reading(code, tuple(told), sentence("lost", meant=".") if lost else None)


def _choices(signs: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """All that signs may stand for together, unless that is too much."""
    told = _told()
    options = [
        dict.fromkeys(sign + "".join(told[kind].get(sign, "") for kind in ("digits", "letters", "small")))
        for sign in signs
    ]
    return product(*options) if prod(map(len, options)) <= MOST else iter(())


def slips(read: str, meant: str) -> tuple[Slip, ...]:
    """The signs in which two texts of one length differ."""
    return tuple(
        Slip(position, one, other)
        for position, (one, other) in enumerate(zip(read, meant, strict=True), start=1)
        if one != other
    )


def as_digit(sign: str) -> str:
    """The digit a sign is or may stand for; "" if none."""
    return sign if sign in DIGITS else str(_told()["digits"].get(sign, ""))


def meant(found: Iterable[Reading], value: Callable[[str], str | None] = lambda text: text) -> Meant | None:
    """The one value among readings, with what was read wrong; of several values none, but their names; else None.

    `value` tells what a reading is worth, None if nothing.
    """
    worth: dict[str, Reading] = {}
    for reading in found:
        if (told := value(reading.text)) is not None:
            worth.setdefault(told, reading)
    if len(worth) == 1:
        ((suggestion, reading),) = worth.items()
        return Meant(suggestion, *reason(reading.slips, reading.remark))
    return Meant(None, *several(worth)) if worth else None


def columns(told: Iterable[Meant | None]) -> pl.DataFrame:
    """What texts may have meant, row by row: `suggestion`, `reason` (Italian) and `reason_en`; nulls where nothing."""
    rows = [(m.suggestion, m.reason_it, m.reason_en) if m else (None, None, None) for m in told]
    return pl.DataFrame(rows, schema=SUGGESTED, orient="row")


def reason(wrong: Iterable[Slip], remark: tuple[str, str] | None = None) -> tuple[str, str]:
    """What was read wrong, sign by sign, and a remark after it, in Italian and English."""
    told = [sentence(_kind(slip), position=str(slip.position), read=slip.read, meant=slip.meant) for slip in wrong] + (
        [remark] if remark else []
    )
    return "; ".join(it for it, _ in told), "; ".join(en for _, en in told)


def _kind(slip: Slip) -> str:
    return "slip" if slip.meant else "stray" if slip.read.strip() else "blank"


def several(found: Iterable[str]) -> tuple[str, str]:
    """That more than one value is possible, and which."""
    named = list(found)
    return sentence("several", found=", ".join(named[:NAMED]) + (", …" if len(named) > NAMED else ""))


def sentence(name: str, **values: str) -> tuple[str, str]:
    """A reason declared in ocr.toml, filled in, in Italian and English."""
    words = _told()["reasons"][name]
    return words["it"].format(**values), words["en"].format(**values)


def _allowed(read: str, place: str, small: bool, doubtful: bool) -> list[str]:
    """The signs a place allows that one read there may stand for; itself, unless in doubt alone, if it is one."""
    if read in place and not doubtful:
        return [read]
    told = _told()
    signs = (read, read.upper()) if small else (read,)
    meant = read + "".join(told[kind].get(sign, "") for sign in signs for kind in ("digits", "letters"))
    return [sign for sign in dict.fromkeys(meant) if sign in place]


@cache
def _told() -> dict[str, Any]:
    return tomllib.loads(files("etl").joinpath("ocr.toml").read_text(encoding="utf-8"))
