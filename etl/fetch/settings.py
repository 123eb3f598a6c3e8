"""What a deployment may decide about fetching; every field is a setting with its default and a line of help."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Final

Network = IPv4Network | IPv6Network

#: A product token of RFC 9309 (https://www.rfc-editor.org/rfc/rfc9309#section-2.2.1), by which robots.txt names us.
_TOKEN: Final = re.compile(r"[A-Za-z_-]+")
#: What can stand in a comment of the header User-Agent: ASCII without parentheses and backslashes.
_CONTACT: Final = re.compile(r"[!-'*-\[\]-~ ]*")
_HOST: Final = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*")


@dataclass(frozen=True)
class FetchSettings:
    """The settings of `cupola fetch`; times are seconds, sizes bytes.

    The limits of one request hold for each address on the way along redirects and for each try. Raises ValueError for
    a value that cannot be used, with the setting's name and what is allowed.
    """

    fetch_folder: Path = field(default=Path("fetched"), metadata={"help": "folder of the copies that cupola fetch got"})
    fetch_agent: str = field(
        default="cupola", metadata={"help": "name told to the sites; the one their robots.txt may forbid or allow"}
    )
    fetch_contact: str = field(
        default="", metadata={"help": "address (mail or web) told to the sites, so that they can complain"}
    )
    fetch_allow: tuple[str, ...] = field(
        default=(),
        metadata={"help": "hosts and networks (such as 10.2.0.0/16) fetched from though they are private or local"},
    )
    fetch_ports: tuple[str, ...] = field(default=("80", "443"), metadata={"help": "ports that may be asked"})
    fetch_delay: float = field(default=1.0, metadata={"help": "seconds between two requests to a host, at least"})
    fetch_longest_wait: float = field(
        default=60.0, metadata={"help": "seconds waited at most when a site asks for it (Crawl-delay, Retry-After)"}
    )
    fetch_connect_timeout: float = field(default=10.0, metadata={"help": "seconds to reach a site"})
    fetch_read_timeout: float = field(default=30.0, metadata={"help": "seconds between two pieces of an answer"})
    fetch_total_timeout: float = field(default=300.0, metadata={"help": "seconds for one whole answer"})
    fetch_max_bytes: int = field(
        default=20 * 1024**2, metadata={"help": "bytes of one document at most, once unpacked"}
    )
    fetch_max_redirects: int = field(default=5, metadata={"help": "redirects followed at most for one address"})
    fetch_tries: int = field(default=4, metadata={"help": "tries for an address that fails for the moment"})
    fetch_give_up: int = field(
        default=5,
        metadata={"help": "failures in a row after which a host is left alone for the run"},
    )
    fetch_resume: float = field(
        default=24 * 3600.0, metadata={"help": "seconds for which an interrupted fetch is gone on with, not begun anew"}
    )
    fetch_ca_file: str = field(
        default="", metadata={"help": "PEM file of the certificate authorities trusted; empty: those of Mozilla"}
    )

    def __post_init__(self) -> None:
        """Refuse what cannot be meant."""
        if not _TOKEN.fullmatch(self.fetch_agent):
            raise ValueError(f"fetch_agent = {self.fetch_agent!r}: allowed: letters, - and _")
        if (
            not self.fetch_contact.isascii()
            or not self.fetch_contact.isprintable()
            or set(self.fetch_contact) & {*"()\\"}
        ):
            raise ValueError(f"fetch_contact = {self.fetch_contact!r}: allowed: a mail address or a web address")
        for port in self.fetch_ports:
            if not (port.isascii() and port.isdecimal() and 0 < int(port) < 65536):
                raise ValueError(f"fetch_ports: {port!r}: allowed: numbers from 1 to 65535")
        for name in ("fetch_delay", "fetch_longest_wait", "fetch_max_redirects", "fetch_resume"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} = {getattr(self, name)}: allowed: 0 or more")
        for name in ("fetch_connect_timeout", "fetch_read_timeout", "fetch_total_timeout"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} = {getattr(self, name)}: allowed: more than 0")
        for name in ("fetch_max_bytes", "fetch_tries", "fetch_give_up"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} = {getattr(self, name)}: allowed: 1 or more")
        _allowed(self.fetch_allow)

    @cached_property
    def hosts(self) -> frozenset[str]:
        """The hosts of `fetch_allow` that are named."""
        return _allowed(self.fetch_allow)[0]

    @cached_property
    def networks(self) -> tuple[Network, ...]:
        """The networks and addresses of `fetch_allow`."""
        return _allowed(self.fetch_allow)[1]

    @cached_property
    def ports(self) -> frozenset[int]:
        """The numbers of `fetch_ports`."""
        return frozenset(map(int, self.fetch_ports))


def _allowed(told: tuple[str, ...]) -> tuple[frozenset[str], tuple[Network, ...]]:
    hosts, networks = set(), []
    for each in told:
        name = each.strip().lower().removesuffix(".")
        try:
            networks.append(ip_network(name))
        except ValueError as error:
            # 10.0.0.1/8 is a slip of the pen and "10.0.0.0/33" another: neither may be taken for a name.
            if not _HOST.fullmatch(name) or name.replace(".", "").isdecimal():
                raise ValueError(
                    f"fetch_allow: {each!r}: allowed: a host, an address or a network ({error})"
                ) from error
            hosts.add(name)
    return frozenset(hosts), tuple(networks)
