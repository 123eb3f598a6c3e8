"""Many clients of every kind against one server for a long time, while its workers are killed and releases switched.

    python -m benchmarks.soak [FIRST SECOND] [--seconds 600]

FIRST and SECOND are folders of two releases with different data (without them: made from the example sheets, the
second without one of them). First everything in soak.toml is asked of each in peace; then, at the same time: look-ups
and pages, long answers read slowly, clients that go away, queries past the limits, hostile requests; a worker is killed
(kill -9) now and then, and `current` points to the other release every few seconds.

What must hold: an answer is that of the release its X-Cupola-Release names, to the byte; none is 500; a refusal is 429
or 503, with Retry-After; an answer that is not whole shows it, and no more of them break off than workers were killed.
At the end no process or file descriptor is left over, and memory has not grown. Ends with code 1 when something failed.
"""

from __future__ import annotations

import argparse
import hashlib
import http.client
import os
import random
import shutil
import signal
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from benchmarks import servers
from benchmarks.load import Address

ASKED = Path(__file__).with_suffix(".toml")
EXAMPLES = servers.ROOT / "examples"
SETTINGS = {
    "query_timeout": 5,
    "query_memory": 512,
    "queue_timeout": 4,
    "workers": 2,
    "client_queries": 0,
    "threads": 16,
}
RESOURCES = 8  # of each release
CRASH = (BrokenPipeError, ConnectionResetError, http.client.IncompleteRead, http.client.RemoteDisconnected)
FLAT = 60  # seconds from which memory is judged: before, caches fill


@dataclass(frozen=True)
class Request:
    """A GET: its path, and what it accepts."""

    path: str
    accept: str = "*/*"


@dataclass(frozen=True)
class Answer:
    """What came back: status, release, whether Retry-After was there, and a digest of the body."""

    status: int
    release: str
    retry: bool
    digest: str


@dataclass
class Sample:
    """The server at a moment: seconds since the start, MiB of it and of its workers, open files, processes."""

    at: float
    server: float
    workers: float
    files: int
    processes: int


@dataclass
class Soak:
    """One run: the server, what it must answer, and what was seen."""

    server: servers.Server
    releases: Path
    names: tuple[str, str]
    expected: dict[tuple[str, Request], Answer] = field(default_factory=dict)
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, who: str, what: str) -> None:
        """One more of something."""
        with self.lock:
            self.counts[who, what] += 1

    def fault(self, text: str) -> None:
        """Something that must not happen."""
        with self.lock:
            self.faults.append(text)

    def total(self, what: str) -> int:
        """How many of something there were, whoever saw it."""
        return sum(number for (_, name), number in self.counts.items() if name == what)

    def switch(self, name: str) -> None:
        """Make a release current as `cupola publish` does: a new link takes the place of the old in one step."""
        link = self.releases / "next"
        link.symlink_to(name)
        link.replace(self.releases / "current")

    def learn(self, requests: list[Request]) -> None:
        """Ask everything of each release, in peace."""
        for name in self.names:
            self.switch(name)
            with closing(Client(self.server.address, "127.0.0.1")) as client:
                until = time.monotonic() + 60
                while client.ask(Request("/health")).release != name:
                    assert time.monotonic() < until, f"release {name} is not served"
                    time.sleep(0.2)
                for request in requests:
                    answer = client.ask(request)
                    assert answer.release == name
                    assert answer.status in (200, 404, 410), f"{answer.status} for {request.path}"
                    self.expected[name, request] = answer

    def check(self, who: str, request: Request, answer: Answer) -> None:
        """Count an answer; a wrong one is a fault."""
        known = self.expected.get((answer.release, request))
        if answer.status in (429, 503):
            self.count(who, "refused")
            if not answer.retry:
                self.fault(f"{answer.status} without Retry-After: {request.path}")
        elif answer.status == 502:
            self.count(who, "worker gone")
        elif known is None:
            self.fault(f"{answer.status} of release {answer.release or 'none'}: {request.path}")
        elif answer.status != known.status or (known.status == 200 and answer.digest != known.digest):
            self.fault(f"a wrong answer ({answer.status}) of release {answer.release}: {request.path}")
        else:
            self.count(who, "right")

    def sample(self, began: float) -> None:
        """Note how the server is."""
        pid, *others = servers.family(self.server.pid)
        with suppress(FileNotFoundError):  # a worker that has just been killed
            files = len(os.listdir(f"/proc/{pid}/fd"))  # noqa: PTH208 - only their number
            memory = [_resident(each) for each in (pid, *others)]
            self.samples.append(Sample(time.monotonic() - began, memory[0], sum(memory[1:]), files, len(others)))


class Client:
    """A connection kept open, from an address of its own: the server shares its places among addresses."""

    def __init__(self, server: Address, own: str) -> None:
        self.http = http.client.HTTPConnection(*server, timeout=30, source_address=(own, 0))

    def open(self, request: Request) -> http.client.HTTPResponse:
        """Send a request and read the head of its answer."""
        self.http.request("GET", request.path, headers={"Host": "soak.example", "Accept": request.accept})
        return self.http.getresponse()

    def ask(self, request: Request, pause: float = 0.0) -> Answer:
        """Send a request and read its answer; `pause` seconds between two pieces of it."""
        answer = self.open(request)
        digest = hashlib.sha256()
        while piece := answer.read(65536):
            digest.update(piece)
            time.sleep(pause)
        if answer.length:  # read(n) says nothing of an end that came too soon
            raise http.client.IncompleteRead(b"", answer.length)
        headers = answer.headers
        return Answer(answer.status, headers.get("X-Cupola-Release", ""), "Retry-After" in headers, digest.hexdigest())

    def close(self) -> None:
        """Close the connection."""
        self.http.close()


def _resident(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


# The clients; each is called again and again until the time is over.


def looking_up(soak: Soak, client: Client, requests: list[Request], who: str = "look-ups and pages") -> None:
    """Ask something, and compare."""
    request = random.choice(requests)
    try:
        soak.check(who, request, client.ask(request, 0.002 if who == "slow readers" else 0))
    except CRASH:
        client.close()
        soak.count(who, "broken off")


def reading_slowly(soak: Soak, client: Client, requests: list[Request]) -> None:
    """Ask something long, read it slowly, and compare."""
    looking_up(soak, client, requests, "slow readers")


def going_away(soak: Soak, client: Client, requests: list[Request]) -> None:
    """Ask something long and go away in the middle of it, or before it begins."""
    request = random.choice(requests)
    try:
        if random.random() < 0.5:
            client.open(request).read(random.randrange(200_000))
        else:
            client.http.request("GET", request.path)
            time.sleep(random.random() * 0.2)
    except CRASH:
        soak.count("clients that go away", "broken off")
    client.close()
    soak.count("clients that go away", "gone")


def asking_too_much(soak: Soak, client: Client, requests: list[Request]) -> None:
    """Ask what passes the limits; it must be refused."""
    request = random.choice(requests)
    try:
        answer = client.ask(request)
        soak.check("heavy queries", request, answer)  # answered with 200 it is a fault: nothing is expected
    except CRASH:
        client.close()
        soak.count("heavy queries", "broken off")


def attacking(soak: Soak, _client: Client, requests: list[str]) -> None:
    """Send something hostile over a connection of its own."""
    raw = random.choice(requests)
    with socket.create_connection(soak.server.address, timeout=5) as connection, suppress(OSError):
        connection.sendall(raw.encode("latin-1"))
        connection.shutdown(socket.SHUT_WR)
        head = connection.recv(65536).decode("latin-1")
        status = head.split()[1] if head else "closed"
        if status.startswith("2") or status == "500":
            soak.fault(f"{status} for {raw[:60]!r}")
        if "set-cookie" in head.lower():
            soak.fault(f"a header of the client's in the answer to {raw[:60]!r}")
        soak.count("hostile requests", "refused" if status != "closed" else "closed")
    time.sleep(0.05)  # the others are to get their turn


def killing(soak: Soak) -> None:
    """Kill a worker."""
    workers = servers.family(soak.server.pid)[1:]
    if workers:
        with suppress(ProcessLookupError):
            os.kill(random.choice(workers), signal.SIGKILL)
            soak.count("workers", "killed")


def run(soak: Soak, drawn: dict[str, list[Any]], seconds: float, kill_every: float, switch_every: float) -> None:
    """Let all clients loose for some seconds, then wait until the server is at rest."""
    began = time.monotonic()
    kinds: list[tuple[Callable[[Soak, Client, list[Any]], None], list[Any], int]] = [
        (looking_up, drawn["steady"], 4),
        (reading_slowly, drawn["long"], 2),
        (going_away, drawn["long"], 1),
        (asking_too_much, drawn["heavy"], 1),
        (attacking, drawn["hostile"], 1),
    ]
    threads: list[threading.Thread] = []
    for work, requests, number in kinds:
        for _ in range(number):
            own = f"127.0.0.{len(threads) + 2}"
            threads.append(threading.Thread(target=_again, args=(soak, work, own, requests), daemon=True))
    for thread in threads:
        thread.start()
    next_kill, next_switch, turn = kill_every, switch_every, 0
    while (now := time.monotonic() - began) < seconds:
        soak.sample(began)
        if now > next_kill:
            killing(soak)
            next_kill = now + kill_every * (0.5 + random.random())
        if now > next_switch:
            turn = 1 - turn
            soak.switch(soak.names[turn])
            soak.count("releases", "switched")
            next_switch = now + switch_every
        time.sleep(0.25)
    soak.over.set()
    for thread in threads:
        thread.join(timeout=60)
        if thread.is_alive():
            soak.fault("a client waits for an answer that does not come")


def _again(soak: Soak, work: Callable[[Soak, Client, list[Any]], None], own: str, requests: list[Any]) -> None:
    client = Client(soak.server.address, own)
    while not soak.over.is_set():
        try:
            work(soak, client, requests)
        except Exception as error:
            client.close()
            soak.fault(f"{work.__name__}: {type(error).__name__}: {error}")
            time.sleep(0.1)
    client.close()


def judge(soak: Soak, at_rest: Sample, seconds: float) -> None:
    """What is left over when all is done, and how memory went."""
    end = time.monotonic() + 30
    wanted = at_rest.processes
    while time.monotonic() < end:
        soak.sample(time.monotonic() - seconds)
        last = soak.samples[-1]
        if last.processes == wanted and last.files <= at_rest.files + 2:
            break
        time.sleep(0.5)
    else:
        soak.fault(f"left over: {last.processes} processes for {wanted}, {last.files} files for {at_rest.files}")
    if (broken := soak.total("broken off") + soak.total("worker gone")) > (killed := soak.total("killed")):
        soak.fault(f"{broken} answers broken off by {killed} workers killed")
    if seconds >= 2 * FLAT and slope(soak.samples, "server") > 3:
        soak.fault(f"the server grows by {slope(soak.samples, 'server'):.1f} MiB a minute")


def slope(samples: list[Sample], name: str) -> float:
    """MiB a minute by which memory grew, after the first minute (or half of a shorter run)."""
    start = min(FLAT, samples[-1].at / 2)
    points = [(each.at, getattr(each, name)) for each in samples if each.at >= start]
    if len(points) < 3:
        return 0.0
    return statistics.linear_regression(*zip(*points, strict=True)).slope * 60


def tell(soak: Soak, at_rest: Sample, seconds: float) -> None:
    """Print the summary."""
    print(f"{seconds:.0f} seconds, releases {' and '.join(soak.names)}")
    for (who, what), number in sorted(soak.counts.items()):
        print(f"  {who:<24}{what:<14}{number:>9,}")
    last = soak.samples[-1]
    for name in ("server", "workers"):
        values = [getattr(each, name) for each in soak.samples]
        print(
            f"  memory of {name:<14}{getattr(at_rest, name):>7.0f} MiB before, {max(values):.0f} at most, "
            f"{values[-1]:.0f} after, {slope(soak.samples, name):+.2f} MiB a minute"
        )
    print(
        f"  open files {at_rest.files} before, {last.files} after; processes {at_rest.processes} and {last.processes}"
    )
    print(f"  {len(soak.faults)} faults")
    for text, number in Counter(soak.faults).most_common(20):
        print(f"    {number} times: {text}")


def drawn(releases: list[Path]) -> dict[str, list[Any]]:
    """The requests of soak.toml, with resources and codes of both releases."""
    told = tomllib.loads(ASKED.read_text(encoding="utf-8"))
    found: set[tuple[str, str]] = set()
    for release in releases:
        with closing(
            sqlite3.connect(f"file:{quote(str(release / 'search.sqlite'))}?mode=ro&immutable=1", uri=True)
        ) as base:
            rows = base.execute("SELECT path, cup FROM project WHERE cup <> '' ORDER BY path").fetchall()
            found |= set(random.Random(0).sample(rows, min(RESOURCES, len(rows))))
    requests: dict[str, list[Any]] = {"hostile": told["hostile"]["raw"]}
    for kind in ("steady", "long", "heavy"):
        requests[kind] = []
        for each in told[kind]:
            text = each.get("path") or each["query"]
            for resource, code in sorted(found) if "{" + "resource}" in text or "{code}" in text else [("", "")]:
                filled = text.replace("{resource}", quote(resource, safe="/%:@")).replace("{code}", code)
                path = filled if "path" in each else "/sparql?" + urlencode({"query": filled})
                requests[kind].append(Request(path, each.get("accept", "*/*")))
        requests[kind] = list(dict.fromkeys(requests[kind]))
    return requests


@contextmanager
def example_releases(folder: Path) -> Iterator[list[Path]]:
    """Two releases of the example sheets, the second without one of them."""
    sheets = sorted(EXAMPLES.iterdir())
    made = []
    for name, chosen in (("all", sheets), ("fewer", sheets[1:])):
        target = folder / name
        command = [str(Path(sys.executable).with_name("cupola")), "build", *map(str, chosen), "--releases", str(target)]
        subprocess.run(command, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        made.append((target / "current").resolve())
        time.sleep(1)  # releases are named by the second
    yield made


def soak(first: Path, second: Path, seconds: float, kill_every: float = 2.0, switch_every: float = 5.0) -> Soak:
    """Run it over two releases and print the summary; gives what was seen."""
    if first.name == second.name:
        raise ValueError(f"both releases are called {first.name}")
    with tempfile.TemporaryDirectory(prefix="cupola-soak-") as name:
        releases = Path(name)
        for each in (first, second):
            (releases / each.name).symlink_to(each.resolve())
        (releases / "current").symlink_to(first.name)
        requests = drawn([first, second])
        with servers.cupola(releases, **SETTINGS) as server:
            done = Soak(server, releases, (first.name, second.name))
            done.learn([*requests["steady"], *requests["long"]])
            time.sleep(1)  # the engine of the release before is gone
            done.sample(time.monotonic())
            at_rest = done.samples.pop()
            run(done, requests, seconds, kill_every, switch_every)
            judge(done, at_rest, seconds)
            tell(done, at_rest, seconds)
        return done


def main() -> None:
    """Run it; ends with code 1 when something failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("release", nargs="*", type=Path, help="two folders of releases; without: of the examples")
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--kill-every", type=float, default=2.0, help="seconds between two workers killed")
    parser.add_argument("--switch-every", type=float, default=5.0, help="seconds between two switches of the release")
    chosen = parser.parse_args()
    if len(chosen.release) not in (0, 2):
        parser.error("name two releases, or none")
    folder = Path(tempfile.mkdtemp(prefix="cupola-soak-"))
    try:
        with example_releases(folder) if not chosen.release else _given(chosen.release) as (first, second):
            done = soak(first, second, chosen.seconds, chosen.kill_every, chosen.switch_every)
    finally:
        shutil.rmtree(folder)
    sys.exit(bool(done.faults))


@contextmanager
def _given(releases: list[Path]) -> Iterator[list[Path]]:
    yield [each.resolve() for each in releases]


if __name__ == "__main__":
    main()
