"""The page of a project as a source's sheet describes it: what, who, where, when, how much, and where it was read."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from urllib.parse import quote_plus

from endpoint.asking import select
from endpoint.besides import Besides, besides, pointing
from endpoint.describe import Description, describe, iri_token, with_statements
from endpoint.engine import Engine
from endpoint.language import Language
from endpoint.problems import Problem, of_resource, written
from endpoint.provenance import Group, Origin, Origins, Sheet, rows_elsewhere, sheet_view
from endpoint.release import Release
from endpoint.terms import Links, full, last_part
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
    """Who: what they do in the project, and who they are; `field` is the one it was read from."""

    role: Text
    field: str
    agents: list[Link]


@dataclass(frozen=True)
class Fact:
    """A value of a field, or what is to be said when it is not there.

    `name` is the field's without what kind of value it holds; `text` is the value as the page writes it, `lexical` as
    it is published. When it was withheld, `problem` says why; when it is published and flagged, it is the warning.
    """

    field: str
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
    origins: Mapping[str, Origin]  # by the name of the field
    groups: list[Group]
    besides: Besides

    @property
    def has_money(self) -> bool:
        """Whether there is anything to say of the stages of the money: an amount, or why there is none."""
        return any(stage.fact.text is not None or stage.fact.problem for stage in self.stages)

    @property
    def has_tables(self) -> bool:
        """Whether the page has tables, in which other amounts may be."""
        return bool(self.groups or self.besides.any)


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


def _fact(facts: Facts, field: str, name: str, problems: Sequence[Problem]) -> Fact:
    values = facts.all(name)
    lexical = values[0].value if values else None
    own = [p for p in problems if p.field == field]
    if lexical is None:  # withheld, if what the source wrote is among the problems
        own = sorted((p for p in own if p.severity != "info"), key=lambda p: p.raw is None)
    problem = next(iter(own), None)
    return Fact(
        field=field,
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
    found: dict[str, Role] = {}
    for node in sorted((t.value for t in facts.all("RO:hasRiT")), key=lambda iri: ("rup" in last_part(iri), iri)):
        role = facts.one("RO:withRole", node)
        word = facts.language.get(f"role.{last_part(role)}") if role else None
        name = Text(word, facts.language.code) if word else facts.name(role or node)
        holders = [facts.link(t.value) for t in facts.all("RO:isRoleInTimeOf", node)]
        found.setdefault(role or node, Role(name, _field(node), [])).agents.extend(holders)
    return list(found.values())


def _field(node: str) -> str:
    """The field a role was read from, by what its node is called: …/implementing-body-2 -> implementing_body."""
    return re.sub(r"-\d+$", "", last_part(node)).replace("-", "_")


# What the page shows of an operation, each with the fields that layouts of sheets read it from; roles are added.
_STAGES = {field: (name, [field]) for stages in STAGES for field, name in stages.items()}
_SHOWN = _STAGES | {
    "title": ("PRJ:projectTitle", ["title"]),
    "description": ("l0:description", ["description"]),
    "city": ("CLV:hasSpatialCoverage", ["city", "municipality", "places.municipality"]),
    "local_code": ("cupola:localCode", ["local_code"]),
    "cup": ("cupola:cup", ["cup"]),
    "programme": ("PRJ:hasProgramme", ["programme"]),
    "action": ("cupola:action", ["action", "objective", "axis"]),
    "thematic_area": ("cupola:thematicArea", ["thematic_area", "theme"]),
    "start_date": ("cupola:startDate", ["start_date"]),
    "end_date": ("cupola:endDate", ["end_date"]),
    "documents": ("cupola:document", ["documents"]),
    "committed_amount": ("cupola:committedAmount", ["committed_amount", "commitments"]),
}


# … and what it shows without saying where it was read.
_OTHERWISE = ("cupola:concernsProject", "RO:hasRiT", "cupola:phase", "foaf:page", "schema:sameAs")


def _origins(origins: Origins, roles: Sequence[Role]) -> dict[str, Origin]:
    """Where each value shown comes from, by what the page calls it."""
    found = {shown: origins.of(fields, name) for shown, (name, fields) in _SHOWN.items()}
    found |= {role.field: origins.of_links([role.field], role.agents) for role in roles}
    return {shown: origin for shown, origin in found.items() if origin is not None}


_AROUND = """
SELECT DISTINCT ?what ?about ?x ?name {{
  {{ {op} CLV:hasSpatialCoverage ?about . ?place CLV:hasCity ?about ; CLV:hasProvince ?x BIND("province" AS ?what) }}
  UNION {{ {op} CLV:hasSpatialCoverage ?about . ?place CLV:hasCity ?about ; CLV:hasRegion ?x BIND("region" AS ?what) }}
  UNION {{ {op} cupola:concernsProject ?about . ?about rdfs:seeAlso ?x BIND("official" AS ?what) }}
  UNION {{ {op} cupola:concernsProject ?about . ?about pi:ha_cup ?code . ?code foaf:page ?x BIND("opencup" AS ?what) }}
  OPTIONAL {{ ?x rdfs:label ?name }}
}}"""


def sheets_of(engine: Engine, facts: Facts, release: Release) -> list[Sheet]:
    """The sheets a described resource was read from: those it names, and those that say they are about it."""
    named = [term.value for term in facts.all("prov:wasDerivedFrom")]
    about = [s for s, p, _ in facts.description.incoming if p == full("foaf:primaryTopic")]
    described = (describe(engine, iri) for iri in dict.fromkeys([*named, *about]))
    views = [Facts(found, facts.language, facts.links) for found in described if found]
    return [sheet_view(each, release) for each in views if each.is_a("cupola:ProjectSheet")]


def operation_view(
    engine: Engine, release: Release, description: Description, language: Language, links: Links
) -> OperationView:
    """The view of an operation; asks the engine for its problems, its sheets, its place and the links of its CUP."""
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
    sheets = sheets_of(engine, facts, release)
    roles = _roles(facts)
    elsewhere = {*rows_elsewhere(description, sheets), *pointing(description)}
    with_rows = with_statements(engine, description, elsewhere)
    all_facts = Facts(with_rows, language, links, names)
    origins = Origins(all_facts, sheets, problems)
    groups = origins.groups()
    shown = [name for name, _ in _SHOWN.values()]
    return OperationView(
        iri=iri,
        title=facts.text("PRJ:projectTitle") or facts.name(iri),
        description=facts.text("l0:description"),
        local_code=code,
        cup=facts.one("cupola:cup"),
        project=facts.link(projects[0]) if projects else None,
        roles=roles,
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
        origins=_origins(origins, roles),
        groups=groups,
        besides=besides(all_facts, [*shown, *_OTHERWISE], {row.link.iri for group in groups for row in group.rows}),
    )
