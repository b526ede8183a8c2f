"""Who is behind a reverse proxy: believed only from the proxies that the settings name (RFC 7239, X-Forwarded-*)."""

import ipaddress
from collections.abc import Collection
from typing import Final

from aiohttp import web
from msgspec import Struct

from gateway.headers import FORWARDED_FOR, FORWARDED_PROTO

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Peer(Struct, frozen=True):
    """The address that a request comes from, and whether it came over TLS."""

    address: str
    secure: bool


PEER: Final = web.RequestKey("client", Peer)


class Forwarded:
    """`trusted`: the networks of the proxies whose word on their clients is taken."""

    def __init__(self, trusted: Collection[Network]) -> None:
        self._trusted = tuple(trusted)

    def client(self, request: web.Request) -> Peer:
        """The nearest address that is no trusted proxy: what stands before it anybody may have written."""
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
    """Address and scheme of each hop, as the proxies wrote them, the client's first."""
    if request.forwarded:
        return [(_bare(hop.get("for", "")), hop.get("proto", "http")) for hop in request.forwarded]
    addresses = [one.strip() for value in request.headers.getall(FORWARDED_FOR, []) for one in value.split(",")]
    protos = [one.strip() for value in request.headers.getall(FORWARDED_PROTO, []) for one in value.split(",")]
    # One proxy writes one scheme; where only the last writes it, it holds for the whole way.
    return [(_bare(one), protos[min(at, len(protos) - 1)] if protos else "http") for at, one in enumerate(addresses)]


def _bare(node: str) -> str:
    """A node without its port and brackets."""
    if node.startswith("["):
        return node[1:].partition("]")[0]
    return node.partition(":")[0] if node.count(":") == 1 else node
