"""Reading the record for frontends."""

from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import Select, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from broker.contract import ErrorDetail, HistoryRequest, NewSensorData
from storage.reader import Reader
from storage.tables import HistoryStress

_h = HistoryStress
_TO_THE_LAST_MOMENT = timedelta(days=1) - timedelta(microseconds=1)


class HistoryError(Exception):
    """A request that cannot be answered; `detail` names the field."""

    def __init__(self, detail: ErrorDetail) -> None:
        super().__init__(detail.message)
        self.detail = detail


class History(Reader):
    """Pages of the record."""

    async def page(self, request: HistoryRequest, devices: Collection[str] | None = None) -> tuple[NewSensorData, ...]:
        """The newest readings that fit, newest first; of `devices` only, where they are given. Raises `HistoryError` with
        what is wrong.
        """
        query = _query(request)
        if devices is not None:
            query = query.where(_h.device_id.in_(sorted(devices)))
        try:
            return await self.run(lambda connection: tuple(reading(row) for row in connection.execute(query)))
        except (DBAPIError, PoolTimeoutError) as error:
            raise HistoryError(ErrorDetail("database", "the database does not answer now")) from error


def parse_request(data: object) -> HistoryRequest:
    """What a client sent, as a request; nothing at all asks for the default page. Raises `HistoryError`."""
    try:
        return msgspec.convert({} if data is None else data, HistoryRequest)
    except msgspec.ValidationError as error:
        field = str(error).rpartition("$.")[2].rstrip("`") if "$." in str(error) else None
        raise HistoryError(ErrorDetail("invalid", f"cannot read the request: {error}", field)) from error


def reading(row: Any) -> NewSensorData:
    """A row of the record as frontends see it."""
    return NewSensorData(
        id=row.id,
        timestamp=row.timestamp,
        hr=row.hr,
        temp=row.temp,
        eda=row.eda,
        stress_level=row.stress_level,
        confidence=round(100 * row.confidence, 2),
        device_id=row.device_id,
        stress_probability=row.stress_probability,
        quality=tuple(row.quality.split(",")) if row.quality else (),
    )


def _query(request: HistoryRequest) -> Select[Any]:
    columns: tuple[Any, ...] = (_h.id, _h.timestamp, _h.hr, _h.temp, _h.eda, _h.stress_level, _h.confidence, _h.device_id)
    query = select(*columns, _h.stress_probability, _h.quality)
    if request.device_id is not None:
        query = query.where(_h.device_id == request.device_id)
    if request.start_date is not None:
        query = query.where(_h.timestamp >= _instant("start_date", request.start_date))
    if request.end_date is not None:
        end = _instant("end_date", request.end_date)
        whole_day = len(request.end_date) <= len("2024-12-10")
        query = query.where(_h.timestamp <= (end + _TO_THE_LAST_MOMENT if whole_day else end))
    return query.order_by(_h.timestamp.desc(), _h.id.desc()).limit(request.limit)


def _instant(field: str, value: str) -> datetime:
    try:
        time = datetime.fromisoformat(value)
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        message = f"{field} must be a date such as 2024-12-10, or an ISO 8601 time, got {value[:40]!r}"
        raise HistoryError(ErrorDetail("invalid", message, field)) from error
