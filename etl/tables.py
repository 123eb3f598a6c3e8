"""The shape of a source's tables: records, a table for each field of several values, and the readings."""

from __future__ import annotations

import polars as pl

from etl import problems
from etl.iris import encoded, slug
from etl.source import Source
from etl.texts import whole


def without_doubles(records: pl.DataFrame, source: Source) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Only the first record of each key, and a problem for every other: two records are never merged."""
    first = records.unique("record", keep="first", maintain_order=True)
    if source.form == "table":
        return first, _repeated(records, first, source)
    doubles = records.join(first.select("record", "file"), on=["record", "file"], how="anti").join(
        first.select("record", other="file"), on="record"
    )
    told = doubles.select("record", "file", "other", raw="record", source=pl.lit(source.id), field=pl.lit("local_code"))
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
    """Readings of the published records, each with a name of its own within its sheet."""
    joined = readings.join(records.select("record", "file"), on="file", how="inner", maintain_order="left")
    return _numbered(joined, "field").select("record", "field", "node", "label", "raw", "place")


def with_records(found: pl.DataFrame, records: pl.DataFrame) -> pl.DataFrame:
    """Problems found while reading a sheet, each with the record its file turned out to hold, if it holds one."""
    known = records.select("file", known="record")
    joined = found.join(known, on="file", how="left", maintain_order="left")
    return joined.with_columns(record=pl.coalesce("record", "known")).drop("known")


def without_persons(records: pl.DataFrame, readings: pl.DataFrame, source: Source) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Records and readings with every person's name taken out (type `name`)."""
    persons = [f.name for f in source.fields.values() if f.type == "name"]
    blank = [pl.lit(None, records.schema[name]).alias(name) for name in persons if name in records.columns]
    return records.with_columns(blank), readings.filter(~pl.col("field").is_in(persons))


def source_tables(records: pl.DataFrame, readings: pl.DataFrame, source: Source) -> dict[str, pl.DataFrame]:
    """The tables the mapping reads: the records, one for each field with several values, and the readings."""
    lists = [f.name for f in source.fields.values() if records.schema.get(f.name) == pl.List(pl.String)]
    tables = {source.id: records.drop(lists)}
    for field_ in source.fields.values():
        if field_.child:
            tables[f"{source.id}-{field_.name}"] = _child(records, field_.name)
    tables[f"{source.id}-readings"] = readings
    return tables


def _child(records: pl.DataFrame, name: str) -> pl.DataFrame:
    """One row for each value of a field: `record, value, slug, number, node`."""
    wide = records.select("record", value=pl.col(name))
    rows = (wide.explode("value") if wide.schema["value"] == pl.List(pl.String) else wide).drop_nulls("value")
    rows = rows.with_columns(
        field=pl.lit(name), slug=pl.col("value").map_elements(slug, return_dtype=pl.String, skip_nulls=True)
    )
    return _numbered(rows, "field").select("record", "value", "slug", "number", "node")


def _numbered(rows: pl.DataFrame, name: str) -> pl.DataFrame:
    """`number` counts the rows of a record and field from 1; `node` is the field in an IRI, numbered from 2 on."""
    plain = pl.col(name).str.replace_all("_", "-", literal=True)
    return rows.with_columns(number=pl.int_range(1, pl.len() + 1).over("record", name)).with_columns(
        node=pl.when(pl.col("number") == 1).then(plain).otherwise(pl.format("{}-{}", plain, "number"))
    )


def listed(tables: dict[str, pl.DataFrame], source: Source, found: pl.DataFrame) -> pl.DataFrame:
    """A source's records as the search index takes them: with `path`, `bodies` and the number of `problems`."""
    told = found.filter(pl.col("severity") != "info")
    counts = told.group_by("record").agg(problems=pl.len().cast(pl.Int64))
    bodies = [tables[f"{source.id}-{f.name}"] for f in source.fields.values() if f.type == "bodies" and f.child]
    values = pl.concat(
        [
            pl.DataFrame(schema={"record": pl.String, "value": pl.String}),
            *(b.select("record", "value") for b in bodies),
        ]
    )
    named = values.group_by("record", maintain_order=True).agg(bodies=pl.col("value").str.join("; "))
    return (
        tables[source.id]
        .join(named, on="record", how="left", maintain_order="left")
        .join(counts, on="record", how="left", maintain_order="left")
        .with_columns(
            source=pl.lit(source.id),
            problems=pl.col("problems").fill_null(0),
            path=pl.format("operation/{}/{}", pl.lit(source.id), encoded(pl.col("record"))),
        )
    )
