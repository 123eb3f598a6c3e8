"""A release built, and what came of it told: sheets and rows published, problems, the exit code."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from cupola import sources
from cupola.settings import settings_of
from cupola.terminal import OK, PROBLEMS, err, fail, failing_on, out, print_json, progress
from etl import pipeline, telling
from etl.comparisons import ComparisonError
from etl.index import NotIndexed
from etl.mapping import MappingError
from etl.release import ReleaseError
from etl.settings import Settings
from etl.source import SourceError


def build(
    paths: Sequence[Path], releases: Path | None, source_id: str | None, as_json: bool, fresh: bool
) -> pipeline.Built:
    """Build a release from the paths, else from those of the settings, and tell what was published of them."""
    chosen = settings_of(Settings, releases=releases)
    start = time.perf_counter()
    try:
        with failing_on(ReleaseError, SourceError, MappingError, ComparisonError, NotIndexed), progress() as tell:
            inputs = list(paths) or [Path(p) for p in chosen.inputs]
            forced = sources.named(source_id) if source_id is not None else None
            built = pipeline.build(inputs, chosen, forced, tell, fresh)
    except pipeline.NothingToPublish as nothing:
        telling.problems(nothing.problems, err)
        fail(str(nothing), PROBLEMS)
    telling.problems(built.problems, err)
    told = built.manifest
    if built.unchanged:
        err.print(f"nothing changed since release {told['id']}: it stays (--fresh makes everything anew)")
    telling.validators(told["validators"], err)
    if as_json:
        print_json(told)
        return built
    if any(source["form"] == "table" for source in told["sources"]):
        telling.sources(told, built.problems, err)
    unread = len(_unread(built))  # a file that nobody can read was meant to be a sheet
    numbers = [
        f"{sum(s['published'] for s in of)} of {sum(s['read'] for s in of) + (unread if form == 'sheet' else 0)} {name}"
        for form, name in {"sheet": "sheets", "table": "rows", "linked": "resources of linked data"}.items()
        if (of := [source for source in told["sources"] if source["form"] == form]) or (form == "sheet" and unread)
    ]
    counts = ", ".join(f"{told['problems'][s]} {s}" for s in ("violation", "warning", "info"))
    took = f"{time.perf_counter() - start:.1f} s"
    out.print(f"{', '.join(numbers)} published, {told['triples']} triples, problems: {counts} ({took})")
    out.print(f"release {built.folder}")
    return built


def verdict(built: pipeline.Built, strict: bool) -> int:
    """The exit code of a build: 1 when a record is withheld, or if `strict` any value."""
    lost = sum(source["withheld"] for source in built.manifest["sources"]) + len(built.manifest["withheld"])
    values = built.manifest["problems"]["violation"] if strict else 0
    return PROBLEMS if lost or _unread(built) or values else OK


def _unread(built: pipeline.Built) -> set[str]:
    """The files no source could read."""
    nobody = built.problems["source"].is_null() & (built.problems["severity"] == "violation")
    return set(built.problems["file"].filter(nobody)) - {part["key"] for part in built.manifest["parts"]}
