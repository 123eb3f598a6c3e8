"""The codes of problems as a SKOS scheme, from problems.toml: `python -m etl.problem_scheme` prints it as Turtle.

What it prints is ontology/problem-codes.ttl; a test says when the two differ.
"""

from __future__ import annotations

from typing import Final

from etl.problems import Kind, kinds

_SCHEME: Final = "https://w3id.org/cupola/onto/scheme/problem-codes"
_TITLE: Final = {"it": "Codici dei problemi", "en": "Problem codes"}
_ABOUT: Final = {
    "it": "I problemi che Cupola sa trovare nelle fonti; il messaggio di ciascuno ha fra graffe ciò che varia.",
    "en": "The problems Cupola can find in sources; the message of each has what varies in braces.",
}
_HEAD: Final = """\
# The codes of problems as SKOS. Written by `python -m etl.problem_scheme` from etl/problems.toml: change it there.
@prefix cupola: <https://w3id.org/cupola/onto/> .
@prefix dcat: <http://www.w3.org/ns/dcat#> .
@prefix dcatapit: <http://dati.gov.it/onto/dcatapit#> .
@prefix dct: <http://purl.org/dc/terms/> .
@prefix frequency: <http://publications.europa.eu/resource/authority/frequency/> .
@prefix language: <http://publications.europa.eu/resource/authority/language/> .
@prefix NDC: <https://w3id.org/italia/onto/NDC/> .
@prefix owl: <http://www.w3.org/2002/07/owl#> .
@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .
@prefix skos: <http://www.w3.org/2004/02/skos/core#> .
@prefix theme: <http://publications.europa.eu/resource/authority/data-theme/> .
@prefix xsd: <http://www.w3.org/2001/XMLSchema#> .
"""


def turtle() -> str:
    """The scheme and a concept for each declared problem, in the order of problems.toml."""
    tops = " ,\n    ".join(f"<{_SCHEME}/{code}>" for code in kinds())
    scheme = f"""
<{_SCHEME}> a skos:ConceptScheme , dcatapit:Dataset ;
  rdfs:label {_texts(_TITLE)} ;
  skos:prefLabel {_texts(_TITLE)} ;
  rdfs:comment {_texts(_ABOUT)} ;
  dct:title {_texts(_TITLE)} ;
  dct:description {_texts(_ABOUT)} ;
  dct:identifier "problem-codes" ;
  dct:issued "2026-11-23"^^xsd:date ;
  dct:modified "2026-11-23"^^xsd:date ;
  dct:creator cupola:maintainers ;
  dct:publisher cupola:maintainers ;
  dct:rightsHolder cupola:maintainers ;
  dct:accrualPeriodicity frequency:IRREG ;
  dct:language language:ITA , language:ENG ;
  dcat:theme theme:GOVE , theme:ECON ;
  dcat:keyword "qualità dei dati"@it , "data quality"@en ;
  dcat:distribution cupola:turtle ;
  owl:versionInfo "0.2.0" ;
  NDC:keyConcept "problem-codes" ;
  skos:hasTopConcept
    {tops} ;
  rdfs:isDefinedBy <https://w3id.org/cupola/onto/> .
"""
    return _HEAD + scheme + "".join(map(_concept, kinds().values()))


def _concept(kind: Kind) -> str:
    return f"""
<{_SCHEME}/{kind.code}> a skos:Concept ;
  skos:inScheme <{_SCHEME}> ;
  skos:topConceptOf <{_SCHEME}> ;
  skos:notation "{kind.code}" ;
  skos:prefLabel {_texts(kind.title)} ;
  rdfs:label {_texts(kind.title)} ;
  skos:definition {_texts(kind.message)} ;
  rdfs:isDefinedBy <https://w3id.org/cupola/onto/> .
"""


def _texts(texts: dict[str, str]) -> str:
    """Italian and English as Turtle."""
    return " , ".join(f"{_quoted(texts[language])}@{language}" for language in ("it", "en"))


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


if __name__ == "__main__":
    print(turtle(), end="")
