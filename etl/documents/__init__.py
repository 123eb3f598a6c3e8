"""Opening documents: a file to blocks with places, whatever its format; what they mean is not asked here.

    read(Path("scheda.pdf")).blocks  ->  lines and tables, in reading order, each with its exact place

What a file is, its bytes tell: a PDF called .docx is a PDF. Only a text file called .txt stays text, be it of HTML or
JSON. Every format has limits (limits.toml), and one clear problem for what is wrong with it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Final

from etl import read as text_read
from etl.documents import docx, grid, html, markup, odt, pdf, plain, records
from etl.documents.limits import limits
from etl.documents.model import Cell, Datum, Document, Kind, Line, Table
from etl.documents.package import Package, local
from etl.opening import content
from etl.problems import Unusable

__all__ = ["Cell", "Datum", "Document", "Kind", "Line", "Table", "read"]

#: Media types, as https://www.iana.org/assignments/media-types names them.
TEXT: Final = "text/plain"
HTML: Final = "text/html"
JSON: Final = "application/json"
PDF: Final = "application/pdf"
DOCX: Final = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
XLSX: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
ODT: Final = "application/vnd.oasis.opendocument.text"
ODS: Final = "application/vnd.oasis.opendocument.spreadsheet"
#: How problems call them.
_NAMES: Final = {DOCX: "DOCX", XLSX: "XLSX", ODT: "ODT", ODS: "ODS"}

_HEAD: Final = 4096  # bytes from which the format is told
#: A PDF may have something before it (https://www.iso.org/standard/75839.html, annex on older readers).
_PDF_WITHIN: Final = 1024
#: What a page begins with (https://mimesniff.spec.whatwg.org/#identifying-a-resource-with-an-unknown-mime-type).
_HTML: Final = re.compile(
    rb"(?:<!--.*?-->\s*)*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*"
    rb"<(?:!doctype\s+html|html|head|script|iframe|h1|div|font|table|a|style|title|b|body|br|p|main|article|section|dl|ul|meta|link)[\s>/]",
    re.IGNORECASE | re.DOTALL,
)
_XML: Final = re.compile(rb"<\?xml\s")
_JSON: Final = re.compile(rb'\{\s*["}]|\[\s*[\[{"\]]')


def read(path: Path, charset: str = "") -> Document:
    """The document at `path`; `charset` is what the server said of a page's encoding, if it came from one.

    Raises Unusable with one code: those of etl.read.text for files that cannot be opened and for text;
    file.unknown-format, file.encrypted, file.malformed, file.too-large, file.too-deep, file.too-many-blocks,
    file.too-many-pages, file.unpacks-too-large, file.no-text, file.too-slow, file.reader-stopped. Never anything else.
    """
    head, _ = content(path, _HEAD)
    return _opener(head, path)(path, charset)


def _opener(head: bytes, path: Path) -> Callable[[Path, str], Document]:
    """What opens a file that begins so."""
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _package
    if head.startswith(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"):
        return _compound
    start = _ascii(head).lstrip()
    if start.startswith(b"%PDF-"):
        return _pdf
    if b"%PDF-" in head[:_PDF_WITHIN] and b"\0" in head:
        return _pdf
    for signature, name in text_read.SIGNATURES.items():
        if head.startswith(signature):
            raise _unknown(name)
    if path.suffix.lower() == ".txt":
        return _text
    if _HTML.match(start):
        return _html
    if _XML.match(start):
        raise _unknown("XML")
    return _json if _JSON.match(start) else _text


def _ascii(head: bytes) -> bytes:
    """The beginning of a file without its byte order mark, one byte a character."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return head[2:].replace(b"\0", b"")
    return head.removeprefix(b"\xef\xbb\xbf")


def _unknown(found: str) -> Unusable:
    return Unusable("file.unknown-format", found=found)


def _all(path: Path, limit: int) -> bytes:
    """The whole file, if it has no more than `limit` bytes."""
    data, size = content(path, limit)
    if size > limit:
        raise Unusable("file.too-large", found=str(size), limit=str(limit))
    return data


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


# --- one for each format ---------------------------------------------------------------------------------------------


def _text(path: Path, _charset: str) -> Document:
    text = text_read.text(path)
    return Document(tuple(plain.lines(text)), (), TEXT, text.encoding, text.sha256, text.size)


def _html(path: Path, charset: str) -> Document:
    data = _all(path, limits().bytes.html)
    text, encoding = markup.decoded(data, charset)
    page = html.read(text)
    return Document(page.blocks, page.metadata, HTML, encoding, _hash(data), len(data), page.base, page.ignored)


def _json(path: Path, _charset: str) -> Document:
    data = _all(path, limits().bytes.json)
    blocks, encoding = records.read(data)
    return Document(blocks, (), JSON, encoding, _hash(data), len(data))


def _pdf(path: Path, _charset: str) -> Document:
    data = _all(path, limits().bytes.pdf)
    blocks, ignored, pictures = pdf.read(data)
    return Document(blocks, (), PDF, "", _hash(data), len(data), ignored=ignored, pictures=pictures)


def _package(path: Path, _charset: str) -> Document:
    data = _all(path, limits().bytes.package)
    package = Package(data, "ZIP")
    media_type = _media_type(package)
    package.format = _NAMES[media_type]
    if media_type in (XLSX, ODS):
        blocks, ignored = grid.read(data, package)
    else:
        blocks, ignored = (docx if media_type == DOCX else odt).read(package)
    return Document(blocks, (), media_type, "", _hash(data), len(data), ignored=ignored)


def _media_type(package: Package) -> str:
    """What an archive is, by the parts it has; raises Unusable (file.unknown-format) for any other."""
    if "mimetype" in package.parts and "content.xml" in package.parts:
        told = package.read("mimetype")[:200].decode("ascii", "replace").strip().removesuffix("-template")
        if told in (ODT, ODS):
            return told
        raise _unknown(told or "ZIP")
    if "[Content_Types].xml" in package.parts:
        main = next((t for kind, t, _ in package.related("").values() if kind == "officeDocument"), "")
        if main in package.parts and main.endswith(".xml"):
            found = local(package.xml(main))
            if found in ("document", "workbook"):
                return DOCX if found == "document" else XLSX
        raise _unknown(main or "ZIP")
    raise _unknown("ZIP")


def _compound(path: Path, _charset: str) -> Document:
    """Old Office files, and new ones with a password: both are of Microsoft's compound format, neither is read."""
    if "EncryptedPackage".encode("utf-16-le") in _all(path, limits().bytes.package):
        raise Unusable("file.encrypted")
    raise _unknown(text_read.SIGNATURES[b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"])
