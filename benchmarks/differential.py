"""The same queries to both engines over the same release: are the answers equal, and how long do they take?

    python -m benchmarks.differential [RELEASE] [--queries N] [--seed S] [--timeout SECONDS]

RELEASE is a folder with the stores of both (built with sparq_index = true); `releases/current` without it. Asked are
the example queries (endpoint/queries, without those that need other endpoints) and N generated ones: the shapes of
`shapes.toml`, filled with classes, properties and values drawn from the data. The same release and seed give the same
queries. Prints a row a shape, then each difference. Engines: Oxigraph, and sparq as it is served, with what is guarded
going to Oxigraph.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import random
import re
import statistics
import sys
import time
import tomllib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyoxigraph as ox
from rich.console import Console
from rich.progress import track
from rich.table import Table

from endpoint.engine import Engine, EngineError
from endpoint.engine.local import LocalEngine
from endpoint.examples import examples
from endpoint.settings import Settings

SHAPES = Path(__file__).with_name("shapes.toml")
XSD = "http://www.w3.org/2001/XMLSchema#"
RDF_TYPE = "<http://www.w3.org/1999/02/22-rdf-syntax-ns#type>"
NUMBERS = {XSD + name for name in ("integer", "decimal", "float", "double")}
PREFIXES = f"PREFIX xsd: <{XSD}>\nPREFIX rdfs: <http://www.w3.org/2000/01/rdf-schema#>\n"
#: How many classes queries are about, and how many things of each are looked at to draw from.
CLASSES, THINGS = 40, 300
#: Most values a property may have, among the things looked at, to group and select by.
FEW = 12

Ask = Callable[[str], list[dict[str, str]]]


@dataclass
class Class:
    """A class as seen in some of its things: the properties they have, with values as SPARQL terms."""

    iri: str
    things: list[str] = field(default_factory=list)
    values: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    far: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))

    def properties(self, *endings: str) -> list[str]:
        """The properties whose values all end so: a datatype, a language."""
        return [p for p, values in self.values.items() if all(v.endswith(endings) for v in values)]


def vocabulary(ask: Ask) -> tuple[list[Class], list[str]]:
    """What queries can be made of: classes, the most frequent first, and graphs."""
    found = []
    frequent = ask(f"SELECT ?c {{ ?s a ?c }} GROUP BY ?c ORDER BY DESC(COUNT(*)) ?c LIMIT {CLASSES}")
    for row in frequent:
        one = Class(row["c"])
        things = f"{{ SELECT ?s {{ ?s a {one.iri} }} LIMIT {THINGS} }}"
        for told in ask(f"SELECT ?s ?p ?o {{ {things} ?s ?p ?o }} ORDER BY ?s ?p ?o"):
            if told["s"] not in one.things[-1:]:
                one.things.append(told["s"])
            one.values[told["p"]].append(told["o"])
        for told in ask(f"SELECT DISTINCT ?p ?q {{ {things} ?s ?p ?o . ?o ?q ?x }} ORDER BY ?p ?q"):
            one.far[told["p"]].add(told["q"])
        found.append(one)
    few = " ".join(thing for one in found for thing in one.things[:3])
    graphs = ask(f"SELECT DISTINCT ?g {{ VALUES ?s {{ {few} }} GRAPH ?g {{ ?s ?p ?o }} }} ORDER BY ?g")
    return found, [row["g"] for row in graphs]


def generated(ask: Ask, count: int, seed: int) -> Iterator[tuple[str, str]]:
    """Shape and text of `count` queries over the data that can be asked; all shapes in turn."""
    classes, graphs = vocabulary(ask)
    shapes = tomllib.loads(SHAPES.read_text(encoding="utf-8"))["shape"]
    lined = [(shape["name"], query) for shape in shapes for query in shape["queries"]]
    rng = random.Random(seed)
    made = 0
    while made < count:
        rng.shuffle(lined)
        for name, text in lined:
            filled = _filled(text, classes, graphs, rng)
            if filled and made < count:
                made += 1
                yield name, PREFIXES + _ordered(filled)


def _filled(text: str, classes: list[Class], graphs: list[str], rng: random.Random) -> str | None:
    """The text with its places filled from one class that has all it asks for; None when no class has."""
    wanted = set(re.findall(r"\{(\w+)\}", text))
    for one in rng.sample(classes, len(classes)):
        places = _places(one, graphs, rng)
        if wanted <= places.keys():
            for place in wanted:
                text = text.replace(f"{{{place}}}", places[place])
            return text
    return None


def _ordered(text: str) -> str:
    """The text, ordering by the text and language of what may be any term: SPARQL leaves open how terms of different
    kinds and strings of different languages are ordered (1.1, 15.1), and the engines do it differently.
    """
    query, by, order = text.rpartition("ORDER BY")
    terms = r"DESC\(\?([abkj])\)|(?<!\()\?([abkj])\b"
    told = re.sub(
        terms, lambda v: f"DESC(STR(?{v[1]})) DESC(LANG(?{v[1]}))" if v[1] else f"STR(?{v[2]}) LANG(?{v[2]})", order
    )
    return query + by + told if by else text


def _places(one: Class, graphs: list[str], rng: random.Random) -> dict[str, str]:
    """What can be filled in of a class."""
    every = sorted(one.values, key=lambda p: (p != RDF_TYPE, p))
    p, q, r = rng.sample(every, 3) if len(every) > 2 else every[:1] * 3
    places = {"C": one.iri, "p": p, "q": q, "r": r, "s": rng.choice(one.things)}
    places |= {"g": rng.choice(graphs), "many": str(rng.randint(1, 200))}
    for letter, endings in (
        ("n", tuple(f"<{kind}>" for kind in NUMBERS)),
        ("d", (f"<{XSD}date>", f"<{XSD}dateTime>")),
    ):
        if having := one.properties(*endings):
            places[letter] = rng.choice(having)
            first, second = sorted(rng.choices(one.values[places[letter]], k=2), key=_order)
            places |= {f"{letter}1": first, f"{letter}2": second}
    if texts := one.properties("@it", "@en", f'"^^<{XSD}string>', '"'):
        places["t"] = rng.choice(texts)
        words = re.findall(r"[a-zA-Zàèéìòù]{4,}", rng.choice(one.values[places["t"]]).rpartition('"')[0])
        places["word"] = f'"{rng.choice(words)}"' if words else '"zona"'
    if keys := [key for key in every if len(set(one.values[key])) <= FEW]:
        places["k"] = rng.choice(keys[1:] or keys)
        places |= {"v": rng.choice(one.values[places["k"]]), "w": rng.choice(one.values[places["k"]])}
    if links := sorted(one.far):
        places["link"] = rng.choice(links)
        places["far"] = rng.choice(sorted(one.far[places["link"]]))
    return places


def _order(literal: str) -> tuple[float, str]:
    value = literal.split('"')[1]
    try:
        return float(value), ""
    except ValueError:
        return 0.0, value


def known_differences() -> dict[str, str]:
    """Why the engines differ, by the name of the shape or example."""
    told = tomllib.loads(SHAPES.read_text(encoding="utf-8"))
    shapes = {shape["name"]: shape["known"] for shape in told["shape"] if "known" in shape}
    return shapes | {f"example: {name}": because for name, because in told["examples"].items()}


def example_queries() -> list[tuple[str, str]]:
    """Name and text of the example queries that ask no other endpoint."""
    return [(f"example: {each.name}", each.query) for each in examples() if not each.services]


def asking(engine: Engine) -> Ask:
    """Rows of a SELECT through an engine, each variable with its term as SPARQL writes it; it must answer."""

    def ask(text: str) -> list[dict[str, str]]:
        told = ox.parse_query_results(engine.query(text, timeout=300).read(), format=ox.QueryResultsFormat.JSON)
        assert isinstance(told, ox.QuerySolutions)
        names = [variable.value for variable in told.variables]
        return [{name: str(term) for name, term in zip(names, row, strict=False) if term} for row in told]

    return ask


@dataclass(frozen=True)
class Given:
    """An answer: its rows (or statements), or the error in place of it; seconds from asking to the last byte."""

    seconds: float
    rows: list[Any] = field(default_factory=list)
    error: str = ""


def given(engine: Engine, text: str, timeout: float) -> Given:
    """What an engine answers."""
    began = time.perf_counter()
    try:
        with engine.query(text, timeout=timeout) as answer:
            kind, told = answer.kind, answer.read()
    except EngineError as error:
        return Given(time.perf_counter() - began, error=type(error).__name__)
    seconds = time.perf_counter() - began
    if kind == "graph":
        return Given(seconds, sorted(set(told.decode().splitlines())))
    found = json.loads(told)
    if kind == "boolean":
        return Given(seconds, [found["boolean"]])
    names = sorted(found["head"]["vars"])
    rows = [tuple(_comparable(row.get(name)) for name in names) for row in found["results"]["bindings"]]
    return Given(seconds, rows)


def _comparable(term: dict[str, str] | None) -> Any:
    """A term to compare: numbers by value, to 12 digits (sums are made in another order)."""
    if term is None:
        return None
    if term.get("datatype") in NUMBERS:
        number = float(term["value"])
        return float(f"{number:.12g}") if math.isfinite(number) else term["value"]
    return term["type"], term["value"], term.get("xml:lang", "").lower(), term.get("datatype", "")


def difference(one: Given, other: Given, ordered: bool) -> str:
    """How two answers differ; "" when they do not. One that failed does not differ: it has no answer."""
    if one.error or other.error:
        return ""
    first, second = Counter(one.rows), Counter(other.rows)
    if first != second:
        less, more = list((first - second).elements()), list((second - first).elements())
        return f"{len(one.rows)} rows and {len(other.rows)}; only the first: {less[:2]}; only the second: {more[:2]}"
    return "another order" if ordered and one.rows != other.rows else ""


@dataclass
class Tally:
    """What came of the queries of a shape."""

    name: str
    times: list[tuple[float, float]] = field(default_factory=list)
    alike: int = 0
    different: int = 0
    failed: Counter[tuple[int, str]] = field(default_factory=Counter)


def compare(
    engines: Sequence[Engine], queries: Sequence[tuple[str, str]], timeout: float
) -> tuple[list[Tally], list[tuple[str, str, str]]]:
    """Ask both engines; gives a tally a shape, and name, text and difference of each query whose answers differ.

    Interrupted (Ctrl-C), it gives what came of the queries asked so far.
    """
    tallies: dict[str, Tally] = {}
    differing = []
    with contextlib.suppress(KeyboardInterrupt):
        for name, text in track(queries, "asking", console=Console(stderr=True), disable=not sys.stderr.isatty()):
            kind = name.partition(":")[0]
            answers = [given(engine, text, timeout) for engine in engines]
            tally = tallies.setdefault(kind, Tally(kind))
            tally.times.append((answers[0].seconds, answers[1].seconds))
            tally.failed.update((n, answer.error) for n, answer in enumerate(answers) if answer.error)
            told = difference(answers[0], answers[1], kind != "example" and "ORDER BY" in text)
            tally.alike += not (told or answers[0].error or answers[1].error)
            if told:
                tally.different += 1
                differing.append((name, text, told))
    return list(tallies.values()), differing


def table(tallies: Sequence[Tally], names: Sequence[str]) -> Table:
    """A row a shape: how many queries, how many alike, who failed, and the times."""
    drawn = Table("queries", "asked", "alike", "different", *(f"{n} failed" for n in names), box=None)
    for name in names:
        drawn.add_column(f"{name} p50 ms", justify="right")
        drawn.add_column("worst s", justify="right")
    for tally in (*tallies, _sum(tallies)):
        failed = [[f"{n} {e}" for (who, e), n in tally.failed.items() if who == number] for number in range(len(names))]
        asked = len(tally.times)
        times = [f"{value:.{digits}f}" for column in zip(*tally.times, strict=True)
                 for value, digits in ((statistics.median(column) * 1000, 1), (max(column), 1))]  # fmt: skip
        drawn.add_row(tally.name, str(asked), str(tally.alike), str(tally.different), *map(", ".join, failed), *times)
    return drawn


def _sum(tallies: Sequence[Tally]) -> Tally:
    whole = Tally("all")
    for tally in tallies:
        whole.times += tally.times
        whole.alike += tally.alike
        whole.different += tally.different
        whole.failed += tally.failed
    return whole


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare, print; 1 when an answer differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("release", nargs="?", type=Path, default=Path("releases/current"))
    parser.add_argument("--queries", type=int, default=400)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--timeout", type=float, default=30.0)
    parser.add_argument("--no-examples", action="store_true", help="only the generated queries")
    options = parser.parse_args(arguments)
    names = ("oxigraph", "sparq")
    settings = [Settings(engine=name, workers=1, query_memory=2048, max_answer_size=2048) for name in names]
    engines = [LocalEngine(options.release / "store", each) for each in settings]
    console = Console(width=170)
    try:
        queries = [] if options.no_examples else example_queries()
        queries += generated(asking(engines[0]), options.queries, options.seed)
        tallies, differing = compare(engines, queries, options.timeout)
    finally:
        for engine in engines:
            engine.kill()
    console.print(table(tallies, names))
    known = known_differences()
    for name, text, told in differing:
        console.print(f"\n{name}: {told}\n{text}\n{known.get(name, 'NOT EXPECTED')}", markup=False, highlight=False)
    return 1 if any(name not in known for name, _, _ in differing) else 0


if __name__ == "__main__":
    sys.exit(main())
