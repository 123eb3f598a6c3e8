"""What a release says of the corpus, beside what the sheets say."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from tests.corpus.content import Content, values
from tests.corpus.write import Written

#: Text that belongs to no field: a format that marks labels tells an unknown label from other text, plain text cannot.
_OUTSIDE = {"sheet.text-outside": "sheet.unknown-label"}


@dataclass(frozen=True)
class Outcome:
    """What became of one sheet in one file.

    `fields` counts the values its content has, `right` those published as they are there, `wrong` tells the others;
    `surplus` are values published that are not in the content, `unexpected` the problems the content does not declare,
    `missed` those it declares that were not found, each "code field".
    """

    sheet: Content
    file: Written
    published: bool
    fields: int
    right: int
    wrong: tuple[str, ...]
    surplus: tuple[str, ...]
    problems: int
    unexpected: tuple[str, ...]
    missed: tuple[str, ...]


def outcomes(release: Path, corpus: Sequence[Written]) -> list[Outcome]:
    """The outcome of every sheet of the corpus in a release built from it."""
    told = _problems(pl.read_parquet(release / "problems.parquet"))
    tables: dict[str, dict[str, dict[str, Any]]] = {}
    found = []
    for file in corpus:
        for sheet in file.sheets:
            if sheet.layout not in tables:
                tables[sheet.layout] = _records(release / "tables", sheet.layout)
            row = tables[sheet.layout].get(sheet.record)
            found.append(_outcome(sheet, file, row, told))
    return found


def _outcome(
    sheet: Content, file: Written, row: Mapping[str, Any] | None, told: Mapping[tuple[str, str], Counter[str]]
) -> Outcome:
    wanted = dict(values(sheet))
    has = _flat(row, sheet.expected) if row else {}
    wrong = [f"{name}: {has.get(name)!r}, not {value!r}" for name, value in wanted.items() if has.get(name) != value]
    surplus = [f"{name}: {value!r}" for name, value in has.items() if name not in wanted]
    mine, of_file = told.get((file.name, sheet.record), Counter()), told.get((file.name, ""), Counter())
    declared, of_dress = _declared(sheet), Counter(file.dress.problems)
    unexpected = mine - declared - of_dress
    if sheet is file.sheets[0]:  # what is wrong with a file, told with its first sheet
        unexpected += of_file - sum(map(_declared, file.sheets), of_dress)
    return Outcome(
        sheet,
        file,
        row is not None,
        len(wanted),
        len(wanted) - len(wrong),
        tuple(wrong),
        tuple(surplus),
        mine.total() + (of_file.total() if sheet is file.sheets[0] else 0),
        tuple(unexpected.elements()),
        tuple((declared - mine - of_file).elements()),
    )


def _declared(sheet: Content) -> Counter[str]:
    return Counter(f"{code} {field or ''}".strip() for code, field in sheet.problems)


def _problems(found: pl.DataFrame) -> dict[tuple[str, str], Counter[str]]:
    """The problems of each sheet, by file and record ("": none)."""
    told: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for row in found.select("file", "record", "code", "field").iter_rows(named=True):
        code = _OUTSIDE.get(row["code"], row["code"])
        told[row["file"], row["record"] or ""][f"{code} {row['field'] or ''}".strip()] += 1
    return told


def _records(folder: Path, layout: str) -> dict[str, dict[str, Any]]:
    """The records a release has of a layout, by their keys, the rows of their groups among their columns."""
    records: dict[str, dict[str, Any]] = {}
    if not (folder / f"{layout}.parquet").exists():
        return records
    for row in pl.read_parquet(folder / f"{layout}.parquet").iter_rows(named=True):
        records[row["record"]] = row
    for path in sorted(folder.glob(f"{layout}-*.parquet")):
        table = pl.read_parquet(path)
        if "number" in table.columns and "value" not in table.columns:
            for row in table.sort("record", "number").iter_rows(named=True):
                records[row["record"]].setdefault(path.stem.removeprefix(f"{layout}-"), []).append(row)
    return records


def _flat(row: Mapping[str, Any], expected: Mapping[str, Any]) -> dict[str, str]:
    """The columns of a record that the content speaks of, as text, rows of groups one by one."""
    has: dict[str, str] = {}
    for name, value in row.items():
        if isinstance(value, list) and value and isinstance(value[0], Mapping):
            columns = {column for each in expected.get(name, ()) for column in each}
            for number, line in enumerate(value, start=1):
                told = {column: line[column] for column in (columns or line) if line.get(column) is not None}
                has |= {f"{name}.{number}.{column}": str(cell) for column, cell in told.items()}
        elif name in expected and value is not None:
            has[name] = "\n".join(map(str, value)) if isinstance(value, list) else str(value)
    return has
