"""Graphs and shapes to problems: SHACL, the last gate before publication (https://www.w3.org/TR/shacl/).

Two engines give the same results: shacl-rust, which is fast, and pySHACL, the reference, which also validates the
shapes the fast one is not trusted with. What fell back to pySHACL is part of the answer, and is published.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import polars as pl
from rdflib import Graph, Literal
from rdflib.namespace import SH

from etl.shacl import fast, holder, named, plain, reference, subclasses, trust

#: A result of validation, one row each: IRIs and texts as they are, None where a term is a blank node, or a path more
#: than one predicate.
RESULTS: Final = pl.Schema(
    dict.fromkeys(["focus", "path", "severity", "component", "shape", "value", "message_it", "message_en"], pl.String())
)


@dataclass(frozen=True)
class Validation:
    """What validation found: `results` as a table (RESULTS), and the standard report as Turtle.

    `validator` is for the manifest: the engine, its version, and the shapes that fell back to pySHACL, with the reason.
    """

    results: pl.DataFrame
    report: bytes
    validator: dict[str, Any]


@cache
def shapes_graph(folder: Path) -> Graph:
    """All shape files of a folder as one graph, not to be changed: it is read once."""
    graph = Graph()
    for path in sorted(folder.glob("*.ttl")):
        graph.parse(path, format="turtle")
    return graph


def validate(
    name: str, quads: Sequence[Path], shapes: Graph, background: Iterable[Path] = (), validator: str = fast.NAME
) -> Validation:
    """Validate N-Quads files, taken as one graph, against `shapes`; `name` is what the report is called.

    `background` are Turtle files (the ontology): they help classes to be understood and are not validated.
    Results come in a fixed order, the same from either validator ("shacl-rust" or "pyshacl").
    """
    whole, hierarchy = named(shapes), subclasses(background)
    told: dict[str, Any] = {"engine": reference.NAME, "version": reference.VERSION, "fell_back": []}
    if validator == reference.NAME:
        found = reference.found(quads, whole, hierarchy)
    else:
        divided = trust.split(whole, quads)
        fell_back = divided.fallbacks
        try:
            found = fast.found(quads, divided.fast, hierarchy)
            if divided.fallbacks:
                rest = reference.found(quads, divided.reference, hierarchy, divided.needed)
                found = pl.concat([found, rest])
        except fast.Failed as failed:
            fell_back = (trust.Fallback("", "", f"{fast.NAME} failed: {failed}"),)
            found = reference.found(quads, whole, hierarchy)
        told |= {"engine": fast.NAME, "version": fast.VERSION}
        told["fell_back"] = [
            {key: holder(shapes, iri) if key != "reason" and iri else iri for key, iri in asdict(each).items()}
            | {"engine": reference.NAME, "version": reference.VERSION}
            for each in fell_back
        ]
    found = _readable(found, shapes)
    return Validation(found.select(RESULTS.names()), _report(name, found), told)


def _readable(found: pl.DataFrame, shapes: Graph) -> pl.DataFrame:
    """What an engine found as RESULTS, in their order, with the terms as they are written in the report beside."""
    severity = pl.col("severity").str.strip_chars("<>").str.strip_prefix(str(SH)).str.to_lowercase()
    terms = ["focus", "path", "value"]
    texts: dict[str, pl.Series] = {}
    for column in terms:
        kept = found[column]
        if column == "path":
            kept = pl.select(pl.when(kept.str.contains(r"^<[^<>]*>$")).then(kept)).to_series()
        distinct = kept.drop_nulls().unique()
        readings = dict(zip(distinct, plain(distinct.to_list()), strict=True))
        texts[column] = kept.replace_strict(readings, default=None, return_dtype=pl.String)
    shape_iris = {shape: holder(shapes, shape.strip("<>")) for shape in found["shape"].unique()}
    return (
        found.with_columns(
            *(pl.col(column).alias(f"{column}_term") for column in ("focus", "path", "severity", "value")),
            *(series.alias(column) for column, series in texts.items()),
            severity=severity,
            component=pl.col("component").str.strip_chars("<>"),
            shape=pl.col("shape").replace_strict(shape_iris, return_dtype=pl.String),
        )
        .unique()  # a shape reached by two ways says the same thing twice
        .sort([*RESULTS.names(), "focus_term", "value_term", "path_term"], nulls_last=True)
    )


def _report(name: str, found: pl.DataFrame) -> bytes:
    """The results as a standard validation report: each has a name, the same for the same data.

    A path of more than one predicate is left out: the source shape tells it.
    """
    report = f"urn:cupola:validation:{name}"
    lines = [
        f"@prefix sh: <{SH}> .\n\n",
        f"<{report}> a sh:ValidationReport ;\n  sh:conforms {str(found.is_empty()).lower()} .\n",
    ]
    for number, row in enumerate(found.iter_rows(named=True), start=1):
        lines.append(f"\n<{report}> sh:result <{report}:{number}> .\n<{report}:{number}> a sh:ValidationResult")
        simple = row["path_term"] if row["path"] is not None else None
        for predicate, term in (
            ("sh:focusNode", row["focus_term"]),
            ("sh:resultPath", simple),
            ("sh:resultSeverity", row["severity_term"]),
            ("sh:sourceConstraintComponent", f"<{row['component']}>"),
            ("sh:sourceShape", f"<{row['shape']}>"),
            ("sh:value", row["value_term"]),
            *(("sh:resultMessage", _spoken(row[f"message_{lang}"], lang)) for lang in ("it", "en")),
        ):
            if term is not None:
                lines.append(f" ;\n  {predicate} {term}")
        lines.append(" .\n")
    return "".join(lines).encode()


def _spoken(message: str | None, language: str) -> str | None:
    return None if message is None else Literal(message, lang=language).n3()
