"""The documents of a source -> its sheets as a table of strings, with their groups, readings and what is to be said.

Opening (`etl.documents`), laying out (`etl.layout`) and understanding (`etl.sheet`) come together here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC
from pathlib import Path
from typing import Any, Final
from urllib.parse import urljoin

import polars as pl

from etl import fetch, layout, persons, problems, sheet, values
from etl.documents.model import Document
from etl.inputs import Input
from etl.source import Group, Source

#: What was read, field by field; `sheet` is where the sheet begins in a file of several, `row` that of a group.
READINGS: Final = pl.Schema(
    {**dict.fromkeys(("file", "sheet", "field", "label", "raw", "place"), pl.String()), "row": pl.Int64()}
)


@dataclass
class Read:
    """What the documents of a source hold.

    `strings` has a row for each sheet: its file, where it begins there (`place`, null if it is the whole file), each
    field's value and place; `groups` a row for each row of a group, numbered; `problems` those of each sheet have its
    `sheet` beside them; `inputs` is what the manifest says of the files; `copies` are the files that gave sheets, by
    their SHA-256, the name under which they are published (`copy`); `count` are the sheets met, a file that cannot be
    read being one.
    """

    strings: pl.DataFrame
    groups: dict[str, pl.DataFrame]
    readings: pl.DataFrame
    problems: pl.DataFrame
    inputs: list[dict[str, Any]]
    copies: dict[str, Path]
    count: int


@dataclass
class _Rows:
    """What has been read so far."""

    sheets: list[dict[str, str | None]] = field(default_factory=list)
    groups: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    readings: list[dict[str, Any]] = field(default_factory=list)
    problems: list[pl.DataFrame] = field(default_factory=list)
    inputs: list[dict[str, Any]] = field(default_factory=list)
    copies: dict[str, Path] = field(default_factory=dict)
    count: int = 0


def read(
    files: Sequence[Input], source: Source, done: Callable[[int], None] = lambda _: None, publish_persons: bool = True
) -> Read:
    """Read the files; `done` is told how many are. What cannot be read is a problem, and the rest goes on.

    Without persons there are no copies either: the file as it is names them, too.
    """
    rows = _Rows()
    done(0)
    for number, item in enumerate(files, start=1):
        context: dict[str, str | None] = {"source": source.id, "file": item.name}
        try:
            document = item.document()
            parts = layout.sheets(document, source)
        except problems.Unusable as unusable:
            rows.problems.append(problems.one(unusable.code, **context, **unusable.details))
            rows.count += 1
        else:
            rows.count += len(parts)
            _add(rows, item, document, parts, source, context, publish_persons)
        done(number)
    return Read(
        pl.DataFrame(rows.sheets, schema=dict.fromkeys([*values.OWN, *_columns(source.fields)], pl.String)),
        {group.name: _grouped(rows.groups.get(group.name, []), group) for group in source.groups.values()},
        pl.DataFrame(rows.readings, schema=READINGS),
        pl.concat([problems.empty().with_columns(sheet=pl.lit(None, pl.String)), *map(_placed, rows.problems)]),
        rows.inputs,
        rows.copies,
        rows.count,
    )


def _add(
    rows: _Rows,
    item: Input,
    document: Document,
    parts: Sequence[layout.Part],
    source: Source,
    context: dict[str, str | None],
    publish_persons: bool,
) -> None:
    if document.media_type == "text/plain" and document.encoding != "utf-8":
        rows.problems.append(problems.one("file.encoding", **context, found=document.encoding))
    rows.problems += [problems.one("file.page-is-picture", **context, place=place) for place in document.pictures]
    origin = fetch.origin(item.path)
    own: dict[str, str | None] = {
        "copy": document.sha256 if publish_persons else None,
        "url": origin.url if origin else None,
        "retrieved": origin.retrieved.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if origin else None,
    }
    base = urljoin(origin.url if origin else "", document.base)
    found = 0
    for part in parts:
        at = part.place or None
        try:
            told = sheet.fields(part.lines, source)
        except problems.Unusable as unusable:
            where = {**context, "place": at} if at else context
            rows.problems.append(_at(problems.one(unusable.code, **where, **unusable.details), at))
            continue
        if len(parts) == 1:
            told = sheet.with_metadata(told, document.metadata, source)
        told = sheet.relinked(told, source, base) if base else told
        if publish_persons:
            rows.copies[document.sha256] = item.path
        else:
            told = persons.sheet_without(told, source)
        rows.problems += [_at(_note(note, context), at) for note in told.notes]
        where = {"file": context["file"], "sha256": document.sha256, "place": at}
        rows.sheets.append(where | own | _values(told.readings, source.fields))
        for name in source.groups:
            mine = [r for r in told.readings if r.group == name]
            for row in sorted({r.row for r in mine}):
                values = _values([r for r in mine if r.row == row], source.groups[name].columns, name)
                rows.groups.setdefault(name, []).append({**where, "number": row, **values})
        rows.readings += [
            {
                "file": context["file"],
                "sheet": at,
                "field": r.name,
                "label": r.label,
                "raw": r.value,
                "place": r.place,
                "row": r.row if r.group else None,
            }
            for r in told.readings
        ]
        found += 1
    about = {**context, "sha256": document.sha256, "bytes": document.size, "media_type": document.media_type}
    got = {"licence": source.licence, "retrieved": own["retrieved"], "url": own["url"], "recognised": item.recognised}
    rows.inputs.append({**about, "rows": found, **got})


def _values(readings: Iterable[sheet.Reading], names: Iterable[str], group: str = "") -> dict[str, str | None]:
    """Each field's value and place, several values on lines of their own."""
    row: dict[str, str | None] = {}
    for name in names:
        mine = [r for r in readings if r.field == name and r.group == group]
        row[name] = "\n".join(r.value for r in mine) or None
        row[f"{name}@place"] = ", ".join(r.place for r in mine) or None
    return row


def _columns(names: Iterable[str]) -> list[str]:
    return ["file", "sha256", "place", *(c for name in names for c in (name, f"{name}@place"))]


def _grouped(rows: list[dict[str, Any]], group: Group) -> pl.DataFrame:
    schema: dict[str, Any] = dict.fromkeys(_columns(group.columns), pl.String)
    return pl.DataFrame(rows, schema={**schema, "number": pl.Int64})


def _note(note: sheet.Note, context: dict[str, str | None]) -> pl.DataFrame:
    return problems.one(
        note.code, **context, field=note.field, label=note.label, raw=note.raw, place=note.place, **note.extra
    )


def _at(found: pl.DataFrame, at: str | None) -> pl.DataFrame:
    return found.with_columns(sheet=pl.lit(at, pl.String))


def _placed(found: pl.DataFrame) -> pl.DataFrame:
    return found if "sheet" in found.columns else _at(found, None)
