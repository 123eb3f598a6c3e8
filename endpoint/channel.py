"""A connection of the server: waitress' own, that no client can hold for ever, and whose end always tells."""

import socket
import struct
import time

from waitress.channel import ClientDisconnected, HTTPChannel
from waitress.task import WSGITask

STALLED = 30.0  # seconds a client may leave what waits for it above the high-water mark


class Task(WSGITask):
    """A request being answered; tells its connection when the answer breaks off and nothing else would say so.

    A chunked answer without its last chunk, or one shorter than its Content-Length, is seen to be broken. To an
    HTTP/1.0 client (nginx asks so unless told otherwise) the end of the connection is the end of the answer.
    """

    channel: "Channel"

    def execute(self) -> None:
        """Answer it."""
        try:
            super().execute()
        except Exception:
            if self.wrote_header and not self.chunked_response and self.content_length is None:
                self.channel.broken = True
            raise


class Channel(HTTPChannel):
    """The connection. waitress waits for ever for a client that stops reading; its thread would be lost with it."""

    task_class = Task
    broken = False

    def _flush_outbufs_below_high_watermark(self) -> None:
        until = time.monotonic() + STALLED
        with self.outbuf_lock:
            while self.connected and self.total_outbufs_len > self.adj.outbuf_high_watermark:
                left = until - time.monotonic()
                if left <= 0:
                    self.will_close = True  # what it has not read is given up, too
                    self.server.pull_trigger()
                    raise ClientDisconnected
                self.server.pull_trigger()
                self.outbuf_lock.wait(left)

    def handle_close(self) -> None:
        """Close it; a broken answer is reset, which no client takes for an end."""
        if self.broken and self.connected and self.socket is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        super().handle_close()
