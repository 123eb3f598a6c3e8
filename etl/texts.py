"""Words as people leave them in sheets -> tidy text, lists of bodies and names, web addresses. Pure and vectorised."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import Final

import polars as pl

_BLANK: Final = r"[\t \u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]"
_BREAK: Final = r"(?:\r\n|[\n\r\x0b\x0c\x85\u2028])"
#: Characters that show nothing and may not or should not stand in published text: C0 and C1 controls, soft hyphen,
#: zero-width and direction marks, interlinear marks, noncharacters. Joiners stay: some scripts need them.
CONTROLS: Final = (
    r"[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f"
    r"\ufeff\ufff9-\ufffb\ufdd0-\ufdef\ufffe\uffff]"
)
#: Windows-1252 taken for Latin-1: its quotes, dashes and euro sign are C1 controls then, which no text means. They are
#: read as what they were, as HTML does (https://encoding.spec.whatwg.org/#windows-1252); 0x85 stays a line break.
_WINDOWS: Final = {
    chr(byte): bytes([byte]).decode("cp1252") for byte in range(0x80, 0xA0) if byte not in b"\x81\x85\x8d\x8f\x90\x9d"
}
#: A carriage return as spreadsheets write it (ECMA-376, 22.9.2.19), left in what was saved from them: the line break it
#: belongs to stands after it.
_RETURN: Final = {"_x000D_": " "}
#: What a text must have to be changed by tidying: a sign that may be noise or in need of composing, too many blanks.
#: Latin letters and the usual punctuation are as they should be (nothing before U+0300 is composed otherwise).
_UNTIDY: Final = r"[^ -~\u00a1-\u00ac\u00ae-\u02ff\u2010-\u2027\u20ac]|\A ?\z|\A | \z|  |_x000D_"
_URL: Final = r"(?i)\bhttps?://[^\s<>\x22{}|\\^`]*[^\s<>\x22{}|\\^`.,;:!?'()\[\]«»“”’]"
_NAME: Final = r"[a-z0-9\u00a1-\uffff](?:[a-z0-9.\u00a1-\uffff-]*[a-z0-9\u00a1-\uffff])?"
_HOST: Final = rf"(?i)^https?://(?:[^/?#@]*@)?{_NAME}(?::[0-9]{{1,5}})?(?:[/?#]|$)"
_BARE: Final = rf"(?i)^{_NAME}\.(?:it|eu|com|org|net|gov)(?:/[^\s<>\x22{{}}|\\^`]*)?$"


def is_blank(text: pl.Expr) -> pl.Expr:
    """Whether a value holds nothing but blanks and line breaks."""
    return text.str.strip_chars() == ""  # Unicode's white space: ours, and nothing else


def controls(text: pl.Expr) -> pl.Expr:
    """How many control and invisible characters each value holds."""
    return _as_meant(text).str.count_matches(CONTROLS)


def from_windows(text: pl.Expr) -> pl.Expr:
    """How many characters of Windows-1252 each value holds where Unicode has controls."""
    return text.str.count_matches(f"[{''.join(_WINDOWS)}]")


def _as_meant(text: pl.Expr) -> pl.Expr:
    return text.str.replace_many(_WINDOWS | _RETURN)


def line(text: pl.Expr) -> pl.Expr:
    """Text on one line: composed (NFC), blanks single, no controls; null when nothing is left."""

    def tidy(text: pl.Expr) -> pl.Expr:
        plain = _as_meant(text).str.replace_all(CONTROLS, "").str.replace_all(rf"(?:{_BLANK}|{_BREAK}|\u2029)+", " ")
        return _or_null(plain.str.strip_chars(" ").str.normalize("NFC"))

    return _where_untidy(text, tidy)


def paragraphs(text: pl.Expr) -> pl.Expr:
    r"""Text as paragraphs parted by "\n\n", each on one line; null when nothing is left."""

    def tidy(text: pl.Expr) -> pl.Expr:
        parted = (
            _as_meant(text)
            .str.replace_all(CONTROLS, "")
            .str.replace_all("\u2029", "\n\n")
            .str.replace_all(rf"{_BLANK}*{_BREAK}{_BLANK}*", "\n")
            .str.replace_all(r"\n{2,}", "\u2029")
            .str.replace_all(rf"(?:{_BLANK}|\n)+", " ")
            .str.strip_chars(" \u2029")
            .str.replace_all("\u2029", "\n\n")
        )
        return _or_null(parted.str.normalize("NFC"))

    return _where_untidy(text, tidy)


def lines(text: pl.Expr) -> pl.Expr:
    """The lines of each value, each tidy, without empty ones; null for null."""
    return text.str.replace_all(rf"{_BREAK}|\u2029", "\n").str.split("\n").list.eval(line(pl.element()).drop_nulls())


def several(text: pl.Expr) -> pl.Expr:
    """Values parted by line or semicolon, each once, in their order; null when there is none."""
    return _each_once(lines(text.str.replace_all(";", "\n")))


def bodies(text: pl.Expr, starts: Sequence[str]) -> pl.Expr:
    """The bodies a value names, each once, in their order; null when there is none.

    A line, semicolon or slash parts two bodies. " e " or a comma does only before a word of `starts`, so that
    "Comune di Torino e Terzo settore" is two and "Ministero delle Infrastrutture e dei Trasporti" one.
    """
    parted = (
        text.str.replace_all(r"(?i)\b(e)/(o)\b", "${1}\u2215$2")
        .str.replace_all(";", "\n")
        .str.replace_all(r"([^0-9\s])\s*/\s*([^0-9\s])", "$1\n$2")
        .str.replace_all("\u2215", "/")
    )
    each = lines(parted)
    if starts:
        conjunction = rf"(?:\s*,\s*(?:[eE][dD]?\s+)?|\s+[eE][dD]?\s+)({_starts(tuple(starts))})"
        each = each.list.eval(pl.element().str.replace_all(conjunction, "\n$1").str.split("\n").explode())
    return _each_once(each.list.eval(pl.element().str.strip_chars(" ,;").replace("", None).drop_nulls()))


def urls(text: pl.Expr) -> pl.Expr:
    """The http and https addresses in each value, each once, in their order; null when there is none."""
    found = text.str.replace_all(CONTROLS, "").str.extract_all(_URL)
    return _each_once(found.list.eval(pl.element().filter(pl.element().str.contains(_HOST))))


def is_url(text: pl.Expr) -> pl.Expr:
    """Whether a line holds at least one http or https address with a host."""
    return text.str.extract_all(_URL).list.eval(pl.element().str.contains(_HOST)).list.any()


def meant_url(text: pl.Expr) -> pl.Expr:
    """The address a line without http:// may stand for ("www.comune.torino.it"); null otherwise."""
    return pl.when(text.str.contains(_BARE)).then(pl.lit("https://") + text)


def _where_untidy(text: pl.Expr, tidy: Callable[[pl.Expr], pl.Expr]) -> pl.Expr:
    """`tidy` of the texts that may need it, which are few: it costs several searches in each."""

    def changed(values: pl.Series) -> pl.Series:
        rows = values.str.contains(_UNTIDY).fill_null(False).arg_true()
        if rows.is_empty():
            return values
        name = values.name
        new = values.gather(rows).to_frame(name).select(tidy(pl.col(name))).to_series()
        return values.clone().scatter(rows, new)

    return text.map_batches(changed, return_dtype=pl.String, is_elementwise=True)


def _or_null(text: pl.Expr) -> pl.Expr:
    return pl.when(text != "").then(text)


def _each_once(values: pl.Expr) -> pl.Expr:
    once = values.list.unique(maintain_order=True)
    return pl.when(once.list.len() > 0).then(once)


@cache
def _starts(words: tuple[str, ...]) -> str:
    """A word as listed or in capitals; words of several parts ("Terzo settore") in any case, they mean nothing else."""
    forms = [rf"(?i:{re.escape(w)})" if " " in w else rf"{re.escape(w)}|{re.escape(w.upper())}" for w in words]
    return rf"(?:{'|'.join(forms)})\b"


def whole(names: Iterable[str]) -> pl.Expr:
    """A whole row as one text, for a person: "cup=B31…; cig=Z99…", without the columns that are empty."""
    cells = [pl.format(f"{name}={{}}", pl.col(name).cast(pl.String)) for name in names]
    return pl.concat_str(cells, separator="; ", ignore_nulls=True).replace("", None)
