"""Both engines on the W3C's SHACL test suite (https://w3c.github.io/data-shapes/data-shapes-test-suite/).

Run: each engine by itself, and "the build", which is the fast one with what it is not trusted with given to pySHACL.
A report is compared as the suite compares it: focus node, path, severity, component, value and source shape of each
result, and the messages where the suite expects one. w3c-differences.toml holds everything that comes out otherwise.
"""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
import pytest
import rdflib
from rdflib import BNode, Graph, Namespace, URIRef
from rdflib.collection import Collection
from rdflib.namespace import SH
from rdflib.term import Node

from etl.shacl import fast, named, path_text, reference, term_text, trust

HERE = Path(__file__).parent
SUITE = HERE.parents[2] / "shared" / "w3c" / "shacl"
MF = Namespace("http://www.w3.org/2001/sw/DataAccess/tests/test-manifest#")
SHT = Namespace("http://www.w3.org/ns/shacl-test#")

#: A result as the suite expects it.
Result = tuple[str | None, ...]
Engine = Callable[[list[Path], Graph], pl.DataFrame]


class Case(NamedTuple):
    """One test: what goes in, and the results expected; None when the shapes must be refused."""

    name: str
    data: Graph
    shapes: Graph
    expected: Counter[Result] | None


def build(quads: list[Path], shapes: Graph) -> pl.DataFrame:
    """What a build does."""
    divided = trust.split(shapes, quads)
    parts = [fast.found(quads, divided.fast)]
    if divided.fallbacks:
        parts.append(reference.found(quads, divided.reference, needed=divided.needed))
    return pl.concat(parts)


ENGINES: dict[str, Engine] = {"pyshacl": reference.found, "shacl-rust": fast.found, "build": build}


@cache
def cases(part: str) -> list[Case]:
    """The tests of one part of the suite (core, sparql), in the order of its manifests."""
    rdflib.NORMALIZE_LITERALS, before = False, rdflib.NORMALIZE_LITERALS  # literals as they are written
    try:
        return _read(SUITE / part / "manifest.ttl")
    finally:
        rdflib.NORMALIZE_LITERALS = before


def _read(manifest: Path) -> list[Case]:
    graph = _graph(manifest.as_uri())
    root = URIRef(manifest.as_uri())
    found = [
        case
        for included in graph.objects(root, MF.include)
        for case in _read(Path(str(included).removeprefix("file://")))
    ]
    for entries in graph.objects(root, MF.entries):
        found += [_case(graph, entry) for entry in Collection(graph, entries)]
    return found


@cache
def _graph(iri: str) -> Graph:
    return Graph(bind_namespaces="none").parse(iri.removeprefix("file://"), format="turtle", publicID=iri)


def _case(graph: Graph, entry: Node) -> Case:
    action, result = graph.value(entry, MF.action), graph.value(entry, MF.result)
    data, shapes = (_graph(str(graph.value(action, p))) for p in (SHT.dataGraph, SHT.shapesGraph))
    expected = None
    if result != SHT.Failure:
        found = [_expected(graph, shapes, each) for each in graph.objects(result, SH.result)]
        expected = Counter(found)
        assert bool(found) != (str(graph.value(result, SH.conforms)) == "true")
    return Case(str(entry).removeprefix(SUITE.as_uri() + "/"), data, named(shapes), expected)


def _expected(graph: Graph, shapes: Graph, result: Node) -> Result:
    def term(predicate: URIRef) -> str | None:
        value = graph.value(result, predicate)
        return None if value is None else term_text(value)

    path, shape = graph.value(result, SH.resultPath), graph.value(result, SH.sourceShape)
    return (
        term(SH.focusNode),
        None if path is None else path_text(graph, path),
        term(SH.resultSeverity),
        term(SH.sourceConstraintComponent),
        f"<urn:cupola:shape:{shape}>" if isinstance(shape, BNode) else term(SH.sourceShape),
        term(SH.value),
        *sorted(map(str, graph.objects(result, SH.resultMessage))),
    )


def outcome(case: Case, engine: Engine, quads: Path) -> str:
    """How an engine fares: "passed", or in a few words what comes out otherwise."""
    try:
        found = engine([quads], case.shapes)
    except Exception as error:
        return "passed" if case.expected is None else f"fails: {type(error).__name__}"
    if case.expected is None:
        return "accepts what it must refuse"
    spoken = any(len(result) > 6 for result in case.expected)
    got = Counter((*row[:6], *([row[6]] if spoken and row[6] else [])) for row in found.iter_rows())
    if got == case.expected:
        return "passed"
    more, less = got - case.expected, case.expected - got
    return ", ".join([f"{less.total()} missing"] * bool(less) + [f"{more.total()} too many"] * bool(more))


def outcomes(part: str, folder: Path) -> dict[str, dict[str, str]]:
    """What does not pass: test, engine, outcome."""
    quads, found = folder / "data.nq", dict[str, dict[str, str]]()
    for case in cases(part):
        lines = (f"{term_text(s)} {term_text(p)} {term_text(o)} .\n" for s, p, o in case.data)
        quads.write_text("".join(lines), encoding="utf-8")
        each = {name: outcome(case, engine, quads) for name, engine in ENGINES.items()}
        if failed := {name: text for name, text in each.items() if text != "passed"}:
            found[case.name] = failed
    return found


@pytest.mark.parametrize("part", ["core", "sparql"])
def test_what_does_not_pass_is_listed(part: str, shared: Path, tmp_path: Path) -> None:
    known: dict[str, dict[str, Any]] = tomllib.loads((HERE / "w3c-differences.toml").read_text(encoding="utf-8"))[part]
    listed = {
        name: {engine: text for engine, text in entry.items() if engine != "reason"} for name, entry in known.items()
    }
    assert outcomes(part, tmp_path) == listed
    assert all(len(entry["reason"]) > 20 for entry in known.values())


def test_the_suite_is_whole(shared: Path) -> None:
    assert len(cases("core")) == 98
