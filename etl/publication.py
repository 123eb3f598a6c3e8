"""What is ready to be published, laid down as the files of a release: graphs, tables, indexes, manifest."""

from __future__ import annotations

import gzip
import os
import platform
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import polars as pl
from rdflib import Graph

from etl import catalog, counts, extent, mapping, release, search, validate, void
from etl.clock import Clock
from etl.gate import ONTOLOGY, SHAPES, background
from etl.gone import FILE, vanished
from etl.index import SPARQ, Index, unpack
from etl.parts import Crossing, Linked, Part, Reused, dumped, graph_of
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
    quads = {graph_of(path, base): path for part in parts if not isinstance(part, Reused) for path in part.graphs}
    quads |= {graph_of(path, base): path for path in (quality, ontology)}
    with clock.stage("count"):
        _count(graphs, quads, folder, work, base, old if old and old[1]["rules"] == rules else None)
    with clock.stage("index"):
        index.wait()
    for query in sorted(VIEWS.glob("*.rq")) if settings.index else ():
        view = work / f"{query.stem}.nq"
        with clock.stage("view"):
            index.view(query, graph_of(view, base), view)
        index.add(view, graph_of(view, base))
        with clock.stage("dump"):
            graphs.append(dumped(view, folder, base))
        with clock.stage("count"):
            _count(graphs[-1:], {graph_of(view, base): view}, folder, work, base, None)
    with clock.stage("gone"):
        gone = vanished(old, folder, graphs, base, index)
        gone.write_parquet(folder / FILE)
        search.add_gone(gone, folder / "search.sqlite")
    manifest = _manifest(folder, parts, graphs, found, settings)
    manifest["gone"] = gone.height
    manifest["modified"] = {graph["iri"]: _modified(graph, old) or manifest["created"] for graph in graphs}
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
    manifest["tables"] = list(_tables(folder, manifest["parts"], base))
    with clock.stage("count"):
        held = _held(folder, manifest)  # adds to the manifest what the catalogue needs
    with clock.stage("index"):
        publisher = catalog.Publisher(settings.publisher, settings.publisher_code, settings.contact)
        described = catalog.describe(manifest, publisher)
        described.serialize(folder / "catalog.ttl", format="turtle", encoding="utf-8")
        held.serialize(folder / "void.ttl", format="turtle", encoding="utf-8")
        about = work / "catalog.nq"
        about.write_bytes(_named_graph((described + held).serialize(format="nt"), graph_of(about, base)))
        manifest["catalogue"] = {"iri": graph_of(about, base), "triples": len(described + held)}
        index.add(about, graph_of(about, base))
        index.optimize()
    if settings.sparq_index:
        with clock.stage("sparq"):
            index.union(folder / SPARQ, work)
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
        "sparq_index": settings.sparq_index,
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


def _count(
    graphs: Sequence[dict[str, Any]],
    quads: Mapping[str, Path],
    folder: Path,
    work: Path,
    base: str,
    old: tuple[Path, dict[str, Any]] | None,
) -> None:
    """The tables that counts are made from, of graphs whose N-Quads are in `quads`.

    That of a graph whose dump is as in the last release, `old`, is linked; checksums in it are of the same code.
    """
    (folder / counts.FOLDER).mkdir(exist_ok=True)
    before = {graph["iri"]: graph["sha256"] for graph in old[1]["graphs"]} if old else {}
    for graph in graphs:
        table = _table(folder, graph)
        if old and before.get(graph["iri"]) == graph["sha256"] and _table(old[0], graph).is_file():
            os.link(_table(old[0], graph), table)
            continue
        lines = quads.get(graph["iri"])
        if lines is None:
            lines = work / f"{table.stem}.counted.nq"
            unpack(folder / graph["file"], lines)
        counts.reduce(lines, graph["iri"], base, table)


def _table(folder: Path, graph: dict[str, Any]) -> Path:
    return folder / counts.FOLDER / f"{graph['iri'].rpartition('/')[2]}.parquet"


def _held(folder: Path, manifest: dict[str, Any]) -> Graph:
    """What the graphs hold, in numbers; what they cover is added to what the manifest says of each."""
    base = manifest["base"]
    tables = {graph["iri"].removeprefix(f"{base}graph/"): _table(folder, graph) for graph in manifest["graphs"]}
    each, whole = counts.count(tables, [one["prefix"] for one in void.linked_datasets()])
    for graph in manifest["graphs"]:
        graph["regions"] = counts.named(_table(folder, graph), extent.REGIONS)
        mine = [folder / table["file"] for table in manifest["tables"] if table["graph"] == graph["iri"]]
        graph["period"] = extent.period(mine)
    titles = {name: about["title"] for name, about in catalog.OWN_GRAPHS.items()}
    titles |= {source["id"]: source["title"] for source in manifest["sources"]}
    return void.describe(manifest, titles, each, whole, _examples(folder, manifest))


def _examples(folder: Path, manifest: dict[str, Any]) -> dict[str, str]:
    """A resource of ours that each graph describes, by the graph's name: that of its first statement about one."""
    base, found = manifest["base"], {}
    for graph in manifest["graphs"]:
        with gzip.open(folder / graph["file"], "rt", encoding="utf-8") as lines:
            ours = (line[1 : line.index(">")] for line in lines if line.startswith(f"<{base}id/"))
            if first := next(ours, None):
                found[graph["iri"].removeprefix(f"{base}graph/")] = first
    return found


def _modified(graph: dict[str, Any], old: tuple[Path, dict[str, Any]] | None) -> str | None:
    """When a graph last changed, if that was before this release: its dump is as in the last one."""
    same = (each for each in (old[1]["graphs"] if old else ()) if each["iri"] == graph["iri"])
    before = next((each for each in same if each["sha256"] == graph["sha256"]), None)
    return str(old[1]["modified"][graph["iri"]]) if old and before else None


def _tables(folder: Path, parts: Iterable[dict[str, Any]], base: str) -> Iterator[dict[str, Any]]:
    """The tables of a release, each with the graph that says the same: its file, size in bytes, and checksum."""
    of = [(f"tables/{stem}.parquet", part["graphs"]) for part in parts for stem in part["tables"]]
    for file, graphs in [*of, ("problems.parquet", [f"{base}graph/quality"])]:
        if graphs:  # else the source is withheld
            size = (folder / file).stat().st_size
            yield {"file": file, "graph": graphs[0], "bytes": size, "sha256": release.sha256(folder / file)}


def _named_graph(triples: str, graph: str) -> bytes:
    """N-Triples as N-Quads in one graph."""
    lines = (line.rstrip().removesuffix(".").rstrip() for line in triples.splitlines() if line.strip())
    return "".join(f"{line} <{graph}> .\n" for line in lines).encode()
