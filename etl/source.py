"""A source as data: what its folder (`etl/sources/<id>/`) says of how to read it and what its columns are."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from fnmatch import fnmatch
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Final, Literal

FieldType = Literal[
    "text", "name", "cup", "cig", "code", "amount", "date", "municipality", "action", "concept", "bodies", "urls"
]
Form = Literal["sheet", "table"]
FORMS: Final[tuple[str, ...]] = Form.__args__  # type: ignore[attr-defined]
TYPES: Final[tuple[str, ...]] = FieldType.__args__  # type: ignore[attr-defined]


class SourceError(ValueError):
    """A source folder that cannot be used; the message names the file, the key, what was found and what is allowed."""


@dataclass(frozen=True)
class Field:
    """One field of a source: our name, its type, and what it is called in the layouts we know.

    `child` fields get a table of their own (one row a value), `expected` ones are missed when absent,
    `start` marks the unlabelled text a sheet opens with.
    """

    name: str
    type: FieldType
    labels: tuple[str, ...] = ()
    many: bool = False
    child: bool = False
    expected: bool = False
    start: bool = False
    prose: bool = False

    @property
    def label(self) -> str:
        """The label a person knows the field by: the first declared, else our name."""
        return self.labels[0] if self.labels else self.name


@dataclass(frozen=True)
class Source:
    """A source: identity and licence for the catalogue, and how its files are read.

    `form` is what a file of it is: one sheet, or a table of rows. `axes` names the axes of its programme by the first
    part of an action's code. Of tables: `key` are the fields that make a record's key, `subject` is the resource a
    record is about (a path below the base, with {fields}), `rows_at` where JSON has the rows, `ignored` the columns
    that are not published, each with the reason.
    """

    id: str
    title: dict[str, str]
    description: dict[str, str]
    publisher: str
    licence: str
    homepage: str
    patterns: tuple[str, ...]
    headings: tuple[str, ...]
    absent: tuple[str, ...]
    body_starts: tuple[str, ...]
    constants: dict[str, str]
    axes: dict[str, str]
    fields: dict[str, Field] = field(hash=False)
    mapping: Path = Path()
    form: Form = "sheet"
    key: tuple[str, ...] = ()
    subject: str = ""
    delimiter: str = ","
    rows_at: str | None = None
    ignored: dict[str, str] = field(default_factory=dict)

    def reads(self, path: Path) -> bool:
        """Whether a file of this name is of this source's layout."""
        return any(fnmatch(path.name.lower(), pattern.lower()) for pattern in self.patterns)


@cache
def sources() -> dict[str, Source]:
    """Every source by its id: one for each folder in etl/sources with a source.toml.

    Raises SourceError for a folder that says something not allowed.
    """
    folder = Path(str(files("etl").joinpath("sources")))
    return {path.parent.name: load(path) for path in sorted(folder.glob("*/source.toml"))}


def load(path: Path) -> Source:
    """The source described by a source.toml; raises SourceError with the key at fault."""
    try:
        told = tomllib.loads(path.read_text(encoding="utf-8"))
        reading = told["reading"]
        return Source(
            id=path.parent.name,
            title=told["title"],
            description=told["description"],
            publisher=told["publisher"],
            licence=told["licence"],
            homepage=told["homepage"],
            patterns=tuple(reading["files"]),
            headings=tuple(reading.get("headings", ())),
            absent=tuple(reading.get("absent", ())),
            body_starts=tuple(reading.get("body_starts", ())),
            constants=told.get("constants", {}),
            axes=told.get("axes", {}),
            fields={name: _field(name, entry) for name, entry in told["fields"].items()},
            mapping=path.with_name("mapping.yml"),
            form=_form(reading),
            key=tuple(reading.get("key", ())),
            subject=reading.get("subject", f"id/operation/{path.parent.name}/{{record}}"),
            delimiter=reading.get("delimiter", ","),
            rows_at=reading.get("rows_at"),
            ignored={" ".join(name.split()).casefold(): why for name, why in told.get("ignored", {}).items()},
        )
    except tomllib.TOMLDecodeError as error:
        raise SourceError(f"{path}: not TOML: {error}") from error
    except KeyError as error:
        raise SourceError(f"{path}: the key {error} is missing") from error
    except (TypeError, ValueError) as error:
        raise SourceError(f"{path}: {error}") from error


def _form(reading: dict[str, Any]) -> Form:
    form: Form = reading.get("form", "sheet")
    if form not in FORMS:
        raise ValueError(f"reading.form: {form!r}; allowed: {', '.join(FORMS)}")
    return form


def _field(name: str, entry: dict[str, Any]) -> Field:
    if entry.get("type") not in TYPES:
        raise ValueError(f"fields.{name}: type {entry.get('type')!r}; allowed: {', '.join(TYPES)}")
    return Field(name=name, **{**entry, "labels": tuple(entry.get("labels", ()))})
