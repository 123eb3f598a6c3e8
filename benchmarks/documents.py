"""How fast documents are opened, format by format, beside a plain use of the library that opens them.

    python -m benchmarks.documents [--pages 200] [--runs 3] [FORMAT ...]

The documents are made here, of invented sheets of one page: a table of labels and values and some prose. "Plain" is the
shortest code that gets all the text out with the same library, without places, labels, limits or a process apart. Both
are measured in turn in one process, each in every run; the least time counts, and the ratio is of the two.
"""

from __future__ import annotations

import argparse
import io
import json
import tempfile
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import docx
import pypdfium2  # type: ignore[import-untyped]  # it has no type information
import xlsxwriter
from lxml import etree
from python_calamine import CalamineWorkbook
from selectolax.lexbor import LexborHTMLParser

from etl import documents
from tests.etl.documents import made

PROSE = "Il progetto prevede la riqualificazione di un'area verde e il recupero di un edificio scolastico. " * 12


@dataclass(frozen=True)
class Format:
    """A format: how a document of so many sheets is made, and how its text is got out plainly."""

    made: Callable[[int], bytes]
    plain: Callable[[bytes], int]


def pairs(number: int) -> list[tuple[str, str]]:
    """The labels and values of a sheet."""
    code = f"J11B21{number:05d}0001"
    told = {"Titolo": f"Orti di quartiere {number}", "CUP": code, "Importo": f"{number}.000,00", "Città": "Torino"}
    return [*told.items(), *((f"Campo {n}", f"valore {n} di {number}") for n in range(8))]


def html(pages: int) -> bytes:
    """One page of so many sheets, with navigation around them."""
    sheets = (
        f"<section><h2>Scheda {n}</h2><dl>{''.join(f'<dt>{k}</dt><dd>{v}</dd>' for k, v in pairs(n))}</dl>"
        f"<table>{''.join(f'<tr><th>{k}</th><td>{v}</td></tr>' for k, v in pairs(n))}</table><p>{PROSE}</p></section>"
        for n in range(pages)
    )
    return f"<!doctype html><meta charset=utf-8><nav><a href=/>Home</a></nav><main>{''.join(sheets)}</main>".encode()


def pdf(pages: int) -> bytes:
    """A page for each sheet, with a ruled table."""
    document = made.Pdf()
    for number in range(pages):
        document.text(50, 50, f"Scheda {number}")
        document.table(50, 70, [150, 250], pairs(number))
        document.text(50, 350, *(PROSE[at : at + 90] for at in range(0, len(PROSE), 90)))
        document.page()
    return document.bytes()


def word(pages: int) -> bytes:
    """A heading, a table and a paragraph for each sheet."""
    return made.docx(
        "".join(
            made.paragraph(f"Scheda {n}")
            + "<w:tbl>"
            + "".join(
                f"<w:tr><w:tc>{made.paragraph(k)}</w:tc><w:tc>{made.paragraph(v)}</w:tc></w:tr>" for k, v in pairs(n)
            )
            + "</w:tbl>"
            + made.paragraph(PROSE)
            for n in range(pages)
        ),
        {
            "[Content_Types].xml": '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
            '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
            '<Override PartName="/word/document.xml" ContentType="application/vnd.openxmlformats-officedocument.'
            'wordprocessingml.document.main+xml"/></Types>'
        },
    )


def odt(pages: int) -> bytes:
    """A heading, a table and a paragraph for each sheet."""
    return made.odt(
        "".join(
            f"<text:h>Scheda {n}</text:h><table:table>"
            + "".join(
                f"<table:table-row><table:table-cell><text:p>{k}</text:p></table:table-cell>"
                f"<table:table-cell><text:p>{v}</text:p></table:table-cell></table:table-row>"
                for k, v in pairs(n)
            )
            + f"</table:table><text:p>{PROSE}</text:p>"
            for n in range(pages)
        )
    )


def xlsx(pages: int) -> bytes:
    """A row for each sheet."""
    out = io.BytesIO()
    with xlsxwriter.Workbook(out, {"in_memory": True}) as book:
        tab = book.add_worksheet("Schede")
        for number in range(pages):
            tab.write_row(number, 0, [*(value for _, value in pairs(number)), PROSE])
    return out.getvalue()


def records(pages: int) -> bytes:
    """An object for each sheet."""
    return json.dumps([dict(pairs(n)) | {"Descrizione": PROSE} for n in range(pages)]).encode()


def text(pages: int) -> bytes:
    """Labels and values on lines of their own, as many sheets as one text may have."""
    sheet = "\n\n".join(f"{label}\n\n{value}" for label, value in pairs(1)) + f"\n\n{PROSE}\n"
    return (sheet * min(pages, 200)).encode()


def _pdf_text(data: bytes) -> int:
    return sum(len(page.get_textpage().get_text_range()) for page in pypdfium2.PdfDocument(data))


def _docx_text(data: bytes) -> int:
    body = docx.Document(io.BytesIO(data)).element.body
    return sum(len(each.text or "") for each in body.iter("{*}t"))


def _odt_text(data: bytes) -> int:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return sum(map(len, etree.fromstring(archive.read("content.xml")).itertext()))


def _xlsx_text(data: bytes) -> int:
    book = CalamineWorkbook.from_filelike(io.BytesIO(data))
    return sum(
        len(str(cell)) for name in book.sheet_names for row in book.get_sheet_by_name(name).iter_rows() for cell in row
    )


FORMATS = {
    "html": Format(html, lambda data: len(LexborHTMLParser(data.decode()).text())),
    "pdf": Format(pdf, _pdf_text),
    "docx": Format(word, _docx_text),
    "odt": Format(odt, _odt_text),
    "xlsx": Format(xlsx, _xlsx_text),
    "json": Format(records, lambda data: len(json.loads(data))),
    "text": Format(text, lambda data: len(data.decode().splitlines())),
}


def measured(name: str, pages: int, runs: int) -> tuple[float, float]:
    """The least seconds of a whole reading and of a plain one, for one document of so many sheets."""
    data = FORMATS[name].made(pages)
    ours, plain = [], []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"schede.{name}"
        path.write_bytes(data)
        for _ in range(runs):
            start = time.perf_counter()
            assert documents.read(path).blocks
            ours.append(time.perf_counter() - start)
            start = time.perf_counter()
            assert FORMATS[name].plain(path.read_bytes()) > 0
            plain.append(time.perf_counter() - start)
    return min(ours), min(plain)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("formats", nargs="*", metavar="FORMAT", help=", ".join(FORMATS))
    parser.add_argument("--pages", type=int, default=200)
    parser.add_argument("--runs", type=int, default=3)
    given = parser.parse_args()
    if unknown := set(given.formats) - set(FORMATS):
        parser.error(f"no such format: {', '.join(sorted(unknown))}; allowed: {', '.join(FORMATS)}")
    print(f"{'format':8}{'one sheet, ms':>15}{'sheets/s':>12}{'plain, sheets/s':>18}{'ratio':>8}")
    for name in given.formats or FORMATS:
        single, _ = measured(name, 1, given.runs)
        ours, plain = measured(name, given.pages, given.runs)
        print(f"{name:8}{single * 1000:15.1f}{given.pages / ours:12.0f}{given.pages / plain:18.0f}{ours / plain:8.1f}")


if __name__ == "__main__":
    main()
