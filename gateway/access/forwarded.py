"""The client behind a reverse proxy: RFC 7239 and X-Forwarded-* headers, believed from trusted proxies only."""

import ipaddress
from collections.abc import Collection
from typing import Final

from aiohttp import web
from msgspec import Struct

from gateway.headers import FORWARDED_FOR, FORWARDED_PROTO

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Peer(Struct, frozen=True):
    """The client's address, and if it came over TLS (`secure`)."""

    address: str
    secure: bool


PEER: Final = web.RequestKey("peer", Peer)


class Forwarded:
    """Reads forwarded headers. `trusted` are the networks of the proxies that are believed."""

    def __init__(self, trusted: Collection[Network]) -> None:
        self._trusted = tuple(trusted)

    def peer(self, request: web.Request) -> Peer:
        """Return the nearest address that is no trusted proxy: anything before it may be forged."""
        address, secure = request.remote or "", request.secure
        for hop, proto in reversed(_hops(request)):
            if not self._trusts(address):
                break
            address, secure = hop, proto == "https"
        return Peer(address, secure)

    def _trusts(self, address: str) -> bool:
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(parsed in network for network in self._trusted)


def _hops(request: web.Request) -> list[tuple[str, str]]:
    """Return address and scheme of each hop as the proxies wrote them, the client's first."""
    if request.forwarded:
        return [(_bare(hop.get("for", "")), hop.get("proto", "http")) for hop in request.forwarded]
    addresses, protos = _items(request, FORWARDED_FOR), _items(request, FORWARDED_PROTO)
    # One proxy writes one scheme; if only the last writes it, it holds for all hops.
    return [
        (_bare(address), protos[min(hop, len(protos) - 1)] if protos else "http") for hop, address in enumerate(addresses)
    ]


def _items(request: web.Request, header: str) -> list[str]:
    return [item.strip() for value in request.headers.getall(header, []) for item in value.split(",")]


def _bare(node: str) -> str:
    """Return a node without its port and brackets."""
    if node.startswith("["):
        return node[1:].partition("]")[0]
    return node.partition(":")[0] if node.count(":") == 1 else node
