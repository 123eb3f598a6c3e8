"""An address as people or pages write it to the one form that is asked, compared and kept."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import urljoin

from urllib3.exceptions import LocationParseError
from urllib3.util import Url, parse_url

from etl.problems import Unusable

PORTS: Final = {"http": 80, "https": 443}
#: What HTTP's own specification asks everybody to understand: https://www.rfc-editor.org/rfc/rfc9110#section-4.1
MAX_LENGTH: Final = 8000
_ABSOLUTE: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


@dataclass(frozen=True)
class Target:
    """An address taken apart; `str()` of it is the address again, without a fragment.

    `host` is as it is resolved (ASCII; an IPv6 address without brackets), `path` has the query too.
    """

    scheme: str
    host: str
    port: int
    path: str

    @property
    def authority(self) -> str:
        """Host and port as they stand in an address and in the header Host."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def origin(self) -> str:
        """What a robots.txt holds for: scheme, host and port."""
        return f"{self.scheme}://{self.authority}"

    def __str__(self) -> str:
        """The address."""
        return f"{self.origin}{self.path}"


def target(url: str, base: Target | None = None) -> Target:
    """An address, taken relative to `base` if there is one; percent-encoding, case and dots made one form.

    >>> str(target("HTTPS://Comune.Example:443/a/../schede/città?x=1#y"))
    'https://comune.example/schede/citt%C3%A0?x=1'

    Raises Unusable (fetch.not-an-address): another scheme than http and https, no host, a name and password in it, or
    more than MAX_LENGTH characters. (https://www.rfc-editor.org/rfc/rfc3986)
    """
    # Browsers remove these, https://url.spec.whatwg.org/#concept-basic-url-parser
    bare = url.strip(" \t\r\n\f").translate({9: None, 10: None, 13: None})
    try:
        # What says its scheme stands for itself: "http:///a" has no host, and does not get that of the page.
        parts = parse_url(bare if base is None or _ABSOLUTE.match(bare) else urljoin(str(base), bare))
        return _target(url, parts)
    except (LocationParseError, ValueError) as error:  # ValueError: a port or an IPv6 address that is none
        raise _refused(url) from error


def _target(url: str, parts: Url) -> Target:
    host = (parts.host or "").strip("[]").removesuffix(".")
    scheme = parts.scheme or ""
    # A zone ("%eth0") names a network card of this machine; in a name a percent sign is nothing DNS knows.
    if scheme not in PORTS or not host or parts.auth is not None or "%" in host or parts.port == 0:
        raise _refused(url)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query is not None else "")
    found = Target(scheme, host, parts.port or PORTS[scheme], path)
    if len(str(found)) > MAX_LENGTH or not str(found).isascii() or not str(found).isprintable() or " " in str(found):
        raise _refused(url)
    return found


def _refused(url: str) -> Unusable:
    return Unusable("fetch.not-an-address", raw=url)
