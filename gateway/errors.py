"""A request that is refused, as one exception for all routes."""

import math
from collections.abc import Mapping
from typing import Final

from aiohttp import hdrs

from broker.contract import ErrorCode, ErrorDetail
from storage.history import HistoryError

RETRY_AFTER_S: Final = 5


class RefusedError(Exception):
    """Becomes an error body with its HTTP status; `headers` go with it."""

    def __init__(
        self, status: int, code: ErrorCode, message: str, field: str | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.detail = ErrorDetail(code, message, field)
        self.headers = dict(headers or {})

    @classmethod
    def of(cls, status: int, detail: ErrorDetail) -> "RefusedError":
        """The rejection that a detail tells of."""
        return cls(status, detail.code, detail.message, detail.field)


def unauthorized(message: str) -> RefusedError:
    """401: who it is must be said, or said rightly."""
    return RefusedError(401, "unauthorized", message, headers={hdrs.WWW_AUTHENTICATE: 'Bearer realm="stresswire"'})


def forbidden(message: str) -> RefusedError:
    """403: it is known who it is, and that is not enough."""
    return RefusedError(403, "forbidden", message)


def database_away(message: str = "the database does not answer now") -> RefusedError:
    """503, with the time after which it is worth to try again."""
    return RefusedError(503, "database", message, headers={hdrs.RETRY_AFTER: str(RETRY_AFTER_S)})


def too_many(message: str, wait_s: float) -> RefusedError:
    """429, with the time after which it is worth to try again."""
    return RefusedError(429, "rate_limited", message, headers={hdrs.RETRY_AFTER: str(max(1, math.ceil(wait_s)))})


def history_refused(error: HistoryError) -> RefusedError:
    """What is wrong with a request for history, by its status."""
    status = 503 if error.detail.code == "database" else 400
    return RefusedError.of(status, error.detail)
