"""The records of a source, and files of linked data -> what can be published: mapped and validated.

Memory holds a share of the records at a time, while they are validated; faulty records are withheld.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import polars as pl

from etl import gate, linked, mapping, problems, release
from etl.clock import Clock
from etl.collection import Collected, Progress
from etl.inputs import Input
from etl.parts import Linked, Prepared
from etl.quality import linked_problems, shacl_problems, unusable_iris
from etl.settings import Settings
from etl.source import Source
from etl.tables import source_tables
from etl.validate import Validation

#: Statements validated together: they are held in memory, some 130 bytes each.
SHARE: Final = 5_000_000


def prepare(collected: Collected, settings: Settings, work: Path, progress: Progress, clock: Clock) -> Prepared:
    """Map and validate the records of a source; its tables and N-Quads are left in `work`.

    Records that validation refuses are withheld and the rest is mapped again, until nothing is refused.
    """
    source, found = collected.source, list(collected.problems)
    rules = mapping.load(source.mapping, settings.base)
    quads = work / f"{source.id}.nq"
    with clock.stage("map"):
        told = source_tables(pl.scan_parquet(collected.records), collected.readings, collected.groups, source)
        tables = {stem: work / f"{stem}.parquet" for stem in told}
        for stem, table in told.items():
            if stem == source.id:
                os.link(collected.records, tables[stem])  # the records as they are
            else:
                table.sink_parquet(tables[stem], maintain_order=True)
        written = mapping.write(rules, work, quads)
    checks, results, refused = _validated(quads, written, tables, rules, source, settings, work, progress, clock)
    found.append(results)
    if not refused.is_empty():
        with clock.stage("map"):
            gone = refused.to_frame().lazy()
            for path in tables.values():
                kept = path.with_suffix(".kept.parquet")
                pl.scan_parquet(path).join(gone, on="record", how="anti", maintain_order="left").sink_parquet(kept)
                kept.replace(path)
            mapping.write(rules, work, quads)
    found.append(unusable_iris(mapping.refused(rules, work).collect(), source))
    return Prepared(
        source=source,
        tables=tables,
        raw=collected.raw,
        copies=collected.copies,
        quads=quads,
        problems=problems.together(found),
        report=b"\n".join(check.report for check in checks),
        validator=_validator(checks),
        prefixes=rules.prefixes,
        inputs=collected.inputs,
        read=collected.read,
        published=pl.scan_parquet(tables[source.id]).select(pl.len()).collect().item(),
        day=collected.day,
        elsewhere=collected.elsewhere,
    )


def _validated(
    quads: Path,
    written: int,
    tables: Mapping[str, Path],
    rules: mapping.Mapping,
    source: Source,
    settings: Settings,
    work: Path,
    progress: Progress,
    clock: Clock,
) -> tuple[list[Validation], pl.DataFrame, pl.Series]:
    """Validate what a source would publish: the reports, the problems, and the records to withhold.

    What is too much for memory is mapped again and validated in shares. Where records share what is at fault, the first
    is withheld; if the rest is still at fault, all of them: else one would be withheld at a time.
    """
    total = max(1, -(-written // SHARE))
    checks: list[Validation] = []
    found: list[pl.DataFrame] = [problems.empty()]
    refused = pl.Series("record", [], pl.String)
    frames: dict[str, pl.LazyFrame] = {stem: pl.scan_parquet(path) for stem, path in tables.items()}
    progress(source.id, 0, total)
    for number in range(total):
        share = frames if total == 1 else _share(frames, source, number, total)
        name = source.id if total == 1 else f"{source.id}:{number + 1}"
        mapped, again = quads if total == 1 else None, False
        while True:
            told, checked = _checked(name, share, mapped, again, rules, source, settings, work, clock)
            bad = told.filter(pl.col("severity") == "violation")["record"].drop_nulls().unique()
            if bad.is_empty():
                break
            found.append(told.filter(pl.col("record").is_in(bad.implode())))
            refused.extend(bad)
            without = bad.to_frame().lazy()
            share = {stem: frame.join(without, on="record", how="anti") for stem, frame in share.items()}
            mapped, again = None, True
        found.append(told)
        checks.append(checked)
        progress(source.id, number + 1, total)
    return checks, problems.together(found), refused


def _share(frames: Mapping[str, pl.LazyFrame], source: Source, number: int, total: int) -> dict[str, pl.LazyFrame]:
    """One share of the records and of their other tables: records that belong together are in one."""
    belongs = pl.col(source.together or "record").cast(pl.String).hash(0) % total
    own = frames[source.id].filter(belongs == number).collect()
    members = own.lazy().select("record")
    others = {stem: frame for stem, frame in frames.items() if stem != source.id}
    return {source.id: own.lazy()} | {
        stem: frame.join(members, on="record", how="semi", maintain_order="left").collect().lazy()
        for stem, frame in others.items()
    }


def _checked(
    name: str,
    tables: dict[str, pl.LazyFrame],
    mapped: Path | None,
    again: bool,
    rules: mapping.Mapping,
    source: Source,
    settings: Settings,
    work: Path,
    clock: Clock,
) -> tuple[pl.DataFrame, Validation]:
    """The problems validation finds in tables, and all it says; `mapped` are their quads, if they are made already.

    When it is asked `again`, every record that shares what is at fault is held to account.
    """
    if mapped is None:
        mapped = work / "share.nq"
        with clock.stage("map"):
            mapping.write(rules, tables, mapped)
    with clock.stage("validate"):
        checked = gate.passed(name, [mapped], work, settings)
        focus = checked.results.select(iri="focus").unique()
        # In the order of the tables: of several records that share what is at fault, the first is held to account.
        owners = (
            mapping.subjects(rules, tables).join(focus.lazy(), on="iri", how="semi", maintain_order="left").collect()
        )
        members = owners.lazy().select("record").unique()
        about = {stem: frame.join(members, on="record", how="semi") for stem, frame in tables.items()}
        wanted = {stem: about[stem].collect() for stem in (source.id, f"{source.id}-readings") if stem in about}
        every = again and bool((checked.results["severity"] == "violation").any())
        return shacl_problems(checked.results, owners, wanted, source.id, every_owner=every), checked


def _validator(checks: Sequence[Validation]) -> dict[str, Any]:
    """What the validations of all shares say of their engine, each shape that fell back once."""
    fell_back = {str(each): each for check in checks for each in check.validator["fell_back"]}
    return {**checks[0].validator, "fell_back": list(fell_back.values())}


def prepare_linked(item: Input, taken: set[str], settings: Settings, work: Path, clock: Clock | None = None) -> Linked:
    """Read and validate one file of linked data; with a fault of SHACL's it is withheld whole, for it has no records.

    `taken` are the graph names of other sources; those of this file are added.
    """
    clock, context = clock or Clock(), {"file": item.name}
    try:
        with clock.stage("read"):
            graphs = linked.graphs(item.path, settings.base, work)
    except problems.Unusable as unusable:
        return Linked(item.name, [], problems.one(unusable.code, **context, **unusable.details))
    if doubled := [graph.id for graph in graphs if graph.id in taken]:
        return Linked(item.name, [], problems.one("linked.graph-taken", **context, raw=", ".join(doubled)))
    with clock.stage("validate"):
        checked = gate.passed(item.path.stem, [graph.quads for graph in graphs], work, settings)
    about = {graph.id: graph.subjects for graph in graphs}
    told = linked_problems(checked.results, about, item.name, settings.base)
    file = {"file": item.name, "sha256": release.sha256(item.path), "bytes": item.path.stat().st_size}
    used = [
        {"source": graph.id, **file, "rows": len(graph.subjects), "licence": graph.licence, "retrieved": None}
        for graph in graphs
    ]
    withheld = (told["severity"] == "violation").any()
    if not withheld:
        taken.update(graph.id for graph in graphs)
    validators = [{"source": item.name, **checked.validator}]
    return Linked(item.name, [] if withheld else graphs, told, checked.report, used, validators)
