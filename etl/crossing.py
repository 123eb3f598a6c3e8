"""The sources crossed by CUP, as a part of a release of its own: tables, a graph, and what validation says of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from importlib.resources import files
from pathlib import Path
from typing import Final

import polars as pl

from etl import gate, link, mapping
from etl.clock import Clock
from etl.parts import LINKS, Crossing, Part, Prepared, Reused
from etl.quality import shacl_problems
from etl.settings import Settings
from etl.source import sources

_RULES: Final = Path(str(files("etl"))) / "link.yml"


def cross(parts: Sequence[Part], settings: Settings, work: Path, clock: Clock) -> Crossing:
    """What the sources know of each CUP and where they disagree; N-Quads and tables are left in `work`."""
    known = sources()
    tabled = {part.key: part for part in parts if part.key in known and isinstance(part, Prepared | Reused)}
    frames = {key: part.frames()[key] for key, part in tabled.items()}
    days = {key: _day(part) for key, part in tabled.items()}
    with clock.stage("link"):
        crossed = link.cross_reference(frames, known, days, frozenset(settings.complete))
        tables = link.publishable(crossed, settings.base)
        for stem, table in tables.items():
            table.write_parquet(work / f"{stem}.parquet")
        found = {
            "discrepancies": crossed.discrepancies,
            "claims": crossed.claims,
            "cups": crossed.states,
            "lookups": crossed.lookups,
            "shared-lots": crossed.shared_lots,
        }
        paths = {name: work / f"{name}.parquet" for name in found}
        for name, table in found.items():
            table.write_parquet(paths[name])
        rules, quads = mapping.load(_RULES, settings.base), work / f"{LINKS}.nq"
        mapping.write(rules, work, quads)
    with clock.stage("validate"):
        checked = gate.passed(LINKS, [quads], work, settings)
    return Crossing(
        quads=quads,
        tables=paths,
        problems=shacl_problems(checked.results, _NO_OWNERS, {LINKS: _NO_RECORDS}, LINKS),
        report=checked.report,
        validator=checked.validator,
        numbers={
            "cups": crossed.states.height,
            "discrepancies": dict(crossed.discrepancies["comparison"].value_counts().sort("comparison").iter_rows()),
        },
    )


_NO_OWNERS: Final = pl.DataFrame(schema=dict.fromkeys(("iri", "table", "record"), pl.String))
_NO_RECORDS: Final = pl.DataFrame(schema=dict.fromkeys(("record", "file", "place"), pl.String))


def _day(part: Part) -> date | None:
    """The date a source says it is of."""
    told = part.about[0]["date"]
    return date.fromisoformat(told) if told else None
