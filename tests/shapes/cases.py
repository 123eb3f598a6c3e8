"""The shape cases, and what pySHACL says of each: asked once, for the cases themselves and for the fast engine's."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pyoxigraph as ox
from rdflib import Graph

from etl import validate
from etl.shacl import Subclass, named, reference, subclasses

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
VALID = sorted(HERE.glob("*/valid.*.ttl"))
INVALID = sorted(HERE.glob("*/invalid.*.ttl"))


@cache
def shapes() -> Graph:
    """All shapes as one graph."""
    return validate.shapes_graph(ROOT / "shapes")


def shapes_with_names() -> Graph:
    """The same, as the engines are given them: each part has a name."""
    return named(shapes())


@cache
def background() -> tuple[Path, ...]:
    """Our ontology."""
    return tuple(sorted((ROOT / "ontology").glob("*.ttl")))


@cache
def hierarchy() -> list[Subclass]:
    """Which classes lie under others: all that SHACL looks at of the ontology, the background of every validation."""
    return subclasses(background())


def quads(folder: Path, *texts: str) -> Path:
    """Turtle texts as one N-Quads file."""
    path = folder / "data.nq"
    graph = ox.NamedNode("urn:graph")
    with path.open("wb") as file:
        for text in texts:
            triples = ox.parse(text, format=ox.RdfFormat.TURTLE)
            found = (ox.Quad(t.subject, t.predicate, t.object, graph) for t in triples)
            ox.serialize(found, file, format=ox.RdfFormat.N_QUADS)
    return path


@cache
def with_neighbours(case: Path) -> bytes:
    """A case and what it links to, as a build has its data: N-Quads, in which a blank node has one name for all."""
    with TemporaryDirectory() as folder:
        texts = (path.read_text(encoding="utf-8") for path in (HERE / "neighbours.ttl", case))
        return quads(Path(folder), *texts).read_bytes()


@cache
def report(case: Path) -> Graph:
    """What pySHACL reports of a case and its neighbours."""
    with TemporaryDirectory() as folder:
        data = Path(folder) / "data.nq"
        data.write_bytes(with_neighbours(case))
        return reference.report([data], shapes_with_names(), hierarchy())
