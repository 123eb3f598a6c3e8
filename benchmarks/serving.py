"""How fast a release is served: our endpoint beside `oxigraph serve` and rdflib-endpoint, in one run.

    python -m benchmarks.serving RELEASES [--seconds 4] [--clients 1 8] [--engine oxigraph] [--no-rdflib]

RELEASES is a folder of releases; its current one is served and read only. Measured: one resource in each of our
formats (the peers: DESCRIBE, as Turtle), one look-up by CUP, and a result of 100,000 rows (to its first byte, and
whole). Resources and CUPs are drawn from the whole release and none is asked twice, so our cache does not help, except
where it says so. rdflib-endpoint holds its data in memory: it gets the smallest dumps only, up to --cut triples, and
is asked for what is in them. Times are those of the clients: the first lines tell how fast these can be at most. The
processor's time of a server and its workers for one request (cpu ms) hardly depends on what else the machine does.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlencode

from benchmarks import servers
from benchmarks.load import Figures, Refused, ceiling, get, measure
from benchmarks.servers import Server

DRAWN = 40_000  # resources of the sample
ROWS = 100_000
LOOKUP = 'SELECT ?s ?p ?o {{ ?s <https://w3id.org/cupola/onto/cup> "{cup}" ; ?p ?o }}'
STREAM = f"SELECT ?s ?p ?o {{ ?s ?p ?o }} LIMIT {ROWS}"
RESULTS = "application/sparql-results+json"
FORMATS = {"turtle": "ttl", "json-ld": "jsonld", "n-triples": "nt", "rdf/xml": "rdf", "trig": "trig", "n-quads": "nq"}
BUDGET = {"p50": 5.0, "p99": 30.0}  # milliseconds, of one resource at 8 clients (DESIGN)


@dataclass(frozen=True)
class Sample:
    """What is asked for: paths of resources below the base, and CUPs."""

    base: str
    paths: list[str]
    cups: list[str]


def sample(release: Path) -> Sample:
    """Resources and CUPs of a release, drawn alike in each run."""
    manifest = json.loads((release / "manifest.json").read_text())
    index = f"file:{quote(str(release / 'search.sqlite'))}?mode=ro&immutable=1"
    with closing(sqlite3.connect(index, uri=True)) as base:
        rows = base.execute("SELECT path, cup FROM project WHERE cup <> '' ORDER BY path").fetchall()
    drawn = random.Random(0).sample(rows, min(DRAWN, len(rows)))
    return Sample(
        manifest["base"], [quote(path, safe="/%:@!$&'()*+,;=~") for path, _ in drawn], [cup for _, cup in drawn]
    )


def cut(release: Path, most: int) -> tuple[list[Path], Sample]:
    """The smallest dumps of a release with so many triples together at most, and what can be asked of them."""
    manifest = json.loads((release / "manifest.json").read_text())
    dumps, triples = [], 0
    for graph in sorted(manifest["graphs"], key=lambda each: each["triples"]):
        if triples + graph["triples"] <= most:
            triples += graph["triples"]
            dumps.append(release / graph["file"])
    found: dict[str, str] = {}
    predicate = "<https://w3id.org/cupola/onto/cup> "
    for dump in dumps:
        with gzip.open(dump, "rt", encoding="utf-8") as lines:
            for line in lines:
                subject, at, rest = line.partition(f" {predicate}")
                if at and "/id/" in subject:
                    found[subject.strip("<>").removeprefix(f"{manifest['base']}id/")] = rest.split('"')[1]
    print(f"rdflib-endpoint has {triples:,} triples of {len(dumps)} dumps, {len(found):,} resources with a CUP")
    pairs = random.Random(0).sample(sorted(found.items()), len(found))
    return dumps, Sample(manifest["base"], [path for path, _ in pairs], [cup for _, cup in pairs])


@dataclass(frozen=True)
class Peer:
    """A server that is measured: its path of SPARQL, what it is asked, and the seconds of each measurement."""

    name: str
    server: Server
    sparql: str
    asked: Sample
    seconds: float

    def query(self, text: str, accept: str) -> bytes:
        """The request of a query."""
        return get(f"{self.sparql}?{urlencode({'query': text})}", {"Accept": accept})


class Table:
    """Prints the figures of each measurement as soon as they are there, and keeps them for the ratios."""

    def __init__(self) -> None:
        self.figures: dict[tuple[str, str, int], Figures] = {}
        print(
            f"{'what':<26}{'server':<17}{'clients':>7}{'req/s':>9}{'p50 ms':>9}{'p99 ms':>9}{'first ms':>10}"
            f"{'cpu ms':>8}{'bytes':>12}"
        )

    def add(self, what: str, peer: Peer, clients: int, requests: list[bytes], most: int = 10**9) -> None:
        """Measure and print one line."""
        try:
            used = peer.server.processor
            found = measure(peer.server.address, requests, clients, peer.seconds, most)
            used = (peer.server.processor - used) / found.number * 1000
        except Refused as refused:
            print(f"{what:<26}{peer.name:<17}{clients:>7}  {refused}", flush=True)
            return
        self.figures[what, peer.name, clients] = found
        print(
            f"{what:<26}{peer.name:<17}{clients:>7}{found.a_second:>9,.0f}{found.p50:>9.2f}{found.p99:>9.2f}"
            f"{found.first:>10.2f}{used:>8.2f}{found.size:>12,}",
            flush=True,
        )

    def ratios(self, ours: str, clients: int) -> None:
        """Print how the medians of ours stand beside those of the others."""
        for (what, name, number), other in self.figures.items():
            own = self.figures.get((what if what in COMPARED else "", ours, number))
            if own and name != ours and number == clients:
                print(f"{what}, {clients} clients: {ours} takes {own.p50 / other.p50:.2f} times the p50 of {name}")


COMPARED = ("resource, turtle", "look-up by CUP", f"{ROWS:,} rows")


def ours(table: Table, peer: Peer, clients: list[int]) -> None:
    """Measure what only we have: each format, the page, what is asked again."""
    fresh = pieces(peer.asked.paths, (len(FORMATS) + 2) * len(clients))
    for number in clients:
        for name, extension in FORMATS.items():
            wanted = [get(f"/data/{path}.{extension}", {}) for path in next(fresh)]
            table.add(f"resource, {name}", peer, number, wanted)
        table.add("resource, page", peer, number, [get(f"/doc/{path}", {}) for path in next(fresh)])
        again = [get(f"/data/{path}.ttl", {}) for path in next(fresh)[:50]]
        table.add("50 resources again", peer, number, again)


def pieces(paths: list[str], number: int) -> Iterator[list[str]]:
    """Equal parts of a list."""
    size = max(1, len(paths) // number)
    return iter([paths[at * size : (at + 1) * size] for at in range(number)])


def everywhere(table: Table, peer: Peer, clients: list[int], *, describe: bool) -> None:
    """Measure what all servers have."""
    for number in clients:
        if describe:
            asked = [f"DESCRIBE <{peer.asked.base}id/{path}>" for path in peer.asked.paths]
            table.add(COMPARED[0], peer, number, [peer.query(text, "text/turtle") for text in asked])
        asked = [LOOKUP.format(cup=cup) for cup in peer.asked.cups]
        table.add(COMPARED[1], peer, number, [peer.query(text, RESULTS) for text in asked])
        table.add(COMPARED[2], peer, number, [peer.query(STREAM, RESULTS)])


def main() -> None:
    """Measure all servers and print the table, the ratios, and whether the budgets hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("releases", type=Path)
    parser.add_argument("--seconds", type=float, default=4.0, help="for each measurement")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--engine", nargs="+", default=["oxigraph"], help="engines of our endpoint, each measured")
    parser.add_argument("--cut", type=int, default=300_000, help="triples rdflib-endpoint gets at most")
    parser.add_argument(
        "--no-rdflib", action="store_true", help="leave rdflib-endpoint out: it takes a minute to start"
    )
    parser.add_argument("--peers", type=Path, default=servers.PEERS, help="folder of the peers' commands")
    chosen = parser.parse_args()
    release = (chosen.releases / "current").resolve()
    asked = sample(release)
    for number in chosen.clients:
        best = ceiling(number, 4000)
        print(f"these clients do at most {best.a_second:,.0f} requests/s (p50 {best.p50:.2f} ms) with {number}")
    table = Table()
    with tempfile.TemporaryDirectory(prefix="cupola-benchmark-") as name, ExitStack() as stack:
        folder = Path(name)
        # Servers that are not asked wait: they take nothing from the one that is.
        for engine in chosen.engine:
            peer = Peer(
                f"cupola {engine}",
                stack.enter_context(servers.cupola(chosen.releases, engine=engine, queue_timeout=60, query_timeout=60)),
                "/sparql",
                asked,
                chosen.seconds,
            )
            ours(table, peer, chosen.clients)
            everywhere(table, peer, chosen.clients, describe=False)
        server = stack.enter_context(servers.oxigraph(release / "store", folder, chosen.peers / "oxigraph"))
        everywhere(
            table, Peer("oxigraph serve", server, "/query", asked, chosen.seconds), chosen.clients, describe=True
        )
        if not chosen.no_rdflib:
            dumps, small = cut(release, chosen.cut)
            server = stack.enter_context(servers.rdflib_endpoint(dumps, folder, chosen.peers / "rdflib-endpoint"))
            peer = Peer("rdflib-endpoint", server, "/", small, chosen.seconds)
            everywhere(table, peer, chosen.clients, describe=True)
    for engine in chosen.engine:
        for number in chosen.clients:
            table.ratios(f"cupola {engine}", number)
    for (what, name, number), found in table.figures.items():
        if name.startswith("cupola") and what.startswith("resource, ") and number == 8 and "page" not in what:
            kept = found.p50 <= BUDGET["p50"] and found.p99 <= BUDGET["p99"]
            print(f"budget, {what}: {'kept' if kept else 'NOT KEPT'} (p50 {found.p50:.1f} ms, p99 {found.p99:.1f} ms)")


if __name__ == "__main__":
    main()
