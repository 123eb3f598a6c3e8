"""The local engine: a pool of worker processes over a release's store.

Processes because no embedded engine stops a query reliably: a query past its time or memory is ended by killing its
worker, and a fresh one takes its place. A watchdog thread does the killing; whoever reads the answer sees the pipe end
and tells the client why.
"""

import json
import logging
import math
import os
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, cast

import endpoint.engine as errors
from endpoint.engine import (
    DEFAULT_FORMATS,
    Abandoned,
    Answer,
    Busy,
    EngineDown,
    EngineError,
    Formats,
    QueryMemory,
    QueryTimeout,
)
from endpoint.engine.frames import CHUNK
from endpoint.settings import Settings

log = logging.getLogger("cupola")

WORKER = Path(__file__).with_name("__main__.py")
# MiB the second net (RLIMIT_DATA) leaves above the watched limit: it counts stacks and arenas that are not resident.
SLACK_MIB = 256
QUICK = 1.0  # seconds: a query whose worker was killed within them is asked again
TICK = 0.025  # seconds between two looks of the watchdog
PAGE_MIB = os.sysconf("SC_PAGE_SIZE") / 2**20


class Process:
    """One worker process, and the query it is at."""

    def __init__(self, engine: str, store: Path, memory: int, size: int) -> None:
        # -P: the script's own folder is no place to import from.
        command = [sys.executable, "-P", str(WORKER), engine, str(store), str(memory + SLACK_MIB), str(size)]
        # A file, not a pipe: nobody need read it, and it cannot fill up.
        self.errors = tempfile.TemporaryFile()  # noqa: SIM115 (closed in kill)
        quiet = {**os.environ, "RUST_BACKTRACE": "0"}  # a backtrace costs a second, and tells us nothing
        pipe = subprocess.PIPE
        # In a process group of its own: a Ctrl-C in the terminal is for the server, which ends its workers in order.
        self.popen = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=self.errors, env=quiet, process_group=0)
        self.statm = _open_statm(self.popen.pid)
        self.requests = cast("IO[bytes]", self.popen.stdin)
        self.answers = cast("IO[bytes]", self.popen.stdout)
        self.ready = False
        self.deadline = math.inf  # of the query under way, on the monotonic clock
        self.timeout = math.inf  # seconds given to it
        self.memory = memory  # MiB given to it
        self.gone: Callable[[], bool] | None = None  # whether who asked has gone away
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

    @property
    def was_killed(self) -> bool:
        """Whether somebody ended it by SIGKILL: us for a limit, the system, an operator."""
        return self.popen.returncode == -signal.SIGKILL

    def resident(self) -> float:
        """Memory of its own in MiB, mapped files left out; 0 where the system does not tell (only Linux has /proc)."""
        if self.statm is None:
            return 0.0
        try:
            resident, shared = os.pread(self.statm, 100, 0).split()[1:3]
            return (int(resident) - int(shared)) * PAGE_MIB
        except (ProcessLookupError, ValueError):  # it has just ended
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
        # Who waits for what: queries for a worker, the watchdog for work.
        self.free, self.work = threading.Condition(self.lock), threading.Condition(self.lock)
        self.waiting = 0
        self.closed = False
        self.counts: Counter[str] = Counter()
        # One more than strangers may use (endpoint.turns): pages are answered whatever runs at /sparql.
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
        gone: Callable[[], bool] | None = None,
    ) -> Answer:
        """Run a query on a worker; see Engine.query."""
        formats = DEFAULT_FORMATS if formats is None else formats
        request = {
            "text": text,
            "formats": {kind: fmt.serialiser for kind, fmt in formats.items()},
            "default_graphs": list(default_graphs),
            "named_graphs": list(named_graphs),
        }
        asked = time.monotonic()
        limits = timeout or self.settings.query_timeout, memory or self.settings.query_memory
        for left in reversed(range(self.settings.workers + 2)):
            process = self._take(*limits, gone)
            began = time.monotonic()
            try:
                running, kind = self._begun(process, request)
                break
            except EngineDown:
                # Ended by somebody else while nothing is sent yet: not the query's doing, and it is asked again.
                if not left or not process.was_killed or time.monotonic() - began > QUICK:
                    raise
        answer = Answer(formats[kind], kind, running, seconds=time.monotonic() - began)
        answer.timings = {"wait": began - asked, "query": answer.seconds}
        if running.over:
            answer.size = sum(map(len, running.held))
        return answer

    def _begun(self, process: Process, request: dict[str, Any]) -> tuple[Running, Any]:
        """A query that has begun on a worker, and the kind of its answer. Raises an EngineError."""
        running = Running(self, process)
        try:
            return running, running.start(request)
        except BaseException:
            running.close()
            raise

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
                "workers_memory_bytes": sum(p.resident() for p in (*self.idle, *self.busy)) * 2**20,
                "queries_waiting": self.waiting,
            }

    def close(self) -> None:
        """End the idle workers now, the busy ones when they finish (or pass their limit)."""
        with self.lock:
            self.closed = True
            idle, self.idle = self.idle, []
            for waiting in (self.free, self.work):
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
            process.deadline, process.gone = math.inf, None
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
        return Process(self.settings.engine, self.store, self.settings.query_memory, self.settings.max_answer_size)

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
        self.idle.append(process)
        self.free.notify()

    def _take(self, timeout: float, memory: int, gone: Callable[[], bool] | None) -> Process:
        """An idle worker, waiting a bounded time for one."""
        until = time.monotonic() + self.settings.queue_timeout
        with self.lock:
            self.waiting += 1
            try:
                while not self.idle:
                    left = until - time.monotonic()
                    if self.closed or left <= 0:
                        raise Busy("Every worker is taken; try again in a few seconds.", retry_after=1)
                    self.free.wait(left)
            finally:
                self.waiting -= 1
            process = self.idle.pop()  # the one used last: its caches are warm
            process.timeout, process.memory, process.gone = timeout, memory, gone
            process.deadline = time.monotonic() + timeout
            self.busy.add(process)
            self.work.notify()
            return process

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
                    elif process.gone is not None and process.gone():
                        process.ended_for = Abandoned
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
