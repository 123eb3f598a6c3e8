"""The JSON-LD context of our data, and data about a resource written compactly with it (https://www.w3.org/TR/json-ld11/).

Our data is flat (no blank nodes, no lists), so writing it is choosing a name for each property. A general library does
more and does it worse here: rdflib's serialiser rewrites numbers ("007" becomes 7) and orders nothing, so that the same
data would not be the same bytes; PyLD takes 4 ms for a small resource, of the 5 ms an answer may take. This takes
0.2 ms; the tests read what it writes with rdflib and pyoxigraph.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from endpoint.describe import Description, Term
from endpoint.terms import NAMESPACES, ONTO, full, last_part
from endpoint.vocabulary import Vocabulary

MEDIA_TYPE = "application/ld+json"
_OTHERS = Path(__file__).with_suffix(".toml")
_TYPE, _STRING, _LANG = full("rdf:type"), full("xsd:string"), full("rdf:langString")

# How the values of a property are written: as links, texts by language, or literals of a datatype (its IRI).
LINK, TEXT = "@id", "@language"


@dataclass(frozen=True)
class Context:
    """Names with what a context says of them, and the name to use for a property and the kind of its value."""

    definitions: Mapping[str, object]
    names: Mapping[tuple[str, str], str]
    classes: Mapping[str, str]

    @classmethod
    def of(cls, vocabulary: Vocabulary) -> Context:
        """The context of a vocabulary: our terms by their ranges, then others under the names that are left."""
        definitions: dict[str, object] = {"id": "@id", "type": "@type", **NAMESPACES}
        names: dict[tuple[str, str], str] = {}
        classes: dict[str, str] = {}
        for name, iri in _classes(vocabulary):
            if name not in definitions:
                definitions[name], classes[iri] = iri, name
        for name, iri, kind in _properties(vocabulary):
            if name not in definitions:
                definitions[name], names[iri, kind] = _definition(iri, kind), name
        return cls(definitions, names, classes)

    @property
    def document(self) -> bytes:
        """The whole context, as its address gives it."""
        return _json({"@context": self.definitions})

    def compact(self, found: Description) -> bytes:
        """A description as compact JSON-LD: the thing first, then its parts and what points to it.

        The names it uses are explained in the answer itself: it can be read without a network, and by readers that load
        no context from elsewhere (pyoxigraph). The address of the whole context need not answer.
        """
        links = ((s, p, Term("iri", found.iri)) for s, p, _ in found.incoming)
        triples = dict.fromkeys([*((s, p, o) for s, p, o, _ in found.quads), *links])
        iris = {s for s, _, _ in triples} | {o.value for _, _, o in triples if o.kind == "iri"}
        writing = _Writing(self, {iri for iri in iris if "://" not in iri})
        nodes: dict[str, dict[str, Any]] = {found.iri: {"id": found.iri}}
        for s, p, o in triples:
            writing.add(nodes.setdefault(s, {"id": s}), p, o)
        graph = [{key: node[key] for key in sorted(node, key=_place)} for node in nodes.values()]
        used = {name: meaning for name, meaning in self.definitions.items() if name in writing.used}
        return _json({"@context": used} | (graph[0] if len(graph) == 1 else {"@graph": graph}))


class _Writing:
    """One document being written: which names it has used."""

    def __init__(self, context: Context, odd: Iterable[str]) -> None:
        self.context = context
        self.used = {"id"}
        # An IRI like "pi:x" would be taken for a short name: the prefix it begins with is not used in its document.
        self._barred = {iri.partition(":")[0] for iri in odd}

    def add(self, node: dict[str, Any], prop: str, term: Term) -> None:
        """Write one statement into the object of its subject."""
        if prop == _TYPE and term.kind == "iri":
            self._append(node, self._use("type"), self._class(term.value))
            return
        kind = _kind(term)
        name = self.context.names.get((prop, kind))
        if name and kind == TEXT:
            self._append(node.setdefault(self._use(name), {}), term.lang or "", term.value)
        elif name:
            self._append(node, self._use(name), term.value)
        else:
            self._append(node, self._short(prop), self._whole(term, kind))

    def _whole(self, term: Term, kind: str) -> object:
        if kind == LINK:
            return {"id": term.value}
        if kind == TEXT:
            return {"@language": term.lang, "@value": term.value}
        return term.value if kind == _STRING else {"@type": self._short(kind), "@value": term.value}

    def _class(self, iri: str) -> str:
        name = self.context.classes.get(iri)
        return self._use(name) if name else self._short(iri)

    def _short(self, iri: str) -> str:
        cut = max(iri.rfind("/"), iri.rfind("#")) + 1
        prefix = _PREFIXES.get(iri[:cut])
        return f"{self._use(prefix)}:{iri[cut:]}" if prefix and prefix not in self._barred else iri

    def _use(self, name: str) -> str:
        self.used.add(name)
        return name

    @staticmethod
    def _append(node: dict[str, Any], key: str, value: object) -> None:
        if key not in node:
            node[key] = value
        elif isinstance(node[key], list):
            node[key].append(value)
        else:
            node[key] = [node[key], value]


_PREFIXES = {namespace: prefix for prefix, namespace in NAMESPACES.items()}


def _kind(term: Term) -> str:
    return LINK if term.kind == "iri" else TEXT if term.lang else term.datatype or _STRING


def _definition(iri: str, kind: str) -> object:
    if kind == _STRING:
        return iri
    return {"@id": iri, "@container": "@language"} if kind == TEXT else {"@id": iri, "@type": kind}


def others() -> dict[str, dict[str, str]]:
    """The names for the terms of others, by how their values are written: table -> name -> IRI."""
    found: dict[str, dict[str, str]] = tomllib.loads(_OTHERS.read_text(encoding="utf-8"))
    return {table: {name: full(term) for name, term in terms.items()} for table, terms in found.items()}


def _classes(vocabulary: Vocabulary) -> list[tuple[str, str]]:
    ours = [(last_part(iri), iri) for iri in vocabulary.groups["classes"]]
    return [*ours, *others()["classes"].items()]


def _properties(vocabulary: Vocabulary) -> list[tuple[str, str, str]]:
    """Name, IRI and kind of values of each property; ours first."""
    found = [(last_part(iri), iri, LINK) for iri in vocabulary.groups["object_properties"]]
    for iri in (*vocabulary.groups["datatype_properties"], *vocabulary.groups["other_properties"]):
        ranges = vocabulary.graph.iris(iri, "rdfs:range")
        datatype = next((each for each in ranges if each.startswith(NAMESPACES["xsd"])), _STRING)
        found.append((last_part(iri), iri, TEXT if _LANG in ranges else datatype))
    found = [(name, iri, kind) for name, iri, kind in found if iri == ONTO + name]
    foreign = others()
    for table, kind in (("texts", TEXT), ("links", LINK), ("strings", _STRING)):
        found += [(name, iri, kind) for name, iri in foreign[table].items()]
    return found


def _place(key: str) -> tuple[bool, bool, str]:
    return key != "id", key != "type", key.casefold()


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, indent=1).encode() + b"\n"
