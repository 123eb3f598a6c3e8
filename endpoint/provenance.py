"""Where a shown value comes from: the file, the place in it, what stood there, and what was made of that."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from itertools import takewhile

from endpoint.describe import Description
from endpoint.naming import column_name, field_name, group_name
from endpoint.places import Order, in_words, order
from endpoint.problems import Problem
from endpoint.release import Release
from endpoint.terms import last_part
from endpoint.views import Facts, Link, Property, Text, Value

# A text longer than this is told by what was changed in it, not a second time in full.
SHORT = 5  # words
# Comparing takes time that grows with the square of what differs.
COMPARED = 200  # words that differ from the first to the last
SHOWN = 20  # changes

# What became of a row of a group has its number in its IRI ("…/financing-2", "…/payments-3/2026-01-31"), and a reading
# of it, where the release tells the row, this name too ("…/field/financing-2.amount").
_ROW = re.compile(r"([a-z0-9-]+)-(\d+)")
_READ = re.compile(r"([a-z0-9-]+)-(\d+)\..+")


@dataclass(frozen=True)
class File:
    """The file a sheet was read from.

    `copy` is the address of its copy here, None when copies are not published; `size` is in bytes, `retrieved` an
    ISO 8601 time and `url` the web address it was fetched from, where the release tells them.
    """

    sheet: Link
    name: str | None
    sha256: str | None
    copy: str | None
    media_type: str | None = None
    size: int | None = None
    retrieved: str | None = None
    url: str | None = None


@dataclass(frozen=True)
class Reading:
    """A value as the source writes it, and its place there; `code` is our name of its field, `field` its words."""

    iri: str
    code: str
    field: str
    label: str | None
    raw: str | None
    place: str | None
    order: Order
    file: File


@dataclass(frozen=True)
class Sheet:
    """The document an operation was read from, with what was read in it, in the order of the document."""

    file: File
    readings: list[Reading]


@dataclass(frozen=True)
class Published:
    """A value as it is published: its lexical form, or the name of what it is, with `iri` and where that leads."""

    text: str
    iri: str | None = None
    href: str | None = None
    external: bool = False


@dataclass(frozen=True)
class Change:
    """Words of a text and what is published in their place; either may be empty."""

    before: str
    after: str


@dataclass(frozen=True)
class Origin:
    """Where one shown value comes from, called `name`, and what was made of it.

    Of one value exactly one of these holds: `published` has its published forms, `changes` what differs in a long text,
    `many_changes` says that this is too much to be told word by word, `withheld` that nothing is published,
    `as_written` that what was read is, and `respaced` that it is but for white space. Of a row of several values none
    is said: its cells are beside it. `problems` are those of its field.
    """

    name: str
    readings: list[Reading]
    problems: list[Problem]
    published: Sequence[Published] = ()
    changes: Sequence[Change] = ()
    many_changes: bool = False
    withheld: bool = False
    as_written: bool = False
    respaced: bool = False


@dataclass(frozen=True)
class Row:
    """A row of a group: the resource it became (its number alone if that is not known), its values, and their origin
    if it is told.

    `cells` has a place for each column of the group, None where there is nothing.
    """

    link: Link
    cells: list[Property | None]
    origin: Origin | None


@dataclass(frozen=True)
class Group:
    """What a sheet tells row by row: as it is published, or (`as_read`) as it was found where no resource has the name
    of a row. `origin` is that of all rows when rows are not told apart.
    """

    name: str
    as_read: bool
    columns: list[Property]
    rows: list[Row]
    origin: Origin | None

    @property
    def told(self) -> bool:
        """Whether any row says where it was read."""
        return any(row.origin is not None for row in self.rows)


def sheet_view(facts: Facts, release: Release) -> Sheet:
    """A sheet with its readings; `facts` are those of the sheet."""
    file = _file(facts, release)
    readings = [_reading(facts, node, file) for node in facts.subjects("cupola:FieldReading")]
    return Sheet(file, sorted(readings, key=lambda r: (r.order, r.iri)))


def _file(facts: Facts, release: Release) -> File:
    sha256 = facts.one("cupola:sha256")
    document = release.documents.get(sha256 or "")
    # Both must say that there is a copy: the graph, which a deployment publishes or not, and the folder served here.
    address = facts.one("schema:contentUrl")
    copied = address is not None and document is not None and document.copied
    return File(
        sheet=facts.link(facts.description.iri),
        name=facts.one("cupola:fileName"),
        sha256=sha256,
        copy=facts.links.copy(address) if address and copied else None,
        media_type=document.media_type if document else None,
        size=document.size if document else None,
        retrieved=document.retrieved if document else None,
        url=document.url if document else None,
    )


def _reading(facts: Facts, node: str, file: File) -> Reading:
    code = facts.one("cupola:field", node) or ""
    place = facts.one("cupola:place", node)
    label = facts.one("cupola:sourceLabel", node)
    return Reading(
        iri=node,
        code=code,
        field=field_name(code, facts.language, label),
        label=label,
        raw=facts.one("cupola:sourceValue", node),
        place=in_words(place, facts.language) if place else None,
        order=order(place),
        file=file,
    )


class Origins:
    """The origins of an operation's values, from the sheets it was read from and the problems found in it."""

    def __init__(self, facts: Facts, sheets: Iterable[Sheet], problems: Sequence[Problem]) -> None:
        self._facts, self._problems = facts, problems
        self._readings: dict[str, list[Reading]] = {}
        for sheet in sheets:
            for reading in sheet.readings:
                self._readings.setdefault(reading.code, []).append(reading)

    def of(self, fields: Sequence[str], name: str) -> Origin | None:
        """The origin of what a property of the operation says; None when nothing was read in those fields."""
        terms = self._facts.all(name)
        return self._of(fields, [self._published(term.value, term.kind == "iri") for term in terms])

    def of_links(self, fields: Sequence[str], links: Iterable[Link]) -> Origin | None:
        """The origin of what is shown as these links; None when nothing was read in those fields."""
        return self._of(fields, [Published(x.text, x.iri, x.href, x.external) for x in links])

    def _of(self, fields: Sequence[str], values: Sequence[Published]) -> Origin | None:
        readings = [r for field in fields for r in self._readings.get(field, ())]
        return self._origin(readings[0].field, readings, values) if readings else None

    def groups(self) -> list[Group]:
        """What the sheets tell row by row: the resources named after a group of readings that the facts tell of."""
        return [group for name in sorted(_groups(self._readings)) if (group := self._group(name))]

    def _published(self, value: str, is_iri: bool) -> Published:
        if not is_iri:
            return Published(value)
        link = self._facts.link(value)
        return Published(link.text, link.iri, link.href, link.external)

    def _group(self, name: str) -> Group | None:
        readings = [r for code, found in self._readings.items() if code.startswith(f"{name}.") for r in found]
        by_row: dict[int, list[Reading]] = {}
        for reading in _sorted(readings):
            row = _READ.fullmatch(last_part(reading.iri))
            if row and row[1] == _in_iri(name):
                by_row.setdefault(int(row[2]), []).append(reading)
        subjects = sorted({s for s, *_ in self._facts.description.quads})
        numbered = {number: s for s in subjects if (number := _number(s, name)) is not None}
        if not numbered and not by_row:
            return None
        if numbered:
            said = {number: self._said(part) for number, part in sorted(numbered.items())}
        else:
            said = {number: self._as_read(found) for number, found in sorted(by_row.items())}
        columns = list({p.iri: p for properties in said.values() for p in properties.values()}.values())
        if numbered:
            columns.sort(key=lambda p: (p.name.text.casefold(), p.iri))
        told = said.keys() <= by_row.keys()
        words = group_name(name, self._facts.language)
        rows = [
            Row(
                self._facts.link(numbered[number]) if numbered else Link("", str(number), "", None, external=False),
                [properties.get(column.iri) for column in columns],
                self._row_origin(words, number, by_row[number]) if told else None,
            )
            for number, properties in said.items()
        ]
        whole = Origin(words, _sorted(readings), self._of_fields({r.code for r in readings}))
        return Group(words, not numbered, columns, rows, None if told else whole)

    def _as_read(self, readings: Sequence[Reading]) -> dict[str, Property]:
        """The texts of a row, by column, each column called as the source does where we have no word for it."""
        found: dict[str, Property] = {}
        for reading in readings:
            name = Text(column_name(reading.code, self._facts.language, reading.label))
            value = Value(None, Text(reading.raw or "", "it"), None, ())
            found.setdefault(reading.code, Property(reading.code, name, [])).values.append(value)
        return found

    def _said(self, part: str) -> dict[str, Property]:
        """What is said of a row: not what it is called, nor that it belongs to the operation."""
        found = self._facts.properties(part, without=("rdfs:label",))
        operation = self._facts.description.iri
        return {p.iri: p for p in found if not any(v.link and v.link.iri == operation for v in p.values)}

    def _row_origin(self, words: str, number: int, readings: Sequence[Reading]) -> Origin:
        problems = [p for p in self._of_fields({r.code for r in readings}) if _is_at(p, readings)]
        name = self._facts.language("origin.row", group=words, number=number)
        return Origin(name, _sorted(readings), problems)

    def _of_fields(self, codes: set[str]) -> list[Problem]:
        return [p for p in self._problems if p.field in codes]

    def _origin(self, name: str, readings: Sequence[Reading], values: Sequence[Published]) -> Origin:
        problems = self._of_fields({r.code for r in readings})
        whole = Origin(name, _sorted(readings), problems)
        if not values:
            return replace(whole, withheld=True)
        raws, texts = {r.raw or "" for r in readings}, {v.text for v in values}
        # A link to a register (the city's official page) says more than the name that was read.
        if not any(v.external for v in values) and _respaced(raws) == _respaced(texts):
            return replace(whole, as_written=raws == texts, respaced=raws != texts)
        is_prose = len(values) == len(raws) == 1 and values[0].iri is None and len(values[0].text.split()) > SHORT
        if is_prose:
            found = changes(*raws, *texts)
            return replace(whole, many_changes=True) if found is None else replace(whole, changes=found)
        return replace(whole, published=values)


def _respaced(texts: Iterable[str]) -> set[str]:
    return {" ".join(text.split()) for text in texts}


def rows_elsewhere(description: Description, sheets: Iterable[Sheet]) -> list[str]:
    """The resources that point to an operation and are named as rows of a group its sheets tell."""
    groups = _groups(r.code for sheet in sheets for r in sheet.readings)
    return sorted({s for s, *_ in description.incoming if any(_number(s, group) is not None for group in groups)})


def _groups(codes: Iterable[str]) -> set[str]:
    return {code.rpartition(".")[0] for code in codes} - {""}


def _number(iri: str, group: str) -> int | None:
    """The number of the row of a group that an IRI is named after; None when it is of no row of it."""
    rows = (_ROW.fullmatch(part) for part in iri.split("/"))
    return next((int(row[2]) for row in rows if row and row[1] == _in_iri(group)), None)


def _in_iri(group: str) -> str:
    return group.replace("_", "-")


def _is_at(problem: Problem, readings: Sequence[Reading]) -> bool:
    return problem.place is None or any(r.code == problem.field and r.place == problem.place for r in readings)


def _sorted(readings: Iterable[Reading]) -> list[Reading]:
    return sorted(readings, key=lambda r: (r.file.sheet.iri, r.order, r.iri))


def changes(before: str, after: str) -> list[Change] | None:
    """The words that differ between two texts, with what stands in their place; white space does not count.

    None when there are too many of them.

    >>> changes("la riqualificazione deIl'area  verde", "la riqualificazione dell'area verde")
    [Change(before="deIl'area", after="dell'area")]
    """
    old, new = before.split(), after.split()
    start = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(old, new, strict=False)))
    old, new = old[start:], new[start:]
    end = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(reversed(old), reversed(new), strict=False)))
    old, new = old[: len(old) - end], new[: len(new) - end]
    if max(len(old), len(new)) > COMPARED:
        return None
    compared = SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
    found = [Change(" ".join(old[a:b]), " ".join(new[c:d])) for kind, a, b, c, d in compared if kind != "equal"]
    return found if len(found) <= SHOWN else None
