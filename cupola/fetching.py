"""Documents got from the web, and what became of each told."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import etl.fetch
from cupola import sources
from cupola.settings import settings_of
from cupola.terminal import OK, PROBLEMS, err, fail, failing_on, out, print_json, progress
from etl import telling
from etl.problems import Unusable
from etl.source import SourceError


def fetch(urls: Sequence[str], list_: Path | None, source_id: str | None, folder: Path | None, as_json: bool) -> int:
    """Get the documents named and those of a list, else those that a source's site lists; give the exit code."""
    chosen = settings_of(etl.fetch.FetchSettings, fetch_folder=folder)
    try:
        with failing_on(Unusable, SourceError, ValueError):
            named = [*urls, *(etl.fetch.addresses(list_) if list_ is not None else ())]
            source = sources.named(source_id) if source_id is not None else None
            with progress() as tell:
                if named or list_ is not None:
                    report = etl.fetch.fetch(named, chosen, source_id or "", tell)
                elif source is not None and source.harvest is not None:
                    report = etl.fetch.harvest(source.harvest, chosen, source.id, tell)
                else:
                    where = "name the addresses, or give --list"
                    fail(f"the source {source_id} has no [harvest] in its source.toml: {where}")
    except KeyboardInterrupt:
        fail("interrupted; the same command goes on where it was", PROBLEMS)
    if as_json:
        outcomes = [dataclasses.asdict(outcome) for outcome in report.outcomes]
        told = {"resumed": report.resumed, "complete": report.complete, "counts": report.counts, "outcomes": outcomes}
        print_json({"folder": str(report.folder), "warc": str(report.warc), **told})
    else:
        telling.fetched(report, out, err)
    return OK if report.fine else PROBLEMS
