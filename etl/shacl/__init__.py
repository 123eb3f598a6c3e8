"""The engines of validation, and what they have in common: shapes, words and terms in, one table of results out.

`reference` is pySHACL, the engine the results are measured by; `fast` is shacl-rust. Both have the same function,
`found(quads, shapes, subclasses)`, and neither knows the other. `trust` says what the fast one is trusted with.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Final, NamedTuple

import polars as pl
import pyoxigraph as ox
from rdflib import BNode, Graph, Literal, URIRef
from rdflib.collection import Collection
from rdflib.namespace import RDF, RDFS, SH
from rdflib.term import Node

#: What an engine finds, one row each. Terms are written as in N-Triples (`<iri>`, `"text"@it`, `_:b`), paths as in
#: SPARQL; a shape without a name of its own has the name that `named` gives it.
FOUND: Final = pl.Schema(
    dict.fromkeys(["focus", "path", "severity", "component", "shape", "value", "message_it", "message_en"], pl.String())
)

#: A class and one above it.
Subclass = tuple[str, str]
#: Which statements are needed, by their predicate.
Needed = Callable[[str], bool]

#: Where a shape names another one it is made of: as a value, or as a member of a list.
LINKS: Final = frozenset({SH.property, SH.node, SH["not"], SH.qualifiedValueShape})
LISTS: Final = frozenset({SH["and"], SH["or"], SH.xone})

_BLANK: Final = "urn:cupola:shape:"


class Spoken(NamedTuple):
    """One message in both languages; the same where it has no language."""

    it: str | None
    en: str | None


@lru_cache(maxsize=4)  # a graph is itself and no other: shapes are not changed while they are in use
def named(shapes: Graph) -> Graph:
    """The shapes with a name for each that has none, so that both engines can say which one they mean."""
    parts = {o for link in LINKS for o in shapes.objects(None, link)}
    parts |= {member for link in LISTS for head in shapes.objects(None, link) for member in Collection(shapes, head)}
    parts |= set(shapes.subjects(RDF.type, SH.NodeShape)) | set(shapes.subjects(RDF.type, SH.PropertyShape))
    names: dict[Node, Node] = {node: URIRef(f"{_BLANK}{node}") for node in parts if isinstance(node, BNode)}
    whole = Graph(bind_namespaces="none")
    for s, p, o in shapes:
        whole.add((names.get(s, s), p, names.get(o, o)))
    return whole


def holder(shapes: Graph, shape: str) -> str:
    """The IRI of a shape of `shapes`, as they were before `named`: its own, or that of the shape that holds it."""
    node: Node = BNode(shape.removeprefix(_BLANK)) if shape.startswith(_BLANK) else URIRef(shape)
    while isinstance(node, BNode) and (above := min(shapes.subjects(None, node), key=str, default=None)):
        node = above
    return str(node)


def subclasses(background: Iterable[Path]) -> list[Subclass]:
    """What the background says of classes that lie under others: all of it that SHACL looks at.

    Instances and labels of an ontology would be validated along with the data; they are left out.
    """
    return sorted(
        (quad.subject.value, quad.object.value)
        for path in background
        for quad in ox.parse(path=str(path), format=ox.RdfFormat.TURTLE)
        if quad.predicate.value == str(RDFS.subClassOf)
        and isinstance(quad.subject, ox.NamedNode)
        and isinstance(quad.object, ox.NamedNode)
    )


def spoken(messages: Iterable[Node]) -> Spoken | None:
    """Messages as the Italian and the English one; without a language one stands for both. None if there are none."""
    texts = {m.language or "": str(m) for m in sorted(messages, key=str) if isinstance(m, Literal)}
    if not texts:
        return None
    other = texts.get("") or next(iter(texts.values()))
    return Spoken(texts.get("it", other), texts.get("en", other))


def term_text(node: Node) -> str:
    """A term as N-Triples writes it."""
    match node:
        case Literal(language=str() as language):
            return str(ox.Literal(str(node), language=language))
        case Literal():
            return str(ox.Literal(str(node), datatype=ox.NamedNode(str(node.datatype)) if node.datatype else None))
        case BNode():
            return f"_:{node}"
    return f"<{node}>"


def path_text(graph: Graph, path: Node) -> str:
    """A property path as SPARQL writes it."""
    if isinstance(path, URIRef):
        return f"<{path}>"
    if (path, RDF.first, None) in graph:
        return "(" + " / ".join(path_text(graph, step) for step in Collection(graph, path)) + ")"
    for predicate, before, after in (
        (SH.inversePath, "^", ""), (SH.zeroOrMorePath, "", "*"), (SH.oneOrMorePath, "", "+"),
        (SH.zeroOrOnePath, "", "?"),
    ):  # fmt: skip
        if (inner := graph.value(path, predicate)) is not None:
            return f"{before}{path_text(graph, inner)}{after}"
    steps = [step for either in graph.objects(path, SH.alternativePath) for step in Collection(graph, either)]
    return "(" + " | ".join(path_text(graph, step) for step in steps) + ")"


def plain(terms: Sequence[str]) -> list[str | None]:
    """The IRIs and texts of terms written as in N-Triples; None for blank nodes."""
    text = "".join(f"<urn:t> <urn:t> {term} .\n" for term in terms)
    objects = [triple.object for triple in ox.parse(text, format=ox.RdfFormat.N_TRIPLES, lenient=True)]
    return [t.value if isinstance(t, ox.NamedNode | ox.Literal) else None for t in objects]
