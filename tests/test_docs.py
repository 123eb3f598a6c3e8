"""The documentation cannot drift: what exists is described, what is described exists."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

import endpoint.settings
import etl.fetch
import etl.settings
from cupola.main import main
from endpoint import create_app
from etl.source import sources


@pytest.fixture(scope="module")
def readme(root: Path) -> str:
    return (root / "README.md").read_text(encoding="utf-8")


def test_every_command_is_in_the_readme(readme: str) -> None:
    missing = [name for name in main.commands if f"cupola {name}" not in readme]
    assert not missing


def test_every_setting_is_in_the_readme_and_has_help(readme: str) -> None:
    fields = {
        **etl.settings.Settings.__dataclass_fields__,
        **etl.fetch.FetchSettings.__dataclass_fields__,
        **endpoint.settings.Settings.__dataclass_fields__,
    }
    missing = [name for name in fields if f"`{name}`" not in readme]
    assert not missing
    assert all(entry.metadata["help"] for entry in fields.values())


def test_every_source_is_in_the_readme(readme: str) -> None:
    assert not [source for source in sources() if f"`{source}`" not in readme]


def test_every_route_is_in_the_readme(readme: str) -> None:
    app = create_app(endpoint.settings.Settings())
    routes = {
        re.split(r"[<]", str(rule))[0] for rule in app.url_map.iter_rules() if not str(rule).startswith("/static")
    }
    missing = sorted(route for route in routes if f"`{route}" not in readme)
    assert not missing


def test_every_example_sheet_is_described(root: Path) -> None:
    described = (root / "examples" / "README.md").read_text(encoding="utf-8")
    sheets = [path.name for path in (root / "examples").glob("*.txt")]
    assert len(sheets) >= 6
    assert not [name for name in sheets if name not in described]


def test_the_locked_requirements_hold_every_dependency(root: Path) -> None:
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    locked = (root / "requirements.txt").read_text(encoding="utf-8").lower()
    for wanted in project["project"]["dependencies"]:
        name = re.sub(r"[-_.]+", "-", re.split(r"[<>=\[ ]", wanted)[0]).lower()
        assert re.search(rf"^{re.escape(name)}==", locked, re.MULTILINE), f"{name}: run make lock"


def test_no_committed_file_names_a_registrys_host_or_a_path_of_one_machine(root: Path) -> None:
    forbidden = re.compile(
        "|".join(["pypi" + r"\.org", "files" + r"\.pythonhosted", "registry" + r"\.npmjs", "/wo" + "rk/"])
    )
    texts = [
        path
        for pattern in (
            "*.toml",
            "*.md",
            "*.txt",
            "Makefile",
            "*.py",
            "*.yml",
            ".ci/run",
            "cupola/**/*",
            "deploy/**/*",
            "etl/**/*",
            "endpoint/**/*",
            "tests/**/*",
        )
        for path in root.glob(pattern)
        if path.is_file() and path.suffix not in {".pyc", ".png"} and "node_modules" not in path.parts
        if path.parent != root / "endpoint" / "static" / "editor"  # what npm gave, which is not committed
    ]
    assert not [str(p) for p in texts if forbidden.search(p.read_text(encoding="utf-8", errors="ignore"))]
