"""May this address be connected to? The last look before a socket is made, after every name has been resolved.

Only globally routable unicast addresses pass, plus the networks the operator lists. An IPv6 address that carries an
IPv4 address inside (mapped, 6to4, NAT64, Teredo) is judged by both: it leads to what it carries. The check sits where
the socket is made, since that is the one place that sees literal addresses, rebound names and every address of a name
alike.

What is globally routable is Python's word, and IANA's special-purpose registries' where Python's list may be older.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Sequence
from typing import Any

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
AddressInfo = tuple[Any, Any, Any, str, tuple[Any, ...]]
"""What `socket.getaddrinfo` tells of one address: family, type, protocol, canonical name, socket address."""

OPTION = "egress.allow_networks"
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_SPECIAL = tuple(
    map(
        ipaddress.ip_network,
        (
            "192.0.0.0/24",  # protocol assignments; RFC 6890
            # Where in an address of these two the IPv4 address stands is the operator's affair: refused as a whole.
            "64:ff9b:1::/48",  # NAT64 for local use; RFC 8215
            "::ffff:0:0:0/96",  # IPv4-translated, SIIT; RFC 2765
            "3fff::/20",  # documentation; RFC 9637
            "5f00::/16",  # segment routing; RFC 9602
        ),
    )
)
"""Not globally routable, whichever version of Python's list there is."""
_GLOBAL_AMONG_THEM = {ipaddress.IPv4Address("192.0.0.9"), ipaddress.IPv4Address("192.0.0.10")}
"""Anycast addresses of PCP and TURN; RFC 7723, RFC 8155."""
_COMPATIBLE = ipaddress.IPv6Network("::/96")
_SITE_LOCAL = ipaddress.IPv6Network("fec0::/10")
_LOW_32 = 0xFFFFFFFF
_REMEMBERED = 4096


class EgressRefused(PermissionError):
    """The guard let nobody connect; the text names the address, the rule, and the option that lifts it."""


class Guard:
    """Which addresses may be connected to. `allow_networks` are in CIDR notation; a bad one raises ValueError."""

    __slots__ = ("_networks", "_passed")

    def __init__(self, allow_networks: Sequence[str] = ()) -> None:
        self._networks = tuple(ipaddress.ip_network(network, strict=False) for network in allow_networks)
        self._passed: set[str] = set()

    def check(self, address: str) -> None:
        """Return if `address` (a literal IP, with or without `%zone`) may be connected to, else raise EgressRefused."""
        if address in self._passed:
            return
        try:
            found = ipaddress.ip_address(address.partition("%")[0])
        except ValueError:
            raise EgressRefused(f"{address!r} is not an IP address: the egress guard refuses it") from None
        if not self._listed(found):
            for inner in (found, *carried(found)):
                rule = _broken_rule(inner)
                if rule is not None and not self._listed(inner):
                    through = "" if inner is found else f" (it leads to {inner})"
                    raise EgressRefused(
                        f"{found}{through} is {rule}: the egress guard lets only globally routable addresses pass; "
                        f"list its network in {OPTION} to allow it"
                    )
        if len(self._passed) >= _REMEMBERED:
            self._passed.clear()
        self._passed.add(address)

    def _listed(self, address: Address) -> bool:
        return _within(address, self._networks)


def _within(address: Address, networks: Sequence[Network]) -> bool:
    return any(address.version == network.version and address in network for network in networks)


def carried(address: Address) -> tuple[Address, ...]:
    """The IPv4 addresses inside an IPv6 address, by every embedding that some router or kernel follows."""
    if isinstance(address, ipaddress.IPv4Address):
        return ()
    inner: list[Address] = []
    if address.ipv4_mapped is not None:
        inner.append(address.ipv4_mapped)
    if address.sixtofour is not None:
        inner.append(address.sixtofour)
    if address.teredo is not None:
        inner.extend(address.teredo)
    if address in _NAT64:
        inner.append(ipaddress.IPv4Address(int(address) & _LOW_32))
    return tuple(inner)


def _broken_rule(address: Address) -> str | None:
    """Why the address may not be reached, or None. The order gives the most telling name."""
    if address.is_unspecified:
        return "the unspecified address"
    if address.is_loopback:
        return "a loopback address"
    if address.is_link_local:
        return "a link-local address"
    if address.is_multicast:
        return "a multicast address"
    if isinstance(address, ipaddress.IPv6Address):
        if carried(address) and (address.ipv4_mapped is not None or address in _NAT64):
            return None  # what it carries is judged instead
        if address in _SITE_LOCAL:
            return "a site-local address"
        if address in _COMPATIBLE:
            return "an IPv4-compatible address"
    if address in _GLOBAL_AMONG_THEM:
        return None
    if not address.is_global or _within(address, _SPECIAL):
        return "not globally routable"
    return None


def socket_factory(guard: Guard) -> Callable[[AddressInfo], socket.socket]:
    """What makes the socket of each attempt to connect, if the guard lets its address pass."""

    def make(info: AddressInfo) -> socket.socket:
        family, kind, protocol, _, address = info
        guard.check(str(address[0]))
        made = socket.socket(family=family, type=kind, proto=protocol)
        made.setblocking(False)
        return made

    return make
