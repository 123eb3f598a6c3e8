"""Two engines over one release: they answer alike, keep the same limits, and each is given what it can do."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyoxigraph as ox
import pytest

import etl.settings
from benchmarks import differential
from endpoint.engine import AnswerTooLarge, EngineDown, QueryMemory, QueryRefused, QuerySyntax, QueryTimeout
from endpoint.engine.guard import UNREAD, reason, rules
from endpoint.engine.local import LocalEngine
from endpoint.formats import FORMATS, KINDS, Format, Kind
from endpoint.settings import Settings

# Joined with itself by its properties: more rows than anybody has time or room for, and nothing the guard takes away.
HEAVY = "?a ?p ?b . ?c ?p ?d . ?e ?p ?f"
COUNT_ALL = f"SELECT (COUNT(DISTINCT ?x) AS ?n) {{ {HEAVY} BIND (CONCAT(STR(?b), STR(?d), STR(?f)) AS ?x) }}"
SORT_ALL = "SELECT * { ?a ?p ?b . ?c ?p ?d } ORDER BY ?b ?d"
STREAM_ALL = "SELECT * { ?s ?p ?o }"
GRAPHS = "SELECT ?g (COUNT(*) AS ?n) { GRAPH ?g { ?s ?p ?o } } GROUP BY ?g ORDER BY ?g"

# For each rule of the guard, queries it takes from sparq.
GUARDED = [
    ("graphs", "SELECT * { GRAPH ?g { ?s ?p ?o } }"),
    ("graphs", "ASK { OPTIONAL { GRAPH <http://x.example/> { ?s ?p ?o } } }"),
    ("graphs", "SELECT * FROM <http://x.example/> { ?s ?p ?o }"),
    ("graphs", "ASK FROM NAMED <http://x.example/> { ?s ?p ?o }"),
    ("exists", "SELECT * { ?s ?p ?o FILTER NOT EXISTS { ?s a ?c } }"),
    ("exists", "SELECT * { ?s ?p ?o FILTER (?o > 1 && EXISTS { ?s a ?c }) }"),
    ("exists", "SELECT (EXISTS { ?s a ?c } AS ?has) { ?s ?p ?o }"),
    ("closure", "SELECT * { ?s <x:broader>* ?o }"),
    ("closure", "SELECT * { ?s <x:of>/(^<x:broader>)+ ?o }"),
    ("dates", "SELECT (year(?d) AS ?y) { ?s ?p ?d }"),
    ("dates", "SELECT * { ?s ?p ?d FILTER (?d > 1 && MONTH(?d) = 6) }"),
    ("spelling", "SELECT * { ?s ?p 5.00 }"),
    ("spelling", "SELECT * { ?s ?p ?o, 1e3 }"),
    ("spelling", "SELECT * { VALUES ?o { 1 007 } ?s ?p ?o }"),
    ("spelling", "SELECT * { ?s ?p '5.00'^^<http://www.w3.org/2001/XMLSchema#decimal> }"),
    ("spelling", "SELECT * { VALUES (?o) { ('2026-01-02T03:04:05Z'^^<http://www.w3.org/2001/XMLSchema#dateTime>) } }"),
    ("spelling", "PREFIX xsd: <http://www.w3.org/2001/XMLSchema#> ASK { ?s ?p '5'^^xsd:byte }"),
    ("negated", "SELECT * { ?s !<x:broader> ?o }"),
    ("negated", "SELECT * { ?s <x:of>|!(<x:broader>|^<x:narrower>) ?o }"),
    ("describe", "DESCRIBE <http://x.example/>"),
    ("apart", "SELECT * { ?s ?p ?o . ?x ?y ?z }"),
    ("apart", "SELECT * { { SELECT ?a ?d { ?a ?b ?d } } ?a ?b ?c FILTER (?c > 1) $d ?e ?f }"),
    ("apart", "SELECT * { ?s ?p ?o OPTIONAL { ?s ?q ?r . [] ?y ?z } }"),
    (UNREAD, "\\u0053ELECT * { ?s ?p ?o }"),
]
NOT_GUARDED = [
    "SELECT * { ?s ?p ?o }",
    "SELECT * { ?s <x:p>/<x:q>? ?o . <x:a> <x:b> <x:c> }",
    "SELECT * { ?s ?p ?o . ?o ?q _:b FILTER (?o != 'GRAPH ?g { EXISTS }') _:b ?r [ <x:p> $s ] } # DESCRIBE <x:*>",
    "SELECT * { ?s ?p 5, 0, -10, '2026-01-02'^^<http://www.w3.org/2001/XMLSchema#date>, 'a'@it FILTER (?p > 5.00) }",
    "SELECT ?year { VALUES ?year { 2026 UNDEF } ?s <x:YEAR> ?year }",
    "SELECT ?graph { ?graph <x:exists> 'x' } ORDER BY ?graph",
    "SELECT (COUNT(*) AS ?n) { { ?a ?b ?c } UNION { ?d ?e ?f } }",
]
# What the engines answer differently, the right answer (by the specification, and rdflib), and which of them gives it.
TOLD_APART = [
    ("ASK { ?s ?p ?o }", {"oxigraph", "sparq"}, {"boolean": True}),
    # 18.4: a path of alternatives is a union.
    ("SELECT (COUNT(*) / COUNT(DISTINCT ?s) AS ?n) { ?s a|a cupola:Operation }", {"sparq"}, 2),
    # 18.4: a path of length zero starts at a term the data need not have.
    ("SELECT (COUNT(*) AS ?n) { <http://x.example/nowhere> cupola:cup? ?o }", {"sparq"}, 1),
    # 18.5.1.7: GROUP_CONCAT makes a plain string.
    ('SELECT (IF(LANG(GROUP_CONCAT(?x)) = "", 1, 0) AS ?n) { VALUES ?x { "a"@it "b"@it } }', {"sparq"}, 1),
    # XPath's numeric-divide: nothing divided by something is nothing.
    ("SELECT (COALESCE(0.0 / 48305.66, -1) AS ?n) { }", {"sparq"}, 0),
]
PREFIX = "PREFIX cupola: <https://w3id.org/cupola/onto/> "


@pytest.fixture(scope="module")
def release(cupola: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory, examples: Path) -> Path:
    """The release of the examples with both stores."""
    folder = tmp_path_factory.mktemp("both")
    done = cupola("build", examples, "--releases", folder, cwd=folder, CUPOLA_SPARQ_INDEX="true")
    assert (folder / "current").exists(), done.stderr
    return (folder / "current").resolve()


@pytest.fixture(scope="module")
def engines(release: Path) -> Iterator[dict[str, LocalEngine]]:
    both = {name: LocalEngine(release / "store", Settings(engine=name, workers=1)) for name in ("oxigraph", "sparq")}
    yield both
    for engine in both.values():
        engine.kill()


@pytest.fixture(scope="module")
def tight(release: Path) -> Iterator[LocalEngine]:
    """sparq with a second, 300 MiB, and 1 MiB of answer."""
    limits: dict[str, Any] = {"query_timeout": 1.0, "query_memory": 300, "max_answer_size": 1}
    engine = LocalEngine(release / "store", Settings(engine="sparq", workers=1, **limits))
    yield engine
    engine.kill()


def test_both_engines_answer_the_examples_and_generated_queries_alike(engines: dict[str, LocalEngine]) -> None:
    queries = differential.example_queries()
    queries += differential.generated(differential.asking(engines["oxigraph"]), 80, seed=6)
    tallies, differing = differential.compare(list(engines.values()), queries, timeout=30)
    known = differential.known_differences()
    assert [each for each in differing if each[0] not in known] == []
    assert sum(len(tally.times) for tally in tallies) == len(queries)
    assert sum((tally.failed for tally in tallies), start=type(tallies[0].failed)()) == {}


@pytest.mark.parametrize(("query", "right", "answer"), TOLD_APART)
def test_where_the_engines_differ_it_is_known_which_is_right(
    query: str, right: set[str], answer: Any, engines: dict[str, LocalEngine]
) -> None:
    def told(engine: LocalEngine) -> Any:
        found = json.loads(engine.query(PREFIX + query).read())
        return float(found["results"]["bindings"][0]["n"]["value"]) if "results" in found else {"boolean": True}

    assert {name for name, engine in engines.items() if told(engine) == answer} == right


@pytest.mark.parametrize(("rule", "query"), GUARDED)
def test_the_guard_knows_what_is_not_for_sparq(rule: str, query: str) -> None:
    assert reason(query) == rule


@pytest.mark.parametrize("query", NOT_GUARDED)
def test_the_guard_lets_through_what_only_looks_like_it(query: str) -> None:
    assert reason(query) is None


def test_every_rule_of_the_guard_has_a_query_here_and_a_reason() -> None:
    assert {rule for rule, _ in GUARDED} == {*rules(), UNREAD}
    assert all(len(because) > 40 for because in rules().values())


def test_what_sparq_does_not_hold_is_answered_by_the_other_store(engines: dict[str, LocalEngine]) -> None:
    graphs = engines["sparq"].query(GRAPHS).read()
    assert graphs == engines["oxigraph"].query(GRAPHS).read()
    first = json.loads(graphs)["results"]["bindings"][0]
    one = engines["sparq"].query("SELECT (COUNT(*) AS ?n) { ?s ?p ?o }", default_graphs=[first["g"]["value"]]).read()
    assert json.loads(one)["results"]["bindings"][0]["n"]["value"] == first["n"]["value"]


@pytest.mark.parametrize("fmt", FORMATS, ids=lambda fmt: fmt.name)
def test_both_engines_write_every_format_alike(fmt: Format, engines: dict[str, LocalEngine]) -> None:
    some = "{ ?s a cupola:Operation ; rdfs:label ?x OPTIONAL { ?s cupola:disbursedAmount ?y } }"
    asked: dict[Kind, str] = {
        "results": f"SELECT ?s ?x ?y {some} ORDER BY ?s ?x ?y",
        "boolean": f"ASK {some}",
        "graph": f"CONSTRUCT {{ ?s rdfs:label ?x ; cupola:disbursedAmount ?y }} {some}",
    }
    for kind in fmt.kinds:
        text = f"{PREFIX}PREFIX rdfs: <http://www.w3.org/2000/01/rdf-schema#> {asked[kind]}"
        answers = [engine.query(text, formats={kind: fmt}).read() for engine in engines.values()]
        assert len(answers[0]) > 3
        if kind == "graph":
            sets = [{str(q) for q in ox.parse(told, format=getattr(ox.RdfFormat, fmt.serialiser))} for told in answers]
            assert sets[0] == sets[1]
        elif fmt.name == "json":
            assert json.loads(answers[0]) == json.loads(answers[1])
        else:
            assert answers[0] == answers[1]


@pytest.mark.parametrize(
    ("query", "error", "told"),
    [
        (COUNT_ALL, (QueryTimeout, QueryMemory), "stopped"),
        (SORT_ALL, (QueryMemory, QueryTimeout), "stopped"),
        (STREAM_ALL, AnswerTooLarge, "1 MiB"),
        ("SELECT * { ?s ?p }", QuerySyntax, "error at"),
        ("INSERT DATA { <x:a> <x:b> <x:c> }", QueryRefused, "read-only"),
        ("ASK { SERVICE <http://127.0.0.1:9/> { ?s ?p ?o } }", QueryRefused, "SERVICE"),
        ("SELECT (<http://x.example/f>(1) AS ?x) { }", QueryRefused, "http://x.example/f"),
    ],
)
def test_sparq_keeps_the_limits_and_refuses_what_is_refused(
    query: str, error: Any, told: str, tight: LocalEngine
) -> None:
    with pytest.raises(error, match=told):
        tight.query(query, timeout=None if told == "stopped" else 30).read()
    assert tight.alive()


def test_an_engine_nobody_knows_is_no_setting() -> None:
    with pytest.raises(ValueError, match="allowed: oxigraph, sparq"):
        Settings(engine="virtuoso")
    with pytest.raises(ValueError, match="index = true only"):
        etl.settings.Settings(sparq_index=True, index=False)


def test_a_release_without_sparqs_store_is_said_in_one_line(
    release: Path, tmp_path: Path, cupola: Callable[..., Any]
) -> None:
    told = json.loads((release / "manifest.json").read_text(encoding="utf-8"))
    without = tmp_path / told["id"]
    without.mkdir()
    (without / "manifest.json").write_text(json.dumps(told | {"sparq_index": False}), encoding="utf-8")
    (without / "store").symlink_to(release / "store")
    (tmp_path / "current").symlink_to(told["id"])
    done = cupola("serve", "--releases", tmp_path, cwd=tmp_path, CUPOLA_ENGINE="sparq")
    assert done.returncode != 0
    assert "built without sparq's index" in " ".join(done.stderr.split())
    engine = LocalEngine(without / "store", Settings(engine="sparq", workers=1))
    try:
        assert not engine.alive()
        with pytest.raises(EngineDown):
            engine.query("ASK {}")
    finally:
        engine.kill()


def test_serving_leaves_sparqs_store_as_it_was(release: Path, engines: dict[str, LocalEngine]) -> None:
    assert engines["sparq"].alive()
    assert {file.suffix for file in (release / "sparq").iterdir()} == {".bin"}


def test_every_kind_of_answer_is_tested() -> None:
    assert {kind for fmt in FORMATS for kind in fmt.kinds} == set(KINDS)
