"""What a build did and found, in lines for a person at a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import polars as pl
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from etl.fetch import Report


def changes(found: pl.DataFrame, lines: Console, summary: Console) -> None:
    """One line a change, CUP first; then how many CUPs changed in each source."""
    for row in found.sort("cup", "source", "record", "field", nulls_last=False).iter_rows(named=True):
        what = {
            "added": "+ in", "removed": "- no more in", "changed": "~ in",
        }.get(row["change"], row["change"].replace("-", " ") + ":")  # fmt: skip
        where = f"{row['cup'] or ''} {what} {row['source']}".strip()
        value = f": {row['field']}: {row['old'] or '(none)'} -> {row['new'] or '(none)'}"
        record = f" ({row['record']})" if row["record"] and row["record"] != row["cup"] else ""
        lines.print(Text(where + record + (value if row["change"] == "changed" else f" {row['field'] or ''}".rstrip())))
    counted = found.group_by("source", maintain_order=True).agg(pl.col("cup").n_unique(), changes=pl.len())
    told = [f"{row['source']}: {row['changes']} changes in {row['cup']} CUPs" for row in counted.iter_rows(named=True)]
    summary.print("; ".join(told) or "nothing differs")


#: Problems of one kind and field that are told of a file; the others are counted. All are in problems.parquet.
TOLD: Final = 5


def problems(found: pl.DataFrame, console: Console) -> None:
    """One line a problem: file, place, what was found, what is allowed; then what is suggested.

    Of many of one kind in a file the first are told, and how many more there are.
    """
    colours = {"violation": "red", "warning": "yellow", "info": "dim"}
    kind = ["file", "field", "code", "severity"]
    numbered = found.with_columns(
        number=pl.int_range(1, pl.len() + 1).over(kind), more=pl.len().over(kind).cast(pl.Int64) - TOLD
    )
    for row in numbered.filter(pl.col("number") <= TOLD).iter_rows(named=True):
        where = ", ".join(part for part in (row["file"], row["place"], row["field"]) if part)
        line = Text(f"{where}: " if where else "")
        line.append(f"{row['severity']}: ", style=colours[row["severity"]])
        line.append(row["message_en"] or row["message_it"] or row["code"])
        if row["suggestion"]:
            line.append(f"; suggested, not applied: {row['suggestion']}")
        if row["reason_en"]:
            line.append(f" ({row['reason_en']})")
        line.append(f" [{row['code']}]", style="dim")
        console.print(line)
        if row["number"] == TOLD and row["more"] > 0:
            more = f"{row['file'] or ''}: … and {row['more']} more of this kind{_in_field(row['field'])}"
            console.print(Text(f"{more} [{row['code']}]", style="dim"))


def _in_field(name: str | None) -> str:
    return f", in {name}" if name else ""


def sources(manifest: Mapping[str, Any], found: pl.DataFrame, console: Console) -> None:
    """The sources, with what was read, published and wrong; and where time and memory went."""
    codes = found.group_by("source", "code").len().sort("len", "code", descending=[True, False])
    table = Table("source", "of", _number("read"), _number("published"), "problems by code", box=None)
    for told in manifest["sources"]:
        mine = codes.filter(pl.col("source") == told["id"])
        wrong = ", ".join(f"{code} {number}" for _, code, number in mine.iter_rows())
        table.add_row(told["id"], told.get("date") or "", str(told["read"]), str(told["published"]), wrong)
    console.print(table)
    seconds, memory = manifest["timings"], manifest["memory"]
    stages = Table("stage", _number("seconds"), _number("MB at most"), box=None)
    for stage in sorted(seconds, key=lambda name: -seconds[name]):
        stages.add_row(stage, f"{seconds[stage]:.1f}", str(memory.get(stage, "")))
    console.print(stages)
    if links := manifest["links"]["discrepancies"]:
        numbers = ", ".join(f"{name} {number}" for name, number in links.items())
        console.print(f"the sources disagree on {numbers} (tables/discrepancies.parquet)")


def _number(name: str) -> Column:
    return Column(name, justify="right")


def validators(told: Iterable[Mapping[str, Any]], console: Console) -> None:
    """What another engine than the chosen one validated, and why: one line a shape."""
    for validator in told:
        for each in validator["fell_back"]:
            part = each["part"] or "all shapes"
            console.print(Text(f"{validator['source']}: {part} validated by {each['engine']}: {each['reason']}"))


def fetched(report: Report, out: Console, err: Console) -> None:
    """What became of each address, but those where nothing changed; how many of each, and where the copies are."""
    for outcome in report.outcomes:
        if outcome.kind != "unchanged":
            out.print(Text(f"{outcome.kind:10} {outcome.url}  {outcome.message_en or outcome.path}"))
    counts = ", ".join(f"{count} {kind}" for kind, count in report.counts.items()) or "nothing to get"
    err.print(Text(f"{counts}; copies in {report.folder}, archive {report.warc.name}"))
    if report.resumed:
        err.print("an interrupted fetch was gone on with")
    if not report.complete:
        err.print("the listing was not read whole: what it does not name is not taken for vanished")
