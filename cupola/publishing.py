"""A release just built, and the endpoint that runs already: whether it serves it."""

from __future__ import annotations

import time

import requests

from cupola.terminal import err


def is_served(server: str, release: str, seconds: float) -> bool:
    """Wait until the endpoint at an address serves the release, and tell it; True too when no endpoint answers."""
    told = _served(server, release, seconds)
    err.print(told or f"{server} does not serve {release} after {seconds:g} s: does it serve another folder?")
    return told is not None


def _served(server: str, wanted: str, seconds: float) -> str | None:
    """What to tell once the endpoint serves the release, or when none is running; None when it serves another one."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            told = requests.get(f"{server}/health", timeout=5).json()
        except requests.ConnectionError:
            return f"no endpoint answers at {server}: the release is served from its next start"
        except requests.RequestException as error:
            return f"{server}/health gives no answer of a Cupola endpoint: {error}"
        if isinstance(told, dict) and told.get("release") == wanted:
            return f"{server} serves {wanted}"
        if time.monotonic() > deadline:
            return None
        time.sleep(0.2)
