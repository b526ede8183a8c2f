"""Requests that are rejected: one exception for HTTP and Socket.IO, and its usual forms."""

import math
from collections.abc import Mapping
from typing import Final, Self

from aiohttp import hdrs

from broker.contract import ErrorCode, ErrorDetail
from broker.contract.errors import RejectedError
from storage.history import HistoryError

RETRY_AFTER_S: Final = 5


class HttpError(RejectedError):
    """A request is rejected with an HTTP status; `headers` go with it. Socket.IO answers with `detail` alone."""

    def __init__(
        self, status: int, code: ErrorCode, message: str, field: str | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(code, message, field)
        self.status = status
        self.headers = dict(headers or {})

    @classmethod
    def of(cls, status: int, detail: ErrorDetail) -> Self:
        """Return the error for a detail that is known already."""
        return cls(status, detail.code, detail.message, detail.field)


def unauthorized(message: str) -> HttpError:
    """401: credentials are missing or wrong."""
    return HttpError(401, "unauthorized", message, headers={hdrs.WWW_AUTHENTICATE: 'Bearer realm="stresswire"'})


def forbidden(message: str) -> HttpError:
    """403: the caller is known and lacks the right."""
    return HttpError(403, "forbidden", message)


def database_away(message: str = "the database does not answer now") -> HttpError:
    """503, with the time after which to try again."""
    return HttpError(503, "database", message, headers={hdrs.RETRY_AFTER: str(RETRY_AFTER_S)})


def too_many(message: str, wait_s: float) -> HttpError:
    """429, with the time after which to try again."""
    return HttpError(429, "rate_limited", message, headers={hdrs.RETRY_AFTER: str(max(1, math.ceil(wait_s)))})


def history_rejected(error: HistoryError) -> HttpError:
    """Return what is wrong with a request for history, with its HTTP status."""
    status = 503 if error.detail.code == "database" else 400
    return HttpError.of(status, error.detail)
