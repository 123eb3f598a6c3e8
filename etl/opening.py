"""A file on disk to its bytes, or the one reason why not: the one way by which a build opens what it was given."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path

from etl.problems import Unusable


@contextmanager
def opened(path: Path) -> Iterator[BufferedReader]:
    """A regular file, open to be read.

    Raises Unusable: file.not-found, file.unreadable (no permission, a directory, a pipe or a device: these are never
    opened, so nothing blocks; or a fault of the system while it is read).
    """
    try:
        _regular(path.stat())  # asked before opening: opening a device can have effects
        # Not to wait for a writer, should the file have become a pipe meanwhile.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        with os.fdopen(descriptor, "rb") as file:
            _regular(os.fstat(descriptor))
            yield file
    except (FileNotFoundError, NotADirectoryError) as error:
        raise Unusable("file.not-found") from error
    except PermissionError as error:
        raise _unreadable("permission denied", "permesso negato") from error
    except OSError as error:
        known = errno.errorcode.get(error.errno or 0, "?")
        raise _unreadable(f"{error.strerror} ({known})", f"errore di sistema {known}") from error


def content(path: Path, limit: int) -> tuple[bytes, int]:
    """The first `limit` + 1 bytes of a regular file, and how many it has; whoever gets more than `limit` refuses it.

    Raises Unusable as `opened` does.
    """
    try:
        with opened(path) as file:
            data = file.read(limit + 1)
            size = os.fstat(file.fileno()).st_size
    except ValueError as error:  # a NUL or a lone surrogate in the path: no such file can exist
        raise Unusable("file.not-found") from error
    return data, max(size, len(data)) if len(data) > limit else len(data)


def sha256(path: Path) -> str:
    """The SHA-256 of a regular file, in hexadecimal; raises Unusable as `opened` does."""
    with opened(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _regular(status: os.stat_result) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise _unreadable("a directory", "è una cartella")
    if not stat.S_ISREG(status.st_mode):
        raise _unreadable("a pipe, a socket or a device", "è una pipe, un socket o un dispositivo")


def _unreadable(found: str, found_it: str) -> Unusable:
    return Unusable("file.unreadable", found=found, found_it=found_it)
