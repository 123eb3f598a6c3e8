"""Amounts in euro as Italians write them -> exact decimals. Pure and vectorised; a float is never made.

Both conventions are read where they cannot be confused: "1.190.893,72", "1 190 893,72", "1'190'893.72" and
"1,190,893.72" are one amount. A single dot before three digits parts thousands ("1.234" is 1234, as everybody in
Italy reads it); a single comma before three digits may be either, so "1,234" is ambiguous and nothing is chosen. A
table that always writes decimals with one mark leaves no doubt: there "69.500" with a comma for decimals is 69500.

OCR takes letters for digits and marks for one another. What then is no amount any more is refused, with a suggestion
where there is one way to read it ("€ 1.2OO.000,00"); what could be another amount is ambiguous ("745.12000" lost its
comma, or is 745.12; "1.200,000"). A digit read for another leaves an amount nobody can tell from the true one, and so
does one that has lost its end ("1.190" of "1.190.893,72"): only the record's other amounts can raise a doubt.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Final

import polars as pl
from rapidfuzz.distance import Levenshtein

from etl import ocr

TYPE: Final = pl.Decimal(20, 2)
#: The largest amount that is believed, in euro: half of Italy's gross domestic product of a year.
LIMIT: Final = Decimal("999999999999.99")

#: What marks an amount in euro, before or after the figures.
_EURO: Final = r"(?:€|(?i:\beuros?\b|\beur\b))\.?"
#: What marks another currency: enough to say so, never to convert.
_OTHER: Final = (
    r"[$£¥₤₣]|(?i)\b(?:usd|gbp|chf|jpy|itl|lit|lir[ae]"
    r"|dollar[io]|dollars?|sterlin[ae]|pounds?|franch[io]|yen)\b"
)
#: Words that multiply, and by which power of ten.
_SCALES: Final = {
    3: r"(?i)\s*\bmila$",
    6: r"(?i)\s*\b(?:milion[ei]|mln\.?|mio\.?)$",
    9: r"(?i)\s*\b(?:miliard[oi]|mld\.?|mrd\.?)$",
}
#: A remark in brackets after the figures: the amount then needs a person ("IVA inclusa"), the figures are suggested.
_REMARK: Final = r"\s*(?:\([^()]*[A-Za-z][^()]*\)|(?i:\+?\s*(?:iva|i\.v\.a\.)(?:\s+\w+)?))$"

#: What `read` tells of every amount.
_READ: Final = ("value", "code", "readings", *ocr.SUGGESTED)
#: Decimals that are looked at when an amount is rounded.
_FRACTION: Final = 12

_GROUP: Final = r"[1-9][0-9]{0,2}"  # thousands never begin with 0: "0.123" is a fraction
_FIGURES: Final = (
    r"^(?:"
    rf"(?P<i1>{_GROUP}(?:\.[0-9]{{3}})+)(?:,(?P<d1>[0-9]+))?"  # 1.190.893,72
    rf"|(?P<i2>{_GROUP}(?:,[0-9]{{3}})+)\.(?P<d2>[0-9]+)"  # 1,190,893.72
    rf"|(?P<i3>{_GROUP}(?:,[0-9]{{3}}){{2,}})"  # 1,190,893
    rf"|(?P<i4>{_GROUP}(?: [0-9]{{3}})+)(?:[.,](?P<d4>[0-9]+))?"  # 1 190 893,72
    rf"|(?P<i5>{_GROUP}(?:'[0-9]{{3}})+)(?:[.,](?P<d5>[0-9]+))?"  # 1'190'893.72
    rf"|(?P<both>{_GROUP},[0-9]{{3}})"  # 1,234
    r"|(?P<i6>[0-9]+)(?:[.,](?P<d6>[0-9]+))?"  # 1190893,72  1190893.72
    r")$"
)

#: Figures in groups of three whose marks disagree, and figures without a mark before what may be two decimals.
_LOST: Final = (
    rf"^(?:{_GROUP}(?:\.[0-9]{{3}})+,[0-9]{{3}}|{_GROUP}(?:,[0-9]{{3}})+\.[0-9]{{3}}|{_GROUP}[.,][0-9]{{5}})$"
)

#: Amounts of a table, by the mark before its decimals: the other mark may part thousands.
_DIALECTS: Final = {
    mark: rf"^(?P<sign>[+-]?)(?P<i>[0-9]+|[0-9]{{1,3}}(?:\{other}[0-9]{{3}})+)(?:\{mark}(?P<d>[0-9]*))?$"
    for mark, other in ((".", ","), (",", "."))
}
#: How a table writes large floats: 1.2e7. Exponents of three figures are no amounts.
_SCIENTIFIC: Final = r"^[+-]?[0-9]+(?:\.[0-9]+)?[eE][+-]?[0-9]{1,2}$"

#: Around the figures of an amount that OCR got wrong: the euro sign, or a letter or figure read for it, among marks.
_SIGN_BEFORE: Final = re.compile(
    rf"[\s^*_~·•'`.,]*(?:{_EURO}|(?P<wrong>[CEeG6¢](?=[\s^*_~])|[CEe¢](?=[0-9])))[\s^*_~·•'`]*|\s*"
)
_SIGN_AFTER: Final = re.compile(rf"\s*(?:{_EURO}|(?P<wrong>[^\d\W][^\d\s]{{2,4}}[oa0]|[^\d\s]{{2,3}}[oa0]))\s*$")
#: How like "euro" (0-1) a word must be that is read for it.
_LIKE_EURO: Final = 0.75
#: Marks that may be a point or comma read wrong, or be there by mistake.
_MARKS: Final = ".,;:'’‘`´·•_~^ \u00a0\u202f"
#: Longer texts are no amount with a few wrong signs.
_LONGEST: Final = 40

_BLANKS: Final = r"[\s\u00a0\u2000-\u200b\u202f\u205f\u2060\u3000\ufeff]+"


def read(raw: pl.Series, decimal: str = "", to_cents: bool = False) -> pl.DataFrame:
    """Amounts from strings, row by row: `value` (Decimal(20, 2), euro) or the `code` of what is wrong.

    With `amount.ambiguous` come the `readings`; `suggestion` is what the figures say where only a remark is in the
    way, or usual errors of OCR: these with their `reason` in Italian and `reason_en`. A null string gives nulls
    throughout. `decimal` is the mark before decimals where there is only one ("." or
    ","); with `to_cents` more decimals than two are rounded and no problem.
    """
    bare = (
        pl.col("raw")
        .str.replace_all(_BLANKS, " ")
        .str.replace_all("[’‘`´ʼ]", "'")
        .str.replace_all("[−–—‐‑]", "-")
        .str.strip_chars(" ")
    )
    rows = raw.alias("raw").to_frame().with_columns(bare=bare)
    if decimal:
        rows = _valued(_plain(rows, decimal), to_cents)
        return rows.with_columns(pl.lit(None, pl.String).alias(name) for name in ocr.SUGGESTED).select(*_READ)
    rows = _figures(rows.with_columns(text=pl.col("bare")), to_cents)
    rows = rows.with_columns(pl.lit(None, pl.String).alias(name) for name in ocr.SUGGESTED)
    remark = pl.col("bare").str.contains(_REMARK) & (pl.col("code") == "amount.unreadable")
    if rows.select(remark.any()).item():
        without = _figures(rows.select("bare", text=pl.col("bare").str.replace(_REMARK, "")), to_cents)
        rows = rows.with_columns(suggestion=pl.when(remark).then(without["value"].cast(pl.String)))
    return _with_meant(rows).select(*_READ)


def _with_meant(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows with what unreadable ones among them may have meant. They are few: each is looked at by itself."""
    wrong = (pl.col("code") == "amount.unreadable") & pl.col("suggestion").is_null()
    short = (pl.col("raw").str.len_chars() <= _LONGEST) & pl.col("raw").str.contains("[0-9]")
    rows = rows.with_row_index("@wrong")
    given = rows.filter(wrong & short).select("@wrong", "raw")
    found = given.select("@wrong").hstack(ocr.columns(map(meant, given["raw"])))
    return rows.update(found, on="@wrong").drop("@wrong")


def meant(raw: str) -> ocr.Meant | None:
    """The one amount a text with usual errors of OCR may stand for, as "1200000.00", and why; None if there is none.

    Letters stand for digits; marks are passed over where they are out of place; figures in groups of three with two at
    the end are thousands and cents, whatever the marks between them. Of several amounts none is suggested.
    """
    found = []
    before, after = _SIGN_BEFORE.match(raw), _SIGN_AFTER.search(raw)
    worded = after["wrong"] if after else None
    if worded and Levenshtein.normalized_similarity(_letters(worded), "euro") < _LIKE_EURO:
        after = worded = None  # they are figures
    starts = {0: 0}  # where the figures may begin, and the place of a sign read for "€" before them
    if before and not (after and before["wrong"]):
        starts[before.end()] = before.start("wrong") + 1
    for start, sign in starts.items():
        figures = raw[start : after.start() if after else len(raw)]
        slips = [ocr.Slip(sign, raw[sign - 1], "€")] if sign else []
        if worded and after:
            slips.append(ocr.Slip(after.start("wrong") + 1, worded, "euro"))
        if any(map(str.isdecimal, figures)):
            found += list(_read_as(figures, start, slips))[:1]
    return ocr.meant(found)


def _letters(word: str) -> str:
    return "".join(filter(str.isalnum, word.casefold()))


def _read_as(figures: str, start: int, before: list[ocr.Slip]) -> Iterator[ocr.Reading]:
    """Readings of figures that begin at a place of the whole text, the likeliest first; `before` is wrong before it."""
    signs = [(sign if sign in _MARKS else ocr.as_digit(sign)) for sign in figures]
    if not all(signs):
        return
    slips = before + [
        ocr.Slip(start + place, read, sign)
        for place, (read, sign) in enumerate(zip(figures, signs, strict=True), start=1)
        if read != sign
    ]
    read = "".join(signs)
    if slips and (value := _value(read.strip())) is not None:
        yield ocr.Reading(value, tuple(slips))
    strays = [
        ocr.Slip(start + place, sign, "")
        for place, sign in enumerate(figures.rstrip(), start=1)
        if sign in _MARKS and sign not in ".,"
    ]
    without = "".join(sign for sign in read if sign not in _MARKS or sign in ".,")
    # "1 23" is not 123: there must be a mark that tells thousands or decimals.
    if strays and re.search("[.,]", without) and (value := _value(without)) is not None:
        yield ocr.Reading(value, tuple(sorted([*slips, *strays], key=lambda slip: slip.position)))
    parts = [part for part in re.split(rf"[{re.escape(_MARKS)}]+", read) if part]
    if (value := _grouped(parts)) is not None:
        yield ocr.Reading(value, tuple(slips), ocr.sentence("marks", meant=_italian(value)))


def _value(text: str) -> str | None:
    """The amount a text is, as "1200000.00"; None if it is none."""
    read = _figures(pl.DataFrame({"text": [text], "bare": [text]}), to_cents=False)["value"].item()
    return None if read is None else str(read)


def _grouped(parts: list[str]) -> str | None:
    """The amount of figures parted by any marks, if they can be nothing but thousands and two decimals.

    Marks between thousands may be lost, the one before the decimals, too: but not all.
    """
    if len(parts) > 2 and len(parts[-1]) == 5:
        parts = [*parts[:-1], parts[-1][:3], parts[-1][3:]]  # 1.190.89372
    first, *thousands = parts[:-1] or [""]
    right = len(parts) > 2 and len(parts[-1]) == 2 and all(len(part) % 3 == 0 for part in thousands)
    whole = "".join(parts[:-1])
    fits = right and not first.startswith("0") and len(whole) <= len(str(int(LIMIT)))
    return f"{whole}.{parts[-1]}" if fits else None


def _italian(value: str) -> str:
    """An amount such as "1190893.72" as Italians write it: 1.190.893,72."""
    return f"{Decimal(value):,.2f}".translate(str.maketrans(",.", ".,"))


def _plain(rows: pl.DataFrame, decimal: str) -> pl.DataFrame:
    """`bare` read as a table's figures, which have one mark before decimals."""
    core = pl.col("bare").str.strip_prefix("€").str.strip_suffix("€").str.strip_chars(" ")
    rows = rows.with_columns(text=pl.col("bare"), core=core)
    if decimal == ".":
        floats = rows["core"].filter(rows["core"].str.contains(_SCIENTIFIC)).unique()
        if floats.len():
            written = {each: format(Decimal(each), "f") for each in floats}
            rows = rows.with_columns(core=pl.col("core").replace(written))
    found = pl.col("core").str.extract_groups(_DIALECTS[decimal])
    whole = found.struct.field("i").str.replace_all("[.,]", "").str.strip_chars_start("0")
    return rows.with_columns(
        whole=pl.when(whole == "").then(pl.lit("0")).otherwise(whole),
        cents=found.struct.field("d").fill_null("").str.strip_chars_end("0"),
        minus=found.struct.field("sign") == "-",
        doubtful=pl.lit(False),
        scale=pl.lit(0),
    )


def _figures(rows: pl.DataFrame, to_cents: bool) -> pl.DataFrame:
    """`text` read as an amount: adds `value`, `code`, `readings`."""
    # Most amounts are figures with nothing but a mark at one end: only the others go through the words.
    core = pl.col("text").str.strip_prefix("€").str.strip_suffix("€").str.strip_chars(" ")
    rows = rows.with_row_index("row").with_columns(core=core, scale=pl.lit(0), minus=pl.lit(False))
    worded = _words(rows.filter(~pl.col("core").str.contains(r"^[0-9., ']*$")))
    if worded.height:
        rows = rows.update(worded, on="row")
    rows = rows.with_columns(pl.col("core").str.extract_groups(_FIGURES).alias("found")).unnest("found")
    whole = pl.coalesce(f"i{n}" for n in range(1, 7)).str.replace_all(r"[., ']", "")
    # "1.200,000" and "745.12000": OCR took a comma for a point, or lost it; nobody writes three or five decimals.
    lost = (pl.col("scale") == 0) & pl.col("core").str.contains(_LOST)
    # In "1.250 milioni" the dot may part thousands or decimals: said to be ambiguous, not decided.
    doubtful = (pl.col("scale") > 0) & pl.col("core").str.contains(rf"^{_GROUP}\.[0-9]{{3}}$")
    rows = rows.with_columns(
        whole=whole,
        cents=pl.coalesce(f"d{n}" for n in (1, 2, 4, 5, 6)).fill_null("").str.strip_chars_end("0"),
        doubtful=doubtful | pl.col("both").is_not_null() | lost,
    )
    return _valued(_scaled(rows), to_cents)


def _words(rows: pl.DataFrame) -> pl.DataFrame:
    """Figures among words: `core` without them, the power of ten they stand for (`scale`), and whether `minus`."""
    text = (
        pl.col("text")
        .str.replace(r"([0-9])([A-Za-z€])", "$1 $2")  # 500mila, 10€
        .str.replace(r"([A-Za-z€])([0-9])", "$1 $2")
        .str.replace(r" [Mm] ?€$", " mln")
        .str.replace(r" [Kk] ?€$", " mila")
        .str.replace(r"(?i)\s+di\s+euro$", "")  # 1,2 milioni di euro
        .str.replace(rf"^{_EURO}\s*", "")
        .str.replace(rf"\s*{_EURO}$", "")
    )
    scale = pl.coalesce(pl.when(text.str.contains(words)).then(pl.lit(power)) for power, words in _SCALES.items())
    unscaled = pl.coalesce(
        *(pl.when(text.str.contains(words)).then(text.str.replace(words, "")) for words in _SCALES.values()), text
    )
    brackets = unscaled.str.contains(r"^\([^()]*\)$")  # bookkeepers' minus
    signed = unscaled.str.strip_chars(" ()").str.replace(rf"^([+-]?)\s*{_EURO}\s*", "$1")
    return rows.select(
        "row",
        scale=scale.fill_null(0),
        minus=signed.str.starts_with("-") | brackets,
        core=pl.when(brackets | ~unscaled.str.contains("[()]"))
        .then(signed.str.replace(r"^[+-]\s*", "").str.replace(r"([0-9]),(?:-{1,2}|={1,2})$", "$1"))  # no cents: ",-"
        .otherwise(pl.lit("")),
    )


def _scaled(rows: pl.DataFrame) -> pl.DataFrame:
    """Move as many decimals before the mark as the scale says: 1,2 milioni -> 1200000."""
    whole, cents = pl.col("whole"), pl.col("cents")
    moved = pl.lit(None, pl.String)
    for power in _SCALES:
        moved = pl.when(pl.col("scale") == power).then(cents.str.head(power).str.pad_end(power, "0")).otherwise(moved)
    return rows.with_columns(
        whole=(whole + moved.fill_null("")).str.strip_chars_start("0").str.replace("^$", "0"),
        cents=cents.str.slice(pl.col("scale")),
    )


def _valued(rows: pl.DataFrame, to_cents: bool) -> pl.DataFrame:
    """`whole` and `cents` as an amount: adds `value`, `code`, `readings`."""
    whole, cents = pl.col("whole"), pl.col("cents")
    zero = (whole == "0") & (cents == "")
    digits = len(str(int(LIMIT)))
    code = (
        pl.when(pl.col("text").is_null())
        .then(None)
        .when(pl.col("text").str.contains(_OTHER) & pl.col("text").str.contains("[0-9]"))
        .then(pl.lit("amount.other-currency"))
        .when(pl.col("doubtful"))
        .then(pl.lit("amount.ambiguous"))
        .when(whole.is_null())
        .then(pl.lit("amount.unreadable"))
        .when((cents.str.len_chars() > 2) & (not to_cents))
        .then(pl.lit("amount.too-precise"))
        .when((pl.col("minus") & ~zero) | (whole.str.len_chars() > digits))
        .then(pl.lit("amount.out-of-range"))
    )
    readings = pl.when(code == "amount.ambiguous").then(_readings())
    exact = pl.when(code.is_null()).then(whole + "." + cents.str.head(_FRACTION).str.pad_end(2, "0"))
    value = exact.str.to_decimal(scale=_FRACTION).round(2) if to_cents else exact.str.to_decimal(scale=2)
    return rows.with_columns(code=code, readings=readings, value=value.cast(TYPE))


def _readings() -> pl.Expr:
    """Turn "1,234" into "1234.00 / 1.234": the two ways a figure with a doubtful mark can be meant."""
    core, scale = pl.col("core"), pl.col("scale")
    whole, rest = core.str.replace(r"[.,][0-9]+$", "").str.replace_all("[.,]", ""), core.str.extract("([0-9]+)$")
    zeros = pl.lit("0").repeat_by(scale).list.join("")
    fewer = pl.lit("0").repeat_by(pl.max_horizontal(scale - 3, 0)).list.join("")
    return (
        pl.when(scale > 0)
        .then(pl.format("{}{}{} / {}{}{}", whole, rest, zeros, whole, rest, fewer))
        .when(rest.str.len_chars() == 3)
        .then(pl.format("{}{}.00 / {}.{}", whole, rest, whole, rest))
        .otherwise(pl.format("{}{}.{} / {}.{}", whole, rest.str.head(3), rest.str.slice(3), whole, rest))
    )
