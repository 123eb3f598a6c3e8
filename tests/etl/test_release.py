"""A release is whole or is not there: built beside, switched in one step, the same for the same inputs."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import polars as pl
import pyoxigraph as ox
import pytest

from etl import pipeline, release
from etl.index import Index
from etl.settings import Settings

Cupola = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def built(examples: Path, tmp_path_factory: pytest.TempPathFactory) -> pipeline.Built:
    """A release of the example sheets."""
    return pipeline.build([examples], Settings(releases=tmp_path_factory.mktemp("releases")))


def test_a_release_has_every_part_its_design_names(built: pipeline.Built) -> None:
    parts = {path.name for path in built.folder.iterdir()}
    assert parts == {
        "manifest.json", "tables", "data", "problems.parquet", "validation.ttl", "catalog.ttl", "void.ttl", "store",
        "search.sqlite", "shapes.ttl", "parts", "copies", "counts", "gone.parquet",
    }  # fmt: skip
    assert {path.name for path in (built.folder / "data").iterdir()} == {
        "ponmetro.nq.gz", "links.nq.gz", "quality.nq.gz", "ontology.nq.gz", "public-contracts.nq.gz",
        *(f"example-{name}.nq.gz" for name in ("opencup", "pnrr", "payments", "tenders", "links")),
    }  # fmt: skip


def test_the_manifest_says_what_went_in_and_what_came_out(built: pipeline.Built) -> None:
    told = release.manifest(built.folder)
    assert told == built.manifest
    assert told["base"] == "https://w3id.org/cupola/"
    assert {entry["file"] for entry in told["inputs"]} >= set(built.problems["file"].drop_nulls())
    assert all(len(entry["sha256"]) == 64 and entry["bytes"] > 0 for entry in told["inputs"])
    sheets = next(source for source in told["sources"] if source["id"] == "ponmetro")
    files = [entry for entry in told["inputs"] if entry["source"] == "ponmetro"]
    assert sheets["read"] == sheets["published"] + sheets["withheld"] == len(files)
    assert told["triples"] == sum(graph["triples"] for graph in told["graphs"]) > 0
    assert sum(told["problems"]["codes"].values()) == built.problems.height
    stages = {"read", "clean", "map", "validate", "link", "dump", "count", "search", "gone", "index", "view"}
    assert set(told["timings"]) == set(told["memory"]) == stages


def test_the_same_inputs_give_the_same_bytes(built: pipeline.Built, examples: Path, tmp_path: Path) -> None:
    again = pipeline.build([examples], Settings(releases=tmp_path))
    for graph, other in zip(built.manifest["graphs"], again.manifest["graphs"], strict=True):
        assert (built.folder / graph["file"]).read_bytes() == (again.folder / other["file"]).read_bytes(), graph["file"]
    assert release.compare(built.folder, again.folder).is_empty()


def test_a_changed_sheet_shows_in_the_comparison_and_nothing_else_does(examples: Path, tmp_path: Path) -> None:
    sheets = tmp_path / "sheets"
    shutil.copytree(examples, sheets)
    old = pipeline.build([sheets], Settings(releases=tmp_path / "releases"))
    changed = min(sheets.glob("*.txt"))
    changed.write_bytes(changed.read_bytes() + b"\n")
    new = pipeline.build([sheets], Settings(releases=tmp_path / "releases"))
    changes = release.compare(old.folder, new.folder)
    assert changes["change"].to_list().count("added") == changes["change"].to_list().count("removed") == 2
    assert changes["statement"].str.contains("sha256|contentUrl").all()


def test_a_dump_that_was_altered_does_not_verify(built: pipeline.Built, tmp_path: Path) -> None:
    copy = tmp_path / built.folder.name
    shutil.copytree(built.folder, copy)
    release.verify(copy)
    with (copy / "data" / "ponmetro.nq.gz").open("ab") as file:
        file.write(b"\0")
    with pytest.raises(release.ReleaseError, match="sha256"):
        release.verify(copy)


def test_a_statement_that_two_graphs_hold_is_counted_once(tmp_path: Path) -> None:
    statement = '<urn:a> <urn:amount> "12.50"^^<http://www.w3.org/2001/XMLSchema#decimal>'
    with Index(tmp_path / "store") as filled:
        for graph in ("one", "two"):
            (tmp_path / f"{graph}.nq").write_text(f"{statement} <urn:{graph}> .\n")
            filled.add(tmp_path / f"{graph}.nq", f"urn:{graph}")
    index = ox.Store.read_only(str(tmp_path / "store"))

    def asked(query: str) -> list[str]:
        rows = index.query(query)
        assert isinstance(rows, ox.QuerySolutions)
        return [row[0].value for row in rows]

    assert asked("SELECT (SUM(?x) AS ?t) { ?s <urn:amount> ?x }") == ["12.5"]
    assert sorted(asked("SELECT ?g { GRAPH ?g { ?s <urn:amount> ?x } }")) == ["urn:one", "urn:two"]


def test_a_second_build_at_the_same_time_is_refused(tmp_path: Path) -> None:
    with (
        release.building(tmp_path),
        pytest.raises(release.ReleaseError, match="another build is under way"),
        release.building(tmp_path),
    ):
        pass


def test_an_unknown_release_is_answered_with_those_there_are(built: pipeline.Built) -> None:
    with pytest.raises(release.ReleaseError, match=built.folder.name):
        release.find(built.folder.parent, "2020-01-01T000000Z")


#: What a build has laid down by the moment it is killed: from nothing but the lock to all but the switch.
MOMENTS = [
    "",
    "ponmetro.parquet",
    "ponmetro.nq",
    "data/quality.nq.gz",
    "search.sqlite",
    "store",
    "catalog.ttl",
    "manifest.json",
]


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_build_killed_at_any_moment_leaves_the_old_release_and_the_next_build_works(
    moment: str, built: pipeline.Built, examples: Path, tmp_path: Path, cupola: Cupola
) -> None:
    releases = tmp_path / "releases"
    releases.mkdir()
    shutil.copytree(built.folder, releases / "2020-01-01T000000Z")
    release.switch(releases / "2020-01-01T000000Z")
    before = (releases / "2020-01-01T000000Z" / "manifest.json").read_bytes()

    # Anew: else the old release would be found to be of the same inputs, and stay.
    again = ["build", "--fresh", str(examples), "--releases", str(releases)]
    command = [str(Path(sys.executable).with_name("cupola")), *again]
    build = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    deadline = time.monotonic() + 60
    while not _reached(releases, moment) and build.poll() is None and time.monotonic() < deadline:
        time.sleep(0.001)
    with suppress(ProcessLookupError):  # on a busy machine the build may end between the look and the kill
        os.killpg(build.pid, signal.SIGKILL)
    build.wait()

    current = release.find(releases)
    release.verify(current)  # the old one, or the new one whole when the kill came after the switch
    if build.returncode == -signal.SIGKILL and current.name == "2020-01-01T000000Z":
        assert (current / "manifest.json").read_bytes() == before
    after = cupola(*again)
    assert after.returncode in (0, 1), after.stderr
    assert release.find(releases).name > "2026"
    assert not list(releases.glob(".building-*")), "what the killed build left was not cleared"


def _reached(releases: Path, moment: str) -> bool:
    folders = list(releases.glob(".building-*"))
    return bool(folders) and (not moment or any(folders[0].glob(moment)) or any(folders[0].glob(f"*/{moment}")))


def test_a_release_folder_that_cannot_be_written_is_one_clear_line(
    examples: Path, tmp_path: Path, cupola: Cupola
) -> None:
    (tmp_path / "file").write_text("not a folder")
    ended = cupola("build", examples, "--releases", tmp_path / "file" / "releases")
    assert ended.returncode == 2
    assert "cannot hold releases" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_problems_and_tables_can_be_read_by_those_who_do_not_speak_rdf(built: pipeline.Built) -> None:
    problems = pl.read_parquet(built.folder / "problems.parquet")
    assert problems.columns == [
        "code", "severity", "source", "record", "field", "file", "place", "raw", "message_it", "message_en",
        "suggestion", "reason", "reason_en",
    ]  # fmt: skip
    records = pl.read_parquet(built.folder / "tables" / "ponmetro.parquet")
    assert records.schema["disbursed_amount"] == pl.Decimal(20, 2)
    assert records.schema["end_date"] == pl.Date
