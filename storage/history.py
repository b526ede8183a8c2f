"""Reading the record for frontends: pages, what came after a reading, and overviews."""

import base64
import binascii
import re
from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, Row, Select, func, select, tuple_

from broker.contract import (
    BUCKETS_MAX,
    MAX_COUNT,
    SENSORS,
    ErrorDetail,
    HistoryBucket,
    HistoryData,
    HistoryRequest,
    NewSensorData,
    Span,
    percent,
)
from broker.contract.errors import RejectedError
from broker.contract.requests import read_request
from broker.contract.times import is_date, parse_time
from broker.contract.validation import bad_time
from storage.database import AWAY
from storage.dialects import await_id_lock
from storage.reader import Reader
from storage.rollups import overview
from storage.tables import HistoryStress, quality_of

_h = HistoryStress
_TO_THE_LAST_MOMENT: Final = timedelta(days=1) - timedelta(microseconds=1)
_WIDTHS_S: Final = {"minute": 60, "hour": 3_600, "day": 86_400}
_AUTO_S: Final = (60, 300, 900, 3_600, 4 * 3_600, 86_400, 7 * 86_400, 28 * 86_400)
"""Widths that `auto` chooses from; each is a multiple of a stored one."""
READING: Final[tuple[Any, ...]] = (
    _h.id,
    _h.timestamp,
    _h.hr,
    _h.temp,
    _h.eda,
    _h.stress_level,
    _h.confidence,
    _h.device_id,
    _h.stress_probability,
    _h.quality,
)
"""The columns that `reading` needs."""


class HistoryError(Exception):
    """A request that cannot be answered; `detail` names the field."""

    def __init__(self, detail: ErrorDetail) -> None:
        super().__init__(detail.message)
        self.detail = detail


class Scope(NamedTuple):
    """A set of readings: of these devices (None: all), from `start` to `end`, both included."""

    devices: Collection[str] | None
    start: datetime | None
    end: datetime | None

    def of(self, query: Select[Any]) -> Select[Any]:
        """`query`, limited to these readings."""
        if self.devices is not None:
            # A single device is compared with `=`: an index then gives its readings in the order of time.
            ids = sorted(self.devices)
            query = query.where(_h.device_id == ids[0] if len(ids) == 1 else _h.device_id.in_(ids))
        if self.start is not None:
            query = query.where(_h.timestamp >= self.start)
        return query if self.end is None else query.where(_h.timestamp <= self.end)


class History(Reader):
    """Answers history requests."""

    async def answer(self, request: HistoryRequest, devices: Collection[str] | None = None) -> HistoryData:
        """Answer `request`; of `devices` only, if they are given. Raises `HistoryError` that names the field."""
        scope = scope_of(request, devices)
        try:
            if request.resolution != "raw":
                return await self.run(lambda connection: _overview(connection, request, scope))
            if request.after_id is not None:
                return await self.run(lambda connection: _after_id(connection, request, scope))
            return await self.run(lambda connection: _page(connection, request, scope))
        except AWAY as error:
            raise HistoryError(ErrorDetail("database", "the database does not answer now")) from error


def parse_request(data: object) -> HistoryRequest:
    """Parse a request of a client; None asks for the default page. Raises `HistoryError`."""
    try:
        return read_request({} if data is None else data, HistoryRequest)
    except RejectedError as error:
        raise HistoryError(error.detail) from error


def scope_of(request: HistoryRequest, devices: Collection[str] | None) -> Scope:
    """Return the readings that a request asks for. Raises `HistoryError`."""
    if request.device_id is not None:
        devices = {request.device_id} if devices is None else {request.device_id} & set(devices)
    start = None if request.start_date is None else instant("start_date", request.start_date)
    end = None if request.end_date is None else instant("end_date", request.end_date)
    if end is not None and request.end_date is not None and is_date(request.end_date):
        end += _TO_THE_LAST_MOMENT
    if start is not None and end is not None and end < start:
        raise HistoryError(ErrorDetail("invalid", "end_date must not be before start_date", "end_date"))
    return Scope(devices, start, end)


def reading(row: Any) -> NewSensorData:
    """Convert a row of the record to the message for frontends."""
    return NewSensorData(
        id=row.id,
        timestamp=row.timestamp,
        hr=row.hr,
        temp=row.temp,
        eda=row.eda,
        stress_level=row.stress_level,
        confidence=percent(row.confidence),
        device_id=row.device_id,
        stress_probability=row.stress_probability,
        quality=quality_of(row.quality),
    )


def _page(connection: Connection, request: HistoryRequest, scope: Scope) -> HistoryData:
    """Return a page, the newest first. One row more is read, to know if there is another page."""
    query = scope.of(select(*READING)).order_by(_h.timestamp.desc(), _h.id.desc()).limit(request.limit + 1)
    if request.cursor is not None:
        query = query.where(tuple_(_h.timestamp, _h.id) < _position(request.cursor))
    rows = _rows(connection, query, scope)
    data = tuple(map(reading, rows[: request.limit]))
    more = len(rows) > request.limit
    return HistoryData(data, len(data), next=_cursor(data[-1]) if more else None)


def _after_id(connection: Connection, request: HistoryRequest, scope: Scope) -> HistoryData:
    await_id_lock(connection)
    query = scope.of(select(*READING)).where(_h.id > request.after_id).order_by(_h.id).limit(request.limit)
    data = tuple(map(reading, _rows(connection, query, scope)))
    return HistoryData(data, len(data))


def _overview(connection: Connection, request: HistoryRequest, scope: Scope) -> HistoryData:
    ends = _ends(connection, scope)
    if ends is None:
        return HistoryData((), 0)
    width_s = _width(request, *ends)
    first_s = ends[0] // width_s * width_s
    rows = overview(connection, width_s, first_s, (ends[1] // width_s + 1) * width_s, scope.devices)
    return HistoryData((), 0, buckets=tuple(map(_bucket, rows)), bucket_s=width_s)


def _rows(connection: Connection, query: Select[Any], scope: Scope) -> Sequence[Row[Any]]:
    return [] if scope.devices is not None and not scope.devices else connection.execute(query).all()


def _ends(connection: Connection, scope: Scope) -> tuple[int, int] | None:
    """Return the first and the last second of the range; an end that the request leaves open is that of the readings."""
    if scope.devices is not None and not scope.devices:
        return None
    # Without the other end: the answer is then the first entry of an index.
    whole = Scope(scope.devices, None, None)
    start = scope.start or connection.execute(whole.of(select(func.min(_h.timestamp)))).scalar_one()
    end = scope.end or connection.execute(whole.of(select(func.max(_h.timestamp)))).scalar_one()
    if start is None or end is None or start > end:
        return None
    return int(start.timestamp()), int(end.timestamp())


def _width(request: HistoryRequest, start_s: int, end_s: int) -> int:
    span_s = end_s - start_s
    if request.resolution == "auto":
        return next((width_s for width_s in _AUTO_S if span_s / width_s < BUCKETS_MAX - 1), _AUTO_S[-1])
    width_s = _WIDTHS_S[request.resolution]
    if span_s / width_s > BUCKETS_MAX:
        over = f"{span_s // width_s:,} buckets, at most {BUCKETS_MAX:,}"
        message = f"{over}: ask for a shorter range, or a coarser resolution"
        raise HistoryError(ErrorDetail("invalid", message, "resolution"))
    return width_s


def _bucket(row: Row[Any]) -> HistoryBucket:
    hr, temp, eda = (_span(row, sensor) for sensor in SENSORS)
    count = int(row.readings)
    return HistoryBucket(
        start=datetime.fromtimestamp(int(row.start_s), UTC),
        count=count,
        hr=hr,
        temp=temp,
        eda=eda,
        stress_probability=min(1.0, row.probability_sum / count),
        high_stress=int(row.high_stress) / count,
    )


def _span(row: Row[Any], sensor: str) -> Span | None:
    count, total, low, high = (getattr(row, f"{sensor}_{statistic}") for statistic in ("count", "sum", "min", "max"))
    # The mean of equal values may differ from them by rounding.
    return None if not count else Span(low, min(high, max(low, total / int(count))), high)


def _cursor(last: NewSensorData) -> str:
    return base64.urlsafe_b64encode(f"{last.timestamp.isoformat()} {last.id}".encode()).decode()


def _position(cursor: str) -> tuple[datetime, int]:
    try:
        time, _, row_id = base64.urlsafe_b64decode(cursor.encode()).decode().partition(" ")
        timestamp = datetime.fromisoformat(time)
        if timestamp.tzinfo is None or not (row_id.isascii() and row_id.isdecimal()) or int(row_id) > MAX_COUNT:
            raise ValueError("no position")
        return timestamp.astimezone(UTC), int(row_id)
    except (ValueError, OverflowError, binascii.Error) as error:
        raise HistoryError(ErrorDetail("invalid", "cursor must be the `next` of an earlier page", "cursor")) from error


def instant(field: str, value: str | float) -> datetime:
    """Parse a time; without a zone it is UTC. Raises `HistoryError` that names the field."""
    try:
        if isinstance(value, str) and len(value) > len("2024-12-10 10:30"):
            # In a query a `+` that is not written as %2B comes as a space; behind a time nothing but a zone can follow it.
            value = _LOST_PLUS.sub("+", value)
        return parse_time(value)
    except ValueError as error:
        raise HistoryError(bad_time(field, value, error).detail) from error


_LOST_PLUS: Final = re.compile(r"(?<=[0-9]) {1,2}(?=[0-9]{2}(?::?[0-9]{2})?$)")
"""Where a plus was, in a text that has a date and a time before it."""
