"""The vocabulary of a release: the ontology as the release holds it, and the shapes it was checked with.

Its page, diagram and JSON-LD context are drawn from here, so that a term added to `ontology/` is in all of them.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from endpoint.asking import select
from endpoint.engine import Engine
from endpoint.graph import Graph
from endpoint.release import Release
from endpoint.terms import ONTO

# The groups of terms, by the types that put a term there; a term is in the first that fits.
GROUPS = {
    "classes": ("owl:Class", "rdfs:Class"),
    "object_properties": ("owl:ObjectProperty",),
    "datatype_properties": ("owl:DatatypeProperty",),
    "other_properties": ("rdf:Property", "owl:AnnotationProperty"),
    "schemes": ("skos:ConceptScheme",),
}
GROUP_NAMES = (*GROUPS, "individuals")

_FIGURES = re.compile(r"([0-9]+)")
_LAST = sys.maxsize  # letters after figures


@dataclass(frozen=True)
class Vocabulary:
    """The graph of the ontology, and that of the shapes (empty when the release has no file of them)."""

    graph: Graph
    shapes: Graph

    @cached_property
    def groups(self) -> dict[str, list[str]]:
        """Our terms by group; concepts of a scheme are with their scheme, everything else of ours is an individual."""
        groups: dict[str, list[str]] = {name: [] for name in GROUP_NAMES}
        for iri in sorted(self.graph.statements, key=str.casefold):
            if not iri.startswith(ONTO) or self.graph.is_a(iri, "owl:Ontology"):
                continue
            group = next((name for name, types in GROUPS.items() if self.graph.is_a(iri, *types)), None)
            if group is None and not self.schemes_of(iri):
                group = "individuals"
            if group:
                groups[group].append(iri)
        return groups

    @cached_property
    def others(self) -> list[str]:
        """The terms that are not ours and that the ontology nevertheless says something about."""
        concepts = {each for scheme in self.groups["schemes"] for each in self.concepts(scheme)}
        return [iri for iri in sorted(self.graph.statements) if not iri.startswith(ONTO) and iri not in concepts]

    @cached_property
    def versions(self) -> set[str]:
        """The IRIs of the version this is."""
        return set(self.graph.iris(ONTO, "owl:versionIRI"))

    @cached_property
    def namespaces(self) -> set[str]:
        """The namespaces of the terms that are mentioned."""
        graph = self.graph
        iris = {iri for each in (graph.statements, graph.incoming) for iri in each}
        iris |= {p for said in graph.statements.values() for p in said}
        iris |= {t.datatype for said in graph.statements.values() for ts in said.values() for t in ts if t.datatype}
        return {iri[: max(iri.rfind("/"), iri.rfind("#")) + 1] for iri in iris}

    def schemes_of(self, iri: str) -> list[str]:
        """The schemes a concept is in, of those that are described."""
        named = [*self.graph.iris(iri, "skos:inScheme", "skos:topConceptOf")]
        named += self.graph.subjects(iri, "skos:hasTopConcept")
        return [scheme for scheme in dict.fromkeys(named) if self.graph.is_a(scheme, "skos:ConceptScheme")]

    def concepts(self, scheme: str) -> set[str]:
        """The concepts of a scheme."""
        inside = self.graph.subjects(scheme, "skos:inScheme", "skos:topConceptOf")
        return {*inside, *self.graph.iris(scheme, "skos:hasTopConcept")}

    def ordered(self, scheme: str) -> Iterator[tuple[str, int]]:
        """The concepts of a scheme with their depth, the narrower after the broader, each level by notation."""
        inside = self.concepts(scheme)
        broader = {c: [b for b in self._broader(c) if b in inside and b != c] for c in inside}
        narrower: dict[str, list[str]] = {}
        for concept, above in broader.items():
            for each in above:
                narrower.setdefault(each, []).append(concept)
        seen: set[str] = set()

        def level(concepts: list[str], depth: int) -> Iterator[tuple[str, int]]:
            for concept in sorted(concepts, key=self._place):
                if concept not in seen:
                    seen.add(concept)
                    yield concept, depth
                    yield from level(narrower.get(concept, []), depth + 1)

        yield from level([c for c, above in broader.items() if not above], 0)
        yield from level([c for c in inside if c not in seen], 0)  # in a circle of broader concepts

    def _broader(self, concept: str) -> list[str]:
        return [*self.graph.iris(concept, "skos:broader"), *self.graph.subjects(concept, "skos:narrower")]

    def _place(self, concept: str) -> tuple[list[tuple[int, str]], str]:
        code = next((term.value for term in self.graph.all(concept, "skos:notation")), "")
        # Figures in a code count as numbers: 1.2 comes before 1.10.
        parts = (part for part in _FIGURES.split(code) if part)
        return [(int(part), "") if part.isascii() and part.isdigit() else (_LAST, part) for part in parts], concept

    def above(self, iri: str) -> list[str]:
        """A class and those above it, as far as the ontology tells."""
        found = [iri]
        for each in found:
            found += [up for up in self.graph.iris(each, "rdfs:subClassOf") if up not in found]
        return found

    def shapes_for(self, kind: str) -> list[str]:
        """The shapes that check the instances of a class; SHACL's sh:targetClass reaches its subclasses too."""
        found = [shape for each in self.above(kind) for shape in self.shapes.subjects(each, "sh:targetClass")]
        return list(dict.fromkeys(found))

    def checked_on(self, prop: str) -> list[str]:
        """The classes whose shapes speak of a property."""
        parts = self.shapes.subjects(prop, "sh:path")
        wholes = [whole for part in parts for whole in self.shapes.subjects(part, "sh:property")]
        return sorted({kind for each in (*parts, *wholes) for kind in self.shapes.iris(each, "sh:targetClass")})


def read(engine: Engine, release: Release) -> Vocabulary:
    """The vocabulary of a release. Raises an EngineError when the engine cannot answer."""
    rows = select(engine, f"SELECT ?s ?p ?o {{ GRAPH <{release.base}graph/ontology> {{ ?s ?p ?o }} }}")
    ontology = Graph.of((row["s"].value, row["p"].value, row["o"]) for row in rows)
    shapes = release.files.get("shapes.ttl")
    return Vocabulary(ontology, Graph.read(shapes) if shapes else Graph.of(()))
