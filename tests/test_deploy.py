"""What deploy/ says is true of this program: paths, commands, settings, headers. Run without systemd or podman."""

from __future__ import annotations

import ast
import dataclasses
import re
import shutil
import subprocess
from pathlib import Path

import pytest

import endpoint.settings
from cupola.main import main
from endpoint import create_app, editor

SETTINGS = {f"CUPOLA_{field.name.upper()}": field for field in dataclasses.fields(endpoint.settings.Settings)}


@pytest.fixture(scope="module")
def deploy(root: Path) -> Path:
    return root / "deploy"


def unit(file: Path) -> dict[str, list[str]]:
    """The values of each key of a unit file; a line that is neither section, comment nor key fails."""
    found: dict[str, list[str]] = {}
    for line in file.read_text(encoding="utf-8").splitlines():
        if not line or line.startswith("#") or re.fullmatch(r"\[(Unit|Service|Install)\]", line):
            continue
        key, equals, value = line.partition("=")
        assert equals, line
        assert re.fullmatch(r"[A-Z][A-Za-z]+", key), line
        found.setdefault(key, []).append(value)
    return found


def test_the_unit_runs_a_command_that_exists_with_settings_that_exist(deploy: Path) -> None:
    told = unit(deploy / "cupola.service")
    program, command = told["ExecStart"][0].split()
    assert Path(program).name == "cupola"
    assert command in main.commands
    assert Path(program).is_relative_to(told["WorkingDirectory"][0])
    named = dict(pair.split("=") for line in told["Environment"] for pair in line.split())
    assert {name for name in named if name.startswith("CUPOLA_")} <= SETTINGS.keys()
    assert {name for name in named if not name.startswith("CUPOLA_")} == {"MALLOC_ARENA_MAX"}  # the C library's
    endpoint.settings.Settings(log_format=named["CUPOLA_LOG_FORMAT"])
    assert float(told["TimeoutStopSec"][0]) > float(named["CUPOLA_STOP_TIMEOUT"])
    assert any(Path(named["CUPOLA_RELEASES"]).is_relative_to(path) for path in told["ReadOnlyPaths"][0].split())


def test_the_unit_leaves_the_workers_to_the_server_and_gives_all_of_them_their_memory(deploy: Path) -> None:
    told = unit(deploy / "cupola.service")
    assert told["KillMode"] == ["mixed"]
    assert told["OOMPolicy"] == ["continue"]
    defaults = endpoint.settings.Settings()
    most = (defaults.workers + 1) * defaults.query_memory / 1024
    assert most < float(told["MemoryMax"][0].removesuffix("G"))


def test_systemd_finds_nothing_wrong_with_the_unit_and_little_exposed(deploy: Path, tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("needs systemd-analyze")
    copy = tmp_path / "cupola.service"
    text = (deploy / "cupola.service").read_text(encoding="utf-8")
    copy.write_text(text.replace("/opt/cupola/.venv/bin/cupola", "/bin/true").replace("/opt/cupola", "/"))
    checked = subprocess.run([analyze, "verify", copy], capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, "")
    asked = [analyze, "security", "--offline=true", "--threshold=20", str(copy)]
    exposed = subprocess.run(asked, capture_output=True, text=True, check=False)
    assert exposed.returncode == 0, exposed.stdout  # exposure at most 2.0 of 10


def test_the_image_copies_what_exists_runs_as_nobody_and_holds_no_secret(deploy: Path, root: Path) -> None:
    text = (deploy / "Containerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line.split() for line in text.splitlines() if line and not line.startswith("#")]
    copied = [source for line in lines if line[0] == "COPY" and "--from" not in line[1] for source in line[1:-1]]
    assert {"requirements.txt", "pyproject.toml", "endpoint", "endpoint/editor/package-lock.json"} <= set(copied)
    assert all((root / source).exists() for source in copied)
    kept = (deploy / "Containerfile.containerignore").read_text(encoding="utf-8")
    assert all(f"!{source.split('/')[0]}\n" in kept for source in copied)
    assert [line[1] for line in lines if line[0] == "USER"][-1].split(":")[0] not in ("0", "root")
    named = {pair.split("=")[0] for line in lines if line[0] == "ENV" for pair in line[1:]}
    settings = {name for name in named if name.startswith("CUPOLA_")}
    assert settings <= SETTINGS.keys()
    assert not [name for name in settings if SETTINGS[name].metadata.get("secret")]
    assert all(":" in base for base in re.findall(r"^ARG \w+=(\S+)", text, re.MULTILINE)), "bases have a tag"
    assert [line for line in lines if line[0] == "CMD"][-1] == ["CMD", '["serve"]']


def test_the_health_check_of_the_image_asks_a_route_that_exists(deploy: Path) -> None:
    text = (deploy / "Containerfile").read_text(encoding="utf-8")
    command = ast.literal_eval(re.findall(r"HEALTHCHECK .*CMD (\[.*\])", text)[0])
    path = re.findall(r"http://127\.0\.0\.1:\d+(/\S*?)'", command[-1])[0]
    assert path in {str(rule) for rule in create_app(endpoint.settings.Settings()).url_map.iter_rules()}


def test_the_image_has_the_files_of_the_editor(deploy: Path) -> None:
    text = (deploy / "Containerfile").read_text(encoding="utf-8")
    for name in editor.FILES:
        package = name.partition(".")[0]
        assert f"@zazuko/{package}/build/{package}.min.*" in text


def test_the_proxy_passes_on_what_the_server_reads(deploy: Path, root: Path) -> None:
    text = (deploy / "nginx.conf").read_text(encoding="utf-8")
    sources = "".join(path.read_text(encoding="utf-8") for path in (root / "endpoint").glob("*.py"))
    for header in ("X-Request-ID", "X-Forwarded-For"):
        assert f"proxy_set_header {header} " in text
        assert header in sources or f"HTTP_{header.upper().replace('-', '_')}" in sources
    asked = re.findall(r"^# With it: (.*)$", text, re.MULTILINE)
    for setting in re.findall(r"(\w+) = ", asked[0]):
        assert f"CUPOLA_{setting.upper()}" in SETTINGS
    defaults = endpoint.settings.Settings()
    waits = int(re.findall(r"proxy_read_timeout (\d+)s", text)[0])
    assert waits > defaults.query_timeout + defaults.queue_timeout
    assert int(re.findall(r"client_max_body_size (\d+)m", text)[0]) * 2**20 > defaults.max_body
    assert int(re.findall(r"large_client_header_buffers \d+ (\d+)k", text)[0]) * 1024 > defaults.max_url
