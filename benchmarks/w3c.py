"""The W3C's SPARQL 1.1 query tests over our engines: passes and failures by category.

    python -m benchmarks.w3c [ENGINE…] [--each]

Each test goes the way a client's query goes: through a worker's `answer`, in the format its expected result is in, with
the data of the test as the store. The engines are `oxigraph`, `sparq` (with what is guarded going to Oxigraph, as it is
served) and `sparq-alone`. The suite is `../shared/w3c/sparql11` (https://www.w3.org/2009/sparql/docs/tests/); what is
known to fail, and why, is in `tests/endpoint/data/w3c-failures.toml`.

Entailment is left out: these are tests of inference, and no engine here infers. The tests of SERVICE (`service`,
`syntax-fed`) too: this endpoint refuses it.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import sys
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from itertools import zip_longest
from pathlib import Path
from typing import Any

import pyoxigraph as ox
import sparq
from rich.console import Console
from rich.table import Table

from endpoint.engine.oxigraph import Oxigraph
from endpoint.engine.sparq import Solved, Sparq
from endpoint.engine.worker import Store, Worker

ROOT = Path(__file__).parent.parent
SUITE = ROOT.parent / "shared" / "w3c" / "sparql11"
FAILURES = ROOT / "tests" / "endpoint" / "data" / "w3c-failures.toml"
ENGINES = ("oxigraph", "sparq", "sparq-alone")
MANIFESTS = ("manifest-sparql11-query.ttl", "manifest-sparql11-results.ttl")
#: Where the suite says it is; relative IRIs of its files and queries are taken from here.
BASE = "http://www.w3.org/2009/sparql/docs/tests/data-sparql11/"

_MF = "http://www.w3.org/2001/sw/DataAccess/tests/test-manifest#"
_QT = "http://www.w3.org/2001/sw/DataAccess/tests/test-query#"
_RS = "http://www.w3.org/2001/sw/DataAccess/tests/result-set#"
_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_XSD = "http://www.w3.org/2001/XMLSchema#"
_NUMBERS = {_XSD + name for name in ("integer", "decimal", "float", "double")}
_FORMATS = {".srx": "XML", ".srj": "JSON", ".csv": "CSV", ".tsv": "TSV"}

#: A result that can be compared: what is asked, and the statements it comes to, blank nodes named canonically.
Comparable = tuple[Any, ...]
Rows = tuple[list[str], list[list[Any]]]


@dataclass(frozen=True)
class Case:
    """A test of the suite; `result` is None for the tests of syntax, of which `valid` says what must come out."""

    category: str
    name: str
    query: Path
    data: tuple[Path, ...] = ()
    graphs: tuple[Path, ...] = ()
    result: Path | None = None
    valid: bool = True

    @property
    def id(self) -> str:
        """Category and name, as the list of known failures has them."""
        return f"{self.category}/{self.name}"


def cases(suite: Path = SUITE) -> Iterator[Case]:
    """The tests of the query language and of the formats of results, in the order of the manifests."""
    for manifest in MANIFESTS:
        whole = _read(suite / manifest, BASE + manifest)
        for included in _list(whole, _one(whole, None, _MF + "include")):
            yield from _of_manifest(suite, included.value.removeprefix(BASE))


def _of_manifest(suite: Path, path: str) -> Iterator[Case]:
    graph = _read(suite / path, BASE + path)
    category = path.partition("/")[0]

    def file(iri: Any) -> Path:
        return suite / str(iri.value).removeprefix(BASE)

    for test in _list(graph, _one(graph, None, _MF + "entries")):
        kind = _one(graph, test, _RDF + "type").value.removeprefix(_MF)
        action = _one(graph, test, _MF + "action")
        name = test.value.rpartition("#")[2]
        if "SyntaxTest" in kind:
            yield Case(category, name, file(action), valid=kind.startswith("Positive"))
        elif kind in ("QueryEvaluationTest", "CSVResultFormatTest"):
            yield Case(
                category,
                name,
                file(_one(graph, action, _QT + "query")),
                tuple(map(file, _all(graph, action, _QT + "data"))),
                tuple(map(file, _all(graph, action, _QT + "graphData"))),
                file(_one(graph, test, _MF + "result")),
            )
        else:
            raise ValueError(f"{path}: {name} is a {kind}, which is not known here")


def run(case: Case, engine: str) -> str | None:
    """What is wrong when an engine does a test; None when it passes."""
    text = case.query.read_text(encoding="utf-8")
    base = BASE + f"{case.category}/"
    format_ = _FORMATS.get(case.result.suffix, "JSON") if case.result else "JSON"
    kinds = {"graph": "N_TRIPLES", "results": format_, "boolean": format_}
    kind, body, error = _answer(_store(case, engine, text), f"BASE <{base}>\n{text}", kinds)
    if case.result is None:
        refused = error is not None and error["error"] == "QuerySyntax"
        if case.valid:
            return None if error is None else f"{error['error']}: {error['message']}"
        return None if refused else "accepted, and is no query"
    if error:
        return f"{error['error']}: {error['message']}"
    ordered = "order by" in text.lower()
    if kind == "graph":
        wanted = _canonical(_read(case.result, base + case.result.name))
        given = _canonical(ox.parse(body, format=ox.RdfFormat.N_TRIPLES))
    else:
        given = _comparable(*_rows(body, format_), ordered)
        if case.result.suffix == ".ttl":
            wanted = _comparable(*_result_set(_read(case.result, base + case.result.name)), ordered)
        else:
            wanted = _comparable(*_rows(case.result.read_bytes(), format_), ordered)
    return None if wanted == given else f"gives {_brief(given, wanted)}, not {_brief(wanted, given)}"


def _answer(store: Store, text: str, kinds: dict[str, str]) -> tuple[str, bytes, dict[str, str] | None]:
    """The kind and bytes of an answer, or what the X frame says."""
    frames = io.BytesIO()
    request = {"text": text, "formats": kinds, "default_graphs": [], "named_graphs": []}
    Worker(store, frames, 2**30).answer(request)
    told, kind, body = memoryview(frames.getvalue()), "", b""
    while told:
        length = int.from_bytes(told[1:5], "big")
        frame, payload, told = bytes(told[:1]), bytes(told[5 : 5 + length]), told[5 + length :]
        if frame == b"H":
            kind = json.loads(payload)["kind"]
        elif frame == b"D":
            body += payload
        elif frame == b"X":
            return kind, body, json.loads(payload)
    return kind, body, None


def _store(case: Case, engine: str, text: str) -> Store:
    """The data of a test, loaded into an engine."""
    quads = [quad for path in case.data for quad in _quads(path, case, ox.DefaultGraph())]
    named = case.graphs if "from" not in text.lower() else (*case.graphs, *case.data)
    quads += [quad for path in named for quad in _quads(path, case, ox.NamedNode(f"{BASE}{case.category}/{path.name}"))]
    store = ox.Store()
    store.extend(quads)
    oxigraph = Oxigraph(store)
    oxigraph.merged = True  # the default graph of a test is what the test says, an empty one too
    if engine == "oxigraph":
        return oxigraph
    told = ox.serialize(quads, format=ox.RdfFormat.N_QUADS) or b""
    graph = sparq.Graph.load(told.decode() + "\n", "nquads")
    return Sparq(graph, oxigraph) if engine == "sparq" else Alone(graph)


class Alone:
    """sparq with nothing before or beside it: its own parser, its own graphs; see endpoint.engine.worker.Store."""

    merged = True

    def __init__(self, graph: sparq.Graph) -> None:
        self.graph = graph

    def query(self, text: str, default_graphs: Sequence[str], named_graphs: Sequence[str]) -> Solved:  # noqa: ARG002
        """Run it as whatever form of query it turns out to be. Raises SyntaxError when it is none."""
        said: list[str] = []
        # It answers a SELECT asked as an ASK too, so that comes last.
        for kind, ask in (
            ("results", self.graph.query_json),
            ("graph", self.graph.construct),
            ("graph", self.graph.describe),
            ("boolean", self.graph.ask),
        ):
            try:
                return Solved(kind, ask(text))
            except ValueError as error:
                said.append(str(error))
        raise SyntaxError("; ".join(said))


def _quads(path: Path, case: Case, graph: ox.NamedNode | ox.DefaultGraph) -> Iterator[ox.Quad]:
    format_ = ox.RdfFormat.from_extension(path.suffix[1:])
    base = f"{BASE}{case.category}/{path.name}"
    # Each file has its own blank nodes.
    for quad in ox.parse(path.read_bytes(), format=format_, base_iri=base, rename_blank_nodes=True):
        yield ox.Quad(quad.subject, quad.predicate, quad.object, graph)


def _rows(told: bytes, format_: str) -> Rows:
    """A result as its variables and rows; ASK's is a row of one."""
    if format_ == "CSV":
        table = list(csv.reader(io.StringIO(told.decode("utf-8"), newline="")))
        return table[0], [[_cell(cell) for cell in row] for row in table[1:]]
    parsed = ox.parse_query_results(told, format=getattr(ox.QueryResultsFormat, format_))
    if isinstance(parsed, ox.QueryBoolean):
        return [], [[ox.Literal(bool(parsed))]]
    return [variable.value for variable in parsed.variables], [list(solution) for solution in parsed]


def _result_set(graph: ox.Store) -> Rows:
    """A result told in RDF (the vocabulary of the first tests of SPARQL), as its variables and rows."""
    variables = [variable.value for variable in _all(graph, None, _RS + "resultVariable")]
    rows = []
    for solution in _all(graph, None, _RS + "solution"):
        row = dict.fromkeys(variables)
        for binding in _all(graph, solution, _RS + "binding"):
            row[_one(graph, binding, _RS + "variable").value] = _one(graph, binding, _RS + "value")
        rows.append(list(row.values()))
    return variables, rows


def _comparable(variables: list[str], rows: list[list[Any]], ordered: bool) -> Comparable:
    """Variables, and statements about the rows, which have a place only when ordered."""
    # pyoxigraph leaves out what is unbound at the end of a row.
    named = [dict(zip_longest(variables or ["truth"], row)) for row in rows]
    if not any(isinstance(term, ox.BlankNode) for row in rows for term in row):
        told = [str(sorted((name, str(_value(term))) for name, term in row.items())) for row in named]
        return (sorted(variables), *(told if ordered else sorted(told)))
    statements = []
    for number, row in enumerate(named):
        node = ox.BlankNode()
        statements.append(ox.Quad(node, ox.NamedNode("row:at"), ox.Literal(str(number) if ordered else "")))
        statements += [ox.Quad(node, ox.NamedNode(f"row:{name}"), term) for name, term in row.items() if term]
    return (sorted(variables), len(rows), *_canonical(statements))


def _cell(cell: str) -> ox.Literal | ox.BlankNode:
    return ox.BlankNode(cell[2:]) if cell.startswith("_:") else ox.Literal(cell)


def _canonical(quads: Iterable[ox.Quad]) -> Comparable:
    """The statements in order, blank nodes named canonically (RDFC-1.0), numbers by their value."""
    data = ox.Dataset(ox.Quad(q.subject, q.predicate, _value(q.object)) for q in quads)
    data.canonicalize(ox.CanonicalizationAlgorithm.RDFC_1_0)
    return tuple(sorted(map(str, data)))


def _value(term: Any) -> Any:
    """A number or truth value in one spelling: 2.0 is 2.00, and is not "2"; other terms as they are."""
    if isinstance(term, ox.Literal) and term.datatype.value == _XSD + "boolean":
        return ox.Literal({"1": "true", "0": "false"}.get(term.value, term.value), datatype=term.datatype)
    if isinstance(term, ox.Literal) and term.datatype.value in _NUMBERS:
        kind = term.datatype.value
        try:
            number = Decimal(term.value.replace("INF", "Infinity"))
        except InvalidOperation:
            return term
        if kind in (_XSD + "float", _XSD + "double"):
            return ox.Literal(repr(float(number)), datatype=term.datatype)
        return ox.Literal(f"{number.normalize():f}", datatype=term.datatype)
    return term


def _brief(one: Comparable, other: Comparable) -> str:
    """What one result has and the other has not."""
    own = list((Counter(map(str, one)) - Counter(map(str, other))).elements())
    return (" | ".join(own) or ("the same in another order" if len(one) == len(other) else "no more"))[:300]


def _read(path: Path, base: str) -> ox.Store:
    store = ox.Store()
    store.load(path=str(path), format=ox.RdfFormat.TURTLE, base_iri=base)
    return store


def _all(graph: ox.Store, subject: Any, predicate: str) -> list[Any]:
    return [quad.object for quad in graph.quads_for_pattern(subject, ox.NamedNode(predicate), None)]


def _one(graph: ox.Store, subject: Any, predicate: str) -> Any:
    (found,) = _all(graph, subject, predicate)
    return found


def _list(graph: ox.Store, head: Any) -> list[Any]:
    items = []
    while head.value != _RDF + "nil":
        items.append(_one(graph, head, _RDF + "first"))
        head = _one(graph, head, _RDF + "rest")
    return items


def known_failures() -> dict[str, dict[str, str]]:
    """By engine, the tests that are known to fail, each with the reason."""
    told = tomllib.loads(FAILURES.read_text(encoding="utf-8"))
    return {engine: {each["test"]: each["because"] for each in told["failure"] if engine in each["engines"]}
            for engine in ENGINES}  # fmt: skip


def table(found: dict[str, dict[str, str | None]]) -> Table:
    """Passes and failures by category, an engine a column."""
    drawn = Table("category", "tests", *found, box=None)
    any_ = next(iter(found.values()))
    categories = list(dict.fromkeys(id_.partition("/")[0] for id_ in any_))
    for category in (*categories, ""):
        of = [id_ for id_ in any_ if not category or id_.startswith(f"{category}/")]
        passed = [sum(results[id_] is None for id_ in of) for results in found.values()]
        told = [f"{n} passed" + (f", {len(of) - n} failed" if n < len(of) else "") for n in passed]
        drawn.add_row(category or "all", str(len(of)), *told)
    return drawn


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the suite and print the table; 1 when a result is not the expected one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("engines", nargs="*", metavar="ENGINE", help=f"of {', '.join(ENGINES)}; all without")
    parser.add_argument("--each", action="store_true", help="print what each failure gives, too")
    options = parser.parse_args(arguments)
    every = list(cases())
    found = {engine: {case.id: run(case, engine) for case in every} for engine in options.engines or ENGINES}
    console = Console(width=150)
    console.print(table(found))
    known, news = known_failures(), 0
    for engine, results in found.items():
        for id_, wrong in results.items():
            if wrong and (options.each or id_ not in known[engine]):
                console.print(f"{engine}: {id_}: {wrong}", markup=False, highlight=False)
            if wrong:
                console.print(f"    {known[engine].get(id_, 'NOT EXPECTED')}", markup=False, highlight=False)
            elif id_ in known[engine]:
                console.print(f"{engine}: {id_} passes, and is on the list of failures", markup=False)
            news += (wrong is None) == (id_ in known[engine])
    return 1 if news else 0


if __name__ == "__main__":
    sys.exit(main())
