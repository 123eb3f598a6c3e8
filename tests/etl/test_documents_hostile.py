"""Files made to do harm, and broken ones: each is refused by one clear problem, in bounded time and memory."""

from __future__ import annotations

import dataclasses
import io
import struct
import sys
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from etl import documents, problems
from etl.documents import apart
from etl.documents.limits import limits
from etl.problems import Unusable
from tests.etl.documents import made

Refused = Callable[[bytes | str], Unusable]


@pytest.fixture
def refused(tmp_path: Path) -> Refused:
    """Open bytes, which must be refused; both languages of the problem can be filled in."""

    def read(data: bytes | str) -> Unusable:
        path = tmp_path / "scheda"
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        with pytest.raises(Unusable) as caught:
            documents.read(path)
        message = problems.one(caught.value.code, **caught.value.details)
        assert "?" not in message["message_it"].item() + message["message_en"].item()
        return caught.value

    return read


@pytest.fixture
def within(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Make limits narrower: within("worker", seconds=1)."""

    def set_to(part: str, **values: int) -> None:
        declared = limits()
        narrowed = dataclasses.replace(declared, **{part: dataclasses.replace(getattr(declared, part), **values)})
        for module in list(sys.modules.values()):
            if getattr(module, "__name__", "").startswith("etl.documents") and hasattr(module, "limits"):
                monkeypatch.setattr(module, "limits", lambda: narrowed)

    return set_to


# --- archives --------------------------------------------------------------------------------------------------------


def test_a_part_that_unpacks_to_a_thousand_times_its_size_is_refused(refused: Refused) -> None:
    bomb = made.docx(made.paragraph("Titolo"), {"word/media/image1.png": bytes(20_000_000)})
    assert refused(bomb).code == "file.unpacks-too-large"


def test_an_archive_that_unpacks_to_too_much_in_all_is_refused(refused: Refused, within: Callable[..., None]) -> None:
    within("package", unpacked=1_000)
    assert refused(made.docx(made.paragraph("Titolo" * 200))).code == "file.unpacks-too-large"


def test_an_archive_of_very_many_parts_is_refused(refused: Refused) -> None:
    bomb = made.docx(made.paragraph("Titolo"), {f"x{n}": "" for n in range(limits().package.members)})
    assert refused(bomb).code == "file.unpacks-too-large"


@pytest.mark.parametrize("name", ["word/document.xml", "xl/workbook.xml"])
def test_a_part_that_says_it_is_smaller_than_it_is_is_refused(refused: Refused, name: str) -> None:
    if name.startswith("word"):
        data = bytearray(made.docx(made.paragraph("Titolo" * 1000)))
    else:
        data = bytearray(workbook({"xl/big.xml": "x" * 10_000}))
        name = "xl/big.xml"
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        start = archive.read(name)[:50]
    at = data.rindex(name.encode()) - 46  # its entry in the directory at the end
    data[at + 16 : at + 20] = struct.pack("<I", zlib.crc32(start))
    data[at + 24 : at + 28] = struct.pack("<I", len(start))
    error = refused(bytes(data))
    assert (error.code, name in error.details["found"]) == ("file.malformed", True)


@pytest.mark.parametrize("cut", [30, 200, -1, -30, -200])
@pytest.mark.parametrize("kind", ["docx", "odt", "xlsx"])
def test_a_truncated_archive_is_refused(refused: Refused, kind: str, cut: int) -> None:
    data = {
        "docx": made.docx(made.paragraph("Titolo")),
        "odt": made.odt("<text:p>Titolo</text:p>"),
        "xlsx": workbook({}),
    }[kind]
    assert refused(data[:cut]).code in ("file.malformed", "file.unknown-format")


def test_a_document_with_a_password_is_told_as_such(refused: Refused) -> None:
    assert refused(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600) + "EncryptedPackage".encode("utf-16-le")).code == (
        "file.encrypted"
    )
    manifest = "<manifest:manifest xmlns:manifest='m'><manifest:encryption-data/></manifest:manifest>"
    assert refused(made.odt("", others={"META-INF/manifest.xml": manifest})).code == "file.encrypted"
    pdf = made.Pdf(password="segreta")
    pdf.text(50, 50, "Titolo")
    assert refused(pdf.bytes()).code == "file.encrypted"


# --- XML -------------------------------------------------------------------------------------------------------------

LAUGHS = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10))


@pytest.mark.parametrize(
    "subset",
    [
        f'<!ENTITY a0 "ah">{LAUGHS}',
        '<!ENTITY a9 SYSTEM "file:///etc/passwd">',
        '<!ENTITY % p SYSTEM "http://127.0.0.1:9/x"> %p;',
    ],
    ids=["billion laughs", "a file of ours", "an address"],
)
def test_xml_with_entities_is_refused(refused: Refused, subset: str) -> None:
    body = f"<w:document {made.W}><w:body><w:p><w:r><w:t>&a9;</w:t></w:r></w:p></w:body></w:document>"
    document: dict[str, str | bytes] = {"word/document.xml": f"<!DOCTYPE x [{subset}]>{body}"}
    assert refused(made.docx("", document)).code == "file.malformed"


@pytest.mark.parametrize("levels", [200, 5_000])
def test_office_documents_nested_deep_are_refused(refused: Refused, levels: int) -> None:
    open_, close = "<w:tbl><w:tr><w:tc>", "</w:tc></w:tr></w:tbl>"
    assert refused(made.docx(open_ * levels + made.paragraph("x") + close * levels)).code == "file.too-deep"
    odt = made.odt("<text:section>" * levels + "<text:p>x</text:p>" + "</text:section>" * levels)
    assert refused(odt).code == "file.too-deep"


def test_cells_of_a_table_in_a_document_are_bounded(refused: Refused) -> None:
    wide = '<w:tc><w:tcPr><w:gridSpan w:val="999999"/></w:tcPr><w:p><w:r><w:t>x</w:t></w:r></w:p></w:tc>'
    assert refused(made.docx(f"<w:tbl><w:tr>{wide * 100}</w:tr></w:tbl>")).code == "file.too-many-blocks"
    repeated = (
        '<table:table><table:table-row table:number-rows-repeated="1000000">'
        '<table:table-cell table:number-columns-repeated="10000"><text:p>x</text:p></table:table-cell>'
        "</table:table-row></table:table>"
    )
    assert refused(made.odt(repeated)).code == "file.too-many-blocks"


def test_styles_based_on_one_another_in_a_circle_are_no_trouble(tmp_path: Path) -> None:
    styles = (
        f'<w:styles {made.W}><w:style w:styleId="A"><w:basedOn w:val="B"/></w:style>'
        '<w:style w:styleId="B"><w:basedOn w:val="A"/></w:style></w:styles>'
    )
    data = made.docx(
        made.paragraph("Titolo", '<w:pStyle w:val="A"/>'),
        {"word/styles.xml": styles},
        [("r1", "styles", "styles.xml", False)],
    )
    (tmp_path / "scheda").write_bytes(data)
    assert documents.read(tmp_path / "scheda").blocks == (documents.Line("Titolo", "paragraph 1"),)


def test_a_picture_is_never_unpacked(tmp_path: Path) -> None:
    huge = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">II", 10**9, 10**9) + b"broken beyond repair"
    data = bytearray(made.docx(made.paragraph("Titolo"), {"word/media/image1.png": huge}))
    at = data.index(b"beyond") if b"beyond" in data else data.index(b"image1.png") + 20
    data[at] ^= 0xFF  # whoever unpacked it would find it broken
    (tmp_path / "scheda").write_bytes(data)
    assert documents.read(tmp_path / "scheda").blocks == (documents.Line("Titolo", "paragraph 1"),)


def workbook(others: dict[str, str | bytes], sheet: str = "<row r='1'><c r='A1'><v>1</v></c></row>") -> bytes:
    """An XLSX of one tab, of the XML of its rows."""
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    types = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    return made.archive(
        {
            "[Content_Types].xml": '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
            f'<Override PartName="/xl/workbook.xml" ContentType="{types}.sheet.main+xml"/>'
            f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{types}.worksheet+xml"/></Types>',
            "_rels/.rels": made.relations(("r1", "officeDocument", "xl/workbook.xml", False)),
            "xl/workbook.xml": f'<workbook xmlns="{main}" {made.R}><sheets>'
            '<sheet name="A" sheetId="1" r:id="r1"/></sheets></workbook>',
            "xl/_rels/workbook.xml.rels": made.relations(("r1", "worksheet", "worksheets/sheet1.xml", False)),
            "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{main}"><sheetData>{sheet}</sheetData></worksheet>',
            **others,
        }
    )


def test_a_workbook_of_two_far_cells_is_refused(refused: Refused) -> None:
    far = "<row r='1'><c r='A1'><v>1</v></c></row><row r='1048576'><c r='XFD1048576'><v>1</v></c></row>"
    assert refused(workbook({}, far)).code == "file.malformed"
    tall = "<row r='1'><c r='A1'><v>1</v></c></row><row r='200000'><c r='Z200000'><v>1</v></c></row>"
    assert refused(workbook({}, tall)).code == "file.too-many-blocks"


def test_an_opendocument_spreadsheet_that_breaks_off_is_refused_at_once(refused: Refused) -> None:
    with zipfile.ZipFile(io.BytesIO(made.ods("<table:table-row/>"))) as archive:
        parts: dict[str, str | bytes] = {name: archive.read(name) for name in archive.namelist()}
        content = archive.read("content.xml")
    error = refused(made.archive({**parts, "content.xml": content.partition(b"<table:table-row")[0]}))
    assert (error.code, error.details["format"]) == ("file.malformed", "ODS")


# --- HTML and JSON ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("levels", [1_000, 10_000])
@pytest.mark.parametrize("tag", ["div", "b", "table><tr><td", "ul><li", "svg"])
def test_pages_nested_deep_are_refused(refused: Refused, tag: str, levels: int) -> None:
    assert refused("<html>" + f"<{tag}>" * levels + "Titolo").code == "file.too-deep"


@pytest.mark.parametrize(
    "page",
    ["<div>" * 300_000, "<p " + " ".join(f"a{n}=1" for n in range(150_000)) + ">x"],
    ids=["depth", "attributes"],
)
def test_a_page_that_takes_too_long_is_given_up(refused: Refused, within: Callable[..., None], page: str) -> None:
    within("worker", seconds=1)
    error = refused("<html>" + page)
    assert (error.code, error.details) == ("file.too-slow", {"format": "HTML", "limit": "1"})


@pytest.mark.parametrize(
    "table",
    [
        "<td rowspan=65534 colspan=1000>x" * 2_000,
        "<td rowspan=0 colspan=1000>x" + "<tr><td colspan=1000>x" * 2_000,
        "<td>x<tr>" * 6_000,
    ],
)
def test_cells_of_a_page_are_bounded(refused: Refused, within: Callable[..., None], table: str) -> None:
    within("blocks", cells=5_000)
    assert refused(f"<html><table><tr>{table}").code == "file.too-many-blocks"


@pytest.mark.parametrize(
    "document",
    [
        "<html>" + "<p>x" * 1_001,
        "<html><nav>" + "<p>x" * 1_001,
        '{"a": [' + "1, " * 1_001 + "1]}",
        made.docx(made.paragraph("") * 1_001),
        made.odt("<text:p/>" * 1_001),
    ],
    ids=["HTML", "HTML, around", "JSON", "DOCX", "ODT"],
)
def test_lines_are_bounded(refused: Refused, within: Callable[..., None], document: bytes | str) -> None:
    within("blocks", lines=1_000)
    assert refused(document).code == "file.too-many-blocks"


def test_metadata_of_a_page_is_bounded(refused: Refused) -> None:
    nested = "<html>" + "<div itemprop=a>" * 400 + "x" * 4_000
    assert refused(nested).code == "file.too-many-blocks"


def test_json_ld_nested_deep_is_kept_as_it_stands(tmp_path: Path) -> None:
    (tmp_path / "s").write_text(f"<html><script type=application/ld+json>{'[' * 50_000}</script><p>Titolo")
    document = documents.read(tmp_path / "s")
    assert (document.metadata, document.ignored[0].place) == ((), "JSON-LD 1")


@pytest.mark.parametrize("levels", [200, 100_000])
@pytest.mark.parametrize("pair", ["[]", ('{"a":', "}")])
def test_json_nested_deep_is_refused(refused: Refused, pair: tuple[str, str], levels: int) -> None:
    assert refused(f'{{"a": {pair[0] * levels}1{pair[1] * levels}}}').code == "file.too-deep"


@pytest.mark.parametrize("text", ['{"a": 1', '{"a": 1} x', '{"a": NaN}', '{"a": "\\x"}', '{"a": tru}', '[{"a" 1}]'])
def test_json_that_is_none_is_refused(refused: Refused, text: str) -> None:
    error = refused(text)
    assert (error.code, error.details["format"]) == ("file.malformed", "JSON")


@pytest.mark.parametrize(("start", "part"), [("<html>", "html"), ('{"a":', "json"), ("%PDF-1.7\n", "pdf")])
def test_a_file_too_large_for_its_format_is_refused(
    refused: Refused, within: Callable[..., None], start: str, part: str
) -> None:
    within("bytes", **{part: 1_000})
    error = refused(start + " " * 5_000)
    assert (error.code, error.details["limit"]) == ("file.too-large", "1000")


# --- PDF -------------------------------------------------------------------------------------------------------------


def pdf_of(*objects: bytes) -> bytes:
    """A PDF of objects numbered from 1; the first is its catalogue."""
    out = b"%PDF-1.7\n"
    starts = []
    for number, each in enumerate(objects, start=1):
        starts.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, each)
    table = b"".join(b"%010d 00000 n \n" % start for start in starts)
    size = len(objects) + 1
    return out + b"xref\n0 %d\n0000000000 65535 f \n%strailer <</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF" % (
        size,
        table,
        size,
        len(out),
    )


CATALOGUE = b"<</Type/Catalog/Pages 2 0 R>>"
FONT = b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>"
PAGE = (
    b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 4 0 R"
    b"/Resources<</Font<</F 5 0 R>>/XObject<</X 4 0 R>>>>>>"
)


def stream(data: bytes, extra: bytes = b"") -> bytes:
    packed = zlib.compress(data, 9)
    return b"<</Length %d/Filter/FlateDecode%s>>stream\n%s\nendstream" % (len(packed), extra, packed)


def one_page(content: bytes, extra: bytes = b"") -> bytes:
    return pdf_of(CATALOGUE, b"<</Type/Pages/Kids[3 0 R]/Count 1>>", PAGE, stream(content, extra), FONT)


def test_a_pdf_written_by_hand_is_read(tmp_path: Path) -> None:
    (tmp_path / "s").write_bytes(one_page(b"BT /F 12 Tf 50 700 Td (Titolo) Tj ET"))
    assert documents.read(tmp_path / "s").blocks == (documents.Line("Titolo", "page 1, line 1"),)


@pytest.mark.parametrize(
    "data",
    [
        b"%PDF-1.7\n",
        b"%PDF-1.7\n" + bytes(2_000),
        pdf_of(CATALOGUE, b"<</Type/Pages/Kids[]/Count 0>>"),
        pdf_of(CATALOGUE),
        pdf_of(b"<</Type/Catalog/Pages 1 0 R>>"),
    ],
    ids=["header only", "zeros", "no page", "no page tree", "a catalogue of itself"],
)
def test_a_broken_pdf_is_refused(refused: Refused, data: bytes) -> None:
    assert refused(data).code in ("file.malformed", "file.no-text")


@pytest.mark.parametrize("part", [0.2, 0.5, 0.8, 0.95])
def test_a_truncated_pdf_is_refused_or_read_in_part(tmp_path: Path, part: float) -> None:
    pdf = made.Pdf()
    pdf.text(50, 50, "Orti di quartiere")
    whole = pdf.bytes()
    (tmp_path / "s").write_bytes(whole[: int(len(whole) * part)])
    try:
        found = {block.text for block in documents.read(tmp_path / "s").blocks if isinstance(block, documents.Line)}
    except Unusable as error:
        assert error.code in ("file.malformed", "file.no-text")  # noqa: PT017 - either answer is right
    else:
        assert found == {"Orti di quartiere"}


@pytest.mark.parametrize(
    "kids", [b"<</Type/Pages/Kids[2 0 R]/Count 1>>", b"<</Type/Pages/Kids[2 0 R 2 0 R 3 0 R]/Count 5000>>"]
)
def test_a_page_tree_that_holds_itself_is_refused(refused: Refused, kids: bytes) -> None:
    error = refused(pdf_of(CATALOGUE, kids, PAGE, stream(b"x"), FONT))
    assert error.code in ("file.malformed", "file.no-text", "file.too-many-pages")


def test_a_form_that_shows_itself_ends(refused: Refused, within: Callable[..., None]) -> None:
    within("worker", seconds=20, memory=300_000_000)  # PDFium asks for ever more, and crashes when it gets no more
    error = refused(one_page(b"q /X Do Q /X Do", b"/Type/XObject/Subtype/Form/BBox[0 0 9 9]/Resources 3 0 R"))
    assert error.code in ("file.no-text", "file.reader-stopped")


def test_a_pdf_without_text_is_a_scan(refused: Refused) -> None:
    error = refused(one_page(b"0 0 100 100 re f"))
    assert (error.code, error.details) == ("file.no-text", {"found": "1"})


def test_a_pdf_of_a_hundred_thousand_pages_is_refused(refused: Refused) -> None:
    kids = b" ".join([b"3 0 R"] * 100_000)
    error = refused(pdf_of(CATALOGUE, b"<</Type/Pages/Kids[%s]/Count 100000>>" % kids, PAGE, stream(b""), FONT))
    assert (error.code, error.details["found"]) == ("file.too-many-pages", "100000")


def test_a_pdf_that_unpacks_to_very_much_is_refused(refused: Refused, within: Callable[..., None]) -> None:
    within("worker", seconds=20, memory=300_000_000)
    bomb = zlib.compress(bytes(50_000_000), 9)  # packed twice more: 50 MB in some hundred bytes, a hundred times
    packed = zlib.compress(bomb * 100, 9)
    data = b"<</Length %d/Filter[/FlateDecode/FlateDecode]>>stream\n%s\nendstream" % (len(packed), packed)
    content = pdf_of(CATALOGUE, b"<</Type/Pages/Kids[3 0 R]/Count 1>>", PAGE, data, FONT)
    assert refused(content).code in ("file.no-text", "file.reader-stopped", "file.too-slow", "file.malformed")


def test_characters_of_a_pdf_are_bounded(refused: Refused) -> None:
    line = b"BT /F 5 Tf 1 0 0 1 5 %d Tm (" + b"x" * 1_000 + b") Tj ET\n"
    error = refused(one_page(b"".join(line % (-9 * n) for n in range(limits().pdf.characters // 1_000 + 1))))
    assert (error.code, error.details["found"]) == ("file.too-many-blocks", "characters (page 1)")


def test_a_drawing_of_very_many_strokes_is_no_table(tmp_path: Path) -> None:
    strokes = b"".join(b"%d %d m %d %d l S\n" % (n % 500, n % 700, n % 500 + 50, n % 700) for n in range(30_000))
    (tmp_path / "s").write_bytes(one_page(strokes + b"BT /F 12 Tf 50 700 Td (Titolo) Tj ET"))
    assert documents.read(tmp_path / "s").blocks == (documents.Line("Titolo", "page 1, line 1"),)


# --- the process apart -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("program", "code", "found"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "file.reader-stopped", "signal 11"),
        ("raise ValueError('what went wrong')", "file.reader-stopped", "ValueError: what went wrong"),
        ("import time; time.sleep(60)", "file.too-slow", None),
        ("import sys; sys.stdout.buffer.write(b'half an answer')", "file.reader-stopped", "no answer"),
    ],
    ids=["a crash", "an error", "a hang", "half an answer"],
)
def test_what_happens_to_the_process_apart_is_one_problem(
    refused: Refused,
    within: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    program: str,
    code: str,
    found: str | None,
) -> None:
    within("worker", seconds=1)
    worker = tmp_path / "worker.py"
    worker.write_text(program)
    monkeypatch.setattr(apart, "WORKER", worker)
    error = refused("%PDF-1.7\n")
    assert (error.code, error.details.get("found")) == (code, found)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux bounds the memory of a process")
def test_memory_of_the_process_apart_is_bounded(refused: Refused, within: Callable[..., None]) -> None:
    within("worker", memory=20_000_000)  # less than Python itself wants
    assert refused("%PDF-1.7\n").code == "file.reader-stopped"


def test_every_limit_is_declared_once_and_is_a_number() -> None:
    declared = dataclasses.asdict(limits())
    assert all(isinstance(value, int) and value > 0 for part in declared.values() for value in part.values())
