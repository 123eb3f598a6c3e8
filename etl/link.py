"""A CUP across sources: which know it, what the register says of it, and where the sources disagree. Pure over tables.

No value is chosen: a discrepancy has the claims of all the sources, each with its day. Two sources are compared on what
both answer to (`compare` of source.toml), by a stated rule (etl/comparisons.py); two tables of one source never are.
Only keys two sources share are ever taken into memory, so a register of any length may be one of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from itertools import combinations
from typing import Final

import polars as pl

from etl.comparisons import (
    IMPRECISE,
    Comparison,
    ComparisonError,
    Key,
    comparable,
    comparisons,
    disagreements,
    spread,
    words,
)
from etl.iris import encoded
from etl.source import Source

#: The sources whose business it is to know every CUP, the first one asked first.
REGISTERS: Final = ("opencup", "opencup-focus")

LOOKUPS: Final = pl.Schema({"cup": pl.String(), "source": pl.String(), "rows": pl.UInt32(), "date": pl.Date()})
STATES: Final = pl.Schema(
    {
        "cup": pl.String(), "state": pl.String(), "register": pl.String(), "date": pl.Date(), "sources": pl.String(),
        "rows": pl.UInt32(), "operations": pl.UInt32(), "lots": pl.UInt32(),
    }
)  # fmt: skip
DISCREPANCIES: Final = pl.Schema(
    {
        "cup": pl.String(), "comparison": pl.String(), "title_it": pl.String(), "title_en": pl.String(),
        "lot": pl.String(), "rule": pl.String(), "score": pl.Decimal(3, 2), "difference": pl.Decimal(20, 2),
        "sources": pl.String(), "claims": pl.UInt32(), "said": pl.String(),
    }
)  # fmt: skip
CLAIMS: Final = pl.Schema(
    {
        "cup": pl.String(), "comparison": pl.String(), "lot": pl.String(), "source": pl.String(), "value": pl.String(),
        "name": pl.String(), "amount": pl.Decimal(20, 2), "precision": pl.Decimal(20, 2), "datatype": pl.String(),
        "date": pl.Date(), "rows": pl.UInt32(), "record": pl.String(), "label": pl.String(), "file": pl.String(),
        "place": pl.String(), "subject": pl.String(),
    }
)  # fmt: skip
SHARED_LOTS: Final = pl.Schema({"cig": pl.String(), "cup": pl.String(), "cups": pl.UInt32(), "sources": pl.String()})

_SAID: Final = 6  # claims that are written out in a discrepancy's line; all are in the claims
_SHOWN: Final = 100  # characters of a value in a label
_TOLD: Final = 0.5  # cents: a 32-bit float that is not nearer to what it stands for is told as imprecise


@dataclass(frozen=True)
class Crossed:
    """What the sources say of each CUP, put side by side. Every table is sorted; codes and names are plain text.

    `lookups`: which source knows which CUP, in how many rows, and the source's day. `states`: one row a CUP (all are
    well formed: the others were never published), with what the register says of it, the register and its day, the
    sources that know it, how many operations and lots it has. `discrepancies`: one row a CUP and comparison (and lot).
    `claims`: what each source says in a discrepancy, one row a different value. `shared_lots`: the lots of several
    CUPs, one row a pair.
    """

    lookups: pl.DataFrame
    states: pl.DataFrame
    discrepancies: pl.DataFrame
    claims: pl.DataFrame
    shared_lots: pl.DataFrame


def cross_reference(
    records: Mapping[str, pl.LazyFrame],
    sources: Mapping[str, Source],
    dates: Mapping[str, date | None],
    complete: frozenset[str],
) -> Crossed:
    """Cross the records of the sources, by source id.

    `dates` is the day each source speaks of; `complete` are the registers loaded whole: only of those does a CUP that
    is not there count as not found. Raises ComparisonError when a source compares what nobody declared.
    """
    told = [_Side(sources[name], frame, dates.get(name)) for name, frame in records.items()]
    lookups = _lookups(told)
    keyed = _pairs_of_lots(told)
    discrepancies, claims = _discrepancies(told, keyed)
    return Crossed(lookups, _states(told, lookups, keyed, complete), discrepancies, claims, _shared_lots(keyed))


class _Side:
    """One source and its records, with the columns that matter here found."""

    def __init__(self, source: Source, records: pl.LazyFrame, day: date | None) -> None:
        self.source, self.records, self.day = source, records, day
        self.schema = records.collect_schema()
        self.cup, self.cig = self._key("cup"), self._key("cig")
        for name, column in source.compare.items():
            if name not in comparisons():
                raise ComparisonError(f"{source.id}: no comparison {name!r}; there are: {', '.join(comparisons())}")
            if column not in self.schema:
                raise ComparisonError(f"{source.id}: {name} is compared on {column!r}, which is no column of it")

    def _key(self, kind: str) -> str | None:
        """The column of the records' own code: the field of that name, or the first of that type."""
        found = [name for name, field in self.source.fields.items() if field.type == kind and name in self.schema]
        return kind if kind in found else next(iter(found), None)

    def column(self, comparison: Comparison) -> str | None:
        """The column that answers to the comparison, if the source has the key it needs."""
        has_key = self.cup if comparison.key == "cup" else self.cig
        return self.source.compare.get(comparison.name) if has_key else None

    def keyed(self, key: Key, *columns: pl.Expr) -> pl.LazyFrame:
        """The records with their code as `key`, a row for each of several codes; those without are left out."""
        name = self.code(key)
        frame = self.records.explode(name) if isinstance(self.schema[name], pl.List) else self.records
        return frame.filter(pl.col(name).is_not_null()).select(pl.col(name).alias("key"), *columns)

    def code(self, key: Key) -> str:
        name = self.cup if key == "cup" else self.cig
        assert name is not None  # noqa: S101 - only those with the key are asked
        return name

    def subject(self, key: Key) -> pl.Expr:
        """The path of what a record is about, below the base; for `keyed` by this key."""
        parts = []
        for number, part in enumerate(re.split(r"\{(\w+)\}", self.source.subject)):
            # A row is of one code by then; of another list the first value stands for all.
            several = number % 2 and isinstance(self.schema[part], pl.List) and part != self.code(key)
            value = pl.col(part).list.first() if several else pl.col(part)
            parts.append(encoded(value.cast(pl.String)) if number % 2 else pl.lit(part))
        return pl.concat_str(parts)

    def text(self, name: str) -> pl.Expr:
        """A column as text under its own name, null if the table has none."""
        return (pl.col(name).cast(pl.String) if name in self.schema else pl.lit(None, pl.String)).alias(name)

    def values(self, comparison: Comparison, column: str, keys: pl.LazyFrame) -> pl.DataFrame:
        """What the source says of the keys: one row a value, as it stands, as it is compared, and where it was read."""
        dtype = self.schema[column]
        amount, field = comparison.kind == "amount", self.source.fields.get(column)
        frame = self.keyed(
            comparison.key,
            pl.col(column).alias("value"),
            *(self.text(name) for name in ("record", "label", "file", "place")),
            self.subject(comparison.key).alias("subject"),
            self._name(column).alias("name"),
        ).join(keys, on="key", how="semi")
        frame = frame.explode("value") if isinstance(dtype, pl.List) else frame
        value = pl.col("value").cast(pl.Date) if comparison.kind == "date" else pl.col("value")
        rows = frame.select(
            pl.exclude("value"),
            value=value.cast(pl.String),
            datatype=pl.lit(_datatype(comparison, dtype)),
            same=comparable(value, comparison),
            amount=value.cast(pl.Decimal(20, 2)) if amount else pl.lit(None, pl.Decimal(20, 2)),
            cents=value.cast(pl.Float64) * 100 if amount else pl.lit(None, pl.Float64),
            spread=spread(value) * 100 if amount and field and field.imprecise else pl.lit(0.0),
            words=words(value.cast(pl.String)) if comparison.kind == "text" else pl.lit(None, pl.List(pl.String)),
        ).collect(engine="streaming")
        said = rows.filter(pl.col("same").str.len_bytes() > 0)
        if comparison.kind == "place":
            # A row without a municipality we know may mean a province, a region, the whole country.
            vague = rows.filter(pl.col("same").is_null()).select("key")
            said = said.join(vague, on="key", how="anti")
        # Rows come in any order: of several that say the same, the first by its file and record is named.
        said = said.sort("key", "value", "file", "record", "place", nulls_last=True)
        kept = [name for name in said.columns if name not in ("key", "value")]
        return said.group_by("key", "value", maintain_order=True).agg(
            *(pl.col(name).first() for name in kept), rows=pl.len().cast(pl.UInt32)
        )

    def _name(self, column: str) -> pl.Expr:
        """What a code is called, where the table has it beside: `holder_tax_code` stands beside `holder`."""
        stem = column.removesuffix("_tax_code")
        names = (f"{column}_name", f"{column}_label", f"{stem}_name", *((stem,) if stem != column else ()))
        found = next((name for name in names if self.schema.get(name) == pl.String), None)
        return pl.col(found) if found else pl.lit(None, pl.String)


def _datatype(comparison: Comparison, dtype: pl.DataType) -> str:
    """How a claim's value is published: decimal, date, integer, prose (it), or plain."""
    inner = dtype.inner if isinstance(dtype, pl.List) else dtype
    if comparison.kind in {"amount", "text", "date"}:
        return {"amount": "decimal", "text": "prose", "date": "date"}[comparison.kind]
    return "integer" if inner.is_integer() else "plain"


# --- who knows what ----------------------------------------------------------------------------


def _lookups(sides: Iterable[_Side]) -> pl.DataFrame:
    frames = [
        side.keyed("cup")
        .group_by(cup="key")
        .agg(rows=pl.len().cast(pl.UInt32))
        .select("cup", pl.lit(side.source.id).alias("source"), "rows", pl.lit(side.day, pl.Date).alias("date"))
        for side in sides
        if side.cup
    ]
    return _one(frames, LOOKUPS).sort("cup", "source").collect(engine="streaming")


def _pairs_of_lots(sides: Iterable[_Side]) -> pl.LazyFrame:
    """Every pair of CIG and CUP a source has in one row: columns cig, cup, source."""
    schema = pl.Schema({"cig": pl.String(), "cup": pl.String(), "source": pl.String()})
    frames = []
    for side in sides:
        if side.cup and side.cig:
            pairs = side.records.select(cig=side.cig, cup=side.cup)
            for name in ("cig", "cup"):
                pairs = pairs.explode(name) if isinstance(side.schema[getattr(side, name)], pl.List) else pairs
            frames.append(pairs.drop_nulls().unique().with_columns(source=pl.lit(side.source.id)))
    return _one(frames, schema)


def _shared_lots(pairs: pl.LazyFrame) -> pl.DataFrame:
    by_pair = pairs.group_by("cig", "cup").agg(sources=pl.col("source").sort())
    several = by_pair.group_by("cig").agg(cups=pl.len().cast(pl.UInt32)).filter(pl.col("cups") > 1)
    told = by_pair.join(several, on="cig").with_columns(pl.col("sources").list.join("; "))
    return told.select(SHARED_LOTS.names()).sort("cig", "cup").collect(engine="streaming")


def _states(
    sides: Iterable[_Side], lookups: pl.DataFrame, pairs: pl.LazyFrame, complete: frozenset[str]
) -> pl.DataFrame:
    """Each CUP against the registers: found in one; not found, in one that is complete; or outside what is loaded."""
    days = {side.source.id: side.day for side in sides}
    loaded = [name for name in REGISTERS if name in days]
    whole = next((name for name in loaded if name in complete), None)
    asked = whole or next(iter(loaded), None)  # whose day it is that the CUP was not in it
    operations = [
        side.keyed("cup", side.subject("cup").hash().alias("operation"))
        for side in sides
        if side.cup and side.source.subject.startswith("id/operation/")
    ]
    counted = _one(operations, pl.Schema({"key": pl.String(), "operation": pl.UInt64()})).unique()
    number = pl.len().cast(pl.UInt32)
    found = pl.coalesce(
        *(pl.when(pl.col("source").eq(name).any()).then(pl.lit(name)) for name in REGISTERS), pl.lit(None, pl.String)
    )
    register = pl.coalesce("found", pl.lit(asked, pl.String))
    return (
        lookups.lazy()
        .group_by("cup")
        .agg(
            found=found,
            sources=pl.col("source").sort().str.join("; "),
            rows=pl.col("rows").sum(),
        )
        .join(counted.group_by(cup="key").agg(operations=number), on="cup", how="left")
        .join(pairs.select("cig", "cup").unique().group_by("cup").agg(lots=number), on="cup", how="left")
        .with_columns(
            state=pl.when(pl.col("found").is_not_null())
            .then(pl.lit("found"))
            .otherwise(pl.lit("not-found" if whole else "not-loaded")),
            register=register,
            date=register.replace_strict(days, default=None, return_dtype=pl.Date),
            operations=pl.col("operations").fill_null(0),
            lots=pl.col("lots").fill_null(0),
        )
        .select(STATES.names())
        .sort("cup")
        .collect(engine="streaming")
    )


# --- where they disagree -----------------------------------------------------------------------


def _discrepancies(sides: list[_Side], pairs: pl.LazyFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    lines, claims = [DISCREPANCIES.to_frame()], [CLAIMS.to_frame()]
    for comparison in comparisons().values():
        found, said = _compared(comparison, sides)
        if found.is_empty():
            continue
        if comparison.key == "cup":
            codes = found.select("key", cup="key", lot=pl.lit(None, pl.String))
        else:
            # The lot of several CUPs is told under each; the lot of none has its line all the same.
            known = pairs.join(found.lazy().select(cig="key"), on="cig", how="semi").select("cig", "cup").unique()
            codes = found.select("key", lot="key").join(
                known.collect(engine="streaming").rename({"cig": "key"}), on="key", how="left"
            )
        claims.append(
            said.join(codes, on="key")
            .with_columns(comparison=pl.lit(comparison.name))
            .select(pl.col(name).cast(dtype) for name, dtype in CLAIMS.items())
        )
        titles = (pl.lit(comparison.title[language]).alias(f"title_{language}") for language in ("it", "en"))
        lines.append(
            found.join(_summed_up(said), on="key")
            .join(codes, on="key")
            .with_columns(
                *titles,
                comparison=pl.lit(comparison.name),
                rule=pl.when("imprecise").then(pl.lit(IMPRECISE)).otherwise(pl.lit(comparison.rule)),
                score=pl.col("score").round(2),
                difference=(pl.col("gap").round() / 100).round(2),
            )
            .select(pl.col(name).cast(dtype) for name, dtype in DISCREPANCIES.items())
        )
    order = ("cup", "comparison", "lot")
    return (
        pl.concat(lines).sort(order, nulls_last=True),
        pl.concat(claims).sort(*order, "source", "amount", "value", nulls_last=True),
    )


def _compared(comparison: Comparison, sides: Iterable[_Side]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The keys some two sources disagree on (key, score, gap), and all that all sources say of them."""
    told = [(side, column) for side in sides if (column := side.column(comparison))]
    if len(told) < 2:
        return pl.DataFrame(), pl.DataFrame()
    shared = _shared_keys([_spoken_of(side, comparison, column) for side, column in told])
    frames = [
        side.values(comparison, column, shared.lazy()).with_columns(
            source=pl.lit(side.source.id), date=pl.lit(side.day, pl.Date)
        )
        for side, column in told
    ]
    between = pl.concat(disagreements(one, other, comparison) for one, other in combinations(frames, 2))
    # Of several pairs of sources: the least alike, and the furthest apart.
    found = between.group_by("key").agg(pl.col("score").min(), pl.col("gap").max()).sort("key")
    said = pl.concat(frames).join(found.select("key"), on="key", how="semi")
    precision = pl.when(pl.col("spread") >= _TOLD).then((pl.col("spread") / 100).round(2))
    return found, said.with_columns(precision=precision)


def _spoken_of(side: _Side, comparison: Comparison, column: str) -> pl.LazyFrame:
    """The keys the source says something of."""
    value = pl.col(column)
    has = value.list.len() > 0 if isinstance(side.schema[column], pl.List) else value.is_not_null()
    return side.keyed(comparison.key, has.alias("has")).filter("has").select("key")


def _shared_keys(keys: list[pl.LazyFrame]) -> pl.DataFrame:
    """The keys at least two have. The longest list is only held against the others: it is never taken whole."""
    lengths = [frame.select(pl.len()).collect(engine="streaming").item() for frame in keys]
    longest = lengths.index(max(lengths))
    others = [frame.unique() for number, frame in enumerate(keys) if number != longest]
    rest = pl.concat(others).group_by("key").len().collect(engine="streaming")
    met = keys[longest].join(rest.lazy().select("key"), on="key", how="semi").unique().collect(engine="streaming")
    return pl.concat([met, rest.filter(pl.col("len") > 1).select("key")]).unique()


def _summed_up(said: pl.DataFrame) -> pl.DataFrame:
    """Of each key: the sources, how many claims, the claims in one line, and whether an amount is a 32-bit float."""
    shown = pl.when(pl.col("amount").is_not_null()).then(pl.col("amount").cast(pl.String)).otherwise(pl.col("value"))
    named = pl.when(pl.col("name").is_not_null()).then(pl.format("{} ({})", "name", shown)).otherwise(shown)
    day = pl.when(pl.col("date").is_not_null()).then(pl.format(" ({})", "date")).otherwise(pl.lit(""))
    line = pl.format("{}{}: {}", "source", day, named)
    more = pl.when(pl.len() > _SAID).then(pl.format(" | … (+{})", pl.len() - _SAID)).otherwise(pl.lit(""))
    return (
        said.sort("key", "source", "amount", "value", nulls_last=True)
        .group_by("key", maintain_order=True)
        .agg(
            sources=pl.col("source").unique(maintain_order=True).str.join("; "),
            claims=pl.len(),
            said=line.head(_SAID).str.join(" | ") + more,
            imprecise=pl.col("precision").is_not_null().any(),
        )
    )


# --- for the graph -----------------------------------------------------------------------------


def publishable(crossed: Crossed, base: str) -> dict[str, pl.DataFrame]:
    """The tables link.yml maps, from what was crossed.

    Each CUP has its state; only what was looked up in a register (a CUP another source has, found there, or missing
    from one that is complete) is told as a lookup too. A lookup without a day would say nothing that holds.
    """
    fields = {name: comparison.field for name, comparison in comparisons().items()}
    lot = pl.when(pl.col("lot").is_not_null()).then(pl.format("/{}", encoded(pl.col("lot")))).otherwise(pl.lit(""))
    iri = pl.format("{}id/discrepancy/{}/{}{}", pl.lit(base), "cup", "field", lot)
    about = {
        language: pl.coalesce(pl.format(f"{word} {{}}, CUP {{}}", "lot", "cup"), pl.format("CUP {}", "cup"))
        for language, word in (("it", "lotto"), ("en", "lot"))
    }
    discrepancies = (
        crossed.discrepancies.drop_nulls("cup")
        .with_columns(field=pl.col("comparison").replace_strict(fields, return_dtype=pl.String))
        .select(
            "cup",
            "lot",
            "field",
            "rule",
            "score",
            "difference",
            iri=iri,
            label_it=pl.format("{}: le fonti discordano ({})", "title_it", about["it"]),
            label_en=pl.format("{}: the sources disagree ({})", "title_en", about["en"]),
        )
    )
    number = pl.int_range(1, pl.len() + 1).over("about", "source")
    shown = pl.coalesce(pl.format("{} ({})", "name", "value"), "value").str.replace_all(r"\s+", " ")
    columns = {"prose": "prose", "plain": "plain", "integer": "integer", "day": "date"}
    claims = (
        crossed.claims.drop_nulls("cup")
        .with_columns(field=pl.col("comparison").replace_strict(fields, return_dtype=pl.String))
        .with_columns(about=iri)
        .select(
            "about",
            "source",
            "date",
            "amount",
            iri=pl.when(number == 1)
            .then(pl.format("{}/{}", "about", "source"))
            .otherwise(pl.format("{}/{}-{}", "about", "source", number)),
            derived_from=pl.concat_str(pl.lit(base), "subject"),
            shown=pl.when(shown.str.len_chars() > _SHOWN)
            .then(pl.format("{}…", shown.str.head(_SHOWN)))
            .otherwise(shown),
            **{name: pl.when(pl.col("datatype") == kind).then("value") for name, kind in columns.items()},
        )
    )
    looked_up = _looked_up(crossed)
    projects = discrepancies.select("cup").unique(maintain_order=True)
    codes = pl.concat([projects, looked_up.select("cup")]).unique().sort("cup")
    lots = discrepancies.select(cig="lot").drop_nulls().unique().sort("cig")
    return {
        "link-discrepancies": discrepancies,
        "link-claims": claims,
        "link-projects": projects,
        "link-codes": codes,
        "link-lots": lots,
        "link-lookups": looked_up,
        "link-states": crossed.states.select("cup", "state"),
    }


def _looked_up(crossed: Crossed) -> pl.DataFrame:
    """The CUPs other sources have, looked up in the registers: found, or not found in the complete one."""
    others = crossed.lookups.filter(~pl.col("source").is_in(REGISTERS)).select("cup").unique()
    found = crossed.lookups.filter(pl.col("source").is_in(REGISTERS)).with_columns(state=pl.lit("found"))
    missing = crossed.states.filter(pl.col("state") == "not-found").select("cup", "date", "state", source="register")
    columns = ("cup", "source", "state", "date")
    told = pl.concat([found.select(columns), missing.select(columns)]).drop_nulls("date")
    return told.join(others, on="cup", how="semi").sort("cup", "source")


def _one(frames: list[pl.LazyFrame], schema: pl.Schema) -> pl.LazyFrame:
    """The frames one below the other, or an empty one."""
    return pl.concat([pl.LazyFrame(schema=schema), *frames])
