"""Sheets to fields: a case is a sheet in tests/etl/sheets and a JSON file of what it says; add one by adding both.

`shows` says what the case is for; `readings` are [field, label, value, place], `notes` [code, field, raw, place];
`values_of` names the case with the same values in another layout; `refused` is the code of a sheet with no fields.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl import problems, read, sheet
from etl.documents.model import Line
from etl.labels import Words, key
from etl.problems import Unusable
from etl.source import SourceError, sources

SHEETS = Path(__file__).parent / "sheets"
CASES = sorted(path.stem for path in SHEETS.glob("*.json"))
EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.txt"))
TORINO = Path(__file__).parents[3] / "shared/data/ponmetro/TO7.1.1.b.txt"
SOURCE = sources()["ponmetro"]
WORDS = Words(SOURCE)


def told(name: str) -> dict[str, Any]:
    case: dict[str, Any] = json.loads((SHEETS / f"{name}.json").read_text(encoding="utf-8"))
    return case


def placed(lines: Sequence[str]) -> list[Line]:
    return [Line(text, f"line {number}") for number, text in enumerate(lines, start=1)]


def fields(path: Path) -> sheet.Sheet:
    return sheet.fields(placed(read.text(path).lines), SOURCE)


def values(found: sheet.Sheet) -> dict[str, list[str]]:
    return {
        name: [r.value for r in found.readings if r.field == name] for name in sorted({r.field for r in found.readings})
    }


# --- cases -------------------------------------------------------------------------------------------------------


def test_every_sheet_is_a_case() -> None:
    assert sorted(path.stem for path in SHEETS.glob("*.txt")) == CASES


@pytest.mark.parametrize("name", CASES)
def test_case(name: str) -> None:
    case = told(name)
    text = read.text(SHEETS / f"{name}.txt")
    assert text.encoding == case["encoding"], case["shows"]
    if "refused" in case:
        with pytest.raises(Unusable) as caught:
            sheet.fields(placed(text.lines), SOURCE)
        assert caught.value.code == case["refused"], case["shows"]
        return
    found = sheet.fields(placed(text.lines), SOURCE)
    assert [[r.field, r.label, r.value, r.place] for r in found.readings] == case["readings"], case["shows"]
    assert [[n.code, n.field, n.raw, n.place] for n in found.notes] == case["notes"], case["shows"]


@pytest.mark.parametrize("name", [name for name in CASES if "values_of" in told(name)])
def test_another_layout_gives_the_same_values(name: str) -> None:
    assert values(fields(SHEETS / f"{name}.txt")) == values(fields(SHEETS / f"{told(name)['values_of']}.txt"))


@pytest.mark.parametrize("name", [name for name in CASES if "refused" not in told(name)])
def test_every_note_has_all_its_message_needs(name: str) -> None:
    for note in fields(SHEETS / f"{name}.txt").notes:
        row = problems.one(note.code, field=note.field, label=note.label, raw=note.raw, place=note.place, **note.extra)
        assert "?" not in row["message_it"].item()


def test_encodings_and_line_ends_are_committed_byte_for_byte() -> None:
    """Git or an editor that made them all alike would make the cases mean nothing."""
    starts = {"utf-8-bom": b"\xef\xbb\xbf", "utf-16": b"\xff\xfe", "plain": b"Orti"}
    for name, start in starts.items():
        assert (SHEETS / f"{name}.txt").read_bytes().startswith(start)
    assert b"Citt\xe0\r\n" in (SHEETS / "windows-1252.txt").read_bytes()
    assert b"\r" not in (SHEETS / "plain.txt").read_bytes()
    assert b"\n" not in (SHEETS / "cr.txt").read_bytes()
    assert (SHEETS / "crlf.txt").read_bytes() == (SHEETS / "plain.txt").read_bytes().replace(b"\n", b"\r\n")


def test_no_fields_says_what_labels_are_allowed() -> None:
    with pytest.raises(Unusable) as caught:
        sheet.fields(placed(["Solo prosa, senza etichette."]), SOURCE)
    assert caught.value.details == {"allowed": "Città, Codice Progetto, Codice Unico Progetto - CUP"}


@pytest.mark.skipif(not TORINO.exists(), reason=f"the real sheet is not here: ../shared/data/ponmetro/{TORINO.name}")
def test_the_real_sheet_of_torino() -> None:
    found = fields(TORINO)
    description, *others = [r for r in found.readings if r.field != "title"]
    assert (description.field, description.place, description.value.count("\n\n")) == ("description", "lines 5-7", 2)
    assert found.readings[0] == sheet.Reading(
        "title", None, "Piani di sostegno e sviluppo per enti di terzo settore", "line 1"
    )
    assert [(r.field, r.label, r.value, r.place) for r in others] == [
        ("city", "Città", "Torino", "line 12"),
        ("local_code", "Codice Progetto", "TO7.1.1.b", "line 16"),
        ("action", "Azione", "Azione 7.1.1", "line 22"),
        ("implementing_body", "Soggetto attuatore", "Comune di Torino e Terzo settore", "line 26"),
        ("cup", "Codice Unico Progetto - CUP", "C19J21037430006", "line 30"),
        ("rup", "R.U.P.", "Alessandro Cabodi Gatti", "line 34"),
        ("start_date", "Data inizio", "30-09-0021", "line 38"),
        ("end_date", "Data fine", "30-06-2023", "line 42"),
        ("programmed_amount", "Importo Programmato", "€ 1.200.000,00", "line 48"),
        ("admitted_amount", "Importo Ammesso A Finanziamento", "€ 1.190.893,72", "line 52"),
        ("committed_amount", "Importo Giuridicamente Vincolante", "€ 1.190.893,72", "line 56"),
        ("disbursed_amount", "Importo Erogato", "€ 218.177,38", "line 60"),
    ]
    assert not found.notes


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_every_example_has_the_fields_of_a_sheet(path: Path) -> None:
    found = values(fields(path))
    always = {f.name for f in SOURCE.fields.values() if f.type != "urls"}
    assert set(found) - {"documents"} == always
    assert found["local_code"] == [path.stem]


# --- whatever is in a sheet --------------------------------------------------------------------------------------

LABELS = [label for f in SOURCE.fields.values() for label in f.labels]
PIECES = st.one_of(
    st.sampled_from(LABELS + list(SOURCE.headings) + list(SOURCE.absent)),
    st.sampled_from(
        ["", "", "-----", "Torino", "Comune di Torino", "Azione 7.1.1", "30-06-2023", "€ 5,00", "e altro,"]
    ),
    st.sampled_from(
        ["C19J21999990008", "https://www.example.org/a.pdf", "La Città ha attivato il progetto.", "Indice: 4"]
    ),
    st.sampled_from(
        ["Citt4", "Data inlzio", "Importo Programrnato: € 7,00", "Avanzamento flnanziario", "\ufeff", "\x0b"]
    ),
    st.text(st.characters(exclude_characters="\r\n"), max_size=30),
    st.builds(
        "{}{}{}".format,
        st.sampled_from(LABELS).flatmap(lambda label: st.sampled_from([label, label.upper(), label.lower()])),
        st.sampled_from([": ", ":", "\t", "   ", " - ", " | ", " ... ", " "]),
        st.sampled_from(
            ["", "Torino", "30-06-2023", "n.d.", "€ 5,00", "TO7.1.1.z", "Il progetto comincia dagli orti."]
        ),
    ),
)


def flat(text: str) -> str:
    return " ".join(text.replace("\ufeff", " ").split())


def span(place: str) -> range:
    first, last = re.fullmatch(r"lines? (\d+)(?:-(\d+))?", place).groups()  # type: ignore[union-attr]
    return range(int(first), int(last or first) + 1)


def accounted(number: int, line: str, found: sheet.Sheet) -> bool:
    """Whether a line is a label, a heading or a word of absence, or (the rest of it) in a reading or a note."""
    kept = [flat(r.value) for r in found.readings] + [flat(n.raw) for n in found.notes]
    kept += [f"{flat(n.label or '')}: {flat(n.raw)}" for n in found.notes if n.code == "sheet.unknown-label"]
    kept += [f"{flat(n.label or '')}:" for n in found.notes if n.code == "sheet.unknown-label"]
    guessed = [flat(n.raw) for n in found.notes if n.code == "sheet.label-guessed" and number in span(n.place)]
    known = {key(words) for words in (*LABELS, *SOURCE.headings, *guessed)}

    def all_there(text: str) -> bool:
        return not text or WORDS.absent(text) or any(text.casefold() in k.casefold() for k in kept)

    if key(line) in known or all_there(line):
        return True
    return any(key(line[:cut]) in known and all_there(line[cut:].strip(" :|.…-–—")) for cut in range(1, len(line)))


@settings(deadline=None)
@given(st.lists(PIECES, max_size=25))
def test_no_line_is_lost(lines: list[str]) -> None:
    try:
        found = sheet.fields(placed(lines), SOURCE)
    except Unusable:  # no label in it
        return
    for number, line in enumerate(map(flat, lines), start=1):
        if line and not re.fullmatch(r"([-_=~#])\1{2,}", line):
            assert accounted(number, line, found), (number, line, found)


@settings(deadline=None)  # a guess among many labels takes its time on a busy machine
@given(st.lists(PIECES, max_size=25))
def test_a_place_is_where_the_value_stands(lines: list[str]) -> None:
    try:
        found = sheet.fields(placed(lines), SOURCE)
    except Unusable:
        return
    for reading in found.readings:
        place = span(reading.place)
        there = iter(flat(" ".join(lines[place[0] - 1 : place[-1]])).split())
        # all words of the value in their order; a word may have its label before it without a space
        assert all(any(found_word.endswith(word) for found_word in there) for word in flat(reading.value).split())
        assert flat(lines[place[-1] - 1]).endswith(flat(reading.value).split(" ")[-1])
    single = [r.field for r in found.readings if not SOURCE.fields[r.field].many]
    assert len(single) == len(set(single))


PLAIN = fields(SHEETS / "plain.txt")
BESIDE = [": ", " : ", ":\t", "\t", "    ", " | "]


@st.composite
def shuffled(draw: st.DrawFn) -> list[str]:
    """The plain sheet with its fields in any order, each under any of its labels, in any layout."""
    lines = [PLAIN.readings[0].value, ""]
    for reading in draw(st.permutations(PLAIN.readings[1:])):
        label = draw(st.sampled_from(SOURCE.fields[reading.field].labels))
        label = draw(st.sampled_from([label, label.upper(), label.lower(), label.replace("à", "a'")]))
        match draw(st.sampled_from(["beside", "below", "close"])):
            case "beside":
                lines += [label + draw(st.sampled_from(BESIDE)) + reading.value]
            case "below":
                lines += ["", label, "", reading.value, ""]
            case _:
                lines += [label, reading.value]
        if SOURCE.fields[reading.field].prose:
            lines += [""]
    return "\n".join(lines).split("\n")


@settings(deadline=None)
@given(shuffled())
def test_order_labels_and_layout_do_not_matter(lines: list[str]) -> None:
    found = sheet.fields(placed(lines), SOURCE)
    assert (values(found), found.notes) == (values(PLAIN), [])


# --- the words ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("source", sources().values(), ids=lambda source: source.id)
def test_no_label_stands_for_two_fields(source: Any) -> None:
    Words(source)


def test_a_label_of_two_fields_is_refused_with_its_name() -> None:
    twice = dataclasses.replace(SOURCE.fields["rup"], labels=("città",))
    with pytest.raises(SourceError, match=r"'città' of rup"):
        Words(dataclasses.replace(SOURCE, fields={**SOURCE.fields, "rup": twice}))


@pytest.mark.parametrize(
    ("found", "field"),
    [
        ("Citt4", "city"),
        ("Clttà", "city"),
        ("Opportunity", None),
        ("Data inlzio", "start_date"),
        ("Data inizo", "start_date"),
        ("Data avviso", None),
        ("Data concessione", None),
        ("Importo Programrnato", "programmed_amount"),
        ("Importo Erogate", "disbursed_amount"),
        ("Importo UE ammesso a finanziamento", None),
        ("Codice Pr0getto", "local_code"),
        ("Codice prodotto", None),
        ("Soggetto attuat0re: Comune di Bari", "implementing_body"),
        ("CVP", None),
        ("R.V.P.", None),
        ("Fone", None),
    ],
)
def test_guesses(found: str, field: str | None) -> None:
    label = WORDS.guess(found)
    assert (label.field.name if label and label.field else None) == field


def test_a_guess_between_two_fields_is_none() -> None:
    amounts = {"one": "Importo ammesso", "two": "Importo omesso"}
    two = {n: dataclasses.replace(SOURCE.fields["admitted_amount"], name=n, labels=(lb,)) for n, lb in amounts.items()}
    words = Words(dataclasses.replace(SOURCE, fields=two))
    assert words.guess("Importo amesso") is None


@pytest.mark.parametrize("line", ["Torino", "n.d.", "N.D", "Foto non disponibili.", "---", "–"])
def test_absent_only_as_a_whole(line: str) -> None:
    assert WORDS.absent(line) == (line != "Torino")
    assert not WORDS.absent(f"{line} e Milano")
