"""A source as data: what its folder (`etl/sources/<id>/`) says of how to read it and what its columns are."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field, replace
from fnmatch import fnmatch
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Final, Literal

from etl import harvest
from etl.harvest import Harvest

FieldType = Literal[
    "text", "name", "cup", "cig", "code", "amount", "date", "municipality", "action", "concept", "bodies", "urls",
    "integer", "year", "flag", "moment", "tax_code", "istat", "number", "province", "region", "coded", "joined", "url",
]  # fmt: skip
Form = Literal["sheet", "table"]
Parts = Literal["all", "some", "first"]
FORMS: Final[tuple[str, ...]] = Form.__args__  # type: ignore[attr-defined]
PARTS: Final[tuple[str, ...]] = Parts.__args__  # type: ignore[attr-defined]
TYPES: Final[tuple[str, ...]] = FieldType.__args__  # type: ignore[attr-defined]
#: What a word that is no value can mean: the notations of ontology/schemes.ttl, null-meanings.
MEANINGS: Final = ("absent", "not-applicable", "masked", "all", "unknown")


class SourceError(ValueError):
    """A source folder that cannot be used; the message names the file, the key, what was found and what is allowed."""


@dataclass(frozen=True)
class Field:
    """One field of a source: our name, its type, and what it is called in the layouts we know.

    `child` fields get a table of their own (one row a value), `expected` ones are missed when absent,
    `start` marks the unlabelled text a sheet opens with. `sections` are those of a sheet in which its labels mean this
    field (none: in all), `group` is the group it is a column of, `ocr` says that its words may be read for their sense,
    so that the usual confusions of OCR are repaired; `pattern` is the form a source gives its own codes: one of another
    form is told, one that OCR's errors make of this form is withheld.

    Of tables: `separator` parts the values of a field of many; `nulls` are words that are no value in this field, with
    what they mean; `lower` writes a code in small letters; `scheme` is the code list a coded field is looked up in
    (etl/codes/<scheme>.csv), `width` the digits its codes are padded to; `of` are the cleaned columns a joined field is
    made of, put together with `separator` when all are there, or as many as are there, or only the first that is
    (`parts`: all, some, first); `on` is the field with the day a place's code is of; `imprecise` says that the source
    holds the amount as a 32-bit float; `better` names the fields of other sources ("pnrr-payments.total_funding")
    whose amount of the same record stands for it instead.

    A joined field has a value only `when` one of these columns has one, and `unless` one of these has; `take` is the
    pattern whose group is kept of it. `tells_null` gives a column more, `<name>_null`: what the word meant that is no
    value. `not_day` names the date an amount is not: spreadsheets write a day as its number, where an amount belongs.
    """

    name: str
    type: FieldType
    labels: tuple[str, ...] = ()
    many: bool = False
    child: bool = False
    expected: bool = False
    start: bool = False
    prose: bool = False
    sections: tuple[str, ...] = ()
    group: str = ""
    ocr: bool = False
    pattern: str = ""
    separator: str = ""
    nulls: dict[str, str] = field(default_factory=dict, hash=False)
    scheme: str = ""
    width: int = 0
    lower: bool = False
    of: tuple[str, ...] = ()
    parts: Parts = "all"
    when: tuple[str, ...] = ()
    unless: tuple[str, ...] = ()
    take: str = ""
    tells_null: bool = False
    not_day: str = ""
    on: str = ""
    imprecise: bool = False
    better: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """The label a person knows the field by: the first declared, else our name."""
        return self.labels[0] if self.labels else self.name


@dataclass(frozen=True)
class Group:
    """What a sheet tells row by row, such as the money of each fund and year: a table of its own.

    `labels` are the headings above it, `columns` the fields of a row. Where the values of one column stand in the
    table's head (a column for each year), `across` names that column and `cell` the one of what stands below. `totals`
    are the words that a row of sums begins with: it is no row of its own.
    """

    name: str
    labels: tuple[str, ...]
    columns: dict[str, Field] = field(hash=False)
    across: str = ""
    cell: str = ""
    totals: tuple[str, ...] = ()


@dataclass(frozen=True)
class Unpivot:
    """Fields of one kind that become rows of a table of their own: `names` is what each is called there.

    The table `<source>-<name of this>` has the columns record, name, value and those of `carry`; nulls make no row,
    nor do zeros when `skip_zero`.
    """

    names: dict[str, str] = field(hash=False)
    carry: tuple[str, ...] = ()
    skip_zero: bool = False


@dataclass(frozen=True)
class Source:
    """A source: identity and licence for the catalogue, and how its files are read.

    `form` is what a file of it is: one sheet, or a table of rows. `axes` names the axes of its programme by the first
    part of an action's code. Of tables: `key` are the fields that make a record's key, `subject` is the resource a
    record is about (a path below the base, with {fields}), `together` the field whose rows are validated together,
    `dated_by` the field whose latest day is the date of the source, `listed` whether its records are projects people
    look for, `rows_at` where JSON has the rows, `decimal` the decimal mark when it is always the same, `nulls` the
    words that are no value in any field, with what they mean, `ignored` the columns that are not published, each with
    the reason, `carried` the fields that tables of several values have beside their record, `compare` which of our
    columns answers to which comparison between sources (etl/comparisons.toml).

    Of sheets: `headings` open a part of a sheet and are no field, `begins` are those a sheet begins with, `sections`
    are parts within which a label means something of its own, each with its headings; `groups` are told row by row;
    `metadata` says which field a term of a page's machine-readable part (schema.org) is, `harvest` where its documents
    are found.
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
    ignored: dict[str, str] = field(default_factory=dict, hash=False)
    together: str = ""
    dated_by: str = ""
    listed: bool = False
    decimal: str = ""
    encoding: str = "utf-8"
    nulls: dict[str, str] = field(default_factory=dict, hash=False)
    carried: tuple[str, ...] = ()
    unpivots: dict[str, Unpivot] = field(default_factory=dict, hash=False)
    compare: dict[str, str] = field(default_factory=dict, hash=False)
    begins: tuple[str, ...] = ()
    sections: dict[str, tuple[str, ...]] = field(default_factory=dict, hash=False)
    groups: dict[str, Group] = field(default_factory=dict, hash=False)
    metadata: dict[str, str] = field(default_factory=dict, hash=False)
    harvest: Harvest | None = field(default=None, hash=False)

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
            together=reading.get("together", next(iter(reading.get("key", ())), "")),
            dated_by=reading.get("dated_by", ""),
            listed=reading.get("listed", reading.get("form", "sheet") == "sheet"),
            decimal=reading.get("decimal", ""),
            encoding=reading.get("encoding", "utf-8"),
            nulls=_nulls("nulls", told.get("nulls", {})),
            carried=tuple(reading.get("carried", ())),
            compare=told.get("compare", {}),
            unpivots={name: _unpivot(name, entry, told["fields"]) for name, entry in told.get("unpivot", {}).items()},
            begins=tuple(reading.get("begins", ())),
            sections={name: tuple(headings) for name, headings in told.get("sections", {}).items()},
            groups={name: _group(name, entry) for name, entry in told.get("groups", {}).items()},
            metadata=_metadata(told.get("metadata", {}), told["fields"]),
            harvest=harvest.load(told["harvest"]) if "harvest" in told else None,
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
    if entry.get("parts", "all") not in PARTS:
        raise ValueError(f"fields.{name}: parts {entry['parts']!r}; allowed: {', '.join(PARTS)}")
    tuples: dict[str, Any] = {
        key: tuple(entry[key]) for key in ("labels", "of", "better", "when", "unless", "sections") if key in entry
    }
    told: dict[str, Any] = {**entry, **tuples, "nulls": _nulls(f"fields.{name}.nulls", entry.get("nulls", {}))}
    return Field(name=name, **told)


def _nulls(key: str, told: dict[str, str]) -> dict[str, str]:
    """Words that are no value, each with its meaning, a notation of the code list null-meanings."""
    for words, meaning in told.items():
        if meaning not in MEANINGS:
            raise ValueError(f"{key}.{words!r}: {meaning!r}; allowed: {', '.join(MEANINGS)}")
    return told


def _group(name: str, entry: dict[str, Any]) -> Group:
    columns = {column: replace(_field(column, told), group=name) for column, told in entry["columns"].items()}
    across, cell = entry.get("across", ""), entry.get("cell", "")
    for each in (across, cell):
        if each and each not in columns:
            raise ValueError(f"groups.{name}: there is no column {each!r}; there are: {', '.join(columns)}")
    if bool(across) != bool(cell):
        raise ValueError(f"groups.{name}: across and cell belong together; given: {across or cell!r} alone")
    return Group(name, tuple(entry.get("labels", ())), columns, across, cell, tuple(entry.get("totals", ())))


def _metadata(told: dict[str, str], fields: dict[str, Any]) -> dict[str, str]:
    """The terms of a page's machine-readable part, each with the field it is."""
    for term, name in told.items():
        if name not in fields:
            raise ValueError(f"metadata.{term!r}: there is no field {name!r}; there are: {', '.join(fields)}")
    return told


def _unpivot(name: str, entry: dict[str, Any], fields: dict[str, Any]) -> Unpivot:
    for each in (*entry["names"], *entry.get("carry", ())):
        if each not in fields:
            raise ValueError(f"unpivot.{name}: there is no field {each!r}; there are: {', '.join(fields)}")
    return Unpivot(dict(entry["names"]), tuple(entry.get("carry", ())), bool(entry.get("skip_zero", False)))
