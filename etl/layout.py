"""An open document -> the sheets in it, each as lines; and which source's layout it has.

Tables become labels and values here, so that what understands them (`etl.sheet`) is the same for every format:

* a head and rows: each row is its cells, each under the label above it. Where the head names columns of a group (the
  money of each fund and year), the rows are that group's; where it names fields of records, each row is a sheet;
* else each row is a label and its values; cells that are known labels begin a new one ("CUP | … | CIG | …");
* columns drawn with spaces, tabs or bars in plain text count as a table where their head names columns of a group.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from operator import itemgetter
from typing import Final

from etl.documents.model import Cell, Document, Kind, Line, Table
from etl.labels import Words, key
from etl.source import Group, Source

#: A document is of a layout if it has at least so many of its labels.
LEAST: Final = 2

_BEGINNING: Final = 50  # lines in which the heading a sheet begins with is looked for
_GAP: Final = re.compile(r"\s*(?:\t|\s{2,}|\|)\s*")
_YEAR: Final = re.compile(r"\D*((?:19|20)\d\d)\D*")


@dataclass(frozen=True)
class Part:
    """One sheet of a document: its lines, and where it begins ("" if it is the whole document)."""

    lines: tuple[Line, ...]
    place: str = ""


def sheets(document: Document, source: Source) -> list[Part]:
    """The sheets of a document, in their order.

    Another one begins at a new page, tab or row, or at the heading the layout begins with, where a CUP or a project
    code stands that is not the current sheet's.
    """
    words = Words(source)
    found: list[tuple[list[Line], dict[str, str]]] = []
    for piece in _pieces(_lines(document.blocks, words, source), words):
        told = _identity(piece, words)
        if found and not any(value != told.get(name, value) for name, value in found[-1][1].items()):
            found[-1][0].extend(piece)
            found[-1][1].update(told)
        else:
            found.append((list(piece), told))
    if len(found) == 1:
        return [Part(tuple(found[0][0]))]
    return [Part(tuple(lines), _start(lines)) for lines, _ in found]


def recognised(document: Document, candidates: Iterable[Source]) -> list[Source]:
    """The source whose layout the document has; several if it might be of each, none if none has enough labels in it.

    It is the one with the most of its fields' labels there, the heading it begins with, and terms of the metadata, less
    what the document itself marks as labels that are none of the layout's.
    """
    terms = {datum.name for datum in document.metadata}
    scores: list[tuple[int, Source]] = []
    for source in candidates:
        words = Words(source)
        blocks = _nested(document.blocks, words, source)
        texts = [text for block in blocks for text in _texts(block)]
        marked = {line.text for line in blocks if isinstance(line, Line) and line.kind == "label"}
        known = _labels(texts, words) | _groups(blocks, words, source)
        told = sum(words.begins(text) for text in texts[:_BEGINNING]) + len(terms & set(source.metadata))
        score = len(known) + told - sum(not _labels([text], words) for text in marked)
        if len(known) + told >= LEAST:
            scores.append((score, source))
    return [source for score, source in scores if score == max(scores, key=itemgetter(0))[0]]


def _labels(texts: Iterable[str], words: Words) -> set[str]:
    """What of a layout stands in texts: the fields whose labels they are or begin with, the groups, the sections."""
    labels = [label for text in texts if (label := words.label(text)) and (label.field or label.scope)]
    return {label.field.name if label.field else label.scope for label in labels}


def _groups(blocks: Iterable[Line | Table], words: Words, source: Source) -> set[str]:
    """The columns of groups that the heads of tables name, each with its group."""
    heads = [block.rows[0] for block in blocks if isinstance(block, Table) and block.rows]
    told = [(head, group) for head in heads if (group := _group(head, words, source))]
    return {f"{group.name}.{column}" for head, group in told for column in _columns(head, words, group)}


def _texts(block: Line | Table) -> Iterator[str]:
    """What may be a label in a block."""
    if isinstance(block, Table):
        yield from (cell.text for row in block.rows for cell in row)
    elif block.kind != "value":
        yield block.text


# --- where a sheet begins ----------------------------------------------------------------------------------------


def _pieces(lines: Iterable[Line], words: Words) -> Iterator[list[Line]]:
    """The lines between breaks and beginnings: each piece is of one sheet."""
    piece: list[Line] = []
    for line in lines:
        if piece and (line.kind == "break" or (line.kind in ("text", "heading") and words.begins(line.text))):
            yield piece
            piece = []
        piece.append(line)
    if piece:
        yield piece


def _identity(lines: Sequence[Line], words: Words) -> dict[str, str]:
    """What tells a sheet from another: the first value of each field of identity, by the field's name."""
    found: dict[str, str] = {}
    for number, line in enumerate(lines):
        label = words.label(line.text) if line.kind in ("text", "label") else None
        if label and label.field and (label.field.type == "cup" or label.field.name == "local_code"):
            below = (each.text for each in lines[number + 1 :] if each.text and each.kind != "label")
            value = key(label.beside or next(below, ""))
            if any(map(str.isdigit, value)):
                found.setdefault(label.field.name, value)
    return found


def _start(lines: Sequence[Line]) -> str:
    return next((line.place for line in lines if line.text or line.kind == "break"), "")


# --- tables ------------------------------------------------------------------------------------------------------


def _lines(blocks: Sequence[Line | Table], words: Words, source: Source) -> Iterator[Line]:
    """The blocks as lines, their tables as labels and values."""
    for block in _drawn(_nested(blocks, words, source), words, source):
        if isinstance(block, Line):
            yield block
        else:
            yield from _table(block, words, source)


def _table(table: Table, words: Words, source: Source) -> Iterator[Line]:
    for rows in _blocks(table, words):
        yield from _block(rows, table.place, words, source)


def _blocks(table: Table, words: Words) -> Iterator[list[Sequence[Cell]]]:
    """The rows with text; of a tab, what empty rows part, but for the records that go on below a head."""
    blocks: list[list[Sequence[Cell]]] = [[]]
    for row in table.rows:
        if any(cell.text for cell in row):
            if _is_heading(row, words):
                blocks += [[row], []]
            else:
                blocks[-1].append(row)
        elif table.grid and blocks[-1]:
            fields, aside = _known(blocks[-1], words)
            if fields < 2 or fields <= aside:
                blocks.append([])
    yield from filter(None, blocks)


def _is_heading(row: Sequence[Cell], words: Words) -> bool:
    """Whether a row is nothing but the heading of what is below."""
    told = [cell for cell in row if cell.text]
    label = words.label(told[0].text) if len(told) == 1 else None
    return label is not None and label.field is None


def _known(rows: Sequence[Sequence[Cell]], words: Words) -> tuple[int, int]:
    """How many cells of the first row are labels, and how many of the first column."""
    return sum(words.known(cell.text) for cell in rows[0]), sum(words.known(row[0].text) for row in rows)


def _block(rows: Sequence[Sequence[Cell]], place: str, words: Words, source: Source) -> Iterator[Line]:
    head, *below = rows
    fields, aside = _known(rows, words)
    group = _group(head, words, source) if below else None
    if group and fields > sum(words.column(cell.text, group.name) is not None for cell in head):
        group = None  # records may have what a group's rows have, too
    if group:
        yield Line(group.labels[0] if group.labels else "", place, "heading")
        yield from _rows(head, below, words, group)
    elif below and fields > 1 and fields > aside:
        yield from _rows(head, below, words)
    elif aside or len(head) == 2 or not (below and all(cell.header for cell in head)):
        for number, row in enumerate(rows):
            yield from _pairs(row, words, opening=number == 0)
    else:
        yield from _rows(head, below, words)
    yield Line("", place)


def _group(head: Sequence[Cell], words: Words, source: Source) -> Group | None:
    """The group most of whose columns a table's head names: more than one, or one and those told across."""
    best, most = None, -1
    for group in source.groups.values():
        named = len(_columns(head, words, group))
        told = sum(_is_across(cell, group) for cell in head)
        if (named > 1 or (named and told) or (told > 1 and group.across)) and named > most:
            best, most = group, named
    return best


def _columns(head: Iterable[Cell], words: Words, group: Group) -> set[str]:
    """The columns of a group that a table's head names."""
    return {column.name for cell in head if (column := words.column(cell.text, group.name))}


def _is_across(cell: Cell, group: Group) -> bool:
    return bool(group.across) and group.columns[group.across].type == "year" and bool(_YEAR.fullmatch(cell.text))


def _rows(
    head: Sequence[Cell], below: Sequence[Sequence[Cell]], words: Words, group: Group | None = None
) -> Iterator[Line]:
    """Each row as its cells under the labels of the head; in a group, a cell told across is a row of its own."""
    totals = {key(total) for total in group.totals} if group else set()
    for row in below:
        first = next(cell for cell in row if cell.text)
        yield Line("", first.place, "break")
        if group and key(first.text) in totals:
            yield from _pair(first, [cell for cell in row if cell.text and cell is not first])
            if group.labels:  # a sum may be a field of the record: what is below is the group's again
                yield Line(group.labels[0], first.place, "heading")
            continue
        pairs = [(top, cell) for top, cell in zip(head, row, strict=True) if cell.text and not words.absent(cell.text)]
        across = [(top, cell) for top, cell in pairs if group and _is_across(top, group)]
        sums = [(top, cell) for top, cell in pairs if across and key(top.text) in totals]
        alone = [pair for pair in pairs if pair not in across and pair not in sums]
        for number, crossed in enumerate(across or [None]):
            if number:
                yield Line("", first.place, "break")
            for top, cell in alone:
                yield from _pair(top, [cell])
            if crossed is not None and group is not None:
                year, cell = crossed
                yield from _pair(_called(group, group.across, year), [Cell(_YEAR.sub(r"\1", year.text), year.place)])
                yield from _pair(_called(group, group.cell, cell), [cell])
        for top, cell in sums:  # the sum of a row is told once, not for each column
            yield from _pair(top, [cell])


def _called(group: Group, column: str, cell: Cell) -> Cell:
    """The label of a column that is not written in the table."""
    return Cell(group.columns[column].label, cell.place)


def _pairs(row: Sequence[Cell], words: Words, *, opening: bool = False) -> Iterator[Line]:
    """A row as labels, each with its values; what stands alone in the first is a heading, not a label without value."""
    told = [cell for cell in row if cell.text]
    if len(told) == 1:
        (only,) = told
        empty: Kind = "label" if only is row[0] and len(row) > 1 else "text"
        heading = (only.header and empty == "text") or (opening and not words.known(only.text))
        yield Line(only.text, only.place, "heading" if heading else empty, only.links)
        return
    label, values = told[0], list[Cell]()
    for cell in told[1:]:
        if values and (words.known(cell.text) or (cell.header and not values[-1].header)):
            yield from _pair(label, values)
            label, values = cell, []
        else:
            values.append(cell)
    yield from _pair(label, values)


def _pair(label: Cell, values: Sequence[Cell]) -> Iterator[Line]:
    yield Line(label.text, label.place, "label")
    for cell in values:
        if 1 < len(cell.lines) == len(cell.links):
            linked = zip(cell.lines, cell.links, strict=True)
            yield from (Line(text, cell.place, "value", (link,)) for text, link in linked)
        elif len(cell.lines) > 1 and not cell.links:
            yield from (Line(text, cell.place, "value") for text in cell.lines)
        else:
            yield Line(cell.text, cell.place, "value", cell.links)


# --- names within names --------------------------------------------------------------------------------------------


def _nested(blocks: Sequence[Line | Table], words: Words, source: Source) -> list[Line | Table]:
    """The blocks, with dotted labels ("Dati finanziari.Importo erogato") as headings and labels, a group's as rows."""
    made: list[Line | Table] = []
    rows: list[tuple[Line, list[Cell]]] = []  # of a group: each label, and its values
    scope = above = ""
    for block in blocks:
        label = block if isinstance(block, Line) and block.kind == "label" else None
        if rows and isinstance(block, Line) and block.kind == "value":
            rows[-1][1].append(Cell(block.text, block.place, links=block.links))
            continue
        heading, opened, name = _within(label.text, words, source) if label else ("", "", "")
        if rows and opened != scope:
            made += _objects(rows, words, source.groups[scope])
            rows = []
        if label and opened:
            scope, above = opened, ""
            rows.append((replace(label, text=name), []))
        elif label and heading:
            made += [Line(heading, label.place, "heading")] if heading != above else []
            made.append(replace(label, text=name))
            above = heading
        else:
            made.append(block)
            above = "" if label or (isinstance(block, Line) and block.kind == "break") else above
    return [*made, *_objects(rows, words, source.groups[scope])] if rows else made


def _within(text: str, words: Words, source: Source) -> tuple[str, str, str]:
    """The heading in a dotted label, the group it opens, and the label below it; "" where there is none.

    A dot may be part of a label ("R.U.P.") or heading, so one parts only what stands below a heading.
    """
    if not words.known(text):
        for dot in re.finditer(r"\.", text):
            before, name = text[: dot.start()], text[dot.end() :]
            for heading in (before, before.rpartition(".")[2]):
                opened = words.label(heading)
                if name and opened is not None and opened.field is None and opened.declared:
                    return heading, opened.scope if opened.scope in source.groups else "", name
    return "", "", ""


def _objects(rows: Sequence[tuple[Line, list[Cell]]], words: Words, group: Group) -> Iterator[Line]:
    """What the objects of a list say, each a row of the group."""
    heads = {label.text: Cell(label.text, label.place, header=True) for label, _ in rows}
    objects: dict[str, dict[str, Cell]] = {}
    for label, values in rows:
        place = values[0].place if values else label.place
        cell = Cell(" ".join(each.text for each in values), place)
        objects.setdefault(label.place.rpartition("/")[0], {})[label.text] = cell
    body = [tuple(found.get(name, Cell("", place)) for name in heads) for place, found in objects.items()]
    yield Line(group.labels[0] if group.labels else "", next(iter(objects)), "heading")
    yield from _rows(list(heads.values()), body, words, group)


# --- tables without rules ------------------------------------------------------------------------------------------


def _drawn(blocks: Sequence[Line | Table], words: Words, source: Source) -> Iterator[Line | Table]:
    """The blocks, with columns that are only drawn (with spaces, tabs, bars) made tables, where they are a group's."""
    at = 0
    while at < len(blocks):
        block = blocks[at]
        head = _cells(block) if isinstance(block, Line) and source.groups else []
        rows = [head]
        if len(head) > 1 and _group(head, words, source):
            for below in blocks[at + 1 :]:
                cells = _cells(below) if isinstance(below, Line) else []
                if len(cells) != len(head):
                    break
                rows.append(cells)
        if len(rows) > 1:
            yield Table(tuple(map(tuple, rows)), block.place)
            at += len(rows)
        else:
            yield block
            at += 1


def _cells(line: Line) -> list[Cell]:
    if line.kind != "text":
        return []
    parts = [part for part in _GAP.split(line.text.strip(" |")) if part]
    return [Cell(part, line.place) for part in parts]
