"""The servers that are measured side by side, each started in a process of its own over the same data."""

from __future__ import annotations

import gzip
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

from benchmarks.load import Address

ROOT = Path(__file__).parent.parent
PEERS = ROOT / ".venv-peers" / "bin"


class Missing(Exception):
    """A peer that is not installed, or does not start."""


@dataclass(frozen=True)
class Server:
    """A server that runs: where, and its process."""

    address: Address
    pid: int

    @property
    def processor(self) -> float:
        """Seconds of all processors that it and the processes it started have used; 0 where there is no /proc."""
        ticks = 0
        for pid in family(self.pid):
            with suppress(FileNotFoundError):  # it has just ended
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                ticks += sum(map(int, fields[11:15]))  # its own, and those of children that ended
        return ticks / os.sysconf("SC_CLK_TCK")


def family(pid: int) -> list[int]:
    """A process and those it started, as far as /proc tells."""
    found = [pid]
    for each in found:
        for children in Path(f"/proc/{each}/task").glob("*/children"):
            with suppress(FileNotFoundError):  # a thread that has just ended
                found += map(int, children.read_text().split())
    return found


@contextmanager
def cupola(releases: Path, **settings: object) -> Iterator[Server]:
    """`cupola serve` over the current release, with settings of the endpoint."""
    command = [str(Path(sys.executable).with_name("cupola")), "serve", "--releases", str(releases)]
    # All clients here are one to it: fair sharing would leave it half of its workers. Queries wait in threads.
    chosen = {"client_queries": 64, "threads": 64, **settings}
    environment = {f"CUPOLA_{name.upper()}": str(value) for name, value in chosen.items()}
    with _running(command, "/health", environment) as server:
        yield server


@contextmanager
def oxigraph(store: Path, folder: Path, binary: Path | None = None) -> Iterator[Server]:
    """`oxigraph serve-read-only` over the release's own store, by links in another folder: it writes a log there."""
    linked = folder / "store"
    if not linked.exists():
        linked.mkdir()
        for file in store.iterdir():
            os.link(file, linked / file.name) if _same_disk(file, folder) else (linked / file.name).symlink_to(file)
    command = [str(binary or PEERS / "oxigraph"), "serve-read-only", "--location", str(linked)]
    with _running(command, "/", {}, port="--bind") as server:
        yield server


@contextmanager
def rdflib_endpoint(dumps: list[Path], folder: Path, binary: Path | None = None) -> Iterator[Server]:
    """rdflib-endpoint over some dumps, which it holds in memory."""
    file = folder / "cut.nq"
    with file.open("wb") as target:
        for dump in dumps:
            target.write(gzip.decompress(dump.read_bytes()))
    command = [str(binary or PEERS / "rdflib-endpoint"), "serve", "--host", "127.0.0.1", str(file)]
    with _running(command, "/?" + urlencode({"query": "ASK {}"}), {}, patience=300) as server:
        yield server


def _same_disk(file: Path, folder: Path) -> bool:
    return file.stat().st_dev == folder.stat().st_dev


@contextmanager
def _running(
    command: list[str], probe: str, environment: Mapping[str, str], *, port: str = "--port", patience: float = 60
) -> Iterator[Server]:
    """A server on a free port, once it answers; stopped at the end. Raises Missing when it does not."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        address: Address = free.getsockname()
    option = [port, f"{address[0]}:{address[1]}" if port == "--bind" else str(address[1])]
    quiet = subprocess.DEVNULL
    try:
        server = subprocess.Popen([*command, *option], stdout=quiet, stderr=quiet, env={**os.environ, **environment})
    except FileNotFoundError as gone:
        raise Missing(f"{command[0]} is not installed: make install-dev") from gone
    try:
        until = time.monotonic() + patience
        while not _answers(address, probe):
            if server.poll() is not None or time.monotonic() > until:
                raise Missing(f"{' '.join(command)}: it did not start")
            time.sleep(0.1)
        yield Server(address, server.pid)
    finally:
        server.terminate()
        try:
            server.wait(timeout=20)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _answers(address: Address, probe: str) -> bool:
    try:
        with socket.create_connection(address, timeout=5) as client:
            client.sendall(f"GET {probe} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
            return client.recv(12).startswith(b"HTTP/1.1")
    except OSError:
        return False
