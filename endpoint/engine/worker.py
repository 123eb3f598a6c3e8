"""A worker of the local engine: a process that answers one query at a time over pipes, and can be killed any moment.

It runs as a script (`python worker.py STORE MEMORY SIZE`), imports little so that a replacement starts fast, and ends
by itself when its standard input closes: whatever kills the server, no worker outlives it.

Requests come on standard input, answers go to standard output, both as frames: one byte of kind, four of length (big
endian), then the payload. Request: Q, a JSON object. Answer: H (JSON: the kind of the result), any number of D (bytes
of the answer), then E (the end) or, at any point before it, X (JSON: error, message).
"""

import json
import os
import re
import struct
import sys
import threading
from collections.abc import Iterable, Iterator
from queue import SimpleQueue
from typing import IO, Any, BinaryIO, cast

import pyoxigraph as ox

# Held back until so much is ready: an error this early can still be told as an error.
CHUNK = 64 * 1024

_ESCAPE = re.compile(r"\\u([0-9A-Fa-f]{4})|\\U([0-9A-Fa-f]{8})")
_SERVICE_PATTERN = re.compile(r"(?<![\w:/#?$.\-])service(?:\s+silent)?(?![\w:/#.\-])", re.IGNORECASE)
_UPDATE = re.compile(
    r"(?:\s|\#[^\n\r]*[\n\r]|(?:PREFIX\s+[^\s:]*:|BASE)\s*<[^>]*>)*"
    r"(?:INSERT|DELETE|LOAD|CLEAR|CREATE|DROP|COPY|MOVE|ADD|WITH)\b",
    re.IGNORECASE,
)
# XML's NCName without its rarest letters: what may follow the namespace in the name of an element.
_LOCAL_NAME = re.compile(r"[^\W\d][\w.\-]*\Z")
_TYPE = ox.NamedNode("http://www.w3.org/1999/02/22-rdf-syntax-ns#type")


class Refusal(Exception):
    """A query that is not run; `error` names the EngineError the server raises for it."""

    def __init__(self, error: str, message: str, **more: str) -> None:
        super().__init__(message)
        self.error, self.more = error, more


class Output:
    """The file the serialisers write to: gathers their small pieces into frames and stops at the size allowed."""

    def __init__(self, pipe: BinaryIO, limit: int) -> None:
        self.pipe, self.limit = pipe, limit
        self.waiting = bytearray()
        self.size = 0

    def write(self, data: bytes) -> int:
        """Take some bytes; sends a frame when there are enough. Raises a Refusal past the limit."""
        self.waiting += data
        self.size += len(data)
        if self.size > self.limit:
            # Not sent: the frame that would pass the limit must not look like a good end.
            self.waiting.clear()
            raise Refusal(
                "AnswerTooLarge", f"The answer is larger than {self.limit // 2**20} MiB, the most this endpoint sends."
            )
        if len(self.waiting) >= CHUNK:
            self.flush()
        return len(data)

    def flush(self) -> None:
        """Send what is waiting."""
        if self.waiting:
            self.frame(b"D", bytes(self.waiting))
            self.waiting.clear()

    def frame(self, kind: bytes, payload: bytes) -> None:
        """Send one frame."""
        self.pipe.write(kind + struct.pack(">I", len(payload)) + payload)
        self.pipe.flush()


def uses(keyword: str, text: str) -> bool:
    """Whether a query that parses uses a keyword, judged by the very parser that will run it.

    Telling a keyword from a literal, a comment or an IRI by our own scan can be fooled (`<` opens an IRI or compares,
    which only the grammar knows). So the word is spelt wrong wherever it occurs and the text parsed again: inside
    literals, comments, IRIs and names that changes nothing, a keyword it breaks. An empty store makes it cheap. True
    for a text that does not parse at all.
    """
    word = re.compile(keyword, re.IGNORECASE)
    text = _ESCAPE.sub(_unescape, text)
    if not word.search(text):
        return False
    try:
        ox.Store().query(word.sub(keyword[:-1] + "xx", text))
    except SyntaxError:
        return True
    return False


def refuse_service(text: str) -> None:
    """Raise a Refusal for a query with SERVICE, SyntaxError for one that has the word and does not parse anyway."""
    if not uses("service", text):
        return
    # Never hand the text itself to a parser that might run it: GRAPH stands in, just as long, so places stay right.
    ox.Store().query(_SERVICE_PATTERN.sub(lambda found: "GRAPH".ljust(len(found[0])), text))
    raise Refusal("QueryRefused", "This endpoint does not call other endpoints: SERVICE is not allowed.")


def _unescape(escape: re.Match[str]) -> str:
    code = int(escape[1] or escape[2], 16)
    return chr(code) if code < 128 and chr(code).isalpha() else escape[0]


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


class Worker:
    """The store and the way to ask it."""

    def __init__(self, store: str, answers: BinaryIO, size_limit: int) -> None:
        self.store = ox.Store.read_only(store)
        self.answers, self.size_limit = answers, size_limit
        # A release whose store also holds the merge of its graphs as the default graph is asked there: the union that
        # pyoxigraph makes at query time counts a triple once for every graph it stands in, and ignores FROM.
        self.merged = next(self.store.quads_for_pattern(None, None, None, ox.DefaultGraph()), None) is not None

    def answer(self, request: dict[str, Any]) -> None:
        """Answer one request, or say why not."""
        output = Output(self.answers, self.size_limit)
        try:
            self._run(request, output)
        except Refusal as refusal:
            error = {"error": refusal.error, "message": str(refusal), **refusal.more}
        except SyntaxError as syntax:
            error = {"error": "QuerySyntax", "message": str(syntax)}
            if _UPDATE.match(request["text"]):
                error = {"error": "QueryRefused", "message": "This endpoint is read-only: it runs no updates."}
        except MemoryError:
            error = {"error": "QueryMemory", "message": ""}
        except (OSError, ValueError, RuntimeError) as failure:
            error = {"error": "EngineDown", "message": f"{type(failure).__name__}: {failure}"}
        else:
            output.flush()
            output.frame(b"E", b"")
            return
        output.frame(b"X", json.dumps(error).encode())

    def _run(self, request: dict[str, Any], output: Output) -> None:
        text: str = request["text"]
        refuse_service(text)
        results = self.store.query(text, **self._dataset(request))
        kind = {ox.QuerySolutions: "results", ox.QueryBoolean: "boolean"}.get(type(results), "graph")
        name = request["formats"].get(kind)
        if name is None:
            raise Refusal("NotAcceptable", "None of the media types you accept can write this answer.", kind=kind)
        output.frame(b"H", json.dumps({"kind": kind}).encode())
        file = cast("IO[bytes]", output)  # all that pyoxigraph calls of it is write()
        if not isinstance(results, ox.QueryTriples):
            results.serialize(file, format=getattr(ox.QueryResultsFormat, name))
            return
        rdf = getattr(ox.RdfFormat, name)
        xml = rdf == ox.RdfFormat.RDF_XML
        # CONSTRUCT gives each triple once; DESCRIBE over a union of graphs does not.
        again = set[ox.Triple]() if not self.merged and re.search("describe", text, re.IGNORECASE) else None
        if xml or again is not None:
            ox.serialize(writable(results, again, xml), file, format=rdf)
        else:
            results.serialize(file, format=rdf)

    def _dataset(self, request: dict[str, Any]) -> dict[str, Any]:
        """The dataset asked for (SPARQL 1.1 Protocol, 2.1.4): the request's graphs win over the query's own."""
        default, named = request["default_graphs"], request["named_graphs"]
        if default or named:
            return {
                "default_graph": [ox.NamedNode(iri) for iri in default],
                "named_graphs": [ox.NamedNode(iri) for iri in named],
            }
        # With the union switched on pyoxigraph overlooks FROM.
        return {"use_default_graph_as_union": not self.merged and not uses("from", request["text"])}


def limit_memory(mebibytes: int) -> None:
    """A second net under the server's watch over resident memory; RLIMIT_DATA does not count mapped store files."""
    if sys.platform == "linux":
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (mebibytes * 2**20, mebibytes * 2**20))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def read_requests(pipe: BinaryIO, requests: "SimpleQueue[dict[str, Any]]") -> None:
    """Pass on the requests, and end the process at once when the server is gone, even in the middle of a query."""
    while True:
        head = pipe.read(5)
        if len(head) < 5:
            os._exit(0)
        payload = pipe.read(struct.unpack(">I", head[1:])[0])
        requests.put(json.loads(payload))


def main() -> None:
    """Serve the store named on the command line until standard input closes."""
    store, memory, size = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    # Nothing that happens to print may fall among the frames.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    limit_memory(memory)
    worker = Worker(store, answers, size * 2**20)
    requests: SimpleQueue[dict[str, Any]] = SimpleQueue()
    threading.Thread(target=read_requests, args=(sys.stdin.buffer, requests), daemon=True).start()
    output = Output(answers, 0)
    output.frame(b"H", json.dumps({"merged": worker.merged}).encode())
    while True:
        worker.answer(requests.get())


if __name__ == "__main__":
    main()
