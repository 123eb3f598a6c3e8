"""HTTP to a store: who we are there, how many connections we keep, and no redirect to anybody else."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase, HTTPBasicAuth, HTTPDigestAuth
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

from endpoint.settings import Settings

REDIRECTS = 3
CONNECT = 10.0  # seconds to reach the store
SEND = 600.0  # seconds in which it has to take some more of what we send: a store reads as it loads


class Elsewhere(requests.RequestException):
    """The store sends us to another host, or round in circles; the message says where."""


_waiting = threading.local()  # .told: whom this thread tells the socket it is about to wait at


class _Connection(HTTPConnection):
    def connect(self) -> None:
        super().connect()
        self.sock.settimeout(SEND)  # urllib3 would give what is sent no more time than the connecting had

    def getresponse(self) -> Any:
        _tell(self.sock)
        return super().getresponse()


class _SecureConnection(HTTPSConnection):
    def connect(self) -> None:
        super().connect()
        self.sock.settimeout(SEND)

    def getresponse(self) -> Any:
        _tell(self.sock)
        return super().getresponse()


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


class _Adapter(HTTPAdapter):
    """requests' own, whose connections tell their socket: a request that waits for its answer can be ended."""

    def init_poolmanager(self, *arguments: Any, **more: Any) -> None:
        super().init_poolmanager(*arguments, **more)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}


@contextmanager
def with_socket_told(told: Callable[[socket.socket], None]) -> Iterator[None]:
    """Within it, each request this thread sends tells the socket its answer will come from, before waiting for it."""
    _waiting.told = told
    try:
        yield
    finally:
        _waiting.told = None


def _tell(connected: Any) -> None:
    told = getattr(_waiting, "told", None)
    if told is not None and connected is not None:
        told(connected)


class _Bearer(AuthBase):
    def __init__(self, token: str) -> None:
        self.token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self.token}"
        return request


def session(settings: Settings) -> requests.Session:
    """A session with the store the settings name: its password or token, and at most `remote_connections`."""
    made = requests.Session()
    made.headers["User-Agent"] = "cupola"
    if settings.remote_token:
        made.auth = _Bearer(settings.remote_token)
    elif settings.remote_user:
        scheme = HTTPDigestAuth if settings.remote_digest else HTTPBasicAuth
        made.auth = scheme(settings.remote_user, settings.remote_password)
    for scheme_of_address in ("http://", "https://"):
        made.mount(scheme_of_address, _Adapter(pool_connections=1, pool_maxsize=settings.remote_connections))
    return made


def send(made: requests.Session, method: str, address: str, **options: Any) -> requests.Response:
    """Send a request, again where the same host says it is to be sent; the body and the password go nowhere else.

    Raises what requests does, and Elsewhere.
    """
    for _ in range(REDIRECTS + 1):
        response = made.request(method, address, allow_redirects=False, **options)
        if not response.is_redirect:
            return response
        response.close()
        further = urljoin(address, response.headers["Location"])
        if urlsplit(further)[:2] != urlsplit(address)[:2]:
            raise Elsewhere(f"{address} sends us on to {further}, another host: name that one, if it is meant")
        address = further
    raise Elsewhere(f"{address} sends us on and on")


def refusal(status: int) -> str:
    """What a 401 or 403 of the store means: the fault of whoever set it up, not of who asked."""
    what = "does not know who we are" if status == 401 else "does not let us do this"
    return f"The store {what} ({status}): remote_user and remote_password, or remote_token, have to be set for it."
