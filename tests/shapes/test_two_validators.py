"""The fast engine and pySHACL give the same results, and everything on which they would not is known.

By themselves on every shape case and on probes.toml, which proves each entry of etl/shacl/trust.toml; and as a build
runs them, on a release and on the same data with faults of every kind put in.
"""

from __future__ import annotations

import gzip
import random
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pyoxigraph as ox
import pytest
from rdflib import Graph

from etl import validate
from etl.shacl import fast, named, reference, trust
from tests.shapes.cases import (
    INVALID,
    ROOT,
    VALID,
    background,
    hierarchy,
    quads,
    report,
    shapes,
    shapes_with_names,
    with_neighbours,
)

HERE = Path(__file__).parent
CASES = sorted([*VALID, *INVALID])
PROBES: dict[str, dict[str, Any]] = tomllib.loads((HERE / "probes.toml").read_text(encoding="utf-8"))
PREFIXES = "".join(
    f"@prefix {name}: <{iri}> .\n"
    for name, iri in {
        "ex": "urn:ex:",
        "owl": "http://www.w3.org/2002/07/owl#",
        "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
        "rdfs": "http://www.w3.org/2000/01/rdf-schema#",
        "sh": "http://www.w3.org/ns/shacl#",
        "xsd": "http://www.w3.org/2001/XMLSchema#",
    }.items()
)
XSD = "http://www.w3.org/2001/XMLSchema#"


def rows(found: pl.DataFrame, columns: int = 8) -> set[tuple[str | None, ...]]:
    """Results as a set; the first six columns are without the messages."""
    return {row[:columns] for row in found.iter_rows()}


# --- the shape cases ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.parent.name}/{case.stem}")
def test_both_find_the_same_in_a_shape_case(case: Path, tmp_path: Path) -> None:
    data = tmp_path / "data.nq"
    data.write_bytes(with_neighbours(case))
    ours, theirs = rows(fast.found([data], shapes_with_names(), hierarchy())), rows(reference.table(report(case)))
    if ours != theirs:  # then it must be something a build does not leave to the fast engine
        fell_back = {each.part for each in trust.split(shapes_with_names(), [data]).fallbacks}
        assert {str(row[4]).strip("<>") for row in ours ^ theirs} <= fell_back


def test_our_shapes_are_for_the_fast_engine() -> None:
    assert trust.split(shapes_with_names(), []).fallbacks == ()


# --- the probes --------------------------------------------------------------------------------------------------


def probe(name: str) -> tuple[str, Graph]:
    """Data and shapes of a probe."""
    about = PROBES[name]
    return PREFIXES + about["data"], named(Graph().parse(data=PREFIXES + about["shapes"], format="turtle"))


def results(engine: Callable[[], pl.DataFrame]) -> set[tuple[str | None, ...]] | str:
    try:
        return rows(engine(), 6)
    except Exception as error:
        return type(error).__name__


@pytest.mark.parametrize("name", PROBES)
def test_a_probe_shows_what_trust_says(name: str, tmp_path: Path) -> None:
    text, graph = probe(name)
    data = [quads(tmp_path, text)]
    ours, theirs = (results(lambda e=engine: e.found(data, graph)) for engine in (fast, reference))  # type: ignore[misc]
    reasons = " ".join(each.reason for each in trust.split(graph, data).fallbacks)
    if "about" not in PROBES[name]:
        assert ours == theirs
        assert theirs
        assert not reasons
    else:
        assert ours != theirs
        for entry in PROBES[name]["about"]:
            assert reason(entry) in reasons


@pytest.mark.parametrize("name", PROBES)
def test_a_build_finds_what_pyshacl_finds(name: str, tmp_path: Path) -> None:
    text, graph = probe(name)
    data = [quads(tmp_path, text)]
    try:
        theirs = validate.validate("probe", data, graph, validator="pyshacl")
    except Exception as error:  # pySHACL cannot do it: then a build must not do it either
        with pytest.raises(type(error)):
            validate.validate("probe", data, graph)
        return
    ours = validate.validate("probe", data, graph)
    # Without a message in the shape, each engine says it in words of its own.
    assert rows(ours.results, 6) == rows(theirs.results, 6)
    assert bool(ours.validator["fell_back"]) == ("about" in PROBES[name])


def reason(entry: str) -> str:
    """An entry of [reasons] in trust.toml, by its dotted name."""
    found: Any = trust.trust()["reasons"]
    for part in entry.split("."):
        found = found[part]
    return str(found)


def test_every_reason_has_a_probe() -> None:
    proven = {entry for about in PROBES.values() for entry in about.get("about", ())}
    reasons = trust.trust()["reasons"]
    known = {f"{kind}.{name}" for kind, each in reasons.items() if isinstance(each, dict) for name in each}
    known |= {name for name, text in reasons.items() if isinstance(text, str)}
    unproven = {name for name in known if "not been compared" in reason(name)}
    assert known - unproven - {"recursion"} == proven  # recursion is below


def test_everything_trusted_has_a_probe_that_agrees() -> None:
    agreeing = " ".join(about["shapes"] for about in PROBES.values() if "about" not in about)
    used = set(re.findall(r"(?:sh|xsd|rdf):(\w+)", agreeing))
    told = trust.trust()
    wanted = {*told["parameters"], *told["paths"], *(re.split("[#/]", iri)[-1] for iri in told["datatypes"])}
    assert not wanted - used


def test_a_shape_that_refers_to_itself_would_end_the_process(tmp_path: Path) -> None:
    text = "ex:S a sh:NodeShape ; sh:targetClass ex:P ; sh:not [ sh:property [ sh:path ex:p ; sh:not ex:S ] ] ."
    graph = named(Graph().parse(data=PREFIXES + text, format="turtle"))
    data = quads(tmp_path, PREFIXES + "ex:a a ex:P .")
    assert any(reason("recursion") in each.reason for each in trust.split(graph, [data]).fallbacks)
    graph.serialize(tmp_path / "shapes.nt", format="nt", encoding="utf-8")
    program = "import shacl_rust, sys; shacl_rust.validate_file(*sys.argv[1:], experimental_index=True)"
    ended = subprocess.run([sys.executable, "-c", program, data, tmp_path / "shapes.nt"], capture_output=True)
    assert ended.returncode < 0  # by a signal


# --- a release, and one with faults ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def published(
    cupola: Callable[..., subprocess.CompletedProcess[str]], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The N-Quads of the examples' sheets, as a build publishes them."""
    folder = tmp_path_factory.mktemp("release")
    built = cupola("build", ROOT / "examples", "--releases", folder)
    assert built.returncode in (0, 1), built.stderr
    dump = folder / "current" / "data" / "ponmetro.nq.gz"
    target = folder / "ponmetro.nq"
    target.write_bytes(gzip.decompress(dump.read_bytes()))
    return target


def both(data: Path) -> tuple[validate.Validation, validate.Validation]:
    return (
        validate.validate("data", [data], shapes(), background()),
        validate.validate("data", [data], shapes(), background(), "pyshacl"),
    )


def test_both_find_the_same_in_a_release(published: Path) -> None:
    ours, theirs = both(published)
    assert ours.validator["fell_back"] == []
    assert ours.results.equals(theirs.results)
    assert ours.report == theirs.report


def faulty(statements: list[ox.Quad], odd: bool) -> Iterator[ox.Quad]:
    """The statements with about one in eight spoilt; `odd` adds literals the fast engine is not trusted with."""
    chance = random.Random(20261123 + odd)
    iris = [q.object for q in statements if isinstance(q.object, ox.NamedNode)]
    texts = ["", " ", "x", "1", "a\nb\n", "123456\n", 'q"\\\t', "perché \u0085 \u2028 😀", "e\u0301" * 3]
    dates = ["2023-01-01", "1989-12-31", "2101-01-01", "0021-09-30", "2024-02-29"]
    numbers = ["-5", "0", "0.01", "99999999999999", "12.50"]
    if odd:
        dates += ["2023-02-30", "2023-01-01Z", "abc", "12023-01-01", "-0021-09-30"]
        numbers += ["NaN", "1e3", "0.1000000000000000001", "abc"]

    def spoilt(term: ox.NamedNode | ox.Literal) -> ox.NamedNode | ox.Literal:
        if isinstance(term, ox.NamedNode):
            others: list[ox.NamedNode | ox.Literal] = [ox.NamedNode("urn:nowhere"), ox.Literal(term.value)]
            return chance.choice([*others, chance.choice(iris)])
        datatype = term.datatype.value.removeprefix(XSD)
        if datatype in ("date", "decimal") and (odd or chance.random() < 0.5):
            choices = dates if datatype == "date" else numbers
            return ox.Literal(chance.choice(choices), datatype=term.datatype)
        if datatype in ("date", "decimal"):
            return term
        language = chance.choice([None, "it", "en", "fr", "it-IT"])
        return ox.Literal(chance.choice([*texts, term.value.lower(), term.value + "\n"]), language=language)

    for quad in statements:
        assert not isinstance(quad.object, ox.BlankNode | ox.Triple)
        what = chance.random()
        if what > 0.04:  # else it is missing
            yield quad
        if what > 0.90:
            yield ox.Quad(quad.subject, quad.predicate, spoilt(quad.object), quad.graph_name)
        elif what > 0.87:
            yield ox.Quad(quad.subject, chance.choice(statements).predicate, quad.object, quad.graph_name)


@pytest.mark.parametrize("odd", [False, True], ids=["faults", "faults and odd literals"])
def test_both_find_the_same_in_a_release_full_of_faults(odd: bool, published: Path, tmp_path: Path) -> None:
    copies = [published.read_text(encoding="utf-8").replace("/ponmetro/", f"/ponmetro-{n}/") for n in range(4)]
    statements = sorted(ox.parse("".join(copies), format=ox.RdfFormat.N_QUADS), key=str)
    data = tmp_path / "faulty.nq"
    with data.open("wb") as file:
        ox.serialize(faulty(statements, odd), file, format=ox.RdfFormat.N_QUADS)
    ours, theirs = both(data)
    assert ours.results.height > 500
    assert ours.results.select("shape", "component").unique().height > 60
    assert ours.results.equals(theirs.results)
    assert ours.report == theirs.report
    assert bool(ours.validator["fell_back"])
