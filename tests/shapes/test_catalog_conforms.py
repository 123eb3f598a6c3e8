"""What a release holds conforms to the shapes as a whole: its catalogue too, and all else that no build validates."""

from __future__ import annotations

import gzip
from pathlib import Path

import polars as pl
import pyoxigraph as ox
import pytest
from rdflib import DCAT, RDF, Graph

from etl import pipeline, validate
from etl.settings import Settings

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def release(examples: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release of the examples."""
    return pipeline.build([examples], Settings(releases=tmp_path_factory.mktemp("releases"))).folder


def found(triples: set[ox.Triple], work: Path) -> pl.DataFrame:
    """What the shapes say of these triples."""
    data = work / "data.nq"
    with data.open("wb") as file:
        ox.serialize(sorted(triples, key=str), file, format=ox.RdfFormat.N_TRIPLES)
    shapes = validate.shapes_graph(ROOT / "shapes")
    return validate.validate("release", [data], shapes, sorted((ROOT / "ontology").glob("*.ttl"))).results


def catalogue(release: Path) -> set[ox.Triple]:
    return {quad.triple for quad in ox.parse(path=release / "catalog.ttl", format=ox.RdfFormat.TURTLE)}


def test_the_catalogue_conforms(release: Path, tmp_path: Path) -> None:
    graph = Graph().parse(release / "catalog.ttl", format="turtle")
    for kind in (DCAT.Catalog, DCAT.Dataset, DCAT.Distribution):
        assert (None, RDF.type, kind) in graph
    results = found(catalogue(release), tmp_path)
    assert results.is_empty(), results


def test_everything_published_conforms_together(release: Path, tmp_path: Path) -> None:
    everything = catalogue(release)
    for dump in (release / "data").glob("*.nq.gz"):
        everything |= {q.triple for q in ox.parse(gzip.decompress(dump.read_bytes()), format=ox.RdfFormat.N_QUADS)}
    results = found(everything, tmp_path)
    assert results.filter(pl.col("severity") == "violation").is_empty(), results
    told = (release / "validation.ttl").read_text(encoding="utf-8")
    for shape in set(results["shape"]):
        assert f"<{shape}>" in told, "a warning the build does not give"
