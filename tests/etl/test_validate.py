"""Validation finds what the shapes forbid, says it in both languages, and gives the same report for the same data."""

from __future__ import annotations

from pathlib import Path

import pyoxigraph as ox
from rdflib import Graph

from etl import validate

SHAPES = """
@prefix sh: <http://www.w3.org/ns/shacl#> . @prefix ex: <urn:ex:> . @prefix xsd: <http://www.w3.org/2001/XMLSchema#> .
ex:Span a sh:NodeShape ; sh:targetClass ex:Span ; sh:property ex:SpanOrder, ex:SpanName .
ex:SpanOrder a sh:PropertyShape ; sh:path ex:start ; sh:lessThanOrEquals ex:end ; sh:severity sh:Warning ;
  sh:message "l'inizio segue la fine"@it, "the start is after the end"@en .
ex:SpanName a sh:PropertyShape ; sh:path ex:name ; sh:minCount 1 ;
  sh:message "manca il nome"@it, "the name is missing"@en .
"""
DATA = """
<urn:s:1> <http://www.w3.org/1999/02/22-rdf-syntax-ns#type> <urn:ex:Span> <urn:g> .
<urn:s:1> <urn:ex:name> "uno" <urn:g> .
<urn:s:1> <urn:ex:start> "2023-01-01"^^<http://www.w3.org/2001/XMLSchema#date> <urn:g> .
<urn:s:1> <urn:ex:end> "2022-01-01"^^<http://www.w3.org/2001/XMLSchema#date> <urn:g> .
<urn:s:2> <http://www.w3.org/1999/02/22-rdf-syntax-ns#type> <urn:ex:Span> <urn:g> .
"""


def test_results_say_where_what_and_how_severe_in_both_languages(tmp_path: Path) -> None:
    (tmp_path / "data.nq").write_text(DATA)
    shapes = Graph().parse(data=SHAPES, format="turtle")
    first, second = validate.validate("test", [tmp_path / "data.nq"], shapes).results.to_dicts()
    assert (first["focus"], first["path"], first["severity"]) == ("urn:s:1", "urn:ex:start", "warning")
    assert first["shape"] == "urn:ex:SpanOrder"
    assert first["message_it"] == "l'inizio segue la fine"
    assert first["message_en"] == "the start is after the end"
    assert (second["focus"], second["severity"]) == ("urn:s:2", "violation")
    assert second["component"] == "http://www.w3.org/ns/shacl#MinCountConstraintComponent"


def test_the_report_is_standard_and_the_same_for_the_same_data(tmp_path: Path) -> None:
    (tmp_path / "data.nq").write_text(DATA)
    shapes = Graph().parse(data=SHAPES, format="turtle")
    reports = [validate.validate("test", [tmp_path / "data.nq"], shapes).report for _ in range(2)]
    assert reports[0] == reports[1]
    triples = list(ox.parse(reports[0], format=ox.RdfFormat.TURTLE))
    assert not any(isinstance(quad.subject, ox.BlankNode) for quad in triples)
    conforms = [q.object.value for q in triples if q.predicate.value.endswith("#conforms")]
    assert conforms == ["false"]


def test_data_that_conforms_gives_no_results(tmp_path: Path) -> None:
    (tmp_path / "data.nq").write_text('<urn:s:1> <urn:ex:name> "uno" <urn:g> .\n')
    assert validate.validate("test", [tmp_path / "data.nq"], Graph().parse(data=SHAPES)).results.is_empty()
