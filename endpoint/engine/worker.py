"""A worker of the local engine: a process that answers one query at a time over pipes, and can be killed any moment.

It imports little so that a replacement starts fast (see __main__.py), and ends by itself when its standard input
closes: whatever kills the server, no worker outlives it. Requests come on standard input, answers go to standard
output, as the frames of endpoint.engine.frames.
"""

import importlib
import json
import os
import struct
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from queue import SimpleQueue
from typing import Any, BinaryIO, Protocol, cast

from endpoint.engine.frames import Output, Refusal
from endpoint.engine.keywords import is_update, refuse_service

# The engines by name: the module of this folder, and its class. Only the one that is used is imported.
ENGINES = {"oxigraph": "Oxigraph", "sparq": "Sparq"}


class Found(Protocol):
    """What a query found: its kind ("results", "boolean" or "graph"), and the way to write it."""

    kind: str

    def write(self, output: Output, format_: str) -> None:
        """Write it in a format, by the name pyoxigraph has for it (endpoint.formats). May raise a Refusal."""


class Store(Protocol):
    """What an engine does with the store of a release; `merged`: its default graph is the union of its graphs."""

    merged: bool

    def query(self, text: str, default_graphs: Sequence[str], named_graphs: Sequence[str]) -> Found:
        """Run a query that has no SERVICE, over these graphs if any are named.

        Raises SyntaxError for what is no query, OSError, ValueError or RuntimeError where the engine fails.
        """


def open_store(engine: str, folder: Path) -> Store:
    """The store of a release, through an engine. Raises OSError when there is none."""
    module = importlib.import_module(f"endpoint.engine.{engine}")
    return cast("Store", getattr(module, ENGINES[engine]).open(folder))


class Worker:
    """The store and the way to ask it."""

    def __init__(self, store: Store, answers: BinaryIO, size_limit: int) -> None:
        self.store, self.answers, self.size_limit = store, answers, size_limit

    def answer(self, request: dict[str, Any]) -> None:
        """Answer one request, or say why not."""
        output = Output(self.answers, self.size_limit)
        try:
            self._run(request, output)
        except Refusal as refusal:
            error = {"error": refusal.error, "message": str(refusal), **refusal.more}
        except SyntaxError as syntax:
            error = {"error": "QuerySyntax", "message": str(syntax)}
            if is_update(request["text"]):
                error = {"error": "QueryRefused", "message": "This endpoint is read-only: it runs no updates."}
        except MemoryError:
            error = {"error": "QueryMemory", "message": ""}
        except (OSError, ValueError, RuntimeError) as failure:
            # All pyoxigraph has to say that a function the query calls does not exist.
            unknown = "custom function" in str(failure)
            error = {"error": "QueryRefused", "message": f"{failure} here."} if unknown else _failed(failure)
        else:
            output.flush()
            output.frame(b"E", b"")
            return
        output.frame(b"X", json.dumps(error).encode())

    def _run(self, request: dict[str, Any], output: Output) -> None:
        refuse_service(request["text"])
        found = self.store.query(request["text"], request["default_graphs"], request["named_graphs"])
        name = request["formats"].get(found.kind)
        if name is None:
            raise Refusal("NotAcceptable", "None of the media types you accept can write this answer.", kind=found.kind)
        output.frame(b"H", json.dumps({"kind": found.kind}).encode())
        found.write(output, name)


def _failed(failure: Exception) -> dict[str, str]:
    return {"error": "EngineDown", "message": f"{type(failure).__name__}: {failure}"}


def limit_memory(mebibytes: int) -> None:
    """A second net under the server's watch over memory; RLIMIT_DATA does not count mapped store files."""
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
    engine, folder, memory, size = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    # Nothing that happens to print may fall among the frames.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    limit_memory(memory)
    store = open_store(engine, folder)
    worker = Worker(store, answers, size * 2**20)
    requests: SimpleQueue[dict[str, Any]] = SimpleQueue()
    threading.Thread(target=read_requests, args=(sys.stdin.buffer, requests), daemon=True).start()
    Output(answers, 0).frame(b"H", json.dumps({"merged": store.merged}).encode())
    while True:
        worker.answer(requests.get())
