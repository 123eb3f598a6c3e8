"""Where terms are used: what a release says, and the mappings, queries, shapes and ontology of this repository."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyoxigraph as ox
from rdflib import SH, Graph, Literal, URIRef
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
MAPPINGS = sorted((ROOT / "etl").rglob("*.yml"))
VIEWS = sorted((ROOT / "ontology" / "views").glob("*.rq"))
EXAMPLE_QUERIES = sorted((ROOT / "endpoint" / "queries").glob("*.ttl"))

#: Graphs by the name of the file that holds them.
Files = dict[str, Graph]

_PREFIX = re.compile(r"^\s*PREFIX\s+([\w-]*):\s*<([^>]*)>", re.MULTILINE | re.IGNORECASE)
#: What in a query is no name: comments, strings, declarations of prefixes. An IRI may hold a "#", so it goes first.
_NO_NAME = re.compile(r"(<[^<>\s]*>)|\"[^\"]*\"|'[^']*'|#.*")
_NAME = re.compile(r"(?<![\w:?$])([A-Za-z][\w-]*):([A-Za-z][\w-]*)")


def said(release: Path) -> Files:
    """What a release says: its catalogue, shapes and report of validation, and each graph of its data."""
    files = {file.name: Graph().parse(file, format="turtle") for file in sorted(release.glob("*.ttl"))}
    for file in sorted((release / "data").glob("*.nq.gz")):
        quads = ox.parse(gzip.decompress(file.read_bytes()), format=ox.RdfFormat.N_QUADS)
        text = ox.serialize((quad.triple for quad in quads), format=ox.RdfFormat.N_TRIPLES)
        assert text is not None
        files[f"data/{file.name}"] = Graph().parse(data=text.decode(), format="nt")
    return files


def turtles(folder: str) -> Files:
    """Every Turtle file of a folder of the repository."""
    files = sorted((ROOT / folder).glob("*.ttl"))
    return {str(file.relative_to(ROOT)): Graph().parse(file, format="turtle") for file in files}


def texts(told: Any) -> Iterator[str]:
    """Every string value in a YAML document."""
    if isinstance(told, dict):
        for value in told.values():
            yield from texts(value)
    elif isinstance(told, list):
        for value in told:
            yield from texts(value)
    elif isinstance(told, str):
        yield told


def mapping_terms(path: Path) -> set[str]:
    """The constant IRIs a YARRRML file writes: predicates, classes, datatypes, individuals."""
    told = YAML(typ="safe", pure=True).load(path)
    prefixes: dict[str, str] = told["prefixes"]
    found = set()
    for text in texts([mapping["po"] for mapping in told["mappings"].values()]):
        bare = text.removesuffix("~iri")
        prefix, _, name = bare.partition(":")
        if prefix in prefixes and re.fullmatch(r"[\w.-]+", name):
            found.add(prefixes[prefix] + name)
        elif bare.startswith("http") and "$(" not in bare:
            found.add(bare)
    return {iri for iri in found if not iri.startswith("https://w3id.org/cupola/id/")}  # these name things, not terms


def query_terms(text: str) -> set[str]:
    """The IRIs a SPARQL query writes as prefixed names."""
    prefixes: dict[str, str] = dict(_PREFIX.findall(text))
    bare = _NO_NAME.sub(" ", text)
    return {prefixes[prefix] + name for prefix, name in _NAME.findall(bare) if prefix in prefixes}


def queries() -> dict[str, set[str]]:
    """The terms of the views and of the example queries, by file."""
    found = {str(file.relative_to(ROOT)): query_terms(file.read_text(encoding="utf-8")) for file in VIEWS}
    for file in EXAMPLE_QUERIES:
        graph = Graph().parse(file, format="turtle")
        asked = [text for kind in (SH.select, SH.ask, SH.construct) for text in graph.objects(None, kind)]
        found[str(file.relative_to(ROOT))] = set().union(*(query_terms(str(text)) for text in asked))
    return found


def iris(graph: Graph) -> set[str]:
    """Every IRI a graph holds, in whatever position, and the datatypes of its literals."""
    nodes = {node for triple in graph for node in triple}
    datatypes = {str(node.datatype) for node in nodes if isinstance(node, Literal) and node.datatype}
    return {str(node) for node in nodes if isinstance(node, URIRef)} | datatypes
