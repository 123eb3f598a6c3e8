"""Italian places by name or ISTAT code, with their official IRIs. Pure: it reads only its own tables.

The tables are made by `etl.places.make` from the register of OntoPiA and hold every municipality valid at any
time since 1990. A name is found only if it is exactly a name of the register (after folding case, accents and
apostrophes); one that several municipalities bear is never decided here.
"""

import csv
import re
import unicodedata
from collections import defaultdict
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib.resources import files
from operator import itemgetter
from typing import Final

CLASSIFICATIONS: Final = "https://w3id.org/italia/controlled-vocabulary/territorial-classifications/"
SINCE: Final = date(1990, 1, 1)

_Row = dict[str, str]


@dataclass(frozen=True)
class Found:
    """A municipality in one period of its life; `province_iri` is None for provinces the register has no IRI of.

    `valid_to` is the first day it is no longer so, None if it still is.
    """

    istat: str
    name: str
    other_name: str | None
    iri: str
    province: str
    province_name: str | None
    province_iri: str | None
    abbreviation: str
    region: str
    region_name: str
    region_iri: str
    valid_from: date
    valid_to: date | None

    @property
    def key(self) -> str:
        """The register's key, the end of the IRI: `001272-(2015-01-01)`."""
        return f"{self.istat}-({self.valid_from})"


@dataclass(frozen=True)
class Province:
    """A province or metropolitan city; one the register has no IRI of (of Sardinia, until 2016) has no name either."""

    code: str
    abbreviation: str
    name: str | None
    iri: str | None
    region: str
    region_name: str
    region_iri: str


@dataclass(frozen=True)
class Region:
    """A region."""

    code: str
    name: str
    iri: str


@dataclass(frozen=True)
class Unknown:
    """No municipality of that name or code, at that time; `once` are those that had it at another time."""

    asked: str
    once: tuple[Found, ...] = ()


@dataclass(frozen=True)
class Ambiguous:
    """Several municipalities bear the name: all of them."""

    asked: str
    candidates: tuple[Found, ...]


def find(name: str, on: date | None = None) -> Found | Unknown | Ambiguous:
    """The municipality of that name on a day.

    Without a day: the one that has the name today or, if none does, the one that had it last (since 1990).
    `Comune di` and `Città di` before the name are passed over, unless they are part of it (Città di Castello).
    """
    names = _by_name()
    folded = _fold(name)
    records = names.get(folded) or names.get(re.sub(r"^(?:comune|citta) di ", "", folded), ())
    chosen = _chosen(records, on)
    if not chosen:
        return Unknown(name, tuple(map(_found, records)))
    found = tuple(map(_found, chosen))
    return found[0] if len(found) == 1 else Ambiguous(name, found)


def by_istat(code: str, on: date | None = None) -> Found | Unknown:
    """The municipality with that ISTAT code (6 digits) on a day; without a day, today's or the last."""
    records = _by_istat().get(code, ())
    chosen = _chosen(records, on)
    return _found(chosen[0]) if chosen else Unknown(code, tuple(map(_found, records)))


@cache
def provinces() -> tuple[Province, ...]:
    """Every province there is or was since 1990."""
    known = {region.code: region for region in regions()}
    return tuple(
        Province(
            code=row["code"],
            abbreviation=row["abbreviation"],
            name=row["name"] or None,
            iri=CLASSIFICATIONS + row["iri"] if row["iri"] else None,
            region=row["region"],
            region_name=known[row["region"]].name,
            region_iri=known[row["region"]].iri,
        )
        for row in _rows("provinces")
    )


@cache
def regions() -> tuple[Region, ...]:
    """Every region."""
    return tuple(Region(row["code"], row["name"], CLASSIFICATIONS + row["iri"]) for row in _rows("regions"))


def _chosen(records: tuple[_Row, ...], on: date | None) -> tuple[_Row, ...]:
    """Of each code the record valid on the day; without a day those of today, else the last of each code."""
    if on is not None:
        day = on.isoformat()  # ISO dates sort as text
        return tuple(row for row in records if row["valid_from"] <= day < (row["valid_to"] or "9999-12-31"))
    today = tuple(row for row in records if not row["valid_to"])
    return today or tuple({row["istat"]: row for row in sorted(records, key=itemgetter("valid_from"))}.values())


def _fold(name: str) -> str:
    """Names alike but for case, accents, apostrophes and the kind of blank become the same."""
    plain = re.sub(r"[\u0300-\u036f]", "", unicodedata.normalize("NFKD", name.casefold()))
    return " ".join(re.sub(r"[\s/_-]+", " ", re.sub("['’‘`´ʼ]", "", plain)).split())


def _found(row: _Row) -> Found:
    province = _table("provinces")[row["province"]]
    region = _table("regions")[province["region"]]
    return Found(
        istat=row["istat"],
        name=row["name"],
        other_name=row["other_name"] or None,
        iri=f"{CLASSIFICATIONS}cities/{row['istat']}-({row['valid_from']})",
        province=row["province"],
        province_name=province["name"] or None,
        province_iri=CLASSIFICATIONS + province["iri"] if province["iri"] else None,
        abbreviation=province["abbreviation"],
        region=region["code"],
        region_name=region["name"],
        region_iri=CLASSIFICATIONS + region["iri"],
        valid_from=date.fromisoformat(row["valid_from"]),
        valid_to=date.fromisoformat(row["valid_to"]) if row["valid_to"] else None,
    )


@cache
def _by_name() -> dict[str, tuple[_Row, ...]]:
    grouped: defaultdict[str, list[_Row]] = defaultdict(list)
    for row in _rows("municipalities"):
        name, other = row["name"], row["other_name"]
        for folded in {_fold(each) for each in ((name, other, f"{name}/{other}") if other else (name,))}:
            grouped[folded].append(row)
    for alias in _rows("aliases"):  # what everybody, their own sites too, calls a municipality the register calls else
        grouped[_fold(alias["name"])] += _by_istat()[alias["istat"]]
    return {folded: tuple(rows) for folded, rows in grouped.items()}


@cache
def _by_istat() -> dict[str, tuple[_Row, ...]]:
    grouped: defaultdict[str, list[_Row]] = defaultdict(list)
    for row in _rows("municipalities"):
        grouped[row["istat"]].append(row)
    return {code: tuple(rows) for code, rows in grouped.items()}


@cache
def _table(name: str) -> dict[str, _Row]:
    return {row["code"]: row for row in _rows(name)}


@cache
def _rows(table: str) -> list[_Row]:
    with files("etl.places").joinpath(f"{table}.csv").open(encoding="utf-8") as text:
        return list(csv.DictReader(text))
