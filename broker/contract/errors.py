"""The error for what a client sends and is not accepted."""

from broker.contract.device_messages import ErrorDetail
from broker.contract.limits import ErrorCode


class RejectedError(Exception):
    """Rejection of what a client sent; `detail` goes into the answer."""

    def __init__(self, code: ErrorCode, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.detail = ErrorDetail(code, message, field)
