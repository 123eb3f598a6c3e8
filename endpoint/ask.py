"""A query asked from the command line, with the limits of the endpoint but without a server."""

from collections.abc import Iterator

from endpoint import formats
from endpoint.engine import EngineError
from endpoint.formats import FORMATS
from endpoint.release import current
from endpoint.service import engine_for
from endpoint.settings import Settings


def query(settings: Settings, text: str, format_name: str) -> Iterator[bytes]:
    """The answer in pieces, in a format by name or extension; graphs come as Turtle when the name is for results.

    Raises ValueError with the engine's message when the query is not answered, for an unknown format too, and
    NoRelease when there is no release.
    """
    chosen = {kind: fmt for kind in formats.KINDS if (fmt := formats.named(format_name, kind))}
    if not chosen:
        raise ValueError(f"No format {format_name!r}. Available: {', '.join(f.name for f in FORMATS)}.")
    chosen = {kind: chosen.get(kind, formats.of(kind)[0]) for kind in formats.KINDS}
    engine = engine_for(current(settings.releases), settings)
    try:
        with engine.query(text, formats=chosen) as answer:
            yield from answer
    except EngineError as error:
        raise ValueError(str(error)) from error
    finally:
        engine.kill()
