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
from collections.abc import Callable, Iterator, Mapping
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
import etl.fetch
import etl.settings
from endpoint.dossier import dossier
from endpoint.dossier import text as dossier_text
from endpoint.dossier.many import summaries
from endpoint.release import NoRelease
from etl import changes, cup, inputs, linked, lists, live, parts, pipeline, preparation, release, tabular, telling
from etl.comparisons import ComparisonError
from etl.mapping import MappingError
from etl.problems import Unusable
from etl.source import Source, SourceError, sources

CONFIG = "cupola.toml"
OK, PROBLEMS, USAGE = 0, 1, 2

out, err = Console(highlight=False, soft_wrap=True), Console(stderr=True, highlight=False, soft_wrap=True)
S = TypeVar("S", etl.settings.Settings, etl.fetch.FetchSettings, endpoint.settings.Settings)
KINDS = (etl.settings.Settings, etl.fetch.FetchSettings, endpoint.settings.Settings)


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
    secret: bool = False

    @property
    def shown(self) -> Any:
        """The value as it may be shown: a key is not."""
        return "(set)" if self.secret and self.value else _plain(self.value)


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
        found.append(Setting(name, value, origin, entry.metadata["help"], bool(entry.metadata.get("secret"))))
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
    known = {f.name for kind in KINDS for f in dataclasses.fields(kind)}
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
column_option = click.option("--column", metavar="NAME", help="The column of the CUPs, when it is not found by itself.")
output_option = click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="Where to write: .csv (for Italian Excel: ; and BOM) or .xlsx.",
)
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
    told = release.manifest(folder)
    if told.get("format") != release.FORMAT:
        _fail(f"{folder} was built by another version of Cupola: build it again (cupola build)")
    if not chosen.remote_endpoint and not told["index"]:
        _fail(f"{folder} was built without an index: set remote_endpoint to a store that has it, or index = true")
    try:
        server.run(chosen, on_ready=lambda url: _invite(url, folder))
    except server.CannotListen as error:
        _fail(str(error))


@main.command()
@click.argument("what", metavar="FILE|CUP", required=False)
@source_option
@releases_option
@json_option
@click.option("--list", "list_", type=click.Path(path_type=Path), help="Check every CUP of a list: CSV, XLSX or ODS.")
@column_option
@output_option
@click.option("--live", "is_live", is_flag=True, help="Ask OpenCUP too, at opencup_url of the configuration.")
def check(
    what: str | None,
    source_id: str | None,
    releases: Path | None,
    as_json: bool,
    list_: Path | None,
    column: str | None,
    output: Path | None,
    is_live: bool,
) -> None:
    """Explain a project sheet, a CUP, or every CUP of a list: what is known of it, what is wrong.

    Of a CUP: its code part by part, what each source of the current release says, contracts, disagreements.

    Exit code 0: nothing wrong; 1: problems; 2: wrong usage.
    """
    if (what is None) == (list_ is None):
        wrong = "Missing argument" if what is None else "Too many arguments"
        raise click.UsageError(f"{wrong}: either a sheet or a CUP, or --list FILE")
    if list_ is not None:
        sys.exit(_check_list(list_, column, output, releases, as_json))
    path = Path(what or "")
    if path.exists() or any(c in str(what) for c in "/\\.") or not str(what).strip():
        sys.exit(_check_sheet(path, source_id, as_json))
    sys.exit(_check_cup(str(what), releases, as_json, is_live))


@main.command()
@click.argument("path", metavar="SPREADSHEET", type=click.Path(path_type=Path))
@click.option("--opencup", required=True, type=click.Path(path_type=Path), help="A file of OpenCUP: JSON or CSV.")
@column_option
@output_option
@json_option
def link(path: Path, opencup: Path, column: str | None, output: Path | None, as_json: bool) -> None:
    """Join your own spreadsheet (CSV, XLSX, ODS) to a file of OpenCUP, by CUP and nothing else.

    Your rows and columns stay; what OpenCUP says stands to the right of them, in columns that begin with opencup_.
    """
    target = output or path.with_name(f"{path.stem}-linked{'.xlsx' if path.suffix.lower() == '.xlsx' else '.csv'}")
    source = _source("opencup")
    assert source is not None  # noqa: S101 - a source of ours
    try:
        table = lists.read(path, column)
        codes = lists.checked(table)
        with tempfile.TemporaryDirectory() as work:
            register = tabular.table(opencup, source, Path(work))
            named = [theirs for theirs, ours in register.fields.items() if ours == "cup"]
            if not named:
                _fail(f"{opencup}: there is no column CUP; there are: {', '.join(register.columns)}")
            found = lists.joined(table, codes, register.rows, named[0])
        lists.write(found, target, found.width - table.rows.width)
    except (lists.ListError, Unusable) as error:
        _fail(str(error))
    _tell_list(found, target, as_json)


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
@click.option("--statements", is_flag=True, help="Tell the statements of the graphs, not the values by CUP.")
def diff(old: str, new: str, releases: Path | None, statements: bool, as_json: bool) -> None:
    """What release NEW (default: the current one) says differently from release OLD: by CUP, value by value.

    Exit code 0: the same; 1: different; 2: wrong usage.
    """
    chosen, _ = settings_of(etl.settings.Settings, {"releases": releases})
    try:
        folders = release.find(chosen.releases, old), release.find(chosen.releases, new)
    except release.ReleaseError as error:
        _fail(str(error))
    found = release.compare(*folders) if statements else changes.changes(*folders)
    if as_json:
        click.echo(found.write_json())
    elif statements:
        for row in found.sort("graph", "subject", "statement", "change").iter_rows(named=True):
            click.echo(f"{'-' if row['change'] == 'removed' else '+'} {row['subject']} {row['statement']}")
        err.print(f"{found.height} statements differ")
    else:
        telling.changes(found, out, err)
    sys.exit(PROBLEMS if found.height else OK)


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
    both = [*settings_of(etl.settings.Settings, {})[1], *settings_of(etl.fetch.FetchSettings, {})[1]]
    both += settings_of(endpoint.settings.Settings, {})[1]
    found = {setting.name: setting for setting in both}
    if as_json:
        _json({s.name: {"value": s.shown, "origin": s.origin, "help": s.help} for s in found.values()})
        return
    table = Table("setting", Column("value", overflow="fold"), "from", "what it is", box=None)
    for setting in found.values():
        table.add_row(setting.name, str(setting.shown), setting.origin, setting.help)
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
        telling.problems(nothing.problems, err)
        _fail(str(nothing), PROBLEMS)
    except (release.ReleaseError, SourceError, MappingError, ComparisonError) as error:
        _fail(str(error))
    telling.problems(built.problems, err)
    told = built.manifest
    if built.unchanged:
        err.print(f"nothing changed since release {told['id']}: it stays (--fresh makes everything anew)")
    telling.validators(told["validators"], err)
    if as_json:
        _json(told)
        return built
    if any(source["form"] == "table" for source in told["sources"]):
        telling.sources(told, built.problems, err)
    unread = len(_unread(built))  # a file that nobody can read was meant to be a sheet
    numbers = [
        f"{sum(s['published'] for s in of)} of {sum(s['read'] for s in of) + (unread if form == 'sheet' else 0)} {name}"
        for form, name in {"sheet": "sheets", "table": "rows", "linked": "resources of linked data"}.items()
        if (of := [source for source in told["sources"] if source["form"] == form]) or (form == "sheet" and unread)
    ]
    counts = ", ".join(f"{told['problems'][s]} {s}" for s in ("violation", "warning", "info"))
    took = f"{time.perf_counter() - start:.1f} s"
    out.print(f"{', '.join(numbers)} published, {told['triples']} triples, problems: {counts} ({took})")
    out.print(f"release {built.folder}")
    return built


def _verdict(built: pipeline.Built, strict: bool) -> int:
    """The exit code of a build: 1 when a record is withheld, or with --strict any value."""
    lost = sum(source["withheld"] for source in built.manifest["sources"]) + len(built.manifest["withheld"])
    values = built.manifest["problems"]["violation"] if strict else 0
    return PROBLEMS if lost or _unread(built) or values else OK


def _unread(built: pipeline.Built) -> set[str]:
    """The files no source could read."""
    nobody = built.problems["source"].is_null() & (built.problems["severity"] == "violation")
    return set(built.problems["file"].filter(nobody)) - {part["key"] for part in built.manifest["parts"]}


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


# --- fetching ----------------------------------------------------------------------------------------------------


@main.command()
@click.argument("urls", nargs=-1, metavar="[URL]…")
@click.option("--list", "list_", type=click.Path(path_type=Path), help="A text file with an address a line.")
@click.option("--source", "source_id", metavar="ID", help="Keep the copies as this source's; alone: harvest its site.")
@click.option("--folder", type=click.Path(path_type=Path, file_okay=False), help="Where the copies go (fetch_folder).")
@json_option
def fetch(urls: tuple[str, ...], list_: Path | None, source_id: str | None, folder: Path | None, as_json: bool) -> None:
    """Get documents from the web, politely: those named, those of a list, or those the site of a source lists.

    What did not change is not got again; what an interruption left is gone on with.

    Exit code 0: all got, unchanged, or known to be gone; 1: something could not be had; 2: wrong usage.
    """
    if not urls and list_ is None and source_id is None:
        raise click.UsageError("Missing argument: addresses, --list FILE, or --source ID")
    chosen, _ = settings_of(etl.fetch.FetchSettings, {"fetch_folder": folder})
    try:
        named = [*urls, *(etl.fetch.addresses(list_) if list_ is not None else ())]
        source = _source(source_id)
        with _progress() as progress:
            if named or list_ is not None:
                report = etl.fetch.fetch(named, chosen, source_id or "", progress)
            elif source is not None and source.harvest is not None:
                report = etl.fetch.harvest(source.harvest, chosen, source.id, progress)
            else:
                _fail(f"the source {source_id} has no [harvest] in its source.toml: name the addresses, or give --list")
    except (Unusable, SourceError, ValueError) as error:
        _fail(str(error))
    except KeyboardInterrupt:
        _fail("interrupted; the same command goes on where it was", PROBLEMS)
    if as_json:
        outcomes = [dataclasses.asdict(outcome) for outcome in report.outcomes]
        told = {"resumed": report.resumed, "complete": report.complete, "counts": report.counts, "outcomes": outcomes}
        _json({"folder": str(report.folder), "warc": str(report.warc), **told})
    else:
        telling.fetched(report, out, err)
    sys.exit(OK if report.fine else PROBLEMS)


# --- checking ----------------------------------------------------------------------------------------------------


def _check_sheet(path: Path, source_id: str | None, as_json: bool) -> int:
    """What was read from a sheet, what is wrong, and the statements that would be published."""
    chosen, _ = settings_of(etl.settings.Settings, {})
    try:
        item = inputs.find_inputs([path], _source(source_id))
        if path.is_dir() or len(item) != 1:
            raise click.UsageError(f"{path} is a folder: check takes one sheet; cupola build takes folders")
        if item[0].source is None and linked.reads(path):
            return _check_linked(item[0], chosen, as_json)
        if item[0].source is None:
            return _check_unread(item[0], as_json)
        with tempfile.TemporaryDirectory() as work:
            ready = pipeline.look_at(item[0], item[0].source, chosen, Path(work))
            found = ready.problems
            if as_json:
                read = ready.readings.to_dicts()
                _json({"read": read, "problems": found.to_dicts(), "published": ready.turtle()})
            else:
                _show_sheet(path, ready)
    except (SourceError, MappingError) as error:
        _fail(str(error))
    return PROBLEMS if (found["severity"] != "info").any() else OK


def _check_unread(item: inputs.Input, as_json: bool) -> int:
    """Why nothing reads a file."""
    found = inputs.unreadable(item)
    if as_json:
        _json({"read": [], "problems": found.to_dicts(), "published": ""})
    else:
        telling.problems(found, out)
        out.print("[bold]Nothing would be published.[/bold]")
    return PROBLEMS


def _check_linked(item: inputs.Input, chosen: etl.settings.Settings, as_json: bool) -> int:
    """What a file of linked data holds, graph by graph, and what is wrong with it."""
    with tempfile.TemporaryDirectory() as work:
        ready = preparation.prepare_linked(item, set(), chosen, Path(work))
    found = ready.problems
    told = [{"graph": g.id, "title": g.title["en"], "resources": len(g.subjects)} for g in ready.sources]
    if as_json:
        _json({"graphs": told, "problems": found.to_dicts()})
        return PROBLEMS if (found["severity"] != "info").any() else OK
    telling.problems(found, out)
    for graph in told:
        out.print(f"{graph['graph']}: {graph['resources']} resources, {graph['title']}")
    if not told:
        out.print("[bold]Nothing would be published.[/bold]")
    return PROBLEMS if (found["severity"] != "info").any() else OK


#: Statements of more bytes than this are counted, not shown: a table has millions.
SHOWN = 300_000


def _show_sheet(path: Path, ready: parts.Prepared) -> None:
    table = Table("field", "read as", "at", box=None, title=f"What was read from {path}", title_justify="left")
    for row in ready.readings.iter_rows(named=True):
        table.add_row(row["field"], Text(row["raw"] if len(row["raw"]) < 90 else row["raw"][:87] + "…"), row["place"])
    if table.row_count:
        out.print(table)
    telling.problems(ready.problems, out)
    telling.validators([{"source": str(path), **ready.validator}], err)
    if ready.quads.stat().st_size > SHOWN:
        out.print(f"{ready.published} of {ready.read} rows would be published; cupola build {path} publishes them")
    elif statements := ready.turtle():
        out.print("\n[bold]What would be published[/bold]")
        out.print(Text(statements.strip()))
    else:
        out.print("[bold]Nothing would be published.[/bold]")


def _check_cup(text: str, releases: Path | None, as_json: bool, is_live: bool) -> int:
    """The code explained part by part and all that is known of it, or what is wrong with it and what it may mean."""
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
    known = _dossier(told.code, releases)
    answer = _live(told.code) if is_live else None
    if as_json:
        more = {"release": known, "live": answer and {**dataclasses.asdict(answer), "at": answer.at.isoformat()}}
        _json({"raw": text, "wellformed": True, **dataclasses.asdict(explained), **more})
        return OK
    out.print(Text(f"{told.code} has the form of a CUP."))
    table = Table("characters", "", "what they say", box=None)
    for part in explained.parts:
        place = str(part.first) if part.first == part.last else f"{part.first}-{part.last}"
        table.add_row(place, part.characters, part.en)
    out.print(table)
    for _, note in explained.notes:
        out.print(Text(note))
    if known:
        dossier_text.show(known, out)
    if answer:
        _tell_live(answer)
    return OK


def _dossier(code: str, releases: Path | None) -> dict[str, Any] | None:
    """What the current release says of a CUP; None, said so, when there is no release."""
    chosen, _ = settings_of(endpoint.settings.Settings, {"releases": releases})
    try:
        release.find(chosen.releases)
        return dossier(chosen, code)
    except release.ReleaseError as error:
        if releases is not None:
            _fail(str(error))
        err.print(Text(f"{error}; with one (cupola build) more could be told of {code}"))
        return None
    except (ValueError, NoRelease) as error:
        _fail(str(error))


def _live(code: str) -> live.Answer:
    chosen, _ = settings_of(etl.settings.Settings, {})
    if not chosen.opencup_url:
        _fail("--live needs the setting opencup_url: the address that answers about a CUP, {cup} in it for the code")
    try:
        return live.lookup(code, chosen.opencup_url, chosen.opencup_key, chosen.opencup_cache.expanduser())
    except ValueError as error:
        _fail(str(error))


def _tell_live(answer: live.Answer) -> None:
    kept = ", kept from then" if answer.kept else ""
    out.print(Text(f"\nOpenCUP, asked {answer.at:%Y-%m-%d %H:%M} UTC{kept}: {answer.state}"))
    if answer.why:
        out.print(Text(f"  {answer.why}"))
    if answer.note:
        err.print(Text(answer.note))
    for name, value in (answer.record or {}).items():
        if value not in (None, ""):
            out.print(Text(f"  {name}: {value}"))


def _check_list(path: Path, column: str | None, output: Path | None, releases: Path | None, as_json: bool) -> int:
    """Check every CUP of a list against the current release; what is found is a table for a spreadsheet."""
    chosen, _ = settings_of(endpoint.settings.Settings, {"releases": releases})
    target = output or path.with_name(f"{path.stem}-checked.csv")
    try:
        release.find(chosen.releases)
        table = lists.read(path, column)
        codes = lists.checked(table)
        asked = codes[lists.CODE].drop_nulls().unique(maintain_order=True).to_list()
        with _progress() as progress:
            answers = summaries(chosen, asked, lambda done, total: progress("check", done, total))
            found = lists.with_answers(table, codes, answers)
        lists.write(found, target, found.width - table.rows.width)
    except (lists.ListError, Unusable, NoRelease, release.ReleaseError, ValueError) as error:
        _fail(str(error))
    _tell_list(found, target, as_json)
    return PROBLEMS if (found[lists.STATE] == lists.MALFORMED).any() else OK


def _tell_list(found: pl.DataFrame, target: Path, as_json: bool) -> None:
    counts = dict(found[lists.STATE].value_counts(sort=True).iter_rows())
    if as_json:
        _json({"rows": found.height, "states": counts, "file": str(target)})
        return
    out.print(f"{found.height} rows: {', '.join(f'{count} {state}' for state, count in counts.items())}")
    out.print(f"written to {target}")


# --- words -------------------------------------------------------------------------------------------------------


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
