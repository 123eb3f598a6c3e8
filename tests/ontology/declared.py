"""What the vocabularies declare of each term, and the faults of what is said with them.

Domains, and ranges that are classes, are the reasoner's business (test_reasoner.py): against them, only a contradiction
is a fault. Here is what no reasoner tells: names nobody declared, and literals of another kind than declared.
"""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from rdflib import OWL, RDF, RDFS, SH, VANN, VOID, XSD, Graph, Literal, URIRef
from rdflib.namespace import DefinedNamespaceMeta
from rdflib.term import Node

from tests.ontology.uses import Files, turtles

OURS = "https://w3id.org/cupola/onto/"
ITALIAN = "https://w3id.org/italia/onto/"
#: RDF's own languages, and vocabularies that are not among the copies: rdflib lists their terms.
LISTED: dict[str, DefinedNamespaceMeta] = {str(space): space for space in (RDF, RDFS, OWL, XSD, VOID, VANN)}
#: Short names in declared-terms.tsv; any other is an OntoPiA module.
SHORT = {
    "owl": str(OWL),
    "pi": "https://w3id.org/italia/PublicInvestment/onto/PublicInvestment/",
    "rdfs": str(RDFS),
    "skos": "http://www.w3.org/2004/02/skos/core#",
    "xsd": str(XSD),
}
#: Files of the vocabularies whose individuals are terms too, which declared-terms.tsv leaves out.
CODE_LISTS = (
    "procurement/pc-*.ttl", "public-investment/classificazione_intervento.ttl", "public-investment/extract/*.ttl",
    "ontopia/cv/regions.ttl", "ontopia/cv/provinces.ttl", "ontopia/cv/legal-status.ttl",
)  # fmt: skip
#: Properties whose value is a term, wherever its name comes from.
TERM_VALUED = {
    SH.path, SH["class"], SH.datatype, SH.targetClass, RDFS.domain, RDFS.range, RDFS.subClassOf, RDFS.subPropertyOf,
    OWL.disjointWith,
}  # fmt: skip

INDIVIDUAL = frozenset({"individual"})

RULES = {
    "undeclared": "is declared by no vocabulary",
    "deprecated": "is deprecated by its vocabulary",
    "misplaced": "is used as a property or class, and declared as something else",
    "range": "takes no such value",
    "ill-typed": "is no datatype of such a text",
    "functional": "is functional, and has several values",
    "inverse-functional": "is inverse functional, and several things have one value",
}


@dataclass(frozen=True)
class Term:
    """What its vocabulary says of a term. `ranges` are alternatives of which each set must hold one."""

    kinds: frozenset[str]
    ranges: tuple[frozenset[str], ...] = ()
    supers: frozenset[str] = frozenset()
    flags: frozenset[str] = frozenset()

    @property
    def is_property(self) -> bool:
        return any("roperty" in kind for kind in self.kinds)


@dataclass(frozen=True, order=True)
class Fault:
    """A rule of RULES that a use of a term breaks, in a file, and the statement that does."""

    file: str
    term: str
    rule: str
    example: str = field(compare=False)

    def __str__(self) -> str:
        return f"{self.file}: {self.term} {RULES[self.rule]}: {self.example}"


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """All declared terms, by IRI."""

    terms: dict[str, Term]

    @classmethod
    def read(cls, folder: Path) -> Vocabulary:
        """The vocabularies of a folder with declared-terms.tsv, and our ontology."""
        terms = {}
        with (folder / "declared-terms.tsv").open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
                if not row["file"].startswith("superseded/"):
                    terms[row["iri"]] = from_row(row)
        codes = (
            str(code)
            for pattern in CODE_LISTS
            for path in folder.glob(pattern)
            for code in Graph().parse(path, format="turtle").subjects(RDF.type)
            if isinstance(code, URIRef) and namespace(code) not in LISTED
        )
        # what a code list repeats of other vocabularies does not count: theirs comes after
        return cls({code: Term(INDIVIDUAL) for code in codes} | terms | from_graphs(turtles("ontology")))

    @cached_property
    def spaces(self) -> set[str]:
        """The namespaces of the vocabularies: a name in one of them is a term, or a mistake."""
        return {namespace(iri) for iri in self.terms}

    def knows(self, iri: str) -> bool:
        """Whether a term is declared."""
        listed = LISTED.get(namespace(iri))
        return iri in self.terms or (listed is not None and URIRef(iri) in listed)

    def above(self, iri: str) -> set[str]:
        """A property and those it is a sub-property of."""
        found: set[str] = set()
        waiting = [iri]
        while waiting:
            term = waiting.pop()
            if term not in found:
                found.add(term)
                waiting += self.terms[term].supers if term in self.terms else ()
        return found

    def named(self, iris: Iterable[str], file: str, *, all_are_terms: bool = False) -> set[Fault]:
        """Faults of names by themselves; those in no namespace known are looked at only if all are terms."""
        found = set()
        for iri in iris:
            space = namespace(iri)
            if not self.knows(iri) and (all_are_terms or space in self.spaces or space in LISTED):
                found.add(Fault(file, iri, "undeclared", "used here"))
            if iri in self.terms and "deprecated" in self.terms[iri].flags:
                found.add(Fault(file, iri, "deprecated", "used here"))
        return found

    def faults(self, files: Files) -> set[Fault]:
        """Everything wrong with what some files say together."""
        found = set()
        for file, graph in files.items():
            for triple in graph:
                found |= self.statement(file, *triple)
        return found | self.counted(files)

    def statement(self, file: str, subject: Node, predicate: Node, object_: Node) -> set[Fault]:
        """Faults of one statement."""
        datatype = object_.datatype if isinstance(object_, Literal) else None
        # The name of a vocabulary itself, which void:vocabulary gives, is none of its terms.
        nodes = {str(n) for n in (subject, object_) if isinstance(n, URIRef) and namespace(n) != str(n)}
        placed = {str(predicate)} | ({str(datatype)} if datatype else set())
        if predicate in TERM_VALUED or predicate == RDF.type:
            placed |= {str(object_)} if isinstance(object_, URIRef) else set()
        found = self.named(nodes - placed, file) | self.named(placed, file, all_are_terms=True)
        term, class_ = self.terms.get(str(predicate)), self.terms.get(str(object_))
        if term and not term.is_property:
            found.add(Fault(file, str(predicate), "misplaced", ""))
        if predicate == RDF.type and class_ and "class" not in class_.kinds:
            found.add(Fault(file, str(object_), "misplaced", ""))
        found |= {
            Fault(file, above, "range", "") for above in self.above(str(predicate)) if not self.takes(above, object_)
        }
        if isinstance(object_, Literal) and object_.ill_typed:
            found.add(Fault(file, str(datatype), "ill-typed", ""))
        example = f"{subject.n3()} {predicate.n3()} {object_.n3()}"
        return {Fault(fault.file, fault.term, fault.rule, example) for fault in found}

    def takes(self, iri: str, value: Node) -> bool:
        """Whether a property takes a value; what is not declared, or is an annotation, takes anything."""
        term = self.terms.get(iri)
        if term is None or "annotationProperty" in term.kinds:
            return True
        if isinstance(value, Literal):
            if term.kinds.isdisjoint({"datatypeProperty", "property"}):
                return not term.is_property
            return all(any(fits(value, one) for one in alternatives) for alternatives in term.ranges)
        if term.kinds.isdisjoint({"objectProperty", "property"}):
            return not term.is_property
        return not any(all(is_datatype(one) for one in alternatives) for alternatives in term.ranges)

    def counted(self, files: Files) -> set[Fault]:
        """Faults of functional and inverse functional properties, their sub-properties counted with them."""
        values: defaultdict[tuple[str, str, Node], dict[object, tuple[Node, str]]] = defaultdict(dict)
        for file, graph in files.items():
            for subject, predicate, object_ in graph:
                for above in self.above(str(predicate)):
                    flags = self.terms[above].flags if above in self.terms else frozenset()
                    if "functional" in flags:
                        values["functional", above, subject].setdefault(value(object_), (object_, file))
                    if "inverseFunctional" in flags:
                        values["inverse-functional", above, object_][subject] = (subject, file)
        found = set()
        for (rule, term, of), seen in values.items():
            nodes, places = zip(*seen.values(), strict=True)
            if len(nodes) > 1:
                example = f"{of.n3()}: {', '.join(sorted(node.n3() for node in nodes))}"
                found.add(Fault(", ".join(sorted(set(places))), term, rule, example))
        return found


# --- reading what is declared -----------------------------------------------------------------------------------------


def namespace(iri: str) -> str:
    """An IRI without its last segment."""
    return re.sub(r"[^/#]*$", "", iri)


def whole(name: str) -> str:
    """The IRI of a name of declared-terms.tsv."""
    prefix, _, local = name.partition(":")
    return name if local.startswith("//") else SHORT.get(prefix, f"{ITALIAN}{prefix}/") + local


def from_row(row: dict[str, str]) -> Term:
    """A term from its row. Class expressions, in brackets, are left to the reasoner; in schema.org all are hints."""
    parts = [part for part in row["range"].split(" & ") if part and not part.startswith("[")]
    ranges = tuple(alternatives(part) for part in parts)
    if row["file"] == "general/schemaorg.jsonld" and ranges:
        ranges = (frozenset().union(*ranges),)
    supers = frozenset(whole(name) for name in row["super"].split(" & ") if name and not name.startswith("["))
    flags = frozenset(filter(None, row["flags"].split(",")))
    return Term(frozenset(row["kind"].split("|")), ranges, supers, flags)


def alternatives(range_: str) -> frozenset[str]:
    """A name, the names of a union `(a|b)`, or the values of an enumeration `(a,b)`, each in quotes."""
    if range_.startswith("(") and "," in range_ and "|" not in range_:
        return frozenset(f'"{value}"' for value in range_.strip("()").split(","))
    return frozenset(map(whole, range_.strip("()").split("|")))


def from_graphs(files: Files) -> dict[str, Term]:
    """Our terms, from the ontology itself."""
    graph = sum(files.values(), Graph())
    kinds = {
        OWL.Class: "class", OWL.ObjectProperty: "objectProperty", OWL.DatatypeProperty: "datatypeProperty",
        OWL.AnnotationProperty: "annotationProperty",
    }  # fmt: skip
    flags = {OWL.FunctionalProperty: "functional", OWL.InverseFunctionalProperty: "inverseFunctional"}
    versions = {str(version): Term(INDIVIDUAL) for version in graph.objects(None, OWL.versionIRI)}
    return versions | {
        str(term): Term(
            kinds=frozenset(kinds.get(URIRef(str(t)), "individual") for t in graph.objects(term, RDF.type)),
            ranges=tuple(frozenset({str(range_)}) for range_ in graph.objects(term, RDFS.range)),
            supers=frozenset(map(str, graph.objects(term, RDFS.subPropertyOf))),
            flags=frozenset(name for kind, name in flags.items() if (term, RDF.type, kind) in graph)
            | ({"deprecated"} if (term, OWL.deprecated, None) in graph else set()),
        )
        for term in set(graph.subjects(RDF.type))
        if str(term).startswith(OURS)
    }


# --- datatypes --------------------------------------------------------------------------------------------------------

_SDO = "https://schema.org/"
_WHOLE = {str(XSD[name]) for name in ("integer", "int", "long", "nonNegativeInteger", "positiveInteger")}
_NUMBERS = {*_WHOLE, *(str(XSD[name]) for name in ("decimal", "float", "double"))}
_TEXTS = {str(XSD.string), str(RDF.langString)}
#: The datatypes that are within another, besides itself.
WITHIN = {
    str(XSD.integer): _WHOLE, str(XSD.decimal): {*_WHOLE, str(XSD.decimal)},
    str(RDF) + "PlainLiteral": _TEXTS, str(XSD) + "anySimpleType": _NUMBERS | _TEXTS,
    f"{_SDO}Text": _TEXTS, f"{_SDO}URL": {str(XSD.anyURI), str(XSD.string)}, f"{_SDO}Number": _NUMBERS,
    f"{_SDO}Integer": _WHOLE, f"{_SDO}Float": _NUMBERS, f"{_SDO}Boolean": {str(XSD.boolean)},
    f"{_SDO}Date": {str(XSD.date)}, f"{_SDO}DateTime": {str(XSD.dateTime)}, f"{_SDO}Time": {str(XSD.time)},
}  # fmt: skip
#: What every value is in, literal or not.
ANYTHING = {str(RDFS.Resource), str(OWL.Thing)}


def is_datatype(range_: str) -> bool:
    """Whether a range is of literals; schema.org's URL is of IRIs too."""
    named = range_ in WITHIN or range_ in {str(RDFS.Literal), str(RDF.langString)}
    return (named or range_.startswith((str(XSD), '"'))) and range_ != f"{_SDO}URL"


def fits(literal: Literal, range_: str) -> bool:
    """Whether a literal is in a range."""
    datatype = str(RDF.langString) if literal.language else str(literal.datatype or XSD.string)
    return range_ in {datatype, f'"{literal}"', str(RDFS.Literal)} | ANYTHING or datatype in WITHIN.get(range_, ())


def value(node: Node) -> object:
    """What a node stands for: 12.5 and 12.50 are one value."""
    return node.toPython() if isinstance(node, Literal) and not node.language else node
