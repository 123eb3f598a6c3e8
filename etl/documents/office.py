"""What DOCX and ODT have in common: paragraphs and tables, counted as they come, each with its place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from etl.documents.limits import Counted
from etl.documents.model import Cell, Kind, Line, Table
from etl.documents.runs import Run, all_bold, cell, lines


@dataclass
class Found:
    """A cell as it is read: its lines, whether all of them are bold, how many columns and rows it takes."""

    lines: list[Line]
    bold: bool
    across: int = 1
    down: int = 1
    header: bool = False
    repeated: bool = False  # goes on from the row above: its place is empty


@dataclass
class Writer:
    """Takes what a reader finds, in its order; `blocks` and `ignored` are the document's."""

    blocks: list[Line | Table] = field(default_factory=list)
    ignored: list[Line] = field(default_factory=list)
    counted: Counted = field(default_factory=Counted)
    paragraphs: int = 0
    tables: int = 0

    def paragraph(self, parts: Sequence[Sequence[Run]], kind: Kind = "text", level: int = 0) -> None:
        """A paragraph of the body, in the parts in which pages part it; one without text is a blank line."""
        self.paragraphs += 1
        place = f"paragraph {self.paragraphs}"
        before = self.blocks[-1] if self.blocks else None
        told = any(run.text.strip() for runs in parts for run in runs)
        if told and kind == "text" and isinstance(before, Line) and before.text and before.kind in ("text", "value"):
            self.blocks.append(self.counted.line(Line("", place)))  # a reader sees where one ends
        for at, runs in enumerate(parts):
            if at:
                self.blocks.append(self.counted.line(Line("", place, "break")))
            made = lines(runs, place, kind, level, numbered=True, keep=True)
            self.blocks += map(self.counted.line, made or ([Line("", place)] if len(parts) == 1 else []))

    def break_(self) -> None:
        """A new page: before the next paragraph."""
        if self.blocks:
            self.blocks.append(self.counted.line(Line("", f"paragraph {self.paragraphs + 1}", "break")))

    def aside(self, runs: Sequence[Run], place: str) -> None:
        """Text that is no part of the body: headers, footers, notes, what is hidden."""
        made = lines(runs, place, numbered=True, keep=True)
        self.ignored += (self.counted.line(replace(line, kind="text")) for line in made if line.text)

    def table(self, rows: Sequence[Sequence[Found]], place: str) -> None:
        """A table; one without text leaves nothing."""
        width = counted = 0
        placed: list[list[tuple[int, Found]]] = []
        full: dict[int, int] = {}
        for at, row in enumerate(rows):
            placed.append([])
            column = 0
            for each in row:
                while full.get(column, 0) > at:
                    column += 1
                self.counted.table(1, each.across)
                counted += each.across
                placed[-1].append((column, each))
                for one in range(column, column + each.across):
                    full[one] = at + each.down
                column += each.across
            width = max(width, column)
        if not any(line.text or line.links for row in rows for each in row for line in each.lines):
            return
        self.counted.table(1, max(len(rows) * width - counted, 0))  # the places that were left empty
        bold = sum(each.bold for row in rows for each in row)
        texts = sum(any(line.text for line in each.lines) for row in rows for each in row)
        made = []
        for at, cells in enumerate(placed, start=1):
            places = [f"{place}, row {at}, column {column}" for column in range(1, width + 1)]
            line = [Cell("", where) for where in places]
            for column, each in cells:
                if not each.repeated or each.lines:
                    header = each.header or (each.bold and bold < texts)
                    line[column] = cell(each.lines, places[column], header)
            made.append(tuple(line))
        self.blocks.append(Table(tuple(made), place))


def cell_lines(paragraphs: Sequence[Sequence[Run]]) -> tuple[list[Line], bool]:
    """The lines of a cell's paragraphs, and whether all of them are bold."""
    found: list[Line] = []
    for runs in paragraphs:
        made = lines(runs, "", keep=True)
        found += [*([Line("", "")] if found and made else []), *made]
    return found, all_bold(run for runs in paragraphs for run in runs)
