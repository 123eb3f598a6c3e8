"""Problems on their way to publication: results of validation become problems, problems get names and subjects."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

import polars as pl

from etl import problems
from etl.iris import encoded
from etl.source import Source
from etl.tables import subject_path

#: What is known of the readings of a table: a row's place says where all of it was read.
_NO_READINGS: Final = pl.DataFrame(schema=dict.fromkeys(("record", "field", "place", "raw"), pl.String))


def shacl_code(component: str) -> str:
    """The problem code of a result: what rule it broke, as `shacl.<constraint>`.

    >>> shacl_code("http://www.w3.org/ns/shacl#LessThanOrEqualsConstraintComponent")
    'shacl.less-than-or-equals'
    """
    name = component.rsplit("#", 1)[-1].removesuffix("ConstraintComponent")
    return "shacl." + re.sub(r"(?<=[a-z])(?=[A-Z])", "-", name).lower()


def _component(code: str) -> str:
    """The SHACL component a problem's code names, or ours for what is no result of SHACL.

    >>> _component("shacl.less-than-or-equals")
    'http://www.w3.org/ns/shacl#LessThanOrEqualsConstraintComponent'
    """
    if not code.startswith("shacl."):
        return "https://w3id.org/cupola/onto/ProblemConstraintComponent"
    name = code.removeprefix("shacl.").title().replace("-", "").replace("Sparql", "SPARQL")
    return f"http://www.w3.org/ns/shacl#{name}ConstraintComponent"


def field_name(path: str | None) -> str | None:
    """The name of a field from the property that carries it.

    >>> field_name("https://w3id.org/cupola/onto/startDate")
    'start_date'
    """
    if path is None:
        return None
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", re.split(r"[/#]", path)[-1]).lower()


def shacl_problems(
    results: pl.DataFrame,
    subjects: pl.DataFrame,
    tables: Mapping[str, pl.DataFrame],
    source: str,
    every_owner: bool = False,
) -> pl.DataFrame:
    """Results of validation as problems, each with the record its focus node came from and the place it was read.

    Of several records that share the node the first is held to account, or every one of them.
    """
    owners = subjects.select("iri", "record").unique(maintain_order=True)
    if not every_owner:
        owners = owners.unique("iri", keep="first", maintain_order=True)
    record_files = tables[source].select("record", "file", row="place")
    readings = tables.get(f"{source}-readings", _NO_READINGS)
    read_at = readings.unique(["record", "field"], keep="first", maintain_order=True)
    return (
        results.with_columns(
            code=pl.col("component").map_elements(shacl_code, return_dtype=pl.String),
            field=pl.col("path").map_elements(field_name, return_dtype=pl.String),
            source=pl.lit(source),
        )
        .join(owners, left_on="focus", right_on="iri", how="left", maintain_order="left")
        .join(record_files, on="record", how="left", maintain_order="left")
        .join(
            read_at.select("record", "field", "place", "raw"),
            on=["record", "field"],
            how="left",
            maintain_order="left",
        )
        .with_columns(
            place=pl.coalesce("place", "row"),  # a sheet's field has a line of its own, a table's field its row
            raw=pl.coalesce("raw", "value"),
            suggestion=pl.lit(None, pl.String),
            reason=pl.lit(None, pl.String),
            reason_en=pl.lit(None, pl.String),
        )
        .select(problems.SCHEMA.names())
    )


def linked_problems(results: pl.DataFrame, graphs: Mapping[str, Iterable[str]], file: str, base: str) -> pl.DataFrame:
    """Results of validating a file of linked data as problems; the record of each is what its resource is called.

    `graphs` are the resources each graph of the file is about; a resource of several belongs to the first.
    """
    wanted = set(results["focus"].drop_nulls())
    owners = {iri: graph for graph, about in reversed(list(graphs.items())) for iri in wanted.intersection(about)}
    return results.with_columns(
        code=pl.col("component").map_elements(shacl_code, return_dtype=pl.String),
        source=pl.col("focus").replace_strict(owners, default=None, return_dtype=pl.String),
        record=pl.col("focus").str.strip_prefix(f"{base}id/"),
        field=pl.col("path").map_elements(field_name, return_dtype=pl.String),
        file=pl.lit(file),
        place=pl.col("focus"),
        raw=pl.col("value"),
        **{name: pl.lit(None, pl.String) for name in ("suggestion", "reason", "reason_en")},
    ).select(problems.SCHEMA.names())


def unusable_iris(refused: pl.DataFrame, source: Source) -> pl.DataFrame:
    """Values that should be an IRI and are none, as problems; `refused` has the columns record, column, value."""
    told = refused.select("record", source=pl.lit(source.id), field=pl.col("column"), raw=pl.col("value"))
    return problems.table("url.malformed", told)


def subjects_of(records: pl.LazyFrame, source: Source, base: str, found: pl.DataFrame) -> pl.DataFrame:
    """The resource each record with a problem is about: columns `source`, `record`, `focus` (an IRI under the base)."""
    wanted = found.filter(pl.col("source") == source.id).select("record").drop_nulls().unique().lazy()
    focus = pl.format("{}{}", pl.lit(base), subject_path(source))
    told = records.join(wanted, on="record", how="semi", maintain_order="left")
    return told.select(pl.lit(source.id).alias("source"), "record", focus=focus).collect()


def gathered(found: pl.DataFrame) -> pl.DataFrame:
    """The problems with their `occurrences`: of kinds that are gathered, the first of a file and field stands for all.

    It then belongs to no record: what it tells holds of the file.
    """
    kinds = [code for code, kind in problems.kinds().items() if kind.gathered]
    of_file = ["source", "file", "field", "code"]
    many = pl.col("code").is_in(kinds)
    first = found.filter(many).group_by(of_file, maintain_order=True).agg(pl.all().first(), occurrences=pl.len())
    alone = pl.col("occurrences") == 1
    first = first.with_columns(record=pl.when(alone).then("record"), occurrences=pl.when(~alone).then("occurrences"))
    others = found.filter(~many).with_columns(occurrences=pl.lit(None, first.schema["occurrences"]))
    return pl.concat([others, first.select(others.columns)])


def publishable(found: pl.DataFrame, subjects: Iterable[pl.DataFrame], base: str) -> pl.DataFrame:
    """The problems with what their mapping needs: a key of their own and the node they are about.

    `subjects` tells the resource of each record that is published (subjects_of); a problem of another is about its
    dataset.
    """
    nodes = pl.concat([pl.DataFrame(schema={"source": pl.String, "record": pl.String, "focus": pl.String}), *subjects])
    kinds = problems.kinds()
    titles = {language: {code: kind.title[language] for code, kind in kinds.items()} for language in ("it", "en")}
    owner = pl.coalesce("record", "file", pl.lit("none"))
    keyed = (
        gathered(found)
        .join(nodes, on=["source", "record"], how="left", maintain_order="left")
        .with_columns(
            source_key=pl.col("source").fill_null("none"),
            owner=owner,
            stem=pl.concat_str([pl.col("field"), pl.col("code")], separator=".", ignore_nulls=True),
        )
    )
    number = pl.int_range(1, pl.len() + 1).over("source_key", "owner", "stem")
    return (
        keyed.with_columns(
            name=pl.when(number == 1).then(pl.col("stem")).otherwise(pl.format("{}-{}", "stem", number)),
            # A file nobody reads is of no dataset: the catalogue lacks it.
            focus=pl.coalesce("focus", pl.format("{}id/dataset/{}", pl.lit(base), "source"), pl.lit(f"{base}catalog")),
            severity_iri=pl.format("http://www.w3.org/ns/shacl#{}", pl.col("severity").str.to_titlecase()),
            component=pl.col("code").map_elements(_component, return_dtype=pl.String),
            title_it=pl.col("code").replace_strict(titles["it"], default=None).fill_null(pl.col("message_it")),
            title_en=pl.col("code").replace_strict(titles["en"], default=None).fill_null(pl.col("message_en")),
            kind=pl.when(pl.col("code").is_in(list(kinds))).then(pl.col("code")),  # only these are in the SKOS scheme
        )
        .with_columns(
            iri=pl.format(
                "{}id/problem/{}/{}/{}", pl.lit(base), *(encoded(pl.col(c)) for c in ("source_key", "owner", "name"))
            )
        )
        .drop("stem")
    )
