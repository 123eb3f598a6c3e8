"""What is ready to be published, laid down as the files of a release: graphs, tables, indexes, manifest."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import polars as pl

from etl import catalog, mapping, release, search, validate
from etl.clock import Clock
from etl.gate import ONTOLOGY, SHAPES, background
from etl.gone import FILE, vanished
from etl.index import Index
from etl.parts import Crossing, Linked, Part, dumped, graph_of
from etl.quality import publishable
from etl.settings import Settings

_ETL: Final = Path(str(files("etl")))
VIEWS: Final = ONTOLOGY / "views"


def lay_down(
    folder: Path,
    work: Path,
    parts: Sequence[Part],
    found: pl.DataFrame,
    settings: Settings,
    clock: Clock,
    index: Index,
    fingerprint: str,
    rules: str,
    old: tuple[Path, dict[str, Any]] | None,
) -> dict[str, Any]:
    """Everything of a release but its name, in `folder`; gives the manifest, written last.

    `found` are all problems, those of files that are no part too; `work` holds what is needed on the way; the graphs of
    the parts are on their way into the index already; `fingerprint` is of all the release is made from and by, `rules`
    of the code and the sources alone; `old` is the release it takes the place of.
    """
    base = settings.base
    with clock.stage("map"):
        subjects = [part.subjects(base) for part in parts]
        told = publishable(found, subjects, base)
        told.write_parquet(work / "problems.parquet")
        quality, ontology = work / "quality.nq", work / "ontology.nq"
        mapping.write(mapping.load(_ETL / "quality.yml", base), work, quality)
        ontology.write_bytes(_named_graph(background(work, base).read_text(encoding="utf-8"), graph_of(ontology, base)))
    for path in (quality, ontology):
        index.add(path, graph_of(path, base))
    with clock.stage("dump"):
        placed = {part.key: part.place(folder, base) for part in parts}
        graphs = [graph for each in placed.values() for graph in each]
        graphs += [dumped(path, folder, base) for path in (quality, ontology)]
    with clock.stage("search"):
        listings = (listing for part in parts if (listing := part.listing()) is not None)
        search.write(listings, told, folder / "search.sqlite")
    found.write_parquet(folder / "problems.parquet")
    validate.shapes_graph(SHAPES).serialize(folder / "shapes.ttl", format="turtle", encoding="utf-8")
    (folder / "validation.ttl").write_bytes(b"\n".join(part.report for part in parts))
    for part in parts:
        own = folder / "parts" / part.key
        own.mkdir(parents=True)
        part.problems.write_parquet(own / "problems.parquet")
        (own / "validation.ttl").write_bytes(part.report)
    with clock.stage("index"):
        index.wait()
    for query in sorted(VIEWS.glob("*.rq")) if settings.index else ():
        view = work / f"{query.stem}.nq"
        with clock.stage("view"):
            index.view(query, graph_of(view, base), view)
        index.add(view, graph_of(view, base))
        with clock.stage("dump"):
            graphs.append(dumped(view, folder, base))
    with clock.stage("gone"):
        gone = vanished(old, folder, graphs, base, index)
        gone.write_parquet(folder / FILE)
        search.add_gone(gone, folder / "search.sqlite")
    manifest = _manifest(folder, parts, graphs, found, settings)
    manifest["gone"] = gone.height
    manifest["fingerprint"], manifest["rules"] = fingerprint, rules
    manifest["parts"] = [
        {
            "key": part.key,
            "fingerprint": part.fingerprint,
            "sources": [about["id"] for about in part.about],
            "files": [entry["file"] for entry in part.inputs],
            "graphs": [graph["iri"] for graph in placed[part.key]],
            "tables": [] if isinstance(part, Linked) else list(part.tables),
        }
        for part in parts
    ]
    with clock.stage("index"):
        described = catalog.describe(manifest, settings.publisher)
        described.serialize(folder / "catalog.ttl", format="turtle", encoding="utf-8")
        about = work / "catalog.nq"
        about.write_bytes(_named_graph(described.serialize(format="nt"), graph_of(about, base)))
        index.add(about, graph_of(about, base))
        index.optimize()
    manifest["links"] = next(part.numbers for part in parts if isinstance(part, Crossing))
    manifest["timings"] = clock.seconds
    manifest["memory"] = clock.memory
    release.write_manifest(folder, manifest)
    return manifest


def _manifest(
    folder: Path,
    parts: Sequence[Part],
    graphs: list[dict[str, Any]],
    found: pl.DataFrame,
    settings: Settings,
) -> dict[str, Any]:
    """What the release says of itself; the timings are added when all is done."""
    name = release.release_id(folder)
    packages = ("cupola", "polars", "pyoxigraph", "pyshacl", "shacl-rust", "yatter")
    severities = dict(found["severity"].value_counts().iter_rows())
    return {
        "id": name,
        "created": f"{name[:13]}:{name[13:15]}:{name[15:17]}Z",
        "base": settings.base,
        "format": release.FORMAT,
        "index": settings.index,
        "inputs": [entry for part in parts for entry in part.inputs],
        "sources": [about for part in parts for about in part.about],
        "validators": [told for part in parts for told in part.validators],
        "withheld": [part.key for part in parts if not part.graphs],
        "mappings": {
            part.source.id: release.sha256(part.source.mapping)
            for part in parts
            if not isinstance(part, Linked) and part.source
        },
        "shapes": {path.name: release.sha256(path) for path in sorted(SHAPES.glob("*.ttl"))},
        "graphs": graphs,
        "triples": sum(graph["triples"] for graph in graphs),
        "problems": {severity: severities.get(severity, 0) for severity in ("violation", "warning", "info")}
        | {"codes": dict(found["code"].value_counts().sort("code").iter_rows())},
        "versions": {"python": platform.python_version()} | {package: version(package) for package in packages},
    }


def _named_graph(triples: str, graph: str) -> bytes:
    """N-Triples as N-Quads in one graph."""
    lines = (line.rstrip().removesuffix(".").rstrip() for line in triples.splitlines() if line.strip())
    return "".join(f"{line} <{graph}> .\n" for line in lines).encode()
