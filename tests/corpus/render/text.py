"""Plain text: labels and values on lines of their own, as copied from a page, or "Label: value"."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tests.corpus.content import Content, Pair, Paragraph, Rows, Section

#: What stands in a cell of nothing: columns drawn with spaces have no empty ones.
NOTHING = "–"


def own_lines(sheets: Sequence[Content]) -> bytes:
    """Each label and each value a line, blank lines around."""
    return "\n\f".join("\n".join(_own_lines(sheet)) + "\n" for sheet in sheets).encode()


def pages(sheets: Sequence[Content]) -> bytes:
    """The same, each sheet a page (a form feed parts them)."""
    return own_lines(sheets)


def pairs(sheets: Sequence[Content]) -> bytes:
    """A line "Label: value" each, with no blank lines but around prose; it begins with a byte order mark."""
    return b"\xef\xbb\xbf" + _pairs(sheets[0]).encode()


def windows(sheets: Sequence[Content]) -> bytes:
    """The same as an old editor leaves it: Windows-1252, line ends of Windows."""
    return _pairs(sheets[0]).replace("\n", "\r\n").encode("cp1252")


def drawn(rows: Sequence[Sequence[str]]) -> list[str]:
    """A table drawn with spaces."""
    filled = [[cell or NOTHING for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*filled, strict=True)]
    return ["   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in filled]


def _own_lines(sheet: Content) -> Iterator[str]:
    if sheet.begins:
        yield from (sheet.begins, "")
    yield from (sheet.title, "")
    for entry in sheet.entries:
        match entry:
            case Pair(label):
                yield from (label, "")
                for number, value in enumerate(entry.values):
                    if number and entry.prose:
                        yield ""
                    yield from value.split("\n")
                if entry.values:
                    yield ""
            case Section(heading):
                yield from (heading, "")
            case Rows(heading, rows):
                yield from ([heading, ""] if heading else [])
                yield from drawn(rows)
                yield ""
            case Paragraph(text):
                yield from (text, "")


def _pairs(sheet: Content) -> str:
    lines = [sheet.begins, ""] if sheet.begins else []
    lines += [sheet.title, ""]
    for entry in sheet.entries:
        match entry:
            case Pair(label, values) if entry.prose:
                lines += ["", f"{label}:", "", *"\n\n".join(values).split("\n"), ""]
            case Pair(label, (value,)):
                lines.append(f"{label}: {value}")
            case Pair(label, values):
                lines += [f"{label}:", *values]
            case Section(heading):
                lines += ["", heading, ""]
            case Rows(heading, rows):
                lines += ["", heading, "", *(" | ".join(cell or NOTHING for cell in row) for row in rows), ""]
            case Paragraph(text):
                lines += ["", text, ""]
    return "\n".join(lines) + "\n"
