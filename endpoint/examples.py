"""The example queries of `queries/`, one Turtle file each.

They follow the convention of the SIB's sparql-examples (https://github.com/sib-swiss/sparql-examples): an
sh:SPARQLExecutable with the question as rdfs:comment and the text as sh:select, here with the question in Italian and
English and the query whole, prefixes too, so that it can be copied as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pyoxigraph as ox

from endpoint.terms import full

FOLDER = Path(__file__).parent / "queries"


@dataclass(frozen=True)
class Example:
    """An example query: its name (the file's), the question by language, the text, and its keywords."""

    name: str
    question: Mapping[str, str]
    query: str
    keywords: tuple[str, ...]


def read(path: Path) -> Example:
    """One file; ValueError says what is wrong with it."""
    store = ox.Store()
    store.bulk_load(path=str(path), format=ox.RdfFormat.TURTLE)
    kind = ox.NamedNode(full("sh:SPARQLExecutable"))
    found = [q.subject for q in store.quads_for_pattern(None, ox.NamedNode(full("rdf:type")), kind, None)]
    if len(found) != 1:
        raise ValueError(f"{path.name}: one sh:SPARQLExecutable expected, {len(found)} found")

    def values(name: str) -> list[ox.Literal]:
        quads = store.quads_for_pattern(found[0], ox.NamedNode(full(name)), None, None)
        return [q.object for q in quads if isinstance(q.object, ox.Literal)]

    question = {v.language or "": v.value for v in values("rdfs:comment")}
    texts = values("sh:select")
    if set(question) != {"it", "en"} or len(texts) != 1:
        raise ValueError(f"{path.name}: a question (rdfs:comment) in it and en and one sh:select expected")
    keywords = tuple(sorted(v.value for v in values("schema:keywords")))
    return Example(path.stem, question, texts[0].value.strip(), keywords)


@cache
def examples() -> tuple[Example, ...]:
    """Every example query, in the order of the files' names."""
    return tuple(read(path) for path in sorted(FOLDER.glob("*.ttl")))


def example_named(name: str) -> Example | None:
    """The example query of this name, if there is one."""
    return next((example for example in examples() if example.name == name), None)
