"""One project sheet's lines to fields with their places; nothing of the sheet gets lost on the way.

Where a value stands
    A label is a whole line (its value on the lines below, blank ones skipped) or the beginning of a line, parted
    from its value by a colon, a bar, a tab, dots, a dash or several spaces; by one space only before an amount, a
    date or a CUP. Order does not matter. A value ends at the next label, heading or word of absence ("Documenti non
    disponibili"), or where `_belongs` says. Text before the first label is the title (the field with `start`),
    up to the first blank line. Text that belongs to nothing becomes a note.

Words of a label inside prose
    After a description's label everything is prose, until a line is a label beyond doubt:
    1. it is a label as a whole, or one before a separator;
    2. the line above does not stop within a sentence (comma, article, preposition, conjunction);
    3. what follows can be a value of that field by its form (an amount, a date, a code have digits and are short, a
       municipality is a short name, an action has a number such as 7.1.1 …), or no value is there: the next line is
       another label, a heading, a word of absence, or the end of the sheet after a blank line; or the label stands
       between blank lines, is of several words or an acronym, and below is something short that is no sentence;
    4. the value stands by itself: its line is followed by a blank line, by a label or heading, by something that looks
       like "label: value", or by the end (not asked where the label is a line of its own after a blank line).
    So "la Città ha attivato…", "Comune di Torino e Regione…", "Azione: il progetto prevede…" stay prose. Outside prose
    a line that is a declared label is one, but for weak separators, which ask for 3.

A guessed label (errors of OCR) asks for 3 everywhere, strictly: a body must begin as bodies do. It is noted.

What the format itself says
    Where a format marks a line as a label, a value or a heading (`etl.documents`), it is one, prose or not. A marked
    label that is none of the layout's is noted with its values and the nearest label. A heading of a section or of a
    group opens it: what a label means may depend on that. Each time a column of a group comes again, a new row begins.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final
from urllib.parse import urljoin

import polars as pl

from etl import dates
from etl.breaks import joint
from etl.documents.model import Datum, Line
from etl.labels import Label, Words, hanging, key, sentence, web
from etl.problems import Unusable
from etl.source import Field, Source

#: A longer opening is a paragraph, no title.
LONGEST_TITLE: Final = 300
#: What may stand where another form is expected ("non ancora richiesto" for a CUP).
SHORT_VALUE: Final = 60
#: Nobody breaks lines by hand after this many characters: a longer line is a paragraph.
LONGEST_BROKEN: Final = 160
#: Letters are not all of one width: a line is full when it has so much of the longest one's letters.
ROOM: Final = 0.9

_UNKNOWN_LABEL: Final = re.compile(r"([^\W\d_][^:.,;]{1,40}):(?:\s+|$)")
_LAST_NUMBER: Final = re.compile(r"(?:(.*, )|^)(line|paragraph) (\d+)")
_LINK: Final = re.compile(r"<([^<>]*)>")
_BULLET: Final = re.compile(r"[-–•*·]\s")
_TENDER_CODE: Final = re.compile(r"[0-9A-Za-z]{10}")
_WORD: Final = re.compile(r"[^\W\d_]+")
_NUMBER: Final = re.compile(r"\d+")
#: One line says it all; one more of the same form is another value (of CUPs `etl.values` must see them all).
_EXACT: Final = ("cup", "code", "amount", "number", "date")


@dataclass(frozen=True)
class Reading:
    """A field's value as found: the label's words (None for an unlabelled title), the text, the place of the text.

    Of a column of a group, `group` names the group and `row` counts its rows from 1.
    """

    field: str
    label: str | None
    value: str
    place: str
    group: str = ""
    row: int = 0

    @property
    def name(self) -> str:
        """The field, with the group it is a column of before it: "financing.amount"."""
        return f"{self.group}.{self.field}" if self.group else self.field


@dataclass(frozen=True)
class Note:
    """Something to report: a code of problems.toml, what it is about, and what else its message needs."""

    code: str
    field: str | None
    label: str | None
    raw: str
    place: str
    extra: dict[str, str] = dataclasses.field(default_factory=dict)


@dataclass(frozen=True)
class Sheet:
    """A sheet as read: its values and its notes, in the order of their lines."""

    readings: list[Reading]
    notes: list[Note]


def span(first: str, last: str) -> str:
    """The place of what reaches from one place to another.

    >>> span("page 2, line 5", "page 2, line 9"), span("line 3", "line 3"), span("/body/p[1]", "/body/p[2]")
    ('page 2, lines 5-9', 'line 3', '/body/p[1] - /body/p[2]')
    """
    if first == last:
        return first
    start, end = _LAST_NUMBER.fullmatch(first), _LAST_NUMBER.fullmatch(last)
    if start and end and start.group(1, 2) == end.group(1, 2):
        return f"{start[1] or ''}{start[2]}s {start[3]}-{end[3]}"
    return f"{first} - {last}"


def fields(lines: Sequence[Line], source: Source) -> Sheet:
    """The fields of one sheet, by the labels of its source; see this module's text for the rules.

    Every line that is not blank is in a reading, in a note, or is a label, a heading, a word of absence or a drawn
    line. Notes are sheet.label-guessed, sheet.unknown-label, sheet.repeated-field and sheet.text-outside. Raises
    Unusable (sheet.no-fields) if there is no label at all.
    """
    reader = _Reader(lines, source)
    for number, line in enumerate(reader.lines):
        if line or lines[number].kind == "break":
            reader.step(number, line)
    return reader.finish()


def with_metadata(told: Sheet, metadata: Sequence[Datum], source: Source) -> Sheet:
    """The sheet with what only the machine-readable part of its page tells; where the two differ, a note.

    What a reader sees comes first: metadata fills a field that has no reading, and replaces none.
    """
    readings, notes = list(told.readings), list(told.notes)
    filled: set[str] = set()
    for datum in metadata:
        field = source.fields.get(source.metadata.get(datum.name, ""))
        if field is None or not datum.value.strip():
            continue
        value = " ".join(datum.value.split())
        seen = [reading for reading in readings if reading.field == field.name and not reading.group]
        if not seen or (field.many and field.name in filled):
            readings.append(Reading(field.name, datum.name, value, datum.place))
            filled.add(field.name)
        elif not any(_same(value, reading.value) or _same_day(value, reading.value, field) for reading in seen):
            extra = {"other": seen[0].value}
            notes.append(Note("sheet.metadata-differs", field.name, datum.name, value, datum.place, extra))
    return Sheet(readings, notes)


def relinked(told: Sheet, source: Source, base: str) -> Sheet:
    """The sheet with the addresses in its fields of addresses as they are from outside the page, which is at `base`."""
    readings = [
        dataclasses.replace(reading, value=_LINK.sub(lambda found: f"<{urljoin(base, found[1])}>", reading.value))
        if not reading.group and source.fields[reading.field].type == "urls"
        else reading
        for reading in told.readings
    ]
    return Sheet(readings, told.notes)


def _same(one: str, other: str) -> bool:
    """Whether one text is the other, or the beginning of it, as pages cut long ones short."""
    first, second = sorted((key(one), key(other)), key=len)
    return bool(first) and second.startswith(first)


def _same_day(one: str, other: str, field: Field) -> bool:
    """Whether two dates written differently are one day: pages have 2024-02-29 beside the 29/02/2024 people see."""
    if field.type not in ("date", "moment"):
        return False
    first, second = dates.read(pl.Series([one, other]))["value"]
    return first is not None and first == second


_Piece = tuple[int, str]  # the line's number and what of it is value


class _Reader:
    """Goes through a sheet once, with one field open at a time."""

    def __init__(self, lines: Sequence[Line], source: Source) -> None:
        self.given = lines
        self.lines = ["" if line.kind == "break" else _text(line.text) for line in lines]
        self.source, self.words = source, Words(source)
        self.below = _below(self.lines)
        self.start = next((f for f in source.fields.values() if f.start), None)
        self.labelled = False  # whether any label was found yet
        self.open: Field | None = self.start
        self.label: str | None = None
        self.unknown: tuple[int, str] | None = None  # a marked label that is none of the layout's
        self.values: list[list[_Piece]] = []
        self.opening: list[_Piece] = []
        self.loose: list[_Piece] = []
        self.seen: dict[str, set[str]] = {}  # each field's values, to know a repeated one
        self.scope = ""  # the section or group that is open
        self.row: dict[str, int] = {}  # the row each group has come to
        self.filled: set[str] = set()  # the columns the open group's row has
        self.readings: list[tuple[int, Reading]] = []
        self.notes: list[tuple[int, Note]] = []

    # --- a line ------------------------------------------------------------------------------------------------------

    def step(self, number: int, line: str) -> None:
        match self.given[number].kind:
            case "break":
                self.filled.clear()  # a table's next row
            case "label":
                self._marked(number, line)
            case "value" if self.open is not None or self.unknown is not None:
                self._told(number, line)
            case "heading":
                self._heading(number, line)
            case _:
                self._plain(number, line)

    def _plain(self, number: int, line: str) -> None:
        label = self._label(number, line)
        if label is not None:
            self._begin(number, label)
        elif self.words.absent(line) and not (self.values and self._in_prose):
            if (self.labelled or self.unknown) and not self.values:
                self._close()  # the open field is said to be absent
        else:
            self._take(number, self._linked(number, line))

    def _marked(self, number: int, line: str) -> None:
        """A line the format says is a label."""
        label = self.words.label(line, self.scope) or self.words.guess(line, self.scope)
        if label is not None:
            self._begin(number, label)
        else:
            self._close()
            self.unknown = (number, line.rstrip(" :"))

    def _told(self, number: int, line: str) -> None:
        """A line the format says is a value: of the label before it, and never a label itself."""
        if self.words.absent(line):
            return
        piece = (number, self._linked(number, line))
        to = self.open
        parted = to is not None and (to.many or to.type in _EXACT)
        broken = self.values and to is not None and joint(to.type, self.values[-1][-1][1], piece[1]) is not None
        if self.values and (broken or not parted):
            self.values[-1].append(piece)
        else:
            self.values.append([piece])

    def _heading(self, number: int, line: str) -> None:
        """A line the format says is a heading: of a section or field, or the title; else what is below is its own."""
        label = self.words.label(line, self.scope) or self.words.guess(line, self.scope)
        if label is not None:
            self._begin(number, label)
        elif self.labelled or self.start is None or self.opening or self.values:
            self._close()
            self.unknown = (number, line)
        else:
            self._take(number, line)

    def _linked(self, number: int, line: str) -> str:
        """A line with the addresses its links lead to, where addresses are wanted."""
        links = self.given[number].links
        if self.open is None or self.open.type != "urls" or not links:
            return line
        return line if links == (line,) else "\n".join(f"{line} <{link}>" for link in links)

    @property
    def _in_prose(self) -> bool:
        return self.open is not None and self.open.prose

    def _begin(self, number: int, label: Label) -> None:
        opening = not self.labelled and not self.values and not self.opening
        self._close()
        self.open, self.label = label.field, label.found
        if label.field is None and opening:
            self.open, self.label = self.start, None  # the title is still to come
        self._enter(label)
        self.labelled = self.labelled or label.field is not None
        if label.guessed:
            name = label.field.name if label.field else None
            extra = {"score": str(label.score)}
            self._note(number, "sheet.label-guessed", name, label.declared, label.found, [number], extra)
        if label.field is not None and label.beside:
            if self.words.absent(label.beside):
                self._close()
            else:
                self.values = [[(number, label.beside)]]

    def _enter(self, label: Label) -> None:
        """Where a label leads: into a section or group, to the next row of one, or out of it."""
        grouped = label.field is not None and label.field.group
        if label.field is None or self.scope in self.source.groups:
            if label.scope != self.scope:
                self.filled.clear()
            self.scope = label.scope
        if label.field is not None and grouped:
            if not self.filled or label.field.name in self.filled:
                self.row[grouped] = self.row.get(grouped, 0) + 1
                self.filled.clear()
            self.filled.add(label.field.name)

    def _take(self, number: int, text: str) -> None:
        piece = (number, text)
        if self.unknown is not None:
            self.values.append([piece])
        elif self.open is None:
            self.loose.append(piece)
        elif not self.values:
            self.values.append([piece])
        else:
            belongs = self._belongs(self.open, self.values[-1], piece)
            if belongs is None:
                self._close()
                self.loose.append(piece)
            elif belongs:
                self.values[-1].append(piece)
            else:
                self.values.append([piece])

    def _belongs(self, to: Field, value: list[_Piece], piece: _Piece) -> bool | None:
        """Whether a line goes on with the value above it (True), is another value of the field (False), or neither."""
        (last, above), (number, text) = value[-1], piece
        if to.prose or (number - last == 1 and joint(to.type, above, text) is not None):
            return True
        if to.type in _EXACT:
            alike = any(map(str.isdigit, text)) and _form(text) == _form(value[0][1])
            return to.type == "cup" if alike else None
        if to.type == "cig":
            return False if to.many and _TENDER_CODE.fullmatch(text) else None
        near = number - last == 1
        if near and to.type != "urls" and (hanging(above) or text[:1].islower()):
            return True
        if to.many and ((to.type == "bodies" and self.words.body(text)) or (to.type == "urls" and web(text))):
            return False
        return True if near and to.type == "text" and not _UNKNOWN_LABEL.match(text) else None

    # --- is it a label? ----------------------------------------------------------------------------------------------

    def _label(self, number: int, line: str) -> Label | None:
        """The label in a line, unless it is prose, or the value of something else."""
        label = self.words.label(line, self.scope)
        if label is not None:
            return label if self._accepted(number, label) else None
        label = self.words.guess(line, self.scope)
        if label is None or not self._fits(number, label):
            return None
        return label if self._accepted(number, label) else None

    @property
    def _guarded(self) -> bool:
        return self._in_prose or not self.labelled

    def _accepted(self, number: int, label: Label) -> bool:
        if not self._guarded:
            return label.firm or self._fits(number, label)
        if label.field is not None and label.field is self.open and self.values and self._in_prose:
            return False  # a description's own heading within it
        if not self.labelled and self._after_blank(number) and (not label.beside or self._fits(number, label)):
            return True
        if not self.labelled and label.firm and label.field is not None and label.field.type in _EXACT:
            return True
        if self._in_prose and not self.values and not label.beside:
            return True  # right below the description's label: it is empty
        return self._beyond_doubt(number, label)

    def _beyond_doubt(self, number: int, label: Label) -> bool:
        """Rules 2 to 4 of this module's text."""
        if not self._after_blank(number) and hanging(self.lines[number - 1]):
            return False
        if self._in_prose and label.found[:1].islower() and label.found.endswith(".") > label.declared.endswith("."):
            return False  # the end of a sentence
        if not self._fits(number, label):
            return self._between_blanks(number, label)
        if label.field is None:
            return self._after_blank(number) or self._known(self.below[number])
        if label.beside:
            return label.field.prose or self._ends(number)
        if self._after_blank(number):
            return True
        following = self.below[number]
        if following is None:
            return False
        if self._known(following):
            return not label.guessed
        return label.field.prose or self._ends(following)

    def _between_blanks(self, number: int, label: Label) -> bool:
        """Whether a label that is no word of prose stands by itself above something short (rule 3, "da definire")."""
        following = self.below[number]
        apart = self._after_blank(number) and following is not None and following > number + 1
        unlike_prose = " " in label.declared or label.declared.isupper()
        if label.beside or label.guessed or following is None or not (apart and unlike_prose):
            return False
        return len(self.lines[following]) <= SHORT_VALUE and not sentence(self.lines[following])

    def _fits(self, number: int, label: Label) -> bool:
        """Whether what follows a label can be its value, or is none (rule 3)."""
        if label.field is None:
            return True
        following = self.below[number]
        if not label.beside and (following is None or self._known(following)):
            return True
        value = label.beside or self.lines[following or 0]
        return self.words.could_be(label.field, value, doubtful=label.guessed)

    def _known(self, number: int | None) -> bool:
        """Whether a line is a declared label, a heading or a word of absence, judged by itself."""
        if number is None:
            return False
        if self.given[number].kind in ("label", "heading"):
            return True
        label = self.words.label(self.lines[number], self.scope)
        if label is not None:
            return label.field is None or not label.beside or self.words.could_be(label.field, label.beside)
        return self.words.absent(self.lines[number])

    def _ends(self, number: int) -> bool:
        """Whether a value on this line stands by itself (rule 4)."""
        following = number + 1
        if following == len(self.lines) or not self.lines[following] or self._known(following):
            return True
        return bool(_UNKNOWN_LABEL.match(self.lines[following]))

    def _after_blank(self, number: int) -> bool:
        return number == 0 or not self.lines[number - 1]

    # --- what was found ----------------------------------------------------------------------------------------------

    def _close(self) -> None:
        """The open field's values become readings, an unknown label's a note; then no field is open."""
        if self.unknown is not None:
            self._not_known(*self.unknown, [piece for pieces in self.values for piece in pieces])
            self.unknown, self.values = None, []
        for pieces in self.values:
            if self.label is None:
                self.opening = pieces  # the title, unless a labelled one comes
            elif self.open is not None:
                self._read(self.open, self.label, pieces)
        self.open, self.label, self.values = None, None, []

    def _read(self, of: Field, label: str | None, pieces: list[_Piece]) -> None:
        numbers = [number for number, _ in pieces]
        value = _paragraphs(pieces, self.given) if of.prose else _joined(of, pieces)
        if of.group:
            told = Reading(of.name, label, value, self._span(numbers), of.group, self.row[of.group])
            self.readings.append((numbers[0], told))
            return
        others = self.seen.setdefault(of.name, set())
        if _plain(value) in others:
            return
        others.add(_plain(value))
        if len(others) > 1 and not of.many:
            self._note(numbers[0], "sheet.repeated-field", of.name, of.label, value, numbers)
        else:
            self.readings.append((numbers[0], Reading(of.name, label, value, self._span(numbers))))

    def _not_known(self, at: int, label: str, pieces: Sequence[_Piece]) -> None:
        """A note of a label that is none of the layout's, with what stands under it."""
        raw = "\n".join(text for _, text in pieces)
        extra = {"nearest": self.words.nearest(label) or "–"}
        self._note(at, "sheet.unknown-label", None, label, raw or label, [at, *(n for n, _ in pieces)], extra)

    def _span(self, numbers: Sequence[int]) -> str:
        return span(self.given[numbers[0]].place, self.given[numbers[-1]].place)

    def _note(
        self,
        at: int,
        code: str,
        name: str | None,
        label: str | None,
        raw: str,
        numbers: list[int],
        extra: dict[str, str] | None = None,
    ) -> None:
        self.notes.append((at, Note(code, name, label, raw, self._span(numbers), extra or {})))

    def finish(self) -> Sheet:
        """All that was found, or Unusable if no line was a label."""
        self._close()
        if not self.labelled:
            labels = [f.label for f in self.source.fields.values() if f.expected and not f.start]
            raise Unusable("sheet.no-fields", allowed=", ".join(labels))
        if self.start is not None and self.opening:
            titles = self.seen.get(self.start.name, set())
            opening = " ".join(text for _, text in self.opening)
            if not titles and len(opening) <= LONGEST_TITLE:
                self._read(self.start, None, self.opening)
            elif _plain(opening) not in titles:
                self.loose += self.opening
        for block in self._blocks(sorted(self.loose)):
            self._outside(block)
        return Sheet(
            [reading for _, reading in sorted(self.readings, key=lambda found: found[0])],
            [note for _, note in sorted(self.notes, key=lambda found: found[0])],
        )

    def _outside(self, block: Sequence[_Piece]) -> None:
        """Notes of text that belongs to nothing: each "Words: value" in it may be a label we do not know."""
        starts = [
            found if self.given[number].kind == "text" and (found := _UNKNOWN_LABEL.match(text)) else None
            for number, text in block
        ]
        cuts = [n for n, found in enumerate(starts) if found or n == 0]
        for at, end in pairwise([*cuts, len(block)]):
            (number, text), found = block[at], starts[at]
            if found:
                beside = [(number, text[found.end() :])] if text[found.end() :] else []
                self._not_known(number, found[1], [*beside, *block[at + 1 : end]])
            else:
                raw = "\n".join(text for _, text in block[at:end])
                self._note(number, "sheet.text-outside", None, None, raw, [n for n, _ in block[at:end]])

    def _blocks(self, pieces: Sequence[_Piece]) -> list[list[_Piece]]:
        """Pieces with nothing but blank lines between them, together."""
        blocks: list[list[_Piece]] = []
        for piece in pieces:
            if blocks and self.below[blocks[-1][-1][0]] == piece[0]:
                blocks[-1].append(piece)
            else:
                blocks.append([piece])
        return blocks


def _text(line: str) -> str:
    """A line without spaces around; a drawn one ("-----", "=====", "|---|---|") is as good as a blank one."""
    line = line.strip().strip("\ufeff").strip()
    one_stroke = len(line) > 2 and line[0] in "-_=~#" and len(set(line)) == 1
    return "" if one_stroke or ("---" in line and set(line) <= set("-|+: ")) else line


def _below(lines: Sequence[str]) -> list[int | None]:
    """For each line the number of the next that is not blank."""
    below: list[int | None] = [None] * len(lines)
    for number in range(len(lines) - 2, -1, -1):
        below[number] = number + 1 if lines[number + 1] else below[number + 1]
    return below


def _paragraphs(pieces: Sequence[_Piece], given: Sequence[Line]) -> str:
    """Prose with a blank line between paragraphs; lines broken by hand are joined again.

    A line break parts paragraphs if the sentence is over and the line is either longer than anybody breaks lines or
    so short that the next word would have fitted, and before a bullet.
    """
    width = max((len(text) for _, text in pieces if len(text) <= LONGEST_BROKEN), default=0)
    prose = pieces[0][1]
    for (last, above), (number, text) in pairwise(pieces):
        meant = len(above) > LONGEST_BROKEN or len(above) + 1 + len(text.split(" ", 1)[0]) <= ROOM * width
        blank = any(line.kind != "break" for line in given[last + 1 : number])  # a page ends within a paragraph
        parted = blank or _BULLET.match(text) or (sentence(above) and meant)
        prose += ("\n\n" if parted else " ") + text
    return prose


def _joined(of: Field, pieces: Sequence[_Piece]) -> str:
    """A value's lines as one: a code or a number goes on where its line broke."""
    value = above = pieces[0][1]
    for _, text in pieces[1:]:
        between = joint(of.type, above, text)
        value, above = value + (" " if between is None else between) + text, text
    return value


def _form(text: str) -> str:
    """What a value looks like: "C19J21037430006" and "F31B19000990001" are alike."""
    return _NUMBER.sub("9", _WORD.sub("A", text))


def _plain(value: str) -> str:
    """What makes two values the same: neither spaces nor case."""
    return " ".join(value.split()).casefold()
