"""Validation by pySHACL, the reference: complete, and slow (https://github.com/RDFLib/pySHACL)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from decimal import Decimal
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Final

import polars as pl
import pyoxigraph as ox
import pyshacl
from rdflib import BNode, Graph, Literal, URIRef
from rdflib.namespace import RDFS, SH, XSD, NamespaceManager
from rdflib.term import Node

from etl.shacl import FOUND, Needed, Subclass, path_text, spoken, term_text

NAME: Final = "pyshacl"
VERSION: Final = version("pyshacl")


def found(
    quads: Sequence[Path], shapes: Graph, subclasses: Iterable[Subclass] = (), needed: Needed | None = None
) -> pl.DataFrame:
    """What pySHACL finds in N-Quads files, taken as one graph; `needed` leaves the other statements out."""
    return table(report(quads, shapes, subclasses, needed))


def report(
    quads: Sequence[Path], shapes: Graph, subclasses: Iterable[Subclass] = (), needed: Needed | None = None
) -> Graph:
    """The standard report of what pySHACL finds."""
    data = Graph(bind_namespaces="none")
    for path in quads:
        for quad in ox.parse(path=str(path), format=ox.RdfFormat.N_QUADS):
            if needed is None or needed(quad.predicate.value):
                data.add((_term(quad.subject), _term(quad.predicate), _term(quad.object)))
    for below, above in subclasses:
        data.add((URIRef(below), RDFS.subClassOf, URIRef(above)))
    _, told, text = pyshacl.validate(data, shacl_graph=_with_whole_ends(shapes))
    if not isinstance(told, Graph):
        raise TypeError(f"pySHACL gave no report graph: {text}")
    return told


def table(report: Graph) -> pl.DataFrame:
    """The results of a standard report, a row each."""
    return pl.DataFrame([_row(report, result) for result in report.objects(None, SH.result)], FOUND, orient="row")


def _row(report: Graph, result: Node) -> tuple[str | None, ...]:
    def term(predicate: URIRef) -> str | None:
        value = report.value(result, predicate)
        return None if value is None else term_text(value)

    path = report.value(result, SH.resultPath)
    return (
        term(SH.focusNode),
        None if path is None else path_text(report, path),
        term(SH.resultSeverity),
        term(SH.sourceConstraintComponent),
        term(SH.sourceShape),
        term(SH.value),
        *(spoken(report.objects(result, SH.resultMessage)) or (None, None)),
    )


@lru_cache(maxsize=4)  # as `named`: the same shapes are for many files
def _with_whole_ends(shapes: Graph) -> Graph:
    """The shapes with patterns that mean to Python what they mean to XPath: `$` is the very end.

    Python's `$` also stands before a last line break, so that "123456\\n" would be six digits.
    """
    whole = Graph(bind_namespaces="none")
    for s, p, o in shapes:
        if p == SH.pattern and "m" not in str(shapes.value(s, SH.flags) or ""):
            text = re.sub(r"\\.|\[(?:\\.|[^\]\\])*\]|\$", lambda m: r"\Z" if m[0] == "$" else m[0], str(o))
            whole.add((s, p, Literal(text)))
        else:
            whole.add((s, p, o))
    return whole


def _term(term: ox.NamedNode | ox.BlankNode | ox.Literal | ox.Triple) -> URIRef | BNode | Literal:
    match term:
        case ox.NamedNode():
            return URIRef(term.value)
        case ox.Literal():
            if term.language:
                return Literal(term.value, lang=term.language)
            datatype = None if term.datatype.value == str(XSD.string) else URIRef(term.datatype.value)
            # As it stands: "01" and "1" are two values of one number.
            literal = Literal(term.value, datatype=datatype, normalize=False)
            if literal.ill_typed or (isinstance(literal.value, Decimal) and not literal.value.is_finite()):
                return _Incomparable(term.value, datatype=datatype, normalize=False)
            return literal
        case ox.BlankNode():
            return BNode(term.value)
    raise TypeError(f"a quoted triple cannot be validated: {term}")


class _Incomparable(Literal):
    """A literal that stands for no value, as "abc"^^xsd:date: nothing is less than it, or equal to its value.

    SHACL wants a result where two values cannot be compared; pySHACL would end with an exception of rdflib's.
    """

    __slots__ = ()

    def _never(self, _other: object) -> bool:
        return False

    __lt__ = __le__ = __gt__ = __ge__ = _never

    def n3(self, _namespaces: NamespaceManager | None = None) -> str:
        """The literal as it stands, without rdflib's warning that it is no number."""
        return term_text(self)

    def eq(self, other: object) -> bool:
        """Say, as rdflib does of values of different kinds, that there is nothing to compare."""
        raise TypeError(f"{self.n3()} stands for no value and cannot be compared with {other!r}")
