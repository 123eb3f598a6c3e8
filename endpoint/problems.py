"""The problems of a release as its pages tell them, read from the quality graph."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from endpoint import naming
from endpoint.asking import Row, select
from endpoint.describe import Description, Term, iri_token
from endpoint.engine import Engine
from endpoint.language import Language
from endpoint.listing import opened
from endpoint.places import in_words
from endpoint.terms import full, last_part
from endpoint.views import Text

SEVERITIES = ("violation", "warning", "info")
_CLASSES = {"violation": "sh:Violation", "warning": "sh:Warning", "info": "sh:Info"}
_SEVERITY = {full(name): severity for severity, name in _CLASSES.items()}


@dataclass(frozen=True)
class Problem:
    """One problem in the words of the page's language.

    `title` is the kind of problem in a few words (None when the message says it all), `field` our name of the field
    and `field_name` its words, `raw` the value as the source has it, `place` where in `file`; `about` is the IRI it
    concerns and `about_name` the label of that, if there is one.
    """

    iri: str
    severity: str
    code: str
    title: Text | None
    message: Text
    field: str | None
    field_name: str | None
    raw: str | None
    file: str | None
    place: str | None
    suggestion: str | None
    reason: Text | None
    about: str | None
    about_name: Text | None

    @property
    def of_record(self) -> bool:
        """Whether it is tied to something published; else it is about a document of its source, published or not."""
        # A file that gave no record is told of at its source, or at the catalogue if it has none.
        return self.about is not None and "/id/dataset/" not in self.about and not self.about.endswith("/catalog")

    @property
    def key(self) -> str:
        """A name for this problem inside its page."""
        return "problem-" + "".join(c if c.isalnum() else "-" for c in self.iri.partition("/problem/")[2] or self.iri)


def _problem(
    iri: str, properties: Mapping[str, list[Term]], about_names: Mapping[str, str], language: Language
) -> Problem:
    def one(name: str) -> str | None:
        return next((t.value for t in properties.get(full(name), [])), None)

    def text(name: str) -> Text | None:
        found = language.choose({t.lang or "": t.value for t in properties.get(full(name), [])})
        return Text(*found) if found else None

    field = one("cupola:field")
    place = one("cupola:place")
    suggestion = one("cupola:suggestion")
    about = one("sh:focusNode")
    names = {"": about_names[about]} if about and about in about_names else {}
    code = one("cupola:problemCode") or last_part(iri)
    title = text("rdfs:label")
    message = text("sh:resultMessage") or title or Text(code)
    return Problem(
        iri=iri,
        severity=_SEVERITY.get(one("sh:resultSeverity") or "", "violation"),
        code=code,
        title=title if title and title.text != message.text else None,
        message=message,
        field=field,
        field_name=naming.field_name(field, language) if field else None,
        raw=one("sh:value"),
        file=one("cupola:fileName"),
        place=in_words(place, language) if place else None,
        suggestion=written(suggestion, field, language) if suggestion else None,
        reason=text("cupola:reason"),
        about=about,
        about_name=Text(names[""]) if names else None,
    )


def written(value: str, field: str | None, language: Language) -> str:
    """A suggested value as the page writes it: an amount or a date by what the field is."""
    name = "_" + (field or "").rpartition(".")[2]  # of a column of a group, the column's
    if name.endswith(("_amount", "_cost", "_funding", "_payments")):
        return language.amount(value)
    return language.date(value) if name.endswith("_date") else value


def _order(problem: Problem) -> tuple[int, str, str]:
    return SEVERITIES.index(problem.severity), problem.code, problem.iri


def collect(rows: Iterable[Row], language: Language) -> list[Problem]:
    """Problems from rows of (problem, p, o), perhaps with the name of what they concern; the gravest first."""
    found: dict[str, dict[str, list[Term]]] = {}
    names: dict[str, str] = {}
    for row in rows:
        found.setdefault(row["problem"].value, {}).setdefault(row["p"].value, []).append(row["o"])
        if "about" in row and "name" in row:
            names[row["about"].value] = row["name"].value
    return sorted((_problem(iri, properties, names, language) for iri, properties in found.items()), key=_order)


def of_resource(engine: Engine, iri: str, language: Language) -> list[Problem]:
    """The problems that concern one published resource."""
    query = f"SELECT ?problem ?p ?o {{ ?problem sh:focusNode {_ref(iri)} ; a cupola:Problem ; ?p ?o }}"
    return collect(select(engine, query), language)


def of_description(description: Description, language: Language) -> Problem:
    """The problem a description is of."""
    properties: dict[str, list[Term]] = {}
    for s, p, o, _ in description.quads:
        if s == description.iri:
            properties.setdefault(p, []).append(o)
    chosen = {iri: found[0] for iri, names in description.labels.items() if (found := language.choose(names))}
    return _problem(description.iri, properties, chosen, language)


@dataclass(frozen=True)
class Kind:
    """A kind of problem in a release: its severity, code, a few words when all of the kind share them, and how many.

    `published` counts the problems listed; `number` what they stand for: of some kinds one tells of all in a file.
    """

    severity: str
    code: str
    title: str | None
    published: int
    number: int


def kinds(release: Path, language: Language) -> list[Kind]:
    """How many problems of each kind the release has; the gravest first, then the most frequent.

    Its search.sqlite is asked: a release has tens of thousands, too many to be counted each time somebody looks.
    """
    asked = f"SELECT severity, code, title_{language.code}, published, occurrences FROM problem_kind ORDER BY rowid"  # noqa: S608
    with closing(opened(release)) as base:
        return [Kind(*row) for row in base.execute(asked)]


def page(
    engine: Engine,
    release: Path,
    language: Language,
    *,
    severity: str | None,
    code: str | None,
    first: int,
    size: int,
) -> list[Problem]:
    """A page of the problems, the gravest first, then by code and IRI; `first` counts from 0."""
    given = {"severity": severity, "code": code}
    where = " AND ".join(f"{name} = :{name}" for name, value in given.items() if value) or "1"
    asked = f"SELECT iri FROM problem WHERE {where} ORDER BY rowid LIMIT {size} OFFSET {first}"  # noqa: S608 - our names
    with closing(opened(release)) as base:
        iris = [_ref(iri) for (iri,) in base.execute(asked, {k: v for k, v in given.items() if v})]
    query = f"""SELECT ?problem ?p ?o ?about ?name {{
        VALUES ?problem {{ {" ".join(iris)} }}
        ?problem ?p ?o
        OPTIONAL {{ ?problem sh:focusNode ?about . ?about rdfs:label ?name }} }}"""
    return collect(select(engine, query), language)


def _ref(iri: str) -> str:
    token = iri_token(iri)
    if token is None:
        raise ValueError(f"no IRI: {iri!r}")
    return token
