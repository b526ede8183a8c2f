"""Warnings that come now and then."""

import logging

import pytest

from broker.pacing.log_limiter import ERROR_EVERY_S, EVERY_S, LogLimiter, RateLimitedLogFilter


@pytest.mark.parametrize("every_s", [EVERY_S, 10.0])
def test_a_line_now_and_then_says_how_many_were_left_out(every_s: float, caplog: pytest.LogCaptureFixture) -> None:
    now_s = 5.0
    limiter = LogLimiter(logging.getLogger("test"), lambda: now_s, every_s)
    for now_s in (5.0, 5.1, 4.9 + every_s, 5.1 + every_s, 5.2 + every_s, 5.2 + 2 * every_s):
        limiter.warn("at %.1f", now_s)
    assert [record.getMessage() for record in caplog.records] == [
        "at 5.0",
        f"at {5.1 + every_s:.1f} (2 others before)",
        f"at {5.2 + 2 * every_s:.1f} (1 others before)",
    ]


def test_an_error_of_the_program_s_own_has_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    limiter = LogLimiter(logging.getLogger("test"), lambda: 0.0)
    limiter.failed("it fails", error=ValueError("that"))
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert record.exc_info is not None
    assert record.exc_info[1] is not None


def test_a_filter_makes_one_line_of_a_librarys_traceback(caplog: pytest.LogCaptureFixture) -> None:
    log, now_s = logging.getLogger("test"), 0.0
    limited = RateLimitedLogFilter(ValueError, now_s=lambda: now_s)
    log.addFilter(limited)
    try:
        for now_s in (0.0, ERROR_EVERY_S / 2, ERROR_EVERY_S):  # noqa: B007 - the clock of the filter
            for error in (ValueError("a\nb"), KeyError("other")):
                log.error("failed", exc_info=error)
    finally:
        log.removeFilter(limited)
    lines = [(record.levelname, record.getMessage(), record.exc_info is None) for record in caplog.records]
    other = ("ERROR", "failed", False)
    assert lines == [
        ("WARNING", "failed: ValueError: 'a\\nb'", True),
        other,
        other,
        ("WARNING", "failed: ValueError: 'a\\nb' (1 others before)", True),
        other,
    ]
