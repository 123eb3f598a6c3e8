"""A mapping file (YARRRML, https://rml.io/yarrrml/spec/) -> triples maps. Pure: no table is opened here.

yatter turns YARRRML into RML (https://rml.io/specs/rml/), rdflib parses that, and what is read is kept in
four small classes. Only a pure projection is allowed: template, reference and constant, to IRIs and literals,
in a constant graph. Everything else RML knows (functions, joins, blank nodes, …) raises a MappingError that
names it.
"""

import copy
import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import yatter
from rdflib import RDF, XSD, Graph, Literal, Namespace, URIRef
from rdflib.term import Node
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from etl import iris

RR = Namespace("http://www.w3.org/ns/r2rml#")
RML = Namespace("http://semweb.mmlab.be/ns/rml#")
QL = Namespace("http://semweb.mmlab.be/ns/ql#")

# What people reach for first, by the RML property that gives it away.
_BEYOND = {
    RR.parentTriplesMap: "a join with another mapping",
    RR.joinCondition: "a join with another mapping",
    RR["class"]: "rr:class",
    RML.languageMap: "a language taken from a column",
    RML.datatypeMap: "a datatype taken from a column",
    RML.logicalTarget: "a target",
    RML.gather: "a collection",
    URIRef("http://semweb.mmlab.be/ns/fnml#execution"): "a function",
    URIRef("http://semweb.mmlab.be/ns/fnml#functionValue"): "a function",
}
_VALUES = (RR.template, RML.reference, RR.constant)
_LANGUAGE = re.compile(r"[A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*")  # BCP 47, as N-Quads writes it


class MappingError(ValueError):
    """A mapping file that can't be used; the message names the file, the mapping and the reason."""


@dataclass(frozen=True)
class Column:
    """A reference to a column of the table."""

    name: str


@dataclass(frozen=True)
class Term:
    """How one RDF term is made: fixed text and columns, in order.

    `whole` is true for a reference: the column's value is the whole term, and an IRI is not percent-encoded.
    """

    parts: tuple[str | Column, ...]
    iri: bool
    whole: bool = False
    datatype: str | None = None
    language: str | None = None

    @property
    def columns(self) -> frozenset[str]:
        """The names of the columns the term is made of; empty for a constant."""
        return frozenset(part.name for part in self.parts if isinstance(part, Column))


@dataclass(frozen=True)
class TriplesMap:
    """One mapping: the table, the subject, the graph, and (predicate IRI, object) pairs in a fixed order."""

    name: str
    table: str
    subject: Term
    graph: str
    pairs: tuple[tuple[str, Term], ...]


@dataclass(frozen=True)
class Mapping:
    """A mapping file, read and rebased."""

    path: Path
    maps: tuple[TriplesMap, ...]
    prefixes: dict[str, str] = field(default_factory=dict, hash=False)

    @property
    def tables(self) -> tuple[str, ...]:
        """The names of the tables it reads, in the order of first use."""
        return tuple(dict.fromkeys(each.table for each in self.maps))


def load(path: Path, base: str = iris.DEFAULT_BASE) -> Mapping:
    """Read a mapping file and put the deployment's base in its IRIs; raises MappingError."""
    return _load(path, _text(path), base)


@lru_cache(maxsize=32)  # by its text: a process that builds again, or builds several sources, reads each once
def _load(path: Path, text: str, base: str) -> Mapping:
    told = _yaml(path, text)
    graph = Graph()
    graph.parse(data=_translated(path, told), format="turtle")
    order = list(told["mappings"])
    found: list[tuple[int, int, str, Node]] = []
    for node in graph.subjects(RDF.type, RR.TriplesMap):
        # yatter names the maps made of one mapping (one for each source and subject) name_0, name_1, …
        name, _, number = str(node).rpartition("/")[2].rpartition("_")
        if name not in order:
            raise MappingError(f"{path}: yatter takes the name of a mapping for its word {name!r}: choose another")
        found.append((order.index(name), int(number), name, node))
    reader = _Reader(path, graph, base)
    maps = tuple(reader.triples_map(name, node) for _, _, name, node in sorted(found))
    prefixes = {name: iris.rebase(iri, base) for name, iri in (told.get("prefixes") or {}).items()}
    return Mapping(path, maps, prefixes)


def translate(path: Path) -> str:
    """The mapping file as RML in Turtle, with the IRIs as written; a MappingError gives yatter's reason."""
    return _translated(path, _yaml(path, _text(path)))


def _translated(path: Path, told: dict[str, Any]) -> str:
    prefixes = told.get("prefixes") or {}
    written_out = {name: _expanded(body, prefixes) for name, body in told["mappings"].items()}
    # Without prefixes yatter would use those of the file it read before; what it is given, it changes.
    given = copy.deepcopy({"prefixes": {}, **told, "mappings": written_out})
    logger = logging.getLogger("yatter.constants")
    heard = _Heard()
    handlers, logger.handlers, logger.propagate = logger.handlers, [heard], False
    try:
        rml = yatter.translate(given)
    except Exception as error:  # yatter raises whatever happens to it: KeyError, TypeError, Exception, …
        reason = f"{type(error).__name__}: {error}"
        raise MappingError(f"{path}: yatter can't translate it: {reason}") from error
    finally:
        logger.handlers = handlers
    if rml is None:
        raise MappingError(f"{path}: yatter can't translate it: {' '.join(heard.errors)}")
    return str(rml)


class _Heard(logging.Handler):
    """yatter says why it failed only to its log."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.errors: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.errors.append(" ".join(record.getMessage().removeprefix("ERROR: ").split()))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise MappingError(f"{path}: can't be read: {error}") from error


def _yaml(path: Path, text: str) -> dict[str, Any]:
    try:
        told = YAML(typ="safe", pure=True).load(text)
    except YAMLError as error:
        raise MappingError(f"{path}: not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(told, dict) or not isinstance(told.get("mappings"), dict) or not told["mappings"]:
        raise MappingError(f"{path}: no mappings: the file must have a `mappings:` section with one or more")
    for name, body in told["mappings"].items():
        if not re.fullmatch(r"[A-Za-z][\w-]*", str(name)) or not isinstance(body, dict):
            raise MappingError(f"{path}: {name}: a mapping is a name (letters, digits, -, _) and its content")
    prefixes = told.get("prefixes") or {}
    if not isinstance(prefixes, dict) or not all(isinstance(iri, str) for iri in prefixes.values()):
        raise MappingError(f"{path}: `prefixes:` must be lines of name: IRI")
    return told


def _expanded(content: Any, prefixes: dict[str, str]) -> Any:
    """The content as yatter 2.0.4 needs it: it cuts a template after a second colon, and writes texts into Turtle
    as they are. So the prefixes of templates are written out, and backslashes, braces, quotes and line breaks
    that are text are escaped, for templates and for Turtle.
    """
    if isinstance(content, dict):
        return {key: _expanded(value, prefixes) for key, value in content.items()}
    if isinstance(content, list):
        return [_expanded(value, prefixes) for value in content]
    if not isinstance(content, str):
        return content
    if "$(" not in content:
        return content.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
    prefix, colon, rest = content.partition(":")
    content = f"{prefixes[prefix]}{rest}" if colon and prefix in prefixes else content
    return "".join(
        part if part.startswith("$(") else re.sub(r"[\\{}]", _doubly_escaped, part).replace("\n", r"\n")
        for part in re.split(r"(\$\([^)]*\))", content)
    )


def _doubly_escaped(found: re.Match[str]) -> str:
    return r"\\" + (r"\\" if found[0] == "\\" else found[0])


class _Reader:
    """Reads triples maps out of the RML graph; knows the file and the mapping for the errors it raises."""

    def __init__(self, path: Path, graph: Graph, base: str) -> None:
        self.path, self.graph, self.base = path, graph, base
        self.name = ""

    def error(self, reason: str) -> MappingError:
        return MappingError(f"{self.path}: {self.name}: {reason}")

    def triples_map(self, name: str, node: Node) -> TriplesMap:
        self.name = name
        told = self.told(node, RML.logicalSource, RR.subjectMap, RR.predicateObjectMap)
        subject_node = self.one(told, RR.subjectMap, "a subject")
        subject = self.term(subject_node, RR.graphMap, subject=True)
        if not subject.iri:
            raise self.error("the subject must be an IRI")
        pairs = [pair for each in told.get(RR.predicateObjectMap, ()) for pair in self.pairs(each)]
        if not pairs:
            raise self.error("it says nothing of its subject: no predicates and objects")
        graph = self.one(self.told(subject_node), RR.graphMap, "a graph (graphs: …)")
        return TriplesMap(
            name=name,
            table=self.table(self.one(told, RML.logicalSource, "a source")),
            subject=subject,
            graph=self.constant(graph, "graph"),
            # RDF has no order: types first, then by predicate and object, so that dumps are always the same.
            pairs=tuple(sorted(set(pairs), key=lambda it: (it[0] != str(RDF.type), it[0], repr(it[1])))),
        )

    def table(self, node: Node) -> str:
        told = self.told(node, RML.source, RML.referenceFormulation, RML.iterator)
        source = str(self.one(told, RML.source, "a source"))
        if told.get(RML.referenceFormulation) != [QL.CSV] or not re.fullmatch(r"[\w-]+\.csv", source):
            raise self.error(f"the source {source!r} is no table: write [name.csv~csv]")
        return source.removesuffix(".csv")

    def pairs(self, node: Node) -> Iterator[tuple[str, Term]]:
        told = self.told(node, RR.predicateMap, RR.objectMap)
        predicates = [self.constant(each, "predicate") for each in told.get(RR.predicateMap, ())]
        for each in told.get(RR.objectMap, ()):
            term = self.term(each, RR.language, RR.datatype)
            for predicate in predicates:
                if predicate == str(RDF.type) and not term.iri:
                    raise self.error(f"the class {term.parts[0]!r} must be an IRI")
                yield predicate, term

    def constant(self, node: Node, what: str) -> str:
        term = self.term(node)
        if term.columns or not term.iri:
            raise self.error(f"the {what} {_shown(term)!r} must be a constant IRI")
        return "".join(map(str, term.parts))

    def term(self, node: Node, *more: URIRef, subject: bool = False) -> Term:
        """The term made by a term map; `more` are the properties it may have beside its value."""
        told = self.told(node, *_VALUES, RR.termType, *more)
        types = told.get(RR.termType, [])
        if RR.BlankNode in types:
            raise self.error("a blank node is beyond a pure projection: give it an IRI")
        kinds = [kind for kind in _VALUES if kind in told]
        if len(kinds) != 1:
            raise self.error("a term needs one of template, reference or constant")
        value = self.one(told, kinds[0], "a value")
        if RR.language in told or RR.datatype in told:
            types = types or [RR.Literal]
        elif kinds[0] == RR.constant:
            types = types or [RR.Literal if isinstance(value, Literal) else RR.IRI]
        elif kinds[0] == RML.reference and not subject:
            types = types or [RR.Literal]
        term = Term(
            parts=(Column(str(value)),) if kinds[0] == RML.reference else tuple(_parts(str(value), kinds[0])),
            iri=types in ([], [RR.IRI]),
            whole=kinds[0] == RML.reference,
            datatype=self.datatype(told),
            language=self.language(told),
        )
        return self.checked(term)

    def checked(self, term: Term) -> Term:
        """The term with its IRI rebased; what would make no valid term raises."""
        fixed = "".join(part for part in term.parts if isinstance(part, str))
        if re.search(r"~(?:iri|lang)\b", _shown(term)):
            raise self.error(f"{_shown(term)!r}: yatter misreads ~iri and ~lang here: write [p, value~iri]")
        if not term.iri:
            return term
        if not term.whole:
            first = term.parts[0] if term.parts and isinstance(term.parts[0], str) else ""
            if iris.absolute(fixed) != fixed or not re.match(r"[A-Za-z][A-Za-z0-9+.-]*:", first):
                raise self.error(f"{_shown(term)!r} is no IRI (a literal needs a datatype or language)")
            return replace(term, parts=(iris.rebase(first, self.base), *term.parts[1:]))
        return term

    def datatype(self, told: dict[Node, list[Node]]) -> str | None:
        if RR.datatype not in told:
            return None
        value = self.one(told, RR.datatype, "a datatype")
        if not isinstance(value, URIRef):
            raise self.error(f"the datatype {value!s:.80} must be an IRI")
        return None if value == XSD.string else str(value)

    def language(self, told: dict[Node, list[Node]]) -> str | None:
        if RR.language not in told:
            return None
        value = str(self.one(told, RR.language, "a language"))
        if not _LANGUAGE.fullmatch(value):
            raise self.error(f"{value!r} is no language tag")
        return value

    def told(self, node: Node, *allowed: URIRef) -> dict[Node, list[Node]]:
        """What the graph says of a node, by property; raises for a property not allowed (none given: any)."""
        told: dict[Node, list[Node]] = {}
        for property_, value in self.graph.predicate_objects(node):
            told.setdefault(property_, []).append(value)
        for name in sorted(map(str, told)):
            if allowed and URIRef(name) not in (RDF.type, *allowed):
                beyond = _BEYOND.get(URIRef(name), re.split("[#/]", name)[-1])
                raise self.error(f"{beyond} is beyond a pure projection")
        return told

    def one(self, told: dict[Node, list[Node]], property_: URIRef, what: str) -> Node:
        values = told.get(property_, [])
        if len(values) != 1:
            raise self.error(f"it must have {what}, one and only one (found {len(values)})")
        return values[0]


def _parts(text: str, kind: Node) -> Iterator[str | Column]:
    """The parts of a constant (one) or of a template, in which a brace that is text follows a backslash."""
    if kind == RR.constant:
        yield text
        return
    for column, fixed in re.findall(r"\{([^{}]+)\}|((?:\\.|[^{\\])+|.)", text, re.DOTALL):
        yield Column(column) if column else re.sub(r"\\([{}\\])", r"\1", fixed)


def _shown(term: Term) -> str:
    return "".join(part if isinstance(part, str) else f"$({part.name})" for part in term.parts)
