"""Places in a file, as a release tells them ("page 2, line 5", "Sheet1!B7"), in words and in order.

The places themselves are made by the wing that writes releases; what they look like is written in
`etl/documents/model.py`. A place of a form that is not known here is shown as it is.
"""

from __future__ import annotations

import re

from endpoint.language import Language

_STEP = re.compile(r"(page|table|(?:line|paragraph|row|column)s?) (\d+)(?:-(\d+))?")
_CELL = re.compile(r"([^!]+)!([A-Z]{1,3})(\d+)")
_METADATA = ("JSON-LD ", "microdata ", "RDFa ", "meta ")
_SPAN = " - "
_MANY = re.compile(r"\b(line|paragraph)s (\d+)-\d+")
_NUMBER = re.compile(r"(\d+)")

#: Compares places of one file: what a reader sees before metadata, then by the numbers in the place as numbers.
Order = tuple[bool, tuple[str | int, ...], int, int, str]


def in_words(place: str, language: Language) -> str:
    """A place in the words of the page's language: "page 2, lines 5-9" -> "pagina 2, righe 5–9"."""
    if place.startswith(_METADATA):
        return _metadata(place, language)
    start, between, end = place.partition(_SPAN)
    if between and _known(start) and _known(end):
        return language("place.span", start=in_words(start, language), end=in_words(end, language))
    if _CELL.fullmatch(place):  # before it is cut at commas: the name of a tab may have one
        return language("place.cell", where=place)
    return ", ".join(_part(part, language) for part in place.split(", "))


def order(place: str | None) -> Order:
    """What places of one file are sorted by: "line 9" comes before "line 10", a cell after those of the rows above."""
    first = (place or "").partition(_SPAN)[0]
    is_metadata = first.startswith(_METADATA)
    if cell := _CELL.fullmatch(first):
        return is_metadata, _natural(cell[1]), int(cell[3]), len(cell[2]), cell[2]
    return is_metadata, _natural(_MANY.sub(r"\1 \2", first)), 0, 0, ""


def _natural(text: str) -> tuple[str | int, ...]:
    return tuple(int(piece) if n % 2 else piece for n, piece in enumerate(_NUMBER.split(text)))


def _known(place: str) -> bool:
    parts = place.split(", ")
    return place.startswith("/") or bool(_CELL.fullmatch(place)) or all(map(_STEP.fullmatch, parts))


def _metadata(place: str, language: Language) -> str:
    kind, _, where = place.partition(" ")
    if where.startswith("/"):
        return language("place.metadata", where=f"{kind}, {_part(where, language)}")
    return language("place.metadata", where=place)


def _part(part: str, language: Language) -> str:
    if step := _STEP.fullmatch(part):
        name, first, last = step.groups()
        return language(f"place.{name}", number=f"{first}–{last}" if last else first)
    if part == "turned text":
        return language("place.turned")
    if _CELL.fullmatch(part):
        return language("place.cell", where=part)
    if part == "/html" or part.startswith("/html/"):
        return language("place.element", where=part)
    return language("place.pointer", where=part) if part.startswith("/") else part
