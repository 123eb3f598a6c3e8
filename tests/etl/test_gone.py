"""What an earlier release described and this one does not is remembered, from release to release."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import polars as pl
import pytest

from etl import pipeline
from etl.gone import FILE
from etl.settings import Settings

EXAMPLES = Path(__file__).parents[2] / "examples"
ALL = ("BA1.1.1.c", "GE2.2.1.b", "PA4.2.1.a")


def built(names: Sequence[str], tmp_path: Path, *, index: bool = True, fresh: bool = False) -> pipeline.Built:
    inputs = tmp_path / "inputs"
    shutil.rmtree(inputs, ignore_errors=True)
    inputs.mkdir()
    for name in names:
        shutil.copyfile(EXAMPLES / f"{name}.txt", inputs / f"{name}.txt")
    return pipeline.build([inputs], Settings(releases=tmp_path / "releases", index=index), fresh=fresh)


def gone(built_: pipeline.Built) -> dict[str, str]:
    told = pl.read_parquet(built_.folder / FILE)
    with closing(sqlite3.connect(built_.folder / "search.sqlite")) as base:
        assert base.execute("SELECT path, last FROM gone ORDER BY path").fetchall() == told.rows()
    assert built_.manifest["gone"] == told.height
    return dict(told.iter_rows())


@pytest.mark.parametrize(("index", "fresh"), [(True, False), (True, True), (False, False)])
def test_a_sheet_that_vanished_is_gone_since_the_release_that_had_it_last(
    index: bool, fresh: bool, tmp_path: Path
) -> None:
    first = built(ALL, tmp_path, index=index)
    assert gone(first) == {}
    second = built(ALL[:2], tmp_path, index=index, fresh=fresh)
    lost = gone(second)
    assert lost["id/operation/ponmetro/PA4.2.1.a"] == lost["id/sheet/ponmetro/PA4.2.1.a"] == first.folder.name
    assert "id/programme/2014IT16M2OP004" not in lost  # others describe it, too
    third = built(ALL[:1], tmp_path, index=index, fresh=fresh)
    later = gone(third)
    assert later["id/operation/ponmetro/PA4.2.1.a"] == first.folder.name
    assert later["id/operation/ponmetro/GE2.2.1.b"] == second.folder.name


def test_what_is_back_is_not_gone(tmp_path: Path) -> None:
    built(ALL, tmp_path)
    built(ALL[:2], tmp_path)
    back = gone(built(ALL, tmp_path))
    assert "id/operation/ponmetro/PA4.2.1.a" not in back
    assert not [path for path in back if not path.startswith("id/problem/")]
