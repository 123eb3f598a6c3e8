"""A few seconds of benchmarks/soak.py: the run of ten minutes is a command, not a test."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from benchmarks.soak import soak
from etl.release import FORMAT, manifest, write_manifest

if TYPE_CHECKING:
    from tests.endpoint.conftest import Build


def test_workers_killed_and_releases_switched_under_load_give_no_wrong_answer(build: Build, tmp_path: Path) -> None:
    if not Path("/proc/self/statm").exists():
        pytest.skip("needs Linux's /proc to see the processes of the server")
    first = build(tmp_path, "2026-01-02T030405Z")
    second = build(tmp_path, "2026-02-03T040506Z", title="Biblioteca del rione")
    for release in (first, second):  # `cupola serve` asks for it
        write_manifest(release, {**manifest(release), "format": FORMAT, "index": True})
    seen = soak(first, second, seconds=6, kill_every=0.7, switch_every=1.5)
    assert not seen.faults
    assert seen.total("right") > 20
    assert seen.total("killed") > 2
    assert seen.total("switched") > 1
