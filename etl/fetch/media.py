"""What a document is: by its bytes first, then by what the server says; and whether that is what was asked for.

After https://mimesniff.spec.whatwg.org/, with the formats of office programs, which browsers do not open.
"""

from __future__ import annotations

import json
import tomllib
import zipfile
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path, PurePosixPath
from typing import Final
from urllib.parse import unquote, urlsplit

import webencodings

HTML: Final = "text/html"
UNKNOWN: Final = "application/octet-stream"
#: The ending of a copy nobody knows the type of.
ENDING: Final = ".bin"
_SPACE: Final = b"\t\n\x0c\r "
_MARKS: Final = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
#: Bytes no text has: https://mimesniff.spec.whatwg.org/#binary-data-byte
_BINARY: Final = frozenset((*range(0x09), 0x0B, *range(0x0E, 0x1B), *range(0x1C, 0x20)))
#: An ODF document says what it is in a member of this name (ODF 1.3, part 2, 3.3); the longest such type is 60 bytes.
_ODF_MEMBER, _ODF_TYPE, _ODF_LENGTH = "mimetype", "application/vnd.oasis.opendocument.", 200
#: JSON beyond this is believed to be what the server says: to see whether it is would take long.
_JSON: Final = 4 * 1024**2


@dataclass(frozen=True)
class Told:
    """What a server says of a document: its media type ("": nothing), and the name of its charset ("": none we know).

    The charset is named as the standard does that browsers follow, so "iso-8859-1" is windows-1252:
    https://encoding.spec.whatwg.org/#names-and-labels
    """

    media_type: str
    charset: str


def told(content_type: str) -> Told:
    """What a header Content-Type says.

    >>> told('Text/HTML; charset="ISO-8859-1"')
    Told(media_type='text/html', charset='windows-1252')
    """
    essence, *parameters = content_type.split(";")
    essence = essence.strip().lower()
    known = _tables().aliases.get(essence, essence)
    media_type = known if known.count("/") == 1 and known.isascii() and known.isprintable() and " " not in known else ""
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset":
            encoding = webencodings.lookup(value.strip().strip("\"'"))
            return Told(media_type, "" if encoding is None else encoding.name)
    return Told(media_type, "")


def judged(path: Path, head: bytes, declared: str) -> str:
    """The media type of a file: `head` are its first bytes, `declared` the type the server says ("": none)."""
    tables = _tables()
    fitting = [mark for mark in tables.signatures if head.startswith(mark)]
    if fitting:
        by_bytes = tables.signatures[max(fitting, key=len)]
        if by_bytes == "application/zip":
            return _packed(path, declared)
        # Word and Excel of old have one signature: only the server can say which it is.
        return declared if by_bytes == "application/x-ole-storage" and declared in tables.endings else by_bytes
    if _is_html(head) and declared != "application/xhtml+xml":
        return HTML
    binary = not head.startswith(_MARKS) and any(byte in _BINARY for byte in head)
    if declared and declared not in tables.unknown:
        # A page says what it is by its tags; what says it is one and begins like JSON is looked at.
        return "application/json" if declared in (HTML, "text/plain") and _is_json(path, head) else declared
    if binary:
        return UNKNOWN
    return "application/json" if _is_json(path, head) else "text/plain" if head else UNKNOWN


def ending(media_type: str) -> str:
    """The ending of a copy's name, with its dot."""
    return _tables().endings.get(media_type, ENDING)


def wanted(url: str) -> str:
    """The media type an address promises by its ending, "" when it promises none.

    >>> wanted("https://comune.example/schede/TO1.pdf?download=1")
    'application/pdf'
    """
    suffix = PurePosixPath(unquote(urlsplit(url).path)).suffix.lower()
    return next((kind for kind, each in _tables().endings.items() if each == suffix), "")


def is_page(media_type: str) -> bool:
    """Whether it is a page of a site, as an error is answered with, and not a document."""
    return media_type in (HTML, "application/xhtml+xml")


@dataclass(frozen=True)
class _Tables:
    """media.toml, made ready."""

    signatures: dict[bytes, str]
    members: dict[str, str]
    html: tuple[bytes, ...]
    endings: dict[str, str]
    aliases: dict[str, str]
    unknown: frozenset[str]


@cache
def _tables() -> _Tables:
    said = tomllib.loads(files("etl.fetch").joinpath("media.toml").read_text(encoding="utf-8"))
    return _Tables(
        {bytes.fromhex(mark): kind for mark, kind in said["signatures"].items()},
        said["members"],
        tuple(each.encode() for each in said["html"]["begins"]),
        said["endings"],
        said["aliases"],
        frozenset(said["unknown"]["types"]),
    )


def _is_html(head: bytes) -> bool:
    for mark, encoding in zip(_MARKS[1:], ("utf-16-le", "utf-16-be"), strict=True):
        if head.startswith(mark):
            head = head[2:].decode(encoding, "replace").encode("ascii", "replace")
    begin = head.removeprefix(_MARKS[0]).lstrip(_SPACE)[:40].lower()
    # A tag's name ends with a space or ">": "<address" is no "<a".
    return any(
        begin.startswith(tag) and (tag == b"<!--" or begin[len(tag) : len(tag) + 1] in (b" ", b">", *_ENDS))
        for tag in _tables().html
    )


_ENDS: Final = (b"\t", b"\n", b"\x0c", b"\r")


def _is_json(path: Path, head: bytes) -> bool:
    if not head.removeprefix(_MARKS[0]).lstrip(_SPACE).startswith((b"{", b"[")) or path.stat().st_size > _JSON:
        return False
    try:
        json.loads(path.read_bytes().removeprefix(_MARKS[0]))
    except (ValueError, RecursionError):
        return False
    return True


def _packed(path: Path, declared: str) -> str:
    """What a ZIP archive is by its members' names; nothing is unpacked but the few bytes in which ODF says its type."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.NameToInfo
            for name, kind in _tables().members.items():
                if name in names:
                    return kind
            member = names.get(_ODF_MEMBER)
            if member is not None and member.file_size <= _ODF_LENGTH:
                kind = archive.read(member).decode("ascii", "replace").strip()
                if kind.startswith(_ODF_TYPE):
                    return kind
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError, ValueError):
        # No archive after all, or one packed in a way nobody reads: whoever opens it will say so.
        return declared or "application/zip"
    return "application/zip"
