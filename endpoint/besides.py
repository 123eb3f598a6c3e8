"""What a source says of an operation besides what its page has a place for: nothing published is left unsaid.

Layouts of sheets differ: a municipal work has an economic framework, a contract and phases, where the page asks for
stages of money and two dates. What is a part of the operation is told in a table for each kind of part.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from endpoint.describe import Description
from endpoint.provenance import Group, Row
from endpoint.terms import full
from endpoint.views import Facts, Incoming, Property, Text, incoming

#: Parts that the page shows in its own way: who does what, and where.
_OWN_WAY = ("RO:TimeIndexedRole", "CPV:Person", "COV:Organization", "l0:Agent", "cupola:FieldReading")
#: Statements that only tie things to one another.
_TIES = ("rdfs:label", "prov:wasDerivedFrom", "RO:forEntity")
_ACTUAL = ("cupola:phaseStart", "cupola:phaseEnd")
_PLANNED = ("cupola:phasePlannedStart", "cupola:phasePlannedEnd")


#: What points to an operation and has a place of its own on its page.
_POINTING = ("foaf:primaryTopic", "sh:focusNode")
#: Resources that point to an operation and are told in tables; more are only linked.
_MOST = 100


@dataclass(frozen=True)
class Phase:
    """A phase of the work: what it is called, and the days it began and ended, or is to, as the page writes them."""

    name: Text
    actual: tuple[str | None, str | None]
    planned: tuple[str | None, str | None]


@dataclass(frozen=True)
class Besides:
    """What else is said: of the operation itself, of its parts by kind, and by what points to it."""

    properties: list[Property]
    tables: list[Group]
    incoming: list[Incoming]
    phases: list[Phase]

    @property
    def any(self) -> bool:
        """Whether there is anything of it."""
        return bool(self.properties or self.tables or self.incoming)


def pointing(description: Description) -> list[str]:
    """The resources that tell something of an operation by pointing to it: its contracts, its observations."""
    own_way = {full(name) for name in _POINTING}
    return sorted({s for s, p, _ in description.incoming if p not in own_way})[:_MOST]


def besides(facts: Facts, shown: Collection[str], rows: Collection[str]) -> Besides:
    """What else is said of the described operation.

    `shown` are the properties (short names) that its page shows already, `rows` the resources that are rows of a table
    there.
    """
    operation = facts.description.iri
    subjects = {s for s, *_ in facts.description.quads}
    inside = {s for s in subjects if s != operation} - set(rows)
    parts = {s for s in inside if not any(facts.is_a(name, s) for name in _OWN_WAY) and not _is_place(facts, s)}
    known = subjects | set(rows)
    return Besides(
        _without_parts(facts.properties(without=(*_TIES, *shown)), known),
        _tables(facts, parts, known),
        _left(facts, subjects),
        [_phase(facts, term.value) for term in facts.all("cupola:phase")],
    )


def _left(facts: Facts, known: Collection[str]) -> list[Incoming]:
    """What points to the operation and is in no table."""
    own_way = {full(name) for name in _POINTING}
    told = [each for each in incoming(facts) if each.iri not in own_way]
    left = [replace(each, links=[link for link in each.links if link.iri not in known]) for each in told]
    return [each for each in left if each.links]


def _is_place(facts: Facts, part: str) -> bool:
    """Whether a part only says in which city the operation is, which the page shows; an address in full says more."""
    return facts.is_a("CLV:Address", part) and not facts.all("CLV:fullAddress", part)


def _tables(facts: Facts, parts: Collection[str], known: Collection[str]) -> list[Group]:
    """The parts, those of a kind in one table; a column for each property any of them has."""
    kinds: dict[str, tuple[Text, list[str]]] = {}
    for part in sorted(parts):
        kind = next(iter(facts.kinds(part)), facts.name(part))
        kinds.setdefault(kind.text, (kind, []))[1].append(part)
    found = []
    for name, members in kinds.values():
        said = {part: {p.iri: p for p in _row(facts, part, known)} for part in members}
        columns = {iri: p for properties in said.values() for iri, p in properties.items()}
        ordered = sorted(columns.values(), key=lambda p: (p.name.text.casefold(), p.iri))
        rows = [Row(facts.link(part), [said[part].get(column.iri) for column in ordered], None) for part in members]
        if ordered:
            found.append(Group(name.text, as_read=False, columns=ordered, rows=rows, origin=None))
    return found


def _row(facts: Facts, part: str, known: Collection[str]) -> list[Property]:
    """What is said of a part but what it is called, which is the row's head."""
    name = facts.name(part).text
    told = _without_parts(facts.properties(part, without=_TIES), known)
    return [p for p in told if not all(v.text is not None and v.text.text == name for v in p.values)]


def _without_parts(properties: list[Property], known: Collection[str]) -> list[Property]:
    """Properties without the values that are shown themselves, in a table or elsewhere on the page."""
    left = [replace(p, values=[v for v in p.values if v.link is None or v.link.iri not in known]) for p in properties]
    return [p for p in left if p.values]


def _phase(facts: Facts, node: str) -> Phase:
    return Phase(facts.name(node), _days(facts, node, _ACTUAL), _days(facts, node, _PLANNED))


def _days(facts: Facts, node: str, names: tuple[str, str]) -> tuple[str | None, str | None]:
    first, last = (facts.one(name, node) for name in names)
    date = facts.language.date
    return date(first) if first else None, date(last) if last else None
