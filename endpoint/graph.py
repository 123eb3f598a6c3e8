"""A small graph in memory, for what is asked again and again: the vocabulary of a release and its shapes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pyoxigraph as ox

from endpoint.describe import Description, Term
from endpoint.terms import full

_LABELS = ("rdfs:label", "skos:prefLabel")
_COMMENTS = ("rdfs:comment", "skos:definition", "skos:scopeNote")


@dataclass(frozen=True)
class Graph:
    """Statements by subject and property, and the other way round; properties are asked by short name."""

    statements: Mapping[str, Mapping[str, tuple[Term, ...]]]
    incoming: Mapping[str, Mapping[str, tuple[str, ...]]]

    @classmethod
    def of(cls, triples: Iterable[tuple[str, str, Term]]) -> Graph:
        """The graph of these triples; the order they come in leaves no trace."""
        statements: dict[str, dict[str, tuple[Term, ...]]] = {}
        incoming: dict[str, dict[str, tuple[str, ...]]] = {}
        for s, p, o in sorted(set(triples), key=lambda t: (t[0], t[1], t[2].value, t[2].lang or "")):
            about = statements.setdefault(s, {})
            about[p] = (*about.get(p, ()), o)
            if o.kind == "iri":
                pointed = incoming.setdefault(o.value, {})
                pointed[p] = (*pointed.get(p, ()), s)
        return cls(statements, incoming)

    @classmethod
    def read(cls, path: Path) -> Graph:
        """The graph of a file of Turtle."""
        quads = ox.parse(path=str(path), format=ox.RdfFormat.TURTLE)
        return cls.of((_name(q.subject), q.predicate.value, _term(q.object)) for q in quads)

    def all(self, iri: str, *names: str) -> list[Term]:
        """The values of these properties of a subject."""
        about = self.statements.get(iri, {})
        return [term for name in names for term in about.get(full(name), ())]

    def iris(self, iri: str, *names: str) -> list[str]:
        """The values that are IRIs, each once."""
        return list(dict.fromkeys(term.value for term in self.all(iri, *names) if term.kind == "iri"))

    def subjects(self, iri: str, *names: str) -> list[str]:
        """The subjects that point to an IRI by these properties, each once."""
        pointed = self.incoming.get(iri, {})
        return list(dict.fromkeys(s for name in names for s in pointed.get(full(name), ())))

    def objects(self, *names: str) -> list[str]:
        """The IRIs that any subject points to by these properties, each once."""
        wanted = {full(name) for name in names}
        return [iri for iri, by in self.incoming.items() if not wanted.isdisjoint(by) and not iri.startswith("_:")]

    def is_a(self, iri: str, *names: str) -> bool:
        """Whether the subject is of one of these classes."""
        return not {full(name) for name in names}.isdisjoint(self.iris(iri, "rdf:type"))

    def labels(self, iri: str) -> dict[str, str]:
        """The names of a subject, by language ("" for none)."""
        return self._by_language(iri, _LABELS)

    def comments(self, iri: str) -> dict[str, str]:
        """What explains a subject, by language."""
        return self._by_language(iri, _COMMENTS)

    def _by_language(self, iri: str, names: tuple[str, ...]) -> dict[str, str]:
        found: dict[str, str] = {}
        for term in self.all(iri, *names):
            if term.kind == "literal":
                found.setdefault(term.lang or "", term.value)
        return found

    def description(self, iri: str) -> Description:
        """A subject as the pages describe any resource: its statements, and the names of what they mention."""
        quads = [(iri, p, o, "") for p, values in self.statements.get(iri, {}).items() for o in values]
        mentioned = {x for _, p, o, _ in quads for x in (p, o.value if o.kind == "iri" else p)}
        links = [(s, p, "") for p, subjects in self.incoming.get(iri, {}).items() for s in subjects]
        mentioned |= {x for s, p, _ in links for x in (s, p)}
        return Description(iri, quads, links, labels={x: found for x in mentioned if (found := self.labels(x))})


def _name(node: ox.NamedNode | ox.BlankNode | ox.Triple) -> str:
    return node.value if isinstance(node, ox.NamedNode) else str(node)


def _term(node: ox.NamedNode | ox.BlankNode | ox.Literal | ox.Triple) -> Term:
    if isinstance(node, ox.Literal):
        plain = node.language or node.datatype.value == full("xsd:string")
        return Term("literal", node.value, None if plain else node.datatype.value, node.language)
    return Term("iri", _name(node))
