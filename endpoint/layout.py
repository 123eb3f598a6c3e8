"""Where the boxes and lines of a diagram go, from left to right in layers.

Layers, and the order in each, are fast_sugiyama's (https://doi.org/10.1109/TSMC.1981.4308636). It takes all boxes for
equally large, so how high they stand in their layer is computed here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from fast_sugiyama import from_edges

MARGIN = 10.0
BETWEEN = 14.0  # two boxes of a layer
GAP = 40.0  # two layers
ROW = 900.0  # the least width of the rows that groups of joined boxes are put in
ROUNDS = 24  # after which no box moves to be seen

Segments = Sequence[tuple[int, int]]


@dataclass(eq=False)
class Box:
    """Something with a size, to be placed; a box without size keeps the place where a line passes through a layer."""

    width: float = 0
    height: float = 0
    x: float = 0
    y: float = 0
    inset: float = 0  # how much narrower than its layer it is, on each side

    @property
    def middle(self) -> float:
        """Half way down."""
        return self.y + self.height / 2

    @property
    def right(self) -> float:
        """Where it ends."""
        return self.x + self.width


@dataclass(frozen=True)
class Layout:
    """The line of each edge, as the path of an SVG, and the size of it all; the boxes know their own places."""

    lines: list[str]
    width: float
    height: float


def lay_out(boxes: Sequence[Box], edges: Sequence[tuple[int, int]]) -> Layout:
    """Place the boxes, and draw a line for each edge (numbers of boxes) from the first to the second.

    An edge back to where another came from asks for no place of its own: its line is the other's.
    """
    wanted = [(a, b) for a, b in dict.fromkeys(edges) if a != b]
    wanted = [edge for n, edge in enumerate(wanted) if edge[::-1] not in wanted[:n]]
    ways: dict[tuple[int, int], list[Box]] = {}
    groups: list[list[Box]] = []
    # Of names the layout would depend on the order of a set; numbers give the same drawing in every process.
    found = from_edges(wanted, dummy_vertices=True, ranking_type="minimize", transpose=True) if wanted else []
    for positions, _, _, segments in found:
        placed = {int(n): boxes[int(n)] if int(n) < len(boxes) else Box() for n, _ in positions}
        # The library's layers go up from the bottom, ours from the left.
        steps: dict[float, list[tuple[float, int]]] = {}
        for n, (across, up) in positions:
            steps.setdefault(-up, []).append((across, int(n)))
        layers = [[placed[n] for _, n in sorted(step)] for _, step in sorted(steps.items())]
        parts = [(int(a), int(b)) for a, b in segments or ()]
        _place(layers, [(placed[a], placed[b]) for a, b in parts])
        ways |= {(way[0], way[-1]): [placed[n] for n in way] for way in _ways(parts, len(boxes))}
        groups.append(list(placed.values()))
    joined = {n for edge in wanted for n in edge}
    groups += [[box] for n, box in enumerate(boxes) if n not in joined]
    width, height = _in_rows(groups)
    return Layout([_line(_way(ways, boxes, edge)) for edge in edges], width, height)


def _ways(segments: Segments, real: int) -> Iterable[list[int]]:
    """Each edge as the numbers of its ends and of what it passes through, which are those past the real ones."""
    after = {a: b for a, b in segments if a >= real}
    for a, b in segments:
        if a < real:
            way = [a, b]
            while way[-1] >= real:
                way.append(after[way[-1]])
            yield way


def _way(ways: Mapping[tuple[int, int], list[Box]], boxes: Sequence[Box], edge: tuple[int, int]) -> list[Box]:
    """What the line of an edge passes through; where edges run in a circle, one of them was laid out backwards."""
    a, b = edge
    return ways.get((a, b)) or ways.get((b, a), [])[::-1] or [boxes[a], boxes[b]]


def _place(layers: list[list[Box]], edges: list[tuple[Box, Box]]) -> None:
    """Put the layers side by side, and each box beside those it is joined to, as near as its neighbours allow."""
    x = 0.0
    for layer in layers:
        width = max(box.width for box in layer)
        for box in layer:
            box.width = box.width or width  # a line goes straight through its layer
            box.inset = (width - box.width) / 2
            box.x = x + box.inset
        x += width + GAP
    joined: dict[Box, list[Box]] = {}
    for a, b in edges:
        joined.setdefault(a, []).append(b)
        joined.setdefault(b, []).append(a)
    for turn in range(ROUNDS):
        for layer in layers if turn % 2 else reversed(layers):
            _stack(layer, [sum(near.middle for near in joined[box]) / len(joined[box]) for box in layer])


def _stack(layer: list[Box], wishes: list[float]) -> None:
    """Put the middles of a layer's boxes as near to where they wish as their order and sizes allow, by least squares.

    Less the room of the boxes before them, the places may not fall; where the wishes do, neighbours share their mean
    (pool adjacent violators, https://doi.org/10.1214/aoms/1177728423).
    """
    room = [0.0]
    for a, b in pairwise(layer):
        room.append(room[-1] + (a.height + b.height) / 2 + BETWEEN)
    pools: list[tuple[float, int]] = []
    for wish, before in zip(wishes, room, strict=True):
        mean, number = wish - before, 1
        while pools and pools[-1][0] > mean:
            other, more = pools.pop()
            mean, number = (mean * number + other * more) / (number + more), number + more
        pools.append((mean, number))
    places = [mean for mean, number in pools for _ in range(number)]
    for box, before, place in zip(layer, room, places, strict=True):
        box.y = place + before - box.height / 2


def _in_rows(groups: list[list[Box]]) -> tuple[float, float]:
    """Put groups of boxes side by side, in rows as wide as the widest of them; gives the size of all."""
    sizes = [(max(b.right for b in group) - min(b.x for b in group)) for group in groups]
    widest = max([ROW, *sizes])
    x = y = bottom = MARGIN
    for group, size in zip(groups, sizes, strict=True):
        if x > MARGIN and x + size > MARGIN + widest:
            x, y = MARGIN, bottom + BETWEEN
        left, top = min(box.x for box in group), min(box.y for box in group)
        for box in group:
            box.x, box.y = box.x - left + x, box.y - top + y
            bottom = max(bottom, box.y + box.height)
        x += size + GAP
    return max((box.right for group in groups for box in group), default=0) + MARGIN, bottom + MARGIN


def _line(way: list[Box]) -> str:
    """The line through these boxes: bent between layers, straight within one, so that it covers no other box."""
    side = 1 if way[0].x < way[-1].x else -1  # to the right, or back to the left
    drawn = [f"M{_edge(way[0], side):.0f} {way[0].middle:.0f}"]
    for before, box in pairwise(way):
        start, end = _edge(before, side) + side * before.inset, _edge(box, -side) - side * box.inset
        half = (start + end) / 2
        bend = f"C{half:.0f} {before.middle:.0f} {half:.0f} {box.middle:.0f} {end:.0f} {box.middle:.0f}"
        drawn.append(f"H{start:.0f}{bend}H{_edge(box, -side if box is way[-1] else side):.0f}")
    return "".join(drawn)


def _edge(box: Box, side: int) -> float:
    return box.right if side > 0 else box.x
