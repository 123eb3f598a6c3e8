"""What the general page of a resource asks beyond its description."""

from __future__ import annotations

from dataclasses import dataclass

from endpoint.asking import select
from endpoint.describe import iri_token
from endpoint.engine import Engine
from endpoint.views import Facts, Link, Text

CONNECTED_LIMIT = 50


@dataclass(frozen=True)
class Connected:
    """The operations a resource has to do with, each with its local code; `more` says that there are others."""

    links: list[tuple[Link, str | None]]
    more: bool


def connected(engine: Engine, facts: Facts) -> Connected:
    """The operations that point to a resource, directly or through one of their parts (a role, a place)."""
    about = iri_token(facts.description.iri)
    rows = select(
        engine,
        f"""SELECT DISTINCT ?op ?name ?code {{
              {{ ?op a cupola:Operation ; ?p {about} }}
              UNION {{ ?x ?q {about} . ?op ?p ?x ; a cupola:Operation }}
              OPTIONAL {{ ?op rdfs:label ?name }} OPTIONAL {{ ?op cupola:localCode ?code }}
            }} LIMIT {CONNECTED_LIMIT + 1}""",
    )
    found = {row["op"].value: row for row in rows}
    links = []
    for iri, row in sorted(found.items())[:CONNECTED_LIMIT]:
        text = Text(row["name"].value, row["name"].lang or "") if "name" in row else facts.name(iri)
        link = Link(iri, text.text, text.lang, facts.links.href(iri), facts.links.external(iri))
        links.append((link, row["code"].value if "code" in row else None))
    return Connected(links, len(found) > CONNECTED_LIMIT)
