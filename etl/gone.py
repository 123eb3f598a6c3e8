"""Resources that an earlier release described and this one does not: their addresses answer that they are gone.

They are carried on from release to release, each with the last one that described it, until it is described again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import polars as pl

from etl.index import Index, unpack

#: `path` is the resource's address below the base, `last` the release that described it last.
SCHEMA: Final = pl.Schema({"path": pl.String(), "last": pl.String()})
FILE: Final = "gone.parquet"


def vanished(
    old: tuple[Path, dict[str, Any]] | None, folder: Path, graphs: Sequence[dict[str, Any]], base: str, index: Index
) -> pl.DataFrame:
    """What the release in `folder`, with these graphs, does not describe any more: SCHEMA, in order of the path.

    `old` is the release before it, `graphs` are as the manifests have them. Graphs whose dump is the same in both are
    not opened, unless something is lost and there is no index to ask.
    """
    if old is None or old[1]["base"] != base:
        return SCHEMA.to_frame()
    before, manifest = old
    told = before / FILE
    known = pl.read_parquet(told) if told.exists() else SCHEMA.to_frame()
    sums = {graph["iri"]: graph["sha256"] for graph in graphs}
    changed = [graph for graph in manifest["graphs"] if sums.get(graph["iri"]) != graph["sha256"]]
    ours = {graph["iri"]: folder / graph["file"] for graph in graphs}
    lost = [known]
    for graph in changed:
        now = ours.get(graph["iri"])
        there = _subjects(now, folder, base) if now else SCHEMA.to_frame().select("path")
        gone = _subjects(before / graph["file"], folder, base).join(there, on="path", how="anti")
        lost.append(gone.with_columns(last=pl.lit(manifest["id"])))
    candidates = pl.concat(lost).unique("path", keep="first")
    return _not_described(candidates, ours.values(), folder, base, index).sort("path")


def _not_described(
    candidates: pl.DataFrame, dumps: Iterable[Path], folder: Path, base: str, index: Index
) -> pl.DataFrame:
    """Those of the resources that no graph of the release describes."""
    if candidates.is_empty():
        return candidates
    there = index.described(base + path for path in candidates["path"])
    if there is not None:
        known = pl.DataFrame({"path": [iri.removeprefix(base) for iri in there]}, schema={"path": pl.String})
        return candidates.join(known, on="path", how="anti")
    for dump in dumps:
        candidates = candidates.join(_subjects(dump, folder, base), on="path", how="anti")
    return candidates


def _subjects(dump: Path, folder: Path, base: str) -> pl.DataFrame:
    """The resources under the base's id/ that a dump describes: their paths, each once."""
    quads = folder / f"{dump.name}.subjects"
    unpack(dump, quads)
    start = f"<{base}id/"
    # No line of N-Quads holds a control character, so this separates nothing.
    lines = pl.scan_csv(
        quads, has_header=False, separator="\x01", quote_char=None, infer_schema=False, glob=False,
        raise_if_empty=False, schema={"line": pl.String},
    )  # fmt: skip
    mine = lines.filter(pl.col("line").str.starts_with(start))
    path = pl.col("line").str.extract(r"^<([^>]*)>").str.strip_prefix(base).alias("path")
    found = mine.select(path).unique().collect(engine="streaming")
    quads.unlink()
    return found
