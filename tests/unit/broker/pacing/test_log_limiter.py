"""Warnings that come now and then."""

import logging

import pytest

from broker.pacing.log_limiter import EVERY_S, LogLimiter


@pytest.mark.parametrize("every_s", [EVERY_S, 10.0])
def test_a_line_now_and_then_says_how_many_were_left_out(every_s: float, caplog: pytest.LogCaptureFixture) -> None:
    now_s = 5.0
    limiter = LogLimiter(logging.getLogger("test"), lambda: now_s, every_s)
    for now_s in (5.0, 5.1, 4.9 + every_s, 5.1 + every_s, 5.2 + every_s, 5.2 + 2 * every_s):
        limiter.warn("at %.1f", now_s)
    assert [record.getMessage() for record in caplog.records] == [
        "at 5.0",
        f"at {5.1 + every_s:.1f} (2 more like this before)",
        f"at {5.2 + 2 * every_s:.1f} (1 more like this before)",
    ]


def test_an_error_of_the_program_s_own_has_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    limiter = LogLimiter(logging.getLogger("test"), lambda: 0.0)
    limiter.failed("it fails", error=ValueError("that"))
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert record.exc_info is not None
    assert record.exc_info[1] is not None
