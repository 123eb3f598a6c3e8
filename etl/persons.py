"""What tells a person, taken out where a deployment does not publish persons (the setting `publish_persons`).

It is taken out before anything is made of it, so that it stands in no table, dump, problem or index. Of free text only
that which nobody has understood is hidden: a title or a description is published as it is, whoever it names.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Final

import polars as pl

from etl import tax_codes
from etl.sheet import Note, Sheet
from etl.source import Source

#: What stands for a text that is not shown.
HIDDEN: Final = "[…]"


def table_without(strings: pl.DataFrame, types: Mapping[str, str]) -> pl.DataFrame:
    """Text of tables without names in a role and persons' tax codes; `types` is the type of each column that has one.

    >>> table_without(pl.DataFrame({"rup": ["MARIA ESEMPIO"], "cup": ["F31B19000990001"]}), {"rup": "name"}).row(0)
    (None, 'F31B19000990001')
    """
    hidden = [pl.lit(None, pl.String).alias(name) for name, kind in types.items() if kind == "name"]
    codes = [pl.col(name) for name, kind in types.items() if kind == "tax_code" and name in strings.columns]
    return strings.with_columns(*hidden, *(pl.when(~tax_codes.may_be_persons(code)).then(code) for code in codes))


def sheet_without(told: Sheet, source: Source) -> Sheet:
    """A sheet without the readings that tell a person; its notes without text that tells one or may do so.

    A label nobody knows ("Progettista") may have a person under it, as may text that belongs to no field.
    """
    kinds = {name: field.type for name, field in source.fields.items()}
    for group in source.groups.values():
        kinds |= {f"{group.name}.{name}": column.type for name, column in group.columns.items()}
    tells = pl.DataFrame(
        {"kind": [kinds[r.name] for r in told.readings], "value": [r.value for r in told.readings]},
        schema={"kind": pl.String, "value": pl.String},
    ).select((pl.col("kind") == "name") | ((pl.col("kind") == "tax_code") & tax_codes.may_be_persons(pl.col("value"))))
    readings = [reading for reading, person in zip(told.readings, tells.to_series(), strict=True) if not person]
    return Sheet(readings, [_note_without(note, kinds) for note in told.notes])


def _note_without(note: Note, kinds: Mapping[str, str]) -> Note:
    """A note as it is if it is of a label alone or of a field that tells no person, else without what stands there."""
    if note.code == "sheet.label-guessed" or (note.field and kinds.get(note.field) not in ("name", "tax_code")):
        return note
    extra = {key: HIDDEN if key == "other" else value for key, value in note.extra.items()}
    label = note.label if note.field else note.label and HIDDEN
    return dataclasses.replace(note, raw=HIDDEN, label=label, extra=extra)
