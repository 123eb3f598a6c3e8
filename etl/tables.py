"""The shape of a source's tables: records, a table for each field of several values, and the readings."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import polars as pl

from etl import codes, problems
from etl.iris import encoded, slugs
from etl.source import Field, Source, Unpivot
from etl.texts import whole


def first_of_each(records: pl.LazyFrame, source: Source) -> tuple[pl.LazyFrame, pl.DataFrame]:
    """The records without those whose key an earlier one has, and a problem for each of these.

    Only the records of keys that come twice are held in memory.
    """
    twice = records.group_by("record").len().filter(pl.col("len") > 1).select("record").collect(engine="streaming")
    if twice.is_empty():
        return records, problems.empty()
    several = records.join(twice.lazy(), on="record", how="semi", maintain_order="left").collect()
    first, told = without_doubles(several, source)
    at = ["file", "place"]
    others = several.join(first.select(at), on=at, how="anti", nulls_equal=True).select(at)
    return records.join(others.lazy(), on=at, how="anti", nulls_equal=True, maintain_order="left"), told


def without_doubles(records: pl.DataFrame, source: Source) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Only the first record of each key, and a problem for every other: two records are never merged."""
    first = records.unique("record", keep="first", maintain_order=True)
    if source.form == "table":
        return first, _repeated(records, first, source)
    doubles = records.join(first.select("file", "place"), on=["file", "place"], how="anti", nulls_equal=True).join(
        first.select("record", other=pl.concat_str("file", "place", separator=", ", ignore_nulls=True)), on="record"
    )
    told = doubles.select(
        "record", "file", "place", "other", raw="record", source=pl.lit(source.id), field=pl.lit("local_code")
    )
    return first, problems.table("identity.duplicate", told)


def _repeated(records: pl.DataFrame, first: pl.DataFrame, source: Source) -> pl.DataFrame:
    """The rows of a table that have the key of an earlier one: the same again, or other values for one key."""
    at = pl.format("{}, {}", "file", "place")
    values = [name for name in records.columns if name not in ("record", "file", "sha256", "place")]
    told = records.join(first.select("file", "place"), on=["file", "place"], how="anti").join(
        first.select("record", *(pl.col(name).alias(f"first {name}") for name in values), other=at), on="record"
    )
    same = pl.all_horizontal(pl.col(name).eq_missing(pl.col(f"first {name}")) for name in values)
    context = ("record", "file", "place", "other")
    plain = [name for name in source.fields if name in values and records.schema[name] != pl.List(pl.String)]
    told = told.select(*context, same=same, raw=whole(plain), source=pl.lit(source.id))
    return problems.together(
        [
            problems.table("table.repeated-row", told.filter("same").drop("same")),
            problems.table("table.repeated-key", told.filter(~pl.col("same")).drop("same")),
        ]
    )


def published_readings(readings: pl.DataFrame, records: pl.DataFrame) -> pl.DataFrame:
    """Readings of the published records, each with a name of its own within its sheet; of a group, with its row."""
    known = records.select("record", "file", sheet="place")
    joined = readings.join(known, on=["file", "sheet"], how="inner", nulls_equal=True, maintain_order="left")
    parts = pl.col("field").str.split(".")
    of_row = pl.format("{}-{}.{}", parts.list.first(), "row", parts.list.last())  # the group and row as in IRIs
    told = joined.with_columns(name=pl.coalesce(of_row, "field"))
    return _numbered(told, "name").select("record", "field", "node", "label", "raw", "place")


def with_records(found: pl.DataFrame, records: pl.DataFrame) -> pl.DataFrame:
    """Problems found while reading, each with the record its `sheet` turned out to hold, if it holds one."""
    known = records.select("file", sheet="place", known="record")
    joined = found.join(known, on=["file", "sheet"], how="left", nulls_equal=True, maintain_order="left")
    return joined.with_columns(record=pl.coalesce("record", "known")).drop("known", "sheet")


def source_tables(
    records: pl.LazyFrame, readings: pl.DataFrame, groups: Mapping[str, pl.DataFrame], source: Source
) -> dict[str, pl.LazyFrame]:
    """The tables the mapping reads: the records, one for each field with several values, one for each set of fields
    that become rows, one for each group of a sheet, and the readings of sheets."""
    schema = records.collect_schema()
    tables = {source.id: records}
    carried = [name for name in source.carried if name in schema]
    for field_ in source.fields.values():
        if field_.child:
            tables[f"{source.id}-{field_.name}"] = _child(records, field_, carried)
    for name, unpivot in source.unpivots.items():
        tables[f"{source.id}-{name}"] = _unpivoted(records, unpivot)
    for name, rows in groups.items():
        at = ["record", "file", "place"]  # of two sheets of one record only the first is published
        mine = rows.lazy().join(records.select(at), on=at, how="semi", nulls_equal=True, maintain_order="left")
        node = pl.format("{}-{}", pl.lit(name.replace("_", "-")), "number")
        tables[f"{source.id}-{name}"] = mine.with_columns(node=node).drop("file", "place")
    if source.form == "sheet":
        tables[f"{source.id}-readings"] = readings.lazy()
    return tables


def _child(records: pl.LazyFrame, of: Field, carried: list[str]) -> pl.LazyFrame:
    """One row for each value of a field: `record, value, slug, number, node`, and what is carried; of a coded field
    also what its list says of the code (`iri`, `label` …)."""
    name = of.name
    wide = records.select("record", *carried, value=pl.col(name)).collect()
    rows = (wide.explode("value") if isinstance(wide.schema["value"], pl.List) else wide).drop_nulls("value")
    rows = rows.with_columns(field=pl.lit(name), slug=slugs(pl.col("value")))
    table = _numbered(rows, "field").select("record", "value", "slug", "number", "node", *carried)
    if of.type == "coded":
        table = table.join(codes.scheme(of.scheme), left_on="value", right_on="code", how="left", maintain_order="left")
    return table.lazy()


def _unpivoted(records: pl.LazyFrame, unpivot: Unpivot) -> pl.LazyFrame:
    """One row for each of the fields that has a value: `record, name, value`, and what is carried."""
    rows = records.select("record", *unpivot.names, *unpivot.carry).unpivot(
        on=list(unpivot.names), index=["record", *unpivot.carry], variable_name="name", value_name="value"
    )
    rows = rows.drop_nulls("value").with_columns(pl.col("name").replace(unpivot.names))
    return rows.filter(pl.col("value") != 0) if unpivot.skip_zero else rows


def _numbered(rows: pl.DataFrame, name: str) -> pl.DataFrame:
    """`number` counts the rows of a record and field from 1; `node` is the field in an IRI, numbered from 2 on."""
    plain = pl.col(name).str.replace_all("_", "-", literal=True)
    return rows.with_columns(number=pl.int_range(1, pl.len() + 1).over("record", name)).with_columns(
        node=pl.when(pl.col("number") == 1).then(plain).otherwise(pl.format("{}-{}", plain, "number"))
    )


def listed(
    tables: dict[str, pl.LazyFrame], source: Source, found: pl.DataFrame, columns: Sequence[str]
) -> pl.DataFrame:
    """A source's records as the search index takes them: those of `columns` there are, `path`, `bodies`, `problems`."""
    records = tables[source.id]
    there = [name for name in columns if name in records.collect_schema()]
    told = found.filter(pl.col("severity") != "info")
    counts = told.group_by("record").agg(problems=pl.len().cast(pl.Int64))
    bodies = [tables[f"{source.id}-{f.name}"] for f in source.fields.values() if f.type == "bodies" and f.child]
    none = pl.LazyFrame(schema={"record": pl.String, "value": pl.String})
    values = pl.concat([none, *(each.select("record", "value") for each in bodies)]).collect()
    named = values.group_by("record", maintain_order=True).agg(bodies=pl.col("value").str.join("; "))
    return (
        records.select(*there, "record", path=subject_path(source).str.strip_prefix("id/"))
        .collect()
        .join(named, on="record", how="left", maintain_order="left")
        .join(counts, on="record", how="left", maintain_order="left")
        .with_columns(source=pl.lit(source.id), problems=pl.col("problems").fill_null(0))
    )


def subject_path(source: Source) -> pl.Expr:
    """The path, below the base, of the resource a record is about: the source's template filled in."""
    parts = re.split(r"\{(\w+)\}", source.subject)
    return pl.concat_str(
        encoded(pl.col(part).cast(pl.String)) if number % 2 else pl.lit(part) for number, part in enumerate(parts)
    )
