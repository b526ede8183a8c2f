"""Request headers: checked once, before aiohttp or a handler acts on them. The Host stops DNS rebinding. No I/O."""

from functools import lru_cache
from typing import Final

from aiohttp import HttpVersion11, hdrs, web

from broker.authority import Authority, parse_authority
from gateway.errors import HttpError

IDEMPOTENCY_KEY: Final = "Idempotency-Key"
CSRF_HEADER: Final = "X-CSRF-Token"
FORWARDED_FOR: Final = "X-Forwarded-For"
FORWARDED_PROTO: Final = "X-Forwarded-Proto"
HOST: Final = web.RequestKey("host", Authority)
"""The parsed Host header; a request of HTTP/1.0 may have none."""
_READ: Final = frozenset(
    name.lower()
    for name in (
        hdrs.ACCEPT_ENCODING,
        hdrs.CONNECTION,
        hdrs.CONTENT_ENCODING,
        hdrs.CONTENT_TYPE,
        CSRF_HEADER,
        hdrs.EXPECT,
        hdrs.FORWARDED,
        hdrs.HOST,
        IDEMPOTENCY_KEY,
        hdrs.IF_NONE_MATCH,
        hdrs.ORIGIN,
        hdrs.SEC_WEBSOCKET_EXTENSIONS,
        hdrs.SEC_WEBSOCKET_KEY,
        hdrs.SEC_WEBSOCKET_PROTOCOL,
        hdrs.SEC_WEBSOCKET_VERSION,
        hdrs.TRANSFER_ENCODING,
        hdrs.UPGRADE,
        FORWARDED_FOR,
        FORWARDED_PROTO,
    )
)
"""Headers that something acts on. Any other, such as the cookies of other programs on this machine, may hold any bytes;
what is no token in `Authorization` is nobody's."""

_authority: Final = lru_cache(256)(parse_authority)
"""Remembered, since nearly all requests have the same few."""


def check_headers(request: web.BaseRequest) -> Authority | None:
    """Return the parsed Host header, or None without one.

    Raises `HttpError`: 400 for a header that is not UTF-8 or a Host that is none, 417 for an Expect that is not met.
    """
    for name, value in request.headers.items():
        if not value.isascii() and name.lower() in _READ and not _is_text(value):
            raise HttpError(400, "not_utf8", f"the header {name} is not UTF-8")
    expected = request.headers.get(hdrs.EXPECT, "")
    if expected and expected.lower() != "100-continue" and request.version == HttpVersion11:
        raise HttpError(417, "invalid", "the header Expect can only be 100-continue")
    hosts = request.headers.getall(hdrs.HOST, [])
    if len(hosts) > 1:
        raise HttpError(400, "invalid", "there must be one header Host, not several")
    try:
        return _authority(hosts[0]) if hosts else None
    except ValueError as error:
        raise HttpError(400, "invalid", f"the header Host {error}") from error


def _is_text(value: str) -> bool:
    """Return False if aiohttp kept bytes that are not UTF-8 as surrogates."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
