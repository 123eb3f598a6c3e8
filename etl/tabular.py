"""A file of rows to a table of strings, each row with its place: CSV, JSON and Parquet, plain or in gzip or zip.

Columns are known by the labels of the source's fields, whatever their capitals and spaces. What a column says stays as
it is written; nothing is guessed of its type.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any, Final, Protocol

import polars as pl

from etl.opening import content
from etl.problems import Unusable
from etl.source import Source

#: A file, unpacked, is held in memory; a small one that unpacks to more is a mistake or an attack.
MAX_BYTES: Final = 2 * 1024**3
_CHUNK: Final = 1 << 20


@dataclass(frozen=True)
class Table:
    """The rows of a file: a column for each field it has, and `place` ("row 1" is the first after the header).

    `unknown` are columns no field of the source answers to; `missing` the expected fields the file has no column for.
    """

    rows: pl.DataFrame
    unknown: tuple[str, ...]
    missing: tuple[str, ...]
    sha256: str
    size: int


def table(path: Path, source: Source) -> Table:
    """The file at `path` as a table of the source's fields.

    Raises Unusable: file.not-found, file.unreadable, file.empty, file.too-large, table.malformed, table.no-columns.
    """
    packed, size = content(path, MAX_BYTES)
    if size > MAX_BYTES:
        raise Unusable("file.too-large", found=str(size), limit=str(MAX_BYTES))
    try:
        name, data = _unpacked(path.name, packed)
        if not data.strip():
            raise Unusable("file.empty")
        read = _READERS[PurePath(name).suffix.lower()](data, source)
    # A zip that is encrypted or packed in an unknown way is a RuntimeError, as JSON nested too deep is.
    except (zipfile.BadZipFile, OSError, zlib.error, EOFError, RuntimeError, ValueError) as error:
        raise Unusable("table.malformed", found=_first_line(error)) from error
    except KeyError as error:
        raise Unusable("table.malformed", found=f"{path.name}: none of {', '.join(_READERS)}") from error
    except pl.exceptions.PolarsError as error:
        raise Unusable("table.malformed", found=_first_line(error)) from error
    columns = _fields(read.columns, source)
    if not columns:
        allowed = ", ".join(field.label for field in source.fields.values())
        raise Unusable("table.no-columns", found=", ".join(read.columns), allowed=allowed)
    rows = read.select(
        pl.format("row {}", pl.int_range(1, pl.len() + 1)).alias("place"),
        *(pl.col(column).alias(field) for column, field in columns.items()),
    )
    there = set(columns.values())
    return Table(
        rows=rows,
        unknown=tuple(c for c in read.columns if c not in columns and _plain(c) not in source.ignored),
        missing=tuple(f.label for f in source.fields.values() if f.expected and f.name not in there),
        sha256=hashlib.sha256(packed).hexdigest(),
        size=size,
    )


# --- opening -----------------------------------------------------------------------------------------------------


def _unpacked(name: str, data: bytes) -> tuple[str, bytes]:
    """The name and the bytes of a file, or of the one file packed in it."""
    packing = PurePath(name).suffix.lower()
    if packing == ".gz":
        with gzip.open(io.BytesIO(data)) as packed:
            return PurePath(name).stem, _bounded(packed)
    if packing == ".zip":
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            inside = [each for each in archive.infolist() if PurePath(each.filename).suffix.lower() in _READERS]
            if len(inside) != 1:
                raise zipfile.BadZipFile(f"{len(inside)} files of rows in the archive, one is allowed")
            with archive.open(inside[0]) as packed:
                return inside[0].filename, _bounded(packed)
    return name, data


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


def _bounded(file: _Readable) -> bytes:
    """All a file holds, if that is not more than MAX_BYTES."""
    found = io.BytesIO()
    while chunk := file.read(_CHUNK):
        if found.tell() + len(chunk) > MAX_BYTES:
            raise Unusable("file.too-large", found=f"> {MAX_BYTES}", limit=str(MAX_BYTES))
        found.write(chunk)
    return found.getvalue()


# --- one reader for each format ----------------------------------------------------------------------------------


def _csv(data: bytes, source: Source) -> pl.DataFrame:
    return pl.read_csv(data.removeprefix(b"\xef\xbb\xbf"), separator=source.delimiter, infer_schema=False)


def _json(data: bytes, source: Source) -> pl.DataFrame:
    """A list of objects, or an object that has it under `rows_at`."""
    told = json.loads(data)
    rows = told.get(source.rows_at) if isinstance(told, dict) else told
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ValueError(f"a list of objects is needed{f' under {source.rows_at!r}' if source.rows_at else ''}")
    names = list(dict.fromkeys(str(name) for row in rows for name in row))
    return pl.DataFrame(
        {name: [_text(row.get(name)) for row in rows] for name in names}, schema=dict.fromkeys(names, pl.String)
    )


def _parquet(data: bytes, _source: Source) -> pl.DataFrame:
    return pl.read_parquet(data).cast(pl.String)


_READERS: Final = {".csv": _csv, ".json": _json, ".parquet": _parquet}


def _text(value: Any) -> str | None:
    """A JSON value as the file writes it."""
    return value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False)


# --- columns -----------------------------------------------------------------------------------------------------


def _fields(columns: list[str], source: Source) -> dict[str, str]:
    """The columns that are fields of the source, each with the field; the first of two that answer to one."""
    known = {_plain(label): field.name for field in source.fields.values() for label in (*field.labels, field.name)}
    found: dict[str, str] = {}
    for column in columns:
        field = known.get(_plain(column))
        if field and field not in found.values():
            found[column] = field
    return found


def _plain(name: str) -> str:
    return " ".join(name.split()).casefold()


def _first_line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
