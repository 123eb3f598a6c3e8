"""One file looked at without publishing it: what was read, what is wrong, and what would be published."""

from __future__ import annotations

import tempfile
from pathlib import Path

import click
import polars as pl
from rich.table import Table
from rich.text import Text

from cupola import sources
from cupola.settings import settings_of
from cupola.terminal import OK, PROBLEMS, err, failing_on, out, print_json
from etl import linked, parts, pipeline, preparation, telling
from etl.inputs import find_inputs, unreadable
from etl.mapping import MappingError
from etl.settings import Settings
from etl.source import SourceError

#: Statements of more bytes than this are counted, not shown: a table has millions.
SHOWN = 300_000
NOTHING = "[bold]Nothing would be published.[/bold]"


def check(path: Path, source_id: str | None, as_json: bool) -> int:
    """Tell what a sheet, a table or a file of linked data comes to; give the exit code."""
    chosen = settings_of(Settings)
    with failing_on(SourceError, MappingError), tempfile.TemporaryDirectory() as work:
        items = find_inputs([path], sources.named(source_id) if source_id is not None else None)
        if path.is_dir() or len(items) != 1:
            raise click.UsageError(f"{path} is a folder: check takes one sheet; cupola build takes folders")
        item = items[0]
        if item.source is not None:
            ready = pipeline.look_at(item, item.source, chosen, Path(work))
            found = ready.problems
            _tell(path, ready, as_json)
        elif linked.reads(path):
            data = preparation.prepare_linked(item, set(), chosen, Path(work))
            found = data.problems
            _tell_linked(data, as_json)
        else:
            found = unreadable(item)
            _tell_unread(found, as_json)
    return PROBLEMS if (found["severity"] != "info").any() else OK


def _tell(path: Path, ready: parts.Prepared, as_json: bool) -> None:
    """The fields of a sheet with their places, and the statements that would be published."""
    if as_json:
        read, found = ready.readings.to_dicts(), ready.problems.to_dicts()
        print_json({"read": read, "problems": found, "published": ready.turtle()})
        return
    table = Table("field", "read as", "at", box=None, title=f"What was read from {path}", title_justify="left")
    for row in ready.readings.iter_rows(named=True):
        table.add_row(row["field"], Text(row["raw"] if len(row["raw"]) < 90 else row["raw"][:87] + "…"), row["place"])
    if table.row_count:
        out.print(table)
    telling.problems(ready.problems, out)
    telling.validators([{"source": str(path), **ready.validator}], err)
    if ready.quads.stat().st_size > SHOWN:
        out.print(f"{ready.published} of {ready.read} rows would be published; cupola build {path} publishes them")
    elif statements := ready.turtle():
        out.print("\n[bold]What would be published[/bold]")
        out.print(Text(statements.strip()))
    else:
        out.print(NOTHING)


def _tell_linked(ready: parts.Linked, as_json: bool) -> None:
    """What a file of linked data holds, graph by graph."""
    told = [{"graph": g.id, "title": g.title["en"], "resources": len(g.subjects)} for g in ready.sources]
    if as_json:
        print_json({"graphs": told, "problems": ready.problems.to_dicts()})
        return
    telling.problems(ready.problems, out)
    for graph in told:
        out.print(f"{graph['graph']}: {graph['resources']} resources, {graph['title']}")
    if not told:
        out.print(NOTHING)


def _tell_unread(found: pl.DataFrame, as_json: bool) -> None:
    """Why nothing reads a file."""
    if as_json:
        print_json({"read": [], "problems": found.to_dicts(), "published": ""})
        return
    telling.problems(found, out)
    out.print(NOTHING)
