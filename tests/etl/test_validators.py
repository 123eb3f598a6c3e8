"""Which engine validates what: the choice, what falls back to pySHACL, and that it is always said."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyoxigraph as ox
import pytest
import shacl_rust
from rdflib import Graph

from etl import validate
from etl.settings import VALIDATORS, Settings
from etl.shacl import fast, named, reference, subclasses, trust

PREFIXES = """
@prefix sh: <http://www.w3.org/ns/shacl#> . @prefix ex: <urn:ex:> . @prefix xsd: <http://www.w3.org/2001/XMLSchema#> .
@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> . @prefix owl: <http://www.w3.org/2002/07/owl#> .
"""
#: Two shapes; one property of one of them is beyond the fast engine.
SHAPES = """
ex:Span a sh:NodeShape ; sh:targetClass ex:Span ; sh:nodeKind sh:IRI ; sh:property ex:SpanCode, ex:SpanName .
ex:SpanCode sh:path ex:code ; sh:pattern "^(?=A)[A-Z]+$" ; sh:message "codice"@it, "code"@en .
ex:SpanName sh:path ex:name ; sh:minCount 1 ; sh:message "nome"@it, "name"@en .
ex:Place a sh:NodeShape ; sh:targetClass ex:Place ;
  sh:property [ sh:path ex:name ; sh:minCount 1 ; sh:message "nome" ] .
"""
DATA = """
ex:a a ex:Span ; ex:code "B" ; ex:name "a" .
ex:b a ex:Span ; ex:code "AB" ; ex:other 1 .
ex:c a ex:Place .
"""


def graph(text: str) -> Graph:
    return Graph().parse(data=PREFIXES + text, format="turtle")


@pytest.fixture
def data(tmp_path: Path) -> Callable[[str], Path]:
    """Turtle as an N-Quads file."""

    def write(text: str) -> Path:
        path = tmp_path / "data.nq"
        with path.open("wb") as file:
            ox.serialize(ox.parse(PREFIXES + text, format=ox.RdfFormat.TURTLE), file, format=ox.RdfFormat.N_QUADS)
        return path

    return write


Write = Callable[[str], Path]


def test_a_property_beyond_the_fast_engine_falls_back_alone_and_it_is_said(data: Write) -> None:
    divided = trust.split(named(graph(SHAPES)), [])
    assert len(divided.reference) < len(divided.fast)
    found = validate.validate("test", [data(DATA)], graph(SHAPES))
    (fell_back,) = found.validator["fell_back"]
    assert (fell_back["shape"], fell_back["part"]) == ("urn:ex:Span", "urn:ex:SpanCode")
    assert "regular expressions" in fell_back["reason"]
    assert (fell_back["engine"], fell_back["version"]) == (reference.NAME, reference.VERSION)
    assert (found.validator["engine"], found.validator["version"]) == (fast.NAME, fast.VERSION)
    json.dumps(found.validator)
    assert found.results["focus"].to_list() == ["urn:ex:a", "urn:ex:b", "urn:ex:c"]
    assert found.results.equals(validate.validate("test", [data(DATA)], graph(SHAPES), validator="pyshacl").results)


def test_pyshacl_sees_only_the_statements_it_needs(data: Write) -> None:
    divided = trust.split(named(graph(SHAPES)), [])
    assert divided.needed is not None
    assert [divided.needed(f"urn:ex:{name}") for name in ("code", "name", "other")] == [True, False, False]
    path = data(DATA)
    whole, part = (reference.found([path], divided.reference, needed=n) for n in (None, divided.needed))
    assert whole.equals(part)
    assert whole.height == 1


def test_a_shape_that_may_look_anywhere_sees_all(data: Write) -> None:
    closed = SHAPES.replace("sh:nodeKind sh:IRI", "sh:closed true ; sh:ignoredProperties ( rdfs:label )")
    assert trust.split(named(graph(closed)), []).needed is None
    ours, theirs = (validate.validate("test", [data(DATA)], graph(closed), validator=v) for v in VALIDATORS)
    assert ours.results.equals(theirs.results)
    assert "urn:ex:other" in ours.results["path"].to_list()


def test_a_constraint_nobody_has_compared_falls_back(data: Write) -> None:
    for unknown in ("sh:wonderful 1", "sh:expression [ ex:not ex:x ]", 'sh:target [ sh:select "SELECT ?this {}" ]'):
        text = f"ex:S a sh:NodeShape ; sh:targetClass ex:Span ; sh:property [ sh:path ex:p ; {unknown} ] ."
        if "target" in unknown:
            text = f"ex:S a sh:NodeShape ; {unknown} ; sh:property [ sh:path ex:p ; sh:minCount 1 ] ."
        reasons = {each.reason for each in trust.split(named(graph(text)), []).fallbacks}
        assert any("not been compared" in reason for reason in reasons), unknown


class Panic(BaseException):
    """What a panic of Rust looks like: no Exception."""


@pytest.mark.parametrize("error", [ValueError("bad"), Panic("index out of bounds")])
def test_when_the_fast_engine_fails_pyshacl_validates_all_and_it_is_said(
    error: BaseException, data: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise error

    expected = validate.validate("test", [data(DATA)], graph(SHAPES))
    monkeypatch.setattr(shacl_rust, "validate_file", fail)
    found = validate.validate("test", [data(DATA)], graph(SHAPES))
    assert found.results.equals(expected.results)
    (fell_back,) = found.validator["fell_back"]
    assert str(error) in fell_back["reason"]
    assert (fell_back["part"], fell_back["engine"]) == ("", reference.NAME)


def test_an_interruption_is_not_taken_for_a_failure(data: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(shacl_rust, "validate_file", interrupt)
    with pytest.raises(KeyboardInterrupt):
        validate.validate("test", [data(DATA)], graph(SHAPES))


@pytest.mark.parametrize("validator", VALIDATORS)
def test_the_background_helps_classes_and_is_not_validated(validator: str, data: Write, tmp_path: Path) -> None:
    shapes = graph("""
        ex:Span a sh:NodeShape ; sh:targetClass ex:Span ; sh:property [ sh:path ex:in ; sh:class ex:Place ] .
        ex:Place a sh:NodeShape ; sh:targetClass ex:Place ; sh:property [ sh:path ex:name ; sh:minCount 1 ] .""")
    ontology = tmp_path / "ontology.ttl"
    ontology.write_text(PREFIXES + "ex:City rdfs:subClassOf ex:Place . ex:Rome a ex:City, owl:NamedIndividual .")
    path = data('ex:a a ex:Span ; ex:in ex:b . ex:b a ex:City ; ex:name "b" .')
    assert validate.validate("test", [path], shapes, [ontology], validator).results.is_empty()
    assert validate.validate("test", [path], shapes, [], validator).results.height == 1
    assert subclasses([ontology]) == [("urn:ex:City", "urn:ex:Place")]


@pytest.mark.parametrize("validator", VALIDATORS)
def test_several_files_are_one_graph(validator: str, tmp_path: Path) -> None:
    one, other = tmp_path / "one.nq", tmp_path / "other.nq"
    one.write_text("<urn:ex:a> <http://www.w3.org/1999/02/22-rdf-syntax-ns#type> <urn:ex:Span> <urn:g1> .")
    other.write_text('<urn:ex:a> <urn:ex:name> "a" <urn:g2> .')  # neither ends with a line break
    shapes = graph("ex:S sh:targetClass ex:Span ; sh:property [ sh:path ex:name ; sh:minCount 1 ; sh:maxCount 1 ] .")
    assert validate.validate("test", [one, other], shapes, validator=validator).results.is_empty()
    assert validate.validate("test", [one], shapes, validator=validator).results.height == 1


@pytest.mark.parametrize("validator", VALIDATORS)
def test_values_in_the_report_are_the_terms_of_the_data(validator: str, data: Write) -> None:
    shapes = graph("ex:S sh:targetClass ex:Span ; sh:property [ sh:path ex:p ; sh:in ( 1 ) ] .")
    path = data('ex:a a ex:Span ; ex:p "01"^^xsd:integer, "a \\"b\\"\\n\\\\ è"@it, ex:b, "c", 2.50 .')
    found = validate.validate("test", [path], shapes, validator=validator)
    report = {
        str(quad.object)
        for quad in ox.parse(found.report, format=ox.RdfFormat.TURTLE)
        if quad.predicate.value.endswith("#value")
    }
    assert report == {
        '"01"^^<http://www.w3.org/2001/XMLSchema#integer>',
        '"a \\"b\\"\\n\\\\ è"@it',
        "<urn:ex:b>",
        '"c"',
        '"2.50"^^<http://www.w3.org/2001/XMLSchema#decimal>',
    }
    assert sorted(found.results["value"]) == ["01", "2.50", 'a "b"\n\\ è', "c", "urn:ex:b"]
    assert set(found.results["shape"]) == {"urn:ex:S"}  # the property has no name of its own


@pytest.mark.parametrize("validator", VALIDATORS)
def test_what_stands_for_no_value_cannot_be_compared(validator: str, data: Write) -> None:
    shapes = graph("""ex:S sh:targetClass ex:Span ;
        sh:property [ sh:path ex:p ; sh:lessThanOrEquals ex:q ], [ sh:path ex:q ; sh:maxExclusive 10 ] .""")
    path = data('ex:a a ex:Span ; ex:p "abc"^^xsd:date ; ex:q "2023-01-01"^^xsd:date, "NaN"^^xsd:decimal .')
    found = validate.validate("test", [path], shapes, validator=validator)
    assert {row["value"] for row in found.results.to_dicts()} == {"abc", "NaN"}


@pytest.mark.parametrize("validator", VALIDATORS)
def test_the_end_of_a_pattern_is_the_end(validator: str, data: Write) -> None:
    shapes = graph('ex:S sh:targetClass ex:Span ; sh:property [ sh:path ex:p ; sh:pattern "^[0-9$]{2}\\\\$?$" ] .')
    path = data('ex:a a ex:Span ; ex:p "12", "12\\n", "1$$", "123" .')
    found = validate.validate("test", [path], shapes, validator=validator)
    assert sorted(found.results["value"]) == ["12\n", "123"]


def test_the_validator_is_a_setting(cupola: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path) -> None:
    assert VALIDATORS == (fast.NAME, reference.NAME)
    with pytest.raises(ValueError, match=r"validator = 'magic': allowed: shacl-rust, pyshacl"):
        Settings(validator="magic")
    told = json.loads(cupola("config", "--json", cwd=tmp_path, CUPOLA_VALIDATOR="pyshacl").stdout)
    assert told["validator"]["value"] == "pyshacl"


def test_the_manifest_names_the_engines(
    cupola: Callable[..., subprocess.CompletedProcess[str]], examples: Path, tmp_path: Path
) -> None:
    built = cupola("build", examples / "BA1.1.1.c.txt", "--releases", tmp_path)
    assert built.returncode == 0, built.stderr
    manifest = json.loads((tmp_path / "current" / "manifest.json").read_text(encoding="utf-8"))
    told = {"engine": fast.NAME, "version": fast.VERSION, "fell_back": []}
    assert manifest["validators"] == [{"source": "ponmetro", **told}, {"source": "links", **told}]
    assert manifest["versions"][fast.NAME] == fast.VERSION
