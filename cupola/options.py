"""The options and arguments that several commands take."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

C = TypeVar("C", bound=Callable[..., Any])

releases = click.option(
    "--releases", type=click.Path(path_type=Path, file_okay=False), help="Folder of the releases (default: releases)."
)
source = click.option("--source", "source_id", metavar="ID", help="Read every file as this source.")
as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON, for a machine.")
column = click.option("--column", metavar="NAME", help="The column of the CUPs, when it is not found by itself.")
output = click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="Where to write: .csv (for Italian Excel: ; and BOM) or .xlsx.",
)
_paths = click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
_strict = click.option(
    "--strict", is_flag=True, help="Exit with 1 when any value, not only a whole record, is withheld."
)
_fresh = click.option("--fresh", is_flag=True, help="Make everything anew, also what did not change.")


def of_a_build(command: C) -> C:
    """Give a command what every build takes: what to read and where to write, and how strictly."""
    for each in (_fresh, _strict, as_json, source, releases, _paths):  # click lists the last one first
        command = each(command)
    return command
