"""The copies of documents on disk: what they are called, and how one takes another's place."""

from __future__ import annotations

import hashlib
import os
import re
import unicodedata
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Final
from urllib.parse import unquote

from etl.fetch import media
from etl.fetch.state import gone_path
from etl.fetch.urls import Target

#: Characters of a copy's name, without its ending: readable, and short enough for any disk.
_LONGEST: Final = 100
_NO_NAME: Final = re.compile(r"[^a-z0-9]+")
#: Names Windows keeps for its devices: https://learn.microsoft.com/windows/win32/fileio/naming-a-file
_DEVICES: Final = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])")


def place(where: Target, source: str, media_type: str, is_free: Callable[[str], bool]) -> str:
    """The path of a document's copy, relative to the folder: the source's (else the host's) folder and a readable name.

    `is_free` tells whether no other document has a path: one whose name is taken gets a mark, always the same.

    >>> from etl.fetch.urls import target
    >>> place(target("https://comune.example/progetti/Scheda%20TO7.aspx?id=12"), "", "text/html", lambda _: True)
    'comune.example/progetti-scheda-to7-id-12.html'
    """
    folder = source or (where.host if where.authority == where.host else _slug(where.authority))
    ending = media.ending(media_type)
    name, mark = _slug(_bare(where)), hashlib.sha256(f"{source} {where}".encode()).hexdigest()[:10]
    if len(name) > _LONGEST or not name or _DEVICES.fullmatch(name):
        name = f"{name[:_LONGEST]}-{mark}" if name else "index"
    path = f"{folder}/{name}{ending}"
    return path if is_free(path) else f"{folder}/{name}-{mark}{ending}"


def settle(part: Path, folder: Path, path: str, old: str) -> None:
    """Put a finished file in its place, in one step; the copy under another name it had before (`old`) goes."""
    target = folder / path
    target.parent.mkdir(parents=True, exist_ok=True)
    with part.open("r+b") as file:
        os.fsync(file.fileno())
    part.replace(target)
    if old and old != path:
        (folder / old).unlink(missing_ok=True)
    _written(target.parent)


def withdraw(folder: Path, path: str) -> None:
    """Take a copy out of the way of builds, as its document is gone; a copy that is not there stays so."""
    source, target = folder / path, folder / gone_path(path)
    if source.is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        source.replace(target)
        _written(target.parent)
        _written(source.parent)


def _bare(where: Target) -> str:
    """The words of an address after its host, without the ending of its path: the copy has one of its own."""
    path, _, query = where.path.partition("?")
    at = PurePosixPath(unquote(path))
    bare = str(at.with_suffix("")) if 1 < len(at.suffix) <= 9 and at.suffix[1:].isalpha() else str(at)
    return f"{bare} {unquote(query)}"


def _slug(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return _NO_NAME.sub("-", plain.lower()).strip("-")


def _written(folder: Path) -> None:
    """Names are on disk when their folder is (where the system lets a folder be opened: Windows does not)."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
