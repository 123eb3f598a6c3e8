"""Two releases compared: what the newer one says differently."""

from __future__ import annotations

from pathlib import Path

import click

from cupola.settings import settings_of
from cupola.terminal import OK, PROBLEMS, err, failing_on, out
from etl import changes, release, telling
from etl.settings import Settings


def compare(old: str, new: str | None, releases: Path | None, statements: bool, as_json: bool) -> int:
    """Tell the differences from one release to another (None: the current one), and give the exit code."""
    chosen = settings_of(Settings, releases=releases)
    with failing_on(release.ReleaseError):
        older = release.find(chosen.releases, old)
        newer = release.find(chosen.releases, release.CURRENT if new is None else new)
        for folder in (older, newer):
            release.manifest(folder)  # one that cannot be read is told before anything is compared
    found = release.compare(older, newer) if statements else changes.changes(older, newer)
    if as_json:
        click.echo(found.write_json())
    elif statements:
        for row in found.sort("graph", "subject", "statement", "change").iter_rows(named=True):
            click.echo(f"{'-' if row['change'] == 'removed' else '+'} {row['subject']} {row['statement']}")
        err.print(f"{found.height} statements differ")
    else:
        telling.changes(found, out, err)
    return PROBLEMS if found.height else OK
