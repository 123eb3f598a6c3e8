"""The pages' own questions to the engine."""

from __future__ import annotations

import json

from endpoint.describe import Term
from endpoint.engine import Engine
from endpoint.terms import PREFIXES

Row = dict[str, Term]


def _term(cell: dict[str, str]) -> Term:
    if cell["type"] in ("uri", "bnode"):
        return Term("iri", cell["value"] if cell["type"] == "uri" else f"_:{cell['value']}")
    return Term("literal", cell["value"], cell.get("datatype"), cell.get("xml:lang"))


def select(engine: Engine, query: str) -> list[Row]:
    """The rows of a SELECT (our prefixes stand before it); unbound variables are missing from their row.

    Raises an EngineError when the engine cannot answer.
    """
    answer = json.loads(engine.query(PREFIXES + query).read())
    return [{name: _term(cell) for name, cell in row.items()} for row in answer["results"]["bindings"]]
