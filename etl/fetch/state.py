"""What is kept of every document got: a file of SQLite beside the copies, right after every single one of them.

A copy is written in three steps: a file apart, the file in its place, the row. An interruption between two of them
leaves a copy that is not what its row says; that is seen by its SHA-256, and the document is got again.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import astuple, dataclass, fields
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Final

from etl.problems import Unusable

FILE: Final = "fetched.sqlite"
LOCK: Final = "fetching.sqlite"
#: The folder, beside a source's copies, of those whose documents vanished.
GONE: Final = ".gone"
#: A copy lies so many folders below the one that knows of it, at most.
_ABOVE: Final = 2
#: Of this file's tables; one that cannot be read is refused.
_VERSION: Final = 1
#: Seconds to wait for another process that is writing a row.
_WAIT: Final = 10.0
_TABLES: Final = """
CREATE TABLE document (
  url TEXT NOT NULL, source TEXT NOT NULL, path TEXT NOT NULL UNIQUE, listed INTEGER NOT NULL,
  last_where TEXT NOT NULL, status INTEGER NOT NULL, retrieved TEXT NOT NULL, checked TEXT NOT NULL,
  sha256 TEXT NOT NULL, size INTEGER NOT NULL, media_type TEXT NOT NULL, charset TEXT NOT NULL,
  etag TEXT NOT NULL, last_modified TEXT NOT NULL, since TEXT NOT NULL, gone_status INTEGER NOT NULL,
  PRIMARY KEY (source, url)
);
CREATE TABLE run (
  id INTEGER PRIMARY KEY, task TEXT NOT NULL, began TEXT NOT NULL, ended TEXT NOT NULL
);
CREATE TABLE settled (
  run INTEGER NOT NULL REFERENCES run, url TEXT NOT NULL, kind TEXT NOT NULL, PRIMARY KEY (run, url)
) WITHOUT ROWID;
"""


@dataclass(frozen=True)
class Row:
    """A document as it is kept.

    `path` is its copy, relative to the folder; `listed` says that a listing page named it; `last_where` is the address
    that gave it, along redirects. Moments are ISO 8601 in UTC. `since` is when it was first found gone ("": it is
    not), `gone_status` what the site answered then (0: its listing no longer named it).
    """

    url: str
    source: str
    path: str
    listed: bool
    last_where: str
    status: int
    retrieved: str
    checked: str
    sha256: str
    size: int
    media_type: str
    charset: str
    etag: str
    last_modified: str
    since: str = ""
    gone_status: int = 0


@dataclass(frozen=True)
class Fetched:
    """Where a copy comes from: its address, when it was got and last seen unchanged, and what the site said of it.

    `charset` is the one of HTTP by the name of https://encoding.spec.whatwg.org/ ("": none was told), to be given to
    whoever decodes the copy: it counts after a byte order mark and before what the page says of itself.
    """

    url: str
    retrieved: datetime
    checked: datetime
    sha256: str
    size: int
    media_type: str
    charset: str
    etag: str
    last_modified: str
    status: int
    source: str


@dataclass(frozen=True)
class Gone:
    """A document the site no longer has: its address, its last copy, since when it is seen to be gone.

    `path` was its place while it was there, relative to the folder; `copy` is where the last copy lies now. `status` is
    what the site answered (404, 410), 0 when only its listing no longer names it.
    """

    url: str
    path: str
    copy: str
    since: datetime
    status: int
    source: str
    sha256: str


_COLUMNS: Final = tuple(each.name for each in fields(Row))
_PUT: Final = (  # names of ours, no values
    f"INSERT INTO document ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))}) "  # noqa: S608
    f"ON CONFLICT (source, url) DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in _COLUMNS)}"
)


class State:
    """The rows of a folder, for whoever writes them."""

    def __init__(self, folder: Path) -> None:
        """Open the file of a folder, making it if there is none; raises Unusable (fetch.folder)."""
        self._folder = folder
        with usable(folder):
            folder.mkdir(parents=True, exist_ok=True)
            self._base = sqlite3.connect(folder / FILE, timeout=_WAIT, isolation_level=None)
            self._base.execute("PRAGMA synchronous = FULL")
            _refuse_others(self._base, folder)
            if self._base.execute("PRAGMA user_version").fetchone()[0] == 0:
                self._base.executescript(f"BEGIN; {_TABLES} PRAGMA user_version = {_VERSION}; COMMIT")

    def close(self) -> None:
        """Close the file."""
        self._base.close()

    def row(self, source: str, url: str) -> Row | None:
        """What is kept of a source's document."""
        return next(self._rows("WHERE source = ? AND url = ?", source, url), None)

    def is_free(self, path: str, source: str, url: str) -> bool:
        """Whether no other document has this path."""
        return not any((row.source, row.url) != (source, url) for row in self._rows("WHERE path = ?", path))

    def listed(self, source: str) -> list[Row]:
        """The documents of a source that a listing named and that are not gone."""
        return list(self._rows("WHERE source = ? AND listed AND since = '' ORDER BY url", source))

    def put(self, row: Row, run: int, kind: str) -> None:
        """Write what is kept of a document, and that it is settled in this run, both or none."""
        with usable(self._folder), self._base:
            self._base.execute("BEGIN IMMEDIATE")
            self._base.execute(_PUT, astuple(row))
            self._base.execute("INSERT OR REPLACE INTO settled VALUES (?, ?, ?)", (run, row.url, kind))

    def begin(self, task: str, now: datetime, youngest: datetime) -> tuple[int, dict[str, str]]:
        """The number of a run, and what it settled before it was interrupted: addresses and kinds of outcome.

        That is the last run of the same task if it did not end and began after `youngest`; else a new one.
        """
        with usable(self._folder), self._base:
            self._base.execute("BEGIN IMMEDIATE")
            last = self._base.execute(
                "SELECT id, began, ended FROM run WHERE task = ? ORDER BY id DESC LIMIT 1", (task,)
            ).fetchone()
            if last and not last[2] and datetime.fromisoformat(last[1]) >= youngest:
                found = self._base.execute("SELECT url, kind FROM settled WHERE run = ?", (last[0],)).fetchall()
                return last[0], dict(found)
            begun = self._base.execute(
                "INSERT INTO run (task, began, ended) VALUES (?, ?, '')", (task, now.isoformat())
            )
            return int(begun.lastrowid or 0), {}

    def end(self, run: int, now: datetime) -> None:
        """The run came to its end: what it settled need not be remembered."""
        with usable(self._folder), self._base:
            self._base.execute("BEGIN IMMEDIATE")
            self._base.execute("UPDATE run SET ended = ? WHERE id = ?", (now.isoformat(), run))
            self._base.execute("DELETE FROM settled WHERE run = ?", (run,))

    def _rows(self, where: str, *values: str) -> Iterator[Row]:
        with usable(self._folder):
            yield from _rows(self._base, where, *values)


def told(folder: Path, path: Path) -> Fetched | None:
    """Where a copy comes from; None when the file is no copy of this folder, or is no longer what was got.

    `path` is the copy's, absolute or relative to the working folder. Raises Unusable (fetch.folder) when what is kept
    cannot be read.
    """
    name = _inside(folder, path)
    row = None if name is None else next(iter(_read(folder, "WHERE path = ? AND since = ''", name)), None)
    if row is None or not same(path, row.sha256):
        return None
    return Fetched(
        row.url,
        datetime.fromisoformat(row.retrieved),
        datetime.fromisoformat(row.checked),
        row.sha256,
        row.size,
        row.media_type,
        row.charset,
        row.etag,
        row.last_modified,
        row.status,
        row.source,
    )


def origin(path: Path) -> Fetched | None:
    """Where a file comes from, if it is a copy in a folder of ours, told by where it lies; None for any other."""
    return next((found for folder in path.absolute().parents[:_ABOVE] if (found := told(folder, path))), None)


def gone(folder: Path) -> list[Gone]:
    """The documents once got that their site no longer has, by their address; raises Unusable (fetch.folder)."""
    return [
        Gone(
            row.url,
            row.path,
            gone_path(row.path),
            datetime.fromisoformat(row.since),
            row.gone_status,
            row.source,
            row.sha256,
        )
        for row in _read(folder, "WHERE since <> '' ORDER BY url")
    ]


def gone_path(path: str) -> str:
    """Where a copy lies once its document is gone."""
    at = PurePosixPath(path)
    return str(at.parent / GONE / at.name)


def same(path: Path, sha256: str) -> bool:
    """Whether a file is there and has these bytes."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == sha256
    except OSError:
        return False  # not there, or not to be read: it is not what was got


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Be the only one that fetches into a folder; raises Unusable (fetch.busy, fetch.folder).

    The lock is a transaction, which ends with the process, however it ends.
    """
    with usable(folder):
        folder.mkdir(parents=True, exist_ok=True)
        base = sqlite3.connect(folder / LOCK, timeout=0, isolation_level=None)
    with closing(base):
        try:
            base.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode == sqlite3.SQLITE_BUSY:
                raise Unusable("fetch.busy", folder=folder.name) from error
            raise Unusable("fetch.folder", folder=folder.name, found=str(error)) from error
        yield


def _inside(folder: Path, path: Path) -> str | None:
    try:
        return path.resolve().relative_to(folder.resolve()).as_posix()
    except ValueError:
        return None


def _read(folder: Path, where: str, *values: str) -> list[Row]:
    """Rows read without writing anything; none where nothing was ever fetched."""
    if not (folder / FILE).is_file():
        return []
    address = (folder / FILE).resolve().as_uri() + "?mode=ro"
    with usable(folder), closing(sqlite3.connect(address, uri=True, timeout=_WAIT)) as base:
        _refuse_others(base, folder)
        return list(_rows(base, where, *values))


def _rows(base: sqlite3.Connection, where: str, *values: str) -> Iterator[Row]:
    found = base.execute(f"SELECT {', '.join(_COLUMNS)} FROM document {where}", values)  # noqa: S608 - our names
    for each in found.fetchall():
        told = dict(zip(_COLUMNS, each, strict=True))
        yield Row(**{**told, "listed": bool(told["listed"])})


def _refuse_others(base: sqlite3.Connection, folder: Path) -> None:
    found = base.execute("PRAGMA user_version").fetchone()[0]
    if found not in (0, _VERSION):
        raise Unusable("fetch.folder", folder=folder.name, found=f"{FILE}: version {found}")


@contextmanager
def usable(folder: Path) -> Iterator[None]:
    """What the disk or the state's file refuses, as Unusable (fetch.folder)."""
    try:
        yield
    except sqlite3.Error as error:
        raise Unusable("fetch.folder", folder=folder.name, found=f"{FILE}: {error}") from error
    except OSError as error:
        raise Unusable("fetch.folder", folder=folder.name, found=error.strerror or type(error).__name__) from error
