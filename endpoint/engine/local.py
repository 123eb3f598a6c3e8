"""The local engine: a pool of worker processes over a release's store.

Processes because no embedded engine stops a query reliably: a query past its time or memory is ended by killing its
worker, and a fresh one takes its place. A watchdog thread does the killing; whoever reads the answer sees the pipe end
and tells the client why.
"""

import json
import logging
import math
import os
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, cast

import endpoint.engine as errors
from endpoint.engine import (
    DEFAULT_FORMATS,
    Answer,
    Busy,
    EngineDown,
    EngineError,
    Formats,
    QueryMemory,
    QueryRefused,
    QueryTimeout,
)
from endpoint.engine.worker import CHUNK
from endpoint.settings import Settings

log = logging.getLogger("cupola")

WORKER = Path(__file__).with_name("worker.py")
# MiB the second net (RLIMIT_DATA) leaves above the watched limit: it counts stacks and arenas that are not resident.
SLACK_MIB = 256
TICK = 0.025  # seconds between two looks of the watchdog
PAGE_MIB = os.sysconf("SC_PAGE_SIZE") / 2**20


class Process:
    """One worker process, and the query it is at."""

    def __init__(self, store: Path, memory: int, size: int) -> None:
        # -P: the script's own folder is no place to import from.
        command = [sys.executable, "-P", str(WORKER), str(store), str(memory + SLACK_MIB), str(size)]
        # A file, not a pipe: nobody need read it, and it cannot fill up.
        self.errors = tempfile.TemporaryFile()  # noqa: SIM115 (closed in kill)
        quiet = {**os.environ, "RUST_BACKTRACE": "0"}  # a backtrace costs a second, and tells us nothing
        pipe = subprocess.PIPE
        self.popen = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=self.errors, env=quiet)
        self.statm = _open_statm(self.popen.pid)
        self.requests = cast("IO[bytes]", self.popen.stdin)
        self.answers = cast("IO[bytes]", self.popen.stdout)
        self.ready = False
        self.public = False
        self.deadline = math.inf  # of the query under way, on the monotonic clock
        self.timeout = math.inf  # seconds given to it
        self.memory = memory  # MiB given to it
        self.ended_for: type[EngineError] | None = None

    def send(self, request: dict[str, Any]) -> None:
        """Hand over a request; waits for a new worker to be up first."""
        if not self.ready:
            self.receive()
            self.ready = True
        payload = json.dumps(request).encode()
        try:
            self.requests.write(b"Q" + struct.pack(">I", len(payload)) + payload)
            self.requests.flush()
        except BrokenPipeError as gone:
            raise EOFError from gone

    def receive(self) -> tuple[bytes, bytes]:
        """The next frame of the answer; EOFError when the worker is gone."""
        head = self.answers.read(5)
        if len(head) < 5:
            raise EOFError
        length = struct.unpack(">I", head[1:])[0]
        payload = self.answers.read(length)
        if len(payload) < length:
            raise EOFError
        return head[:1], payload

    def resident(self) -> float:
        """Resident memory in MiB; 0 where the system does not tell (only Linux has /proc)."""
        if self.statm is None:
            return 0.0
        try:
            return int(os.pread(self.statm, 100, 0).split()[1]) * PAGE_MIB
        except (ProcessLookupError, IndexError):  # it has just ended
            return 0.0

    def last_words(self) -> str:
        """What it wrote on standard error, at most the first 10 kB."""
        self.errors.seek(0)
        return self.errors.read(10_000).decode("utf-8", "replace")

    def kill(self) -> None:
        """End it now and reap it."""
        self.popen.kill()
        self.popen.wait()
        self.answers.close()
        with suppress(BrokenPipeError):  # a request it never read; nobody wants it any more
            self.requests.close()
        self.errors.close()
        if self.statm is not None:
            os.close(self.statm)
            self.statm = None


class Running:
    """The frames of one answer, as an iterator of bytes; gives its worker back at the end, kills it when left early."""

    def __init__(self, engine: "LocalEngine", process: Process) -> None:
        self.engine, self.process = engine, process
        self.held: list[bytes] = []
        self.over = False

    def start(self, request: dict[str, Any]) -> str:
        """Send the request, wait for the first bytes; gives the kind of the answer. Raises an EngineError."""
        try:
            self.process.send(request)
        except EOFError:
            raise self._died() from None
        kind = str(json.loads(self._frame() or b"{}")["kind"])
        # A frame shorter than a chunk is the last one, so a small answer is complete here and its worker free again.
        while (piece := self._frame()) is not None:
            self.held.append(piece)
            if len(piece) >= CHUNK:
                break
        return kind

    def __iter__(self) -> "Running":
        """Itself: an answer is read once."""
        return self

    def __next__(self) -> bytes:
        """The next piece; raises the EngineError that ended the query, if one did."""
        if self.held:
            return self.held.pop(0)
        piece = self._frame()
        if piece is None:
            raise StopIteration
        return piece

    def _frame(self) -> bytes | None:
        """The payload of the next frame, None at the end; raises the EngineError an X frame or a dead worker means."""
        if self.over:
            return None
        try:
            kind, payload = self.process.receive()
        except (EOFError, ValueError):  # ValueError: close() in another thread shut the pipe
            raise self._died() from None
        if kind in b"HD":
            return payload
        self.over = True
        self.engine.give_back(self.process)
        if kind == b"X":
            raise self.engine.error(self.process, **json.loads(payload))
        return None

    def _died(self) -> EngineError:
        self.over = True
        return self.engine.bury(self.process)

    def close(self) -> None:
        """End the query; its worker goes with it if it still runs."""
        self.held.clear()
        if not self.over:
            self.over = True
            self.engine.bury(self.process)


class LocalEngine:
    """Worker processes over one store; see endpoint.engine.Engine for what query() takes and raises."""

    def __init__(self, store: Path, settings: Settings) -> None:
        self.store, self.settings = store, settings
        self.lock = threading.Lock()
        # Who waits for what: a worker for our own queries, one for a stranger's, the watchdog for work.
        self.own_turn, self.public_turn, self.work = (threading.Condition(self.lock) for _ in range(3))
        self.waiting = 0
        self.closed = False
        self.counts: Counter[str] = Counter()
        # One more than strangers may use: pages and resources are answered whatever runs at /sparql.
        self.idle = [self._start() for _ in range(settings.workers + 1)]
        self.busy: set[Process] = set()
        threading.Thread(target=self._watch, name="query-watchdog", daemon=True).start()

    def query(
        self,
        text: str,
        *,
        formats: Formats | None = None,
        default_graphs: Sequence[str] = (),
        named_graphs: Sequence[str] = (),
        timeout: float | None = None,
        memory: int | None = None,
        public: bool = False,
    ) -> Answer:
        """Run a query on a worker; see Engine.query."""
        if len(text) > self.settings.max_query_length:
            raise QueryRefused(
                f"The query is {len(text)} characters long; at most {self.settings.max_query_length} are allowed."
            )
        formats = DEFAULT_FORMATS if formats is None else formats
        request = {
            "text": text,
            "formats": {kind: fmt.serialiser for kind, fmt in formats.items()},
            "default_graphs": list(default_graphs),
            "named_graphs": list(named_graphs),
        }
        asked = time.monotonic()
        process = self._take(public, timeout or self.settings.query_timeout, memory or self.settings.query_memory)
        began = time.monotonic()
        running = Running(self, process)
        try:
            kind: Any = running.start(request)
        except BaseException:
            running.close()
            raise
        answer = Answer(formats[kind], kind, running, seconds=time.monotonic() - began)
        answer.timings = {"wait": began - asked, "query": answer.seconds}
        if running.over:
            answer.size = sum(map(len, running.held))
        return answer

    def alive(self) -> bool:
        """Whether a worker answers ASK {}."""
        try:
            return b"true" in self.query("ASK {}", timeout=5).read()
        except EngineError:
            return False

    def stats(self) -> Mapping[str, float]:
        """Counters and gauges for /metrics."""
        with self.lock:
            return {
                "worker_restarts_total": self.counts["restarts"],
                "workers_busy": len(self.busy),
                "queries_waiting": self.waiting,
            }

    def close(self) -> None:
        """End the idle workers now, the busy ones when they finish (or pass their limit)."""
        with self.lock:
            self.closed = True
            idle, self.idle = self.idle, []
            for waiting in (self.own_turn, self.public_turn, self.work):
                waiting.notify_all()
        for process in idle:
            process.kill()

    def kill(self) -> None:
        """End every worker now: the server stops."""
        self.close()
        with self.lock:
            for process in self.busy:
                process.ended_for = EngineDown
                process.popen.kill()

    def error(self, process: Process, error: str, message: str, **more: Any) -> EngineError:
        """The exception a worker's X frame names."""
        kind: type[EngineError] = getattr(errors, error)
        return kind(message or _limit_text(kind, process), **more)

    def give_back(self, process: Process) -> None:
        """A worker that finished its query is idle again, unless the query left it fat or the pool is closing."""
        fat = process.resident() > process.memory / 2
        with self.lock:
            self.busy.discard(process)
            process.deadline = math.inf
            keep = not (fat or self.closed or process.ended_for)
            if keep:
                self._now_idle(process)
        if not keep:
            self._replace(process)

    def bury(self, process: Process) -> EngineError:
        """Replace a worker that died or has to; gives the error that tells its client why it died."""
        with self.lock:
            self.busy.discard(process)
        text = ""
        if process.ended_for is None:  # not killed by us
            process.ended_for, text = _cause(process.last_words())
        self._replace(process)
        return process.ended_for(text or _limit_text(process.ended_for, process))

    def _start(self) -> Process:
        return Process(self.store, self.settings.query_memory, self.settings.max_answer_size)

    def _replace(self, process: Process) -> None:
        process.kill()
        fresh = self._start()  # not under the lock: it takes some milliseconds
        with self.lock:
            wanted = not self.closed
            if wanted:
                self.counts["restarts"] += 1
                self._now_idle(fresh)
        if not wanted:
            fresh.kill()

    def _now_idle(self, process: Process) -> None:
        # One of each kind is woken: whichever may not take it goes on waiting.
        self.idle.append(process)
        self.own_turn.notify()
        self.public_turn.notify()

    def _take(self, public: bool, timeout: float, memory: int) -> Process:
        """An idle worker, waiting for one in a queue of bounded length for a bounded time."""
        until = time.monotonic() + self.settings.queue_timeout
        with self.lock:
            if self.waiting >= self.settings.queue_length:
                raise self._busy()
            self.waiting += 1
            try:
                while not (self.idle and (not public or sum(p.public for p in self.busy) < self.settings.workers)):
                    left = until - time.monotonic()
                    if self.closed or left <= 0:
                        raise self._busy()
                    (self.public_turn if public else self.own_turn).wait(left)
            finally:
                self.waiting -= 1
            process = self.idle.pop()  # the one used last: its caches are warm
            process.public = public
            process.timeout, process.memory = timeout, memory
            process.deadline = time.monotonic() + timeout
            self.busy.add(process)
            self.work.notify()
            return process

    def _busy(self) -> Busy:
        return Busy(
            f"All {self.settings.workers} places for queries are taken; try again in a few seconds.",
            retry_after=max(1, math.ceil(self.settings.queue_timeout)),
        )

    def _watch(self) -> None:
        """Kill whatever passes its limits, until the engine is closed and its last query over."""
        while True:
            with self.lock:
                while not self.busy:
                    if self.closed:
                        return
                    self.work.wait()
                now = time.monotonic()
                for process in self.busy:
                    if process.ended_for is not None:
                        continue
                    if now > process.deadline:
                        process.ended_for = QueryTimeout
                    elif process.resident() > process.memory:
                        process.ended_for = QueryMemory
                    else:
                        continue
                    process.popen.kill()
            time.sleep(TICK)


def _open_statm(pid: int) -> int | None:
    try:
        return os.open(f"/proc/{pid}/statm", os.O_RDONLY)
    except FileNotFoundError:  # only Linux has it
        return None


def _cause(last_words: str) -> tuple[type[EngineError], str]:
    """Why a worker ended by itself, and what to tell of it ("" for the usual words)."""
    if "memory allocation of" in last_words or "MemoryError" in last_words:
        return QueryMemory, ""
    if last_words:
        log.error("a query's worker ended by itself: %s", last_words)
    # A panic of the engine: "thread '…' panicked at file:line:", then why.
    if " panicked at " in last_words:
        why = " ".join(last_words.partition(" panicked at ")[2].splitlines()[1:2])
        return EngineDown, f"The engine failed at this query, by a fault of its own: {why}."
    return EngineDown, ""


def _limit_text(kind: type[EngineError], process: Process) -> str:
    advice = "Ask for less (LIMIT, a more selective pattern, no ORDER BY) or take the dumps at /dumps/."
    if kind is QueryTimeout:
        return f"The query was stopped after {process.timeout:g} seconds, the most this endpoint gives one. {advice}"
    if kind is QueryMemory:
        least = f"it needed more than {process.memory} MiB of memory, the most this endpoint gives one"
        return f"The query was stopped: {least}. {advice}"
    return "The engine stopped unexpectedly while answering; try again."
