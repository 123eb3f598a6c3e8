"""An example of each class, taken from the release: an instance with some of its statements, as Turtle."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from endpoint.asking import select
from endpoint.describe import Term, iri_token
from endpoint.engine import Engine
from endpoint.terms import NAMESPACES, ONTO, full, short

LOOKED_AT = 100  # instances of a class among which the example is chosen: what it costs must not grow with the release
STATEMENTS = 15  # shown of an example
VALUES = 2  # shown of one property
CHARACTERS = 110  # shown of a text

_FIRST = (full("rdf:type"), full("rdfs:label"))
_LOCAL = re.compile(r"\w+:[A-Za-z_][\w-]*")  # the short names that Turtle takes as they are
_BARE = {"xsd:decimal": r"[+-]?\d*\.\d+", "xsd:integer": r"[+-]?\d+", "xsd:boolean": "true|false"}


@dataclass(frozen=True)
class Token:
    """A word of Turtle; `iri` is what it names, if it names something."""

    text: str
    iri: str | None = None


@dataclass(frozen=True)
class Sample:
    """An instance with the first of its statements, and how many it has besides; `instances` are those of its class."""

    iri: str
    subject: Token
    statements: list[tuple[Token, list[Token]]]
    more: int
    instances: int


def samples(engine: Engine, base: str, classes: list[str]) -> dict[str, Sample]:
    """An example of each class that the release has an instance of."""
    values = " ".join(token for iri in classes if (token := iri_token(iri)))
    rows = select(engine, f"SELECT ?c (COUNT(*) AS ?n) {{ VALUES ?c {{ {values} }} ?s a ?c }} GROUP BY ?c")
    return {row["c"].value: _sample(engine, base, row["c"].value, int(row["n"].value)) for row in rows}


def _sample(engine: Engine, base: str, kind: str, instances: int) -> Sample:
    """The instance that shows most properties, the first by IRI of those."""
    chosen = select(
        engine,
        f"""SELECT ?s (COUNT(DISTINCT ?p) AS ?n) {{
              {{ SELECT DISTINCT ?s {{ ?s a <{kind}> }} LIMIT {LOOKED_AT} }} ?s ?p ?o
            }} GROUP BY ?s ORDER BY DESC(?n) ?s LIMIT 1""",
    )
    iri = chosen[0]["s"].value
    rows = select(engine, f"SELECT DISTINCT ?p ?o {{ {iri_token(iri)} ?p ?o }} LIMIT 10000")
    said: dict[str, list[Term]] = {}
    for row in rows:
        said.setdefault(row["p"].value, []).append(row["o"])
    shown: list[tuple[Token, list[Token]]] = []
    left = STATEMENTS
    for prop in sorted(said, key=_place):
        terms = sorted(said[prop], key=lambda term: (term.value, term.lang or ""))[: min(VALUES, left)]
        left -= len(terms)
        if terms:
            verb = Token("a", prop) if prop == full("rdf:type") else _name(base, prop)
            shown.append((verb, [_object(base, term) for term in terms]))
    return Sample(iri, _name(base, iri), shown, len(rows) - STATEMENTS + left, instances)


def _place(prop: str) -> tuple[int, bool, str]:
    """What it is and is called comes first, then our properties, then those of others."""
    return _FIRST.index(prop) if prop in _FIRST else len(_FIRST), not prop.startswith(ONTO), short(prop) or prop


def _name(base: str, iri: str) -> Token:
    """An IRI by its short name, or from the release's base, or in full."""
    name = short(iri) or ""
    return Token(name if _LOCAL.fullmatch(name) else f"<{iri.removeprefix(base)}>", iri)


def _object(base: str, term: Term) -> Token:
    if term.kind == "iri":
        return _name(base, term.value)
    kind = short(term.datatype or "") or ""
    if kind in _BARE and re.fullmatch(_BARE[kind], term.value):
        return Token(term.value)
    text = term.value if len(term.value) <= CHARACTERS else f"{term.value[:CHARACTERS].rstrip()}…"
    quoted = '"' + "".join(_escaped(text)) + '"'
    if term.lang:
        return Token(f"{quoted}@{term.lang}")
    plain = term.datatype in (None, NAMESPACES["xsd"] + "string")
    return Token(quoted if plain else f"{quoted}^^{kind or f'<{term.datatype}>'}")


def _escaped(text: str) -> Iterator[str]:
    for c in text:
        yield {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}.get(c, c)
