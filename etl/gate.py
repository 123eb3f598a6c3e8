"""The last gate before publication: what the shapes, with the ontology behind them, find in N-Quads."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Final

import pyoxigraph as ox

from etl import linked, validate
from etl.settings import Settings

_HOUSE: Final = Path(str(files("etl"))).parent
SHAPES: Final = _HOUSE / "shapes"
ONTOLOGY: Final = _HOUSE / "ontology"


def passed(name: str, quads: Sequence[Path], work: Path, settings: Settings) -> validate.Validation:
    """What validation finds in the files, taken as one graph; `name` is what the report is called."""
    shapes, ontology = validate.shapes_graph(SHAPES), [background(work, settings.base)]
    return validate.validate(name, quads, shapes, ontology, settings.validator)


def background(work: Path, base: str) -> Path:
    """The ontology and its code lists as one sorted N-Triples file in `work`, with the IRIs of the base given."""
    target = work / "ontology.nt"
    if not target.exists():
        triples = {
            linked.rebased(quad.triple, base)
            for path in sorted(ONTOLOGY.glob("*.ttl"))
            for quad in ox.parse(path=str(path), format=ox.RdfFormat.TURTLE)
        }
        with target.open("wb") as file:
            ox.serialize(sorted(triples, key=str), file, format=ox.RdfFormat.N_TRIPLES)
    return target
