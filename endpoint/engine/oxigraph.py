"""Oxigraph (pyoxigraph) over a release's store."""

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any, Self, cast

import pyoxigraph as ox

from endpoint.engine.frames import Output, Refusal
from endpoint.engine.keywords import uses

# XML's NCName without its rarest letters: what may follow the namespace in the name of an element.
_LOCAL_NAME = re.compile(r"[^\W\d][\w.\-]*\Z")
_TYPE = ox.NamedNode("http://www.w3.org/1999/02/22-rdf-syntax-ns#type")
_Results = ox.QuerySolutions | ox.QueryBoolean | ox.QueryTriples


class Oxigraph:
    """A store, and the way to ask it; see endpoint.engine.worker.Store."""

    def __init__(self, store: ox.Store) -> None:
        self.store = store
        # A release whose store also holds the merge of its graphs as the default graph is asked there: the union that
        # pyoxigraph makes at query time counts a triple once for every graph it stands in, and ignores FROM.
        self.merged = next(store.quads_for_pattern(None, None, None, ox.DefaultGraph()), None) is not None

    @classmethod
    def open(cls, folder: Path) -> Self:
        """The store of a release, to be read only. Raises OSError when there is none."""
        return cls(ox.Store.read_only(str(folder)))

    def query(self, text: str, default_graphs: Sequence[str], named_graphs: Sequence[str]) -> "Found":
        """Run a query; see endpoint.engine.worker.Store."""
        results = self.store.query(text, **self._dataset(text, default_graphs, named_graphs))
        # CONSTRUCT gives each triple once; DESCRIBE over a union of graphs does not.
        again = not self.merged and isinstance(results, ox.QueryTriples) and "describe" in text.lower()
        return Found(results, again)

    def _dataset(self, text: str, default: Sequence[str], named: Sequence[str]) -> dict[str, Any]:
        """The dataset asked for (SPARQL 1.1 Protocol, 2.1.4): the request's graphs win over the query's own."""
        if default or named:
            return {
                "default_graph": [ox.NamedNode(iri) for iri in default],
                "named_graphs": [ox.NamedNode(iri) for iri in named],
            }
        # With the union switched on pyoxigraph overlooks FROM.
        return {"use_default_graph_as_union": not self.merged and not uses("from", text)}


class Found:
    """What a query found, yet to be written; `again` says that a triple may come twice."""

    def __init__(self, results: _Results, again: bool = False) -> None:
        self.results, self.again = results, again
        self.kind = {ox.QuerySolutions: "results", ox.QueryBoolean: "boolean"}.get(type(results), "graph")

    def write(self, output: Output, format_: str) -> None:
        """Write it in the format pyoxigraph has under this name."""
        file = cast("IO[bytes]", output)  # all that pyoxigraph calls of it is write()
        if not isinstance(self.results, ox.QueryTriples):
            self.results.serialize(file, format=getattr(ox.QueryResultsFormat, format_))
            return
        rdf = getattr(ox.RdfFormat, format_)
        xml = rdf == ox.RdfFormat.RDF_XML
        if xml or self.again:
            ox.serialize(writable(self.results, set() if self.again else None, xml), file, format=rdf)
        else:
            self.results.serialize(file, format=rdf)


def writable(triples: Iterable[ox.Triple], seen: set[ox.Triple] | None, xml: bool) -> Iterator[ox.Triple]:
    """The triples, each once when `seen` is given; refuses what RDF/XML cannot say (names that are no XML names)."""
    for triple in triples:
        if seen is not None:
            if triple in seen:
                continue
            seen.add(triple)
        if xml:
            for node in (triple.predicate, triple.object if triple.predicate == _TYPE else None):
                if isinstance(node, ox.NamedNode) and not _LOCAL_NAME.match(re.split(r"[/#:?]", node.value)[-1]):
                    raise Refusal(
                        "NotAcceptable", f"RDF/XML cannot write the name {node}: ask for another format.", kind="graph"
                    )
        yield triple
