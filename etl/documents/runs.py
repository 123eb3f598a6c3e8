"""Pieces of text, each bold or not, with or without a link, to lines: what HTML, DOCX and ODT have in common.

A line whose bold beginning ends in a colon is a label and its value, and so is a bold line followed, within its
paragraph, by one that is not: the format says so, as people write forms.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from etl.documents.model import Cell, Kind, Line

#: What ends a line wherever it stands within a text (https://www.unicode.org/reports/tr14/, mandatory breaks).
LINE_END: Final = re.compile("\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]")
#: A bold line longer than this is a bold sentence, no label.
LONGEST_LABEL: Final = 80

_BLANKS: Final = re.compile("[ \t]+")


@dataclass(frozen=True)
class Run:
    """A piece of text in one style; a line end in it ends the line. A run of an image has a link and no text."""

    text: str
    bold: bool = False
    link: str = ""


def lines(
    runs: Iterable[Run], place: str, kind: Kind = "text", level: int = 0, *, numbered: bool = False, keep: bool = False
) -> list[Line]:
    """The lines of one paragraph.

    With `numbered`, each of several lines says in its place which it is ("paragraph 4, line 2"). White space within a
    line becomes one blank, as a browser shows it, unless `keep` says that it stands as written. Blank lines at the
    beginning and the end are left out, those between are kept.
    """
    rows = list(_rows(runs))
    while rows and not _filled(rows[-1]):
        rows.pop()
    first = next((at for at, row in enumerate(rows) if _filled(row)), len(rows))
    made: list[Line] = []
    for at, row in enumerate(rows[first:]):
        where = f"{place}, line {at + first + 1}" if numbered and len(rows) > 1 else place
        follows = at + first + 1 < len(rows) and not _all_bold(rows[at + first + 1])
        if kind != "text" and _filled(row):
            made.append(Line(_text(row, keep), where, kind, _links(row), level))
        else:
            made += _labelled(row, where, follows, keep, bool(made) and made[-1].kind == "label")
    return made


def cell(found: Sequence[Line], place: str, header: bool = False) -> Cell:
    """A table's cell of the lines found in it."""
    return of_lines([line.text for line in found], place, header, tuple(link for line in found for link in line.links))


def of_lines(texts: Sequence[str], place: str, header: bool = False, links: tuple[str, ...] = ()) -> Cell:
    """A cell of lines; a blank one between two parts paragraphs."""
    told = [at for at, text in enumerate(texts) if text]
    between = tuple(texts[told[0] : told[-1] + 1]) if told else ()
    return Cell(" ".join(filter(None, texts)), place, header, links, between if len(told) > 1 else ())


def split(text: str) -> list[str]:
    """A text of several lines as its lines, without white space at their ends."""
    return [line.strip() for line in LINE_END.split(text)]


def _rows(runs: Iterable[Run]) -> Iterator[list[Run]]:
    row: list[Run] = []
    for run in runs:
        first, *others = LINE_END.split(run.text)
        row.append(Run(first, run.bold, run.link))
        for other in others:
            yield row
            row = [Run(other, run.bold, run.link)]
    yield row


def _filled(row: list[Run]) -> bool:
    """Whether there is anything to tell: text, or a link (of an image)."""
    return any(run.link or run.text.strip() for run in row)


def _labelled(row: list[Run], place: str, value_follows: bool, keep: bool, after_label: bool) -> Iterator[Line]:
    at = _lead(row)
    lead = _text(row[:at], keep)
    rest = row[at:]
    if lead and not lead.endswith(":") and rest and _text(rest, keep).startswith(":"):
        # <b>CUP</b>: J11B21000010001 - the colon belongs to the label wherever the bold ends.
        first = next(n for n, run in enumerate(rest) if run.text.strip())
        before, _, after = rest[first].text.partition(":")
        lead += before.strip() + ":"
        rest = [*rest[:first], Run(after, rest[first].bold, rest[first].link), *rest[first + 1 :]]
    if lead and len(lead) <= LONGEST_LABEL and (lead.endswith(":") or (not _text(rest, keep) and value_follows)):
        yield Line(lead, place, "label", _links(row[:at]))
        if _text(rest, keep) or _links(rest):
            yield Line(_text(rest, keep), place, "value", _links(rest))
    else:
        yield Line(_text(row, keep), place, "value" if after_label else "text", _links(row))


def _lead(row: list[Run]) -> int:
    """How many runs from the first are bold, blank ones between them included."""
    last = 0
    for at, run in enumerate(row):
        if run.text.strip() and not run.bold:
            break
        if run.bold and run.text.strip():
            last = at + 1
    return last


def _all_bold(row: list[Run]) -> bool:
    return all(run.bold for run in row if run.text.strip())


def all_bold(runs: Iterable[Run]) -> bool:
    """Whether there is text and all of it is bold."""
    told = [run.bold for run in runs if run.text.strip()]
    return bool(told) and all(told)


def _text(row: Sequence[Run], keep: bool) -> str:
    text = "".join(run.text for run in row)
    return (text if keep else _BLANKS.sub(" ", text)).strip()


def _links(row: Sequence[Run]) -> tuple[str, ...]:
    """The targets in their order; one link of several runs is one."""
    found: list[str] = []
    before = ""
    for run in row:
        if run.link and run.link != before:
            found.append(run.link)
        before = run.link
    return tuple(found)
