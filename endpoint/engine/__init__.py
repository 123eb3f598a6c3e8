"""Running SPARQL: one interface, a local engine (worker processes) and a remote one (any SPARQL 1.1 endpoint)."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Protocol, Self

from endpoint.formats import FORMATS, Format, Kind

Formats = Mapping[Kind, Format]
# How our own questions are answered: the formats that are quickest to read.
DEFAULT_FORMATS: Formats = {kind: fmt for fmt in FORMATS if fmt.name in ("json", "ntriples") for kind in fmt.kinds}


class EngineError(Exception):
    """A query that was not answered; the message is for whoever sent it and `status` is its HTTP status."""

    status = 500
    outcome = "error"


class QuerySyntax(EngineError):
    """The text is not a SPARQL query; the message is the parser's."""

    status, outcome = 400, "syntax"


class QueryRefused(EngineError):
    """A query this endpoint does not run: an update, SERVICE, too long."""

    status, outcome = 403, "refused"


class NotAcceptable(EngineError):
    """None of the formats the client takes can write this kind of answer (`kind`)."""

    status, outcome = 406, "unacceptable"

    def __init__(self, message: str, kind: Kind) -> None:
        super().__init__(message)
        self.kind = kind


class Limit(EngineError):
    """The query passed a limit and was ended."""

    status, outcome = 503, "limit"


class QueryTimeout(Limit):
    """The query took longer than allowed."""

    outcome = "timeout"


class QueryMemory(Limit):
    """The query needed more memory than allowed."""

    outcome = "memory"


class AnswerTooLarge(Limit):
    """The answer passed the size allowed; what was already sent is broken off, never ended as if complete."""

    outcome = "size"


class TooManyRows(Limit):
    """The answer has more rows than allowed; told as AnswerTooLarge is, never cut short in silence."""

    status, outcome = 403, "rows"  # not 503: asked again it has as many


class Abandoned(EngineError):
    """The client went away while its query waited or ran: it was ended, and nobody reads this."""

    status, outcome = 503, "abandoned"


class Busy(EngineError):
    """No place or worker came free in time; `retry_after` is in seconds."""

    status, outcome = 503, "busy"

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class TooManyQueries(Busy):
    """This client has as many queries running and waiting as one client may have (RFC 6585, 4)."""

    status, outcome = 429, "unfair"


class EngineDown(EngineError):
    """The engine itself failed (a worker died by itself, the remote endpoint does not answer)."""

    status, outcome = 502, "down"


class Chunks(Iterator[bytes], Protocol):
    """Pieces of an answer; raises an EngineError where the answer breaks off."""

    def close(self) -> None:
        """End the query and give back what it holds; safe to call twice."""


@dataclass
class Answer:
    """An answer under way: its format and kind are known, errors early in the evaluation are already behind us.

    Iterate it for the bytes, close it always (a `with` block does). `size` is the whole length in bytes when it is
    already known, `seconds` the time until the first bytes.
    """

    format: Format
    kind: Kind
    chunks: Chunks
    size: int | None = None
    seconds: float = 0.0
    timings: dict[str, float] = field(default_factory=dict)

    def __iter__(self) -> Iterator[bytes]:
        """Its bytes, in pieces."""
        return self.chunks

    def read(self) -> bytes:
        """All of it at once."""
        with self:
            return b"".join(self.chunks)

    def close(self) -> None:
        """End the query, if it still runs."""
        self.chunks.close()

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()


class Engine(Protocol):
    """What every engine does."""

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
        """Run a query and give its answer.

        `formats` says how to write each kind of answer (without it: JSON results, N-Triples); a kind that is missing
        raises NotAcceptable. Without graphs the default graph is the union of all. `timeout` is in seconds, `memory`
        in MiB; without them the settings' limits hold. `gone` is asked while the query runs: once it says True nobody
        waits for the answer any more, and the query is ended. Raises an EngineError.
        """

    def alive(self) -> bool:
        """Whether a trivial query is answered."""

    def stats(self) -> Mapping[str, float]:
        """Counters for /metrics."""

    def close(self) -> None:
        """Free what it holds; queries under way may finish."""

    def kill(self) -> None:
        """End everything now."""
