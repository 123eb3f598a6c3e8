"""Every constraint of shapes/ against cases that are files.

`<class>/valid.*.ttl` must conform. `<class>/invalid.<what-is-wrong>.ttl` must give exactly the results its first
lines expect, `# expect: path=… component=… severity=…` (a path as in SPARQL, with the prefixes of the file; `-`
for a constraint on the node itself). `neighbours.ttl`, what the cases link to, is validated along with each.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pyshacl
import pytest
from rdflib import DCAT, RDF, SH, Graph, Literal, URIRef
from rdflib.collection import Collection
from rdflib.term import Node

from tests.shapes.cases import INVALID, ROOT, VALID, background, report, shapes

SHAPE_FILES = sorted((ROOT / "shapes").glob("*.ttl"))
EXPECT = re.compile(r"# expect: path=(\S+) component=(\w+) severity=(\w+)\n")

#: The SHACL parameters our shapes use, and the component each belongs to.
COMPONENTS = {
    "class": SH.ClassConstraintComponent,
    "datatype": SH.DatatypeConstraintComponent,
    "disjoint": SH.DisjointConstraintComponent,
    "equals": SH.EqualsConstraintComponent,
    "hasValue": SH.HasValueConstraintComponent,
    "in": SH.InConstraintComponent,
    "languageIn": SH.LanguageInConstraintComponent,
    "lessThanOrEquals": SH.LessThanOrEqualsConstraintComponent,
    "maxCount": SH.MaxCountConstraintComponent,
    "maxInclusive": SH.MaxInclusiveConstraintComponent,
    "minCount": SH.MinCountConstraintComponent,
    "minInclusive": SH.MinInclusiveConstraintComponent,
    "minLength": SH.MinLengthConstraintComponent,
    "nodeKind": SH.NodeKindConstraintComponent,
    "not": SH.NotConstraintComponent,
    "or": SH.OrConstraintComponent,
    "pattern": SH.PatternConstraintComponent,
    "uniqueLang": SH.UniqueLangConstraintComponent,
    "xone": SH.XoneConstraintComponent,
}
#: What else a shape may say.
NOT_CONSTRAINTS = {"targetClass", "path", "property", "severity", "message"}

#: Classes of the catalogue, which harvesters know by dct:title or foaf:name: a rdfs:label is given, and no must.
UNLABELLED = {DCAT.Catalog, DCAT.Distribution, URIRef("http://dati.gov.it/onto/dcatapit#Agent")}

#: A result as a case expects it: path, local names of component and severity.
Result = tuple[str, str, str]


@cache
def ontology() -> Graph:
    """Our ontology."""
    graph = Graph()
    for file in background():
        graph.parse(file, format="turtle")
    return graph


def local(node: Node | None) -> str:
    """The part of a SHACL name after the namespace."""
    return str(node).removeprefix(str(SH))


def path_text(graph: Graph, path: Node | None, names: Graph) -> str:
    """A SHACL path as SPARQL writes it, with the prefixes of `names`."""
    if path is None:
        return "-"
    if isinstance(path, URIRef):
        return path.n3(names.namespace_manager)
    if (inverse := graph.value(path, SH.inversePath)) is not None:
        return "^" + path_text(graph, inverse, names)
    return "/".join(path_text(graph, step, names) for step in Collection(graph, path))


def constrained() -> dict[Node, list[Node]]:
    """Each shape that validates something by itself (through a target or sh:property), and its components."""
    graph = shapes()
    found: dict[Node, list[Node]] = {}
    waiting = list(graph.subjects(SH.targetClass, None))
    while waiting:
        shape = waiting.pop()
        waiting += graph.objects(shape, SH.property)
        found[shape] = [COMPONENTS[name] for name in parameters(shape) if name in COMPONENTS]
    return found


def parameters(shape: Node) -> set[str]:
    """Local names of the SHACL properties a shape has."""
    return {local(p) for p in shapes().predicates(shape) if str(p).startswith(str(SH))}


def name(case: Path) -> str:
    return f"{case.parent.name}/{case.stem}"


@pytest.mark.parametrize("case", VALID, ids=name)
def test_sound_data_conforms(case: Path) -> None:
    results = report(case)
    assert not list(results.subjects(RDF.type, SH.ValidationResult)), results.serialize()


@pytest.mark.parametrize("case", INVALID, ids=name)
def test_a_fault_is_found_where_it_is_with_its_severity(case: Path) -> None:
    expected: set[Result] = {
        (path, component, severity) for path, component, severity in EXPECT.findall(case.read_text(encoding="utf-8"))
    }
    data, results = Graph().parse(case, format="turtle"), report(case)
    found: set[Result] = {
        (
            path_text(results, results.value(result, SH.resultPath), data),
            local(results.value(result, SH.sourceConstraintComponent)),
            local(results.value(result, SH.resultSeverity)),
        )
        for result in results.subjects(RDF.type, SH.ValidationResult)
    }
    assert expected, "an invalid case says what it expects"
    assert found == expected


@pytest.mark.parametrize("case", INVALID, ids=name)
def test_a_result_speaks_italian_and_english(case: Path) -> None:
    results = report(case)
    for result in results.subjects(RDF.type, SH.ValidationResult):
        languages = sorted(getattr(m, "language", None) or "-" for m in results.objects(result, SH.resultMessage))
        assert languages == ["en", "it"], results.value(result, SH.sourceShape)


def test_every_constraint_has_an_invalid_case() -> None:
    hit = {
        (results.value(result, SH.sourceShape), results.value(result, SH.sourceConstraintComponent))
        for results in map(report, INVALID)
        for result in results.subjects(RDF.type, SH.ValidationResult)
    }
    assert {(shape, component) for shape, found in constrained().items() for component in found} == hit


def test_every_property_a_shape_allows_is_in_a_sound_case() -> None:
    graph = shapes()
    used = {predicate for case in VALID for predicate in Graph().parse(case, format="turtle").predicates()}
    forbidden = {graph.value(shape, SH.path) for shape in graph.subjects(SH.maxCount, Literal(0))}
    assert {path for path in graph.objects(None, SH.path) if isinstance(path, URIRef)} - forbidden <= used


def test_every_class_has_cases_of_its_own() -> None:
    classes = {file.stem for file in SHAPE_FILES}
    assert classes == {case.parent.name for case in VALID} == {case.parent.name for case in INVALID}


def test_shapes_say_nothing_these_tests_do_not_know() -> None:
    for shape in {*constrained(), *shapes().subjects(SH.path, None)}:
        assert parameters(shape) <= COMPONENTS.keys() | NOT_CONSTRAINTS, shape


def test_shapes_have_names_and_messages_in_two_languages() -> None:
    graph = shapes()
    for shape, components in constrained().items():
        assert isinstance(shape, URIRef)
        assert shape.startswith("https://w3id.org/cupola/shapes/"), shape
        assert components or (shape, SH.property, None) in graph, f"{shape} constrains nothing"
        languages = sorted(getattr(m, "language", None) or "-" for m in graph.objects(shape, SH.message))
        assert languages == (["en", "it"] if components else []), shape


def test_every_class_with_a_shape_must_have_an_iri_and_a_label() -> None:
    graph = shapes()
    resource = URIRef("https://w3id.org/cupola/shapes/resource")
    targets = set(graph.objects(None, SH.targetClass))
    assert len(targets) > 10
    assert set(graph.objects(resource, SH.targetClass)) == targets - UNLABELLED


def test_nothing_that_has_a_shape_is_merged_by_same_as() -> None:
    graph = shapes()
    ban = URIRef("https://w3id.org/cupola/shapes/resource/same-as")
    banned = {target for shape in graph.subjects(SH.property, ban) for target in graph.objects(shape, SH.targetClass)}
    assert banned == set(graph.objects(None, SH.targetClass))


def test_our_code_lists_conform() -> None:
    conforms, _, text = pyshacl.validate(ontology(), shacl_graph=shapes())
    assert conforms, text


def test_shapes_are_shacl() -> None:
    conforms, _, text = pyshacl.validate(Graph(), shacl_graph=shapes(), meta_shacl=True)
    assert conforms, text
