"""A small release of invented projects, and servers over it."""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pyoxigraph as ox
import pytest
import requests
from flask.testing import FlaskClient

from endpoint import create_app
from endpoint.engine.local import LocalEngine
from endpoint.settings import Settings

DATA = Path(__file__).parent / "data"
BASE = "https://w3id.org/cupola/"
Build = Callable[..., Path]


def build_release(releases: Path, name: str = "2026-01-02T030405Z", *, merged: bool = True, title: str = "") -> Path:
    """Write a release from data/ as `cupola build` lays it out, and make it current.

    `merged` puts the union of the graphs in the store's default graph too; `title` replaces that of the first project.
    """
    folder = releases / name
    (folder / "data").mkdir(parents=True)
    (folder / "tables").mkdir()
    quads = list(ox.parse(path=str(DATA / "release.nq"), format=ox.RdfFormat.N_QUADS))
    quads += ox.parse(path=str(DATA / "provenance.trig"), format=ox.RdfFormat.TRIG)
    if title:
        old = ox.Literal("Biblioteca di quartiere", language="it")
        new = ox.Literal(title, language="it")
        quads = [ox.Quad(q.subject, q.predicate, new if q.object == old else q.object, q.graph_name) for q in quads]
    graphs = []
    for graph in sorted({str(q.graph_name)[1:-1] for q in quads}):
        inside = [q for q in quads if q.graph_name == ox.NamedNode(graph)]
        file = f"data/{graph.rpartition('/')[2]}.nq.gz"
        (folder / file).write_bytes(gzip.compress(ox.serialize(inside, format=ox.RdfFormat.N_QUADS) or b"", mtime=0))
        sha256 = hashlib.sha256((folder / file).read_bytes()).hexdigest()
        size = (folder / file).stat().st_size
        graphs.append({"iri": graph, "file": file, "triples": len(inside), "bytes": size, "sha256": sha256})
    store = ox.Store(str(folder / "store"))
    store.bulk_extend(quads)
    if merged:
        store.bulk_extend(ox.Quad(q.subject, q.predicate, q.object) for q in quads)
    store.flush()
    del store
    with sqlite3.connect(folder / "search.sqlite") as base, (DATA / "projects.csv").open(newline="") as file_:
        rows = list(csv.DictReader(file_))
        types = {"problems": "INTEGER"} | {name: "REAL" for name in rows[0] if name.endswith("_amount")}
        columns = ", ".join(f"{name} {types.get(name, 'TEXT')}" for name in rows[0])
        base.execute(f"CREATE TABLE project ({columns})")
        text = "title, description, cup, local_code, city"
        base.execute(
            f"CREATE VIRTUAL TABLE project_fts USING fts5({text}, bodies, tokenize='unicode61 remove_diacritics 2')"
        )
        for row in rows:
            base.execute(f"INSERT INTO project VALUES ({', '.join('?' * len(row))})", list(row.values()))
        base.execute(f"INSERT INTO project_fts(rowid, {text}) SELECT rowid, {text} FROM project")
        base.execute("CREATE TABLE problem (iri TEXT, severity TEXT, code TEXT)")
        kind = "severity, code, published INTEGER, occurrences INTEGER, title_it, title_en"
        base.execute(f"CREATE TABLE problem_kind ({kind})")
        base.execute("INSERT INTO problem VALUES (?, 'warning', 'date.odd')", [f"{BASE}id/problem/prova/1"])
        base.execute("CREATE TABLE gone (path TEXT PRIMARY KEY, last TEXT)")
        base.execute("INSERT INTO gone VALUES ('id/project/G00X00000000000', '2025-12-31T000000Z')")
        base.execute("INSERT INTO problem_kind VALUES ('warning', 'date.odd', 1, 1, NULL, NULL)")
    base.close()
    (folder / "catalog.ttl").write_text(
        f"@prefix dcat: <http://www.w3.org/ns/dcat#> .\n<{BASE}catalog> a dcat:Catalog .\n"
    )
    (folder / "void.ttl").write_text(
        f"@prefix void: <http://rdfs.org/ns/void#> .\n<{BASE}id/dataset> a void:Dataset .\n"
    )
    (folder / "tables" / "prova.parquet").write_bytes(b"PAR1 stands for a table PAR1")
    licence = "https://creativecommons.org/licenses/by/4.0/"
    source = {"id": "prova", "title": {"it": "Prova", "en": "Trial"}, "publisher": "Nessuno", "licence": licence}
    manifest = {
        "id": name,
        "created": f"{name[:13]}:{name[13:15]}:{name[15:17]}Z",
        "base": BASE,
        "inputs": [
            *copied(folder),
            {"source": "prova", "file": "tabella.csv", "sha256": "0" * 64, "bytes": 12, "rows": 1},
        ],
        "sources": [{**source, "homepage": "https://example.org/", "read": 12, "published": 12, "withheld": 0}],
        "graphs": graphs,
        "triples": len(quads),
        "problems": {"violation": 0, "warning": 1, "info": 0, "codes": {"date.odd": 1}},
        "gone": 1,
        "versions": {},
        "timings": {},
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))
    new_link = releases / "next"
    new_link.symlink_to(name)
    new_link.replace(releases / "current")
    return folder


def copied(folder: Path) -> list[dict[str, object]]:
    """Copy the files that were read into a release; gives what its manifest says of them."""
    (folder / "copies").mkdir()
    inputs: list[dict[str, object]] = []
    with (DATA / "copies.csv").open(newline="", encoding="utf-8") as table:
        for row in csv.DictReader(table):
            told: dict[str, str | None] = {name: value or None for name, value in row.items() if name != "copy"}
            file = DATA / "copies" / row["copy"]
            sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
            shutil.copyfile(file, folder / "copies" / sha256)
            inputs.append({"source": "prova", "sha256": sha256, "bytes": file.stat().st_size, "rows": 1, **told})
    return inputs


@pytest.fixture
def build() -> Build:
    """`build_release`, for tests that make more than one."""
    return build_release


@pytest.fixture(scope="session")
def releases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of releases with one in it; for reading only."""
    folder = tmp_path_factory.mktemp("releases")
    build_release(folder)
    return folder


@pytest.fixture(scope="session")
def release(releases: Path) -> Path:
    """The folder of that one release."""
    return (releases / "current").resolve()


@pytest.fixture(scope="session")
def engine(release: Path, releases: Path) -> Iterator[LocalEngine]:
    """A local engine over the release, with the usual limits."""
    engine = LocalEngine(release / "store", Settings(releases=releases))
    yield engine
    engine.kill()


@dataclass
class Server:
    """A server as `cupola serve` runs it, in a process of its own."""

    process: subprocess.Popen[str]
    url: str

    def get(self, path: str, accept: str | None = None, **options: object) -> requests.Response:
        """GET, following no redirects."""
        headers = {"Accept": accept, "User-Agent": "test"}
        return requests.get(self.url + path, headers=headers, timeout=20, allow_redirects=False, **options)  # type: ignore[arg-type]

    def ask(self, query: str, accept: str | None = None) -> requests.Response:
        """Ask /sparql, by GET."""
        return self.get("/sparql", accept, params={"query": query})

    def workers(self) -> set[int]:
        """The process ids of its workers."""
        children = Path(f"/proc/{self.process.pid}/task").glob("*/children")
        return {int(pid) for file in children for pid in file.read_text().split()}

    def stop(self) -> int:
        """Stop it as Ctrl-C does; gives the exit code."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(timeout=20)


START = """
import ast, sys
from pathlib import Path
from endpoint.server import CannotListen, run
from endpoint.settings import Settings
options = ast.literal_eval(sys.argv[2])
try:
    run(Settings(releases=Path(sys.argv[1]), **options), lambda url: print(url, flush=True))
except CannotListen as error:
    sys.exit(str(error))
"""


def start_server(releases: Path, **settings: object) -> Server:
    """Start a server on a free port and wait until it answers."""
    options = repr({"port": 0, "stop_timeout": 0.5, **settings})
    process = subprocess.Popen([sys.executable, "-c", START, releases, options], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return Server(process, process.stdout.readline().strip())


Start = Callable[..., Server]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start servers; they are stopped after the test."""
    started: list[Server] = []

    def start(releases: Path, **settings: object) -> Server:
        started.append(start_server(releases, **settings))
        return started[-1]

    yield start
    for server in started:
        if server.process.poll() is None:
            server.process.kill()
            server.process.wait()
        if server.process.stdout is not None:
            server.process.stdout.close()


@pytest.fixture(scope="module")
def client(releases: Path) -> Iterator[FlaskClient]:
    """The application over the releases of the module: its own, where it has a fixture of that name."""
    app = create_app(Settings(releases=releases))
    yield app.test_client()
    app.extensions["cupola"].close()


@pytest.fixture(scope="session")
def server(releases: Path) -> Iterator[Server]:
    """A server over the release, with the usual limits."""
    server = start_server(releases)
    yield server
    assert server.stop() == 0
    assert server.process.stdout is not None
    server.process.stdout.close()


@pytest.fixture(scope="session")
def strict(releases: Path) -> Iterator[Server]:
    """A server with tight limits: two seconds, 300 MiB, 4 MiB of answer."""
    server = start_server(
        releases,
        query_timeout=2.0,
        query_memory=300,
        max_answer_size=4,
        queue_timeout=1.0,
        max_query_length=20_000,
        client_queries=2,
    )
    yield server
    server.stop()
    assert server.process.stdout is not None
    server.process.stdout.close()
