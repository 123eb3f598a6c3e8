"""A task done in a process apart, within limits of time and memory: what goes wrong there is one problem here.

The process is started for the file and ends with it, so nothing of one file can reach another. It costs some 70 ms.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Final

from etl.documents.limits import limits
from etl.problems import Unusable

WORKER: Final = Path(__file__).with_name("worker.py")
#: How the problems name what was opened.
FORMATS: Final = {"grid": "XLSX, ODS", "html": "HTML", "pdf": "PDF"}


def run(task: str, data: bytes) -> bytes:
    """What the worker found for a task ("grid", "html", "pdf") on the bytes of a file.

    Raises Unusable: file.too-slow (it was ended after the seconds of limits.toml), file.reader-stopped (it crashed, or
    asked for more memory than it may have), or what the worker itself found wrong with the file.
    """
    bounds = limits()
    told = asdict(bounds.pdf) | {"memory": bounds.worker.memory}
    # -I: no variable and no file beside us changes what the worker imports.
    command = [sys.executable, "-I", str(WORKER), task, json.dumps(told)]
    try:
        done = subprocess.run(command, input=data, capture_output=True, timeout=bounds.worker.seconds, check=False)
    except subprocess.TimeoutExpired as error:
        raise Unusable("file.too-slow", format=FORMATS[task], limit=str(bounds.worker.seconds)) from error
    if done.returncode:
        raise _stopped(task, _why(done.returncode, done.stderr))
    end = len(done.stdout) - 4
    begin = end - int.from_bytes(done.stdout[-4:], "big")
    try:
        verdict = json.loads(done.stdout[max(begin, 0) : max(end, 0)])
    except ValueError as error:
        raise _stopped(task, "no answer") from error
    if "refused" not in verdict:
        return done.stdout[:begin]
    if verdict["refused"] == "memory":
        raise _stopped(task, f"memory: at most {bounds.worker.memory} bytes")
    raise Unusable(verdict["refused"], **verdict["details"])


def _stopped(task: str, found: str) -> Unusable:
    return Unusable("file.reader-stopped", format=FORMATS[task], found=found)


def _why(code: int, told: bytes) -> str:
    """What the process left behind: the signal that ended it, or the last it said."""
    if code < 0:
        return f"signal {-code}"
    return (told.decode(errors="replace").strip().splitlines() or [f"exit {code}"])[-1]
