"""Italian tax codes: eleven digits for bodies, sixteen characters for persons; both end in a check. Pure, vectorised.

The last of eleven digits is a check digit (DM 23 December 1976, art. 13, for VAT numbers). Bodies that have no such
number have a code that follows it: all 52,534 codes of digits of the PNRR's implementing bodies do, once the zeros that
a table lost are there again. The last of sixteen characters is a check letter; where two persons would have one code,
digits are letters (same decree).
"""

from __future__ import annotations

from string import ascii_uppercase, digits
from typing import Final

import polars as pl

#: What is left of a code whose leading zeros were lost in a number: seven digits are the fewest seen.
SHORTEST: Final = 7
_LENGTH: Final = 11
_BODY: Final = r"^[0-9]{11}$"
#: Name, year, month, day, place, check letter.
_PERSON: Final = r"^[A-Z]{6}[0-9LMNPQRSTUV]{2}[ABCDEHLMPRST][0-9LMNPQRSTUV]{2}[A-Z][0-9LMNPQRSTUV]{3}[A-Z]$"
_BLANKS: Final = r"[\s\u00a0\u00ad\u2000-\u200f\u202f\u205f\u2060\u3000\ufeff]+"
_EVEN: Final = {sign: value for signs in (digits, ascii_uppercase) for value, sign in enumerate(signs)}
_ODD_VALUES: Final = (1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23)
_ODD: Final = {sign: _ODD_VALUES[value] for sign, value in _EVEN.items()}


def read(raw: pl.Series) -> pl.DataFrame:
    """Tax codes from strings, row by row: `value` (11 digits), `person` (16 characters), or the `code` of the problem.

    Seven to ten digits are read with the zeros they lost if the check digit then holds; `padded` tells so.
    """
    rows = raw.alias("raw").to_frame()
    rows = rows.with_columns(bare=pl.col("raw").str.replace_all(_BLANKS, "").str.to_uppercase())
    bare = pl.col("bare")
    padded = bare.str.contains(rf"^[0-9]{{{SHORTEST},{_LENGTH - 1}}}$")
    rows = rows.with_columns(
        digits=pl.when(bare.str.contains(_BODY) | padded).then(bare.str.zfill(_LENGTH)),
        letters=pl.when(bare.str.contains(_PERSON)).then(bare),
    )
    rows = rows.with_columns(
        value=pl.when(is_body(pl.col("digits"))).then(pl.col("digits")),
        person=pl.when(is_person(pl.col("letters"))).then(pl.col("letters")),
    )
    none = pl.col("value").is_null() & pl.col("person").is_null()
    return rows.select(
        "value",
        "person",
        code=pl.when(pl.col("raw").is_not_null() & none).then(pl.lit("tax-code.malformed")),
        padded=(padded & pl.col("value").is_not_null()).fill_null(False),
    )


def may_be_persons(raw: pl.Expr) -> pl.Expr:
    """Whether a text is as long as a person's code, right or wrong: it is then not shown where persons are not."""
    return raw.str.replace_all(_BLANKS, "").str.len_chars() == 16


def is_body(code: pl.Expr) -> pl.Expr:
    """Whether eleven digits end in the right check digit; eleven zeros are nobody's code."""
    figures = [code.str.slice(place, 1).cast(pl.Int32, strict=False) for place in range(_LENGTH)]
    doubled = [figure * 2 - pl.when(figure > 4).then(9).otherwise(0) for figure in figures[1::2]]
    total = pl.sum_horizontal(*figures[0::2], *doubled, ignore_nulls=False)
    return code.str.contains(_BODY) & (total % 10 == 0) & (code != "0" * _LENGTH)


def is_person(code: pl.Expr) -> pl.Expr:
    """Whether sixteen characters have the form of a person's code and end in the right check letter."""
    signs = [code.str.slice(place, 1) for place in range(15)]
    values = [
        sign.replace_strict(_EVEN if place % 2 else _ODD, default=None, return_dtype=pl.Int32)
        for place, sign in enumerate(signs)
    ]
    letter = (pl.sum_horizontal(*values, ignore_nulls=False) % 26).replace_strict(
        dict(enumerate(ascii_uppercase)), default=None, return_dtype=pl.String
    )
    return code.str.contains(_PERSON) & (code.str.slice(15) == letter)
