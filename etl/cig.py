"""The tender code (CIG) of ten characters: what its check characters say. Pure; columns and single values agree.

Two forms have one. Seven digits and three hexadecimal figures: the digits, times 211, modulo 4091. The short form
("smart"), X, Y or Z and nine hexadecimal figures: the last seven, times 211, modulo 251 are the first two. The rule is
measured, on the open data of ANAC and of Italia Domani: all 64,650 and 33,030 different codes of the first, all 37,172
and 20,580 of the second follow it. Codes given since 2024 begin with A or B and follow another, which is not known
here: of them nothing is said.
"""

from __future__ import annotations

import re
from typing import Final

import polars as pl

from etl import ocr

LENGTH: Final = 10
_HEX: Final = ocr.DIGITS + "ABCDEF"
#: The signs each place allows, by the form.
_FORMS: Final = ([ocr.DIGITS] * 7 + [_HEX] * 3, ["XYZ"] + [_HEX] * 9)
_LONG: Final = r"[0-9]{7}[0-9A-F]{3}"
_SHORT: Final = r"[XYZ][0-9A-F]{9}"
#: What codes given since 2024 look like.
_LATER: Final = r"[A-W][0-9A-F]{9}"
_FACTOR: Final = 211
_LONG_MODULUS: Final = 4091
_SHORT_MODULUS: Final = 251


def fails(code: pl.Expr) -> pl.Expr:
    """Whether a code of ten signs has none of the forms there are, or one of the two with a check and that is wrong."""
    number = code.str.slice(0, 7).str.to_integer(base=10, strict=False)
    long = (number * _FACTOR % _LONG_MODULUS) == code.str.slice(7).str.to_integer(base=16, strict=False)
    serial = code.str.slice(3).str.to_integer(base=16, strict=False)
    short = (serial * _FACTOR % _SHORT_MODULUS) == code.str.slice(1, 2).str.to_integer(base=16, strict=False)
    return (
        pl.when(code.str.contains(rf"\A{_LONG}\z"))
        .then(~long)
        .when(code.str.contains(rf"\A{_SHORT}\z"))
        .then(~short)
        .otherwise(~code.str.contains(rf"\A{_LATER}\z"))
        .fill_null(False)
    )


def passes(code: str) -> bool:
    """Whether a code has one of the two forms and its check is right."""
    if re.fullmatch(_LONG, code):
        return int(code[:7]) * _FACTOR % _LONG_MODULUS == int(code[7:], 16)
    if re.fullmatch(_SHORT, code):
        return int(code[3:], 16) * _FACTOR % _SHORT_MODULUS == int(code[1:3], 16)
    return False


def meant(text: str) -> ocr.Meant | None:
    """The code that a text with usual errors of OCR may stand for, if its check is right; None if there is none.

    Blanks are passed over. Figures and letters are one alphabet in places of hexadecimal figures, so an 8 there is
    tried as a B, too: the check decides, and of several that pass it the one with the fewest errors.
    """
    seen = "".join(text.split())
    found = _passing(seen) or _passing(seen.upper())
    fewest = min((len(reading.slips) for reading in found), default=0)
    return ocr.meant(reading for reading in found if len(reading.slips) == fewest)


def _passing(seen: str) -> list[ocr.Reading]:
    return [
        reading for places in _FORMS for reading in ocr.readings(seen, places, doubtful=True) if passes(reading.text)
    ]
