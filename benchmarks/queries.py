"""What asking through our endpoint costs beside asking the bare engine, for the queries of queries.toml.

    python -m benchmarks.queries RELEASES [--engine oxigraph sparq] [--repeat 5] [--only NAME ...]

RELEASES is a folder of releases; its current one is served and read only. Each query goes in turn to the bare engine
(opened in this process, its answer written into memory) and through /sparql, to its last byte, in the same format. The
answers must be as long. The budgets (DESIGN): through the endpoint at most 1.3 times the bare engine's p50 for queries
over 5 ms; aggregates over all projects under a second.
"""

from __future__ import annotations

import argparse
import io
import statistics
import sys
import time
import tomllib
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlencode

from benchmarks import servers
from benchmarks.load import Address, Refused, get, measure
from endpoint.engine.worker import Store, open_store

QUERIES = Path(__file__).with_suffix(".toml")
FORMATS = {"results": ("JSON", "application/sparql-results+json"), "graph": ("N_TRIPLES", "application/n-triples")}
RATIO, FROM, SECOND = 1.3, 5.0, 1000.0  # the budgets: a ratio, for milliseconds from, milliseconds


def bare(store: Store, text: str) -> tuple[float, int, str]:
    """Milliseconds the engine takes, the bytes of its answer, and its kind."""
    began = time.perf_counter()
    found = store.query(text, [], [])
    sink = io.BytesIO()
    found.write(cast("Any", sink), FORMATS[found.kind][0])
    return (time.perf_counter() - began) * 1000, sink.tell(), found.kind


def through(address: Address, text: str, kind: str) -> tuple[float, int]:
    """Milliseconds our endpoint takes, and the bytes of its answer. Raises Refused."""
    request = get("/sparql?" + urlencode({"query": text}), {"Accept": FORMATS[kind][1]})
    found = measure(address, [request], clients=1, seconds=0, most=1)
    return found.p50, found.size


def compare(name: str, query: dict[str, Any], store: Store, address: Address, repeat: int) -> bool:
    """Print the line of one query; whether it keeps the budgets."""
    alone: list[float] = []
    served: list[float] = []
    bare(store, query["query"])  # what is read of the disk for the first time
    for _ in range(repeat):
        seconds, size, kind = bare(store, query["query"])
        alone.append(seconds)
        try:
            took, length = through(address, query["query"], kind)
        except Refused as refused:
            print(f"{name:<28}{seconds:>11.1f}  {refused}", flush=True)
            return False
        served.append(took)
        assert length == size, f"{name}: {length} bytes through the endpoint, {size} from the engine"
        if sum(alone) > 60_000:
            break  # one that takes so long tells enough
    p50 = statistics.median(alone), statistics.median(served)
    ratio = p50[1] / p50[0]
    notes = []
    if p50[0] > FROM and ratio > RATIO:
        notes.append(f"over {RATIO} times")
    if query.get("aggregate") and p50[1] > SECOND:
        notes.append("an aggregate over a second")
    small = "" if p50[0] > FROM else "  (under 5 ms)"
    print(
        f"{name:<28}{p50[0]:>11.1f}{p50[1]:>13.1f}{ratio:>8.2f}{size:>13,}  {', '.join(notes) or 'kept'}{small}",
        flush=True,
    )
    return not notes


def main() -> None:
    """Run all queries with each engine; ends with code 1 when a budget is not kept."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("releases", type=Path)
    parser.add_argument("--engine", nargs="+", default=["oxigraph"])
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--only", nargs="+", help="names of queries")
    chosen = parser.parse_args()
    told = tomllib.loads(QUERIES.read_text(encoding="utf-8"))
    queries = {
        name: {**query, "query": told["prefixes"] + query["query"]}
        for name, query in told["queries"].items()
        if not chosen.only or name in chosen.only
    }
    kept = True
    for engine in chosen.engine:
        store = open_store(engine, (chosen.releases / "current").resolve() / "store")
        limits = {"query_timeout": 300, "query_memory": 8192}
        with servers.cupola(chosen.releases, engine=engine, **limits) as server:
            print(f"{engine:<28}{'bare ms':>11}{'endpoint ms':>13}{'ratio':>8}{'bytes':>13}  budgets")
            for name, query in queries.items():
                kept &= compare(name, query, store, server.address, chosen.repeat)
    sys.exit(not kept)


if __name__ == "__main__":
    main()
