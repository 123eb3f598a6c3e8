"""The two languages of the pages: which one a request wants, its words, and how numbers and dates are written.

All words live in `text/it.toml` and `text/en.toml`. No cookie is used: `?lang=` decides, and without it the
browser's Accept-Language; links keep `?lang=` once it was chosen.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

from flask import Request

LANGUAGES = ("it", "en")
_TEXT = Path(__file__).parent / "text"
_DECIMAL = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)")
_DATE = re.compile(r"(\d{4})-(\d\d)-(\d\d)(Z|[+-]\d\d:\d\d)?")


def _flat(table: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{above}{key}.")
        else:
            yield above + key, str(value)


@cache
def words(lang: str) -> Mapping[str, str]:
    """Every word of the pages in one language, by dotted key."""
    return dict(_flat(tomllib.loads((_TEXT / f"{lang}.toml").read_text(encoding="utf-8"))))


def chosen(request: Request) -> str:
    """The language of the answer: `?lang=` if it is one of ours, else Accept-Language, else Italian."""
    asked = request.args.get("lang", "")
    return asked if asked in LANGUAGES else request.accept_languages.best_match(LANGUAGES) or LANGUAGES[0]


class Language:
    """One language at work in a page: `t("home.title")` gives words, the other methods write values."""

    def __init__(self, code: str) -> None:
        self.code = code
        self._words = words(code)

    def __call__(self, key: str, /, **values: object) -> str:
        """The words of `key` with {names} filled in; an unknown key raises KeyError, so that no page hides it."""
        text = self._words[key]
        return text.format(**values) if values else text

    def get(self, key: str, default: str | None = None) -> str | None:
        """The words of a key that may be absent (names of terms we do not own)."""
        return self._words.get(key, default)

    def count(self, key: str, number: int, /, **values: object) -> str:
        """`number` things, in the singular or plural words of `key`.one and `key`.many."""
        return self(f"{key}.{'one' if number == 1 else 'many'}", n=self.integer(number), **values)

    def integer(self, number: int) -> str:
        """A whole number with this language's thousands mark."""
        return f"{number:,}".replace(",", self("format.thousands"))

    def number(self, lexical: str, least_decimals: int = 0) -> str:
        """A decimal number, exact: all digits of the lexical form stay, none passes through a float.

        What is no decimal number comes back as it is.
        """
        if not _DECIMAL.fullmatch(lexical.strip()):
            return lexical
        value = Decimal(lexical.strip())
        exponent = value.as_tuple().exponent
        decimals = max(least_decimals, -exponent if isinstance(exponent, int) else 0)
        whole, _, part = f"{value.copy_abs():,.{decimals}f}".partition(".")
        mark = self("format.decimal") if part else ""
        sign = "−" if value < 0 else ""
        return sign + whole.replace(",", self("format.thousands")) + mark + part

    def amount(self, lexical: str) -> str:
        """An amount in euro from the lexical form of an xsd:decimal: `1.190.893,72 €`, `€1,190,893.72`."""
        if not _DECIMAL.fullmatch(lexical.strip()):
            return lexical
        return self("format.euro", number=self.number(lexical, least_decimals=2))

    def percent(self, part: Decimal, whole: Decimal) -> str:
        """`part` of `whole` in percent, one decimal."""
        return self("format.percent", number=self.number(f"{part * 100 / whole:.1f}"))

    def date(self, lexical: str, form: str = "date") -> str:
        """A date from an xsd:date, in words (form "date") or short ("short_date"); no date comes back as it is."""
        match = _DATE.fullmatch(lexical)
        if not match or not 1 <= int(match[2]) <= 12:
            return lexical
        month = self(f"month.{match[2]}")
        return self(f"format.{form}", day=int(match[3]), month=month, number=int(match[2]), year=match[1])

    def choose(self, labels: Mapping[str, str]) -> tuple[str, str] | None:
        """The label for this language and the language it is in: ours, untagged, the other ones."""
        for lang in (self.code, "", *LANGUAGES, *sorted(labels)):
            if labels.get(lang):
                return labels[lang], lang
        return None
