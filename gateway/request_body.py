"""The body of a request: read whole, within a time limit."""

import asyncio
from typing import Final

from aiohttp import ClientPayloadError, hdrs, web

from gateway.errors import HttpError

_ENCODINGS: Final = frozenset({"gzip", "deflate", "identity"})
BODY_TIMEOUT_S: Final = 20.0
"""Time limit of a body; a device on a weak link sends 256 KiB in it."""


async def read_body(request: web.Request) -> bytes:
    """Return the whole body. Raises `HttpError` if it does not come in time, or is not what its headers say."""
    encoding = request.headers.get(hdrs.CONTENT_ENCODING, "identity").strip().lower()
    if encoding not in _ENCODINGS:
        raise unknown_encoding(encoding)
    if request.content.is_eof():  # it came with the headers: no timer is needed
        return await _read(request)
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            return await _read(request)
    except TimeoutError as error:
        raise HttpError(408, "timeout", f"the body must come within {BODY_TIMEOUT_S:g} s") from error


def unknown_encoding(encoding: str | None) -> HttpError:
    """Return the error for a `Content-Encoding` that is not read; None if it is known only that it is none."""
    got = "" if encoding is None else f", got {encoding[:40]!r}"
    message = f"Content-Encoding must be gzip or deflate, or be left out{got}"
    return HttpError(415, "invalid", message, headers={hdrs.ACCEPT_ENCODING: "gzip, deflate"})


async def _read(request: web.Request) -> bytes:
    try:
        return await request.read()
    except (web.RequestPayloadError, ClientPayloadError) as error:
        encoding = request.headers.get(hdrs.CONTENT_ENCODING, "identity")[:40]
        raise HttpError(400, "invalid", f"the body is not {encoding}, as its Content-Encoding says") from error
