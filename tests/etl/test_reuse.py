"""What did not change since the last release is taken over; what did is made again, and nothing is left of the old."""

from __future__ import annotations

import dataclasses
import gzip
import json
import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pyoxigraph as ox
import pytest

from etl import pipeline, release
from etl.settings import Settings

EXAMPLES = Path(__file__).parents[2] / "examples"
SOURCES = Path(__file__).parent / "sources"
PAIRS = [("B31C20999990006", "Z99999901A"), ("B44D19999990005", "Z99999902B"), ("C51C22999990009", "Z99999903C")]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, pipeline.Built]:
    """A folder with inputs (sheets, linked data, and a table) and the release of them, made once."""
    folder = tmp_path_factory.mktemp("reuse")
    (folder / "inputs").mkdir()
    for path in (*EXAMPLES.glob("*.txt"), EXAMPLES / "other-sources.trig"):
        (folder / "inputs" / path.name).write_bytes(path.read_bytes())
    write_pairs(folder / "inputs", PAIRS)
    return folder, built(folder / "inputs", folder)


@pytest.fixture
def first(made: tuple[Path, pipeline.Built], tmp_path: Path) -> pipeline.Built:
    """A first release, in a folder that is the test's own."""
    folder, release = made
    shutil.copytree(folder, tmp_path, symlinks=True, dirs_exist_ok=True)
    return dataclasses.replace(release, folder=tmp_path / release.folder.relative_to(folder))


@pytest.fixture
def inputs(first: pipeline.Built, tmp_path: Path) -> Path:
    """The folder of inputs the first release was made of."""
    return tmp_path / "inputs"


def write_pairs(folder: Path, pairs: list[tuple[str, str]]) -> None:
    (folder / "cup_cig.csv").write_text("CUP,CIG\n" + "".join(f"{cup},{cig}\n" for cup, cig in pairs))


def built(inputs: Path, tmp_path: Path, *, fresh: bool = False, releases: str = "releases") -> pipeline.Built:
    return pipeline.build([inputs], Settings(releases=tmp_path / releases), fresh=fresh)


def same_as_made_anew(found: pipeline.Built, inputs: Path, tmp_path: Path) -> None:
    """A release made by taking over is, but for its name, the one made from nothing."""
    anew = built(inputs, tmp_path, releases="anew", fresh=True)
    for path in ("data", "tables"):
        ours, theirs = (
            {f.relative_to(folder): f for f in (folder / path).rglob("*") if f.is_file()}
            for folder in (found.folder, anew.folder)
        )
        assert ours.keys() == theirs.keys()
        assert all(ours[name].read_bytes() == theirs[name].read_bytes() for name in ours if name.suffix == ".gz")
        assert all(pl.read_parquet(ours[n]).equals(pl.read_parquet(theirs[n])) for n in ours if n.suffix == ".parquet")
    assert statements(found) == statements(anew)
    for key in ("sources", "inputs", "validators", "graphs", "triples", "problems", "withheld"):
        assert found.manifest[key] == anew.manifest[key], key
    assert found.problems.equals(anew.problems)


def statements(found: pipeline.Built) -> set[str]:
    """All the index holds but what the catalogue says of the release."""
    index = ox.Store.read_only(str(found.folder / "store"))
    named = {q for q in index if not str(q.graph_name).endswith("/graph/catalog>")}
    catalog = {q.triple for q in index if str(q.graph_name).endswith("/graph/catalog>")}
    own = {q for q in named if not isinstance(q.graph_name, ox.DefaultGraph)}
    default = {q.triple for q in named if isinstance(q.graph_name, ox.DefaultGraph)}
    assert default == {q.triple for q in own} | catalog, "the default graph is the union of all graphs"
    return {str(q) for q in own}


def test_when_nothing_changed_the_release_stays(first: pipeline.Built, inputs: Path, tmp_path: Path) -> None:
    again = built(inputs, tmp_path)
    assert again.unchanged
    assert again.folder == first.folder
    assert len(release.every(tmp_path / "releases")) == 1
    anew = built(inputs, tmp_path, fresh=True)
    assert not anew.unchanged
    assert anew.folder != first.folder


@pytest.mark.parametrize(
    "pairs", [PAIRS[:2], [*PAIRS, ("J91J18999990003", "Z99999904D")], [*PAIRS[:2], (PAIRS[2][0], "Z99999905E")]]
)
def test_one_changed_row_makes_its_source_again_and_no_other(
    pairs: list[tuple[str, str]], first: pipeline.Built, inputs: Path, tmp_path: Path
) -> None:
    write_pairs(inputs, pairs)
    second = built(inputs, tmp_path)
    prints = [{part["key"]: part["fingerprint"] for part in one.manifest["parts"]} for one in (first, second)]
    assert {key for key in prints[0] if prints[0][key] != prints[1][key]} == {"anac-cup-cig"}
    for name in ("data/ponmetro.nq.gz", "tables/ponmetro.parquet", "data/example-pnrr.nq.gz"):
        assert (first.folder / name).samefile(second.folder / name), "linked, not made again"
    same_as_made_anew(second, inputs, tmp_path)


def test_a_source_that_is_gone_leaves_nothing(inputs: Path, tmp_path: Path) -> None:
    (inputs / "cup_cig.csv").unlink()
    second = built(inputs, tmp_path)
    assert "anac-cup-cig" not in {source["id"] for source in second.manifest["sources"]}
    same_as_made_anew(second, inputs, tmp_path)


def test_a_changed_sheet_and_a_changed_graph_are_made_again(inputs: Path, tmp_path: Path) -> None:
    sheet = next(inputs.glob("TO1*.txt"))
    sheet.write_text(sheet.read_text() + "\n")
    linked = inputs / "other-sources.trig"
    linked.write_text(linked.read_text().replace("2400000.00", "2400001.00"))
    same_as_made_anew(built(inputs, tmp_path), inputs, tmp_path)


def test_other_settings_make_everything_again(first: pipeline.Built, inputs: Path, tmp_path: Path) -> None:
    other = pipeline.build([inputs], Settings(releases=tmp_path / "releases", publish_persons=False))
    assert not other.unchanged
    name = "tables/ponmetro.parquet"
    assert not (first.folder / name).samefile(other.folder / name)


def test_a_release_that_lost_a_file_is_not_taken_over(first: pipeline.Built, inputs: Path, tmp_path: Path) -> None:
    (first.folder / "data" / "anac-cup-cig.nq.gz").unlink()
    same_as_made_anew(built(inputs, tmp_path), inputs, tmp_path)


def test_a_manifest_of_another_time_is_no_hindrance(first: pipeline.Built, inputs: Path, tmp_path: Path) -> None:
    told = first.folder / "manifest.json"
    old = json.loads(told.read_text())
    del old["parts"]
    old["format"] -= 1
    told.write_text(json.dumps(old))
    assert not built(inputs, tmp_path).unchanged


def test_dumps_hold_what_the_index_holds(first: pipeline.Built) -> None:
    lines = {
        line.removesuffix(" .")
        for graph in first.manifest["graphs"]
        for line in gzip.decompress((first.folder / graph["file"]).read_bytes()).decode().splitlines()
    }
    assert len(lines) == len(statements(first))


def test_a_renamed_file_of_linked_data_leaves_nothing_behind_and_loses_nothing(
    first: pipeline.Built, inputs: Path, tmp_path: Path
) -> None:
    (inputs / "other-sources.trig").rename(inputs / "renamed.trig")
    second = built(inputs, tmp_path)
    assert "renamed.trig" in {part["key"] for part in second.manifest["parts"]}
    same_as_made_anew(second, inputs, tmp_path)


def test_a_withheld_file_is_still_among_the_inputs_when_it_is_taken_over(inputs: Path, tmp_path: Path) -> None:
    linked = inputs / "other-sources.trig"
    linked.write_text(linked.read_text().replace("cupola:totalCost 2400000.00", 'cupola:totalCost "molto"'))
    assert built(inputs, tmp_path).manifest["withheld"] == ["other-sources.trig"]
    write_pairs(inputs, PAIRS[:1])
    same_as_made_anew(built(inputs, tmp_path), inputs, tmp_path)


@pytest.mark.parametrize("change", [{"publisher": "Un altro"}, {"complete": ("opencup",)}, {"index": False}], ids=str)
def test_what_is_no_parts_business_still_makes_another_release(
    change: dict[str, Any], first: pipeline.Built, inputs: Path, tmp_path: Path
) -> None:
    settings = dataclasses.replace(Settings(releases=tmp_path / "releases"), **change)
    second = pipeline.build([inputs], settings)
    assert not second.unchanged
    assert (second.folder / "data/ponmetro.nq.gz").samefile(first.folder / "data/ponmetro.nq.gz")
    assert pipeline.build([inputs], settings).unchanged


def test_a_file_nobody_reads_is_told_each_time(inputs: Path, tmp_path: Path) -> None:
    paths = [inputs, tmp_path / "nobody.xyz"]
    paths[1].write_text("?")
    for _ in range(2):
        found = pipeline.build(paths, Settings(releases=tmp_path / "releases"))
        assert "file.no-source" in found.problems["code"].to_list()
    assert found.unchanged


def test_a_source_is_made_again_when_one_it_heeds_is(tmp_path: Path) -> None:
    folder, settings = tmp_path / "inputs", Settings(releases=tmp_path / "releases", index=False)
    folder.mkdir()
    for name, file in (("pnrr-projects", "progetti_validati.csv"), ("pnrr-payments", "pagamenti.csv")):
        shutil.copy(SOURCES / name / file, folder)
    first = pipeline.build([folder], settings)
    payments = folder / "pagamenti.csv"
    payments.write_bytes(b"".join(payments.read_bytes().splitlines(keepends=True)[:2]))
    second = pipeline.build([folder], settings)
    tables = [pl.read_parquet(one.folder / "tables" / "pnrr-projects.parquet") for one in (first, second)]
    left = [table["operation_funding"].null_count() for table in tables]
    assert left[1] < left[0], "amounts that no better source tells any more are ours again"
