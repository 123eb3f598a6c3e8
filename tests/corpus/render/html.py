"""Pages as cities' sites have them: the sheet in the middle of navigation, banners, scripts and footers."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from html import escape

from tests.corpus.content import Content, Entry, Pair, Paragraph, Rows, Section

#: What no sheet says: none of it may be read.
_HEAD = """<!DOCTYPE html>
<html lang="it">
<head>
<meta charset="{charset}">
<title>{title} | Portale dei progetti</title>
<link rel="stylesheet" href="/static/stile.css">
<style>.campo {{ margin: 0 }} /* Città: Nessuna */</style>
<script>window.dati = {{"Codice Progetto": "ZZ0.0.0.z", "CUP": "A00A00000000000"}};</script>
{extra}</head>
<body>
"""
_ABOVE = """<div id="cookie-banner">Usiamo i cookie. Codice CUP: nessuno. <button>Accetta</button></div>
<header role="banner"><a href="/">Portale dei progetti</a>
<nav aria-label="principale"><ul><li><a href="/progetti">Progetti</a></li><li><a href="/citta">Città</a></li>
<li><a href="/dati">Importo Programmato per città</a></li></ul></nav></header>
"""
_BELOW = """<aside><h2>Altri progetti</h2><dl><dt>Codice Progetto</dt><dd>ZZ9.9.9.z</dd></dl></aside>
<footer role="contentinfo"><p>Data fine lavori del sito: mai. Redazione e note legali.</p></footer>
<script>caricaStatistiche();</script>
</body>
</html>
"""


def definitions(sheets: Sequence[Content]) -> bytes:
    """A definition list for each part, within <main>."""
    return _page(sheets[0], _definitions, "<main>{}</main>")


def fields(sheets: Sequence[Content]) -> bytes:
    """A div for each field, with a div for its label and one for each value, as Drupal writes them."""
    return _page(sheets[0], _fields, '<div id="content"><article class="node scheda">{}</article></div>')


def table(sheets: Sequence[Content]) -> bytes:
    """A table of two columns, in Windows-1252, from before there was <main>."""
    return _page(sheets[0], _table, '<div role="main">{}</div>', "windows-1252")


def bold(sheets: Sequence[Content]) -> bytes:
    """Paragraphs that begin with a bold label, values parted by line ends, within <main>."""
    return _page(sheets[0], _bold, '<main id="main-content">{}</main>')


def linked(sheets: Sequence[Content]) -> bytes:
    """A definition list, and the same title and description in JSON-LD."""
    (sheet, *_) = sheets
    described = next((entry for entry in sheet.entries if isinstance(entry, Pair) and entry.prose), None)
    about = {"@context": "https://schema.org", "@type": "Project", "name": sheet.title}
    if described:
        about["description"] = "\n\n".join(described.values)
    told = json.dumps(about, ensure_ascii=False).replace("<", "\\u003c")
    extra = f'<script type="application/ld+json">{told}</script>\n'
    return _page(sheet, _definitions, "<main>{}</main>", extra=extra)


def _page(
    sheet: Content,
    inside: Callable[[Sequence[Entry]], Iterator[str]],
    around: str,
    charset: str = "utf-8",
    extra: str = "",
) -> bytes:
    heading = f"<h1>{escape(sheet.title)}</h1>\n"
    if sheet.begins:
        heading = f'<p class="sopratitolo">{escape(sheet.begins)}</p>\n{heading}'
    content = around.format(heading + "".join(inside(sheet.entries)))
    head = _HEAD.format(charset=charset, title=escape(sheet.title), extra=extra)
    return (head + _ABOVE + content + "\n" + _BELOW).encode(charset)


def _value(value: str) -> str:
    """A value as a link, if it is one."""
    text = escape(value)
    return f'<a href="{text}">{text}</a>' if value.startswith(("http://", "https://")) else text


def _values(pair: Pair) -> str:
    """All values in one element: paragraphs, a list, or the text itself."""
    if pair.prose:
        return "".join(f"<p>{escape(part)}</p>" for part in pair.paragraphs)
    if len(pair.values) > 1:
        return "<ul>" + "".join(f"<li>{_value(value)}</li>" for value in pair.values) + "</ul>"
    return "".join(map(_value, pair.values))


def _grid(rows: Rows) -> str:
    head, *below = rows.rows
    heads = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in head)
    cells = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>\n" for row in below)
    heading = f"<h2>{escape(rows.heading)}</h2>\n" if rows.heading else ""
    return f"{heading}<table><thead><tr>{heads}</tr></thead>\n<tbody>{cells}</tbody></table>\n"


def _other(entry: Entry) -> str:
    match entry:
        case Section(heading):
            return f"<h2>{escape(heading)}</h2>\n"
        case Rows():
            return _grid(entry)
        case Paragraph(text):
            return f"<p>{escape(text)}</p>\n"
    raise TypeError(entry)


def _listed(entries: Sequence[Entry], opening: str, closing: str, pair: Callable[[Pair], str]) -> Iterator[str]:
    """Pairs that follow one another, within one element."""
    open_ = False
    for entry in entries:
        if isinstance(entry, Pair):
            yield ("" if open_ else opening) + pair(entry)
            open_ = True
        else:
            yield (closing if open_ else "") + _other(entry)
            open_ = False
    if open_:
        yield closing


def _definitions(entries: Sequence[Entry]) -> Iterator[str]:
    def pair(of: Pair) -> str:
        several = [] if of.prose else of.values
        told = "".join(f"<dd>{_value(value)}</dd>" for value in several) or f"<dd>{_values(of)}</dd>"
        return f"<dt>{escape(of.label)}</dt>{told}\n"

    return _listed(entries, "<dl>\n", "</dl>\n", pair)


def _table(entries: Sequence[Entry]) -> Iterator[str]:
    def pair(of: Pair) -> str:
        return f"<tr><th>{escape(of.label)}</th><td>{_values(of)}</td></tr>\n"

    return _listed(entries, '<table class="scheda">\n', "</table>\n", pair)


def _fields(entries: Sequence[Entry]) -> Iterator[str]:
    def pair(of: Pair) -> str:
        items = [_values(of)] if of.prose else [_value(value) for value in of.values]
        told = "".join(f'<div class="field__item">{item}</div>' for item in items)
        label = f'<div class="field__label">{escape(of.label)}</div>'
        return f'<div class="field field--above">{label}<div class="field__items">{told}</div></div>\n'

    return _listed(entries, '<div class="scheda__campi">\n', "</div>\n", pair)


def _bold(entries: Sequence[Entry]) -> Iterator[str]:
    for entry in entries:
        match entry:
            case Pair(label) if entry.prose:
                yield f"<p><strong>{escape(label)}:</strong></p>{_values(entry)}\n"
            case Pair(label, values):
                yield f"<p><strong>{escape(label)}:</strong> {'<br>'.join(map(_value, values))}</p>\n"
            case _:
                yield _other(entry)
