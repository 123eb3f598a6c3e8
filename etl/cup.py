"""The Codice Unico di Progetto (CUP): normalise, parse, explain.

A CUP is 15 characters: a letter, two digits, a letter, eleven digits (law 3/2003, art. 11; the form is measured on
213,552 codes). It has no check digit, so a well-formed code need not exist. What its characters say is in cup.toml,
with how it was measured. Every scalar function has its counterpart on polars expressions, and the two agree.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from string import ascii_lowercase, ascii_uppercase
from typing import Any, Final

import polars as pl

from etl import ocr

LENGTH: Final = 15
_SHAPE: Final = "LDDLDDDDDDDDDDD"  # L a letter, D a digit
_FORM: Final = r"[A-Z][0-9]{2}[A-Z][0-9]{11}"
_WELLFORMED: Final = re.compile(_FORM)
_WITHIN: Final = re.compile(rf"\b{_FORM}\b", re.ASCII)

#: Blanks, control and invisible characters people and copy-and-paste leave in a code.
_BLANKS: Final = "".join(map(chr, range(33))) + (
    "\x7f\x85\xa0\xad\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u200b\u200c\u200d\u2028\u2029\u202f\u205f\u2060\u3000\ufeff"
)
#: Signs people set between or around its characters.
_SIGNS: Final = ".,;:=-_/'\"()[]«»“”‘’‐‑‒–—−"
#: "CUP:", "C.U.P. n.", "Codice Unico di Progetto - CUP" before the code; blanks are gone and letters capital by now.
_PREFIX: Final = (
    rf"^[{re.escape(_SIGNS)}]*(?:CODICEUNICO(?:DI)?PROGETTO|CODICE)?[{re.escape(_SIGNS)}]*"
    rf"(?:C\.?U\.?P\.?(?:N[.°º]|NR\.|NUMERO)?)?"
)
#: A small l is no letter of a CUP: no code has an L (cup.toml, `usual`), so it is an I or a 1 that OCR read wrong.
_SMALL: Final = ascii_lowercase.replace("l", "")
_CAPITALS: Final = str.maketrans(_SMALL, _SMALL.upper())
_TIDY: Final = str.maketrans(_SMALL, _SMALL.upper(), _BLANKS)
_NO_BLANKS: Final = str.maketrans("", "", _BLANKS)
_NO_SIGNS: Final = str.maketrans("", "", _SIGNS)

#: Two-digit years from here on are of the 1900s. OpenCUP has decisions from the 1950s on; codes seen: 91-99, 00-24.
CENTURY_TURN: Final = 50
#: Years a project may start before and after its CUP's year. Of 26,650 PNRR projects 0.30 % have their first tender
#: outside (earliest CIG publication), of 17,359 0.20 % their first award.
START_BEFORE: Final = 5
START_AFTER: Final = 8


@dataclass(frozen=True)
class Cup:
    """A well-formed CUP. That it exists is for the register to say (`register_url`)."""

    code: str

    @property
    def year(self) -> int:
        """The year of the decision the code tells (characters 5 and 6)."""
        short = int(self.code[4:6])
        return short + (1900 if short >= CENTURY_TURN else 2000)

    @property
    def register_url(self) -> str:
        """The project's page in the public register."""
        return str(_facts()["source"]["register"]) + self.code


@dataclass(frozen=True)
class Malformed:
    """A text that is no CUP: what is wrong, in Italian and English, and what it may have meant.

    `suggestions` are well-formed codes that differ only by characters commonly confused; never applied. The reasons
    say at which positions, or which codes are possible when there are several. `found` are the well-formed codes
    standing inside a longer text.
    """

    raw: str
    detail_it: str
    detail_en: str
    suggestions: tuple[str, ...] = ()
    reason_it: str = ""
    reason_en: str = ""
    found: tuple[str, ...] = ()

    @property
    def suggestion(self) -> str | None:
        """The suggestion, when there is exactly one."""
        return self.suggestions[0] if len(self.suggestions) == 1 else None


@dataclass(frozen=True)
class Part:
    """Some characters of a CUP and what they say."""

    first: int
    last: int
    characters: str
    it: str
    en: str


@dataclass(frozen=True)
class Explanation:
    """A CUP part by part, and what a reader must know of it as a whole: (Italian, English) pairs."""

    cup: Cup
    parts: tuple[Part, ...]
    notes: tuple[tuple[str, str], ...]
    sources: tuple[str, ...]


# --- scalar ------------------------------------------------------------------------------------


def normalise(text: str) -> str:
    """The text as a CUP is officially written: capitals, no blanks, signs or "CUP:" before it. It may be no CUP.

    An l stays small: no CUP has one.
    """
    return re.sub(_PREFIX, "", text.translate(_TIDY), count=1).translate(_NO_SIGNS)


def parse(text: str) -> Cup | Malformed:
    """The CUP a text holds, or what keeps it from being one."""
    code = normalise(text)
    if _WELLFORMED.fullmatch(code):
        return Cup(code)
    found = tuple(dict.fromkeys(_WITHIN.findall(text.translate(_CAPITALS))))
    if len(found) > 1:
        return Malformed(text, *_detail("several", found=", ".join(found)), found=found)
    if found and not normalise(_WITHIN.sub("", text.translate(_CAPITALS))):
        return Cup(found[0])  # the same code written more than once
    if found:
        return Malformed(text, *_detail("within"), suggestions=found, found=found)
    faults = _faults(code)
    detail_it, detail_en = ("; ".join(words) for words in zip(*faults, strict=True))
    return Malformed(text, detail_it, detail_en, *_meant(text))


def explain(cup: Cup) -> Explanation:
    """What each part of the code says, as measured (cup.toml), and what the code as a whole cannot say."""
    facts, year = _facts(), str(cup.year)
    parts = tuple(
        Part(
            first=part["from"],
            last=part["to"],
            characters=cup.code[part["from"] - 1 : part["to"]],
            it=part["it"].format(year=year),
            en=part["en"].format(year=year),
        )
        for part in facts["part"]
    )
    notes = [_note("existence", url=cup.register_url)]
    for told, part in zip(facts["part"], parts, strict=True):
        if part.characters not in (usual := told.get("usual", part.characters)):
            notes.append(_note("unusual", position=str(part.first), character=part.characters, usual=", ".join(usual)))
    earliest, latest = facts["notes"]["year"]["seen"]
    if not earliest <= cup.year <= latest:
        notes.append(_note("year", year=year))
    return Explanation(cup, parts, tuple(notes), (facts["source"]["law"], facts["source"]["issuer"]))


# --- vectorised --------------------------------------------------------------------------------


def normalised(text: pl.Expr) -> pl.Expr:
    """`normalise` of a column."""
    tidy = text.str.replace_many([*_SMALL, *_BLANKS], [*_SMALL.upper(), *([""] * len(_BLANKS))])
    return tidy.str.replace(_PREFIX, "").str.replace_many(list(_SIGNS), [""] * len(_SIGNS))


def is_wellformed(code: pl.Expr) -> pl.Expr:
    """Whether each value, as it stands, has the form of a CUP; null for null."""
    return code.str.contains(rf"\A{_FORM}\z")


def year(code: pl.Expr) -> pl.Expr:
    """The year of the decision each well-formed code tells (Int32); null for any other value."""
    short = pl.when(is_wellformed(code)).then(code.str.slice(4, 2)).cast(pl.Int32)
    return short + pl.when(short >= CENTURY_TURN).then(pl.lit(1900, pl.Int32)).otherwise(pl.lit(2000, pl.Int32))


# --- inside ------------------------------------------------------------------------------------


def _faults(code: str) -> list[tuple[str, str]]:
    """Everything wrong with a normalised text, for a person: length first, then the first wrong characters."""
    if not code:
        return [_detail("empty")]
    wrong = [
        _detail(_wrong(character, kind), position=str(place), character=character)
        for place, (character, kind) in enumerate(zip(code, _SHAPE, strict=False), start=1)
        if not _fits(character, kind)
    ]
    if len(code) != LENGTH:
        # A character too few or too many shifts all that follow: only the first misfit says something.
        return [_detail("length", found=str(len(code))), *wrong[:1]]
    return wrong[:3]


def _meant(text: str) -> tuple[tuple[str, ...], str, str]:
    """The well-formed codes a text may stand for if every misfit is a common confusion; why, in Italian and English."""
    seen = _as_seen(text)
    strays: tuple[ocr.Slip, ...] = ()
    if len(seen) != LENGTH:
        strays = tuple(ocr.Slip(place, sign, "") for place, sign in enumerate(seen, start=1) if not sign.isalnum())
        seen = "".join(filter(str.isalnum, seen))
    small = any(seen[place : place + 1].islower() for place, kind in enumerate(_SHAPE) if kind == "L")
    capital = "".join(
        sign.translate(_CAPITALS) if kind == "L" else sign for sign, kind in zip(seen, _SHAPE, strict=False)
    )
    places = [ascii_uppercase if kind == "L" else ocr.DIGITS for kind in _SHAPE]
    found = ocr.readings(capital + seen[LENGTH:], places, small)
    found = tuple(filter(_usual, found)) or found  # a letter no code has is less likely than one that many have
    if len(found) == 1:
        return (found[0].text,), *ocr.reason((*strays, *found[0].slips))
    codes = tuple(reading.text for reading in found)
    return codes, *(ocr.several(codes) if codes else ("", ""))


def _as_seen(text: str) -> str:
    """What `normalise` leaves of a text, with its letters large and small as they were."""
    seen = text.translate(_NO_BLANKS)
    prefix = re.match(_PREFIX, seen.translate(_CAPITALS))
    return seen[prefix.end() if prefix else 0 :].translate(_NO_SIGNS)


def _usual(reading: ocr.Reading) -> bool:
    """Whether all letters are such as codes have at their places (cup.toml)."""
    parts = [part for part in _facts()["part"] if "usual" in part]
    return all(reading.text[part["from"] - 1 : part["to"]] in part["usual"] for part in parts)


def _fits(character: str, kind: str) -> bool:
    return character in (ascii_uppercase if kind == "L" else "0123456789")


def _wrong(character: str, kind: str) -> str:
    """The name of the sentence for a character where another kind is needed."""
    return "digit" if kind == "D" else "small" if character == "l" else "letter"


def _detail(name: str, **values: str) -> tuple[str, str]:
    words = _facts()["malformed"][name]
    return words["it"].format(**values), words["en"].format(**values)


def _note(name: str, **values: str) -> tuple[str, str]:
    words = _facts()["notes"][name]
    return words["it"].format(**values), words["en"].format(**values)


@cache
def _facts() -> dict[str, Any]:
    return tomllib.loads(files("etl").joinpath("cup.toml").read_text(encoding="utf-8"))
