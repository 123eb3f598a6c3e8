"""The local engine's indexes of a release: Oxigraph's, filled while the rest of the build goes on, and sparq's.

Each graph is laid down twice: under its name, and in the default graph, which is their union. The union is not made
when asked: oxigraph's own, on the fly, counts a statement of two graphs twice, and a SUM would be wrong.
"""

from __future__ import annotations

import gzip
import io
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Final

import pyoxigraph as ox

#: Bytes of N-Quads loaded at once: what the loader sorts in memory is some ten times this.
PIECE: Final = 32 * 1024**2
#: Loaders at work at once: loading is most of a build, and leaves Python's lock to others.
LOADERS: Final = 2
#: The folder of sparq's index in a release.
SPARQ: Final = "sparq"
_LOAD: Final = "import sys, sparq; sparq.Graph.load(sys.argv[1], 'ntriples').save(sys.argv[2])"


class NotIndexed(Exception):
    """sparq's index could not be made."""


class Index:
    """The index under construction in a folder; leave the block and it is on disk, or the first fault is raised."""

    def __init__(self, folder: Path) -> None:
        self._store = ox.Store(str(folder))
        self._loaders = ThreadPoolExecutor(LOADERS, thread_name_prefix="load")
        self._loads: list[Future[None]] = []

    def __enter__(self) -> Index:
        """Itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait for what was added, unless something went wrong outside, and set the folder free."""
        self._loaders.shutdown(wait=True, cancel_futures=kind is not None)
        if kind is None:
            self.wait()
        self._store.flush()
        del self._store  # RocksDB's lock goes with it

    def add(self, quads: Path, graph: str) -> None:
        """Load a file of N-Quads of one graph; this returns at once, `wait` tells when it is done."""
        for start, end in _pieces(quads):
            self._loads.append(self._loaders.submit(self._load, quads, graph, start, end))

    def wait(self) -> None:
        """Return when all that was added is in the index; raises what went wrong."""
        for load in self._loads:
            load.result()
        self._loads.clear()

    def optimize(self) -> None:
        """Put the index in order, when all is in it: joins become 2 to 7 times faster."""
        self.wait()
        self._store.optimize()

    def view(self, query: Path, graph: str, target: Path) -> None:
        """The answer of a CONSTRUCT query over the index as sorted N-Quads of a graph of its own; else TypeError."""
        self.wait()
        found = self._store.query(query.read_text(encoding="utf-8"))
        if not isinstance(found, ox.QueryTriples):
            raise TypeError(f"{query}: a view is a CONSTRUCT query")
        text = io.BytesIO()
        ox.serialize(found, text, format=ox.RdfFormat.N_TRIPLES)
        end = f" <{graph}> .\n".encode()
        lines = sorted(set(text.getvalue().splitlines()))
        target.write_bytes(b"".join(line.removesuffix(b" .") + end for line in lines))

    def union(self, folder: Path, work: Path) -> None:
        """Make sparq's index of the default graph, in a new folder; raises NotIndexed.

        It gets the union of the graphs and no graph by name, which would cost as much again, and every value as this
        index spells it. It loads in memory, some 370 bytes a statement (5 GB for 13.7 million), in a process of its own
        that gives all of it back.
        """
        self.wait()
        triples = work / "union.nt"
        self._store.dump(str(triples), ox.RdfFormat.N_TRIPLES, from_graph=ox.DefaultGraph())
        command = [sys.executable, "-P", "-c", _LOAD, str(triples), str(folder)]
        done = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False)
        triples.unlink()
        if done.returncode:
            said = done.stderr.strip().splitlines()[-1:] or ["it was ended: most likely memory ran out"]
            raise NotIndexed(f"sparq's index was not made ({said[0]}); set sparq_index = false to build without it")

    def described(self, iris: Iterable[str]) -> list[str] | None:
        """Those of the resources that some statement is about; None where there is no index to ask."""
        self.wait()
        return [iri for iri in iris if next(self._store.quads_for_pattern(ox.NamedNode(iri), None, None, None), None)]

    def keep(self, dump: Path, graph: str, work: Path) -> None:
        """Load a graph of an earlier release from its dump."""
        quads = work / dump.name.removesuffix(".gz")
        unpack(dump, quads)
        self.add(quads, graph)

    def remove(self, quads: Iterable[ox.Quad]) -> None:
        """Take statements out of their graphs, and out of the default graph those that no other graph holds."""
        self.wait()
        for quad in quads:
            self._store.remove(quad)
            told = (quad.subject, quad.predicate, quad.object)
            left = self._store.quads_for_pattern(*told, None)
            if all(isinstance(other.graph_name, ox.DefaultGraph) for other in left):
                self._store.remove(ox.Quad(*told))

    def clear(self, graph: str) -> None:
        """Take out all a graph says."""
        self.wait()
        self.remove(list(self._store.quads_for_pattern(None, None, None, ox.NamedNode(graph))))

    def _load(self, quads: Path, graph: str, start: int, end: int) -> None:
        with quads.open("rb") as file:
            file.seek(start)
            piece = file.read(end - start)
        # A line end is escaped inside a literal, so this is the end of a line and nothing else. Both at once: the terms
        # are then looked up once. They were checked when they were written.
        both = piece + piece.replace(f" <{graph}> .\n".encode(), b" .\n")
        self._store.bulk_load(both, format=ox.RdfFormat.N_QUADS, lenient=True)


class NoIndex(Index):
    """No index: for a release of dumps and tables only."""

    def __init__(self) -> None:
        """Nothing to open."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing to close."""

    def add(self, quads: Path, graph: str) -> None:
        """Nothing to fill."""

    def described(self, iris: Iterable[str]) -> list[str] | None:  # noqa: ARG002
        """None: there is nothing to ask."""
        return None

    def keep(self, dump: Path, graph: str, work: Path) -> None:
        """Nothing to fill."""

    def clear(self, graph: str) -> None:
        """Nothing to empty."""

    def wait(self) -> None:
        """Nothing to wait for."""

    def optimize(self) -> None:
        """Nothing to order."""


def _pieces(quads: Path) -> Iterator[tuple[int, int]]:
    """Where the pieces of a file begin and end, each at the end of a line."""
    size, start = quads.stat().st_size, 0
    with quads.open("rb") as file:
        while start < size:
            file.seek(min(start + PIECE, size) - 1)
            file.readline()
            end = file.tell()
            yield start, end
            start = end


def unpack(dump: Path, quads: Path) -> None:
    """The N-Quads of a dump, in a file."""
    with gzip.open(dump) as packed, quads.open("wb") as file:
        shutil.copyfileobj(packed, file)


def copy(old: Path, new: Path) -> None:
    """A copy of a finished index: its sorted files, which never change, are shared with the old one."""
    new.mkdir()
    for path in old.iterdir():
        if path.suffix == ".sst":
            os.link(path, new / path.name)
        else:
            (new / path.name).write_bytes(path.read_bytes())
