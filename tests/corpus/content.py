"""What a sheet of the corpus says, whatever file it is written into: `tests/corpus/<layout>/<name>.json`.

A sheet is added by adding a file. Its keys:

`title`       the heading of the sheet; `title_label` is what a file that needs a label for it calls it;
`begins`      a heading above the title, such as "Scheda progetto" (optional);
`fields`      the rest, in the order of the page: `["label", "value"]`, `["label", ["a value", "another"]]`,
              `["label", ""]` for a label with nothing below it, `{"section": "heading"}`, `{"text": "a paragraph"}` and
              `{"table": {"heading": "…", "rows": [["head", …], ["cell", …], …]}}`; a blank line in a value parts
              paragraphs;
`code`, `cup` what the sheet is known by, as written in `fields`: each file gets a code and a CUP of its own;
`cigs`        its tender codes, likewise (optional);
`expected`    the columns of the published table (`tables/<layout>.parquet`) with their values; for a group of rows a
              list of its rows;
`parts`       true if its labels mean something only in the part of the sheet they stand in, so no row can hold it;
`problems`    what is wrong with it: `["code of etl/problems.toml", "field or null"]`; nothing else may be.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from string import ascii_lowercase
from typing import Any

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Pair:
    """A label and its values, each as written; none where the sheet says nothing."""

    label: str
    values: tuple[str, ...]

    @property
    def prose(self) -> bool:
        """Whether it is read as prose: paragraphs, or a sentence longer than a line."""
        return any("\n\n" in value or len(value) > 120 for value in self.values)

    @property
    def paragraphs(self) -> tuple[str, ...]:
        """The paragraphs of all its values."""
        return tuple(part for value in self.values for part in value.split("\n\n"))


@dataclass(frozen=True)
class Section:
    """A heading within a sheet."""

    heading: str


@dataclass(frozen=True)
class Rows:
    """A table with its head, and the heading above it ("": none)."""

    heading: str
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Paragraph:
    """Text that is nobody's value."""

    text: str


Entry = Pair | Section | Rows | Paragraph


@dataclass(frozen=True)
class Content:
    """A sheet, see this module's text; `layout` is the source that reads it, `name` that of its file."""

    layout: str
    name: str
    title: str
    title_label: str
    begins: str
    entries: tuple[Entry, ...]
    code: str
    cup: str
    cigs: tuple[str, ...]
    parts: bool
    expected: Mapping[str, Any]
    problems: tuple[tuple[str, str | None], ...]

    @property
    def record(self) -> str:
        """What the sheet is called in a release: its code, else its CUP; a town's own number only beside the CUP."""
        faulty = any(field == "cup" for _, field in self.problems)
        cup = "" if faulty else "".join(self.cup.split())
        both = [part for part in (cup, self.code) if part] if self.layout == "opere" else [self.code or cup]
        return "-".join(both)

    @property
    def flat(self) -> bool:
        """Whether it fits in one row: no parts, no table, and no label that comes twice."""
        labels = [entry.label for entry in self.entries if isinstance(entry, Pair)]
        twice = len(labels) != len(set(labels))
        return not (self.parts or twice or any(isinstance(entry, Rows) for entry in self.entries))

    def narrow(self, most: int) -> bool:
        """Whether no label with its value is longer than a narrow column's line, of so many characters, but for prose.

        What is broken within a name or a code cannot be told from what comes next.
        """
        pairs = [entry for entry in self.entries if isinstance(entry, Pair) and not entry.prose]
        return all(len(f"{pair.label}: {max(pair.values, key=len, default='')}") <= most for pair in pairs)


def load(path: Path) -> Content:
    """The sheet in a file; raises KeyError or TypeError where it is not as this module's text says."""
    told = json.loads(path.read_text(encoding="utf-8"))
    return Content(
        layout=path.parent.name,
        name=path.stem,
        title=told["title"],
        title_label=told["title_label"],
        begins=told.get("begins", ""),
        entries=tuple(map(_entry, told["fields"])),
        code=told.get("code", ""),
        cup=told.get("cup", ""),
        cigs=tuple(told.get("cigs", ())),
        parts=told.get("parts", False),
        expected=told["expected"],
        problems=tuple((code, field) for code, field in told.get("problems", ())),
    )


@cache
def contents() -> tuple[Content, ...]:
    """Every sheet, by layout and name."""
    return tuple(load(path) for path in sorted(FOLDER.glob("*/*.json")))


def layouts() -> dict[str, list[Content]]:
    """The sheets of each layout."""
    found: dict[str, list[Content]] = {}
    for content in contents():
        found.setdefault(content.layout, []).append(content)
    return found


def identified(content: Content, number: int, sign: str) -> Content:
    """The sheet with codes of its own: `number` as the last figure of its CUP and CIGs, as a letter if its code ends in
    one ("TO7.1.1.b" has a form to keep), else `sign` after it.
    """
    code = content.code
    letter = code[-2:-1] == "." and code[-1].islower()
    changes = {code: f"{code[:-1]}{ascii_lowercase[number]}" if letter else f"{code}-{sign}"} if code else {}
    for own in filter(None, (content.cup, *content.cigs)):
        changes |= {told: f"{told[:-1]}{number}" for told in (own, "".join(own.split()))}
    return recoded(content, changes)


def recoded(content: Content, changes: Mapping[str, str]) -> Content:
    """The sheet with other codes, wherever they are a value."""
    return replace(
        content,
        entries=tuple(_changed(entry, changes) for entry in content.entries),
        code=changes.get(content.code, content.code),
        cup=changes.get(content.cup, content.cup),
        cigs=tuple(changes.get(cig, cig) for cig in content.cigs),
        expected=_changed_value(content.expected, changes),
    )


def _entry(told: Any) -> Entry:
    match told:
        case [label, ""]:
            return Pair(label, ())
        case [label, str(value)]:
            return Pair(label, (value,))
        case [label, [*values]]:
            return Pair(label, tuple(values))
        case {"section": heading}:
            return Section(heading)
        case {"text": text}:
            return Paragraph(text)
        case {"table": {"heading": heading, "rows": rows}}:
            return Rows(heading, tuple(map(tuple, rows)))
    raise TypeError(f"no entry of a sheet: {told!r}")


def _changed(entry: Entry, changes: Mapping[str, str]) -> Entry:
    match entry:
        case Pair(label, values):
            return Pair(label, tuple(_changed_value(value, changes) for value in values))
        case Rows(heading, rows):
            return Rows(heading, tuple(tuple(_changed_value(cell, changes) for cell in row) for row in rows))
    return entry


def _changed_value(value: Any, changes: Mapping[str, str]) -> Any:
    """A value with codes changed, wherever they stand as a value of their own."""
    if isinstance(value, str):
        return changes.get(value, value)
    if isinstance(value, Mapping):
        return {key: _changed_value(each, changes) for key, each in value.items()}
    if isinstance(value, list):
        return [_changed_value(each, changes) for each in value]
    return value


def values(content: Content) -> Iterator[tuple[str, str]]:
    """Each expected value by the name of its column, rows of groups one by one."""
    for name, value in content.expected.items():
        rows = value if isinstance(value, list) and value and isinstance(value[0], Mapping) else None
        for number, row in enumerate(rows or (), start=1):
            yield from ((f"{name}.{number}.{column}", str(cell)) for column, cell in row.items())
        if rows is None:
            yield name, "\n".join(value) if isinstance(value, list) else str(value)
