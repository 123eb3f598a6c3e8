"""VoID: what it counts is what a plain count of the dumps gives, of each graph and of all as one."""

from __future__ import annotations

import gzip
import shutil
from collections import Counter
from pathlib import Path

import pyoxigraph as ox
import pytest
from rdflib import Graph, Literal, URIRef
from rdflib.namespace import RDF, VOID

from etl import counts, pipeline, void
from etl.settings import Settings

BASE = "https://w3id.org/cupola/"
Triples = set[tuple[str, str, str]]


@pytest.fixture(scope="module")
def release(examples: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release of the examples."""
    return pipeline.build([examples], Settings(releases=tmp_path_factory.mktemp("releases"))).folder


@pytest.fixture(scope="module")
def told(release: Path) -> Graph:
    """What it says of itself."""
    return Graph().parse(release / "void.ttl")


@pytest.fixture(scope="module")
def said(release: Path) -> dict[str | None, Triples]:
    """The statements of each graph, and under None those of all."""
    found: dict[str | None, Triples] = {}
    for dump in sorted((release / "data").glob("*.nq.gz")):
        quads = ox.parse(gzip.decompress(dump.read_bytes()), format=ox.RdfFormat.N_QUADS)
        found[dump.name.removesuffix(".nq.gz")] = {(str(q.subject), str(q.predicate), str(q.object)) for q in quads}
    return found | {None: set().union(*found.values())}


def number(told: Graph, of: URIRef, what: URIRef) -> int:
    value = told.value(of, what)
    assert isinstance(value, Literal)
    return int(value)


def test_the_numbers_of_each_graph_and_of_all_are_those_of_a_plain_count(
    told: Graph, said: dict[str | None, Triples]
) -> None:
    assert len(said) > 8
    assert len(said[None]) < sum(len(triples) for name, triples in said.items() if name)  # some are said twice
    for name, triples in said.items():
        one = void.dataset(BASE, name)
        typed = [(s, o) for s, p, o in triples if p == f"<{RDF.type}>"]
        wanted = {
            VOID.triples: len(triples),
            VOID.entities: len({s for s, _ in typed}),
            VOID.classes: len({o for _, o in typed}),
            VOID.properties: len({p for _, p, _ in triples}),
            VOID.distinctSubjects: len({s for s, _, _ in triples}),
            VOID.distinctObjects: len({o for _, _, o in triples}),
        }
        assert {what: number(told, one, what) for what in wanted} == wanted, name


def test_the_parts_of_each_graph_are_those_of_a_plain_count(told: Graph, said: dict[str | None, Triples]) -> None:
    for name, triples in said.items():
        one = void.dataset(BASE, name)
        classes = {
            f"<{told.value(part, VOID['class'])}>": number(told, URIRef(str(part)), VOID.entities)
            for part in told.objects(one, VOID.classPartition)
        }
        assert classes == Counter(o for _, p, o in triples if p == f"<{RDF.type}>"), name
        properties = {
            f"<{told.value(part, VOID.property)}>": tuple(
                number(told, URIRef(str(part)), what)
                for what in (VOID.triples, VOID.distinctSubjects, VOID.distinctObjects)
            )
            for part in told.objects(one, VOID.propertyPartition)
        }
        mine: dict[str, Triples] = {}
        for triple in triples:
            mine.setdefault(triple[1], set()).add(triple)
        wanted = {p: (len(ts), len({t[0] for t in ts}), len({t[2] for t in ts})) for p, ts in mine.items()}
        assert properties == wanted, name


def test_links_are_the_statements_that_lead_to_another_dataset(told: Graph, said: dict[str | None, Triples]) -> None:
    prefixes = sorted((each["prefix"] for each in void.linked_datasets()), key=len, reverse=True)
    for name, triples in said.items():
        one = void.dataset(BASE, name)
        links = {}
        for link in told.subjects(VOID.subjectsTarget, one):
            space = told.value(told.value(link, VOID.objectsTarget), VOID.uriSpace)
            links[f"<{told.value(link, VOID.linkPredicate)}>", str(space)] = number(
                told, URIRef(str(link)), VOID.triples
            )
        wanted: Counter[tuple[str, str]] = Counter()
        for _, predicate, value in triples:
            space = next((prefix for prefix in prefixes if value.startswith(f"<{prefix}")), None)
            if space and predicate != f"<{RDF.type}>":
                wanted[predicate, space] += 1
        assert links == wanted, name
    spaces = {str(space) for space in told.objects(None, VOID.uriSpace)}
    assert "https://w3id.org/italia/PublicInvestment/data/CUP/" in spaces


def test_whoever_finds_a_part_finds_the_whole_its_dump_and_an_example(told: Graph, release: Path) -> None:
    whole = void.dataset(BASE)
    assert told.value(URIRef(f"{BASE}.well-known/void"), URIRef("http://xmlns.com/foaf/0.1/primaryTopic")) == whole
    for dump in (release / "data").glob("*.nq.gz"):
        one = void.dataset(BASE, dump.name.removesuffix(".nq.gz"))
        assert (whole, VOID.subset, one) in told
        assert (one, VOID.dataDump, URIRef(f"{BASE}dumps/data/{dump.name}")) in told
        example = told.value(one, VOID.exampleResource)
        if example is None:
            assert dump.name == "ontology.nq.gz"  # it describes nothing under id/
        else:
            assert f"\n<{example}> " in "\n" + gzip.decompress(dump.read_bytes()).decode()


def test_every_node_has_an_iri(told: Graph) -> None:
    assert all(isinstance(node, URIRef | Literal) for triple in told for node in triple)


def test_lists_of_linked_datasets_are_whole_and_different() -> None:
    known = void.linked_datasets()
    for key in ("id", "prefix"):
        assert len({each[key] for each in known}) == len(known)
    assert all(set(each["title"]) == {"it", "en"} and each["homepage"] for each in known)


def test_odd_statements_are_counted_as_they_are(tmp_path: Path) -> None:
    graph = "http://example.org/graph/a"
    lines = [
        r'<http://e/s> <http://e/p> "two words, \" a quote and <http://e/x> ." .',
        '<http://e/s> <http://e/p> "two"@it .',
        '<http://e/s> <http://e/p> "two"@en .',
        '<http://e/s> <http://e/q> "2"^^<http://www.w3.org/2001/XMLSchema#integer> .',
        "<http://e/t> <http://e/q> <http://other/a%20b> .",
        f"<http://e/t> <{RDF.type}> <http://e/C> .",
    ]
    (tmp_path / "a.nq").write_text("".join(f"{line[:-2]} <{graph}> .\n" for line in lines))
    (tmp_path / "b.nq").write_text("")
    for name in ("a", "b"):
        counts.reduce(tmp_path / f"{name}.nq", graph, "http://e/", tmp_path / f"{name}.parquet")
    each, whole = counts.count({name: tmp_path / f"{name}.parquet" for name in "ab"}, ["http://other/", "http://o"])
    assert each["a"] == whole
    assert (whole.triples, whole.subjects, whole.objects, whole.entities) == (6, 2, 6, 1)
    assert [(p.iri, p.triples, p.subjects, p.objects) for p in whole.properties] == [
        ("http://e/p", 3, 1, 3), ("http://e/q", 2, 2, 2), (str(RDF.type), 1, 1, 1),
    ]  # fmt: skip
    assert whole.classes == {"http://e/C": 1}
    assert whole.links == [("http://e/q", "http://other/", 1)]
    assert (each["b"].triples, each["b"].subjects) == (0, 0)


def test_a_graph_that_did_not_change_keeps_its_counts_and_its_date(examples: Path, tmp_path: Path) -> None:
    inputs = tmp_path / "inputs"
    shutil.copytree(examples, inputs)
    settings = Settings(releases=tmp_path / "releases")
    first = pipeline.build([inputs], settings)
    (inputs / "TO1.1.1.e.txt").unlink()
    second = pipeline.build([inputs], settings)
    dates = [built.manifest["modified"] for built in (first, second)]
    sums = [{g["iri"]: g["sha256"] for g in built.manifest["graphs"]} for built in (first, second)]
    unchanged = {iri for iri in sums[0] if sums[0][iri] == sums[1].get(iri)}
    assert f"{BASE}graph/example-opencup" in unchanged
    assert f"{BASE}graph/ponmetro" not in unchanged
    for iri in sums[0]:
        table = f"{counts.FOLDER}/{iri.rpartition('/')[2]}.parquet"
        same = (first.folder / table).samefile(second.folder / table)
        assert same == (iri in unchanged and not iri.endswith("/public-contracts")), iri  # a view is always made anew
        assert (dates[0][iri] == dates[1][iri]) == (iri in unchanged), iri
