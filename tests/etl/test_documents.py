"""Every format to the same blocks, each with the place where a person finds it."""

from __future__ import annotations

import datetime as dt
import hashlib
import io
from collections.abc import Callable
from pathlib import Path
from xml.etree.ElementTree import Element

import docx
import html5rdf  # type: ignore[import-untyped]  # it has no type information
import pytest
import xlsxwriter

from etl import documents
from etl.documents import Cell, Document, Line, Table, markup
from etl.problems import Unusable
from tests.etl.documents import made

CASES = Path(__file__).with_name("documents") / "cases"
CUP = "J11B21000010001"
Opened = Callable[..., Document]


@pytest.fixture
def opened(tmp_path: Path) -> Opened:
    """Open bytes as a file of a name."""

    def read(data: bytes | str, name: str = "scheda", charset: str = "") -> Document:
        path = tmp_path / name
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        return documents.read(path, charset)

    return read


def texts(document: Document) -> list[str]:
    """The text of all lines that have any."""
    return [block.text for block in document.blocks if isinstance(block, Line) and block.text]


def the_table(document: Document) -> Table:
    """The one table of a document."""
    (table,) = (block for block in document.blocks if isinstance(block, Table))
    return table


def cells(table: Table) -> list[list[str]]:
    return [[cell.text for cell in row] for row in table.rows]


def told(document: Document) -> str:
    """A document as cases tell it: what each line is, where, its text, its links."""
    written = []
    for block in document.blocks:
        if isinstance(block, Line):
            kind = f"heading {block.level}" if block.kind == "heading" else block.kind
            written.append(" | ".join([kind, block.place, block.text, *block.links]))
            continue
        written.append(f"table | {block.place}")
        for row in block.rows:
            for cell in row:
                if cell.text or cell.links:
                    kind = "header" if cell.header else "cell"
                    written.append(
                        "  " + " | ".join([kind, cell.place, "¶".join(cell.lines) or cell.text, *cell.links])
                    )
    written += [f"ignored | {line.place} | {line.text}" for line in document.ignored]
    written += [f"data | {datum.place} | {datum.name} | {datum.value}" for datum in document.metadata]
    return "\n".join(line.rstrip() for line in written) + "\n"


@pytest.mark.parametrize("case", sorted(p for p in CASES.iterdir() if p.suffix != ".blocks"), ids=lambda p: p.name)
def test_each_case_is_read_as_it_says(case: Path) -> None:
    assert told(documents.read(case)) == case.with_name(f"{case.name}.blocks").read_text(encoding="utf-8")


# --- what a file is ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "name", "media_type"),
    [
        (b"Titolo\n", "scheda.pdf", "text/plain"),
        (b"<!doctype html><p>Titolo", "scheda.pdf", "text/html"),
        (b"\xef\xbb\xbf  <HTML><p>Titolo", "scheda", "text/html"),
        ("<html><p>Titolo".encode("utf-16"), "scheda", "text/html"),
        (b"<?xml version='1.0'?><!-- x --><html xmlns='http://www.w3.org/1999/xhtml'><p>Titolo", "s.xml", "text/html"),
        (b"<html><p>Titolo", "scheda.txt", "text/plain"),
        (b'{"titolo": "Orti"}', "scheda.html", "application/json"),
        (b'{"titolo": "Orti"}', "scheda.txt", "text/plain"),
        (b"[1] Titolo in nota\n", "scheda", "text/plain"),
        (made.docx(made.paragraph("Titolo")), "scheda.txt", documents.DOCX),
        (made.odt("<text:p>Titolo</text:p>"), "scheda.docx", documents.ODT),
    ],
)
def test_what_a_file_is_its_bytes_tell_and_not_its_name(
    opened: Opened, data: bytes, name: str, media_type: str
) -> None:
    document = opened(data, name)
    assert document.media_type == media_type
    assert (document.sha256, document.size) == (hashlib.sha256(data).hexdigest(), len(data))
    assert "Titolo" in texts(document)[0] or "titolo" in texts(document)[0]


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"\x89PNG\r\n\x1a\n\x00", "PNG"),
        (b"{\\rtf1 Titolo}", "RTF"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "DOC, XLS"),
        (b"<?xml version='1.0'?><scheda/>", "XML"),
        (made.archive({"scheda.txt": "Titolo"}), "ZIP"),
        (made.archive({"mimetype": "application/epub+zip", "content.xml": "<x/>"}), "application/epub+zip"),
    ],
)
def test_a_format_that_is_not_read_is_named(opened: Opened, data: bytes, found: str) -> None:
    with pytest.raises(Unusable) as caught:
        opened(data)
    assert (caught.value.code, caught.value.details["found"]) == ("file.unknown-format", found)


# --- HTML ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "charset", "encoding"),
    [
        ("<p>Città".encode("utf-8-sig"), "iso-8859-1", "utf-8"),
        ("<p>Città".encode("iso-8859-15"), "ISO-8859-15", "iso-8859-15"),
        ("<p>Città".encode(), "UTF-8", "utf-8"),
        ("<meta charset=iso-8859-2><p>Citta'".encode("iso-8859-2"), "", "iso-8859-2"),
        ("<meta charset=latin1><p>Città".encode("cp1252"), "", "windows-1252"),
        ("<!-- <meta charset=koi8-r> --><p>Città".encode(), "", "utf-8"),
        ("<p>Città".encode("cp1252"), "", "windows-1252"),
        ("<meta charset=utf-8><p>Città".encode("cp1252"), "", "windows-1252"),
        ("<meta charset=utf-16><p>Città".encode(), "", "utf-8"),
        ("<p>Città".encode("utf-16"), "", "utf-16le"),
    ],
)
def test_an_encoding_is_told_by_the_mark_then_the_server_then_the_page(
    opened: Opened, data: bytes, charset: str, encoding: str
) -> None:
    document = opened(data, charset=charset)
    assert document.encoding == encoding
    assert texts(document) in (["Città"], ["Citta'"])


def _element(path: str, page: Element) -> Element | None:
    at: Element | None = page
    for step in path.removeprefix("/html").split("/")[1:]:
        if at is None:
            return None
        at = list(at)[int(step[2:-1]) - 1] if step.startswith("*") else at.find(step)
    return at


@pytest.mark.parametrize("case", sorted(CASES.glob("*.html")), ids=lambda p: p.name)
def test_a_place_is_where_another_parser_of_the_standard_finds_the_text(case: Path) -> None:
    text, _ = markup.decoded(case.read_bytes())
    page = html5rdf.parse(text, treebuilder="etree", namespaceHTMLElements=False)
    document = documents.read(case)
    lines: list[Line | Cell] = [block for block in document.blocks if isinstance(block, Line)]
    for line in [*lines, *(c for b in document.blocks if isinstance(b, Table) for row in b.rows for c in row)]:
        element = _element(line.place, page)
        assert element is not None, line
        shown = "".join(element.itertext()) + (element.get("value") or "")
        assert all(word in shown for word in line.text.split()), line


def test_a_page_without_content_of_its_own_is_read_whole(opened: Opened) -> None:
    document = opened("<html><body><h1>Orti</h1><p>Testo<footer>Note legali</footer>")
    assert texts(document) == ["Orti", "Testo"]
    assert [(line.text, line.place) for line in document.ignored] == [("Note legali", "/html/body/footer")]


def test_what_relative_links_are_relative_to_is_told(opened: Opened) -> None:
    assert opened('<html><base href="https://comune.example/a/"><p>x').base == "https://comune.example/a/"
    assert opened('<html><link rel=canonical href="https://comune.example/b"><p>x').base == "https://comune.example/b"


def test_json_ld_that_is_none_is_kept_as_it_stands(opened: Opened) -> None:
    document = opened('<html><script type="application/ld+json">{"name": Orti}</script><p>Testo')
    assert (document.metadata, document.ignored) == ((), (Line('{"name": Orti}', "JSON-LD 1"),))


# --- PDF -----------------------------------------------------------------------------------------------------------


def test_lines_of_a_pdf_have_their_page_and_number(opened: Opened) -> None:
    pdf = made.Pdf()
    pdf.text(50, 50, "Orti di quartiere")
    pdf.text(50, 100, "CUP", CUP)
    pdf.page()
    pdf.text(50, 50, "Seconda scheda")
    assert opened(pdf.bytes()).blocks == (
        Line("Orti di quartiere", "page 1, line 1"),
        Line("", "page 1, line 2"),
        Line("CUP", "page 1, line 2"),
        Line(CUP, "page 1, line 3"),
        Line("", "page 2", "break"),
        Line("Seconda scheda", "page 2, line 1"),
    )


def test_what_stands_apart_on_a_line_is_parted_by_a_tab(opened: Opened) -> None:
    pdf = made.Pdf()
    for at, (label, value) in enumerate(
        [("Titolo", "Orti"), ("CUP", CUP), ("RUP", "A. B."), ("Città", "Torino"), ("Fine", "2023")]
    ):
        pdf.text(50, 50 + 15 * at, label)
        pdf.text(250, 50 + 15 * at, value)
    assert texts(opened(pdf.bytes()))[:2] == ["Titolo\tOrti", f"CUP\t{CUP}"]


PROSE = [f"riga {at} di una colonna di testo che va a capo da sé" for at in range(12)]


def test_two_columns_are_read_one_after_the_other(opened: Opened) -> None:
    pdf = made.Pdf()
    pdf.text(50, 50, "Un titolo che sta sopra a tutte e due le colonne della pagina, da un lato all'altro")
    pdf.text(50, 80, *PROSE[:6])
    pdf.text(310, 83, *PROSE[6:])  # lines of two columns need not stand at the same height
    assert texts(opened(pdf.bytes()))[1:] == PROSE


def test_columns_of_labels_and_values_are_read_one_after_the_other(opened: Opened) -> None:
    left, right = (
        [f"Titolo: Orti {n}", f"CUP: J11B2100001000{n}", f"Importo: {n}.000,00", f"Città: Torino {n}"] for n in (1, 2)
    )
    pdf = made.Pdf()
    pdf.text(50, 50, *left)
    pdf.text(320, 50, *right)
    assert texts(opened(pdf.bytes())) == left + right


def test_below_two_columns_a_form_is_read_across(opened: Opened) -> None:
    pdf = made.Pdf()
    pdf.text(50, 80, *PROSE[:6])
    pdf.text(310, 80, *PROSE[6:])
    pdf.text(50, 200, "Titolo")
    pdf.text(220, 200, "Orti di quartiere e giardini della città")
    assert texts(opened(pdf.bytes())) == [*PROSE, "Titolo\tOrti di quartiere e giardini della città"]


def test_a_ruled_table_has_its_cells(opened: Opened) -> None:
    pdf = made.Pdf()
    pdf.text(50, 50, "Prima")
    pdf.table(50, 70, [100, 200], [["Campo", "Valore"], ["CUP", CUP], ["Descrizione", "prima riga\nseconda riga"]], 30)
    pdf.text(50, 200, "Dopo")
    document = opened(pdf.bytes())
    table = the_table(document)
    assert cells(table) == [["Campo", "Valore"], ["CUP", CUP], ["Descrizione", "prima riga seconda riga"]]
    assert table.rows[2][1].lines == ("prima riga", "seconda riga")
    assert table.rows[1][1].place == "page 1, table 1, row 2, column 2"
    assert [block.text if isinstance(block, Line) else "table" for block in document.blocks] == [
        "Prima",
        "table",
        "Dopo",
    ]


def test_a_spanned_cell_of_a_pdf_stands_in_its_first_place(opened: Opened) -> None:
    pdf = made.Pdf()
    for y in (60, 100):
        pdf.canvas.line(50, 842 - y, 350, 842 - y)
    pdf.canvas.line(150, 842 - 80, 350, 842 - 80)  # not through the first column
    for x in (50, 150, 350):
        pdf.canvas.line(x, 842 - 60, x, 842 - 100)
    pdf.text(55, 84, "Importi")
    pdf.text(155, 74, "1.000,00")
    pdf.text(155, 94, "2.000,00")
    assert cells(the_table(opened(pdf.bytes()))) == [["Importi", "1.000,00"], ["", "2.000,00"]]


def test_a_frame_and_an_underline_are_no_table(opened: Opened) -> None:
    pdf = made.Pdf()
    pdf.canvas.rect(40, 700, 300, 100)
    pdf.canvas.line(50, 842 - 71, 150, 842 - 71)
    pdf.text(50, 70, "Titolo sottolineato")
    assert opened(pdf.bytes()).blocks == (Line("Titolo sottolineato", "page 1, line 1"),)


def test_running_headers_footers_and_page_numbers_are_kept_apart(opened: Opened) -> None:
    pdf = made.Pdf()
    for page in range(1, 5):
        pdf.text(50, 30, "Programma di prova 2014-2020")
        pdf.text(50, 80, f"Orti {page}", "CUP", f"J11B2100001000{page}")
        pdf.text(280, 820, f"Pagina {page} di 4")
        pdf.page()
    document = opened(pdf.bytes())
    assert [line.text for line in document.ignored if "page 2" in line.place] == [
        "Programma di prova 2014-2020",
        "Pagina 2 di 4",
    ]
    assert texts(document)[:3] == ["Orti 1", "CUP", "J11B21000010001"]


def test_a_page_that_is_a_picture_among_pages_of_text_is_told(opened: Opened) -> None:
    pdf = made.Pdf()
    pdf.text(50, 50, "Orti di quartiere", "CUP J11B21000010001")
    pdf.picture(300, 300, 200, 150)  # a photo beside the text
    pdf.page()
    pdf.picture(0, 0, 595, 842)  # a scanned page, stamped with a number
    pdf.text(280, 820, "2")
    pdf.page()
    pdf.picture(0, 0, 595, 842)  # a scanned page with the text that OCR found
    pdf.text(50, 50, "Delibera della giunta comunale del 12 marzo", *["che approva gli orti del quartiere"] * 3)
    pdf.page()
    pdf.text(50, 50, "Documenti")
    assert opened(pdf.bytes()).pictures == ("page 2",)


def test_the_label_at_the_top_of_every_sheet_is_no_running_header(opened: Opened) -> None:
    pdf = made.Pdf()
    for page in range(1, 5):
        pdf.text(50, 50, "Titolo del progetto", f"Orti {page}", "CUP", f"J11B2100001000{page}")
        pdf.page()
    document = opened(pdf.bytes())
    assert (document.ignored, texts(document).count("Titolo del progetto")) == ((), 4)


def test_a_link_of_a_pdf_goes_to_its_line(opened: Opened) -> None:
    pdf = made.Pdf()
    pdf.text(50, 50, "Documenti", "delibera")
    pdf.canvas.linkURL("https://comune.example/delibera.pdf", (50, 842 - 64, 90, 842 - 54))
    assert opened(pdf.bytes()).blocks[1] == Line(
        "delibera", "page 1, line 2", links=("https://comune.example/delibera.pdf",)
    )


@pytest.mark.parametrize(("turn", "x", "y"), [(90, 100, -100), (180, -400, -500), (270, -500, 100)])
def test_a_page_shown_turned_is_read_as_it_is_shown(opened: Opened, turn: int, x: int, y: int) -> None:
    pdf = made.Pdf()
    pdf.canvas.setPageRotation(turn)
    pdf.canvas.rotate(turn)
    pdf.canvas.drawString(x, y, "Orti di quartiere")
    pdf.canvas.drawString(x, y - 15, f"CUP {CUP}")
    document = opened(pdf.bytes())
    assert (texts(document), document.ignored) == (["Orti di quartiere", f"CUP {CUP}"], ())


def test_a_stamp_on_the_margin_is_kept_apart(opened: Opened) -> None:
    pdf = made.Pdf()
    pdf.text(50, 50, "Orti di quartiere")
    pdf.canvas.rotate(90)
    pdf.canvas.drawString(200, -20, "Protocollo 123 del 2022")
    document = opened(pdf.bytes())
    assert texts(document) == ["Orti di quartiere"]
    assert document.ignored == (Line("Protocollo 123 del 2022", "page 1, turned text"),)


def test_what_was_filled_into_a_form_is_read(opened: Opened) -> None:
    pdf = made.Pdf()
    pdf.text(50, 60, "CUP:")
    pdf.canvas.acroForm.textfield(value=CUP, x=100, y=842 - 66, width=200, height=16, fontSize=10, borderWidth=0)
    assert texts(opened(pdf.bytes())) in ([f"CUP: {CUP}"], [f"CUP:\t{CUP}"])


def test_a_hyphen_at_the_end_of_a_line_stays(opened: Opened) -> None:
    pdf = made.Pdf()
    pdf.text(50, 50, "riqualifica-", "zione del parco")
    assert texts(opened(pdf.bytes())) == ["riqualifica-", "zione del parco"]


# --- DOCX ----------------------------------------------------------------------------------------------------------


def test_a_document_as_word_makes_it(opened: Opened) -> None:
    document = docx.Document()
    document.add_heading("Orti di quartiere", 2)
    lead = document.add_paragraph()
    lead.add_run("CUP:").bold = True
    lead.add_run(f" {CUP}")
    document.add_paragraph("")
    document.add_paragraph("prima riga\nseconda riga")
    table = document.add_table(2, 2)
    for at, text in enumerate(["RUP", "Nome Inventato", "Importo", "1.000,00"]):
        table.cell(at // 2, at % 2).text = text
    document.sections[0].header.paragraphs[0].text = "Programma di prova"
    out = io.BytesIO()
    document.save(out)
    found = opened(out.getvalue())
    assert found.blocks[:6] == (
        Line("Orti di quartiere", "paragraph 1", "heading", level=2),
        Line("CUP:", "paragraph 2", "label"),
        Line(CUP, "paragraph 2", "value"),
        Line("", "paragraph 3"),
        Line("prima riga", "paragraph 4, line 1"),
        Line("seconda riga", "paragraph 4, line 2"),
    )
    assert cells(the_table(found)) == [["RUP", "Nome Inventato"], ["Importo", "1.000,00"]]
    assert the_table(found).rows[1][1].place == "table 1, row 2, column 2"
    assert found.ignored == (Line("Programma di prova", "header 1"),)


def test_changes_of_a_document_are_read_as_accepted(opened: Opened) -> None:
    body = (
        "<w:p><w:r><w:t>Importo </w:t></w:r><w:del><w:r><w:delText>1.000</w:delText></w:r></w:del>"
        "<w:ins><w:r><w:t>2.000</w:t></w:r></w:ins><w:moveFrom><w:r><w:t>spostato</w:t></w:r></w:moveFrom></w:p>"
    )
    assert texts(opened(made.docx(body))) == ["Importo 2.000"]


def test_links_of_a_document_have_their_targets(opened: Opened) -> None:
    body = (
        '<w:p><w:hyperlink r:id="r7"><w:r><w:t>delibera</w:t></w:r></w:hyperlink></w:p>'
        '<w:p><w:r><w:fldChar w:fldCharType="begin"/></w:r><w:r><w:instrText> HYPERLINK "https://b.example/" '
        "</w:instrText></w:r>"
        '<w:r><w:fldChar w:fldCharType="separate"/></w:r><w:r><w:t>bando</w:t></w:r>'
        '<w:r><w:fldChar w:fldCharType="end"/></w:r><w:r><w:t> e altro</w:t></w:r></w:p>'
    )
    document = opened(made.docx(body, related=[("r7", "hyperlink", "https://a.example/d.pdf", True)]))
    assert document.blocks == (
        Line("delibera", "paragraph 1", links=("https://a.example/d.pdf",)),
        Line("", "paragraph 2"),
        Line("bando e altro", "paragraph 2", links=("https://b.example/",)),
    )


def test_text_boxes_come_after_their_paragraph_and_once(opened: Opened) -> None:
    box = f"<w:txbxContent>{made.paragraph(CUP)}</w:txbxContent>"
    body = (
        '<w:p><w:r><w:t>Titolo</w:t></w:r><w:r><mc:AlternateContent xmlns:mc="urn:mc">'
        f"<mc:Choice><w:drawing>{box}</w:drawing></mc:Choice><mc:Fallback><w:pict>{box}</w:pict></mc:Fallback>"
        "</mc:AlternateContent></w:r></w:p>" + made.paragraph("Dopo")
    )
    assert texts(opened(made.docx(body))) == ["Titolo", CUP, "Dopo"]


def test_hidden_text_notes_and_empty_fields_are_kept_apart(opened: Opened) -> None:
    body = (
        "<w:p><w:r><w:rPr><w:vanish/></w:rPr><w:t>nascosto</w:t></w:r><w:r><w:t>Titolo</w:t></w:r></w:p>"
        "<w:p><w:sdt><w:sdtPr><w:showingPlcHdr/></w:sdtPr><w:sdtContent><w:r><w:t>Inserire il CUP</w:t></w:r>"
        "</w:sdtContent></w:sdt></w:p>"
    )
    notes = f'<w:footnotes {made.W}><w:footnote w:id="2">{made.paragraph("una nota")}</w:footnote></w:footnotes>'
    document = opened(made.docx(body, {"word/footnotes.xml": notes}, [("r1", "footnotes", "footnotes.xml", False)]))
    assert texts(document) == ["Titolo"]
    assert [(line.text, line.place) for line in document.ignored] == [
        ("nascosto", "paragraph 1, hidden"),
        ("Inserire il CUP", "paragraph 2, hidden"),
        ("una nota", "footnote 2"),
    ]


def test_a_new_page_is_a_break(opened: Opened) -> None:
    page = '<w:p><w:r><w:t>Uno</w:t><w:br w:type="page"/><w:t>Due</w:t></w:r></w:p>'
    document = opened(made.docx(page + made.paragraph("Tre", "<w:pageBreakBefore/>")))
    assert [(b.text, b.kind, b.place) for b in document.blocks if isinstance(b, Line)] == [
        ("Uno", "text", "paragraph 1"),
        ("", "break", "paragraph 1"),
        ("Due", "text", "paragraph 1"),
        ("", "break", "paragraph 2"),
        ("Tre", "text", "paragraph 2"),
    ]


def test_spanned_cells_of_a_document_stand_in_their_first_place(opened: Opened) -> None:
    def cell(text: str, properties: str = "") -> str:
        return f"<w:tc><w:tcPr>{properties}</w:tcPr>{made.paragraph(text)}</w:tc>"

    across, begins, goes_on = '<w:gridSpan w:val="2"/>', '<w:vMerge w:val="restart"/>', "<w:vMerge/>"
    body = (
        f"<w:tbl><w:tr><w:trPr><w:tblHeader/></w:trPr>{cell('A', across)}{cell('B')}</w:tr>"
        f"<w:tr>{cell('C', begins)}{cell('D')}{cell('E')}</w:tr>"
        f"<w:tr>{cell('', goes_on)}{cell('F')}{cell('G')}</w:tr></w:tbl>"
    )
    table = the_table(opened(made.docx(body)))
    assert cells(table) == [["A", "", "B"], ["C", "D", "E"], ["", "F", "G"]]
    assert [cell.header for cell in table.rows[0]] == [True, False, True]


# --- ODT -----------------------------------------------------------------------------------------------------------

BOLD = '<style:style style:name="B" style:family="text"><style:text-properties fo:font-weight="bold"/></style:style>'
NEW_PAGE = (
    '<style:style style:name="N" style:family="paragraph">'
    '<style:paragraph-properties fo:break-before="page"/></style:style>'
)


def test_an_opendocument_text_has_its_paragraphs_and_tables(opened: Opened) -> None:
    body = (
        "<text:tracked-changes><text:changed-region><text:deletion><text:p>tolto</text:p></text:deletion>"
        "</text:changed-region></text:tracked-changes>"
        '<text:h text:outline-level="2">Orti di quartiere</text:h>'
        f'<text:p><text:span text:style-name="B">CUP:</text:span> {CUP}<text:line-break/>'
        '<text:a xlink:href="https://a.example/d.pdf">delibera</text:a></text:p>'
        "<text:list><text:list-item><text:p>primo<text:s text:c='2'/>punto</text:p></text:list-item></text:list>"
        '<table:table><table:table-row><table:table-cell table:number-rows-spanned="2">'
        "<text:p>RUP</text:p></table:table-cell>"
        "<table:table-cell><text:p>uno</text:p><text:p>due</text:p></table:table-cell></table:table-row>"
        "<table:table-row><table:covered-table-cell/><table:table-cell><text:p>tre</text:p></table:table-cell>"
        "</table:table-row></table:table>"
        '<text:p text:style-name="N">Seconda'
        "<text:note><text:note-body><text:p>una nota</text:p></text:note-body></text:note>"
        "<draw:frame><draw:text-box><text:p>riquadro</text:p></draw:text-box></draw:frame></text:p>"
    )
    document = opened(made.odt(body, BOLD + NEW_PAGE, "<style:header><text:p>Programma</text:p></style:header>"))
    assert [block for block in document.blocks if isinstance(block, Line)] == [
        Line("Orti di quartiere", "paragraph 1", "heading", level=2),
        Line("CUP:", "paragraph 2, line 1", "label"),
        Line(CUP, "paragraph 2, line 1", "value"),
        Line("delibera", "paragraph 2, line 2", links=("https://a.example/d.pdf",)),
        Line("", "paragraph 3"),
        Line("primo  punto", "paragraph 3"),
        Line("", "paragraph 4", "break"),
        Line("Seconda", "paragraph 4"),
        Line("", "paragraph 5"),
        Line("riquadro", "paragraph 5"),
    ]
    assert cells(the_table(document)) == [["RUP", "uno due"], ["", "tre"]]
    assert [(line.text, line.place) for line in document.ignored] == [
        ("una nota", "paragraph 4, note"),
        ("Programma", "header of Standard"),
    ]


# --- spreadsheets --------------------------------------------------------------------------------------------------


def workbook(*tabs: tuple[str, dict[str, object]], hidden: str = "") -> bytes:
    out = io.BytesIO()
    book = xlsxwriter.Workbook(out, {"in_memory": True})
    day = book.add_format({"num_format": "dd/mm/yyyy"})
    for name, values in tabs:
        sheet = book.add_worksheet(name)
        for place, value in values.items():
            if isinstance(value, dt.date):
                sheet.write_datetime(place, value, day)
            else:
                sheet.write(place, value)
        if name == hidden:
            sheet.hide()
    book.close()
    return out.getvalue()


def test_each_tab_is_a_table_with_cells_named_as_people_write_them(opened: Opened) -> None:
    document = opened(
        workbook(
            (
                "Schede",
                {"B2": "CUP", "C2": CUP, "B3": "Importo", "C3": 1234567.89, "C4": dt.date(2022, 7, 22), "C5": 12},
            ),
            ("Foglio d'uso", {"A1": "prima\nseconda"}),
            ("Elenchi", {"A1": "Torino"}),
            hidden="Elenchi",
        )
    )
    first, table, second, other = document.blocks
    assert (first, second) == (Line("", "Schede", "break"), Line("", "'Foglio d''uso'", "break"))
    assert isinstance(table, Table)
    assert isinstance(other, Table)
    assert table.grid
    assert cells(table) == [["CUP", CUP], ["Importo", "1234567.89"], ["", "2022-07-22"], ["", "12"]]
    assert table.rows[0][1].place == "Schede!C2"
    assert other.rows[0][0] == Cell("prima seconda", "'Foglio d''uso'!A1", lines=("prima", "seconda"))
    assert document.ignored == (Line("Torino", "Elenchi!A1"),)


def test_an_opendocument_spreadsheet_is_a_table_too(opened: Opened) -> None:
    def cell(text: str) -> str:
        return f'<table:table-cell office:value-type="string"><text:p>{text}</text:p></table:table-cell>'

    data = made.ods(f"<table:table-row>{cell('CUP')}{cell(CUP)}</table:table-row>")
    table = the_table(opened(data))
    assert (cells(table), table.rows[0][1].place, table.grid) == ([["CUP", CUP]], "Schede!B1", True)


# --- JSON ----------------------------------------------------------------------------------------------------------


def test_numbers_of_json_keep_their_digits_and_keys_their_repetitions(opened: Opened) -> None:
    document = opened(
        '{"importo": 1234567890123456789.10, "anno": 0, "cup": "a", "cup": "b", "nota": null, "ok": true}'
    )
    assert [(b.kind, b.text) for b in document.blocks if isinstance(b, Line)] == [
        ("label", "importo"),
        ("value", "1234567890123456789.10"),
        ("label", "anno"),
        ("value", "0"),
        ("label", "cup"),
        ("value", "a"),
        ("label", "cup"),
        ("value", "b"),
        ("label", "nota"),
        ("label", "ok"),
        ("value", "true"),
    ]


def test_a_form_feed_in_text_is_a_break(opened: Opened) -> None:
    assert opened("Uno\n\n\fDue\n").blocks == (
        Line("Uno", "line 1"),
        Line("", "line 2"),
        Line("", "line 3", "break"),
        Line("Due", "line 3"),
    )
