"""What the fast engine is trusted with: shapes are split in those it validates and those pySHACL validates.

The list is trust.toml. Shapes are split as fine as they can be judged apart: the properties of a node shape are, so
one property beyond the fast engine does not slow down the others.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import polars as pl
from rdflib import BNode, Graph, Literal, URIRef
from rdflib.collection import Collection
from rdflib.namespace import OWL, RDF, RDFS, SH, XSD
from rdflib.term import Node

from etl.shacl import LINKS, LISTS, Needed

TARGETS: Final = frozenset({SH.targetClass, SH.targetNode, SH.targetSubjectsOf, SH.targetObjectsOf, SH.target})
#: What a node shape says of its properties together: with one of these it is judged as a whole.
_TOGETHER: Final = frozenset({SH.closed, SH.deactivated, SH.sparql})
#: What may look at any statement.
_LOOKS_EVERYWHERE: Final = frozenset({"closed", "sparql", "target"})
_BOUNDS: Final = frozenset({SH.minInclusive, SH.maxInclusive, SH.minExclusive, SH.maxExclusive})
_PAIRS: Final = frozenset({SH.lessThan, SH.lessThanOrEquals})

#: A regular expression that means the same to Python and to Rust: characters, classes of characters, groups, either-or,
#: counts. No \d and the like (their tables differ), nothing that looks around, no operations on classes.
_ESCAPED: Final = r"\\[-\\^$.|?*+()\[\]{}/]"
_ATOM: Final = rf"(?:[^\\^$|?*+()\[\]{{}}]|{_ESCAPED}|\[\^?(?:[^\\\[\]^&~-]|{_ESCAPED})(?:[^\\\[\]&~]|{_ESCAPED})*\])"
_PLAIN: Final = re.compile(rf"(?:[\^$|]|\((?:\?:)?|(?:{_ATOM}|\))(?:[?*+]|\{{[0-9]+(?:,[0-9]*)?\}})?)*")

#: Forms of literals that both engines judge alike, by datatype.
_FORMS: Final = {
    XSD.boolean: r"(?:true|false|1|0)",
    XSD.date: r"[0-9]{4}-[0-9]{2}-[0-9]{2}",
    XSD.dateTime: r"[0-9]{4}-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3])(?::[0-5][0-9]){2}(?:\.[0-9]{1,6})?"
    r"(?:Z|[+-][01][0-9]:[0-5][0-9])?",
    XSD.decimal: r"-?[0-9]{1,15}(?:\.[0-9]{1,15})?",
    XSD.integer: r"-?[0-9]{1,15}",
    XSD.nonNegativeInteger: r"[0-9]{1,15}",
}


@dataclass(frozen=True, order=True)
class Fallback:
    """A shape pySHACL validates, or one property of it, and why."""

    shape: str
    part: str
    reason: str


@dataclass(frozen=True)
class Split:
    """The shapes for each engine, what fell back to the reference, and the statements the reference needs."""

    fast: Graph
    reference: Graph
    fallbacks: tuple[Fallback, ...]
    needed: Needed | None


@dataclass(frozen=True)
class _Part:
    """A piece of a shape with a target that can be judged by itself: one property, or all but the properties.

    `shapes` are all it is made of, each with the predicates its values come from.
    """

    root: Node
    head: Node
    whole: bool
    shapes: tuple[tuple[Node, frozenset[Node]], ...]
    recursive: bool


@cache
def trust() -> dict[str, Any]:
    """trust.toml."""
    return tomllib.loads(files("etl.shacl").joinpath("trust.toml").read_text(encoding="utf-8"))


def split(shapes: Graph, quads: Sequence[Path]) -> Split:
    """Divide shapes, which all have names, between the two engines, for the data in N-Quads files."""
    parts, doubts, typed = _judged(shapes)
    sound = [part for part in parts if not doubts[part]]
    kinds = _kinds(quads, typed)
    doubts = doubts | {part: sorted(set(_doubts_of_data(shapes, part, kinds))) for part in sound}
    given_back = [part for part in parts if doubts[part]]
    if not given_back:
        return Split(shapes, Graph(), (), None)
    reference, needed = _for_reference(shapes, given_back)
    return Split(
        fast=_graph(shapes, [part for part in parts if not doubts[part]]),
        reference=reference,
        fallbacks=tuple(sorted(Fallback(str(p.root), str(p.head), reason) for p in given_back for reason in doubts[p])),
        needed=needed,
    )


@lru_cache(maxsize=4)
def _judged(shapes: Graph) -> tuple[list[_Part], dict[_Part, list[str]], set[str]]:
    """The parts of the shapes, what is doubtful of each whatever the data, and the predicates whose data decide."""
    parts = list(_parts(shapes))
    doubts = {part: sorted(set(_doubts(shapes, part))) for part in parts}
    return parts, doubts, {str(p) for part in parts if not doubts[part] for _, p in _typed(shapes, part)}


# --- the parts of shapes -----------------------------------------------------------------------------------------


def _parts(shapes: Graph) -> Iterator[_Part]:
    for root in sorted(_roots(shapes), key=str):
        properties = sorted(shapes.objects(root, SH.property), key=str)
        together = (
            shapes.value(root, SH.path) is not None
            or any((root, p, None) in shapes for p in _TOGETHER)
            or any((p, SH.qualifiedValueShapesDisjoint, None) in shapes for p in properties)
        )
        if together:
            yield _part(shapes, root, root, whole=True)
            continue
        yield _part(shapes, root, root, whole=False)
        for head in properties:
            yield _part(shapes, root, head, whole=True)


def _roots(shapes: Graph) -> set[Node]:
    """Shapes with a target; a class that is a shape is its own."""
    classes = {*shapes.subjects(RDF.type, RDFS.Class), *shapes.subjects(RDF.type, OWL.Class)}
    kinds = {*shapes.subjects(RDF.type, SH.NodeShape), *shapes.subjects(RDF.type, SH.PropertyShape)}
    return (classes & kinds) | {shape for target in TARGETS for shape in shapes.subjects(target)}


def _part(shapes: Graph, root: Node, head: Node, *, whole: bool) -> _Part:
    found: dict[tuple[Node, frozenset[Node]], None] = {}
    recursive = False

    def descend(shape: Node, values: frozenset[Node], above: tuple[Node, ...]) -> None:
        nonlocal recursive
        path = shapes.value(shape, SH.path)
        if path is not None:
            values = frozenset(_ends(shapes, path))
        found[shape, values] = None
        for child in _children(shapes, shape, with_properties=whole or bool(above)):
            if child in (*above, shape):
                recursive = True
            else:
                descend(child, values, (*above, shape))

    descend(head, frozenset(), ())
    return _Part(root, head, whole, tuple(found), recursive)


def _children(shapes: Graph, shape: Node, *, with_properties: bool) -> Iterator[Node]:
    for link in sorted(LINKS):
        if with_properties or link != SH.property:
            yield from shapes.objects(shape, link)
    for link in sorted(LISTS):
        for members in shapes.objects(shape, link):
            yield from Collection(shapes, members)


def _graph(shapes: Graph, parts: Iterable[_Part]) -> Graph:
    """Only these parts of the shapes, with the targets of the shapes they are parts of."""
    graph = Graph(bind_namespaces="none")

    def add(s: Node, p: Node, o: Node) -> None:
        graph.add((s, p, o))
        if isinstance(o, BNode):  # a list or a path
            for triple in shapes.triples((o, None, None)):
                add(*triple)

    for part in parts:
        for s, p, o in shapes.triples((part.root, None, None)):
            if p in TARGETS or p == RDF.type:
                add(s, p, o)
        if part.head != part.root:
            add(part.root, SH.property, part.head)
        for shape, _ in part.shapes:
            for s, p, o in shapes.triples((shape, None, None)):
                if not _targets(p, o) and (part.whole or shape != part.root or p != SH.property):
                    add(s, p, o)
    return graph


def _for_reference(shapes: Graph, parts: Sequence[_Part]) -> tuple[Graph, Needed | None]:
    """The shapes for pySHACL, and which statements it has to see; None stands for all of them.

    Predicates a shape looks at are objects in the shapes graph. What may look elsewhere, or is not known, gets all
    the statements, and all that the shapes graph says beside.
    """
    told, graph = trust(), _graph(shapes, parts)
    known = {*told["parameters"], *told["reasons"]["parameters"], *told["paths"], *told["reasons"]["paths"]}
    used = {str(p).removeprefix(str(SH)) for p in graph.predicates() if str(p).startswith(str(SH))}
    if used & _LOOKS_EVERYWHERE or not used <= known or (None, SH.parameter, None) in shapes:
        roots = {part.root for part in parts}
        graph = Graph(bind_namespaces="none")
        for s, p, o in shapes:
            if s in roots or not _targets(p, o):
                graph.add((s, p, o))
        return graph, None
    wanted = {str(o) for o in graph.objects() if isinstance(o, URIRef)} | {str(RDF.type), str(RDFS.subClassOf)}
    return graph, wanted.__contains__


def _targets(predicate: Node, value: Node) -> bool:
    """Whether a statement about a shape gives it a target."""
    return predicate in TARGETS or (predicate == RDF.type and value in (RDFS.Class, OWL.Class))


# --- doubts about the shapes -------------------------------------------------------------------------------------


def _doubts(shapes: Graph, part: _Part) -> Iterator[str]:
    told = trust()
    if part.recursive:
        yield told["reasons"]["recursion"]
    if {RDFS.Class, OWL.Class} & set(shapes.objects(part.root, RDF.type)):
        yield f"implicit target: {told['reasons']['values']['implicit']}"
    for target in TARGETS - {SH.targetClass}:
        if (part.root, target, None) in shapes:
            yield _because(target)
    for shape, _ in part.shapes:
        own = shape != part.root or part.whole
        yield from _doubts_of_shape(shapes, shape, skip=frozenset() if own else frozenset({SH.property}))


def _doubts_of_shape(shapes: Graph, shape: Node, skip: frozenset[URIRef]) -> Iterator[str]:
    told = trust()
    components = {p for parameter in shapes.objects(None, SH.parameter) for p in shapes.objects(parameter, SH.path)}
    for parameter in sorted(set(shapes.predicates(shape)) - skip - TARGETS, key=str):
        values = list(shapes.objects(shape, parameter))
        if parameter in components:
            yield f"{parameter}: {told['reasons']['component']}"
        name = str(parameter).removeprefix(str(SH))
        if name == str(parameter):  # of another vocabulary
            continue
        if name not in told["parameters"]:
            yield _because(parameter)
        elif len(values) > 1 and name not in told["several"]:
            yield f"sh:{name}: {told['reasons']['several']}"
        for value in values:
            if parameter == SH.path:
                yield from _doubts_of_path(shapes, value)
            elif not _same_value(parameter, value):
                yield f"sh:{name} {value}: {told['reasons']['values'][name]}"


def _because(parameter: Node) -> str:
    name = str(parameter).removeprefix(str(SH))
    return f"sh:{name}: {trust()['reasons']['parameters'].get(name, trust()['reasons']['anything'])}"


def _same_value(parameter: Node, value: Node) -> bool:
    """Whether this value of a trusted parameter means the same to both."""
    if parameter == SH.pattern:
        return _PLAIN.fullmatch(str(value)) is not None and not re.search("--|&&|~~", str(value)) and _compiles(value)
    if parameter == SH.datatype:
        return str(value) in trust()["datatypes"]
    if parameter == SH.minLength:
        return str(value) != "0"
    return True


def _compiles(pattern: Node) -> bool:
    try:
        re.compile(str(pattern))
    except re.error:
        return False
    return True


def _doubts_of_path(shapes: Graph, path: Node, *, inside: bool = False) -> Iterator[str]:
    if isinstance(path, URIRef):
        return
    reasons = trust()["reasons"]
    if (path, RDF.first, None) in shapes:
        if inside:
            yield f"path: {reasons['paths']['sequence']}"
        for step in Collection(shapes, path):
            yield from _doubts_of_path(shapes, step, inside=True)
        return
    for construct, inner in shapes.predicate_objects(path):
        name = str(construct).removeprefix(str(SH))
        if name not in trust()["paths"] or (construct == SH.inversePath and not isinstance(inner, URIRef)):
            yield f"sh:{name}: {reasons['paths'].get(name, reasons['anything'])}"
        steps = Collection(shapes, inner) if construct == SH.alternativePath else [inner]
        for step in steps:
            yield from _doubts_of_path(shapes, step, inside=True)


def _ends(shapes: Graph, path: Node) -> Iterator[Node]:
    """The predicates whose objects a path leads to."""
    if isinstance(path, URIRef):
        yield path
    elif (path, RDF.first, None) in shapes:
        *_, last = Collection(shapes, path)
        yield from _ends(shapes, last)
    else:
        for construct, inner in shapes.predicate_objects(path):
            for step in Collection(shapes, inner) if construct == SH.alternativePath else [inner]:
                yield from () if construct == SH.inversePath else _ends(shapes, step)


# --- doubts about the data ---------------------------------------------------------------------------------------


def _typed(shapes: Graph, part: _Part) -> Iterator[tuple[Node, Node]]:
    """The constraints of a part that depend on the form of literals: the shape and each predicate looked at."""
    for shape, values in part.shapes:
        others = [o for p in _PAIRS for o in shapes.objects(shape, p)]
        form = any(o in _FORMS for o in shapes.objects(shape, SH.datatype))
        if others or form or any((shape, p, None) in shapes for p in _BOUNDS):
            for predicate in (*values, *others):
                yield shape, predicate


def _doubts_of_data(shapes: Graph, part: _Part, kinds: Mapping[str, set[str]]) -> Iterator[str]:
    reasons = trust()["reasons"]["data"]
    for shape, values in part.shapes:
        for datatype in shapes.objects(shape, SH.datatype):
            if any(f"odd {datatype}" in kinds.get(str(p), ()) for p in values):
                yield f"sh:datatype {datatype}: {reasons['form']}"
        bounds = [(p, o) for p in sorted(_BOUNDS) for o in shapes.objects(shape, p)]
        others = [(p, o) for p in sorted(_PAIRS) for o in shapes.objects(shape, p)]
        if not bounds and not others:
            continue
        met = {kind for p in (*values, *(o for _, o in others)) for kind in kinds.get(str(p), ())}
        met |= {_kind(bound) for _, bound in bounds}
        if len(met) > 1 or not met <= {"date", "number"}:
            names = ", ".join(f"sh:{str(p).removeprefix(str(SH))}" for p, _ in (*bounds, *others))
            yield f"{names}: {reasons['order']}"


def _kind(bound: Node) -> str:
    """What a bound in the shapes is, in the words of `_kinds`."""
    if not isinstance(bound, Literal) or bound.ill_typed:
        return "other"
    if bound.datatype in (XSD.integer, XSD.decimal) and len(str(bound)) <= 15:
        return "number"
    return "date" if bound.datatype == XSD.date and re.fullmatch(_FORMS[XSD.date], str(bound)) else "other"


def _kinds(quads: Sequence[Path], predicates: set[str]) -> dict[str, set[str]]:
    """What kinds of values these predicates have in the data.

    "date" and "number" can be put in order by either engine; "odd <datatype>" is a literal in a form that the two
    do not judge alike; everything else is "other".
    """
    if not predicates or not quads:
        return {}
    statement = r"^(?:<[^>]*>|_:\S+)\s*<(?<predicate>[^>]*)>\s*(?<object>.*)$"
    literal = r'^"(?<text>[^"]*)"\^\^<(?<datatype>[^>]*)>'
    text, datatype = pl.col("text"), pl.col("datatype")
    # A day that does not exist is none to either engine, but they differ in what follows from it.
    day = text.str.head(10).str.to_date("%Y-%m-%d", strict=False)
    regular = pl.any_horizontal(
        (datatype == str(name)) & text.str.contains(f"^(?:{form})$") for name, form in _FORMS.items()
    ) & (~datatype.is_in([str(XSD.date), str(XSD.dateTime)]) | (day.is_not_null() & ~text.str.starts_with("0000")))
    kind = (
        pl.when(datatype.is_null() | ~datatype.is_in([str(name) for name in _FORMS]))
        .then(pl.lit("other"))
        .when(~regular)
        .then(pl.format("odd {}", datatype))
        .when(datatype == str(XSD.date))
        .then(pl.lit("date"))
        .when(datatype.is_in([str(XSD.integer), str(XSD.decimal)]) & (text.str.len_chars() <= 15))
        .then(pl.lit("number"))
        .otherwise(pl.lit("other"))
    )
    found = (
        pl.concat([pl.scan_lines(path, name="line") for path in quads])
        .filter(pl.col("line").str.contains_any([f"<{predicate}>" for predicate in sorted(predicates)]))
        .select(pl.col("line").str.extract_groups(statement).alias("parts"))
        .unnest("parts")
        .filter(pl.col("predicate").is_in(sorted(predicates)))
        .select("predicate", pl.col("object").str.extract_groups(literal).alias("parts"))
        .unnest("parts")
        .select("predicate", kind=kind)
        .unique()
        .collect(engine="streaming")
    )
    kinds: dict[str, set[str]] = {}
    for predicate, each in found.iter_rows():
        kinds.setdefault(predicate, set()).add(each)
    return kinds
