"""JSON as an office exports it: an object a sheet, its keys the labels; parts and tables are objects within it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from tests.corpus.content import Content, Pair, Paragraph, Rows, Section


def listed(sheets: Sequence[Content]) -> bytes:
    """A list of sheets."""
    return json.dumps([_object(sheet) for sheet in sheets], ensure_ascii=False, indent=1).encode()


def wrapped(sheets: Sequence[Content]) -> bytes:
    """The same below a key, on one line, in ASCII."""
    return json.dumps({"progetti": [_object(sheet) for sheet in sheets]}).encode()


def _object(sheet: Content) -> dict[str, Any]:
    told: dict[str, Any] = {sheet.title_label: sheet.title}
    part, heading = told, ""
    for entry in sheet.entries:
        match entry:
            case Pair(label, values):
                if label in part and part is not told:  # the rows of a part: objects of a list
                    part = {}
                    told[heading].append(part)
                part[label] = [*part.get(label, ()), *values]
            case Section(heading):
                part = {}
                told[heading] = [part]
            case Rows(above, (head, *rows)):
                told[above] = [{k: [v] for k, v in zip(head, row, strict=True) if v} for row in rows]
                told[above].append({})  # a list of rows stays one
                part = told
            case Paragraph(text):
                part.setdefault("Nota", text)
    return _single(told)


def _single(told: dict[str, Any]) -> dict[str, Any]:
    """Lists of one value or part as that, empty ones as null."""
    made: dict[str, Any] = {}
    for label, value in told.items():
        if isinstance(value, str):
            made[label] = value
        elif any(isinstance(each, dict) for each in value):
            objects = [_single(each) for each in value if each]
            made[label] = objects[0] if len(value) == 1 and objects else objects
        else:
            made[label] = value if len(value) > 1 else next(iter(value), None)
    return made
