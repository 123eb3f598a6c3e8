"""The rules by which what two sources say is compared (comparisons.toml). Pure.

What is compared has the columns `key` (the CUP, or the CIG), `same` (the value as it is compared: texts that are equal
are one value), of amounts `cents` and `spread` (how far, in cents, the source's number may be from what it stands for),
of texts `words`. `disagreements` gives the keys both speak of where no value of the one agrees with any of the other.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any, Final, Literal

import polars as pl

from etl.iris import slug
from etl.places import Found, by_istat

Kind = Literal["exact", "date", "body", "amount", "text", "code", "place"]
Key = Literal["cup", "cig"]
KINDS: Final[tuple[str, ...]] = Kind.__args__  # type: ignore[attr-defined]
KEYS: Final[tuple[str, ...]] = Key.__args__  # type: ignore[attr-defined]

#: The rule of each kind: notations of ontology/schemes.ttl, comparison-rules.
_RULES: Final = {
    "exact": "exact", "date": "exact", "body": "exact", "amount": "within-a-cent", "text": "token-similarity",
    "code": "same-code", "place": "same-place",
}  # fmt: skip
#: The rule where an amount of the comparison is a 32-bit float, and where words were put into a common vocabulary.
IMPRECISE: Final = "within-precision"
COMMON_WORDS: Final = "common-words"

_PAIRS: Final = 200_000  # pairs of texts in memory at a time
_FLOAT_BITS: Final = 24  # of a 32-bit float's significand

#: What `disagreements` gives: the similarity of texts, how far apart amounts are (cents); null for other kinds.
_FOUND: Final = pl.Schema({"key": pl.String(), "score": pl.Float64(), "gap": pl.Float64()})


class ComparisonError(ValueError):
    """A comparison nobody declared, or declared wrongly; the message says what is allowed."""


@dataclass(frozen=True)
class Comparison:
    """One thing sources are compared on; the keys are those of comparisons.toml.

    `money` is the property whose amounts it compares; `same` gives folded words their word in common.
    """

    name: str
    title: dict[str, str]
    kind: Kind
    key: Key = "cup"
    threshold: float = 0.0
    tolerance: float = 0.0
    money: str = ""
    same: dict[str, str] = field(default_factory=dict, hash=False)

    @property
    def field(self) -> str:
        """The name as that of a field, which is what IRIs and cupola:field have."""
        return self.name.replace("-", "_")

    @property
    def rule(self) -> str:
        """The rule, as the code list names it."""
        return COMMON_WORDS if self.same else _RULES[self.kind]


@cache
def comparisons() -> dict[str, Comparison]:
    """Every comparison by its name, in the order declared."""
    return declared(files("etl").joinpath("comparisons.toml").read_text(encoding="utf-8"))


def declared(text: str) -> dict[str, Comparison]:
    """The comparisons a text in the form of comparisons.toml declares; raises ComparisonError."""
    return {name: _comparison(name, entry) for name, entry in tomllib.loads(text).items()}


def _comparison(name: str, entry: dict[str, Any]) -> Comparison:
    try:
        told = Comparison(name=name, **entry)
    except TypeError as error:
        raise ComparisonError(f"{name}: {error}") from error
    if told.kind not in KINDS:
        raise ComparisonError(f"{name}: kind {told.kind!r}; allowed: {', '.join(KINDS)}")
    if told.key not in KEYS:
        raise ComparisonError(f"{name}: key {told.key!r}; allowed: {', '.join(KEYS)}")
    if (told.kind == "amount") != bool(told.money):
        raise ComparisonError(f"{name}: `money` says which kind of money an amount is, and only of amounts")
    if (told.kind == "text") != (0 < told.threshold <= 1):
        raise ComparisonError(f"{name}: a text, and only a text, has a `threshold` above 0 and up to 1")
    return told


# --- a value as it is compared -----------------------------------------------------------------


def comparable(value: pl.Expr, comparison: Comparison) -> pl.Expr:
    """A column as it is compared: two values that are the same by the rule become the same text."""
    text = value.cast(pl.String)
    match comparison.kind:
        case "text":
            return words(text).list.sort().list.join(" ")
        case "code":
            tidy = text.str.to_uppercase().str.replace_all(r"[^A-Z0-9]+", ".").str.strip_chars(".")
            return tidy.str.replace_all(r"\b0+([0-9])", "$1")
        case "place":
            return text.map_batches(_same_places, return_dtype=pl.String, is_elementwise=True)
        case "exact":
            folded = _folded(text).list.join(" ")
            return folded.replace(comparison.same) if comparison.same else folded
        case _:
            return text


def words(text: pl.Expr) -> pl.Expr:
    """The different words of a text, without case, accents and signs."""
    return _folded(text).list.unique()


def spread(amount: pl.Expr) -> pl.Expr:
    """How far (euro) an amount held as a 32-bit float may be from the number meant.

    Half a unit in the last place of the float, and what is between the float and the digits written for it: the fewest
    that tell it from its neighbours (504,413,500 for 504,413,504).
    """
    value = amount.cast(pl.Float64)
    size = value.abs()
    half = pl.when(size > 0).then(pl.lit(2.0) ** (size.log(2).floor() - _FLOAT_BITS)).otherwise(0.0)
    return half + (value - value.cast(pl.Float32).cast(pl.Float64)).abs()


def _folded(text: pl.Expr) -> pl.Expr:
    plain = text.str.normalize("NFKD").str.replace_all(r"\p{M}+", "").str.to_lowercase()
    return plain.str.extract_all(r"[\p{L}\p{N}]+")


def _same_places(codes: pl.Series) -> pl.Series:
    """Municipalities whose code changed with their province stay one: name and region say which.

    A code the register has not (a province newer than it, as Sardinia's of 2025) is null: it may be any municipality.
    """
    different = codes.drop_nulls().unique()
    places = pl.Series([_place(code) for code in different], dtype=pl.String)
    return codes.replace_strict(different, places, default=None, return_dtype=pl.String)


def _place(code: str) -> str | None:
    told = by_istat(code)
    return f"{slug(told.name)} {told.region}" if isinstance(told, Found) else None


# --- two sources -------------------------------------------------------------------------------


def disagreements(one: pl.DataFrame, other: pl.DataFrame, comparison: Comparison) -> pl.DataFrame:
    """The keys of both frames where no value of the one agrees with any of the other: key, score, gap."""
    one, other = (mine.join(yours, on="key", how="semi") for mine, yours in ((one, other), (other, one)))
    agreed = one.join(other, on=["key", "same"], how="semi").select("key").unique()
    one, other = (frame.join(agreed, on="key", how="anti") for frame in (one, other))
    if comparison.kind == "amount":
        return _apart(one, other, comparison.tolerance)
    if comparison.kind == "text":
        return _unlike(one, other, comparison.threshold)
    none = pl.lit(None, pl.Float64)
    return one.select("key").unique(maintain_order=True).with_columns(score=none, gap=none)


def _apart(one: pl.DataFrame, other: pl.DataFrame, tolerance: float) -> pl.DataFrame:
    """Amounts: each is held against the nearest of the other side, so that many cost no more than few."""
    near = one.sort("cents").join_asof(
        other.select("key", "cents", yours=pl.col("cents"), their_spread=pl.col("spread")).sort("cents"),
        on="cents",
        by="key",
        strategy="nearest",
        check_sortedness=False,
    )
    gap = (pl.col("cents") - pl.col("yours")).abs()
    allowed = 100 * tolerance + pl.col("spread") + pl.col("their_spread")
    told = near.group_by("key", maintain_order=True).agg(
        score=pl.lit(None, pl.Float64), gap=gap.min(), agree=(gap <= allowed + 1e-6).any()
    )
    return told.filter(~pl.col("agree")).select(_FOUND.names())


def _unlike(one: pl.DataFrame, other: pl.DataFrame, threshold: float) -> pl.DataFrame:
    """Texts: of all pairs the best counts. Pairs are made some at a time: a code may have hundreds of texts."""
    theirs = other.select("key", yours=pl.col("words"))
    pairs = one.select("key", "words").join(theirs.group_by("key").len("pairs"), on="key")
    pairs = pairs.with_columns(part=pl.col("pairs").cum_sum() // _PAIRS)
    best = [pl.DataFrame(schema={"key": pl.String, "score": pl.Float64})]
    for part in pairs.partition_by("part", maintain_order=True):
        common = pl.col("words").list.set_intersection("yours").list.len()
        every = pl.col("words").list.set_union("yours").list.len()
        told = part.join(theirs, on="key").select("key", score=common / every)
        best.append(told.group_by("key").agg(pl.col("score").max()))
    told = pl.concat(best).group_by("key").agg(pl.col("score").max())
    return told.filter(pl.col("score") < threshold).with_columns(gap=pl.lit(None, pl.Float64)).sort("key")
