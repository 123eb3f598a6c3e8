"""JSON to labels and values: each key a label, each value where its pointer says (/progetti/0/cup).

Numbers keep their digits as written. A list of objects that say more than what is around them is a list of records:
before each a break. https://www.rfc-editor.org/rfc/rfc8259, https://www.rfc-editor.org/rfc/rfc6901
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Final

from etl import read as plain
from etl.documents.limits import Counted, limits, too_deep
from etl.documents.model import Line
from etl.documents.runs import split
from etl.problems import Unusable

_WORDS: Final = {True: "true", False: "false", None: ""}


@dataclass(frozen=True)
class _Object:
    """An object's members in their order: a key that comes twice comes twice."""

    members: list[tuple[str, _Value]]


_Value = _Object | list["_Value"] | str | bool | None


def read(data: bytes) -> tuple[tuple[Line, ...], str]:
    """The labels and values of a JSON text, and its encoding.

    Raises Unusable: file.malformed, file.too-deep, file.too-many-blocks.
    """
    text, encoding = _decoded(data)
    try:
        value = json.loads(text, parse_int=str, parse_float=str, parse_constant=_no_constant, object_pairs_hook=_Object)
    except RecursionError as error:
        raise too_deep(limits().blocks.levels) from error
    except json.JSONDecodeError as error:
        told = f"{error.msg}, line {error.lineno} column {error.colno}"
        raise _malformed(told, f"riga {error.lineno}, colonna {error.colno}") from error
    reader = _Reader()
    reader.value(value, "", "", 1, 0)
    return tuple(reader.lines), encoding


def _decoded(data: bytes) -> tuple[str, str]:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        try:
            return data.decode("utf-16"), plain.UTF16
        except UnicodeDecodeError as error:
            raise _malformed(
                f"UTF-16 broken at byte {error.start}", f"UTF-16 interrotto al byte {error.start}"
            ) from error
    return plain.utf8_or_windows(data)


def _no_constant(name: str) -> str:
    raise _malformed(f"{name} is no number of JSON", f"{name} non è un numero in JSON")


def _malformed(found: str, found_it: str) -> Unusable:
    return Unusable("file.malformed", format="JSON", found=found, found_it=found_it)


class _Reader:
    def __init__(self) -> None:
        self.lines: list[Line] = []
        self.counted = Counted()

    def value(self, value: _Value, label: str, place: str, depth: int, around: float) -> None:
        """A value with all that is in it.

        `label` is its dotted name within the record, `place` its pointer, `around` how many members the objects around
        it have, the largest: nothing is more than a record's.
        """
        if depth > limits().blocks.levels:
            raise too_deep(limits().blocks.levels)
        if isinstance(value, _Object):
            self._object(value, label, place, depth, around)
        elif isinstance(value, list):
            records = _are_records(value, around)
            for at, each in enumerate(value):
                where = f"{place}/{at}"
                if records:
                    self._add(Line("", where, "break"))
                    self.value(each, "", where, depth + 1, math.inf)
                else:
                    self.value(each, label, where, depth + 1, around)
        else:
            self._told(value, place)

    def _object(self, value: _Object, label: str, place: str, depth: int, around: float) -> None:
        own = _said(value)
        for key, each in value.members:
            where = f"{place}/{key.replace('~', '~0').replace('/', '~1')}"
            name = ".".join(filter(None, (label, " ".join(key.split()))))
            if name and not _holds_objects(each):
                self._add(Line(name, where, "label"))
            self.value(each, name, where, depth + 1, max(around, own))

    def _told(self, value: str | bool | None, place: str) -> None:
        text = value if isinstance(value, str) else _WORDS[value]
        written = split(text)
        for at, line in enumerate(written):
            if line:
                self._add(Line(line, place, "value"))
            elif any(written[:at]) and any(written[at:]):  # a blank line parts paragraphs
                self._add(Line("", place))

    def _add(self, line: Line) -> None:
        self.lines.append(self.counted.line(line))


def _holds_objects(value: _Value) -> bool:
    """Whether what a value says has labels of its own."""
    return isinstance(value, _Object) or (isinstance(value, list) and any(map(_holds_objects, value)))


def _said(value: _Value) -> int:
    """How many values an object says itself, in the objects within it too, but for lists of objects."""
    if isinstance(value, _Object):
        return sum(_said(each) for _, each in value.members)
    return 0 if _are_records(value, 0) else 1


def _are_records(value: _Value, around: float) -> bool:
    """Whether a value is a list of objects, its first of more members than there are `around` it."""
    if not isinstance(value, list) or not value or not all(isinstance(each, _Object) for each in value):
        return False
    return isinstance(value[0], _Object) and len(value[0].members) > around
