"""The corpus (tests/corpus): every layout in every format, read, published and compared with what its sheets say.

Also the same sheet in every format: the same statements, but for where they were read.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from string import ascii_lowercase

import polars as pl
import pytest

from etl import mapping, pipeline, read, sheet
from etl.clock import Clock
from etl.collection import collect, silent
from etl.documents.model import Line
from etl.inputs import find_inputs
from etl.settings import Settings
from etl.source import sources
from etl.tables import source_tables
from tests.corpus.check import Outcome, outcomes
from tests.corpus.content import Content, Pair, contents, layouts, recoded
from tests.corpus.render import FORMATS, Dress
from tests.corpus.write import Written, write

LAYOUTS = {source.id for source in sources().values() if source.form == "sheet"}
#: The dresses in which the same sheet is compared: all that hold text as it is written.
SAME = [(form.extension, dress) for form in FORMATS for dress in form.dresses if not dress.typed]


@dataclass(frozen=True)
class Corpus:
    """The corpus as it was written, the release built from it, and what became of each sheet."""

    files: list[Written]
    built: pipeline.Built
    outcomes: list[Outcome]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    folder = tmp_path_factory.mktemp("corpus")
    files = write(folder / "files", every=2)  # half of it; all of it is read by benchmarks/corpus.py
    built = pipeline.build([folder / "files"], Settings(releases=folder / "releases", index=False))
    return Corpus(files, built, outcomes(built.folder, files))


# --- what is in it -----------------------------------------------------------------------------------------------


def test_every_layout_has_at_least_six_sheets() -> None:
    assert {layout: len(sheets) >= 6 for layout, sheets in layouts().items()} == dict.fromkeys(LAYOUTS, True)


def test_no_two_sheets_have_the_same_codes() -> None:
    """Each format puts a figure of its own in place of the last one of a code."""
    codes = [code for each in contents() for code in (each.cup[:-1], *(cig[:-1] for cig in each.cigs))]
    records = [(each.layout, each.record[:-1]) for each in contents()]
    assert [code for code, times in Counter(codes).items() if times > 1] == []
    assert len(records) == len(set(records))
    assert len(FORMATS) <= 10


@pytest.mark.parametrize("content", contents(), ids=lambda content: f"{content.layout}/{content.name}")
def test_what_a_sheet_is_known_by_stands_in_it(content: Content) -> None:
    written = {value for entry in content.entries if isinstance(entry, Pair) for value in entry.values}
    cells = {cell for entry in content.entries if hasattr(entry, "rows") for row in entry.rows for cell in row}
    assert {content.cup, *filter(None, [content.code]), *content.cigs} <= written | cells


def test_there_are_at_least_sixty_sheets_and_every_layout_in_every_format(corpus: Corpus) -> None:
    found = Counter((each.sheet.layout, each.file.format.extension) for each in corpus.outcomes)
    assert found.total() >= 60
    assert set(found) == {(layout, form.extension) for layout in LAYOUTS for form in FORMATS}


def test_every_dress_of_every_format_is_worn(corpus: Corpus) -> None:
    worn = {(file.format.extension, file.dress.name) for file in corpus.files}
    assert worn == {(form.extension, dress.name) for form in FORMATS for dress in form.dresses}


# --- what is read out of it --------------------------------------------------------------------------------------


def test_every_file_is_recognised_as_its_layout(corpus: Corpus) -> None:
    used = {each["file"]: each["source"] for each in corpus.built.manifest["inputs"]}
    assert used == {file.name: file.sheets[0].layout for file in corpus.files}


def test_every_sheet_is_published(corpus: Corpus) -> None:
    assert [(each.file.name, each.sheet.record) for each in corpus.outcomes if not each.published] == []


@pytest.mark.parametrize("form", [form.extension for form in FORMATS])
def test_every_value_is_published_as_it_is_in_the_sheet(form: str, corpus: Corpus) -> None:
    mine = [each for each in corpus.outcomes if each.file.format.extension == form]
    wrong = [f"{each.file.name}, {each.sheet.name}: {told}" for each in mine for told in (*each.wrong, *each.surplus)]
    assert wrong == []
    assert sum(each.right for each in mine) == sum(each.fields for each in mine) > 100


@pytest.mark.parametrize("form", [form.extension for form in FORMATS])
def test_what_is_wrong_with_a_sheet_is_told_and_nothing_else(form: str, corpus: Corpus) -> None:
    mine = [each for each in corpus.outcomes if each.file.format.extension == form]
    assert [f"{each.file.name}, {each.sheet.name}: {told}" for each in mine for told in each.unexpected] == []
    assert [f"{each.file.name}, {each.sheet.name}: {told}" for each in mine for told in each.missed] == []


# --- the same sheet in every format ------------------------------------------------------------------------------

#: Statements of where something was read, and of the file; the label a title needs where there are no headings.
_PLACES = re.compile(
    r"<\S+/onto/(place|fileName|sha256)> "
    r"|<https://schema\.org/contentUrl> "
    r"|/field/\S+> <http://www\.w3\.org/2000/01/rdf-schema#label> "
    r"|/field/title> <\S+/onto/sourceLabel> "
)


def statements(files: Sequence[tuple[Path, str]], folder: Path) -> dict[str, set[str]]:
    """What would be published of each file, but for places: by its name. Each is given with its sheet's code."""
    inputs = find_inputs([path for path, _ in files])
    source = inputs[0].source
    assert source is not None
    assert [item.name for item in inputs if item.source != source] == []
    found = collect(inputs, source, Settings(), folder, silent, Clock())
    tables = source_tables(pl.scan_parquet(found.records), found.readings, found.groups, source)
    mapping.write(mapping.load(source.mapping), tables, folder / "all.nq")
    lines = [line for line in (folder / "all.nq").read_text(encoding="utf-8").splitlines() if not _PLACES.search(line)]
    return {path.name: {line.replace(code, "CODE") for line in lines if code in line} for path, code in files}


def dressed(content: Content, folder: Path) -> list[tuple[Path, str]]:
    """The sheet in each dress that fits it, each with a code of its own."""
    files = []
    for number, (extension, dress) in enumerate(SAME):
        if dress.fits(content):
            code = f"{content.code[:-1]}{ascii_lowercase[-number - 1]}"
            path = folder / f"{dress.name.replace(':', '')}.{extension}"
            path.write_bytes(dress.write([recoded(content, {content.code: code})]))
            files.append((path, code))
    return files


def differences(found: dict[str, set[str]]) -> dict[str, list[str]]:
    """What each file says more or less than the first."""
    first, *_ = found.values()
    return {name: sorted(told ^ first) for name, told in found.items() if told != first}


@pytest.mark.parametrize("name", ["ponmetro/BO3-3-1-b", "ponmetro/PA4-2-1-a", "piano-operativo/ME2-1-2-c"])
def test_a_sheet_says_the_same_in_every_format(name: str, tmp_path: Path) -> None:
    (content,) = (each for each in contents() if f"{each.layout}/{each.name}" == name)
    found = statements(dressed(content, tmp_path), tmp_path)
    assert {Path(file).suffix for file in found} == {f".{form.extension}" for form in FORMATS}
    assert len(next(iter(found.values()))) > 80
    assert differences(found) == {}


def test_the_real_sheet_of_torino_says_the_same_in_every_format(torino: Path, tmp_path: Path) -> None:
    content = as_content(torino)
    found = statements([(torino, content.code), *dressed(content, tmp_path)], tmp_path)
    assert {Path(file).suffix for file in found} == {f".{form.extension}" for form in FORMATS}
    assert differences(found) == {}


def as_content(path: Path) -> Content:
    """A sheet of labels and values, as the corpus has it: what is read of it, and what it says is absent."""
    lines = read.text(path).lines
    told = sheet.fields([Line(line, f"line {n}") for n, line in enumerate(lines, start=1)], sources()["ponmetro"])
    (title,) = (reading.value for reading in told.readings if reading.field == "title")
    pairs = tuple(Pair(reading.label or "", (reading.value,)) for reading in told.readings if reading.field != "title")
    code = next(reading.value for reading in told.readings if reading.field == "local_code")
    empty = (Pair("Ambito", ()), Pair("Photogallery", ("Foto non disponibili",)))
    return Content("ponmetro", path.stem, title, "Titolo progetto", "", (*pairs, *empty), code, "", (), False, {}, ())


def test_a_dress_says_which_sheets_fit_it() -> None:
    table = next(each for each in contents() if not each.flat)
    assert not Dress("rows", lambda _: b"", flat=True).fits(table)
    assert Dress("tabs", lambda _: b"").fits(table)
