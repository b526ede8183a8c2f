"""The error for what a client sends and is not accepted."""

from broker.contract.device_messages import ErrorDetail
from broker.contract.limits import ErrorCode


class RejectedError(Exception):
    """What a client sent is rejected; `detail` is what it is told."""

    def __init__(self, code: ErrorCode, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.detail = ErrorDetail(code, message, field)
