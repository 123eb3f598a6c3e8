"""The sources Cupola can read: one of them by its id, or all of them in a table."""

from __future__ import annotations

import click
from rich.table import Table

from cupola.terminal import failing_on, out, print_json
from etl.source import Source, SourceError, sources


def named(source_id: str) -> Source:
    """The source with an id; it is wrong usage to name one that is not there."""
    known = _known()
    if source_id not in known:
        raise click.BadParameter(f"{source_id!r}; there are: {', '.join(known)}", param_hint="--source")
    return known[source_id]


def show(as_json: bool) -> None:
    """Tell the sources: what they are, which files, which licence."""
    known = _known().values()
    if as_json:
        print_json([{"id": s.id, "title": s.title, "files": s.patterns, "licence": s.licence} for s in known])
        return
    table = Table("source", "title", "files", "fields", "licence", box=None)
    for source in known:
        table.add_row(source.id, source.title["en"], " ".join(source.patterns), str(len(source.fields)), source.licence)
    out.print(table)


def _known() -> dict[str, Source]:
    with failing_on(SourceError):
        return sources()
