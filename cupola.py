"""Cupola's command line; the only file that knows both wings: `etl` writes releases, `endpoint` reads them."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import sqlite3
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn, TypeVar, get_type_hints

import click
import polars as pl
import requests
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Column, Table
from rich.text import Text

import endpoint.settings
import etl.settings
from etl import cup, linked, pipeline, preparation, publication, release
from etl.mapping import MappingError
from etl.source import Source, SourceError, sources

CONFIG = "cupola.toml"
OK, PROBLEMS, USAGE = 0, 1, 2

out, err = Console(highlight=False, soft_wrap=True), Console(stderr=True, highlight=False, soft_wrap=True)
S = TypeVar("S", etl.settings.Settings, endpoint.settings.Settings)


# --- settings ----------------------------------------------------------------------------------------------------


class SettingError(click.ClickException):
    """A setting that cannot be used."""

    exit_code = USAGE


@dataclasses.dataclass(frozen=True)
class Setting:
    """One setting: its value, where it comes from, and what it is for."""

    name: str
    value: Any
    origin: str
    help: str


def settings_of(kind: type[S], options: Mapping[str, Any]) -> tuple[S, list[Setting]]:
    """The settings of one wing: options come first, then the environment, then cupola.toml, then the default."""
    told = _config()
    hints = get_type_hints(kind)
    found = []
    for entry in dataclasses.fields(kind):
        name, variable = entry.name, f"CUPOLA_{entry.name.upper()}"
        value, origin = entry.default, "default"
        if options.get(name) is not None:
            value, origin = options[name], "option"
        elif variable in os.environ:
            value, origin = os.environ[variable], variable
        elif name in told:
            value, origin = told[name], CONFIG
        if origin != "default":
            value = _converted(name, value, hints[name], origin)
        found.append(Setting(name, value, origin, entry.metadata["help"]))
    try:
        return kind(**{setting.name: setting.value for setting in found}), found
    except ValueError as error:
        raise SettingError(str(error)) from None


def _config() -> dict[str, Any]:
    """What cupola.toml in the working folder says; nothing when there is none."""
    path = Path(CONFIG)
    if not path.is_file():
        return {}
    try:
        told = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingError(f"{path}: not TOML: {error}") from error
    known = {f.name for kind in (etl.settings.Settings, endpoint.settings.Settings) for f in dataclasses.fields(kind)}
    if unknown := sorted(set(told) - known):
        raise SettingError(f"{path}: unknown setting {unknown[0]!r}; allowed: {', '.join(sorted(known))}")
    return told


def _converted(name: str, value: Any, kind: Any, origin: str) -> Any:
    """A setting's value as its type; text from the environment is read as people write it."""
    try:
        if kind is bool:
            return {"true": True, "1": True, "false": False, "0": False}[str(value).lower()]
        if kind == tuple[str, ...]:
            return tuple(value.split(os.pathsep)) if isinstance(value, str) else tuple(map(str, value))
        return kind(str(value))
    except (TypeError, ValueError, KeyError):
        wanted = "true or false" if kind is bool else getattr(kind, "__name__", str(kind))
        raise SettingError(f"{name} = {value!r} ({origin}): allowed: {wanted}") from None


# --- the command -------------------------------------------------------------------------------------------------


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="cupola", prog_name="cupola")
def main() -> None:
    """Italian public-investment project sheets as linked data: build a release, serve it, check a sheet or a CUP."""


releases_option = click.option(
    "--releases", type=click.Path(path_type=Path, file_okay=False), help="Folder of the releases (default: releases)."
)
source_option = click.option("--source", "source_id", metavar="ID", help="Read every file as this source.")
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for a machine.")
fresh_option = click.option("--fresh", is_flag=True, help="Make everything anew, also what did not change.")
paths_argument = click.argument("paths", nargs=-1, type=click.Path(path_type=Path))


@main.command()
@paths_argument
@releases_option
@source_option
@json_option
@click.option("--strict", is_flag=True, help="Exit with 1 when any value, not only a whole record, is withheld.")
@fresh_option
def build(
    paths: tuple[Path, ...], releases: Path | None, source_id: str | None, as_json: bool, strict: bool, fresh: bool
) -> None:
    """Build a release from sheets and tables, or folders of them, and make it the current one.

    What did not change since the current release is taken over from it.

    Exit code 0: all published; 1: something was withheld (told above); 2: wrong usage.
    """
    built = _build(paths, releases, source_id, as_json, fresh)
    sys.exit(_verdict(built, strict))


@main.command()
@paths_argument
@releases_option
@source_option
@json_option
@click.option("--strict", is_flag=True, help="Exit with 1 when any value, not only a whole record, is withheld.")
@fresh_option
@click.option("--server", default="http://127.0.0.1:8000", show_default=True, help="The running endpoint to wait for.")
@click.option("--wait", default=30.0, show_default=True, help="Seconds to wait for the endpoint to serve the release.")
def publish(
    paths: tuple[Path, ...],
    releases: Path | None,
    source_id: str | None,
    as_json: bool,
    strict: bool,
    fresh: bool,
    server: str,
    wait: float,
) -> None:
    """Build a release, switch to it, and see that the running endpoint serves it."""
    built = _build(paths, releases, source_id, as_json, fresh)
    served = _wait_until_served(server, built.folder.name, wait)
    err.print(served or f"{server} does not serve {built.folder.name} after {wait:g} s: does it serve another folder?")
    sys.exit(_verdict(built, strict) if served else PROBLEMS)


@main.command()
@releases_option
@click.option("--host", help="Address to listen on (default: 127.0.0.1).")
@click.option("--port", type=click.IntRange(0, 65535), help="Port to listen on (default: 8000; 0: any free one).")
def serve(releases: Path | None, host: str | None, port: int | None) -> None:
    """Serve the current release: pages, SPARQL endpoint, dereferenceable IRIs, dumps."""
    from endpoint import server

    chosen, _ = settings_of(endpoint.settings.Settings, {"releases": releases, "host": host, "port": port})
    try:
        folder = release.find(chosen.releases)
    except release.ReleaseError as error:
        _fail(f"{error}. Build one first: cupola build")
    try:
        server.run(chosen, on_ready=lambda url: _invite(url, folder))
    except server.CannotListen as error:
        _fail(str(error))


@main.command()
@click.argument("what", metavar="FILE|CUP")
@source_option
@json_option
def check(what: str, source_id: str | None, as_json: bool) -> None:
    """Explain a project sheet or a CUP: what was read, what is wrong, what would be published.

    Exit code 0: nothing wrong; 1: problems; 2: wrong usage.
    """
    path = Path(what)
    if path.exists() or any(c in what for c in "/\\.") or not what.strip():
        sys.exit(_check_sheet(path, source_id, as_json))
    sys.exit(_check_cup(what, as_json))


@main.command()
@click.argument("text", metavar="QUERY|FILE|NAME|-")
@releases_option
@click.option("--format", "format_", default="csv", show_default=True, help="json, xml, csv, tsv, ttl, nt, …")
def query(text: str, releases: Path | None, format_: str) -> None:
    """Ask the current release a SPARQL query: as text, from a file, or an example of /queries by its name."""
    from endpoint import query as asked
    from endpoint.examples import example_named

    chosen, _ = settings_of(endpoint.settings.Settings, {"releases": releases})
    try:
        if text == "-":
            text = sys.stdin.read()
        elif example := example_named(text):
            text = example.query
        elif "{" not in text:  # every query has a brace; a file's name hardly
            text = Path(text).read_text(encoding="utf-8")
        release.find(chosen.releases)
        for chunk in asked(chosen, text, format_):
            sys.stdout.buffer.write(chunk)
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader went away, as head does
    except OSError as error:
        _fail(f"{text}: no example query has this name, nor can a file be read: {error.strerror}")
    except (ValueError, release.ReleaseError) as error:
        _fail(str(error))


@main.command()
@click.argument("old")
@click.argument("new", default=release.CURRENT)
@releases_option
@json_option
def diff(old: str, new: str, releases: Path | None, as_json: bool) -> None:
    """What release NEW (default: the current one) says differently from release OLD, statement by statement.

    Exit code 0: the same; 1: different; 2: wrong usage.
    """
    chosen, _ = settings_of(etl.settings.Settings, {"releases": releases})
    try:
        changes = release.compare(release.find(chosen.releases, old), release.find(chosen.releases, new))
    except release.ReleaseError as error:
        _fail(str(error))
    if as_json:
        click.echo(changes.write_json())
    else:
        for row in changes.sort("graph", "subject", "statement", "change").iter_rows(named=True):
            click.echo(f"{'-' if row['change'] == 'removed' else '+'} {row['subject']} {row['statement']}")
        err.print(f"{changes.height} statements differ")
    sys.exit(PROBLEMS if changes.height else OK)


@main.command("sources")
@json_option
def sources_(as_json: bool) -> None:
    """The sources Cupola can read: what they are, which files, which licence."""
    known = _sources()
    if as_json:
        _json([{"id": s.id, "title": s.title, "files": s.patterns, "licence": s.licence} for s in known.values()])
        return
    table = Table("source", "title", "files", "fields", "licence", box=None)
    for source in known.values():
        table.add_row(source.id, source.title["en"], " ".join(source.patterns), str(len(source.fields)), source.licence)
    out.print(table)


@main.command()
@json_option
def config(as_json: bool) -> None:
    """Every setting: its value, where it comes from, what it is for."""
    both = settings_of(etl.settings.Settings, {})[1] + settings_of(endpoint.settings.Settings, {})[1]
    found = {setting.name: setting for setting in both}
    if as_json:
        _json({s.name: {"value": _plain(s.value), "origin": s.origin, "help": s.help} for s in found.values()})
        return
    table = Table("setting", Column("value", overflow="fold"), "from", "what it is", box=None)
    for setting in found.values():
        table.add_row(setting.name, str(_plain(setting.value)), setting.origin, setting.help)
    out.print(table)


# --- building ----------------------------------------------------------------------------------------------------


def _build(
    paths: tuple[Path, ...], releases: Path | None, source_id: str | None, as_json: bool, fresh: bool
) -> pipeline.Built:
    chosen, _ = settings_of(etl.settings.Settings, {"releases": releases})
    start = time.perf_counter()
    try:
        with _progress() as progress:
            inputs = list(paths) or [Path(p) for p in chosen.inputs]
            built = pipeline.build(inputs, chosen, _source(source_id), progress, fresh)
    except pipeline.NothingToPublish as nothing:
        _tell(nothing.problems)
        _fail(str(nothing), PROBLEMS)
    except (release.ReleaseError, SourceError, MappingError) as error:
        _fail(str(error))
    _tell(built.problems)
    told = built.manifest
    if built.unchanged:
        err.print(f"nothing changed since release {told['id']}: it stays (--fresh makes everything anew)")
    _tell_validators(told["validators"])
    if as_json:
        _json(told)
        return built
    numbers = [
        f"{sum(s['published'] for s in of)} of {sum(s['read'] for s in of)} {name}"
        for form, name in {"sheet": "sheets", "table": "rows", "linked": "resources of linked data"}.items()
        if (of := [source for source in told["sources"] if source["form"] == form])
    ]
    counts = ", ".join(f"{told['problems'][s]} {s}" for s in ("violation", "warning", "info"))
    took = f"{time.perf_counter() - start:.1f} s"
    out.print(f"{', '.join(numbers)} published, {told['triples']} triples, problems: {counts} ({took})")
    out.print(f"release {built.folder}")
    return built


def _verdict(built: pipeline.Built, strict: bool) -> int:
    """The exit code of a build: 1 when a record is withheld, or with --strict any value."""
    lost = sum(source["withheld"] for source in built.manifest["sources"]) + len(built.manifest["withheld"])
    unread = (built.problems["code"] == "file.no-source").any()
    values = built.manifest["problems"]["violation"] if strict else 0
    return PROBLEMS if lost or unread or values else OK


def _wait_until_served(server: str, wanted: str, seconds: float) -> str | None:
    """What to tell once the endpoint serves the release, or when none is running; None when it serves another one."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            told = requests.get(f"{server}/health", timeout=5).json()
        except requests.ConnectionError:
            return f"no endpoint answers at {server}: the release is served from its next start"
        except requests.RequestException as error:
            return f"{server}/health gives no answer of a Cupola endpoint: {error}"
        if told.get("release") == wanted:
            return f"{server} serves {wanted}"
        if time.monotonic() > deadline:
            return None
        time.sleep(0.2)


def _invite(url: str, folder: Path) -> None:
    """The address, and three things to try on what is really there."""
    told = release.manifest(folder)
    with contextlib.closing(sqlite3.connect(f"file:{folder / 'search.sqlite'}?mode=ro", uri=True)) as base:
        (path,) = base.execute("SELECT path FROM project ORDER BY rowid").fetchone()
    first = f"{url}/id/{path}"
    out.print(f"Cupola serves release {told['id']}: {told['triples']} triples at [bold]{url}/[/bold]")
    out.print("Three things to try:")
    out.print(Text(f"  a page    {first}"))
    out.print(Text(f"  a curl    curl -L -H 'Accept: text/turtle' {first}"))
    ask = "SELECT (SUM(?x) AS ?total) { ?o cupola:disbursedAmount ?x }"
    prefix = "PREFIX cupola: <https://w3id.org/cupola/onto/>"
    out.print(Text(f"  a query   curl {url}/sparql -H 'Accept: text/csv' --data-urlencode 'query={prefix} {ask}'"))
    out.print("Ctrl-C stops it.")


# --- checking ----------------------------------------------------------------------------------------------------


def _check_sheet(path: Path, source_id: str | None, as_json: bool) -> int:
    """What was read from a sheet, what is wrong, and the statements that would be published."""
    chosen, _ = settings_of(etl.settings.Settings, {})
    try:
        item = pipeline.find_inputs([path], _source(source_id))
        if path.is_dir() or len(item) != 1:
            raise click.UsageError(f"{path} is a folder: check takes one sheet; cupola build takes folders")
        if item[0].source is None and linked.reads(path):
            return _check_linked(item[0], chosen, as_json)
        known = item[0].source or next(iter(_sources().values()))
        with tempfile.TemporaryDirectory() as work:
            ready = pipeline.look_at(item[0], known, chosen, Path(work))
            found = ready.problems
            if as_json:
                read = ready.readings.to_dicts()
                _json({"read": read, "problems": found.to_dicts(), "published": ready.turtle()})
            else:
                _show_sheet(path, ready)
    except (SourceError, MappingError) as error:
        _fail(str(error))
    return PROBLEMS if (found["severity"] != "info").any() else OK


def _check_linked(item: preparation.Input, chosen: etl.settings.Settings, as_json: bool) -> int:
    """What a file of linked data holds, graph by graph, and what is wrong with it."""
    with tempfile.TemporaryDirectory() as work:
        ready = preparation.prepare_linked(item, set(), chosen, Path(work))
    found = ready.problems
    told = [{"graph": g.id, "title": g.title["en"], "resources": len(g.subjects)} for g in ready.sources]
    if as_json:
        _json({"graphs": told, "problems": found.to_dicts()})
        return PROBLEMS if (found["severity"] != "info").any() else OK
    _tell(found, Console(highlight=False, soft_wrap=True))
    for graph in told:
        out.print(f"{graph['graph']}: {graph['resources']} resources, {graph['title']}")
    if not told:
        out.print("[bold]Nothing would be published.[/bold]")
    return PROBLEMS if (found["severity"] != "info").any() else OK


#: Statements of more bytes than this are counted, not shown: a table has millions.
SHOWN = 300_000


def _show_sheet(path: Path, ready: publication.Prepared) -> None:
    table = Table("field", "read as", "at", box=None, title=f"What was read from {path}", title_justify="left")
    for row in ready.readings.iter_rows(named=True):
        table.add_row(row["field"], Text(row["raw"] if len(row["raw"]) < 90 else row["raw"][:87] + "…"), row["place"])
    if table.row_count:
        out.print(table)
    _tell(ready.problems, Console(highlight=False, soft_wrap=True))
    _tell_validators([{"source": str(path), **ready.validator}])
    if ready.quads.stat().st_size > SHOWN:
        out.print(f"{ready.published} of {ready.read} rows would be published; cupola build {path} publishes them")
    elif statements := ready.turtle():
        out.print("\n[bold]What would be published[/bold]")
        out.print(Text(statements.strip()))
    else:
        out.print("[bold]Nothing would be published.[/bold]")


def _check_cup(text: str, as_json: bool) -> int:
    """The code explained part by part, or what is wrong with it and what it may have meant."""
    told = cup.parse(text)
    if isinstance(told, cup.Malformed):
        if as_json:
            _json({"raw": text, "wellformed": False, **dataclasses.asdict(told)})
        else:
            out.print(Text(f"{text!r} is not a CUP: {told.detail_en}"))
            for suggestion in told.suggestions:
                out.print(f"  perhaps {suggestion} (not applied)")
        return PROBLEMS
    explained = cup.explain(told)
    if as_json:
        _json({"raw": text, "wellformed": True, **dataclasses.asdict(explained)})
        return OK
    out.print(Text(f"{told.code} has the form of a CUP."))
    table = Table("characters", "", "what they say", box=None)
    for part in explained.parts:
        place = str(part.first) if part.first == part.last else f"{part.first}-{part.last}"
        table.add_row(place, part.characters, part.en)
    out.print(table)
    for _, note in explained.notes:
        out.print(Text(note))
    return OK


# --- words -------------------------------------------------------------------------------------------------------


def _tell(found: pl.DataFrame, console: Console = err) -> None:
    """One line a problem: file, place, what was found, what is allowed; then what is suggested."""
    colours = {"violation": "red", "warning": "yellow", "info": "dim"}
    for row in found.iter_rows(named=True):
        where = ", ".join(part for part in (row["file"], row["place"], row["field"]) if part)
        line = Text(f"{where}: " if where else "")
        line.append(f"{row['severity']}: ", style=colours[row["severity"]])
        line.append(row["message_en"] or row["message_it"] or row["code"])
        if row["suggestion"]:
            line.append(f"; suggested, not applied: {row['suggestion']}")
        if row["reason_en"]:
            line.append(f" ({row['reason_en']})")
        line.append(f" [{row['code']}]", style="dim")
        console.print(line)


def _tell_validators(validators: Iterable[Mapping[str, Any]]) -> None:
    """What another engine than the chosen one validated, and why: one line a shape."""
    for validator in validators:
        for each in validator["fell_back"]:
            part = each["part"] or "all shapes"
            err.print(Text(f"{validator['source']}: {part} validated by {each['engine']}: {each['reason']}"))


@contextlib.contextmanager
def _progress() -> Iterator[Callable[[str, int, int], None]]:
    """A progress bar a stage on a terminal; silence elsewhere."""
    bar = Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
        console=err, transient=True, disable=not err.is_terminal,
    )  # fmt: skip
    tasks: dict[str, TaskID] = {}
    with bar:

        def tell(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bar.add_task(stage, total=total)
            bar.update(tasks[stage], completed=done, total=total)

        yield tell


def _sources() -> dict[str, Source]:
    try:
        return sources()
    except SourceError as error:
        _fail(str(error))


def _source(source_id: str | None) -> Source | None:
    if source_id is None:
        return None
    known = _sources()
    if source_id not in known:
        raise click.BadParameter(f"{source_id!r}; there are: {', '.join(known)}", param_hint="--source")
    return known[source_id]


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Path) else list(value) if isinstance(value, tuple) else value


def _json(value: Any) -> None:
    click.echo(json.dumps(value, ensure_ascii=False, indent=2))


def _fail(message: str, code: int = USAGE) -> NoReturn:
    err.print(Text(f"cupola: {message}"))
    sys.exit(code)
