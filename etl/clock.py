"""How long the stages of a build take, and how much memory."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final


@dataclass
class Clock:
    """Seconds spent by stage, and the most memory the process held meanwhile, in MB (0 where the system does not tell).

    What goes on beside a stage, as loading the index does, counts into its memory too.
    """

    seconds: dict[str, float] = field(default_factory=dict)
    memory: dict[str, int] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count the time of the block towards the stage of this name."""
        start = time.perf_counter()
        _forget_peak()
        try:
            yield
        finally:
            self.seconds[name] = round(self.seconds.get(name, 0.0) + time.perf_counter() - start, 3)
            self.memory[name] = max(self.memory.get(name, 0), _peak())


_OWN: Final = Path("/proc/self")


def _forget_peak() -> None:
    """Let the system count the peak of memory anew (Linux, proc(5): clear_refs)."""
    if _OWN.exists():
        # Where /proc may only be read, a stage is told the peak of all stages up to it.
        with suppress(OSError):
            (_OWN / "clear_refs").write_text("5")


def _peak() -> int:
    """The peak of memory since, in MB."""
    if not _OWN.exists():
        return 0
    told = re.search(r"^VmHWM:\s+([0-9]+) kB", (_OWN / "status").read_text(), re.MULTILINE)
    return int(told[1]) // 1024 if told else 0
