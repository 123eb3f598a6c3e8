"""Identifiers -> IRIs. Pure: strings and polars columns in, strings and polars columns out.

Two ways a value becomes part of an IRI, as in R2RML (https://www.w3.org/TR/r2rml/#from-template):

* inside a template it is *encoded*: everything but RFC 3986 unreserved characters becomes %XX of its
  UTF-8 bytes, so a code with a slash or a space stays one path segment;
* alone (a column that holds a whole IRI) it is *kept*, only made safe: a character that no IRI may hold
  (RFC 3987) is percent-encoded, and what is still no absolute IRI is refused.
"""

import re
import unicodedata
from collections.abc import Callable
from urllib.parse import quote

import polars as pl

DEFAULT_BASE = "https://w3id.org/cupola/"

# What a deployment mints under its own base; onto/ and shapes/ are the same for all.
_DEPLOYED = re.compile(re.escape(DEFAULT_BASE) + r"(?=(?:id|graph|release)/|catalog(?:[/#?.]|$))")

# RFC 3986 §2.3. Also the only characters that mean the same encoded or not.
_UNRESERVED = r"A-Za-z0-9._~\-"
_DECODED = [chr(code) for code in range(128) if re.fullmatch(f"[{_UNRESERVED}]", chr(code))]
_ENCODED = [f"%{ord(character):02X}" for character in _DECODED]

# RFC 3987 §2.2: ucschar; private-use characters, allowed in queries only, are encoded everywhere.
_UCSCHAR = "\u00a0-\ud7ff\uf900-\ufdcf\ufdf0-\uffef" + "".join(
    f"{chr(plane << 16 | (0x1000 if plane == 14 else 0))}-{chr(plane << 16 | 0xFFFD)}" for plane in range(1, 15)
)
_ILLEGAL = re.compile(rf"[^{_UNRESERVED}:/?#@!$&'()*+,;=%{_UCSCHAR}]|%(?![0-9A-Fa-f]{{2}})")
_ABSOLUTE = re.compile(
    r"[A-Za-z][A-Za-z0-9+.-]*:"  # scheme
    r"(?://(?:[^/?#@]*@)?[^/?#@:]*(?::[0-9]*)?(?![^/?#])|(?!//))"  # authority with its port, or none
    r"[^#]*(?:#[^#]*)?",
)
# What needs no second look: the usual web address. Everything else goes through `absolute`, value by value.
_PLAIN = r"^https?://[A-Za-z0-9.-]+(?:/[A-Za-z0-9._~:/@!$&'()*+,;=-]*)?$"


def encode(value: str) -> str:
    """The value as it stands inside a template: `7.1/b à` -> `7.1%2Fb%20%C3%A0`."""
    return quote(value, safe="")


def encoded(column: pl.Expr) -> pl.Expr:
    """`encode` for a column of strings; nulls stay null."""
    return _where_needed(column, f"[^{_UNRESERVED}]", _encode_all)


def absolute(value: str) -> str | None:
    """The value as an absolute IRI with illegal characters percent-encoded; None if it is no absolute IRI.

    A host in brackets (IPv6) is refused: no source publishes one, and brackets elsewhere must be encoded.
    """
    head, hash_, fragment = value.partition("#")
    safe = _ILLEGAL.sub(lambda found: encode(found[0]), head + hash_ + fragment.replace("#", "%23"))
    return safe if _ABSOLUTE.fullmatch(safe) else None


def absolutes(column: pl.Expr) -> pl.Expr:
    """`absolute` for a column of strings; what is no absolute IRI becomes null."""
    return _where_needed(column, _PLAIN, lambda values: _each(values, absolute), needed=False)


def slug(text: str) -> str | None:
    """A name as a path segment: ASCII letters and digits in lower case, joined by hyphens.

    `Città di Forlì` -> `citta-di-forli`; None when nothing is left (`…`, a name in another script).
    """
    plain = unicodedata.normalize("NFKD", text.casefold())
    return re.sub(r"[^a-z0-9]+", "-", re.sub(r"[\u0300-\u036f]", "", plain)).strip("-") or None


def slugs(column: pl.Expr) -> pl.Expr:
    """`slug` for a column of strings."""
    return column.map_batches(lambda values: _each(values, slug), return_dtype=pl.String, is_elementwise=True)


def rebase(iri: str, base: str) -> str:
    """The IRI under a deployment's base, if it is one a deployment mints (id/, graph/, release/, catalog).

    Raises ValueError if the base is not an absolute http(s) IRI ending in a slash.
    """
    if not base.startswith(("http://", "https://")) or not base.endswith("/") or absolute(base) != base:
        raise ValueError(f"the base must be an http(s) address ending in /, not {base!r}")
    return _DEPLOYED.sub(lambda _: base, iri, count=1) if _DEPLOYED.match(iri) else iri


def _where_needed(
    column: pl.Expr, pattern: str, change: Callable[[pl.Series], pl.Series], needed: bool = True
) -> pl.Expr:
    """Change only the values that match the pattern (or do not, if not `needed`): the rest costs one scan."""

    def apply(values: pl.Series) -> pl.Series:
        found = values.str.contains(pattern)
        rows = (found if needed else ~found).fill_null(False).arg_true()
        return values if rows.is_empty() else values.clone().scatter(rows, change(values.gather(rows)))

    return column.map_batches(apply, return_dtype=pl.String, is_elementwise=True)


def _encode_all(values: pl.Series) -> pl.Series:
    every_byte = values.str.encode("hex").str.to_uppercase().str.replace_all("(..)", "%$1")
    return every_byte.str.replace_many(_ENCODED, _DECODED)


def _each(values: pl.Series, function: Callable[[str], str | None]) -> pl.Series:
    """The function over each different value, once."""
    different = values.drop_nulls().unique()
    results = pl.Series([function(value) for value in different], dtype=pl.String)
    return values.replace_strict(different, results, default=None, return_dtype=pl.String)
