"""The whole corpus into a folder: every sheet in every format, each with a code and a CUP of its own."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.corpus.content import Content, identified, layouts
from tests.corpus.render import FORMATS, Dress, Format


@dataclass(frozen=True)
class Written:
    """A file of the corpus: its name in the folder, the format and dress it has, the sheets in it."""

    name: str
    format: Format
    dress: Dress
    sheets: tuple[Content, ...]


def write(folder: Path, every: int = 1) -> list[Written]:
    """Write every sheet in every format, by format and layout; the dresses take turns.

    With `every` 2, each sheet is written in every second format only, and so on. No name of a file or folder tells the
    layout as `cupola build` looks for it.
    """
    made: list[Written] = []
    for number, form in enumerate(FORMATS):
        for turn, (layout, sheets) in enumerate(layouts().items()):
            some = [sheet for at, sheet in enumerate(sheets, start=number) if at % every == 0]
            mine = [identified(sheet, number, form.extension) for sheet in some]
            for dress, dressed in _dressed(mine, form, turn).items():
                groups = [dressed] if dress.several else [[sheet] for sheet in dressed]
                made += [_written(folder, layout, form, dress, group) for group in groups]
    return made


def _dressed(sheets: Sequence[Content], form: Format, turn: int) -> dict[Dress, list[Content]]:
    """The sheets by the dress each gets: those that fit it take turns."""
    found: dict[Dress, list[Content]] = defaultdict(list)
    for number, sheet in enumerate(sheets, start=turn):
        fitting = [dress for dress in form.dresses if dress.fits(sheet)]
        found[fitting[number % len(fitting)]].append(sheet)
    return found


def _written(folder: Path, layout: str, form: Format, dress: Dress, sheets: Sequence[Content]) -> Written:
    what = "-".join("".join(c if c.isalnum() else " " for c in dress.name).split()).lower()
    stem = what if dress.several else f"{sheets[0].name}-{what}"
    name = f"{form.extension}/of-{layout}/{stem}.{form.extension}"
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(dress.write(sheets))
    return Written(name, form, dress, tuple(sheets))
