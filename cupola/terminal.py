"""Telling things: lines for a person, JSON for a machine, progress on a terminal, and how a command fails."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text

#: Exit codes.
OK, PROBLEMS, USAGE = 0, 1, 2

out, err = Console(highlight=False, soft_wrap=True), Console(stderr=True, highlight=False, soft_wrap=True)


def print_json(value: Any) -> None:
    """Print a value as JSON, as people can read it too."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=2))


def fail(message: str, code: int = USAGE) -> NoReturn:
    """End the command with one line that says why."""
    err.print(Text(f"cupola: {message}"))
    sys.exit(code)


@contextlib.contextmanager
def failing_on(*faults: type[Exception]) -> Iterator[None]:
    """End the command with the message of any of these exceptions: it says what is wrong with what was asked."""
    try:
        yield
    except faults as fault:
        fail(str(fault))


@contextlib.contextmanager
def progress() -> Iterator[Callable[[str, int, int], None]]:
    """A progress bar a stage on a terminal; silence elsewhere."""
    bar = Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
        console=err, transient=True, disable=not err.is_terminal,
    )  # fmt: skip
    tasks: dict[str, TaskID] = {}
    with bar:

        def tell(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bar.add_task(stage, total=total)
            bar.update(tasks[stage], completed=done, total=total)

        yield tell
