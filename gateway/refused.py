"""A request that is refused, as one exception for all routes."""

import math
from collections.abc import Mapping

from aiohttp import hdrs

from broker.contract import ErrorCode, ErrorDetail


class RefusedError(Exception):
    """Becomes an error body with its HTTP status; `headers` go with it."""

    def __init__(
        self, status: int, code: ErrorCode, message: str, field: str | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.detail = ErrorDetail(code, message, field)
        self.headers = dict(headers or {})


def unauthorized(message: str) -> RefusedError:
    """401: who it is must be said, or said rightly."""
    return RefusedError(401, "unauthorized", message, headers={hdrs.WWW_AUTHENTICATE: 'Bearer realm="stresswire"'})


def forbidden(message: str) -> RefusedError:
    """403: it is known who it is, and that is not enough."""
    return RefusedError(403, "forbidden", message)


def too_many(message: str, wait_s: float) -> RefusedError:
    """429, with the time after which it is worth to try again."""
    return RefusedError(429, "rate_limited", message, headers={hdrs.RETRY_AFTER: str(max(1, math.ceil(wait_s)))})
