"""What a release says about one resource: its statements, its parts', what points to it, and the names of all these."""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Literal
from weakref import WeakKeyDictionary

from endpoint.cache import Cache
from endpoint.engine import Engine

RDFS_LABEL = "http://www.w3.org/2000/01/rdf-schema#label"
INCOMING_LIMIT = 200
NAMES_SIZE = 8 * 2**20  # bytes of names that are kept of a release
# Every page mentions the same properties, classes, graphs and places: their names are asked of an engine once.
_known: WeakKeyDictionary[Engine, Cache[dict[str, str]]] = WeakKeyDictionary()

# What may stand between < and > (SPARQL 1.1, production IRIREF), in an absolute IRI.
# Lone surrogates stand for bytes that were not UTF-8: no IRI has them, and they could not be sent.
_IRI = re.compile(r'[A-Za-z][A-Za-z0-9+.\-]*:[^\x00-\x20<>"{}|^`\\\ud800-\udfff]*')


@dataclass(frozen=True)
class Term:
    """The object of a statement: an IRI, or a literal with its datatype or language."""

    kind: Literal["iri", "literal"]
    value: str
    datatype: str | None = None
    lang: str | None = None


Quad = tuple[str, str, Term, str]  # subject, predicate, object, graph


@dataclass(frozen=True)
class Description:
    """A resource as a release describes it.

    `quads` are its own statements and those of its parts (IRIs under its own, linked to it in at most two steps), with
    the graph each stands in; `incoming` the statements of others that point to it (`incoming_cut`: there were more than
    200); `labels` the names, by language ("" for none), of every IRI mentioned that has one.
    """

    iri: str
    quads: list[Quad]
    incoming: list[tuple[str, str, str]] = field(default_factory=list)
    incoming_cut: bool = False
    labels: dict[str, dict[str, str]] = field(default_factory=dict)


def iri_token(iri: str) -> str | None:
    """The IRI between angle brackets, safe in a query's text; None for a string that cannot be an IRI."""
    return f"<{iri}>" if _IRI.fullmatch(iri) else None


# Every term of every row is read from the dictionary of the store, which takes most of the time: rows of statements
# have no ?s, rows of what points here no ?o, and parts are only asked for when there are any.
_ABOUT = """
SELECT ?g ?s ?p ?o WHERE {
  { GRAPH ?g { %(iri)s ?p ?o } }
  UNION { SELECT ?g ?s ?p WHERE { GRAPH ?g { ?s ?p %(iri)s } } LIMIT %(limit)d }
}"""
# Where more point to it: parts among them are looked for among the first only. Something that half the release points
# to (a programme, a class) has no such parts and must not cost a scan.
_POINTING = """
SELECT DISTINCT ?g ?s ?p WHERE {
  { { SELECT ?s WHERE { GRAPH ?l { ?s ?p1 %(iri)s } } LIMIT 2000 } FILTER(isIRI(?s) && STRSTARTS(STR(?s), %(prefix)s)) }
  UNION { SELECT ?g ?s ?p { GRAPH ?g { ?s ?p %(iri)s } FILTER(!STRSTARTS(STR(?s), %(prefix)s)) } LIMIT %(limit)d }
}"""

_STATEMENTS = "SELECT ?g ?s ?p ?o WHERE { VALUES ?s { %s } GRAPH ?g { ?s ?p ?o } }"
_EXISTING = "SELECT ?s WHERE { VALUES ?s { %s } FILTER EXISTS { GRAPH ?g { ?s ?p ?o } } }"
_CLASSES = "SELECT DISTINCT ?x ?class WHERE { VALUES ?x { %s } GRAPH ?g { ?x a ?class } }"
_LABELS = "SELECT DISTINCT ?x ?l WHERE { VALUES ?x { %s } GRAPH ?g { ?x <%s> ?l } }"


def _rows(engine: Engine, text: str) -> list[dict[str, dict[str, str]]]:
    answer: dict[str, Any] = json.loads(engine.query(text).read())
    rows: list[dict[str, dict[str, str]]] = answer["results"]["bindings"]
    return rows


def _term(cell: dict[str, str]) -> Term:
    if cell["type"] == "uri":
        return Term("iri", cell["value"])
    if cell["type"] == "bnode":  # a release has none (DESIGN: no blank nodes); a remote endpoint might
        return Term("iri", f"_:{cell['value']}")
    return Term("literal", cell["value"], cell.get("datatype"), cell.get("xml:lang"))


def _tokens(iris: Iterable[str]) -> Iterator[str]:
    """The IRIs as they stand in the text of a query, so many at a time that it stays far below any limit of length."""
    tokens = [token for iri in sorted(set(iris)) if (token := iri_token(iri))]
    for start in range(0, len(tokens), 500):
        yield " ".join(tokens[start : start + 500])


def _statements(engine: Engine, iris: Iterable[str]) -> list[Quad]:
    """What is said about these resources."""
    return [
        (row["s"]["value"], row["p"]["value"], _term(row["o"]), row["g"]["value"])
        for tokens in _tokens(iris)
        for row in _rows(engine, _STATEMENTS % tokens)
    ]


def _inside(quads: Iterable[Quad], prefix: str) -> set[str]:
    """The IRIs these statements lead to that begin with a prefix."""
    return {o.value for _s, _p, o, _g in quads if o.kind == "iri" and o.value.startswith(prefix)}


def labels(engine: Engine, iris: Iterable[str]) -> dict[str, dict[str, str]]:
    """The rdfs:labels of these IRIs, from every graph (the ontology's too): IRI -> language ("" for none) -> label."""
    known = _known.setdefault(engine, Cache(NAMES_SIZE))
    found = {iri: held for iri in set(iris) if (held := known.get(iri)) is not None}
    asked = [iri for iri in set(iris) - found.keys() if iri_token(iri)]
    found |= {iri: {} for iri in asked}
    for tokens in _tokens(asked):
        for row in _rows(engine, _LABELS % (tokens, RDFS_LABEL)):
            found[row["x"]["value"]].setdefault(row["l"].get("xml:lang", ""), row["l"]["value"])
    for iri in asked:
        known.put(iri, found[iri], 500 + len(iri) + sum(map(len, found[iri].values())))
    return {iri: names for iri, names in found.items() if names}


def classes(engine: Engine, iris: Iterable[str]) -> dict[str, set[str]]:
    """The classes of these IRIs, from every graph: IRI -> classes."""
    found: dict[str, set[str]] = {}
    for tokens in _tokens(iris):
        for row in _rows(engine, _CLASSES % tokens):
            found.setdefault(row["x"]["value"], set()).add(row["class"]["value"])
    return found


def existing(engine: Engine, iris: Iterable[str]) -> str | None:
    """The first of these IRIs that the release says something about; None when it knows none of them."""
    wanted = list(iris)
    tokens = [token for iri in wanted if (token := iri_token(iri))]
    if not tokens:
        return None
    found = {row["s"]["value"] for row in _rows(engine, _EXISTING % " ".join(tokens))}
    return next((iri for iri in wanted if iri in found), None)


def with_statements(engine: Engine, description: Description, iris: Iterable[str]) -> Description:
    """A description together with the statements of some more resources, and the names of what these mention.

    Raises an EngineError when the engine cannot answer.
    """
    quads = _statements(engine, iris)
    if not quads:
        return description
    mentioned = {x for s, p, _o, g in quads for x in (s, p, g)} | {
        o.value for _s, _p, o, _g in quads if o.kind == "iri"
    }
    named = labels(engine, mentioned - description.labels.keys())
    added = sorted(quads, key=lambda q: (*q[:2], q[2].kind, q[2].value, q[2].lang or "", q[2].datatype or "", q[3]))
    return replace(description, quads=description.quads + added, labels={**named, **description.labels})


def describe(engine: Engine, iri: str, *, with_labels: bool = True) -> Description | None:
    """What the release says about this IRI; None when it says nothing (or it is no IRI at all).

    `with_labels=False` leaves `labels` empty and saves a query. Raises an EngineError when the engine cannot answer.
    """
    token = iri_token(iri)
    if token is None:
        return None
    asked: dict[str, object] = {"iri": token, "limit": INCOMING_LIMIT + 1}
    rows = _rows(engine, _ABOUT % asked)
    quads = [(iri, row["p"]["value"], _term(row["o"]), row["g"]["value"]) for row in rows if "o" in row]
    pointing = [row for row in rows if "o" not in row]
    inside = iri + "/"
    if len(pointing) > INCOMING_LIMIT:
        # No IRI holds a quote or a backslash (checked above), so it can stand in a string as it is.
        pointing = _rows(engine, _POINTING % {**asked, "prefix": f'"{inside}"'})
    incoming = [
        (row["s"]["value"], row["p"]["value"], row["g"]["value"])
        for row in pointing
        if "p" in row and not row["s"]["value"].startswith(inside)
    ]
    if not quads:
        return None  # pointed to at most: there is nothing to say about it
    parts = _inside(quads, inside)
    backward = {s for row in pointing if (s := row["s"]["value"]).startswith(inside)}
    if parts or backward:
        found = _statements(engine, parts | backward)
        quads += found
        quads += _statements(engine, _inside((q for q in found if q[0] in parts), inside) - parts - backward)
    # Own statements first, parts after; the order of an answer must not depend on the engine's mood.
    quads.sort(
        key=lambda q: (q[0] != iri, q[0], q[1], q[2].kind, q[2].value, q[2].lang or "", q[2].datatype or "", q[3])
    )
    cut = len(incoming) > INCOMING_LIMIT
    incoming = sorted(incoming[:INCOMING_LIMIT])
    mentioned = {x for s, p, _o, g in quads for x in (s, p, g)} | {x for link in incoming for x in link}
    mentioned |= {o.value for _s, _p, o, _g in quads if o.kind == "iri"}
    return Description(iri, quads, incoming, cut, labels(engine, mentioned) if with_labels else {})
