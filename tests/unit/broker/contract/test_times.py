"""Times in all the forms in which people, devices and files write them."""

from datetime import UTC, datetime, timedelta

import pytest

from broker.contract import TIME_RULE
from broker.contract.times import device_time, is_date, parse_time

NOW = datetime(2024, 12, 10, 10, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    "value",
    [
        # numbers: the unit by their size
        1733826600,
        1733826600.0,
        1733826600000,
        1733826600000000,
        1733826600000000000,
        # digits in a string are the same numbers
        "1733826600",
        "1733826600.000",
        " 1733826600000 ",
        "1733826600000000",
        "1733826600000000000",
        # ISO 8601 and RFC 3339
        "2024-12-10T10:30:00Z",
        "2024-12-10T10:30:00z",
        "2024-12-10t10:30:00z",
        "2024-12-10 10:30:00Z",
        "2024-12-10 10:30:00",
        "2024-12-10T10:30",
        "2024-12-10T10:30:00.000000000Z",
        "2024-12-10T10:30:00,0Z",
        "2024-12-10T12:30:00+02:00",
        "2024-12-10T12:30:00+0200",
        "2024-12-10T12:30:00 +02",
        "2024-12-10T05:00:00-05:30",
        "2024-12-10T10:30:00-00:00",
        "20241210T103000Z",
        "20241210T1030",
    ],
)
def test_one_moment_in_many_forms(value: str | float) -> None:
    time = parse_time(value)
    assert time == NOW
    assert time.utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2024-12-10", datetime(2024, 12, 10, tzinfo=UTC)),
        ("20241210", datetime(2024, 12, 10, tzinfo=UTC)),
        ("12345678", datetime(1970, 5, 23, 21, 21, 18, tzinfo=UTC)),
        ("2024-12-10T10", datetime(2024, 12, 10, 10, tzinfo=UTC)),
        ("2024-02-29", datetime(2024, 2, 29, tzinfo=UTC)),
        ("2016-12-31T23:59:60Z", datetime(2017, 1, 1, tzinfo=UTC)),
        ("2017-01-01T01:59:60.5+02:00", datetime(2017, 1, 1, microsecond=500_000, tzinfo=UTC)),
        ("2024-12-10T10:30:00.1234567Z", NOW + timedelta(microseconds=123_456)),
        (1733826600.25, NOW + timedelta(seconds=0.25)),
        (1733826600250, NOW + timedelta(seconds=0.25)),
        (1733826600250000, NOW + timedelta(seconds=0.25)),
        (1733826600250000000, NOW + timedelta(seconds=0.25)),
        ("1733826600.25", NOW + timedelta(seconds=0.25)),
        (0, datetime(1970, 1, 1, tzinfo=UTC)),
        ("0", datetime(1970, 1, 1, tzinfo=UTC)),
        (-1.5, datetime(1969, 12, 31, 23, 59, 58, 500_000, tzinfo=UTC)),
        (4_102_444_799, datetime(2099, 12, 31, 23, 59, 59, tzinfo=UTC)),
    ],
)
def test_a_time(value: str | float, expected: datetime) -> None:
    assert parse_time(value) == expected


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("", "neither ISO 8601 nor a number"),
        ("now", "neither"),
        ("10:30", "neither"),
        ("10/12/2024 10:30", "neither"),
        ("10.12.2024", "neither"),
        ("2024-12-10_10:30:00", "neither"),
        ("2024-12-10T10:30:00 CET", "neither"),
        ("2024-12-10T1030:00", "neither"),
        ("2024-1210", "neither"),
        ("\u0661\u0667\u0663\u0663\u0668\u0662\u0666\u0666\u0660\u0660", "neither"),
        ("1_733_826_600", "neither"),
        ("1.7e9", "neither"),
        ("nan", "neither"),
        ("2024-13-01", "month"),
        ("2023-02-29", "day"),
        ("2024-12-10T25:00:00Z", "hour"),
        ("2024-12-10T10:61:00Z", "minute"),
        ("2024-12-10T10:30:61Z", "second"),
        ("2024-12-10T10:30:60Z", "leap second"),
        ("2024-12-31T23:59:60+02:00", "leap second"),
        ("2024-12-10T10:30:00+24:00", "zone"),
        ("2024-12-10T10:30:00+02:60", "zone"),
        ("0001-01-01T00:00:00+14:00", "calendar"),
        ("9999-12-31T23:59:60Z", "calendar"),
        (4_102_444_800, "none of these units"),
        (99_999_999_999, "none of these units"),
        (1e20, "none of these units"),
        (-1e20, "none of these units"),
        ("17338266000000000000000", "none of these units"),
    ],
)
def test_not_a_time(value: str | float, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        parse_time(value)


@pytest.mark.parametrize(
    ("value", "whole_day"),
    [
        ("2024-12-10", True),
        ("20241210", True),
        (" 2024-12-10 ", True),
        ("2024-12-10T00", False),
        ("2024-12-10T00:00:00Z", False),
        ("1733826600", False),
        (20241210, False),
        ("tomorrow", False),
    ],
)
def test_is_date(value: str | float, whole_day: bool) -> None:
    assert is_date(value) is whole_day


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2024-12-10T10:31:00Z", NOW + timedelta(seconds=60)),
        ("2024-12-10T10:31:00.001Z", None),
        ("2020-01-01T00:00:00Z", datetime(2020, 1, 1, tzinfo=UTC)),
        ("2019-12-31T23:59:59Z", None),
        (0, None),
        (12_345, None),
    ],
)
def test_device_time(value: str | float, expected: datetime | None) -> None:
    assert device_time(value, NOW) == expected


def test_the_rule_names_the_units() -> None:
    for unit in ("ISO 8601", "seconds", "milliseconds", "microseconds", "nanoseconds"):
        assert unit in TIME_RULE
