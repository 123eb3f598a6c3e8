"""What passes between the server and a worker: frames over pipes, and the reasons why a query is not answered.

A frame is one byte of kind, four of length (big endian), then the payload. Request: Q, a JSON object. Answer: H (JSON:
the kind of the result), any number of D (bytes of the answer), then E (the end) or, at any point before it, X (JSON:
error, message).
"""

import struct
from typing import BinaryIO

# Held back until so much is ready: an error this early can still be told as an error.
CHUNK = 64 * 1024


class Refusal(Exception):
    """A query that is not run; `error` names the EngineError the server raises for it."""

    def __init__(self, error: str, message: str, **more: str) -> None:
        super().__init__(message)
        self.error, self.more = error, more


class Output:
    """The file the serialisers write to: gathers their small pieces into frames and stops at the size allowed."""

    def __init__(self, pipe: BinaryIO, limit: int) -> None:
        self.pipe, self.limit = pipe, limit
        self.waiting = bytearray()
        self.size = 0

    def write(self, data: bytes) -> int:
        """Take some bytes; sends a frame when there are enough. Raises a Refusal past the limit."""
        self.waiting += data
        self.size += len(data)
        if self.size > self.limit:
            # Not sent: the frame that would pass the limit must not look like a good end.
            self.waiting.clear()
            raise Refusal(
                "AnswerTooLarge", f"The answer is larger than {self.limit // 2**20} MiB, the most this endpoint sends."
            )
        if len(self.waiting) >= CHUNK:
            self.flush()
        return len(data)

    def flush(self) -> None:
        """Send what is waiting."""
        if self.waiting:
            self.frame(b"D", bytes(self.waiting))
            self.waiting.clear()

    def frame(self, kind: bytes, payload: bytes) -> None:
        """Send one frame."""
        self.pipe.write(kind + struct.pack(">I", len(payload)) + payload)
        self.pipe.flush()
