"""What the pages show of a resource: plain values made from its description, so that templates only lay out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from endpoint.describe import Description, Term
from endpoint.language import Language
from endpoint.terms import NAMESPACES, ONTO, Links, full, last_part, short

_PARAGRAPHS = re.compile(r"\s*\n\s*\n\s*|\s*\n\s*")


@dataclass(frozen=True)
class Text:
    """Words and the language they are in ("" when not known), so that a page can mark it."""

    text: str
    lang: str = ""

    @property
    def paragraphs(self) -> list[str]:
        """The text cut at its line ends."""
        return [p for p in _PARAGRAPHS.split(self.text) if p]


@dataclass(frozen=True)
class Link:
    """An IRI with the name a reader knows it by; `href` is None when it is no web address."""

    iri: str
    text: str
    lang: str
    href: str | None
    external: bool


@dataclass(frozen=True)
class Value:
    """One value of a property: a link or a text, what it is called in full, and the sources that say it."""

    link: Link | None
    text: Text | None
    title: str | None
    sources: tuple[str, ...]


@dataclass(frozen=True)
class Property:
    """A property of a resource with all its values."""

    iri: str
    name: Text
    values: list[Value]


@dataclass(frozen=True)
class Part:
    """A resource inside another one (a role of an operation, a reading of a sheet)."""

    link: Link
    kinds: list[Text]
    properties: list[Property]


@dataclass
class Facts:
    """A description made easy to ask: values by subject and property (short names, as "rdfs:label")."""

    description: Description
    language: Language
    links: Links
    labels: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:  # noqa: D105 - builds the index the methods use
        # By subject and property, each value once with the graphs that say it, in the order of the description.
        self._found: dict[str, dict[str, dict[Term, set[str]]]] = {}
        self.labels = {**self.description.labels, **self.labels}
        for s, p, o, graph in self.description.quads:
            self._found.setdefault(s, {}).setdefault(p, {}).setdefault(o, set()).add(graph)

    def all(self, name: str, subject: str | None = None) -> list[Term]:
        """Every value of a property, of the described resource or of one of its parts."""
        return list(self._found.get(subject or self.description.iri, {}).get(full(name), ()))

    def one(self, name: str, subject: str | None = None) -> str | None:
        """The value of a property when there is one; the first in order when there are several."""
        return next((term.value for term in self.all(name, subject)), None)

    def text(self, name: str, subject: str | None = None) -> Text | None:
        """The text of a property in the page's language, else in whichever it has."""
        found = self.language.choose({t.lang or "": t.value for t in reversed(self.all(name, subject))})
        return Text(*found) if found else None

    def is_a(self, name: str, subject: str | None = None) -> bool:
        """Whether the resource is of a class."""
        return any(term.value == full(name) for term in self.all("rdf:type", subject))

    def subjects(self, name: str) -> list[str]:
        """The described resources of a class, in order."""
        kind = full(name)
        type_iri = full("rdf:type")
        return sorted(s for s, said in self._found.items() if any(t.value == kind for t in said.get(type_iri, ())))

    def link(self, iri: str) -> Link:
        """A link to an IRI, named by its label, by our word for the term, or by its last part."""
        name = self.name(iri)
        return Link(iri, name.text, name.lang, self.links.href(iri), self.links.external(iri))

    def name(self, iri: str) -> Text:
        """What to call an IRI."""
        found = self.language.choose(self.labels.get(iri, {}))
        if found:
            return Text(*found)
        term = short(iri)
        word = self.language.get(f"term.{term}") if term else None
        return Text(word, self.language.code) if word else Text(term or last_part(iri))

    def kinds(self, subject: str | None = None) -> list[Text]:
        """The classes of the resource, in words, the most telling first; PROV's only when there is no other."""
        classes = sorted((t.value for t in self.all("rdf:type", subject)), key=_nearness)
        telling = [iri for iri in classes if not iri.startswith(NAMESPACES["prov"])] or classes
        names = [self.name(iri) for iri in telling]
        return list({name.text: name for name in names}.values())

    def properties(self, subject: str | None = None, without: Iterable[str] = ()) -> list[Property]:
        """Everything said of the resource (its classes aside), by property."""
        skip = {full("rdf:type"), *(full(name) for name in without)}
        found = [
            Property(p, self.name(p), [self.value(o, graphs) for o, graphs in values.items()])
            for p, values in self._found.get(subject or self.description.iri, {}).items()
            if p not in skip
        ]
        return sorted(found, key=lambda each: (each.iri != full("rdfs:label"), each.name.text.casefold(), each.iri))

    def value(self, term: Term, graphs: Iterable[str]) -> Value:
        """One value as a reader sees it: amounts and dates in the page's language, texts with theirs."""
        sources = tuple(sorted(last_part(graph) for graph in graphs))
        if term.kind == "iri":
            return Value(self.link(term.value), None, term.value, sources)
        kind = short(term.datatype or "") or term.datatype
        if kind == "xsd:date":
            return Value(None, Text(self.language.date(term.value), self.language.code), term.value, sources)
        if kind == "xsd:decimal":
            return Value(None, Text(self.language.number(term.value), self.language.code), term.value, sources)
        if kind == "xsd:boolean":
            word = self.language("site.yes" if term.value in ("true", "1") else "site.no")
            return Value(None, Text(word, self.language.code), term.value, sources)
        plain = kind in (None, "xsd:string", "rdf:langString")
        return Value(None, Text(term.value, term.lang or ""), None if plain else kind, sources)

    def parts(self) -> list[Part]:
        """The resources inside this one that the description tells of."""
        inside = sorted(self._found.keys() - {self.description.iri})
        return [Part(self.link(s), self.kinds(s), self.properties(s, without=("rdfs:label",))) for s in inside]


def _nearness(iri: str) -> tuple[int, str]:
    """Our own terms come before those of the national vocabularies, and these before the world's."""
    return (0 if iri.startswith(ONTO) else 1 if iri.startswith("https://w3id.org/italia/") else 2), iri


@dataclass(frozen=True)
class Incoming:
    """The resources that point to one by the same property."""

    name: Text
    iri: str
    links: list[Link]


def incoming(facts: Facts) -> list[Incoming]:
    """What refers to the described resource, by property."""
    found: dict[str, set[str]] = {}
    for s, p, _ in facts.description.incoming:
        found.setdefault(p, set()).add(s)
    rows = [Incoming(facts.name(p), p, [facts.link(s) for s in sorted(subjects)]) for p, subjects in found.items()]
    return sorted(rows, key=lambda row: (row.name.text, row.iri))
