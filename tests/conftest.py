"""What all tests share: where things are, and how `cupola` is run as a person runs it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
Cupola = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository."""
    return ROOT


@pytest.fixture(scope="session")
def examples() -> Path:
    """The example sheets."""
    return ROOT / "examples"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real data beside the repository; tests that need it skip, by name, where it is not."""
    folder = ROOT.parent / "shared"
    if not folder.is_dir():
        pytest.skip("needs ../shared, the real source data, which is not on this machine")
    return folder


@pytest.fixture(scope="session")
def torino(shared: Path) -> Path:
    """The real Torino sheet."""
    return shared / "data" / "ponmetro" / "TO7.1.1.b.txt"


@pytest.fixture(scope="session")
def cupola() -> Cupola:
    """Run the installed `cupola` command: `cupola("build", path, cwd=folder)`; gives exit code and output as text."""
    command = Path(sys.executable).with_name("cupola")

    def run(
        *arguments: str | Path, cwd: Path | None = None, timeout: float = 120, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        whole: Sequence[str | Path] = [command, *arguments]
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("CUPOLA_")}
        return subprocess.run(
            whole,
            cwd=cwd,
            env={**inherited, **environment},
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    return run
