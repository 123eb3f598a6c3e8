"""A release as the endpoint reads it: the folder that `cupola build` wrote, never changed after (DESIGN: releases)."""

import hashlib
import json
import re
import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import quote

CURRENT = "current"
_SHA256 = re.compile(r"[0-9a-f]{64}")


class NoRelease(Exception):
    """There is no release to serve; the message says where it was looked for and what to do."""


@dataclass(frozen=True)
class Document:
    """A file that was read as a sheet, as the manifest tells of it: `size` in bytes, `retrieved` an ISO 8601 time.

    `copy` is where its copy would be; there is none when the deployment does not publish copies.
    """

    sha256: str
    name: str
    media_type: str
    size: int
    retrieved: str | None
    url: str | None
    copy: Path

    @property
    def copied(self) -> bool:
        """Whether the release holds a copy of it."""
        return self.copy.is_file()


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
        names = ("problems.parquet", "validation.ttl", "shapes.ttl", "catalog.ttl", "void.ttl", "manifest.json")
        loose = [path for name in names if (path := self.path / name).is_file()]
        return {p.relative_to(self.path).as_posix(): p for p in [*found, *loose]}

    @cached_property
    def documents(self) -> dict[str, Document]:
        """The files that were read as sheets, by their SHA-256; of several names for the same bytes the first."""
        found: dict[str, Document] = {}
        for told in self.manifest.get("inputs", ()):
            sha256 = told.get("sha256") or ""
            # Only sheets have a media type. A name that is no digest must never become part of a path.
            if told.get("media_type") and _SHA256.fullmatch(sha256):
                document = Document(
                    sha256=sha256,
                    name=str(told["file"]).replace("\\", "/").rpartition("/")[2],
                    media_type=told["media_type"],
                    size=int(told["bytes"]),
                    retrieved=told.get("retrieved"),
                    url=told.get("url"),
                    copy=self.path / "copies" / sha256,
                )
                found.setdefault(sha256, document)
        return found

    def last_with(self, path: str) -> str | None:
        """The release that described the resource at a path below the base last; None for one no release described."""
        if not self.manifest.get("gone"):
            return None
        address = f"file:{quote(str(self.path))}/search.sqlite?mode=ro&immutable=1"
        with closing(sqlite3.connect(address, uri=True)) as index:
            found = index.execute("SELECT last FROM gone WHERE path = ?", (path,)).fetchone()
        return str(found[0]) if found else None

    def modified(self, name: str) -> datetime:
        """When a file last changed: a dump, in the first release that had these very bytes; any other, in this one."""
        iri = next((graph["iri"] for graph in self.manifest["graphs"] if graph["file"] == name), None)
        told = self.manifest.get("modified", {}).get(iri)
        return datetime.fromisoformat(told) if told else self.created

    @cached_property
    def checksums(self) -> dict[str, str]:
        """The SHA-256 of each file, as the manifest has it or computed once."""
        known = [*self.manifest["graphs"], *self.manifest.get("tables", ())]
        said = {each["file"]: each["sha256"] for each in known if each.get("sha256")}
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
