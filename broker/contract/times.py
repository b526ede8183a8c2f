"""Times as devices, people and files write them. The only parser of times; pure."""

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from broker.contract.limits import CLOCK_AHEAD_S, CLOCK_FLOOR

_UNITS: Final = ((1e11, 1_000_000), (1e14, 1_000), (1e17, 1), (1e20, 1e-3))
"""Unix times below each limit are in a unit of so many microseconds: seconds reach the limit in the year 5138."""
_LATEST_US: Final = 4_102_444_800_000_000
"""2100-01-01. A number beyond it, in any unit, is no Unix time but a counter or digits of another kind."""
_EARLIEST_US: Final = -62_135_596_800_000_000
_NO_UNIX_TIME: Final = "in none of these units is it a time from year 1 to 2100"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NUMBER: Final = re.compile(r"[+-]?[0-9]+(?:\.[0-9]*)?")
_ISO: Final = re.compile(
    r"([0-9]{4})(-?)([0-9]{2})\2([0-9]{2})"
    r"(?:[Tt ]([0-9]{2})(?:(:?)([0-9]{2})(?:\6([0-9]{2})(?:[.,]([0-9]+))?)?)?\s?([Zz]|[+-][0-9]{2}(?::?[0-9]{2})?)?)?"
)
_BASIC_DATE_DIGITS: Final = 8
_CENTURIES: Final = ("19", "20")
"""Eight digits are a date of one of these, as in ``20241210``, or else a number."""


def parse_time(value: str | float) -> datetime:
    """Return a time in UTC, to the microsecond.

    A number, or a string of digits, is a Unix time: its size tells seconds, milliseconds, microseconds and nanoseconds
    apart. Any other string is RFC 3339, or an ISO 8601 date with or without a time, separators and a zone; no zone means
    UTC, and a leap second (``23:59:60``) is the second after it.

    Raises:
        ValueError: it is none of these, or no time between the years 1 and 2100 (9999, as a string).
    """
    if not isinstance(value, str):
        return _unix(value)
    if value[10:11] == "T" and value[5:6].isdecimal() and value.endswith("Z"):  # the commonest form, at a third of the time
        try:
            return datetime.fromisoformat(value)
        except ValueError:  # such as a leap second
            pass
    text = value.strip()
    if _NUMBER.fullmatch(text) and not (len(text) == _BASIC_DATE_DIGITS and text[:2] in _CENTURIES):
        return _unix(float(text))
    return _iso(text)


def is_date(value: str | float) -> bool:
    """Return True if a time that `parse_time` takes is a whole day: a date and no more."""
    found = _ISO.fullmatch(value.strip()) if isinstance(value, str) else None
    return found is not None and found[5] is None and (bool(found[2]) or len(found[0]) == _BASIC_DATE_DIGITS)


def device_time(value: str | float, now: datetime) -> datetime | None:
    """Return the time of a device's clock, or None if that is not set: before `CLOCK_FLOOR`, or ahead of `now`.

    Raises:
        ValueError: as `parse_time`.
    """
    time = parse_time(value)
    return None if time < CLOCK_FLOOR or (time - now).total_seconds() > CLOCK_AHEAD_S else time


def _unix(number: float) -> datetime:
    for limit, unit_us in _UNITS:
        if abs(number) < limit:
            time_us = round(number * unit_us)
            break
    else:
        raise ValueError(_NO_UNIX_TIME)
    if not _EARLIEST_US <= time_us < _LATEST_US:
        raise ValueError(_NO_UNIX_TIME)
    return _EPOCH + timedelta(microseconds=time_us)


def _iso(text: str) -> datetime:
    found = _ISO.fullmatch(text)
    if found is None:
        raise ValueError("it is neither ISO 8601 nor a number")
    year, _, month, day, hour, _, minute, second, fraction, zone = found.groups(default="")
    seconds = int(second or 0)
    leap = seconds == 60
    micros = int((fraction + "000000")[:6])
    try:
        time = datetime(
            int(year), int(month), int(day), int(hour or 0), int(minute or 0), seconds - leap, micros, tzinfo=UTC
        )
        time += timedelta(seconds=leap) - _offset(zone)
    except OverflowError as error:
        raise ValueError("it is outside the calendar") from error
    if leap and (time.hour, time.minute, time.second) != (0, 0, 0):
        raise ValueError("a leap second comes at the end of a day in UTC")
    return time


def _offset(zone: str) -> timedelta:
    if zone in ("", "Z", "z"):
        return timedelta()
    hours, minutes = int(zone[1:3]), int(zone[3:].removeprefix(":") or 0)
    if hours > 23 or minutes > 59:
        raise ValueError(f"there is no zone {zone}")
    ahead = timedelta(hours=hours, minutes=minutes)
    return -ahead if zone[0] == "-" else ahead
