"""A person's own list of CUPs, checked against a release or joined to OpenCUP; what is found is written beside it."""

from __future__ import annotations

import tempfile
from pathlib import Path

import polars as pl

from cupola import sources
from cupola.settings import settings_of
from cupola.terminal import OK, PROBLEMS, fail, failing_on, out, print_json, progress
from endpoint.dossier.many import summaries
from endpoint.release import NoRelease
from endpoint.settings import Settings
from etl import lists, release, tabular
from etl.problems import Unusable


def check(path: Path, column: str | None, output: Path | None, releases: Path | None, as_json: bool) -> int:
    """Check every CUP of a list against the current release; give the exit code."""
    chosen = settings_of(Settings, releases=releases)
    target = output or path.with_name(f"{path.stem}-checked.csv")
    with failing_on(Unusable, NoRelease, release.ReleaseError, ValueError):
        release.find(chosen.releases)
        table = lists.read(path, column)
        codes = lists.checked(table)
        asked = codes[lists.CODE].drop_nulls().unique(maintain_order=True).to_list()
        with progress() as tell:
            answers = summaries(chosen, asked, lambda done, total: tell("check", done, total))
            found = lists.with_answers(table, codes, answers)
        lists.write(found, target, found.width - table.rows.width)
    _tell(found, target, as_json)
    return PROBLEMS if (found[lists.STATE] == lists.MALFORMED).any() else OK


def link(path: Path, opencup: Path, column: str | None, output: Path | None, as_json: bool) -> None:
    """Join a list to a file of OpenCUP by CUP."""
    target = output or path.with_name(f"{path.stem}-linked{'.xlsx' if path.suffix.lower() == '.xlsx' else '.csv'}")
    source = sources.named("opencup")
    with failing_on(lists.ListError, Unusable):
        table = lists.read(path, column)
        codes = lists.checked(table)
        with tempfile.TemporaryDirectory() as work:
            register = tabular.table(opencup, source, Path(work))
            named = [theirs for theirs, ours in register.fields.items() if ours == "cup"]
            if not named:
                fail(f"{opencup}: there is no column CUP; there are: {', '.join(register.columns)}")
            found = lists.joined(table, codes, register.rows, named[0])
        lists.write(found, target, found.width - table.rows.width)
    _tell(found, target, as_json)


def _tell(found: pl.DataFrame, target: Path, as_json: bool) -> None:
    counts = dict(found[lists.STATE].value_counts(sort=True).iter_rows())
    if as_json:
        print_json({"rows": found.height, "states": counts, "file": str(target)})
        return
    out.print(f"{found.height} rows: {', '.join(f'{count} {state}' for state, count in counts.items())}")
    out.print(f"written to {target}")
