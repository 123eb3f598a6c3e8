"""A file on disk to lines of text, or the one reason why it cannot be read.

Sheets come from many hands: UTF-8 with or without a byte order mark, UTF-16 with one, Windows-1252, with line
ends of every kind. What is no text is refused by name, before anything is made of it.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from etl.opening import content
from etl.problems import Unusable

#: A sheet is a few thousand bytes. A hundred times that is a mistake (a dump, a log); up to here, lines made to be
#: troublesome cost seconds at worst.
MAX_BYTES: Final = 512 * 1024
#: A paragraph may be one line: the longest seen has 1,100 characters. This is some twenty printed pages.
MAX_LINE: Final = 50_000
#: Text has no control characters but tabs and line ends; copying leaves a stray one, random bytes have one in nine.
MAX_CONTROLS: Final = 0.05

#: What the first bytes give away (https://www.iana.org/assignments/media-types; RTF is ASCII but no sheet).
SIGNATURES: Final[dict[bytes, str]] = {
    b"%PDF-": "PDF",
    b"PK\x03\x04": "ZIP, DOCX, XLSX, ODT",
    b"PK\x05\x06": "ZIP",
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": "DOC, XLS",
    b"{\\rtf": "RTF",
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"\xff\xd8\xff": "JPEG",
    b"GIF87a": "GIF",
    b"GIF89a": "GIF",
    b"II*\x00": "TIFF",
    b"MM\x00*": "TIFF",
    b"\x7fELF": "ELF",
    b"\x1f\x8b": "gzip",
    b"7z\xbc\xaf\x27\x1c": "7-Zip",
    b"PAR1": "Parquet",
    b"SQLite format 3\x00": "SQLite",
    b"\xff\xfe\x00\x00": "UTF-32",
    b"\x00\x00\xfe\xff": "UTF-32",
}
#: The names of `Text.encoding`.
UTF8: Final = "utf-8"
UTF16: Final = "UTF-16"
WINDOWS: Final = "Windows-1252"
MIXED: Final = "UTF-8 + Windows-1252"

_LINE_END: Final = re.compile("\r\n|\r|\n")
_CONTROL: Final = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x9f]")  # all but tab, line ends, vertical tab and form feed
#: à è é ì ò ù € ’ “ ” – as UTF-8; read as Windows-1252 they are pairs such as Ã¨, which no Italian text holds.
_UTF8_ITALIAN: Final = re.compile(rb"\xc3[\x80-\xbf]|\xe2\x80[\x93-\xa6]|\xe2\x82\xac")
_UTF8_LETTER: Final = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe1-\xef][\x80-\xbf]{2}|[\xf1-\xf4][\x80-\xbf]{3}")


@dataclass(frozen=True)
class Text:
    """A file as text: its lines without their ends, how it was encoded, and the bytes' SHA-256 and number.

    `encoding` is "utf-8" (with or without a BOM), "UTF-16", "Windows-1252" or "UTF-8 + Windows-1252".
    """

    lines: tuple[str, ...]
    encoding: str
    sha256: str
    size: int


def text(path: Path) -> Text:
    """The file at `path` as text.

    Raises Unusable with file.not-found, file.unreadable (no permission, a directory, a pipe or a device: these are
    never opened, so nothing blocks), file.empty (white space only, too), file.binary, file.too-large (more than
    MAX_BYTES bytes; only one more than that is ever read) or file.line-too-long (more than MAX_LINE characters).
    """
    data, size = content(path, MAX_BYTES)
    if not data:
        raise Unusable("file.empty")
    for signature, name in SIGNATURES.items():
        if data.startswith(signature):
            raise _binary(name, name)
    utf16 = data.startswith((b"\xff\xfe", b"\xfe\xff"))
    if not utf16 and (at := data.find(b"\0")) >= 0:
        raise _binary(f"NUL byte at {at}", f"byte NUL alla posizione {at}")
    if size > MAX_BYTES:
        # A dump on one line is told as such: that says more of what went wrong than its size.
        _short_lines(data.decode("utf-16" if utf16 else "utf-8", "replace"), at_least="≥ ")
        raise Unusable("file.too-large", found=str(size), limit=str(MAX_BYTES))

    written, encoding = _utf16(data) if utf16 else utf8_or_windows(data)
    if not written.strip("\ufeff \t\r\n\v\f\xa0"):
        raise Unusable("file.empty")
    controls = len(_CONTROL.findall(written))
    if controls > MAX_CONTROLS * len(written):
        raise _binary(
            f"{controls} control characters of {len(written)}", f"{controls} caratteri di controllo su {len(written)}"
        )
    lines = _short_lines(written)
    if not lines[-1]:
        lines.pop()  # what follows the last line end is no line
    return Text(tuple(lines), encoding, hashlib.sha256(data).hexdigest(), size)


def _short_lines(written: str, at_least: str = "") -> list[str]:
    lines = _LINE_END.split(written)
    longest = max(map(len, lines))
    if longest > MAX_LINE:
        raise Unusable("file.line-too-long", found=f"{at_least}{longest}", limit=str(MAX_LINE))
    return lines


def _utf16(data: bytes) -> tuple[str, str]:
    try:
        return data.decode("utf-16"), UTF16
    except UnicodeDecodeError as error:
        raise _binary(f"UTF-16 broken at byte {error.start}", f"UTF-16 interrotto al byte {error.start}") from error


def utf8_or_windows(data: bytes) -> tuple[str, str]:
    """UTF-8 if it is; else Windows-1252, unless letters of ours are in it as UTF-8: then each byte its own way."""
    try:
        return data.decode("utf-8-sig"), UTF8
    except UnicodeDecodeError:
        pass  # not UTF-8: Windows-1252 is tried next, and the answer says so
    try:
        if not _UTF8_ITALIAN.search(data):
            return data.decode("cp1252"), WINDOWS
        pieces, last = [], 0
        for found in _UTF8_LETTER.finditer(data):
            pieces += [data[last : found.start()].decode("cp1252"), _one_way(found.group())]
            last = found.end()
        return "".join([*pieces, data[last:].decode("cp1252")]).removeprefix("\ufeff"), MIXED
    except UnicodeDecodeError as error:
        byte = f"0x{error.object[error.start]:02X}"
        raise _binary(
            f"byte {byte} is neither UTF-8 nor Windows-1252", f"il byte {byte} non è né UTF-8 né Windows-1252"
        ) from error


def _one_way(letter: bytes) -> str:
    try:
        return letter.decode("utf-8")
    except UnicodeDecodeError:  # a surrogate or overlong form: shaped like UTF-8, but none
        return letter.decode("cp1252")


def _binary(found: str, found_it: str) -> Unusable:
    return Unusable("file.binary", found=found, found_it=found_it)
