"""sparq (sparq-rdf) over a release's second store, with Oxigraph beside it for what sparq is not trusted with.

Its store holds the union of the graphs and nothing else: a query that asks for graphs goes to Oxigraph by the rules of
endpoint.engine.guard.
"""

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any, Self, cast

import pyoxigraph as ox
import sparq

from endpoint.engine.frames import CHUNK, Output
from endpoint.engine.guard import reason
from endpoint.engine.oxigraph import Found, Oxigraph, writable

#: The folder of its store, beside Oxigraph's.
FOLDER = "sparq"
_NOWHERE = ox.Store()


class Sparq:
    """Both stores, and the way to ask them; see endpoint.engine.worker.Store."""

    def __init__(self, graph: sparq.Graph, other: Oxigraph) -> None:
        self.graph, self.other = graph, other
        self.merged = other.merged

    @classmethod
    def open(cls, folder: Path) -> Self:
        """The stores of a release, named by the folder of Oxigraph's. Raises OSError when one is missing."""
        own = folder.with_name(FOLDER)
        if not own.is_dir():
            raise FileNotFoundError(f"{own} is missing: build with sparq_index = true, or set engine = oxigraph")
        # Opening writes two (empty) logs into the folder, and a release is never written to: it is given a folder of
        # links, which may go when the files are mapped.
        with tempfile.TemporaryDirectory() as linked:
            for file in own.resolve().glob("*.bin"):
                Path(linked, file.name).symlink_to(file)
            return cls(sparq.Graph.open(linked), Oxigraph.open(folder))

    def query(self, text: str, default_graphs: Sequence[str], named_graphs: Sequence[str]) -> "Found | Solved":
        """Run a query; see endpoint.engine.worker.Store."""
        # One grammar for both engines, and the kind of the answer; over nothing this takes some microseconds.
        kind = Found(_NOWHERE.query(text)).kind
        if default_graphs or named_graphs or reason(text):
            return self.other.query(text, default_graphs, named_graphs)
        try:
            return Solved(kind, self._run(kind, text))
        except ValueError:  # what it has not
            return self.other.query(text, default_graphs, named_graphs)

    def _run(self, kind: str, text: str) -> Any:
        if kind == "results":
            return self.graph.query_json(text)
        if kind == "boolean":
            return self.graph.ask(text)
        try:
            return self.graph.construct(text)
        except ValueError:
            return self.graph.describe(text)


class Solved:
    """What a query found: JSON, a truth value or terms."""

    def __init__(self, kind: str, found: Any) -> None:
        self.kind, self.found = kind, found

    def write(self, output: Output, format_: str) -> None:
        """Write it in the format pyoxigraph has under this name."""
        file = cast("IO[bytes]", output)
        if self.kind == "graph":
            rdf = getattr(ox.RdfFormat, format_)
            ox.serialize(writable(_triples(self.found), None, rdf == ox.RdfFormat.RDF_XML), file, format=rdf)
            return
        told = self.found if self.kind == "results" else f'{{"head":{{}},"boolean":{str(self.found).lower()}}}'
        if format_ == "JSON":
            whole = told.encode()
            for start in range(0, len(whole), CHUNK):  # in frames the server need not hold whole
                output.write(whole[start : start + CHUNK])
            return
        parsed = ox.parse_query_results(told, format=ox.QueryResultsFormat.JSON)
        parsed.serialize(file, format=getattr(ox.QueryResultsFormat, format_))


def _triples(found: Iterable[tuple[sparq.Term, sparq.Term, sparq.Term]]) -> Iterator[ox.Triple]:
    for subject, predicate, value in found:
        yield ox.Triple(_term(subject), _term(predicate), _term(value))


def _term(term: sparq.Term) -> Any:
    if term.kind == "uri":
        return ox.NamedNode(term.value)
    if term.kind == "bnode":
        return ox.BlankNode(term.value)
    if term.language:
        return ox.Literal(term.value, language=term.language)
    return ox.Literal(term.value, datatype=ox.NamedNode(term.datatype))
