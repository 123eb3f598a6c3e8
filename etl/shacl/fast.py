"""Validation by shacl-rust with its index, the fast engine (https://github.com/ensaremirerol/shacl-rust).

It reads the files themselves. What it is trusted with is written in trust.toml; this module does not ask.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import IO, Any, Final, NamedTuple

import polars as pl
import shacl_rust
from rdflib import Graph, URIRef
from rdflib.namespace import RDFS, SH

from etl.shacl import FOUND, Spoken, Subclass, path_text, spoken

NAME: Final = "shacl-rust"
VERSION: Final = version("shacl-rust")


class Failed(Exception):
    """The fast engine gave no results; the message says why."""


def found(quads: Sequence[Path], shapes: Graph, subclasses: Iterable[Subclass] = ()) -> pl.DataFrame:
    """What shacl-rust finds in N-Quads files, taken as one graph. Raises Failed when it cannot say."""
    told = _told(shapes)
    hierarchy = "".join(f"<{below}> <{RDFS.subClassOf}> <{above}> .\n" for below, above in subclasses)
    with ExitStack() as opened:
        files: list[IO[bytes]] = [
            io.BytesIO(hierarchy.encode()),
            *(opened.enter_context(path.open("rb")) for path in quads),
        ]
        try:
            report = shacl_rust.validate_file(
                _Chain(files),
                io.BytesIO(told.text),
                data_format="nq",
                shapes_format="nt",
                experimental_index=True,
            )
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # a panic of Rust is no Exception
            raise Failed(f"{type(error).__name__}: {error}") from error
    return pl.DataFrame([_row(result, told) for result in report["results"]], FOUND, orient="row")


class _Told(NamedTuple):
    """Shapes as N-Triples, and what each says and looks at: the engine gives messages without their language, and
    paths in words of its own, so both are taken from the shape.
    """

    text: bytes
    words: dict[str, Spoken | None]
    paths: dict[str, str]


@lru_cache(maxsize=4)  # as `named`: the same shapes are for many files
def _told(shapes: Graph) -> _Told:
    return _Told(
        text=shapes.serialize(format="nt", encoding="utf-8"),
        words={f"<{shape}>": spoken(shapes.objects(shape, SH.message)) for shape in shapes.subjects(SH.message)},
        paths={
            f"<{shape}>": path_text(shapes, path)
            for shape, path in shapes.subject_objects(SH.path)
            if isinstance(shape, URIRef)
        },
    )


def _row(result: dict[str, Any], told: _Told) -> tuple[str | None, ...]:
    shape = result["sourceShape"]
    own = next(iter(result.get("messages", ())), None)
    return (
        result["focusNode"],
        told.paths.get(shape, result.get("resultPath")),  # of a closed shape, the predicate it does not allow
        result["severity"],
        result["sourceConstraintComponent"],
        shape,
        result.get("value"),
        *(told.words.get(shape) or (own, own)),
    )


class _Chain:
    """Several files read as one, a line break between them."""

    def __init__(self, files: Iterable[IO[bytes]]) -> None:
        self._files = list(files)

    def read(self, size: int) -> bytes:
        while self._files:
            if block := self._files[0].read(size):
                return block
            del self._files[0]
            if self._files:
                return b"\n"
        return b""
