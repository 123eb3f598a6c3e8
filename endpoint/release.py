"""A release as the endpoint reads it: the folder that `cupola build` wrote, never changed after (DESIGN: releases)."""

import hashlib
import json
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

CURRENT = "current"


class NoRelease(Exception):
    """There is no release to serve; the message says where it was looked for and what to do."""


@dataclass(frozen=True)
class Release:
    """One release: its folder and what its manifest says."""

    path: Path
    manifest: dict[str, Any] = field(repr=False)

    @property
    def id(self) -> str:
        """Its name, like 2026-11-22T103000Z."""
        return str(self.manifest["id"])

    @property
    def base(self) -> str:
        """What its IRIs begin with, ending in a slash; any host serves them by path."""
        return str(self.manifest["base"])

    @cached_property
    def created(self) -> datetime:
        """When it was built, with its time zone."""
        return datetime.fromisoformat(self.manifest["created"])

    @property
    def store(self) -> Path:
        """The local engine's index."""
        return self.path / "store"

    @property
    def catalog(self) -> Path:
        """What the release says of itself (DCAT-AP_IT, VoID, PROV), in Turtle."""
        return self.path / "catalog.ttl"

    @cached_property
    def licences(self) -> dict[str, str]:
        """The licence of each source's graph: graph IRI -> licence IRI."""
        return {f"{self.base}graph/{s['id']}": s["licence"] for s in self.manifest["sources"] if s.get("licence")}

    @cached_property
    def files(self) -> dict[str, Path]:
        """Everything that can be downloaded, by its path in the release: dumps, tables, problems, catalogue."""
        found = [p for folder in ("data", "tables") for p in sorted((self.path / folder).glob("*")) if p.is_file()]
        names = ("problems.parquet", "validation.ttl", "shapes.ttl", "catalog.ttl", "manifest.json")
        loose = [path for name in names if (path := self.path / name).is_file()]
        return {p.relative_to(self.path).as_posix(): p for p in [*found, *loose]}

    @cached_property
    def checksums(self) -> dict[str, str]:
        """The SHA-256 of each file, as the manifest has it or computed once."""
        said = {g["file"]: g["sha256"] for g in self.manifest["graphs"] if g.get("sha256")}
        return {name: said.get(name) or _sha256(path) for name, path in self.files.items()}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def target(releases: Path) -> str | None:
    """Where `current` points to now; None when there is nothing. Costs one system call."""
    try:
        return str((releases / CURRENT).readlink())
    except OSError:  # missing, or not a link
        return None


def current(releases: Path) -> Release:
    """The release that `current` points to. Raises NoRelease."""
    if (name := target(releases)) is None:
        raise NoRelease(f"No release in {releases}: run `cupola build` first (or name the folder with --releases).")
    # Resolved now, so that a switch during a request cannot mix two releases.
    path = (releases / name).resolve()
    try:
        manifest = json.loads((path / "manifest.json").read_text(encoding="utf-8"))
        release = Release(path, manifest)
        told = release.id, release.base, release.created, manifest["sources"], manifest["graphs"]
    except (OSError, ValueError, KeyError, TypeError) as fault:
        raise NoRelease(f"The release at {path} cannot be read ({type(fault).__name__}: {fault}).") from fault
    if not all(told[:3]) or not release.base.endswith("/"):
        raise NoRelease(f"The manifest of the release at {path} has no id, or a base that does not end in a slash.")
    return release
