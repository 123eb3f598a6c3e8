"""The characters of a printed page to lines, columns and tables; only geometry, nothing of what the words mean.

A page is read as a person does: ruled tables are tables; where a gutter runs down between two blocks of text, the left
one is read before the right one; else line by line from the top. Nothing is corrected: a word cut at a line's end stays
cut. Coordinates are points (1/72 inch), y upwards, from the corner of the page as it is shown.
"""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final, NamedTuple

#: Between two letters of one word there is less than this part of their height.
_WORD_GAP: Final = 0.22
#: Within a sentence there is less than this; more parts a label from its value, or two columns.
_PART_GAP: Final = 1.4
#: Lines further apart than this part of their height have an empty line between them.
_EMPTY_LINE: Final = 0.9
#: Two pieces stand in one line if they share this part of the lower one's height.
_SAME_LINE: Final = 0.5
#: Rules this near are one.
_SNAP: Final = 2.5
#: More strokes than this, multiplied, are a drawing.
_MOST_CROSSINGS: Final = 1_000_000
_MOST_CELLS: Final = 20_000
#: Columns: this many lines on each side, this full, at most this part of the lines across both.
_COLUMN_LINES: Final = 4
_COLUMN_FULL: Final = 0.8
_TITLE_LINES: Final = 3  # … and at least so many pieces: a title over a short page
_ACROSS: Final = 0.1

Box = tuple[float, float, float, float]


class Char(NamedTuple):
    """A character and its box: left, bottom, right, top."""

    text: str
    x0: float
    y0: float
    x1: float
    y1: float


@dataclass
class Piece:
    """Characters side by side, without a gap that parts them."""

    text: str
    x0: float
    y0: float
    x1: float
    y1: float

    @property
    def height(self) -> float:
        """From its lowest to its highest point, a point at least."""
        return max(self.y1 - self.y0, 1.0)


@dataclass
class TextLine:
    """A line as read, its box, and the targets of links that stand on it."""

    text: str
    box: Box
    links: list[str] = field(default_factory=list)


@dataclass
class Grid:
    """A ruled table: its rows of cells, each of lines; a spanned cell is empty but for its first place."""

    rows: list[list[list[TextLine]]]
    box: Box


@dataclass
class Ruled:
    """Where the rules of a table are: the sides of its columns from the left and of its rows from the top."""

    xs: list[float]
    ys: list[float]
    first: dict[tuple[int, int], tuple[int, int]]  # each cell's first, if it is spanned

    @property
    def box(self) -> Box:
        """What its outer rules enclose."""
        return self.xs[0], self.ys[-1], self.xs[-1], self.ys[0]


def read(chars: Sequence[Char], rules: Sequence[Box]) -> list[TextLine | Grid]:
    """The lines and tables of a page in the order in which they are read."""
    tables = ruled(rules)
    inside: list[dict[tuple[int, int], list[Char]]] = [defaultdict(list) for _ in tables]
    outside: list[Char] = []
    for char in chars if tables else ():
        for at, table in enumerate(tables):
            if (where := _cell_of(char, table)) is not None:
                inside[at][where].append(char)
                break
        else:
            outside.append(char)
    grids = [
        _grid(table, cells) for table, cells in zip(tables, inside, strict=True) if any(map(_filled, cells.values()))
    ]
    return _ordered(pieces(outside if tables else chars), grids)


# --- characters to pieces and lines --------------------------------------------------------------------------------


def pieces(chars: Iterable[Char]) -> list[Piece]:
    """Characters, in the order of the file, to pieces; white space only parts words."""
    made: list[Piece] = []
    letters: list[str] = []
    blank = False
    begin = bottom = right = top = height = 0.0

    def finish() -> None:
        if letters:
            made.append(Piece("".join(letters), begin, bottom, right, top))

    for text, x0, y0, x1, y1 in chars:
        if text.isspace():
            blank = True
            continue
        own = max(1.0, y1 - y0)
        low = min(height, own)
        gap = x0 - right
        if (
            letters
            and (min(top, y1)) - (max(bottom, y0)) > _SAME_LINE * low
            and -0.6 * low < gap < _PART_GAP * (max(0.5 * height, low))
        ):
            letters.append(" " + text if blank or gap > _WORD_GAP * height else text)
            right = max(right, x1)
            bottom = min(bottom, y0)
            top = max(top, y1)
        else:
            finish()
            letters, begin, bottom, right, top = [text], x0, y0, x1, y1
        height = max(1.0, top - bottom)
        blank = False
    finish()
    return made


def lines(found: Iterable[Piece]) -> list[TextLine]:
    """Pieces to lines from the top; what stands apart on a line is parted by a tab."""
    return [_line(row) for row in rows(found)]


def rows(found: Iterable[Piece]) -> list[list[Piece]]:
    """Pieces by the line they stand in, from the top and from the left."""
    made: list[list[Piece]] = []
    for piece in sorted(found, key=lambda p: (-(p.y0 + p.y1), p.x0)):
        # A line is as high as its first piece: a chain of steps does not become one line.
        if made and _beside(made[-1][0], piece):
            made[-1].append(piece)
        else:
            made.append([piece])
    return [sorted(row, key=lambda p: p.x0) for row in made]


def _beside(a: Piece, b: Piece) -> bool:
    return min(a.y1, b.y1) - max(a.y0, b.y0) > _SAME_LINE * min(a.height, b.height)


def _line(row: list[Piece]) -> TextLine:
    text = row[0].text
    for before, piece in pairwise(row):
        gap = piece.x0 - before.x1
        low = min(before.height, piece.height)
        text += ("\t" if gap > _PART_GAP * low else " " if gap > _WORD_GAP * low else "") + piece.text
    return TextLine(text, (row[0].x0, min(p.y0 for p in row), max(p.x1 for p in row), max(p.y1 for p in row)))


# --- reading order -------------------------------------------------------------------------------------------------


def _ordered(found: list[Piece], grids: list[Grid]) -> list[TextLine | Grid]:
    gutter = _gutter(found)
    if gutter is None:
        return _down([*map(_line, rows(found)), *grids])
    left, right = gutter
    bands: list[list[list[Piece]]] = [[]]  # of rows; what crosses the gutter ends a band
    for row in rows(found):
        if any(p.x0 < left and p.x1 > right for p in row):
            bands += [[row], []]
        else:
            bands[-1].append(row)
    bands = [band for band in bands if band]
    tops = [max(p.y1 for p in band[0]) for band in bands]
    ordered: list[TextLine | Grid] = []
    for at, band in enumerate(bands):
        above, below = (tops[at] if at else float("inf")), (tops[at + 1] if at + 1 < len(bands) else float("-inf"))
        tables = [grid for grid in grids if below < grid.box[3] <= above]
        within = [p for row in band for p in row]
        if not _is_columns(within, left, right):
            ordered += _down([*map(_line, band), *tables])
            continue
        for first in (True, False):
            side = lines(p for p in within if (p.x1 <= right) == first)
            ordered += _down([*side, *(grid for grid in tables if (grid.box[0] < left) == first)])
    return ordered


def _down(items: Iterable[TextLine | Grid]) -> list[TextLine | Grid]:
    return sorted(items, key=lambda item: (-_middle(item), item.box[0]))


def _middle(item: TextLine | Grid) -> float:
    """Where a line or table comes on the way down: a table at its upper side."""
    return item.box[3] if isinstance(item, Grid) else (item.box[1] + item.box[3]) / 2


def _gutter(found: list[Piece]) -> tuple[float, float] | None:
    """The sides of the gutter in the middle of a page, if there is one wide enough."""
    if len(found) < 2 * _COLUMN_LINES:
        return None
    x0, x1 = min(p.x0 for p in found), max(p.x1 for p in found)
    best = _widest_free(found, x0 + 0.25 * (x1 - x0), x0 + 0.75 * (x1 - x0))
    wide = 0.8 * statistics.median(p.height for p in found)
    return best if best is not None and best[1] - best[0] >= wide else None


def _is_columns(found: list[Piece], left: float, right: float) -> bool:
    """Whether what stands on both sides of a gutter is read one side after the other.

    A form (labels left, values right) has a gutter too, but is read across. Columns of text are full: their lines reach
    from side to side; columns of cards have "label: value" on both sides.
    """
    sides = lines(p for p in found if p.x1 <= right), lines(p for p in found if p.x1 > right)
    if min(map(len, sides)) < _COLUMN_LINES or not _side_by_side(*sides):
        return False
    # Neither the labels of a form nor its values are both.
    if any(_share(_is_pair(line.text) for line in side) >= 0.6 for side in sides):
        return True
    if _share(line.text.endswith(":") for line in sides[0]) > 0.3:
        return False
    x0, x1 = min(p.x0 for p in found), max(p.x1 for p in found)
    return all(
        statistics.median((line.box[2] - line.box[0]) / (width or 1) for line in side) >= _COLUMN_FULL
        for side, width in zip(sides, (left - x0, x1 - right), strict=True)
    )


def _widest_free(found: list[Piece], low: float, high: float) -> tuple[float, float] | None:
    """The widest strip between two x that (nearly) no piece crosses."""
    events = sorted([(p.x0, 1) for p in found] + [(p.x1, -1) for p in found])
    most = max(_ACROSS * len(found), _TITLE_LINES)
    best, begin, depth = None, None, 0
    for x, change in events:
        depth += change
        if depth <= most and begin is None:
            begin = x
        elif depth > most and begin is not None:
            left, right = max(begin, low), min(x, high)
            if right > left and (best is None or right - left > best[1] - best[0]):
                best = (left, right)
            begin = None
    return best


def _side_by_side(left: list[TextLine], right: list[TextLine]) -> bool:
    """Whether two columns stand beside each other for most of the lower one's height."""
    (a0, a1), (b0, b1) = ((side[-1].box[1], side[0].box[3]) for side in (left, right))
    return min(a1, b1) - max(a0, b0) > 0.5 * min(a1 - a0, b1 - b0)


def _share(told: Iterable[bool]) -> float:
    answers = list(told)
    return sum(answers) / len(answers)


def _is_pair(text: str) -> bool:
    label, colon, value = text.partition(": ")
    return bool(colon and label and value.strip())


def empty_between(upper: TextLine, lower: TextLine) -> bool:
    """Whether an empty line parts two lines that follow each other; from one column to the next there is none."""
    return upper.box[1] - lower.box[3] > _EMPTY_LINE * min(upper.box[3] - upper.box[1], lower.box[3] - lower.box[1])


# --- ruled tables --------------------------------------------------------------------------------------------------


def ruled(rules: Sequence[Box]) -> list[Ruled]:
    """The tables that rules draw: at least two cells; a frame around text and a line under it are none."""
    flat = _merged([(y0, x0, x1) for x0, y0, x1, y1 in rules if y1 - y0 <= x1 - x0])
    upright = _merged([(x0, y0, y1) for x0, y0, x1, y1 in rules if y1 - y0 > x1 - x0])
    if not flat or not upright or len(flat) * len(upright) > _MOST_CROSSINGS:
        return []
    found = [table for group in _crossing(flat, upright) if (table := _table(*group)) is not None]
    # A table within a cell of another is text of that cell.
    return [t for t in found if not any(o is not t and _within(t.box, o.box) for o in found)]


def _merged(strokes: list[tuple[float, float, float]]) -> list[tuple[float, float, float]]:
    """Strokes (where, from, to): those that go on or lie on one another become one."""
    groups: list[list[tuple[float, float, float]]] = []
    for stroke in sorted(strokes):
        if groups and stroke[0] - groups[-1][0][0] <= _SNAP:
            groups[-1].append(stroke)
        else:
            groups.append([stroke])
    made: list[tuple[float, float, float]] = []
    for group in groups:
        where = statistics.fmean(each[0] for each in group)
        (begin, end), *others = sorted((start, stop) for _, start, stop in group)
        for start, stop in others:
            if start > end + _SNAP:
                made.append((where, begin, end))
                begin = start
                end = stop
            end = max(end, stop)
        made.append((where, begin, end))
    return made


_Strokes = list[tuple[float, float, float]]


def _crossing(flat: _Strokes, upright: _Strokes) -> list[tuple[_Strokes, _Strokes]]:
    """The strokes that hang together, by where they cross."""
    parent = list(range(len(flat) + len(upright)))

    def top(at: int) -> int:
        while parent[at] != at:
            parent[at] = parent[parent[at]]
            at = parent[at]
        return at

    for i, (y, x0, x1) in enumerate(flat):
        for j, (x, y0, y1) in enumerate(upright, start=len(flat)):
            if x0 - _SNAP <= x <= x1 + _SNAP and y0 - _SNAP <= y <= y1 + _SNAP:
                parent[top(i)] = top(j)
    groups: dict[int, tuple[_Strokes, _Strokes]] = {}
    for at, stroke in enumerate([*flat, *upright]):
        groups.setdefault(top(at), ([], []))[at >= len(flat)].append(stroke)
    return [group for group in groups.values() if len(group[0]) > 1 and len(group[1]) > 1]


def _table(flat: _Strokes, upright: _Strokes) -> Ruled | None:
    ys = sorted({y for y, _, _ in flat}, reverse=True)
    xs = sorted({x for x, _, _ in upright})
    rows, columns = len(ys) - 1, len(xs) - 1
    if rows < 1 or columns < 1 or not 1 < rows * columns <= _MOST_CELLS:
        return None
    first = {(r, c): (r, c) for r in range(rows) for c in range(columns)}
    beside, below = defaultdict(list), defaultdict(list)
    for x, y0, y1 in upright:
        beside[x].append((y0, y1))
    for y, x0, x1 in flat:
        below[y].append((x0, x1))
    for r in range(rows):
        for c in range(columns):
            middle_x, middle_y = (xs[c] + xs[c + 1]) / 2, (ys[r] + ys[r + 1]) / 2
            if c and not any(a <= middle_y <= b for a, b in beside[xs[c]]):
                _join(first, (r, c - 1), (r, c))
            if r and not any(a <= middle_x <= b for a, b in below[ys[r]]):
                _join(first, (r - 1, c), (r, c))
    tops = {where: _top(first, where) for where in first}
    return Ruled(xs, ys, tops) if len(set(tops.values())) > 1 else None


def _top(first: dict[tuple[int, int], tuple[int, int]], where: tuple[int, int]) -> tuple[int, int]:
    while first[where] != where:
        first[where] = first[first[where]]
        where = first[where]
    return where


def _join(first: dict[tuple[int, int], tuple[int, int]], a: tuple[int, int], b: tuple[int, int]) -> None:
    top, other = sorted((_top(first, a), _top(first, b)))
    first[other] = top


def _within(inner: Box, outer: Box) -> bool:
    return outer[0] <= inner[0] and outer[1] <= inner[1] and inner[2] <= outer[2] and inner[3] <= outer[3]


def _cell_of(char: Char, table: Ruled) -> tuple[int, int] | None:
    x, y = (char.x0 + char.x1) / 2, (char.y0 + char.y1) / 2
    left, bottom, right, top = table.box
    if not (left <= x <= right and bottom <= y <= top):
        return None
    column = next(c for c in range(len(table.xs) - 1) if x <= table.xs[c + 1])
    row = next(r for r in range(len(table.ys) - 1) if y >= table.ys[r + 1])
    return table.first[row, column]


def _filled(chars: list[Char]) -> bool:
    return any(not char.text.isspace() for char in chars)


def _grid(table: Ruled, cells: dict[tuple[int, int], list[Char]]) -> Grid:
    rows = [[lines(pieces(cells.get((r, c), ()))) for c in range(len(table.xs) - 1)] for r in range(len(table.ys) - 1)]
    return Grid(rows, table.box)
