"""Files of rows -> batches of strings, each row with its place: CSV, JSON, Parquet, spreadsheets, also packed.

A table has one record a row. Nothing is typed here: every cell is the text that stands in the file (a Parquet's numbers
as they are written), and a cell without text is null. A file is copied before its checksum is taken, so that what is
read is what was summed up, and read in batches, so that memory does not depend on its size.
"""

from __future__ import annotations

import codecs
import gzip
import hashlib
import json
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import IO, Any, Final, Protocol

import polars as pl

from etl import spreadsheet
from etl.opening import opened
from etl.problems import Unusable
from etl.source import Source

#: Rows of a batch: so many of a wide table are some 100 MB of strings.
BATCH: Final = 25_000
#: A packed file may unpack to this, or to RATIO times its size: what is more is a mistake or an attack.
MAX_BYTES: Final = 2 * 1024**3
RATIO: Final = 100
#: JSON and spreadsheets are read whole, and take some ten times their size in memory.
MAX_WHOLE: Final = 256 * 1024**2
_CHUNK: Final = 1 << 20
#: The column a row's place is in, beside the columns of the file.
PLACE: Final = spreadsheet.PLACE


@dataclass(frozen=True)
class Table:
    """A file of rows, ready to be read: its columns as it has them, and the fields they are of.

    `unknown` are columns no field of the source answers to; `missing` the expected fields the file has no column for;
    `encoding` is how its text was read. `sha256` and `size` are of the file as it is.
    """

    columns: tuple[str, ...]
    fields: dict[str, str]
    unknown: tuple[str, ...]
    missing: tuple[str, ...]
    encoding: str
    sha256: str
    size: int
    rows: pl.LazyFrame

    def batches(self) -> Iterator[pl.DataFrame]:
        """The rows in their order: the columns of the file, all text, and PLACE ("row 1" is the first of all).

        Raises Unusable: table.malformed, at the batch where the file turns out to be broken.
        """
        before = 0
        try:
            for batch in self.rows.collect_batches(chunk_size=BATCH, maintain_order=True):
                texts = batch.cast(pl.String)
                numbers = pl.int_range(before + 1, before + pl.len() + 1)
                # A spreadsheet tells its places itself: it may have several sheets, and rows that are empty.
                yield texts if PLACE in texts.columns else texts.with_columns(pl.format("row {}", numbers).alias(PLACE))
                before += batch.height
        except pl.exceptions.PolarsError as error:
            raise Unusable("table.malformed", found=_first_line(error)) from error

    def strings(self, batch: pl.DataFrame) -> pl.DataFrame:
        """The fields of the source in a batch: a column for each the file has, and `place`."""
        return batch.select(pl.col(PLACE).alias("place"), *(pl.col(c).alias(f) for c, f in self.fields.items()))


def table(path: Path, source: Source, work: Path) -> Table:
    """The file at `path` as a table of the source's fields; what is unpacked of it is kept in the folder `work`.

    Raises Unusable: file.not-found, file.unreadable, file.empty, file.too-large, table.malformed, table.no-columns.
    """
    copied = _copied(path, work)
    try:
        name, file = _unpacked(path.name, copied, work)
        suffix = PurePath(name).suffix.lower()
        encoding, rows = _rows(file, suffix, source)
        columns = [column for column in rows.collect_schema().names() if column != PLACE]
    # A zip that is encrypted or packed in an unknown way is a RuntimeError, as JSON nested too deep is.
    except (zipfile.BadZipFile, OSError, zlib.error, EOFError, RuntimeError, ValueError) as error:
        raise Unusable("table.malformed", found=_first_line(error)) from error
    except pl.exceptions.PolarsError as error:
        raise Unusable("table.malformed", found=_first_line(error)) from error
    fields = _fields(columns, source)
    if not fields:
        allowed = ", ".join(field.label for field in source.fields.values())
        raise Unusable("table.no-columns", found=", ".join(columns), allowed=allowed)
    there = set(fields.values())
    return Table(
        columns=tuple(columns),
        fields=fields,
        unknown=tuple(c for c in columns if c not in fields and _plain(c) not in source.ignored),
        missing=tuple(f.label for f in source.fields.values() if f.expected and f.name not in there),
        encoding=encoding,
        sha256=_sha256(copied),
        size=copied.stat().st_size,
        rows=rows,
    )


def _rows(file: Path, suffix: str, source: Source) -> tuple[str, pl.LazyFrame]:
    """The encoding and the rows of a file, by what its name ends in."""
    if suffix not in _READERS:
        raise ValueError(f"{suffix or 'no ending'}: none of {', '.join(_READERS)}")
    if suffix in _WHOLE and (size := file.stat().st_size) > MAX_WHOLE:
        raise Unusable("file.too-large", found=str(size), limit=str(MAX_WHOLE))
    encoding = _in_utf8(file, source) if suffix in _TEXTS else "utf-8"
    return encoding, _READERS[suffix](file, source)


# --- opening -----------------------------------------------------------------------------------------------------


def _copied(path: Path, work: Path) -> Path:
    """A copy of the file: what is read later is what was opened now, whatever happens to the file meanwhile."""
    target = work / f"input{path.suffix.lower()}"
    with opened(path) as file, target.open("wb") as copy:
        while chunk := file.read(_CHUNK):
            copy.write(chunk)
    if not target.stat().st_size:
        raise Unusable("file.empty")
    return target


def _unpacked(name: str, packed: Path, work: Path) -> tuple[str, Path]:
    """The name and the place of a file, or of the one file packed in it."""
    packing, target = PurePath(name).suffix.lower(), work / "unpacked"
    limit = max(MAX_BYTES, RATIO * packed.stat().st_size)
    if packing == ".gz":
        with gzip.open(packed) as file:
            return PurePath(name).stem, _bounded(file, target, limit)
    if packing == ".zip":
        with zipfile.ZipFile(packed) as archive:
            inside = [each for each in archive.infolist() if PurePath(each.filename).suffix.lower() in _READERS]
            if len(inside) != 1:
                raise zipfile.BadZipFile(f"{len(inside)} files of rows in the archive, one is allowed")
            with archive.open(inside[0]) as file:
                return inside[0].filename, _bounded(file, target, limit)
    return name, packed


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


def _bounded(file: _Readable, target: Path, limit: int) -> Path:
    """All a file holds, in another, if that is not more than the limit."""
    written = 0
    with target.open("wb") as out:
        while chunk := file.read(_CHUNK):
            written += len(chunk)
            if written > limit:
                raise Unusable("file.too-large", found=f"> {limit}", limit=str(limit))
            out.write(chunk)
    if not written:
        raise Unusable("file.empty")
    return target


def _in_utf8(file: Path, source: Source) -> str:
    """The encoding of a text file; one not in UTF-8 is written anew in it (Windows-1252, if the source is silent)."""
    decoder, blank, sound = codecs.getincrementaldecoder("utf-8")(), True, source.encoding == "utf-8"
    try:
        with file.open("rb") as text:
            while sound and (chunk := text.read(_CHUNK)):
                decoder.decode(chunk)
                blank = blank and not chunk.strip()
        if sound:
            decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        sound = blank = False
    if sound:
        if blank:
            raise Unusable("file.empty")
        return "utf-8"
    encoding = source.encoding if source.encoding != "utf-8" else "windows-1252"
    target = file.with_name("in-utf8")
    with file.open(encoding=encoding, newline="") as text, target.open("w", encoding="utf-8", newline="") as out:
        _copy_text(text, out)
    target.replace(file)
    return encoding


def _copy_text(text: IO[str], out: IO[str]) -> None:
    while chunk := text.read(_CHUNK):
        out.write(chunk)


# --- one reader for each format ----------------------------------------------------------------------------------


def _csv(file: Path, source: Source) -> pl.LazyFrame:
    return pl.scan_csv(file, separator=source.delimiter, infer_schema=False, glob=False)


def _json(file: Path, source: Source) -> pl.LazyFrame:
    """A list of objects, or an object that has it under `rows_at`."""
    told = json.loads(file.read_bytes())
    rows = told.get(source.rows_at) if isinstance(told, dict) else told
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ValueError(f"a list of objects is needed{f' under {source.rows_at!r}' if source.rows_at else ''}")
    names = list(dict.fromkeys(str(name) for row in rows for name in row))
    return pl.LazyFrame(
        {name: [_text(row.get(name)) for row in rows] for name in names}, schema=dict.fromkeys(names, pl.String)
    )


def _parquet(file: Path, _source: Source) -> pl.LazyFrame:
    return pl.scan_parquet(file, glob=False)


def _spreadsheet(file: Path, source: Source) -> pl.LazyFrame:
    return spreadsheet.rows(file.read_bytes(), lambda columns: bool(_fields(columns, source))).lazy()


_READERS: Final = {
    ".csv": _csv, ".json": _json, ".parquet": _parquet, ".xlsx": _spreadsheet, ".ods": _spreadsheet,
}  # fmt: skip
_TEXTS: Final = (".csv", ".json")
_WHOLE: Final = (".json", ".xlsx", ".ods")


def _text(value: Any) -> str | None:
    """A JSON value as the file writes it."""
    return value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _sha256(file: Path) -> str:
    with file.open("rb") as read:
        return hashlib.file_digest(read, "sha256").hexdigest()


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
