"""However a table is cut, it gives the same: batches of rows while it is read, shares while it is validated."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from etl import pipeline, preparation, tabular
from etl.settings import Settings

SOURCES = Path(__file__).parent / "sources"


def built(paths: list[Path], releases: Path) -> pipeline.Built:
    return pipeline.build(paths, Settings(releases=releases, index=False))


def files(name: str) -> list[Path]:
    """The invented input of a source."""
    told = {"expected.json", "real.json"}
    return [path for path in sorted((SOURCES / name).iterdir()) if path.name not in told]


@pytest.mark.parametrize("name", ["pnrr-tenders", "opencup"])
def test_a_table_cut_in_pieces_gives_the_same_statements_and_problems(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = built(files(name), tmp_path / "whole")
    monkeypatch.setattr(tabular, "BATCH", 3)
    monkeypatch.setattr(preparation, "SHARE", 120)
    pieces = built(files(name), tmp_path / "pieces")
    dump = f"data/{name}.nq.gz"
    assert (pieces.folder / dump).read_bytes() == (whole.folder / dump).read_bytes()
    order = [column for column in whole.problems.columns if column != "message_it"]
    assert pieces.problems.sort(order).equals(whole.problems.sort(order))
    for path in (whole.folder / "tables").glob(f"{name}*.parquet"):
        assert pl.read_parquet(pieces.folder / "tables" / path.name).equals(pl.read_parquet(path)), path.name
    report = (pieces.folder / "validation.ttl").read_text()
    assert report.count("a sh:ValidationReport") > 2, "one for each share"


def test_a_file_that_breaks_half_way_gives_one_problem_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tabular, "BATCH", 2)
    good, bad = tmp_path / "a_cup_cig.csv", tmp_path / "b_cup_cig.csv"
    good.write_text("CUP,CIG\nB31C20999990006,Z99999901A\n")
    rows = "".join(f"B31C2099999{number:04},Z9999990{number:02}\n" for number in range(20))
    bad.write_text(f"CUP,CIG\n{rows}a,b,c,d\n")
    found = built([good, bad], tmp_path / "releases")
    assert found.problems.select("code", "file").rows() == [("table.malformed", "b_cup_cig.csv")]
    assert pl.read_parquet(found.folder / "tables" / "anac-cup-cig.parquet").height == 1
    assert pl.read_parquet(found.folder / "tables" / "raw" / "anac-cup-cig.parquet")["@file"].to_list() == [good.name]


def test_the_text_of_a_table_is_published_as_it_was_found_with_columns_nobody_knows(tmp_path: Path) -> None:
    path = tmp_path / "cup_cig.csv"
    path.write_text("CUP,CIG,Nota\n b31C20999990006 ,z99999901a,0007\n", encoding="utf-8")
    found = built([path], tmp_path / "releases")
    (row,) = pl.read_parquet(found.folder / "tables" / "raw" / "anac-cup-cig.parquet").to_dicts()
    assert row == {
        "@file": "cup_cig.csv", "@place": "row 1", "CUP": " b31C20999990006 ", "CIG": "z99999901a", "Nota": "0007",
    }  # fmt: skip


def test_an_amount_another_source_tells_better_is_said_once_and_the_manifest_tells_where(tmp_path: Path) -> None:
    found = built(files("pnrr-projects") + files("pnrr-payments"), tmp_path / "releases")
    projects, payments = (
        pl.read_parquet(found.folder / "tables" / f"pnrr-{name}.parquet") for name in ("projects", "payments")
    )
    both = projects.join(payments.drop_nulls("total_funding"), on="record", how="semi")
    told = next(source for source in found.manifest["sources"] if source["id"] == "pnrr-projects")
    left = both.filter(pl.col("total_funding").is_not_null())
    assert left.height > 0
    assert told["published_elsewhere"] == {"operation_funding": {"pnrr-payments": left.height}}
    assert left["operation_funding"].null_count() == left.height
    alone = projects.join(left, on="record", how="anti")
    assert alone["operation_funding"].equals(alone["total_funding"]), "others say it themselves"


def test_a_release_without_an_index_says_so(tmp_path: Path) -> None:
    found = built(files("indicepa"), tmp_path / "releases")
    assert json.loads((found.folder / "manifest.json").read_text())["index"] is False
    assert not (found.folder / "store").exists()
