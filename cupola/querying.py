"""A SPARQL query asked of the current release, its answer written out as it comes."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import endpoint
from cupola.settings import settings_of
from cupola.terminal import fail
from endpoint.examples import example_named
from endpoint.release import NoRelease
from endpoint.settings import Settings
from etl import release


def query(text: str, releases: Path | None, format_name: str) -> None:
    """Write the answer to a query: the text itself, a file, an example by its name, or - for what is piped in."""
    chosen = settings_of(Settings, releases=releases)
    try:
        if text == "-":
            text = sys.stdin.read()
        elif example := example_named(text):
            text = example.query
        elif "{" not in text:  # every query has a brace; a file's name hardly
            text = Path(text).read_text(encoding="utf-8")
        release.find(chosen.releases)
        for chunk in endpoint.query(chosen, text, format_name):
            sys.stdout.buffer.write(chunk)
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader went away, as head does
    except OSError as error:
        fail(f"{text}: no example query has this name, nor can a file be read: {error.strerror}")
    except (ValueError, NoRelease, release.ReleaseError) as error:
        fail(str(error))
