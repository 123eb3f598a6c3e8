"""What the general page of a resource asks beyond its description, and the terms of our vocabulary."""

from __future__ import annotations

from dataclasses import dataclass

from endpoint.asking import select
from endpoint.describe import Term, iri_token
from endpoint.engine import Engine
from endpoint.language import Language
from endpoint.terms import NAMESPACES, ONTO, Links, last_part, short
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


@dataclass
class OntologyTerm:
    """A term of our vocabulary with what its row in the table says."""

    iri: str
    name: str
    label: Text
    comment: Text | None
    href: str | None
    relations: dict[str, list[Link]]


# The groups of the vocabulary's page, by the namespaces-shortened types that put a term there.
_GROUPS = {
    "classes": {"owl:Class", "rdfs:Class"},
    "properties": {"owl:ObjectProperty", "owl:DatatypeProperty", "rdf:Property", "owl:AnnotationProperty"},
}
_RELATIONS = {
    "domain": ("rdfs:domain",),
    "range": ("rdfs:range",),
    "broader": ("rdfs:subClassOf", "rdfs:subPropertyOf"),
    "type": ("rdf:type",),
}


def ontology_terms(engine: Engine, language: Language, links: Links) -> dict[str, list[OntologyTerm]]:
    """The terms under our namespace, by group ("classes", "properties", "individuals"), each group by name."""
    rows = select(
        engine,
        f"""SELECT DISTINCT ?term ?p ?o ?name {{
              ?term rdfs:isDefinedBy ?onto ; ?p ?o FILTER(STRSTARTS(STR(?term), "{ONTO}") && !isBlank(?o))
              OPTIONAL {{ ?o rdfs:label ?name }} }}""",
    )
    said: dict[str, dict[str, list[Term]]] = {}
    names: dict[str, dict[str, str]] = {}
    for row in rows:
        if row["term"].value == ONTO:
            continue
        said.setdefault(row["term"].value, {}).setdefault(short(row["p"].value) or row["p"].value, []).append(row["o"])
        if "name" in row:
            names.setdefault(row["o"].value, {})[row["name"].lang or ""] = row["name"].value
    groups: dict[str, list[OntologyTerm]] = {"classes": [], "properties": [], "individuals": []}
    for iri, properties in sorted(said.items()):
        kinds = {short(t.value) for t in properties.get("rdf:type", [])}
        group = next((g for g, types in _GROUPS.items() if kinds & types), "individuals")
        groups[group].append(_term(iri, properties, names, language, links))
    return groups


def _term(
    iri: str,
    properties: dict[str, list[Term]],
    names: dict[str, dict[str, str]],
    language: Language,
    links: Links,
) -> OntologyTerm:
    def text(name: str) -> Text | None:
        found = language.choose({t.lang or "": t.value for t in properties.get(name, [])})
        return Text(*found) if found else None

    def link(target: str) -> Link:
        found = language.choose(names.get(target, {}))
        word = language.get(f"term.{short(target)}")
        plain = Text(word, language.code) if word else Text(short(target) or last_part(target))
        name = Text(*found) if found else plain
        return Link(target, name.text, name.lang, links.href(target), links.external(target))

    relations = {}
    for relation, sources in _RELATIONS.items():
        targets = {t.value for source in sources for t in properties.get(source, []) if t.kind == "iri"}
        targets = {t for t in targets if not t.startswith(NAMESPACES["owl"])}
        relations[relation] = [link(t) for t in sorted(targets)]
    return OntologyTerm(iri, last_part(iri), text("rdfs:label") or Text(last_part(iri)), text("rdfs:comment"),
                        links.href(iri), relations)  # fmt: skip
