"""Hosts, authorities and origins as settings, URLs and headers write them: one strict reading for all of them.

Grammar: RFC 3986, section 3.2 (host, port), RFC 9110, section 7.2 (Host), RFC 6454, section 7 (Origin). What does not fit
is no host at all, so that nothing is taken for this machine which a browser or a resolver reads as another one.
"""

import re
from functools import lru_cache
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import Final

from msgspec import Struct

MAX_HOST: Final = 253
"""Characters of a name in the DNS."""
MAX_PORT: Final = 65_535
_AUTHORITY: Final = re.compile(r"(\[[^\[\]]*\]|[^\[\]:]*)(?::([0-9]{0,5}))?", re.ASCII)
_ORIGIN: Final = re.compile(r"([a-z][a-z0-9+.-]*)://(.+)", re.ASCII)
_LABEL: Final = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME: Final = re.compile(rf"{_LABEL}(?:\.{_LABEL})*", re.ASCII)
_NUMBER: Final = re.compile(r"0x[0-9a-f]*|[0-9]+", re.ASCII)
_ZONE: Final = re.compile(r"[A-Za-z0-9._~-]{1,32}", re.ASCII)
_DEFAULT_PORTS: Final = {"http": 80, "https": 443, "ws": 80, "wss": 443}
_OPAQUE: Final = re.compile(r"null|[a-z][a-z0-9+.-]*://[!-~]+", re.ASCII)


class Authority(Struct, frozen=True):
    """A host and a port.

    `host` is in one spelling: a name in lower case without a final dot, an IPv4 address of four numbers, an IPv6 address in
    its short form and without brackets. `port` is None if none is written.
    """

    host: str
    port: int | None = None

    @property
    def loopback(self) -> bool:
        """True if the host is this machine itself."""
        return is_loopback(self.host)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port is None else f"{host}:{self.port}"


class Origin(Struct, frozen=True):
    """Origin of a page. The port of `authority` is never the scheme's own: that is None."""

    scheme: str
    authority: Authority


def parse_host(text: str) -> str:
    """Return a name or an address in one spelling, see `Authority`; IPv6 stands without brackets, also with a zone.

    Raises `ValueError` that says what is wrong.
    """
    if ":" in text:
        return _ipv6(text)
    name = text.lower().removesuffix(".")
    if len(name) > MAX_HOST or not _NAME.fullmatch(name):
        raise ValueError(f"is neither a host's name nor an address: {text[:80]!r}")
    # As browsers and the C library have it: what ends in a number is an address, or nothing.
    return _ipv4(name) if _NUMBER.fullmatch(name.rpartition(".")[2]) else name


def parse_authority(text: str, *, zones: bool = False) -> Authority:
    """Read ``host``, ``host:port`` or ``[IPv6]:port``. Raises `ValueError` that says what is wrong.

    `zones`: whether an IPv6 address may name an interface, as in ``[fe80::1%eth0]:5000``; in a URL it may not.
    """
    found = _AUTHORITY.fullmatch(text)
    if found is None:
        raise ValueError(f"is no host with a port, an IPv6 address in brackets: {text[:80]!r}")
    host, digits = found.groups()
    port = int(digits) if digits else None
    if port is not None and port > MAX_PORT:
        raise ValueError(f"has a port over {MAX_PORT}: {text[:80]!r}")
    if "%" in host and not zones:
        raise ValueError(f"is no host, a % cannot be in it: {text[:80]!r}")
    if host.startswith("["):
        return Authority(_ipv6(host[1:-1]), port)
    return Authority(parse_host(host), port)


def parse_origin(text: str) -> Origin:
    """Read an origin such as ``https://lab.example``. Raises `ValueError` that says what is wrong."""
    found = _ORIGIN.fullmatch(text)
    if found is None or text.endswith(":"):
        raise ValueError(f"is no origin such as https://lab.example: {text[:80]!r}")
    scheme, rest = found.groups()
    return origin_of(scheme, parse_authority(rest))


def is_opaque_origin(text: str) -> bool:
    """Return True if an origin names no host that a browser could reach, as an application's: ``null``, ``app://-``."""
    return _OPAQUE.fullmatch(text) is not None and text.partition("://")[0] not in _DEFAULT_PORTS


def origin_of(scheme: str, authority: Authority) -> Origin:
    """The origin of a page that came over `scheme` from `authority`."""
    return Origin(scheme, Authority(authority.host) if authority.port == _DEFAULT_PORTS.get(scheme) else authority)


@lru_cache(256)
def is_loopback(host: str) -> bool:
    """Return True if a name or an address, in any spelling that `parse_host` reads, is this machine itself.

    That is 127.0.0.0/8, also as an IPv6 address, ::1, and the name ``localhost``.
    """
    try:
        host = parse_host(host)
    except ValueError:
        return False
    if ":" not in host:
        return host == "localhost" or (host.startswith("127.") and host.rpartition(".")[2].isdecimal())
    address = IPv6Address(host)
    return (address.ipv4_mapped or address).is_loopback


def _ipv4(text: str) -> str:
    """Four numbers for what the C library reads as an IPv4 address: ``127.1``, ``0x7f.1``, ``2130706433``."""
    parts = text.split(".")
    if len(parts) > 4 or not all(map(_NUMBER.fullmatch, parts)):
        raise ValueError(f"ends in a number and is no IPv4 address: {text[:80]!r}")
    try:
        *high, low = (_number(part) for part in parts)
    except ValueError as error:
        raise ValueError(f"is no IPv4 address: {text[:80]!r}") from error
    if any(one > 255 for one in high) or low >= 256 ** (4 - len(high)):
        raise ValueError(f"is no IPv4 address, a number in it is too large: {text[:80]!r}")
    return str(IPv4Address(low + sum(one << 8 * (3 - at) for at, one in enumerate(high))))


def _number(text: str) -> int:
    """A number as C writes it: octal with a leading 0, hexadecimal with a leading 0x."""
    if text.startswith("0x"):
        return int(text[2:] or "0", 16)
    return int(text, 8 if len(text) > 1 and text.startswith("0") else 10)


def _ipv6(text: str) -> str:
    address, percent, zone = text.partition("%")
    if percent and not _ZONE.fullmatch(zone):
        raise ValueError(f"is no IPv6 address, its zone cannot be read: {text[:80]!r}")
    try:
        return f"{IPv6Address(address)}{percent}{zone}"
    except AddressValueError as error:
        raise ValueError(f"is no IPv6 address: {text[:80]!r}") from error
