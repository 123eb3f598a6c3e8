"""The example queries of `queries/`, one Turtle file each.

They follow the convention of the SIB's sparql-examples (https://github.com/sib-swiss/sparql-examples): an
sh:SPARQLExecutable with the question as rdfs:comment and the text as sh:select, sh:ask, sh:construct or spex:describe,
here with the question in Italian and English and the query whole, prefixes too, so that it can be copied as it is.
One that asks other endpoints too says which, with spex:federatesWith.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pyoxigraph as ox

from endpoint.terms import full

FOLDER = Path(__file__).parent / "queries"
SPEX = "https://purl.expasy.org/sparql-examples/ontology#"

# What holds the text of each kind of query. SHACL has no DESCRIBE.
KINDS = {
    "select": full("sh:select"),
    "ask": full("sh:ask"),
    "construct": full("sh:construct"),
    "describe": SPEX + "describe",
}
# The keywords an example may have, in the order of the page: it stands under the first of its own.
TOPICS = (
    "money",
    "time",
    "body",
    "contract",
    "disagreement",
    "link",
    "cup",
    "quality",
    "provenance",
    "text",
    "vocabulary",
    "place",
    "programme",
)


@dataclass(frozen=True)
class Example:
    """An example query: its name (the file's), the question by language, the text, and its keywords.

    `kind` is one of KINDS; `services` are the other endpoints it asks, which this one refuses to call.
    """

    name: str
    question: Mapping[str, str]
    query: str
    keywords: tuple[str, ...]
    kind: str = "select"
    services: tuple[str, ...] = ()

    @property
    def topic(self) -> str:
        """The keyword it is listed under."""
        return self.keywords[0]


def read(path: Path) -> Example:
    """One file; ValueError says what is wrong with it."""
    store = ox.Store()
    store.bulk_load(path=str(path), format=ox.RdfFormat.TURTLE)
    executable = ox.NamedNode(full("sh:SPARQLExecutable"))
    found = [q.subject for q in store.quads_for_pattern(None, ox.NamedNode(full("rdf:type")), executable, None)]
    if len(found) != 1:
        raise ValueError(f"{path.name}: one sh:SPARQLExecutable expected, {len(found)} found")

    def values(iri: str) -> list[ox.Literal | ox.NamedNode]:
        quads = store.quads_for_pattern(found[0], ox.NamedNode(iri), None, None)
        return [q.object for q in quads if isinstance(q.object, ox.Literal | ox.NamedNode)]

    question = {v.language or "": v.value for v in values(full("rdfs:comment")) if isinstance(v, ox.Literal)}
    texts = [(kind, v.value.strip()) for kind, iri in KINDS.items() for v in values(iri)]
    if set(question) != {"it", "en"} or len(texts) != 1:
        raise ValueError(f"{path.name}: a question (rdfs:comment) in it and en and one {', '.join(KINDS)} expected")
    keywords = {v.value for v in values(full("schema:keywords"))}
    if not keywords or keywords - set(TOPICS):
        raise ValueError(f"{path.name}: keywords out of {', '.join(TOPICS)} expected")
    (kind, text), services = texts[0], sorted(v.value for v in values(SPEX + "federatesWith"))
    return Example(path.stem, question, text, tuple(t for t in TOPICS if t in keywords), kind, tuple(services))


@cache
def examples() -> tuple[Example, ...]:
    """Every example query, topic by topic, in the order of the files' names."""
    found = (read(path) for path in sorted(FOLDER.glob("*.ttl")))
    return tuple(sorted(found, key=lambda example: TOPICS.index(example.topic)))


def example_named(name: str) -> Example | None:
    """The example query of this name, if there is one."""
    return next((example for example in examples() if example.name == name), None)


def by_topic(keyword: str = "") -> dict[str, list[Example]]:
    """The examples under their topics; with a keyword, those that have it, under it."""
    grouped: dict[str, list[Example]] = {}
    for example in examples():
        if not keyword or keyword in example.keywords:
            grouped.setdefault(keyword or example.topic, []).append(example)
    return grouped
