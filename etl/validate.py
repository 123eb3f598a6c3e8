"""Graphs and shapes to problems: SHACL, the last gate before publication (https://www.w3.org/TR/shacl/)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import polars as pl
import pyoxigraph as ox
import pyshacl
from rdflib import BNode, Graph, Literal, Namespace, URIRef
from rdflib.namespace import RDF, SH
from rdflib.term import Node

CUPOLA: Final = Namespace("https://w3id.org/cupola/onto/")

#: A result of validation, one row each.
RESULTS: Final = pl.Schema(
    dict.fromkeys(["focus", "path", "severity", "component", "shape", "value", "message_it", "message_en"], pl.String())
)


@dataclass(frozen=True)
class Validation:
    """What validation found: `results` as a table (RESULTS), and the standard report as Turtle."""

    results: pl.DataFrame
    report: bytes


def shapes_graph(folder: Path) -> Graph:
    """All shape files of a folder as one graph."""
    return _turtle(sorted(folder.glob("*.ttl")))


def validate(name: str, quads: Sequence[Path], shapes: Graph, background: Iterable[Path] = ()) -> Validation:
    """Validate N-Quads files, taken as one graph, against `shapes`; `name` is what the report is called.

    `background` are Turtle files (the ontology): they help classes to be understood and are not validated.
    Results come in a fixed order.
    """
    data = Graph()
    for path in quads:
        with path.open("rb") as file:
            for quad in ox.parse(file, format=ox.RdfFormat.N_QUADS):
                data.add((_term(quad.subject), _term(quad.predicate), _term(quad.object)))
    _, found, _ = pyshacl.validate(data, shacl_graph=shapes, ont_graph=_turtle(list(background)), allow_warnings=True)
    if not isinstance(found, Graph):
        raise TypeError(f"pySHACL gave no report graph: {found!r}")
    rows = [_row(found, shapes, result) for result in found.objects(None, SH.result)]
    results = pl.DataFrame(rows, schema=RESULTS, orient="row").sort(RESULTS.names(), nulls_last=True)
    return Validation(results, _report(name, results))


def _row(found: Graph, shapes: Graph, result: Node) -> tuple[str | None, ...]:
    def text(predicate: URIRef) -> str | None:
        value = found.value(result, predicate)
        return None if value is None or isinstance(value, BNode) else str(value)

    messages = {m.language or "": str(m) for m in found.objects(result, SH.resultMessage) if isinstance(m, Literal)}
    shape = found.value(result, SH.sourceShape)
    path = found.value(result, SH.resultPath)
    return (
        text(SH.focusNode),
        str(path) if isinstance(path, URIRef) else None,
        (text(SH.resultSeverity) or "").removeprefix(str(SH)).lower(),
        text(SH.sourceConstraintComponent),
        _shape_iri(shapes, shape),
        text(SH.value),
        messages.get("it") or messages.get("") or next(iter(messages.values()), None),
        messages.get("en") or messages.get("") or next(iter(messages.values()), None),
    )


def _shape_iri(shapes: Graph, shape: Node | None) -> str | None:
    """The IRI of a shape, or of the shape that holds it when it is a blank node of the shapes file."""
    while isinstance(shape, BNode):
        shape = next(shapes.subjects(None, shape), None)
    return str(shape) if shape is not None else None


def _report(name: str, results: pl.DataFrame) -> bytes:
    """The results as a standard validation report: each has a name, the same for the same data."""
    report = URIRef(f"urn:cupola:validation:{name}")
    graph = Graph()
    graph.bind("sh", SH)
    graph.add((report, RDF.type, SH.ValidationReport))
    graph.add((report, SH.conforms, Literal(results.is_empty())))
    for number, row in enumerate(results.iter_rows(named=True), start=1):
        result = URIRef(f"{report}:{number}")
        graph.add((report, SH.result, result))
        graph.add((result, RDF.type, SH.ValidationResult))
        graph.add((result, SH.resultSeverity, SH[row["severity"].capitalize()]))
        for predicate, name in (
            (SH.focusNode, "focus"),
            (SH.resultPath, "path"),
            (SH.sourceConstraintComponent, "component"),
            (SH.sourceShape, "shape"),
        ):
            if row[name] is not None:
                graph.add((result, predicate, URIRef(row[name])))
        if row["value"] is not None:
            graph.add((result, SH.value, Literal(row["value"])))
        for language in ("it", "en"):
            if row[f"message_{language}"] is not None:
                graph.add((result, SH.resultMessage, Literal(row[f"message_{language}"], lang=language)))
    return graph.serialize(format="turtle", encoding="utf-8")


def _turtle(paths: Sequence[Path]) -> Graph:
    graph = Graph()
    for path in paths:
        graph.parse(path, format="turtle")
    return graph


def _term(term: ox.NamedNode | ox.BlankNode | ox.Literal | ox.Triple) -> URIRef | BNode | Literal:
    match term:
        case ox.NamedNode():
            return URIRef(term.value)
        case ox.Literal():
            if term.language:
                return Literal(term.value, lang=term.language)
            datatype = term.datatype.value
            plain = datatype == "http://www.w3.org/2001/XMLSchema#string"
            return Literal(term.value, datatype=None if plain else URIRef(datatype))
        case ox.BlankNode():
            return BNode(term.value)
    raise TypeError(f"a quoted triple cannot be validated: {term}")
