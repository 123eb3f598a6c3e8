"""The commands: what may be typed, and what `--help` tells of it.

What a command does is in a module of its own. It is imported when the command runs, so that none waits for the others'.
"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from cupola import options


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="cupola", prog_name="cupola")
def main() -> None:
    """Italian public-investment project sheets as linked data: build a release, serve it, check a sheet or a CUP."""


@main.command()
@options.of_a_build
def build(
    paths: tuple[Path, ...], releases: Path | None, source_id: str | None, as_json: bool, strict: bool, fresh: bool
) -> None:
    """Build a release from sheets and tables, or folders of them, and make it the current one.

    What did not change since the current release is taken over from it.

    Exit code 0: all published; 1: something was withheld (told above); 2: wrong usage.
    """
    from cupola import building

    built = building.build(paths, releases, source_id, as_json, fresh)
    sys.exit(building.verdict(built, strict))


@main.command()
@options.of_a_build
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
    from cupola import building, publishing, terminal

    built = building.build(paths, releases, source_id, as_json, fresh)
    served = publishing.is_served(server, built.folder.name, wait)
    sys.exit(building.verdict(built, strict) if served else terminal.PROBLEMS)


@main.command()
@options.releases
@click.option("--host", help="Address to listen on (default: 127.0.0.1).")
@click.option("--port", type=click.IntRange(0, 65535), help="Port to listen on (default: 8000; 0: any free one).")
def serve(releases: Path | None, host: str | None, port: int | None) -> None:
    """Serve the current release: pages, SPARQL endpoint, dereferenceable IRIs, dumps."""
    from cupola import serving

    serving.serve(releases, host, port)


@main.command()
@click.argument("what", metavar="FILE|CUP", required=False)
@options.source
@options.releases
@options.as_json
@click.option("--list", "list_", type=click.Path(path_type=Path), help="Check every CUP of a list: CSV, XLSX or ODS.")
@options.column
@options.output
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
        from cupola import lists

        sys.exit(lists.check(list_, column, output, releases, as_json))
    path = Path(what or "")
    if path.exists() or any(c in str(what) for c in "/\\.") or not str(what).strip():
        from cupola import files

        sys.exit(files.check(path, source_id, as_json))
    from cupola import codes

    sys.exit(codes.check(str(what), releases, as_json, is_live))


@main.command()
@click.argument("path", metavar="SPREADSHEET", type=click.Path(path_type=Path))
@click.option("--opencup", required=True, type=click.Path(path_type=Path), help="A file of OpenCUP: JSON or CSV.")
@options.column
@options.output
@options.as_json
def link(path: Path, opencup: Path, column: str | None, output: Path | None, as_json: bool) -> None:
    """Join your own spreadsheet (CSV, XLSX, ODS) to a file of OpenCUP, by CUP and nothing else.

    Your rows and columns stay; what OpenCUP says stands to the right of them, in columns that begin with opencup_.
    """
    from cupola import lists

    lists.link(path, opencup, column, output, as_json)


@main.command()
@click.argument("text", metavar="QUERY|FILE|NAME|-")
@options.releases
@click.option("--format", "format_", default="csv", show_default=True, help="json, xml, csv, tsv, ttl, nt, …")
def query(text: str, releases: Path | None, format_: str) -> None:
    """Ask the current release a SPARQL query: as text, from a file, or an example of /queries by its name."""
    from cupola import querying

    querying.query(text, releases, format_)


@main.command("load")
@click.option(
    "--to", required=True, metavar="URL", help="The store's Graph Store: http://127.0.0.1:3030/cupola/data, …"
)
@click.option("--query-at", default="", metavar="URL", help="Its SPARQL endpoint, where the counts are asked.")
@options.releases
@click.option("--chunk", type=click.IntRange(1), help="KiB of triples sent at a time (load_chunk; default: 8192).")
@click.option("--union", is_flag=True, help="Load the default graph too, for a store where it is not the union.")
@click.option("--fresh", is_flag=True, help="Load everything anew, also what is there already.")
@options.as_json
def load_(
    to: str, query_at: str, releases: Path | None, chunk: int | None, union: bool, fresh: bool, as_json: bool
) -> None:
    """Load the current release into another store (Fuseki, GraphDB, …), graph by graph.

    What is there already is not sent again; what an interruption left is gone on with. The counts are checked.

    Exit code 0: all is there; 1: a count is wrong, or the store failed (told above); 2: wrong usage.
    """
    from cupola import loading

    sys.exit(loading.load(to, query_at, releases, chunk, union, fresh, as_json))


@main.command()
@click.argument("old")
@click.argument("new", required=False)
@options.releases
@options.as_json
@click.option("--statements", is_flag=True, help="Tell the statements of the graphs, not the values by CUP.")
def diff(old: str, new: str | None, releases: Path | None, statements: bool, as_json: bool) -> None:
    """What release NEW (default: the current one) says differently from release OLD: by CUP, value by value.

    Exit code 0: the same; 1: different; 2: wrong usage.
    """
    from cupola import comparing

    sys.exit(comparing.compare(old, new, releases, statements, as_json))


@main.command("sources")
@options.as_json
def sources_(as_json: bool) -> None:
    """The sources Cupola can read: what they are, which files, which licence."""
    from cupola import sources

    sources.show(as_json)


@main.command()
@options.as_json
def config(as_json: bool) -> None:
    """Every setting: its value, where it comes from, what it is for."""
    from cupola import settings

    settings.show(as_json)


@main.command()
@click.argument("urls", nargs=-1, metavar="[URL]…")
@click.option("--list", "list_", type=click.Path(path_type=Path), help="A text file with an address a line.")
@click.option("--source", "source_id", metavar="ID", help="Keep the copies as this source's; alone: harvest its site.")
@click.option("--folder", type=click.Path(path_type=Path, file_okay=False), help="Where the copies go (fetch_folder).")
@options.as_json
def fetch(urls: tuple[str, ...], list_: Path | None, source_id: str | None, folder: Path | None, as_json: bool) -> None:
    """Get documents from the web, politely: those named, those of a list, or those the site of a source lists.

    What did not change is not got again; what an interruption left is gone on with.

    Exit code 0: all got, unchanged, or known to be gone; 1: something could not be had; 2: wrong usage.
    """
    if not urls and list_ is None and source_id is None:
        raise click.UsageError("Missing argument: addresses, --list FILE, or --source ID")
    from cupola import fetching

    sys.exit(fetching.fetch(urls, list_, source_id, folder, as_json))
