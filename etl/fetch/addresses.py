"""Which addresses of the network may be asked: those anybody can reach, and those the operator allows.

A page, a redirect or a name server could otherwise send us to this machine or into the network it stands in
(https://owasp.org/Top10/2021/A10_2021-Server-Side_Request_Forgery_%28SSRF%29/). A host is resolved once, every address
it has is checked, and a connection is made to an address that was checked, never to a name again: a name server that
answers differently the second time gains nothing.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Final

from etl.fetch.settings import FetchSettings
from etl.fetch.urls import Target
from etl.problems import Unusable

Address = IPv4Address | IPv6Address
#: A host and a port to the addresses the system knows for it, as text; raises OSError when it knows none.
Resolve = Callable[[str, int], list[str]]

#: What an IPv4 address ends: mapped and compatible ones, https://www.rfc-editor.org/rfc/rfc4291#section-2.5.5
#: and NAT64, https://www.rfc-editor.org/rfc/rfc6052
_ENVELOPES: Final = tuple(map(IPv6Network, ("::ffff:0:0/96", "::/96", "64:ff9b::/96")))
#: NAT64 within a network, https://www.rfc-editor.org/rfc/rfc8215: older Pythons take it for public.
_WITHIN: Final = IPv6Network("64:ff9b:1::/48")
#: ISATAP, https://www.rfc-editor.org/rfc/rfc5214#section-6.1: what stands before the IPv4 address, under any network.
_ISATAP: Final = frozenset({0x0000_5EFE, 0x0200_5EFE})
_NOBODY: Final = (IPv6Address("::"), IPv6Address("::1"))


def resolved(host: str, port: int) -> list[str]:
    """The addresses the system knows for a host, in its order of preference; raises OSError when there are none."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def checked(where: Target, settings: FetchSettings, resolve: Resolve = resolved) -> list[Address]:
    """The addresses of a target's host, each of which may be asked.

    Raises Unusable: fetch.port (one that is not in `fetch_ports`), fetch.no-such-host, or fetch.private-address when
    any address of the host is neither public nor allowed.
    """
    if where.port not in settings.ports:
        raise Unusable("fetch.port", host=where.host, found=str(where.port), allowed=", ".join(settings.fetch_ports))
    try:
        found = [ip_address(address) for address in resolve(where.host, where.port)]
    except (OSError, UnicodeError) as error:  # UnicodeError: a label over 63 characters
        raise Unusable("fetch.no-such-host", host=where.host) from error
    except ValueError as error:  # a zone of an address of this link: fe80::1%eth0
        raise Unusable("fetch.private-address", host=where.host, found=str(error)) from error
    if not found:
        raise Unusable("fetch.no-such-host", host=where.host)
    for address in found:
        if not allowed(where.host, address, settings):
            raise Unusable("fetch.private-address", host=where.host, found=str(address))
    return found


def allowed(host: str, address: Address, settings: FetchSettings) -> bool:
    """Whether an address of a host may be asked: it is public, or the operator named the host or a network it is in."""
    if host in settings.hosts:
        return True
    return all(
        _public(each) or any(each in network for network in settings.networks) for each in (address, *hidden(address))
    )


def hidden(address: Address) -> tuple[IPv4Address, ...]:
    """The IPv4 addresses an IPv6 address leads to: mapped, compatible, NAT64, 6to4, Teredo, ISATAP.

    >>> hidden(IPv6Address("64:ff9b::7f00:1"))
    (IPv4Address('127.0.0.1'),)
    """
    if isinstance(address, IPv4Address) or address in _NOBODY:
        return ()
    found = [address.sixtofour, *(address.teredo or ())]
    if any(address in each for each in _ENVELOPES) or (int(address) >> 32) & 0xFFFF_FFFF in _ISATAP:
        found.append(IPv4Address(int(address) & 0xFFFF_FFFF))
    return tuple(each for each in found if each is not None)


def _public(address: Address) -> bool:
    """Whether anybody can reach it, after https://www.iana.org/assignments/iana-ipv4-special-registry and -ipv6-."""
    if isinstance(address, IPv6Address) and address not in _NOBODY and any(address in each for each in _ENVELOPES):
        return True  # what is in the envelope is looked at by itself, and decides
    if address in _WITHIN:
        return False
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)
