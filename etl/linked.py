"""Linked data that is already in our vocabulary, to N-Quads: each named graph of a TriG or N-Quads file is a source.

The default graph of the file says what each named graph is: dct:title, dct:description, dct:license, dct:publisher
(with a foaf:name), and foaf:homepage if it has one. IRIs are written under the default base, as in mappings; a
deployment's base takes its place. Sources: https://www.w3.org/TR/trig/, https://www.w3.org/TR/n-quads/.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyoxigraph as ox

from etl.iris import DEFAULT_BASE, rebase
from etl.opening import content
from etl.problems import Unusable

#: File name endings, and the format each stands for.
FORMATS: Final = {".trig": ox.RdfFormat.TRIG, ".nq": ox.RdfFormat.N_QUADS}
#: A file is held in memory, all its statements too, while they are sorted.
MAX_BYTES: Final = 256 * 1024 * 1024

_DCT: Final = "http://purl.org/dc/terms/"
_FOAF: Final = "http://xmlns.com/foaf/0.1/"
_LANGUAGES: Final = {"it", "en"}


@dataclass(frozen=True)
class LinkedGraph:
    """One source found in a file: what its default graph says of it, its N-Quads file, what it is about."""

    id: str
    title: dict[str, str]
    description: dict[str, str]
    publisher: str
    licence: str
    homepage: str | None
    quads: Path
    subjects: frozenset[str]


def reads(path: Path) -> bool:
    """Whether a file's name says it is linked data."""
    return path.suffix.lower() in FORMATS


def graphs(path: Path, base: str, work: Path) -> list[LinkedGraph]:
    """The sources in a file, each written to `work` as sorted N-Quads of its graph, under the base given.

    Raises Unusable: file.not-found or file.unreadable, file.too-large, linked.syntax, linked.blank-node,
    linked.no-graph (no statement in a named graph `{base}graph/…`, or a graph elsewhere), linked.undescribed.
    """
    found: dict[ox.NamedNode | ox.DefaultGraph, set[ox.Triple]] = {}
    data, size = content(path, MAX_BYTES)
    if size > MAX_BYTES:
        raise Unusable("file.too-large", found=str(size), limit=str(MAX_BYTES))
    try:
        for quad in ox.parse(data, format=FORMATS[path.suffix.lower()]):
            graph = quad.graph_name
            if any(isinstance(n, ox.BlankNode) for n in (graph, quad.subject, quad.object)):
                raise Unusable("linked.blank-node", raw=str(quad))
            found.setdefault(graph, set()).add(rebased(quad.triple, base))
    except SyntaxError as error:
        raise Unusable("linked.syntax", found=str(error)) from error
    about = found.pop(ox.DefaultGraph(), set())
    if not found:
        raise Unusable("linked.no-graph", allowed=f"{DEFAULT_BASE}graph/", raw="-")
    return [_written(graph, triples, about, base, work) for graph, triples in sorted(found.items(), key=str)]


def _written(
    graph: ox.NamedNode | ox.DefaultGraph, triples: set[ox.Triple], about: set[ox.Triple], base: str, work: Path
) -> LinkedGraph:
    """Lay down one graph; `about` is the file's default graph."""
    name = graph.value if isinstance(graph, ox.NamedNode) else ""
    id_ = name.removeprefix(f"{DEFAULT_BASE}graph/")
    if id_ == name or not id_ or not id_.replace("-", "").isalnum() or not id_.isascii():
        raise Unusable("linked.no-graph", allowed=f"{DEFAULT_BASE}graph/", raw=name)
    node = ox.NamedNode(f"{base}graph/{id_}")
    title, description = (_texts(about, node, key, id_) for key in ("title", "description"))
    publisher = _one(about, node, f"{_DCT}publisher", id_)
    target = work / f"{id_}.nq"
    lines = sorted((ox.Quad(t.subject, t.predicate, t.object, node) for t in triples), key=str)
    with target.open("wb") as file:
        ox.serialize(lines, file, format=ox.RdfFormat.N_QUADS)
    return LinkedGraph(
        id=id_,
        title=title,
        description=description,
        publisher=_one(about, ox.NamedNode(publisher), f"{_FOAF}name", id_),
        licence=_one(about, node, f"{_DCT}license", id_),
        homepage=next(iter(_values(about, node, f"{_FOAF}homepage")), None),
        quads=target,
        subjects=frozenset(t.subject.value for t in triples if isinstance(t.subject, ox.NamedNode)),
    )


def _texts(about: set[ox.Triple], node: ox.NamedNode, key: str, graph: str) -> dict[str, str]:
    """A text of a graph in Italian and English; raises Unusable when a language is missing."""
    texts = {
        t.object.language: t.object.value
        for t in about
        if t.subject == node and t.predicate.value == _DCT + key and isinstance(t.object, ox.Literal)
    }
    if missing := _LANGUAGES - texts.keys():
        raise Unusable("linked.undescribed", raw=graph, found=f"dct:{key}@{'|@'.join(sorted(missing))}")
    return {language: texts[language] for language in ("it", "en")}


def _one(about: set[ox.Triple], node: ox.NamedNode, predicate: str, graph: str) -> str:
    """A value that must be there, the Italian one of several; raises Unusable when there is none."""
    for value in _values(about, node, predicate):
        return value
    raise Unusable("linked.undescribed", raw=graph, found=predicate)


def _values(about: set[ox.Triple], node: ox.NamedNode, predicate: str) -> list[str]:
    """The values of a property, Italian ones first: the catalogue says them as Italian."""
    found = [t.object for t in about if t.subject == node and t.predicate.value == predicate]
    named = [each for each in found if isinstance(each, ox.NamedNode | ox.Literal)]
    foreign = [isinstance(each, ox.Literal) and each.language != "it" for each in named]
    return [value for _, value in sorted(zip(foreign, (each.value for each in named), strict=True))]


def rebased(triple: ox.Triple, base: str) -> ox.Triple:
    """A triple with the IRIs a deployment mints under `base` instead of the default base; our terms stay."""
    if base == DEFAULT_BASE:
        return triple
    subject, object_ = triple.subject, triple.object
    if isinstance(subject, ox.NamedNode):
        subject = ox.NamedNode(rebase(subject.value, base))
    if isinstance(object_, ox.NamedNode):
        object_ = ox.NamedNode(rebase(object_.value, base))
    return ox.Triple(subject, triple.predicate, object_)
