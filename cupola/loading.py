"""A release loaded into a store of others, and what came of it told."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from rich.text import Text

from cupola.settings import settings_of
from cupola.terminal import OK, PROBLEMS, err, fail, out, print_json, progress
from endpoint import load as loader
from endpoint.release import NoRelease, current
from endpoint.settings import Settings


def load(
    to: str, query_at: str, releases: Path | None, chunk: int | None, union: bool, fresh: bool, as_json: bool
) -> int:
    """Load the current release into the Graph Store at an address; give the exit code."""
    chosen = settings_of(Settings, releases=releases, load_chunk=chunk)
    try:
        with progress() as tell:
            report = loader.load(
                current(chosen.releases), to, chosen, asked_at=query_at, union=union, fresh=fresh, tell=tell
            )
    except (NoRelease, loader.WrongAddress) as fault:
        fail(str(fault))
    except loader.LoadError as fault:
        fail(str(fault), PROBLEMS)
    except KeyboardInterrupt:
        fail("interrupted; the same command goes on where it was", PROBLEMS)
    if as_json:
        print_json({**dataclasses.asdict(report), "right": report.right})
    else:
        _tell(report)
    return OK if report.right else PROBLEMS


def _tell(report: loader.Report) -> None:
    for graph in report.graphs:
        if graph.right:
            out.print(Text(f"{graph.graph}: {graph.found} triples, {graph.outcome}"))
        else:
            err.print(
                Text(f"{graph.graph}: {graph.found} triples, not {graph.triples}; the same command loads it anew")
            )
    for iri in report.removed:
        out.print(Text(f"{iri}: removed, this release does not have it"))
    if not report.default:
        err.print(
            "A query that names no graph finds nothing there: make the union its default graph (endpoint/engine/"
            "REMOTE.md says how), or load with --union. Cupola's pages need one of them."
        )
    if report.right:
        total = sum(graph.triples for graph in report.graphs if graph.graph != loader.DEFAULT)
        out.print(Text(f"Release {report.release} is at {report.to}: {total} triples in {report.seconds:.1f} s"))
