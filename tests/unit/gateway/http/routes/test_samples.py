"""The HTTP status that says the same as a receipt."""

import pytest

from broker.contract import DataReceived, ErrorCode, ErrorDetail
from gateway.http.routes.samples import status_of


def failed(code: ErrorCode) -> DataReceived:
    return DataReceived(status="error", error=ErrorDetail(code, "why"))


@pytest.mark.parametrize(
    ("received", "status"),
    [
        (DataReceived(status="success"), 201),
        (DataReceived(status="success", duplicate=True), 200),
        (DataReceived(status="partial"), 207),
        (DataReceived(status="error"), 400),
        (failed("out_of_range"), 400),
        (failed("conflict"), 409),
        (failed("too_large"), 413),
        (failed("timeout"), 503),
    ],
)
def test_status(received: DataReceived, status: int) -> None:
    assert status_of(received) == status
