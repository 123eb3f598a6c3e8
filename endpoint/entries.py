"""What the page of the vocabulary shows: an entry for each term, the schemes with their concepts, the namespaces.

pyLODE, the usual maker of such pages, writes one language, its own frame and inline styles; the page has to be in two
languages, in the frame of the others, under their content security policy, with examples of the release: so it is ours.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from endpoint.language import LANGUAGES, Language
from endpoint.samples import Sample
from endpoint.terms import NAMESPACES, ONTO, Links, full, last_part, short
from endpoint.views import Facts, Link, Property, Text, Value
from endpoint.vocabulary import Vocabulary

# Said in another place of an entry, or of no use there.
_ELSEWHERE = {
    "rdf:type", "rdfs:label", "rdfs:comment", "rdfs:isDefinedBy", "skos:prefLabel", "skos:definition", "skos:notation",
    "skos:inScheme", "skos:topConceptOf", "skos:hasTopConcept", "skos:broader", "skos:narrower",
}  # fmt: skip
_SYMMETRIC = {"owl:disjointWith", "owl:equivalentClass", "owl:equivalentProperty", "owl:sameAs"}
# What comes first in an entry, with "^" from the other end; the rest is by name.
_ORDER = (
    "owl:versionInfo", "owl:versionIRI", "owl:priorVersion", "ADMS:status", "dct:issued", "dct:modified", "dct:license",
    "dct:creator", "dct:publisher", "dct:rightsHolder",
    "rdfs:subClassOf", "^rdfs:subClassOf", "rdfs:subPropertyOf", "^rdfs:subPropertyOf", "owl:disjointWith",
    "rdfs:domain", "schema:domainIncludes", "rdfs:range", "^rdfs:domain", "^schema:domainIncludes", "^rdfs:range",
)  # fmt: skip


@dataclass(frozen=True)
class Entry:
    """A term: its names and explanations in the page's language and the other, and what the ontology says of it."""

    iri: str
    anchor: str
    code: str
    label: Text
    comment: Text | None
    also: list[tuple[Text | None, Text | None]]
    kinds: list[Link]
    rows: list[Property]
    sample: Sample | None = None


@dataclass(frozen=True)
class Concept:
    """A concept of a scheme, with how deep it stands below its broader ones."""

    iri: str
    anchor: str
    href: str | None
    notation: str
    label: Text
    definition: Text | None
    depth: int
    rows: list[Property]


@dataclass(frozen=True)
class Scheme:
    """A scheme with its concepts, the narrower after the broader."""

    entry: Entry
    concepts: list[Concept]


@dataclass(frozen=True)
class Entries:
    """The entries of a vocabulary in one language."""

    vocabulary: Vocabulary
    language: Language
    links: Links

    def entry(self, iri: str, sample: Sample | None = None) -> Entry:
        """The entry of a term."""
        graph = self.vocabulary.graph
        facts = self._facts(iri)
        names, comments = graph.labels(iri), graph.comments(iri)
        label = self._text(names) or Text(last_part(iri))
        comment = self._text(comments)
        others = [code for code in LANGUAGES if code != self.language.code and (code in names or code in comments)]
        also = [(_in(names, code), _in(comments, code)) for code in others if {label.lang, code} != {code}]
        kinds = [facts.link(kind) for kind in graph.iris(iri, "rdf:type") if not kind.startswith(NAMESPACES["owl"])]
        said = {text for texts in (names, comments) for text in texts.values()}
        rows = [*self._said(facts, said), *self._pointing(facts), *self._checks(facts)]
        return Entry(iri, self.anchor(iri), short(iri) or "", label, comment, also, kinds, _ordered(rows), sample)

    def metadata(self) -> tuple[list[Property], list[Property]]:
        """What the ontology says of itself: version, dates, licence and people, then the rest."""
        graph = self.vocabulary.graph
        said = {*graph.labels(ONTO).values(), *graph.comments(ONTO).values(), ONTO}
        said |= {term.value for term in graph.all(ONTO, "dct:title", "dct:description")}
        rows = self._said(self._facts(ONTO), said)
        if not any(row.iri == full("dct:license") for row in rows):  # it may be that of the files only
            files = graph.iris(ONTO, "dcat:distribution", "ADMS:hasSemanticAssetDistribution")
            rows += [
                row for file in files for row in self._said(self._facts(file), set()) if row.iri == full("dct:license")
            ]
        rows = _ordered(rows)
        first = {full(name) for name in _ORDER if not name.startswith("^")}
        return [row for row in rows if row.iri in first], [row for row in rows if row.iri not in first]

    @property
    def version(self) -> str:
        """The anchor of the version this is: its IRI means the whole page."""
        return next((self.anchor(iri) for iri in self.vocabulary.versions), "version")

    def about(self, iri: str, name: str) -> Text | None:
        """A text said of a subject, by the property's short name."""
        return self._facts(iri).text(name)

    def others(self) -> list[tuple[Link, list[Property]]]:
        """What the ontology says of the terms of others."""
        facts = [self._facts(iri) for iri in self.vocabulary.others]
        found = [(each.link(each.description.iri), _ordered(self._said(each, set()))) for each in facts]
        return [(link, rows) for link, rows in found if rows]

    def scheme(self, iri: str, taken: set[str]) -> Scheme:
        """A scheme; `taken` are the anchors given already: a concept of two schemes has its anchor in the first."""
        return Scheme(self.entry(iri), [self._concept(c, depth, taken) for c, depth in self.vocabulary.ordered(iri)])

    def namespaces(self) -> list[tuple[str, str]]:
        """Prefix and address of each namespace that the vocabulary uses and that has a prefix here."""
        used = self.vocabulary.namespaces
        return [(prefix, iri) for prefix, iri in NAMESPACES.items() if iri in used]

    def anchor(self, iri: str) -> str:
        """Where on the page a term is: what its address has after "#"."""
        return (self.links.href(iri) or "").partition("#")[2] if iri.startswith(ONTO) else ""

    def _facts(self, iri: str) -> Facts:
        return Facts(self.vocabulary.graph.description(iri), self.language, self.links)

    def _concept(self, iri: str, depth: int, taken: set[str]) -> Concept:
        graph = self.vocabulary.graph
        names, comments = graph.labels(iri), graph.comments(iri)
        anchor = self.anchor(iri)
        anchor = "" if anchor in taken else anchor
        taken.add(anchor)
        # Most concepts say nothing else, and a scheme may have thousands.
        more = {short(p) for p in graph.statements.get(iri, ())} - _ELSEWHERE
        rows = self._said(self._facts(iri), {*names.values(), *comments.values()}) if more else []
        notation = ", ".join(term.value for term in graph.all(iri, "skos:notation"))
        label = self._text(names) or Text(last_part(iri))
        return Concept(iri, anchor, self.links.href(iri), notation, label, self._text(comments), depth, _ordered(rows))

    def _said(self, facts: Facts, elsewhere: set[str]) -> list[Property]:
        """What is said of a term, texts in the page's language where they have it, without what its entry has above."""
        rows = []
        for prop in facts.properties(without=_ELSEWHERE):
            texts = [value.text for value in prop.values if value.text and value.text.lang]
            ours = any(text.lang == self.language.code for text in texts)
            values = [v for v in prop.values if v.text is None or v.text.text not in elsewhere]
            values = [v for v in values if not ours or not v.text or v.text.lang in ("", self.language.code)]
            if values:
                rows.append(replace(prop, values=values))
        return rows

    def _pointing(self, facts: Facts) -> list[Property]:
        """What points to a term, each property by its name from this end."""
        found: dict[str, list[str]] = {}
        for s, p, _ in facts.description.incoming:
            if (short(p) or p) not in _ELSEWHERE and s != ONTO:
                found.setdefault(p, []).append(s)
        rows = []
        for p, subjects in found.items():
            same = short(p) in _SYMMETRIC
            word = None if same else self.language.get(f"inverse.{short(p)}")
            plain = facts.name(p) if same else Text(self.language("ontology.inverse", name=facts.name(p).text))
            name = Text(word, self.language.code) if word else plain
            rows.append(Property(p if same else f"^{p}", name, _values(facts, subjects)))
        return rows

    def _checks(self, facts: Facts) -> list[Property]:
        """The shapes that check a class, or the classes whose shapes speak of a property."""
        iri, vocabulary = facts.description.iri, self.vocabulary
        shapes = [
            Link(shape, last_part(shape), "", self._shape(shape), external=False)
            for shape in vocabulary.shapes_for(iri)
        ]
        checked = [Value(link, None, link.iri, ()) for link in shapes]
        used = [Value(self._link(facts, kind), None, kind, ()) for kind in vocabulary.checked_on(iri)]
        rows = [("shapes", "ontology.checked_by", checked), ("classes", "ontology.checked_on", used)]
        return [Property(key, Text(self.language(word)), values) for key, word, values in rows if values]

    def _link(self, facts: Facts, iri: str) -> Link:
        link, name = facts.link(iri), self._text(self.vocabulary.graph.labels(iri))
        return replace(link, text=name.text, lang=name.lang) if name else link

    def _shape(self, iri: str) -> str | None:
        where = iri.partition("/shapes/")[2]
        # Shapes are given as RDF only: without a format a reader's browser might be told that there is no page.
        return self.links.local(f"/shapes/{where}?format=turtle") if where else None

    def _text(self, texts: Mapping[str, str]) -> Text | None:
        found = self.language.choose(texts)
        return Text(*found) if found else None


def _in(texts: Mapping[str, str], code: str) -> Text | None:
    return Text(texts[code], code) if code in texts else None


def _values(facts: Facts, iris: Iterable[str]) -> list[Value]:
    return [Value(facts.link(iri), None, iri, ()) for iri in iris]


def _ordered(rows: list[Property]) -> list[Property]:
    """Rows in the order of an entry; what a symmetric property says from both ends is one row."""
    joined: dict[str, Property] = {}
    for row in rows:
        before = joined.get(row.iri)
        values = [*before.values, *(v for v in row.values if v not in before.values)] if before else row.values
        joined[row.iri] = replace(row, values=values)
    places = {mark + full(name): n for n, each in enumerate(_ORDER) for mark, name in [_marked(each)]}
    return sorted(joined.values(), key=lambda row: (places.get(row.iri, len(places)), row.name.text.casefold()))


def _marked(name: str) -> tuple[str, str]:
    return ("^", name[1:]) if name.startswith("^") else ("", name)
