"""What a document is once it is open: blocks of text and tables, each with its place, whatever the format was.

Places are written for people and stay the same from one reading to the next:

====================  ===================================================================
text                  ``line 12``
PDF                   ``page 2, line 5``; ``page 2, table 1, row 3, column 2``
HTML                  ``/html/body/main/dl[1]/dd[3]``: an XPath that finds the element in a browser
DOCX, ODT             ``paragraph 14``; ``table 1, row 3, column 2``
XLSX, ODS             ``Sheet1!B7``
JSON                  ``/progetti/0/cup``: a pointer (https://www.rfc-editor.org/rfc/rfc6901)
====================  ===================================================================
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

#: What a format itself says of a line. "label" and "value": dt and dd, th and td, a form's label, a bold lead that ends
#: in ":"; "heading": h1-h6, Word's heading styles; "break": a new sheet may begin here (a page, a tab, a record).
Kind = Literal["text", "label", "value", "heading", "break"]


@dataclass(frozen=True)
class Line:
    """One line (a paragraph, where the format knows paragraphs) of a document.

    `text` has its white space as a reader sees it and never a line end; "" is a blank line that parts paragraphs, or a
    break. `links` are the targets of links and images in it, in their order, as written. `level` is a heading's: 1-6.
    """

    text: str
    place: str
    kind: Kind = "text"
    links: tuple[str, ...] = ()
    level: int = 0


@dataclass(frozen=True)
class Cell:
    """One cell of a table; `lines` are its own lines or list items, if it has several; `text` is all of it in one."""

    text: str
    place: str
    header: bool = False
    links: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()


@dataclass(frozen=True)
class Table:
    """A table, rectangular: a spanned cell stands in its first place only, a cell without text in the others.

    `grid` says that it is a whole tab of a spreadsheet.
    """

    rows: tuple[tuple[Cell, ...], ...]
    place: str
    grid: bool = False


@dataclass(frozen=True)
class Datum:
    """A value of the machine-readable part of a page.

    `name` is a schema.org term, a dotted path of them ("funder.name") or an IRI; `place` such as "JSON-LD 1, name",
    "microdata /html/body/div[2]/span[1]" or "meta og:title".
    """

    name: str
    value: str
    place: str


@dataclass(frozen=True)
class Document:
    """A file, open: what is in it, in reading order.

    `media_type` is what the content is by its bytes, not by its name; `encoding` is that of text formats, as
    `etl.read.Text` names it (for HTML the WHATWG name), "" else; `base` is what relative links are relative to, if the
    page tells; `ignored` is the text that is no part of what the document says: navigation, running headers and
    footers, hidden elements; `pictures` are the places of pages that are pictures, in which nothing can be read.
    """

    blocks: tuple[Line | Table, ...]
    metadata: tuple[Datum, ...]
    media_type: str
    encoding: str
    sha256: str
    size: int
    base: str = ""
    ignored: tuple[Line, ...] = ()
    pictures: tuple[str, ...] = ()
