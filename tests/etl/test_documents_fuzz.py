"""Documents nobody thought of: whatever bytes come, a document or one problem, and no word that was not in the file.

The time of each test is bounded by the number of its examples; CUPOLA_FUZZ=N makes it N times as many, for a long run.
"""

from __future__ import annotations

import io
import json
import os
import re
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from html import escape
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from etl import documents, problems
from etl.documents import Document, Line, Table, layout
from etl.documents.layout import Char, Grid
from etl.problems import Unusable
from tests.etl.documents import made

TIMES = int(os.environ.get("CUPOLA_FUZZ", "1"))
CASES = Path(__file__).with_name("documents") / "cases"
WORDS = st.lists(st.text("abcàèCUP019:.,-€", min_size=1, max_size=8), min_size=1, max_size=4).map(" ".join)


def bounded(examples: int) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """So many examples, none of them twice slow for the machine's sake."""
    quiet = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture]
    return settings(max_examples=examples * TIMES, deadline=None, suppress_health_check=quiet)


def opened(data: bytes, name: str = "scheda") -> Document | None:
    """The document of these bytes; None if it is refused, which must be by a declared problem with all its details."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(data)
        try:
            document = documents.read(path)
        except Unusable as error:
            refused = error
        else:
            well_formed(document)
            return document
    assert refused.code.startswith("file.")
    # A detail that is missing is shown as "?": what was found may have one of its own.
    told = problems.one(refused.code, **{name: value.replace("?", "") for name, value in refused.details.items()})
    assert "?" not in told["message_it"].item() + told["message_en"].item()
    return None


def well_formed(document: Document) -> None:
    """What whoever reads a document may rely on."""
    for block in (*document.blocks, *document.ignored):
        assert block.place
        if isinstance(block, Line):
            assert not re.search("[\n\r]", block.text)
            assert block.text == block.text.strip() or document.media_type == documents.TEXT
            assert block.text or block.kind in ("text", "break") or block.links
        else:
            assert len({len(row) for row in block.rows}) == 1
            assert all(cell.place for row in block.rows for cell in row)


def said(document: Document) -> Iterator[str]:
    """Every text of a document, what is ignored and its metadata too."""
    for block in (*document.blocks, *document.ignored):
        if isinstance(block, Table):
            yield from (cell.text for row in block.rows for cell in row)
        else:
            yield block.text
    yield from (datum.value for datum in document.metadata)


def bare(text: str) -> str:
    """A text without its white space."""
    return "".join(text.split())


def only_of(document: Document | None, source: str) -> None:
    """Nothing is said that the source does not hold."""
    assert document is not None
    whole = bare(source)
    for text in said(document):
        assert bare(text) in whole


# --- nothing invented, nothing lost ----------------------------------------------------------------------------------

BLOCKS = st.lists(WORDS, min_size=1, max_size=8)


@bounded(40)
@given(BLOCKS, st.sampled_from(["p", "div", "li", "dd", "dt", "h2", "td", "span class=label", "strong"]), st.booleans())
def test_pages_say_what_was_written_and_no_more(texts: list[str], tag: str, broken: bool) -> None:
    end = "" if broken else f"</{tag.split()[0]}>"
    start = "<table>" if tag == "td" else ""
    document = opened(f"<!doctype html>{start}{''.join(f'<{tag}>{escape(t)}{end}' for t in texts)}".encode())
    only_of(document, "".join(texts))
    assert document is not None
    assert "".join(map(bare, said(document))) == bare("".join(texts))


@bounded(30)
@given(BLOCKS, st.sampled_from(["docx", "odt"]))
def test_office_documents_say_what_was_written_and_no_more(texts: list[str], kind: str) -> None:
    if kind == "docx":
        data = made.docx("".join(made.paragraph(escape(text)) for text in texts))
    else:
        data = made.odt("".join(f"<text:p>{escape(text)}</text:p>" for text in texts))
    document = opened(data)
    only_of(document, "".join(texts))
    assert document is not None
    # Blank lines part paragraphs.
    assert [bare(text) for text in said(document) if bare(text)] == [bare(text) for text in texts if bare(text)]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)


@bounded(60)
@given(JSON.filter(lambda value: isinstance(value, dict)))
def test_every_value_of_json_is_told_where_its_pointer_says(value: dict[str, object]) -> None:
    document = opened(json.dumps(value).encode())
    assert document is not None
    for line in document.blocks:
        if isinstance(line, Line) and line.kind == "value":
            at: object = value
            for step in line.place.split("/")[1:]:
                name = step.replace("~1", "/").replace("~0", "~")
                at = at[int(name)] if isinstance(at, list) else at[name] if isinstance(at, dict) else None
            told = json.dumps(at) if isinstance(at, bool | int) else str(at)
            assert bare(line.text) in bare(told)


@bounded(10)
@given(st.lists(st.text("abcCUP019:.,-", min_size=1, max_size=30), min_size=1, max_size=12), st.integers(1, 3))
def test_pdfs_say_what_was_written_and_no_more(texts: list[str], pages: int) -> None:
    pdf = made.Pdf()
    for page in range(pages):
        pdf.text(50, 60, *texts[page::pages])
        pdf.page()
    document = opened(pdf.bytes())
    assert document is not None
    assert sorted(bare("".join(said(document)))) == sorted(bare("".join(texts)))
    assert all(bare(text) in map(bare, texts) for text in said(document) if text)


COORDINATE = st.floats(0, 600, allow_nan=False, width=32)
CHARACTERS = st.lists(
    st.builds(Char, st.sampled_from("ab1 "), COORDINATE, COORDINATE, COORDINATE, COORDINATE), max_size=60
)
SIDES = st.sampled_from([10.0, 100.0, 200.0, 300.0, 599.0])
RULES = st.lists(
    st.tuples(SIDES, SIDES, SIDES, SIDES).map(
        lambda b: (min(b[0], b[2]), min(b[1], b[3]), max(b[0], b[2]), max(b[1], b[3]))
    ),
    max_size=12,
)


@bounded(60)
@given(CHARACTERS, RULES)
def test_each_character_of_a_page_is_told_once_wherever_it_stands(chars: list[Char], rules: list[layout.Box]) -> None:
    upright = [Char(c.text, min(c.x0, c.x1), min(c.y0, c.y1), max(c.x0, c.x1), max(c.y0, c.y1)) for c in chars]
    found = []
    for item in layout.read(upright, rules):
        rows = item.rows if isinstance(item, Grid) else [[[item]]]
        found += [line.text for row in rows for cell in row for line in cell]
    assert sorted(bare("".join(found))) == sorted(bare("".join(char.text for char in chars)))


# --- anything ------------------------------------------------------------------------------------------------------


def pdf_seed() -> bytes:
    pdf = made.Pdf()
    pdf.text(50, 50, "Orti di quartiere", "CUP J11B21000010001")
    pdf.table(50, 100, [80, 80], [["Campo", "Valore"], ["RUP", "Nome"]])
    pdf.canvas.linkURL("https://comune.example/", (50, 780, 90, 800))
    return pdf.bytes()


SEEDS = {
    "html": (CASES / "scheda.html").read_bytes(),
    "json": (CASES / "elenco.json").read_bytes(),
    "docx": made.docx(made.paragraph("Orti") + f"<w:tbl><w:tr><w:tc>{made.paragraph('CUP')}</w:tc></w:tr></w:tbl>"),
    "odt": made.odt("<text:h>Orti</text:h><text:p>CUP<text:s text:c='3'/></text:p>"),
    "ods": made.ods(
        "<table:table-row><table:table-cell office:value-type='string'><text:p>CUP</text:p>"
        "</table:table-cell></table:table-row>"
    ),
    "pdf": pdf_seed(),
}
CHANGES = st.lists(
    st.tuples(st.integers(0, 1 << 20), st.sampled_from(["flip", "cut", "twice", "put"]), st.binary(max_size=6)),
    max_size=5,
)


def changed(seed: bytes, changes: list[tuple[int, str, bytes]]) -> bytes:
    data = bytearray(seed)
    for where, how, piece in changes:
        at = where % (len(data) + 1)
        if how == "flip" and at < len(data):
            data[at] ^= 1 + where % 255
        elif how == "cut":
            del data[at : at + where % 50]
        elif how == "twice":
            data[at:at] = data[at : at + where % 200]
        elif how == "put":
            data[at:at] = piece
    return bytes(data)


@pytest.mark.parametrize("kind", [kind for kind in SEEDS if kind != "pdf"])
@bounded(60)
@given(changes=CHANGES)
def test_damaged_files_are_read_or_refused(kind: str, changes: list[tuple[int, str, bytes]]) -> None:
    opened(changed(SEEDS[kind], changes))


@bounded(12)
@given(CHANGES)
def test_damaged_pdfs_are_read_or_refused(changes: list[tuple[int, str, bytes]]) -> None:
    opened(changed(SEEDS["pdf"], changes))


@bounded(40)
@given(st.sampled_from(["docx", "odt", "ods"]), CHANGES)
def test_damaged_parts_of_whole_archives_are_read_or_refused(kind: str, changes: list[tuple[int, str, bytes]]) -> None:
    name = "word/document.xml" if kind == "docx" else "content.xml"
    with zipfile.ZipFile(io.BytesIO(SEEDS[kind])) as archive:
        parts: dict[str, str | bytes] = {each: archive.read(each) for each in archive.namelist()}
        part = archive.read(name)
    opened(made.archive({**parts, name: changed(part, changes)}))


TAGS = [
    *("p", "b", "table", "tr", "td", "th", "dl", "dt", "dd", "li", "ul", "a", "span", "div", "main", "nav", "form"),
    *("select", "option", "textarea", "pre", "h1", "br", "img", "svg", "template", "button", "caption"),
]
SOUP = st.lists(
    st.sampled_from([*(f"<{tag}>" for tag in TAGS), *(f"</{tag}>" for tag in TAGS)])
    | st.text("ab<>&;\"'=/!- \n", max_size=6)
    | st.sampled_from(
        ["<td colspan=3 rowspan=2>", "<p hidden>", "<div itemscope itemprop=a>", "<i class=label>", "<!--"]
    ),
    max_size=40,
).map("".join)


@bounded(150)
@given(SOUP)
def test_any_soup_of_tags_is_a_page(soup: str) -> None:
    document = opened(f"<html>{soup}".encode())
    assert document is not None or not soup.strip()


@bounded(100)
@given(
    st.binary(max_size=400), st.sampled_from([b"", b"%PDF", b"<html>", b'{"', b"PK\x03\x04", b"\xff\xfe", b"<?xml "])
)
def test_any_bytes_are_a_document_or_one_problem(data: bytes, start: bytes) -> None:
    opened(start + data)
