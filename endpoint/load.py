"""A release loaded into a store: https://www.w3.org/TR/sparql11-http-rdf-update/ (SPARQL 1.1 Graph Store Protocol).

Graph by graph from the dumps, the catalogue too, in chunks: a PUT replaces what the graph held with the first, POSTs
add the others. After each the place is noted in a file outside the release, so that an interrupted load goes on where
it was. A chunk sent again does no harm: a graph is a set, and nothing that is published has a blank node.
"""

import contextlib
import fcntl
import hashlib
import io
import json
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import polars as pl
import pyoxigraph as ox
import requests
from isal import igzip

from endpoint.asking import select
from endpoint.engine import EngineError
from endpoint.engine.connection import CONNECT, refusal, send, session
from endpoint.engine.remote import RemoteEngine
from endpoint.engine.stores import query_address
from endpoint.release import Release
from endpoint.settings import Settings

TYPE: Final = "application/n-triples"
#: What the graph without an IRI is called.
DEFAULT: Final = "default graph"
PAUSES: Final = (0.2, 1.0)  # seconds before a connection that failed is tried again
#: The stage told while the loaded graphs are counted.
COUNTING: Final = "counting"

#: Told: what is under way, how much of it is done, of how much.
Tell = Callable[[str, int, int], None]


class LoadError(Exception):
    """A load that cannot begin or go on; the message says why, and what is to be done."""


class WrongAddress(LoadError):
    """What was asked for cannot be loaded into: the address is none, or its SPARQL endpoint has to be named."""


@dataclass(frozen=True)
class Part:
    """One graph to be loaded: its IRI ("" for the default graph), the files it is made of with the graph each is in.

    `triples` is how many it must have at the end, `sha256` tells its content from that of another release.
    """

    iri: str
    dumps: tuple[tuple[Path, str], ...]
    triples: int
    sha256: str

    @property
    def name(self) -> str:
        """What it is called when told."""
        return self.iri or DEFAULT


@dataclass
class Loaded:
    """What became of one graph: how many triples the store has in it, of how many; and what was done for that.

    `outcome` is loaded, resumed, or unchanged (it was there already, from this same dump).
    """

    graph: str
    triples: int
    found: int
    outcome: str

    @property
    def right(self) -> bool:
        """Whether every triple is there and no other."""
        return self.triples == self.found


@dataclass
class Report:
    """What a load did. `removed` are graphs of a release loaded before that this one does not have.

    `default` is how many triples a query finds that names no graph: 0 means that the store's default graph is neither
    the union nor loaded.
    """

    release: str
    to: str
    graphs: list[Loaded] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    default: int = 0
    seconds: float = 0.0

    @property
    def right(self) -> bool:
        """Whether every count is right."""
        return all(graph.right for graph in self.graphs)


def load(
    release: Release,
    to: str,
    settings: Settings,
    *,
    asked_at: str = "",
    union: bool = False,
    fresh: bool = False,
    tell: Tell = lambda *_: None,
) -> Report:
    """Load a release into the Graph Store at an address, and count what is there at the end.

    `asked_at` is the SPARQL endpoint of the same store, for the counts; without it, the one that goes with the address,
    else the settings' `remote_endpoint`. `union` loads all graphs into the default graph too; `fresh` begins anew.
    Raises LoadError.
    """
    if urlsplit(to).scheme not in ("http", "https") or not urlsplit(to).netloc:
        raise WrongAddress(f"{to} is no http or https address of a Graph Store")
    if "@" in urlsplit(to).netloc:
        raise WrongAddress("no password in an address: it would be told on. Set remote_user and remote_password")
    asked_at = asked_at or query_address(to) or settings.remote_endpoint
    if not asked_at:
        raise WrongAddress(f"where does the store at {to} answer queries? Name it with --query-at, or remote_endpoint")
    began = time.monotonic()
    limits = replace(settings, remote_endpoint=asked_at, query_timeout=settings.load_timeout)
    report = Report(release.id, to)
    engine = RemoteEngine(limits)
    try:
        with _state(to, settings) as state, closing(session(settings)) as connection:
            target = _Target(connection, to, settings, engine)
            parts = [*_graphs(release), *([_union(release)] if union else [])]
            if fresh:
                state.parts.clear()
            outcomes = [_load_part(part, target, state, tell) for part in parts]
            for iri in sorted(set(state.parts) - {part.iri for part in parts} - {""}):
                target.delete(iri)
                state.forget(iri)
                report.removed.append(iri)
            for number, (part, outcome) in enumerate(zip(parts, outcomes, strict=True)):
                tell(COUNTING, number, len(parts))
                report.graphs.append(Loaded(part.name, part.triples, target.count(part.iri), outcome))
                if not report.graphs[-1].right:
                    state.forget(part.iri)  # the next load sends it whole
            report.default = target.count("")
            tell(COUNTING, len(parts), len(parts))
    finally:
        engine.kill()
    report.seconds = time.monotonic() - began
    return report


def _graphs(release: Release) -> Iterator[Part]:
    for told in release.manifest["graphs"]:
        yield Part(told["iri"], ((release.path / told["file"], told["iri"]),), told["triples"], told["sha256"])
    # What the release says of itself is a graph of its store too, but no dump.
    iri = f"{release.base}graph/catalog"
    quads = _described(release.path, iri)
    yield Part(iri, ((release.catalog, iri),), quads.count(b"\n"), hashlib.sha256(quads).hexdigest())


def _described(folder: Path, graph: str) -> bytes:
    """What a release says of itself as N-Quads of a graph, sorted: the graph its own store has. Raises LoadError."""
    name = ox.NamedNode(graph)
    files = [path for path in (folder / "catalog.ttl", folder / "void.ttl") if path.is_file()]
    try:
        found = {ox.Quad(q.subject, q.predicate, q.object, name) for file in files for q in ox.parse(path=str(file))}
    except (OSError, SyntaxError) as fault:
        raise LoadError(f"the catalogue of {folder} cannot be read: {fault}") from fault
    return b"".join(sorted(ox.serialize([quad], format=ox.RdfFormat.N_QUADS) or b"" for quad in found))


def _opened(path: Path, graph: str) -> Any:
    if path.suffix == ".gz":
        return igzip.open(path, "rb")  # type: ignore[no-untyped-call]
    return io.BytesIO(_described(path.parent, graph))


def _union(release: Release) -> Part:
    """All graphs as one. A triple of several graphs counts once: each is known by 64 bits of its hash, 8 bytes each."""
    graphs = list(_graphs(release))
    hashes = [
        pl.Series(chunk.payload.split(b"\n")[:-1], dtype=pl.Binary).hash()
        for part in graphs
        for chunk in _chunks(part, 0, 2**24)
    ]
    every = hashlib.sha256("".join(part.sha256 for part in graphs).encode()).hexdigest()
    dumps = tuple(dump for part in graphs for dump in part.dumps)
    return Part("", dumps, pl.concat(hashes).n_unique() if hashes else 0, every)


@dataclass(frozen=True)
class _Chunk:
    """Some whole lines of a part, as N-Triples; and where in the unpacked dumps, one after another, they end."""

    payload: bytes
    end: int


def _chunks(part: Part, start: int, size: int) -> Iterator[_Chunk]:
    """A part from a place on, which is the end of a chunk, in chunks of about `size` bytes. Raises LoadError."""
    place = 0
    for path, graph in part.dumps:
        end = f" <{graph}> .\n".encode()
        try:
            with _opened(path, graph) as dump:
                while block := dump.read(size):
                    block += dump.readline()
                    place += len(block)
                    if place <= start:
                        continue
                    lines = block.count(b"\n")
                    if place - len(block) < start:  # a former load's chunks were of another size
                        block = block[start - (place - len(block)) :]
                        lines = block.count(b"\n")
                    payload = block.replace(end, b" .\n")
                    if block.count(end) != lines or not block.endswith(b"\n"):
                        raise LoadError(f"{path} has lines that are not of the graph {graph}: build the release again")
                    yield _Chunk(payload, place)
        except (OSError, EOFError, igzip.BadGzipFile) as fault:
            raise LoadError(f"{path} cannot be read: {fault}") from fault


def _load_part(part: Part, target: "_Target", state: "_State", tell: Tell) -> str:
    """Send what the store does not have of a part; gives the outcome."""
    done = state.parts.get(part.iri)
    if done is None and not part.iri and target.count("") == part.triples:
        return "unchanged"  # the store's default graph is the union by itself
    if done is not None and (done["sha256"] != part.sha256 or not target.has(part, done)):
        done = None
    if done is not None and done["whole"]:
        return "unchanged"
    start, sent = (done["bytes"], done["lines"]) if done is not None else (0, 0)
    tell(part.name, sent, part.triples)
    if not part.triples:
        target.put(part.iri, b"")
    for chunk in _chunks(part, start, target.size):
        if sent:
            target.post(part.iri, chunk.payload)
        else:
            # Noted before: a PUT cut off in the middle leaves neither the old graph nor the new one.
            state.forget(part.iri)
            target.put(part.iri, chunk.payload)
        sent += chunk.payload.count(b"\n")
        state.note(part.iri, {"sha256": part.sha256, "bytes": chunk.end, "lines": sent, "whole": False})
        tell(part.name, min(sent, part.triples), part.triples)  # the union is sent with its repetitions
    state.note(part.iri, {"sha256": part.sha256, "bytes": 0, "lines": sent, "whole": True})
    return "loaded" if start == 0 else "resumed"


class _Target:
    """The store that is loaded into."""

    def __init__(self, connection: requests.Session, to: str, settings: Settings, engine: RemoteEngine) -> None:
        self.connection, self.to, self.settings, self.engine = connection, to, settings, engine
        self.size = settings.load_chunk * 1024

    def put(self, graph: str, payload: bytes) -> None:
        """Make this all that a graph holds. Raises LoadError."""
        self._send("PUT", graph, payload)

    def post(self, graph: str, payload: bytes) -> None:
        """Add this to a graph. Raises LoadError."""
        self._send("POST", graph, payload)

    def delete(self, graph: str) -> None:
        """Remove a graph; one that is not there is fine. Raises LoadError."""
        response = self._request("DELETE", graph, b"")
        if response.status_code != 404:
            self._check(response)

    def count(self, graph: str) -> int:
        """How many triples a graph has, or a query without one finds for "". Raises LoadError."""
        pattern = f"GRAPH <{graph}> {{ ?s ?p ?o }}" if graph else "?s ?p ?o"
        try:
            (row,) = select(self.engine, f"SELECT (COUNT(*) AS ?n) {{ {pattern} }}")
        except EngineError as fault:
            raise LoadError(f"{self.engine.settings.remote_endpoint} does not tell what it has: {fault}") from fault
        return int(row["n"].value)

    def has(self, part: Part, done: dict[str, Any]) -> bool:
        """Whether the store still has what was noted to be there. Raises LoadError."""
        found = self.count(part.iri)
        if done["whole"]:
            return found == part.triples
        return found > 0 if part.iri == "" else found >= done["lines"]

    def _send(self, method: str, graph: str, payload: bytes) -> None:
        response = self._request(method, graph, payload)
        if response.status_code == 413 and payload.count(b"\n") > 1:
            # Halves of this one, and smaller ones from now on: where the next chunk is read it will be too large again.
            half = payload.index(b"\n", len(payload) // 2 - 1) + 1
            if half == len(payload):
                half = payload.rindex(b"\n", 0, -1) + 1
            self.size = max(1024, self.size // 2)
            self._send(method, graph, payload[:half])
            self._send("POST", graph, payload[half:])
            return
        self._check(response)

    def _request(self, method: str, graph: str, payload: bytes) -> requests.Response:
        """Send a request, again where the connection fails: each does the same when it is done twice."""
        for pause in (*PAUSES, None):
            try:
                return send(
                    self.connection,
                    method,
                    self.to,
                    params={"graph": graph} if graph else "default",
                    data=payload,
                    headers={"Content-Type": TYPE},
                    timeout=(CONNECT, self.settings.load_timeout),
                )
            except requests.ReadTimeout as fault:
                why = f"does not answer within {self.settings.load_timeout:g} s (load_timeout); this command goes on"
                raise LoadError(f"{self.to} {why}") from fault
            except requests.ConnectionError as fault:
                if pause is None:
                    why = f"no answer from {self.to} ({_cause(fault)}); the same command goes on"
                    raise LoadError(why) from fault
                time.sleep(pause)
            except requests.RequestException as fault:
                raise LoadError(str(fault)) from fault
        raise AssertionError("the last try answers or raises")

    def _check(self, response: requests.Response) -> None:
        status = response.status_code
        if response.ok:
            return
        if status in (401, 403):
            raise LoadError(f"{self.to}: {refusal(status)}")
        said = " ".join(re.sub(r"<[^<>]*>", " ", response.text[:2000]).split())[:300]
        if status in (404, 405, 501):
            raise LoadError(f"{self.to} is no Graph Store that can be written to ({status}): {said}")
        if status == 413:
            raise LoadError(f"{self.to} takes no request as large as a single triple of the release (413): {said}")
        if status >= 500:
            raise LoadError(
                f"the store at {self.to} failed ({status}): {said}; put that right, the same command goes on"
            )
        raise LoadError(f"{self.to} does not take the data ({status}): {said}")


class _State:
    """How far the load into one store has come: for each graph the dump, how much of it is there, whether all is."""

    def __init__(self, path: Path, to: str) -> None:
        self.path, self.to = path, to
        self.parts: dict[str, dict[str, Any]] = {}
        # A file that cannot be read is as good as none: all is loaded anew.
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            self.parts = dict(json.loads(path.read_text(encoding="utf-8"))["parts"])

    def note(self, graph: str, done: dict[str, Any]) -> None:
        """This much of a graph is there."""
        self.parts[graph] = done
        self._write()

    def forget(self, graph: str) -> None:
        """Nothing is known of a graph."""
        if self.parts.pop(graph, None) is not None:
            self._write()

    def _write(self) -> None:
        written = self.path.with_suffix(".new")
        written.write_text(json.dumps({"to": self.to, "parts": self.parts}), encoding="utf-8")
        written.replace(self.path)


@contextmanager
def _state(to: str, settings: Settings) -> Iterator[_State]:
    """The state of the load into a store, for one load at a time. Raises LoadError."""
    folder = settings.load_folder.expanduser()
    path = folder / f"{hashlib.sha256(to.encode()).hexdigest()[:16]}.json"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as fault:
        raise LoadError(f"load_folder cannot be written to: {fault}") from fault
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LoadError(f"another load into {to} is under way") from None
        yield _State(path, to)
    finally:
        os.close(lock)


def _cause(fault: BaseException) -> str:
    """The deepest reason, in the system's words: Connection refused, Name or service not known."""
    found: BaseException = fault
    while (deeper := found.__cause__ or found.__context__) is not None:
        found = deeper
    return (found.strerror if isinstance(found, OSError) else None) or str(found) or type(found).__name__
