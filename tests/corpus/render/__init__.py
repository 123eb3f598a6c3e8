"""Sheets written into files of every format, each in several dresses, from plain to messy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.corpus.content import Content
from tests.corpus.render import docx, html, json, odf, pdf, text, xlsx


@dataclass(frozen=True)
class Dress:
    """One way to write sheets into a file of a format.

    `several` says that a file holds all sheets it is given, else it is given one; `flat` that it has no place for parts
    and tables within a sheet; `narrow` how many characters a line has, if few; `typed` that it holds numbers and days
    as such, so that the text read is another; `labelled` that the title needs a label; `problems` are those the file
    itself has, whatever it says.
    """

    name: str
    write: Callable[[Sequence[Content]], bytes]
    several: bool = False
    flat: bool = False
    narrow: int = 0
    typed: bool = False
    labelled: bool = False
    problems: tuple[str, ...] = ()

    def fits(self, sheet: Content) -> bool:
        """Whether a sheet can be written so."""
        return (sheet.flat or not self.flat) and (not self.narrow or sheet.narrow(self.narrow))


@dataclass(frozen=True)
class Format:
    """A format: the end of its files' names, which also tells its sheets' codes, and its dresses."""

    extension: str
    dresses: tuple[Dress, ...]


#: The formats, in the order of the figures their CUPs end with.
FORMATS = (
    Format(
        "txt",
        (
            Dress("own lines", text.own_lines),
            Dress("label: value", text.pairs),
            Dress("Windows-1252", text.windows, problems=("file.encoding",)),
            Dress("pages", text.pages, several=True),
        ),
    ),
    Format(
        "html",
        (
            Dress("definition list", html.definitions),
            Dress("fields", html.fields),
            Dress("table, Windows-1252", html.table),
            Dress("bold leads", html.bold),
            Dress("JSON-LD", html.linked),
        ),
    ),
    Format(
        "pdf",
        (
            Dress("flowing", pdf.flowing, several=True),
            Dress("ruled table", pdf.ruled, several=True),
            Dress("two columns", pdf.columns, narrow=52),
            Dress("form", pdf.form),
            Dress("label: value", pdf.pairs, several=True),
        ),
    ),
    Format(
        "docx",
        (Dress("paragraphs", docx.paragraphs), Dress("table", docx.table), Dress("headings", docx.headings)),
    ),
    Format(
        "odt",
        (
            Dress("table", odf.text_table),
            Dress("paragraphs", odf.text_paragraphs),
            Dress("headings", odf.text_headings),
        ),
    ),
    Format(
        "xlsx",
        (
            Dress("tabs", xlsx.tabs, several=True),
            Dress("rows", xlsx.rows, several=True, flat=True, labelled=True),
            Dress("rows, typed", xlsx.typed, several=True, flat=True, typed=True, labelled=True),
        ),
    ),
    Format(
        "ods",
        (
            Dress("rows", odf.rows, several=True, flat=True, labelled=True),
            Dress("tabs", odf.tabs, several=True),
        ),
    ),
    Format(
        "json",
        (
            Dress("list", json.listed, several=True, labelled=True),
            Dress("below a key", json.wrapped, several=True, labelled=True),
        ),
    ),
)
