"""Devices over HTTP: their newest readings, status and baselines."""

from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Struct

from broker.contract import DeviceId, DeviceStatus, NewSensorData, Right
from gateway.access.audit import audit_event, change
from gateway.errors import HttpError
from gateway.http.routing import Call, Content, Endpoint, Endpoints
from gateway.inbound import Inbound
from storage import device_state
from storage import devices as device_rows
from storage.history import reading
from storage.reader import Reader
from storage.writer import Writer

DEVICES_MAX: Final = 200
STATUSES_KEPT: Final = 20_000
"""Devices whose last `device_status` is remembered; beyond it the longest unheard are forgotten."""


class DevicesRequest(Struct, frozen=True):
    """A page of devices by name; `after` is the last name of the previous page."""

    limit: Annotated[int, Meta(ge=1, le=DEVICES_MAX)] = 50
    after: DeviceId | None = None


class Contact(Struct, frozen=True):
    """The share of minutes with contact in the newest hour with readings, 0-1, by channel."""

    hr: float
    temp: float
    eda: float


class UsualValues(Struct, frozen=True):
    """The running personal baseline: heart rate in bpm with its spread, skin conductance in microsiemens."""

    hr: float | None
    hr_sd: float | None
    eda: float | None


class DeviceInfo(Struct, frozen=True):
    """State of a device. `state` is that of its last `device_status`, or `unknown` without one; `battery` is in percent.

    `firmware`, and how many samples are `waiting` on the device or were `dropped` there, come from that status too.
    `baseline` is at most a minute old while readings arrive.
    """

    device_id: DeviceId
    state: Literal["online", "offline", "sleeping", "unknown"]
    battery: float | None
    firmware: str | None
    waiting: int | None
    dropped: int | None
    last_seen: datetime
    last_reading: NewSensorData
    contact: Contact | None
    baseline: UsualValues | None


class DeviceList(Struct, frozen=True):
    """A page of devices."""

    data: tuple[DeviceInfo, ...]
    count: int


DEVICES: Final = Endpoint(
    method="GET",
    path="/api/devices",
    operation="devices",
    summary="List devices, by name.",
    right=Right.WATCH,
    query=DevicesRequest,
    answers={200: Content("A page of devices.", DeviceList)},
)
DEVICE: Final = Endpoint(
    method="GET",
    path="/api/devices/{device_id}",
    operation="device",
    summary="Show a device.",
    right=Right.WATCH,
    answers={200: Content("The device.", DeviceInfo)},
)
RESET_BASELINE: Final = Endpoint(
    method="DELETE",
    path="/api/devices/{device_id}/baseline",
    operation="reset_baseline",
    summary="Reset the personal baseline with the next reading, since another person wears the device.",
    right=Right.OPERATE,
    answers={204: Content("The baseline will be reset.")},
)


class DeviceRoutes:
    """Lists devices with their newest reading and status, and resets their baselines."""

    def __init__(self, reader: Reader, writer: Writer, now: Callable[[], datetime]) -> None:
        self._reader = reader
        self._writer = writer
        self._now = now
        self._statuses: OrderedDict[str, DeviceStatus] = OrderedDict()

    def add_to(self, endpoints: Endpoints) -> None:
        """Add the routes."""
        endpoints.add(DEVICES, self._list)
        endpoints.add(DEVICE, self._device)
        endpoints.add(RESET_BASELINE, self._reset_baseline)

    def note_status(self, message: Inbound) -> None:
        """Remember a device's status, or forget it if the retained message was cleared."""
        device_id, status = message.device_id, message.payload
        if status is None:
            self._statuses.pop(device_id, None)
            return
        self._statuses[device_id] = status
        self._statuses.move_to_end(device_id)
        if len(self._statuses) > STATUSES_KEPT:
            self._statuses.popitem(last=False)

    async def _list(self, call: Call) -> DeviceList:
        request: DevicesRequest = call.query
        visible = call.caller.devices
        rows = await self._reader.run(
            lambda connection: device_rows.devices(connection, request.limit, request.after, visible)
        )
        return DeviceList(tuple(map(self._info, rows)), len(rows))

    async def _device(self, call: Call) -> DeviceInfo:
        device_id = call.device_id
        row = await self._reader.run(lambda connection: device_rows.device(connection, device_id))
        if row is None:
            raise _unknown_device(device_id)
        return self._info(row)

    async def _reset_baseline(self, call: Call) -> None:
        device_id, now = call.device_id, self._now()
        if await self._reader.run(lambda connection: device_rows.device(connection, device_id)) is None:
            raise _unknown_device(device_id)
        event = audit_event(call.caller, now, "baseline_reset", device_id)
        await change(self._writer, event, lambda connection: device_state.reset_baseline(connection, device_id, now))

    def _info(self, device: device_rows.Device) -> DeviceInfo:
        status = self._statuses.get(device.device_id)
        return DeviceInfo(
            device_id=device.device_id,
            state="unknown" if status is None else status.status,
            battery=None if status is None else status.battery,
            firmware=None if status is None else status.firmware,
            waiting=None if status is None else status.waiting,
            dropped=None if status is None else status.dropped,
            last_seen=device.received_at,
            last_reading=reading(device.reading),
            contact=None if device.contact is None else msgspec.convert(device.contact, Contact),
            baseline=None if device.baseline is None else msgspec.convert(device.baseline, UsualValues),
        )


def _unknown_device(device_id: str) -> HttpError:
    return HttpError(404, "not_found", f"no readings of {device_id}", "device_id")
