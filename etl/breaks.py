"""Codes, amounts and dates that a narrow column has broken over two lines, to be read as one.

Only what cannot be meant otherwise is joined: a number does not end in a comma, and nothing begins with one. What may
be two values stays two, and what is then no whole value is told by whoever cleans it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

_NUMBER: Final = r"[.,]?\d[\d.,]*"
_MONEY: Final = r"(?:€|euro|eur)"
_AMOUNT_BEGUN: Final = re.compile(rf"(?:{_MONEY}\s*)?\d[\d.,']*", re.IGNORECASE)
_AMOUNT_GOES_ON: Final = re.compile(rf"{_NUMBER}(?:\s*(?:{_MONEY}|%))?", re.IGNORECASE)
_ONLY_MONEY: Final = re.compile(_MONEY, re.IGNORECASE)
_DAY_BEGUN: Final = re.compile(r"\d{1,2}[°º]?(?:\s+[^\W\d_]+)?")
_YEAR_FOLLOWS: Final = re.compile(r"(?:[^\W\d_]+\s+)?\d{4}")
_DAY_PART: Final = re.compile(r"[\d/.-]+")
_CODE_PART: Final = re.compile(r"[0-9A-Za-z]+")
_CODE_MARKS: Final = re.compile(r"[0-9A-Za-z._/-]+")
#: No value of these types ends or begins with one of these.
_MARKS: Final[Mapping[str, tuple[str, ...]]] = {
    "amount": (".", ","),
    "number": (".", ","),
    "date": ("/", ".", "-"),
    "code": (".", "_", "/", "-"),
}
#: Codes of one length: https://www.programmazioneeconomica.gov.it (CUP), https://www.anticorruzione.it (CIG)
_LENGTHS: Final[Mapping[str, int]] = {"cup": 15, "cig": 10}


def joint(kind: str, above: str, below: str) -> str | None:
    """What stands between two lines of one value of a type of fields: nothing or a space; None if they are not one.

    >>> joint("amount", "€ 1.190", ".893,72"), joint("date", "12 marzo", "2021"), joint("cup", "C19J2103", "7430006")
    ('', ' ', '')
    >>> joint("amount", "€ 1.190,00", "893,72"), joint("cup", "C19J21037430006", "C19J21037430007")
    (None, None)
    """
    apart = above[-1:] in _MARKS.get(kind, "") or below[:1] in _MARKS.get(kind, "")
    match kind:
        case "amount" | "number":
            if _ONLY_MONEY.fullmatch(above):
                return " " if _AMOUNT_GOES_ON.fullmatch(below) else None
            if _ONLY_MONEY.fullmatch(below):
                return " " if _AMOUNT_BEGUN.fullmatch(above) and above[-1] not in ".," else None
            return "" if apart and _AMOUNT_BEGUN.fullmatch(above) and _AMOUNT_GOES_ON.fullmatch(below) else None
        case "date":
            if _DAY_BEGUN.fullmatch(above) and _YEAR_FOLLOWS.fullmatch(below):
                return " "
            return "" if apart and _DAY_PART.fullmatch(above) and _DAY_PART.fullmatch(below) else None
        case "cup" | "cig":
            parts = _CODE_PART.fullmatch(above) and _CODE_PART.fullmatch(below)
            return "" if parts and len(above) + len(below) == _LENGTHS[kind] else None
        case "code":
            return "" if apart and _CODE_MARKS.fullmatch(above) and _CODE_MARKS.fullmatch(below) else None
        case _:
            return None
