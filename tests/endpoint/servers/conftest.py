"""Two servers of others, started for real: Oxigraph's (from PyPI) and Apache Jena Fuseki (by `make install-dev`)."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import pytest
import requests

HERE = Path(__file__).parent
FUSEKI = HERE.parents[2] / ".venv-peers" / "servers" / "jena-fuseki-server.jar"


@dataclass
class Store:
    """A dataset of a server that runs: which store it is, its Graph Store, its SPARQL endpoint."""

    kind: str
    data: str
    query: str


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(command: list[str], ready: str, folder: Path, log: IO[bytes]) -> Iterator[None]:
    """Run a server until the block ends, which begins when an address of its answers."""
    process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=subprocess.STDOUT)
    try:
        until = time.monotonic() + 60
        while True:
            assert process.poll() is None, Path(log.name).read_text()
            assert time.monotonic() < until, Path(log.name).read_text()
            try:
                requests.get(ready, params={"query": "ASK {}"}, timeout=5)
                break
            except requests.ConnectionError:
                time.sleep(0.05)
        yield
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="session")
def oxigraph_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., str]]:
    """Start Oxigraph servers, in memory; gives their addresses. They run to the end of the session."""
    binary = Path(sys.executable).with_name("oxigraph")
    if not binary.is_file():
        pytest.skip("needs Oxigraph's server (`make install-dev`), which is not installed here")
    folder = tmp_path_factory.mktemp("oxigraph")
    stop: list[Any] = []

    def start(*options: str) -> str:
        port = free_port()
        log = (folder / f"{port}.log").open("wb")
        address = f"http://127.0.0.1:{port}"
        command = [str(binary), "serve", "--bind", f"127.0.0.1:{port}", *options]
        server = running(command, f"{address}/query", folder, log)
        server.__enter__()
        stop.append((server, log))
        return address

    yield start
    for server, log in stop:
        server.__exit__(None, None, None)
        log.close()


@pytest.fixture(scope="session")
def fuseki(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Fuseki with the datasets of fuseki.ttl, in memory; gives its address."""
    java = shutil.which("java")
    if java is None or not FUSEKI.is_file():
        pytest.skip("needs Java and Apache Jena Fuseki (`make install-dev`), which are not both on this machine")
    folder, port = tmp_path_factory.mktemp("fuseki"), free_port()
    # The C1 compiler and one thread of garbage collection: started fast, on a machine with little.
    command = [java, "-Xmx512m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", str(FUSEKI)]
    command += ["org.apache.jena.fuseki.main.cmds.FusekiMainCmd", "--localhost", f"--port={port}"]
    command += [f"--config={HERE / 'fuseki.ttl'}", f"--passwd={HERE / 'fuseki.passwd'}", "--auth=basic"]
    address = f"http://127.0.0.1:{port}"
    with (folder / "log").open("wb") as log, running(command, f"{address}/plain/query", folder, log):
        yield address


@pytest.fixture(scope="session", params=["oxigraph", "fuseki"])
def store(request: pytest.FixtureRequest) -> Store:
    """Each server, its default graph no union by itself."""
    if request.param == "fuseki":
        address = request.getfixturevalue("fuseki")
        return Store("fuseki", f"{address}/plain/data", f"{address}/plain/query")
    address = request.getfixturevalue("oxigraph_servers")()
    return Store("oxigraph", f"{address}/store", f"{address}/query")
