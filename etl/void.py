"""What graphs hold, and what they link to, in numbers: VoID (https://www.w3.org/TR/void/), of the whole and of each.

Every node has an IRI: no blank nodes anywhere in what is published. Those of parts are below `.well-known/void`, where
the description itself is found.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from rdflib import Graph, Literal, URIRef
from rdflib.namespace import DCTERMS, FOAF, RDF, RDFS, VOID, XSD

from etl.counts import Counts

#: Where the description is, below the base (RFC 8615).
PLACE: Final = ".well-known/void"
_LINKED: Final = Path(__file__).with_name("linked-datasets.toml")
_FORMATS: Final = ("N-Quads", "Turtle", "JSON-LD", "N-Triples", "RDF_XML", "TriG")  # of a resource, at /data/
_TITLE: Final = {"it": "Tutti i grafi di Cupola", "en": "All graphs of Cupola"}


@cache
def linked_datasets() -> tuple[dict[str, Any], ...]:
    """The datasets that ours may link to: id, prefix of their IRIs, title by language, homepage."""
    return tuple(tomllib.loads(_LINKED.read_text(encoding="utf-8"))["dataset"])


def dataset(base: str, name: str | None = None) -> URIRef:
    """The dataset that a graph is, by the graph's name; without one, the whole."""
    return URIRef(f"{base}id/dataset" + (f"/{name}" if name else ""))


def describe(
    manifest: dict[str, Any], titles: Mapping[str, Mapping[str, str]], each: Mapping[str, Counts], whole: Counts,
    examples: Mapping[str, str],
) -> Graph:  # fmt: skip
    """The description of the release a manifest tells of.

    `titles` are of graphs, by language, `each` their counts and `examples` a resource each of them describes; all three
    by the names of graphs.
    """
    graph = Graph()
    for prefix, namespace in {"dct": DCTERMS, "foaf": FOAF, "void": VOID}.items():
        graph.bind(prefix, namespace)
    base = str(manifest["base"])
    document, all_ = URIRef(base + PLACE), dataset(base)
    graph.add((document, RDF.type, VOID.DatasetDescription))
    graph.add((document, FOAF.primaryTopic, all_))
    graph.add((document, DCTERMS.modified, Literal(manifest["created"], datatype=XSD.dateTime)))
    _texts(graph, document, {"it": "Che cosa contengono i grafi", "en": "What the graphs hold"})
    _dataset(graph, base, None, _TITLE, whole)
    for part in manifest["graphs"]:
        name = part["iri"].removeprefix(f"{base}graph/")
        one = dataset(base, name)
        _dataset(graph, base, name, titles[name], each[name])
        graph.add((all_, VOID.subset, one))
        graph.add((document, FOAF.topic, one))
        for of in (all_, one):
            graph.add((of, VOID.dataDump, URIRef(f"{base}dumps/{part['file']}")))
        if name in examples:
            graph.add((one, VOID.exampleResource, URIRef(examples[name])))
            graph.add((all_, VOID.exampleResource, URIRef(examples[name])))
    return graph


def _dataset(graph: Graph, base: str, name: str | None, title: Mapping[str, str], counts: Counts) -> None:
    one = dataset(base, name)
    graph.add((one, RDF.type, VOID.Dataset))
    _texts(graph, one, title)
    graph.add((one, VOID.sparqlEndpoint, URIRef(f"{base}sparql")))
    graph.add((one, VOID.uriSpace, Literal(f"{base}id/")))
    for form in _FORMATS:
        graph.add((one, VOID.feature, URIRef(f"http://www.w3.org/ns/formats/{form}")))
    classes = counts.classes
    numbers = {
        VOID.triples: counts.triples,
        VOID.entities: counts.entities,
        VOID.classes: len(classes),
        VOID.properties: len(counts.properties),
        VOID.distinctSubjects: counts.subjects,
        VOID.distinctObjects: counts.objects,
    }
    for told, number in numbers.items():
        graph.add((one, told, Literal(number)))
    at = f"{base}{PLACE}#{name or 'all'}"
    for number, (iri, entities) in enumerate(classes.items(), start=1):
        part = URIRef(f"{at}-class-{number}")
        graph.add((one, VOID.classPartition, part))
        graph.add((part, VOID["class"], URIRef(iri)))
        graph.add((part, VOID.entities, Literal(entities)))
    for number, each in enumerate(counts.properties, start=1):
        part = URIRef(f"{at}-property-{number}")
        graph.add((one, VOID.propertyPartition, part))
        graph.add((part, VOID.property, URIRef(each.iri)))
        graph.add((part, VOID.triples, Literal(each.triples)))
        graph.add((part, VOID.distinctSubjects, Literal(each.subjects)))
        graph.add((part, VOID.distinctObjects, Literal(each.objects)))
    for vocabulary in sorted({_space(iri) for iri in (*classes, *(each.iri for each in counts.properties))}):
        graph.add((one, VOID.vocabulary, URIRef(vocabulary)))
    known = {each["prefix"]: each for each in linked_datasets()}
    for number, (iri, prefix, triples) in enumerate(counts.links, start=1):
        link, target = URIRef(f"{at}-links-{number}"), URIRef(f"{base}{PLACE}#linked-{known[prefix]['id']}")
        graph.add((link, RDF.type, VOID.Linkset))
        graph.add((one, VOID.subset, link))
        graph.add((link, VOID.subjectsTarget, one))
        graph.add((link, VOID.objectsTarget, target))
        graph.add((link, VOID.linkPredicate, URIRef(iri)))
        graph.add((link, VOID.triples, Literal(triples)))
        graph.add((target, RDF.type, VOID.Dataset))
        _texts(graph, target, known[prefix]["title"])
        graph.add((target, VOID.uriSpace, Literal(prefix)))
        graph.add((target, FOAF.page, URIRef(known[prefix]["homepage"])))


def _texts(graph: Graph, subject: URIRef, title: Mapping[str, str]) -> None:
    for language, text in title.items():
        for told in (DCTERMS.title, RDFS.label):
            graph.add((subject, told, Literal(text, lang=language)))


def _space(iri: str) -> str:
    """The vocabulary of a term: its IRI up to the last # or /."""
    return iri[: max(iri.rfind("#"), iri.rfind("/")) + 1]
