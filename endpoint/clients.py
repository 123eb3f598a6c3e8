"""Who sends a request, and whether they still wait for the answer."""

import ipaddress
from collections.abc import Callable

from flask import request


def address(trusted_proxies: int) -> str:
    """What stands for the client in the sharing of places: its address, or for IPv6 its network of 64 bits.

    Behind `trusted_proxies` reverse proxies it is what the outermost of them wrote in X-Forwarded-For; what stands left
    of that is the client's own word, and is not believed. Without any the header is not read.
    """
    peer = request.remote_addr or ""
    hops = [peer]
    if trusted_proxies > 0:
        hops = [*request.headers.get("X-Forwarded-For", "").split(","), peer]
    sent = hops[max(0, len(hops) - 1 - trusted_proxies)].strip()
    try:
        told = ipaddress.ip_address(sent.strip("[]"))
    except ValueError:  # a proxy that writes no address (RFC 7239 allows "unknown"), or a UNIX socket
        return peer
    # One household or server has a whole /64 to send from (RFC 6177).
    return str(told) if told.version == 4 else str(ipaddress.ip_network((told, 64), strict=False))


def departure() -> Callable[[], bool]:
    """A question that may be asked from any thread: has the client of this request closed its connection?

    Always False under a server that cannot tell (waitress can, with channel_request_lookahead).
    https://docs.pylonsproject.org/projects/waitress/en/stable/arguments.html
    """
    tell: Callable[[], bool] | None = request.environ.get("waitress.client_disconnected")
    return tell or (lambda: False)
