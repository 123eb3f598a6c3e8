"""Every source from a file of its own layout to what is published: an invented small one, and the real one.

A folder of tests/etl/sources holds an invented input with every column and every kind of fault, and `expected.json`:
how many records are published, the problems by code, and SPARQL ASK queries over all that is published, which must be
true (with the prefixes of the source's mapping). `real.json` says the same, without queries, of real files in
../shared/data.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl
import pyoxigraph as ox
import pytest

from etl import mapping, pipeline, tabular
from etl.settings import Settings
from etl.source import sources

FOLDERS = Path(__file__).parent / "sources"
TABLES = sorted(source.id for source in sources().values() if source.form == "table")
_OWN = ("expected.json", "real.json")


@dataclass(frozen=True)
class Release:
    """What was built of an invented input: its source in the manifest, the problems, and the statements."""

    source: dict[str, Any]
    problems: pl.DataFrame
    store: ox.Store


def inputs(name: str) -> list[Path]:
    """The invented files of a source."""
    return sorted(path for path in (FOLDERS / name).iterdir() if path.name not in _OWN)


def told(name: str, file: str) -> Any:
    """What a file of a source's folder says."""
    return json.loads((FOLDERS / name / file).read_text(encoding="utf-8"))


def told_of_real(name: str) -> list[dict[str, Any]]:
    """What is expected of the real files of a source: of one, of several, or of none."""
    if not (FOLDERS / name / "real.json").is_file():
        return []
    found = told(name, "real.json")
    return found if isinstance(found, list) else [found]


def build(name: str, paths: list[Path], releases: Path) -> pipeline.Built:
    """A release of the files, which must be known as the source's by their names."""
    built = pipeline.build(paths, Settings(releases=releases, index=False))
    assert [source["id"] for source in built.manifest["sources"]] == [name]
    return built


def by_code(found: pl.DataFrame) -> dict[str, int]:
    """How many problems there are of each code."""
    return dict(found["code"].value_counts().sort("code").iter_rows())


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Release]:
    """The release of a source's invented input, built when it is first asked for, and once."""

    @cache
    def made(name: str) -> Release:
        built = build(name, inputs(name), tmp_path_factory.mktemp(name))
        store = ox.Store()
        for dump in sorted((built.folder / "data").glob("*.nq.gz")):
            store.bulk_load(gzip.decompress(dump.read_bytes()), format=ox.RdfFormat.N_QUADS)
        return Release(built.manifest["sources"][0], built.problems, store)

    return made


@pytest.mark.parametrize("name", TABLES)
def test_every_source_of_rows_has_an_invented_input(name: str) -> None:
    assert (FOLDERS / name / "expected.json").is_file(), f"tests/etl/sources/{name}/expected.json"
    assert inputs(name), f"tests/etl/sources/{name}: an input in the layout of the source"


def test_every_folder_is_of_a_source() -> None:
    assert {path.name for path in FOLDERS.iterdir()} <= set(sources())


HERE = [name for name in TABLES if (FOLDERS / name / "expected.json").is_file()]
QUERIES = [
    pytest.param(name, query, id=f"{name}-{number}")
    for name in HERE
    for number, query in enumerate(told(name, "expected.json")["ask"], start=1)
]


@pytest.mark.parametrize("name", HERE)
def test_an_invented_input_is_published_and_its_faults_are_told(released: Callable[[str], Release], name: str) -> None:
    release, expected = released(name), told(name, "expected.json")
    assert by_code(release.problems) == dict(sorted(expected["problems"].items()))
    assert release.source["published"] == expected["published"]


@pytest.mark.parametrize(("name", "query"), QUERIES)
def test_what_is_published_says_what_the_input_says(released: Callable[[str], Release], name: str, query: str) -> None:
    rules = mapping.load(sources()[name].mapping, Settings().base)
    assert released(name).store.query(query, prefixes=rules.prefixes, use_default_graph_as_union=True), query


@pytest.mark.parametrize("name", HERE)
def test_every_field_of_a_source_is_in_its_invented_input(name: str, tmp_path: Path) -> None:
    """A field no invented input has would never be tested."""
    source = sources()[name]
    there = {field for path in inputs(name) for field in tabular.table(path, source, tmp_path).fields.values()}
    assert {field.name for field in source.fields.values() if field.type != "joined"} - there == set()


# --- real files ----------------------------------------------------------------------------------

REAL = [
    pytest.param(name, real, id=f"{name}-{Path(real['file']).name}") for name in TABLES for real in told_of_real(name)
]


@pytest.fixture(scope="module")
def built_of_real(
    request: pytest.FixtureRequest, shared: Path, tmp_path_factory: pytest.TempPathFactory, cupola: Callable[..., Any]
) -> Iterator[dict[str, Future[Path]]]:
    """The release of each real file that is tested, by the file's name: two at a time, each in a process of its own."""

    def built(path: Path, releases: Path) -> Path:
        ended = cupola("build", path, "--releases", releases, timeout=600, CUPOLA_INDEX="false")
        assert ended.returncode in (0, 1), ended.stderr
        return releases / "current"

    tests = (item for item in request.session.items if isinstance(item, pytest.Function))
    params = [test.callspec.params for test in tests if "built_of_real" in test.fixturenames]
    asked: list[str] = [
        real["file"] for name in TABLES for real in told_of_real(name) if {"name": name, "real": real} in params
    ]
    there = {file: shared / "data" / file for file in asked if (shared / "data" / file).is_file()}
    with ThreadPoolExecutor(2) as pool:
        yield {file: pool.submit(built, path, tmp_path_factory.mktemp("real")) for file, path in there.items()}


@pytest.mark.parametrize(("name", "real"), REAL)
def test_a_real_file_is_published_as_it_was_when_it_was_looked_at(
    name: str, real: dict[str, Any], built_of_real: dict[str, Future[Path]]
) -> None:
    if real["file"] not in built_of_real:
        pytest.skip(f"needs {real['file']} in ../shared/data, which is not on this machine")
    folder = built_of_real[real["file"]].result()
    found = pl.read_parquet(folder / "problems.parquet")
    unknown = found.filter(pl.col("code") == "table.unknown-column")
    assert unknown["message_en"].to_list() == [], "each column is a field or ignored with a reason"
    (source,) = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["sources"]
    assert source["id"] == name
    assert by_code(found) == dict(sorted(real["problems"].items()))
    assert (source["read"], source["published"]) == (real["read"], real["published"])
