"""The page of a project as a source's sheet describes it: what, who, where, when, how much, and where it was read."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from urllib.parse import quote_plus

from endpoint.asking import select
from endpoint.describe import Description, describe, iri_token
from endpoint.engine import Engine
from endpoint.language import Language
from endpoint.problems import Problem, of_resource, written
from endpoint.terms import Links, last_part
from endpoint.views import Facts, Link, Text

# The stages of the money, in their order in time: the field and the property that holds it. The recovery plan has
# stages of its own, defined otherwise: the two sets are not measured against each other.
STAGES = (
    {
        "programmed_amount": "cupola:programmedAmount",
        "admitted_amount": "cupola:admittedAmount",
        "committed_amount": "cupola:committedAmount",
        "disbursed_amount": "cupola:disbursedAmount",
    },
    {"total_funding": "cupola:totalFunding", "total_payments": "cupola:totalPayments"},
    {"granted_amount": "cupola:grantedAmount"},
)
_CUP_YEAR = re.compile(r"[A-Z]\d\d[A-Z](\d\d)\w{9}")


@dataclass(frozen=True)
class Place:
    """Where: a city (with the link to the list of its projects), its province and region."""

    city: Link
    projects: str
    province: Link | None
    region: Link | None


@dataclass(frozen=True)
class Role:
    """Who: what they do in the project, and who they are."""

    role: Text
    agents: list[Link]


@dataclass(frozen=True)
class Fact:
    """A value of a field, or what is to be said when it is not there.

    `text` is the value as the page writes it, `lexical` as it is published. When it was withheld, `problem` says why;
    when it is published and flagged, `problem` is the warning.
    """

    name: str
    text: str | None
    lexical: str | None
    problem: Problem | None
    suggestion: str | None


@dataclass(frozen=True)
class Stage:
    """One stage of the money: the amount, its share of the programmed one, and the length of its bar (0 to 100)."""

    fact: Fact
    share: str | None
    bar: str | None


@dataclass(frozen=True)
class Reading:
    """A value as the source writes it, and its place there."""

    iri: str
    field: str
    label: str | None
    raw: str | None
    place: str | None
    order: tuple[int, str]


@dataclass(frozen=True)
class Sheet:
    """The document an operation was read from."""

    link: Link
    file: str | None
    sha256: str | None
    readings: list[Reading]


@dataclass(frozen=True)
class OperationView:
    """Everything the page of an operation shows."""

    iri: str
    title: Text
    description: Text | None
    local_code: str | None
    cup: str | None
    project: Link | None
    roles: list[Role]
    places: list[Place]
    city: Fact
    code: Fact
    programmes: list[Link]
    actions: list[Link]
    areas: list[Link]
    start: Fact
    end: Fact
    stages: list[Stage]
    problems: list[Problem]
    sheets: list[Sheet]
    official: list[Link]
    opencup: list[Link]
    documents: list[Link]

    @property
    def has_money(self) -> bool:
        """Whether there is anything to say of the money: an amount, or why there is none."""
        return any(stage.fact.text is not None or stage.fact.problem for stage in self.stages)


@dataclass(frozen=True)
class CupView:
    """A CUP and the year its characters tell, when they have the form of one."""

    code: str
    year_digits: str | None
    year: str | None


def cup_view(code: str) -> CupView:
    """The CUP explained as far as its form surely goes: characters 5 and 6 are the year of the decision (from 1991)."""
    match = _CUP_YEAR.fullmatch(code)
    digits = match[1] if match else None
    return CupView(code, digits, f"{19 if digits > '90' else 20}{digits}" if digits else None)


def sheet_view(facts: Facts) -> Sheet:
    """A sheet with its readings, in the order of the document."""
    readings = [_reading(facts, node) for node in facts.subjects("cupola:FieldReading")]
    return Sheet(
        link=facts.link(facts.description.iri),
        file=facts.one("cupola:fileName"),
        sha256=facts.one("cupola:sha256"),
        readings=sorted(readings, key=lambda r: r.order),
    )


def _reading(facts: Facts, node: str) -> Reading:
    field = facts.one("cupola:field", node) or ""
    place = facts.one("cupola:place", node)
    number = re.search(r"\d+", place or "")
    return Reading(
        iri=node,
        field=facts.language.get(f"field.{field}") or field,
        label=facts.one("cupola:sourceLabel", node),
        raw=facts.one("cupola:sourceValue", node),
        place=facts.language.place(place) if place else None,
        order=(int(number[0]) if number else 0, node),
    )


def _fact(facts: Facts, field: str, name: str, problems: Sequence[Problem]) -> Fact:
    values = facts.all(name)
    lexical = values[0].value if values else None
    own = [p for p in problems if p.field == field]
    if lexical is None:  # withheld, if what the source wrote is among the problems
        own = sorted((p for p in own if p.severity != "info"), key=lambda p: p.raw is None)
    problem = next(iter(own), None)
    return Fact(
        name=field.removesuffix("_amount").removesuffix("_date"),
        text=" / ".join(written(v.value, field, facts.language) for v in values) or None,
        lexical=lexical,
        problem=problem,
        suggestion=problem.suggestion if problem and lexical is None else None,
    )


def _decimal(lexical: str | None) -> Decimal | None:
    try:
        return Decimal(lexical) if lexical is not None else None
    except InvalidOperation:
        return None


def _stages(facts: Facts, problems: Sequence[Problem]) -> list[Stage]:
    """The stages the source speaks of; the first set, all withheld or missing, when it speaks of none."""
    sets = [[_fact(facts, field, name, problems) for field, name in stages.items()] for stages in STAGES]
    told = [rows for rows in sets if any(row.text is not None or row.problem for row in rows)]
    return [stage for rows in told or sets[:1] for stage in _compared(rows, facts.language)]


def _compared(rows: list[Fact], language: Language) -> list[Stage]:
    """Stages of one set, each with its share of the first and its length beside the longest."""
    amounts = [_decimal(row.lexical) for row in rows]
    longest = max((a for a in amounts if a is not None), default=Decimal(0))
    first = amounts[0]
    return [
        Stage(
            fact=row,
            share=language.percent(amount, first) if number and amount is not None and first else None,
            bar=f"{max(amount, Decimal(0)) * 100 / longest:.2f}" if amount is not None and longest > 0 else None,
        )
        for number, (row, amount) in enumerate(zip(rows, amounts, strict=True))
    ]


def _roles(facts: Facts) -> list[Role]:
    """Who does what, the same role's holders together, in the order of their nodes."""
    found: dict[str, tuple[Text, list[Link]]] = {}
    for node in sorted((t.value for t in facts.all("RO:hasRiT")), key=lambda iri: ("rup" in last_part(iri), iri)):
        role = facts.one("RO:withRole", node)
        word = facts.language.get(f"role.{last_part(role)}") if role else None
        name = Text(word, facts.language.code) if word else facts.name(role or node)
        holders = [facts.link(t.value) for t in facts.all("RO:isRoleInTimeOf", node)]
        found.setdefault(role or node, (name, []))[1].extend(holders)
    return [Role(name, agents) for name, agents in found.values()]


_AROUND = """
SELECT DISTINCT ?what ?about ?x ?name {{
  {{ {op} CLV:hasSpatialCoverage ?about . ?place CLV:hasCity ?about ; CLV:hasProvince ?x BIND("province" AS ?what) }}
  UNION {{ {op} CLV:hasSpatialCoverage ?about . ?place CLV:hasCity ?about ; CLV:hasRegion ?x BIND("region" AS ?what) }}
  UNION {{ {op} cupola:concernsProject ?about . ?about rdfs:seeAlso ?x BIND("official" AS ?what) }}
  UNION {{ {op} cupola:concernsProject ?about . ?about pi:ha_cup ?code . ?code foaf:page ?x BIND("opencup" AS ?what) }}
  OPTIONAL {{ ?x rdfs:label ?name }}
}}"""


def operation_view(engine: Engine, description: Description, language: Language, links: Links) -> OperationView:
    """The view of an operation; asks the engine for its problems, its sheet, its place and the links of its CUP."""
    iri = description.iri
    around: dict[tuple[str, str], list[str]] = {}
    names: dict[str, dict[str, str]] = {}
    for row in select(engine, _AROUND.format(op=iri_token(iri))):
        around.setdefault((row["what"].value, row["about"].value), []).append(row["x"].value)
        if "name" in row:
            names.setdefault(row["x"].value, {})[row["name"].lang or ""] = row["name"].value
    facts = Facts(description, language, links, names)
    problems = of_resource(engine, iri, language)
    projects = [t.value for t in facts.all("cupola:concernsProject")]
    code = facts.one("cupola:localCode")

    def linked(what: str, abouts: Sequence[str]) -> list[Link]:
        return [facts.link(x) for about in abouts for x in dict.fromkeys(around.get((what, about), []))]

    places = []
    for city in (t.value for t in facts.all("CLV:hasSpatialCoverage")):
        link = facts.link(city)
        province, region = (next(iter(linked(what, [city])), None) for what in ("province", "region"))
        places.append(Place(link, links.local(f"/projects?city={quote_plus(link.text)}"), province, region))
    sheets = []
    for sheet in (t.value for t in facts.all("prov:wasDerivedFrom")):
        found = describe(engine, sheet)
        if found:
            sheets.append(sheet_view(Facts(found, language, links)))
    return OperationView(
        iri=iri,
        title=facts.text("PRJ:projectTitle") or facts.name(iri),
        description=facts.text("l0:description"),
        local_code=code,
        cup=facts.one("cupola:cup"),
        project=facts.link(projects[0]) if projects else None,
        roles=_roles(facts),
        places=places,
        city=_fact(facts, "city", "CLV:hasSpatialCoverage", problems),
        code=_fact(facts, "cup", "cupola:cup", problems),
        programmes=[facts.link(t.value) for t in facts.all("PRJ:hasProgramme")],
        actions=[facts.link(t.value) for t in facts.all("cupola:action")],
        areas=[facts.link(t.value) for t in facts.all("cupola:thematicArea")],
        start=_fact(facts, "start_date", "cupola:startDate", problems),
        end=_fact(facts, "end_date", "cupola:endDate", problems),
        stages=_stages(facts, problems),
        problems=problems,
        sheets=sheets,
        official=linked("official", projects),
        opencup=linked("opencup", projects),
        documents=[facts.link(t.value) for t in facts.all("cupola:document")],
    )
