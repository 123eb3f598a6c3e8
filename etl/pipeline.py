"""The steps in their order: files are found, read, cleaned, mapped, validated, compared, and laid down as a release.

Only this module and those it calls for a stride (`collection`, `preparation`, `crossing`, `publication`) know the
steps; none of the steps knows another.
"""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import polars as pl

from etl import catalog, crossing, linked, problems, release, reuse
from etl.clock import Clock
from etl.collection import Progress, collect, leave_to_better, silent
from etl.index import Index
from etl.inputs import Input, find_inputs, unreadable
from etl.parts import Linked, Part, Prepared, Reused, graph_of
from etl.preparation import prepare, prepare_linked
from etl.publication import lay_down
from etl.settings import Settings
from etl.source import Source, sources


class NothingToPublish(Exception):
    """No input had anything publishable; `problems` says why. The old release stays."""

    def __init__(self, found: pl.DataFrame) -> None:
        self.problems = found
        super().__init__("nothing to publish: no input held a usable record; the current release stays as it is")


@dataclass(frozen=True)
class Built:
    """A finished release: its folder, manifest and problems."""

    folder: Path
    manifest: dict[str, Any]
    problems: pl.DataFrame
    unchanged: bool = False


def look_at(item: Input, source: Source, settings: Settings, work: Path) -> Prepared:
    """What would be published of one file, left in `work`."""
    clock = Clock()
    return prepare(collect([item], source, settings, work, silent, clock), settings, work, silent, clock)


def build(
    paths: Sequence[Path],
    settings: Settings,
    forced: Source | None = None,
    progress: Progress = silent,
    fresh: bool = False,
) -> Built:
    """Build a release from files and folders and make it the current one.

    Parts of the current release that would come out the same are taken over, unless all is to be made `fresh`; when
    nothing changed at all, the current release stays and is given back.

    Raises NothingToPublish when no record is usable, release.ReleaseError when the folder cannot be written.
    """
    clock, last = Clock(), reuse.last(settings)
    old = None if fresh else last
    inputs = find_inputs(paths, forced, reuse.layouts(old))
    unread = [unreadable(item) for item in inputs if item.source is None and not linked.reads(item.path)]
    made, kept = _parted(inputs, settings, old)
    prints = [each.fingerprint for each in made] + [part.fingerprint for part in kept]
    fingerprint = reuse.of_all(prints, (i.name for i in inputs if i.source is None), settings)
    if old and not made and old[1]["fingerprint"] == fingerprint:
        return Built(*old, pl.read_parquet(old[0] / "problems.parquet"), unchanged=True)
    with release.building(settings.releases) as folder:
        with (
            tempfile.TemporaryDirectory(dir=folder) as temporary,
            reuse.index(folder / "store", kept, old, Path(temporary), settings) as index,
        ):
            work = Path(temporary)
            parts = _prepared(made, kept, settings, work, progress, clock, index)
            if not any(about["published"] for part in parts for about in part.about):
                raise NothingToPublish(_together(unread, parts))
            links = crossing.cross(parts, settings, work, clock)
            index.add(links.quads, graph_of(links.quads, settings.base))
            parts.append(links)
            for graph in _gone(parts, settings, old):
                index.clear(graph)
            progress("publish", 0, 1)
            found = _together(unread, parts)
            manifest = lay_down(folder, work, parts, found, settings, clock, index, fingerprint, reuse.rules(), last)
        done = release.finish(folder)
        release.switch(done)
        progress("publish", 1, 1)
    return Built(done, manifest, found)


def _together(unread: Sequence[pl.DataFrame], parts: Sequence[Part]) -> pl.DataFrame:
    """All problems, by file."""
    return problems.together([*unread, *(part.problems for part in parts)]).sort("file", maintain_order=True)


@dataclass(frozen=True)
class _ToMake:
    """A part that must be made: the files of a source, or one file of linked data."""

    inputs: list[Input]
    source: Source | None
    fingerprint: str


def _parted(
    inputs: Sequence[Input], settings: Settings, old: tuple[Path, dict[str, Any]] | None
) -> tuple[list[_ToMake], list[Reused]]:
    """The parts of the release to be: those to make, a source after those it heeds, and those of the last that stay."""
    of = {id_: mine for id_ in sources() if (mine := [i for i in inputs if i.source == sources()[id_]])}
    heeds = {id_: reuse.heeded(sources()[id_]) & set(of) for id_ in of}
    wanted: list[tuple[str, list[Input], Source | None]] = [
        (id_, of[id_], sources()[id_]) for id_ in TopologicalSorter(heeds).static_order()
    ]
    wanted += [(i.name, [i], None) for i in inputs if i.source is None and linked.reads(i.path)]
    made: list[_ToMake] = []
    kept: list[Reused] = []
    prints: dict[str, str] = {}
    for key, mine, source in wanted:
        rules = source.mapping.parent if source else None
        heeded = [prints[id_] for id_ in heeds[key]] if source else []
        prints[key] = reuse.of_part([(i.name, i.path) for i in mine], heeded, rules, settings)
        found = reuse.found(key, prints[key], old, source)
        if found:
            kept.append(found)
        else:
            made.append(_ToMake(mine, source, prints[key]))
    return made, kept


def _prepared(
    made: Sequence[_ToMake],
    kept: Sequence[Reused],
    settings: Settings,
    work: Path,
    progress: Progress,
    clock: Clock,
    index: Index,
) -> list[Part]:
    """All parts, in the order of the sources; their graphs are on their way into the index."""
    for part in kept:
        for dump in part.dumps:
            index.keep(part.folder / dump["file"], dump["iri"], work)
    parts: list[Part] = [*kept]
    published = {part.key: part.tables[part.key] for part in kept if part.source}
    taken = {*sources(), *catalog.OWN_GRAPHS, "catalog", *(id_ for part in kept for id_ in part.told["sources"])}
    for each in made:
        ready: Prepared | Linked
        if each.source:
            collected = collect(each.inputs, each.source, settings, work, progress, clock)
            with clock.stage("clean"):
                leave_to_better(collected, published)
            ready = source = prepare(collected, settings, work, progress, clock)
            published[source.key] = source.tables[source.key]
        else:
            ready = prepare_linked(each.inputs[0], taken, settings, work, clock)
        parts.append(dataclasses.replace(ready, fingerprint=each.fingerprint))
        for quads in ready.graphs:
            index.add(quads, graph_of(quads, settings.base))
    order = [*sources(), *sorted(part.key for part in parts)]
    return sorted(parts, key=lambda part: order.index(part.key))


def _gone(parts: Sequence[Part], settings: Settings, old: tuple[Path, dict[str, Any]] | None) -> list[str]:
    """The graphs of parts of the last release that are in none of these."""
    here = {graph_of(quads, settings.base) for part in parts for quads in part.graphs}
    told = old[1]["parts"] if old else []
    return [graph for part in told for graph in part["graphs"] if graph not in here]
