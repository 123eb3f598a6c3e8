"""How well sheets of every layout and format are read: the corpus (tests/corpus), built and compared with its content.

    python -m benchmarks.corpus [--keep DIR]

A table a format and a table a layout: sheets, those published, the values in the content, those published as they are
there, those that are not, problems (told by the sheets' content, or not), and the seconds reading took (opening and
understanding; the whole build is told below). With --keep the files and the release stay in DIR.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from etl import pipeline, sheets
from etl.inputs import Input
from etl.settings import Settings
from etl.source import sources
from tests.corpus.check import Outcome, outcomes
from tests.corpus.write import Written, write


@dataclass(frozen=True)
class Measured:
    """The outcome of every sheet, and the seconds that reading each file and building the release took."""

    outcomes: list[Outcome]
    reading: dict[str, float]
    building: float


def measure(folder: Path) -> Measured:
    """Write the corpus into a folder, read each file alone, and build a release of all."""
    corpus = write(folder / "corpus")
    reading = {file.name: _read(file, folder / "corpus") for file in corpus}
    start = time.perf_counter()
    built = pipeline.build([folder / "corpus"], Settings(releases=folder / "releases"))
    return Measured(outcomes(built.folder, corpus), reading, time.perf_counter() - start)


def _read(file: Written, folder: Path) -> float:
    source = sources()[file.sheets[0].layout]
    start = time.perf_counter()
    sheets.read([Input(folder / file.name, file.name, source)], source)
    return time.perf_counter() - start


def table(title: str, measured: Measured, of: Callable[[Outcome], str]) -> Table:
    """The measures, a row for each of what `of` tells, and their sums."""
    made = Table(title=title)
    made.add_column(title.split()[-1])
    for name in ("sheets", "published", "fields", "right", "wrong", "problems", "not declared", "seconds"):
        made.add_column(name, justify="right")
    for name in dict.fromkeys(map(of, measured.outcomes)):
        made.add_row(name, *_row([each for each in measured.outcomes if of(each) == name], measured))
    made.add_section()
    made.add_row("all", *_row(measured.outcomes, measured))
    return made


def _row(mine: Sequence[Outcome], measured: Measured) -> list[str]:
    counts = (
        len(mine),
        sum(each.published for each in mine),
        sum(each.fields for each in mine),
        sum(each.right for each in mine),
        sum(len(each.wrong) + len(each.surplus) for each in mine),
        sum(each.problems for each in mine),
        sum(len(each.unexpected) for each in mine),
    )
    seconds = sum(measured.reading[name] for name in {each.file.name for each in mine})
    return [*map(str, counts), f"{seconds:.2f}"]


def main() -> None:
    """Build, measure, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--keep", type=Path, metavar="DIR", help="leave the corpus and the release here")
    keep: Path | None = parser.parse_args().keep
    console = Console(width=140, soft_wrap=True)
    with nullcontext(str(keep)) if keep else tempfile.TemporaryDirectory() as folder:
        measured = measure(Path(folder))
        console.print(table("By format", measured, lambda each: each.file.format.extension))
        console.print(table("By layout", measured, lambda each: each.sheet.layout))
        for each in measured.outcomes:
            for told in (*each.wrong, *each.surplus, *each.unexpected, *(f"not told: {m}" for m in each.missed)):
                console.print(f"{each.file.name}, {each.sheet.name}: {told[:160]}", markup=False, highlight=False)
        console.print(f"The whole build, with validation and index: {measured.building:.1f} s")


if __name__ == "__main__":
    main()
