"""Sources side by side: each case is a file with small tables and what must come of them (tests/etl/links)."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl import link, mapping, validate
from etl.comparisons import ComparisonError, comparisons, declared, disagreements, spread
from etl.gate import ONTOLOGY, SHAPES, background
from etl.settings import Settings
from etl.source import Source, load, sources

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
CASES = sorted((HERE / "links").glob("*.json"))
TYPES: dict[str, Any] = {
    "amount": pl.Decimal(20, 2), "year": pl.Int32, "integer": pl.Int64, "date": pl.Date, "moment": pl.Datetime("us"),
}  # fmt: skip


def source_of(name: str, told: dict[str, Any], folder: Path) -> Source:
    """A source of the case: as a source.toml would declare it."""
    known = sources()["anac-cup-cig"]
    fields = "".join(f"[fields.{field}]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in about.items())
                     for field, about in told["fields"].items())  # fmt: skip
    path = folder / name / "source.toml"
    path.parent.mkdir()
    path.write_text(
        f"title = {{ it = {json.dumps(name)}, en = {json.dumps(name)} }}\ndescription = {{ it = '-', en = '-' }}\n"
        f"publisher = '-'\nlicence = {json.dumps(known.licence)}\nhomepage = {json.dumps(known.homepage)}\n"
        f"[reading]\nform = 'table'\nfiles = ['none']\nkey = {json.dumps(told['key'])}\n"
        f"subject = {json.dumps(told['subject'])}\n{fields}",
        encoding="utf-8",
    )
    return replace(load(path), compare=told.get("compare", {}))


def records_of(told: dict[str, Any]) -> pl.LazyFrame:
    """The rows of the case as a cleaned table: typed, with record, label, file and place."""
    columns = []
    for name, about in told["fields"].items():
        values = [row.get(name) for row in told["rows"]]
        if about["type"] == "amount":
            values = [None if value is None else Decimal(str(value)) for value in values]
        elif about["type"] == "date":
            values = [None if value is None else date.fromisoformat(value) for value in values]
        inner = TYPES.get(about["type"], pl.String)
        columns.append(pl.Series(name, values, dtype=pl.List(inner) if about.get("many") else inner))
        if any(f"{name}_name" in row for row in told["rows"]):
            columns.append(pl.Series(f"{name}_name", [row.get(f"{name}_name") for row in told["rows"]], pl.String))
    frame = pl.DataFrame(columns).with_row_index("row", offset=1)
    key = pl.concat_str([pl.col(name).cast(pl.String) for name in told["key"]], separator="/")
    return frame.lazy().with_columns(record=key, label=key, file=pl.lit("a.csv"), place=pl.format("row {}", "row"))


def crossed(case: dict[str, Any], folder: Path) -> link.Crossed:
    told = case["sources"]
    return link.cross_reference(
        {name: records_of(each) for name, each in told.items()},
        {name: source_of(name, each, folder) for name, each in told.items()},
        {name: date.fromisoformat(each["date"]) if each.get("date") else None for name, each in told.items()},
        frozenset(name for name, each in told.items() if each.get("complete")),
    )


def plain(value: object) -> object:
    return str(value) if isinstance(value, (Decimal, date)) else value


def read(case: Path) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(case.read_text(encoding="utf-8"))
    return told


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_case_gives_what_it_expects(case: Path, tmp_path: Path) -> None:
    told = read(case)
    got = crossed(told, tmp_path)
    for table, expected in told["expected"].items():
        frame: pl.DataFrame = getattr(got, table)
        rows = [{name: plain(value) for name, value in row.items()} for row in frame.iter_rows(named=True)]
        seen = [{name: row[name] for name in want} for row, want in zip(rows, expected, strict=False)]
        assert (seen, len(rows)) == (expected, len(expected)), f"{told['what']}: {table}: {rows}"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_what_is_published_of_a_case_conforms(case: Path, tmp_path: Path) -> None:
    quads, rules = published(crossed(read(case), tmp_path), tmp_path)
    checked = validate.validate(
        "links", [quads], validate.shapes_graph(SHAPES), [background(tmp_path, Settings().base)], Settings().validator
    )
    assert checked.results.rows(named=True) == []
    assert rules.prefixes["cupola"] == "https://w3id.org/cupola/onto/"


def published(got: link.Crossed, folder: Path) -> tuple[Path, mapping.Mapping]:
    rules = mapping.load(ROOT / "etl" / "link.yml")
    quads = folder / "links.nq"
    mapping.write(rules, {name: table.lazy() for name, table in link.publishable(got, Settings().base).items()}, quads)
    return quads, rules


def test_every_source_compares_on_what_is_declared() -> None:
    for source in sources().values():
        for name, column in source.compare.items():
            assert name in comparisons(), f"{source.id}: {name}"
            stem = next((field for field in source.fields if column == field or column.startswith(f"{field}_")), None)
            assert stem, f"{source.id}: {name} is compared on {column}, which no field makes"


def test_amounts_are_of_one_declared_kind_of_money() -> None:
    ontology = (ONTOLOGY / "cupola.ttl").read_text(encoding="utf-8")
    kinds = [each.money for each in comparisons().values() if each.kind == "amount"]
    assert len(set(kinds)) == len(kinds)
    for money in kinds:
        assert f"\n:{money} a owl:DatatypeProperty" in ontology


def test_every_rule_is_in_the_code_list() -> None:
    schemes = (ONTOLOGY / "schemes.ttl").read_text(encoding="utf-8")
    for rule in {each.rule for each in comparisons().values()} | {"within-precision"}:
        assert f"<https://w3id.org/cupola/onto/scheme/comparison-rules/{rule}> a skos:Concept" in schemes


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[a]\ntitle = {}\nkind = 'guess'", "a: kind 'guess'; allowed: exact"),
        ("[a]\ntitle = {}\nkind = 'exact'\nkey = 'name'", "a: key 'name'; allowed: cup, cig"),
        ("[a]\ntitle = {}\nkind = 'amount'", "money"),
        ("[a]\ntitle = {}\nkind = 'exact'\nmoney = 'totalCost'", "money"),
        ("[a]\ntitle = {}\nkind = 'text'", "threshold"),
        ("[a]\ntitle = {}\nkind = 'exact'\ncolour = 'red'", "colour"),
    ],
)
def test_a_comparison_declared_wrongly_is_refused(text: str, message: str) -> None:
    with pytest.raises(ComparisonError, match=message):
        declared(text)


def test_a_source_that_compares_what_nobody_declared_is_refused(tmp_path: Path) -> None:
    told = read(CASES[0])
    next(iter(told["sources"].values()))["compare"] = {"colour": "cup"}
    with pytest.raises(ComparisonError, match="no comparison 'colour'; there are: title"):
        crossed(told, tmp_path)


def test_a_source_that_compares_on_a_column_it_has_not_is_refused(tmp_path: Path) -> None:
    told = read(CASES[0])
    next(iter(told["sources"].values()))["compare"] = {"title": "colour"}
    with pytest.raises(ComparisonError, match="'colour', which is no column"):
        crossed(told, tmp_path)


@settings(deadline=None)
@given(st.lists(st.integers(0, 50), min_size=1), st.lists(st.integers(0, 50), min_size=1))
def test_amounts_disagree_when_no_pair_is_within_a_cent(ones: list[int], others: list[int]) -> None:
    def side(cents: list[int]) -> pl.DataFrame:
        values = sorted(set(cents))
        return pl.DataFrame(
            {"key": ["a"] * len(values), "same": [str(each) for each in values], "cents": [float(c) for c in values],
             "spread": [0.0] * len(values)}
        )  # fmt: skip

    found = disagreements(side(ones), side(others), comparisons()["total-cost"])
    gap = min(abs(one - other) for one in ones for other in others)
    assert found["gap"].to_list() == ([float(gap)] if gap > 1 else [])


@settings(max_examples=200, deadline=None)
@given(st.floats(min_value=0.0625, max_value=2.0**33, width=32))
def test_the_spread_of_a_32_bit_float_is_half_its_last_place(amount: float) -> None:
    half = pl.DataFrame({"a": [amount]}).select(spread(pl.col("a"))).item()
    for off in (0.9 * half, -0.4 * half):  # below a power of two floats are twice as near
        assert pl.Series([amount + off], dtype=pl.Float64).cast(pl.Float32).item() == amount
