"""Devices over HTTP: how they are, and orders to them."""

import asyncio
import json
import secrets
from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Final, Literal

import msgspec
from aiohttp import web
from msgspec import Meta, Struct

from broker.bus import Bus
from broker.contract import (
    ANSWER_TIMEOUT_S,
    DEVICE_COMMAND,
    Command,
    CommandId,
    CommandResult,
    CommandValue,
    DeviceCommand,
    DeviceId,
    DeviceStatus,
    NewSensorData,
    Right,
    encode,
)
from gateway.access.audit import change, deed_of
from gateway.errors import RefusedError
from gateway.http.routing import Call, Content, Endpoint, Endpoints, json_response
from gateway.inbound import Inbound
from storage import commands as command_rows
from storage import device_state
from storage import devices as device_rows
from storage.history import reading
from storage.reader import Reader
from storage.writer import Writer, WriterStoppedError

DEVICES_MAX: Final = 200
STATUSES_KEPT: Final = 20_000
"""Devices whose last `device_status` is remembered; beyond it the longest unheard are forgotten."""


class DevicesRequest(Struct, frozen=True):
    """A page of devices by name; `after` is the last name of the page before."""

    limit: Annotated[int, Meta(ge=1, le=DEVICES_MAX)] = 50
    after: DeviceId | None = None


class Contact(Struct, frozen=True):
    """The share of readings with contact in the newest hour with readings, 0-1, by channel."""

    hr: float
    temp: float
    eda: float


class UsualValues(Struct, frozen=True):
    """The running personal baseline: heart rate in bpm with its spread, skin conductance in microsiemens."""

    hr: float | None
    hr_sd: float | None
    eda: float | None


class DeviceInfo(Struct, frozen=True):
    """How a device is. `state` is its last `device_status`, `unknown` where none was heard; `battery` is in percent.

    `firmware`, and how many samples are `waiting` on the device or were `dropped` there, are its last word too.
    `baseline` is at most a minute old while readings come.
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


class CommandRequest(Struct, frozen=True):
    """An order to a device; what it understands is for the device to say."""

    command: Command
    value: CommandValue | None = None


class CommandQuery(Struct, frozen=True):
    """How many seconds to wait for the device's answer."""

    wait_s: Annotated[float, Meta(ge=0, le=ANSWER_TIMEOUT_S)] = ANSWER_TIMEOUT_S


class CommandState(Struct, frozen=True):
    """An order and what came back; `status` and `message` are the device's, null until it has answered."""

    command_id: CommandId
    device_id: DeviceId
    command: str
    value: CommandValue | None
    at: datetime
    login: str | None
    answered_at: datetime | None
    status: str | None
    message: str | None


DEVICES: Final = Endpoint(
    method="GET",
    path="/api/devices",
    operation="devices",
    summary="The devices, by name.",
    right=Right.WATCH,
    query=DevicesRequest,
    answers={200: Content("A page of devices.", DeviceList)},
)
ONE: Final = Endpoint(
    method="GET",
    path="/api/devices/{device_id}",
    operation="device",
    summary="How a device is.",
    right=Right.WATCH,
    answers={200: Content("How it is.", DeviceInfo)},
)
ORDER: Final = Endpoint(
    method="POST",
    path="/api/devices/{device_id}/commands",
    operation="command_device",
    summary="Orders something from a device, and waits for its answer.",
    right=Right.OPERATE,
    query=CommandQuery,
    body=CommandRequest,
    answers={
        200: Content("The device has answered.", CommandState),
        202: Content("Sent; no answer yet.", CommandState),
    },
)
ORDERED: Final = Endpoint(
    method="GET",
    path="/api/devices/{device_id}/commands/{command_id}",
    operation="command",
    summary="An order and what came back.",
    right=Right.OPERATE,
    answers={200: Content("The order.", CommandState), 404: Content("It was not ordered from this device.")},
)
RESET: Final = Endpoint(
    method="DELETE",
    path="/api/devices/{device_id}/baseline",
    operation="reset_baseline",
    summary="Lets the personal baseline begin anew with the next reading: another person wears the device.",
    right=Right.OPERATE,
    answers={204: Content("It will.")},
)
ENDPOINTS: Final = (DEVICES, ONE, ORDER, ORDERED, RESET)


class Devices:
    """The handlers, and what is known of the devices from the bus."""

    def __init__(self, bus: Bus, reader: Reader, writer: Writer, now: Callable[[], datetime]) -> None:
        self._bus = bus
        self._reader = reader
        self._writer = writer
        self._now = now
        self._statuses: OrderedDict[str, DeviceStatus] = OrderedDict()
        self._waiting: dict[str, asyncio.Future[None]] = {}

    def add_to(self, endpoints: Endpoints) -> None:
        """Register them."""
        endpoints.add(DEVICES, self._list)
        endpoints.add(ONE, self._one)
        endpoints.add(ORDER, self._order)
        endpoints.add(ORDERED, self._ordered)
        endpoints.add(RESET, self._reset)

    def note_status(self, message: Inbound) -> None:
        """Remember a device's status, or forget it where the retained message was cleared."""
        device_id, status = message.device_id, message.payload
        if status is None:
            self._statuses.pop(device_id, None)
            return
        self._statuses[device_id] = status
        self._statuses.move_to_end(device_id)
        if len(self._statuses) > STATUSES_KEPT:
            self._statuses.popitem(last=False)

    async def note_result(self, message: Inbound) -> None:
        """Keep a device's answer to an order, and tell who waits for it here."""
        device_id = message.device_id
        result: CommandResult = message.payload
        at = self._now()
        try:
            await self._writer.run(
                lambda connection: command_rows.answered(
                    connection, device_id, result.command_id, at, result.status, result.message
                )
            )
        except WriterStoppedError:
            return  # the database is away and so are we; the order stays without an answer
        waiting = self._waiting.get(result.command_id)
        if waiting is not None and not waiting.done():
            waiting.set_result(None)

    async def _list(self, call: Call) -> DeviceList:
        request: DevicesRequest = call.query
        only = call.visitor.devices
        found = await self._reader.run(
            lambda connection: device_rows.devices(connection, request.limit, request.after, only)
        )
        return DeviceList(tuple(map(self._info, found)), len(found))

    async def _one(self, call: Call) -> DeviceInfo:
        device_id = call.device_id
        found = await self._reader.run(lambda connection: device_rows.device(connection, device_id))
        if found is None:
            raise _nothing_of(device_id)
        return self._info(found)

    async def _reset(self, call: Call) -> None:
        device_id, at = call.device_id, self._now()
        if await self._reader.run(lambda connection: device_rows.device(connection, device_id)) is None:
            raise _nothing_of(device_id)
        deed = deed_of(call.visitor, at, "baseline_reset", device_id)
        await change(self._writer, deed, lambda connection: device_state.reset_baseline(connection, device_id, at))

    async def _order(self, call: Call) -> web.Response:
        request: CommandRequest = call.body
        query: CommandQuery = call.query
        device_id, command_id = call.device_id, secrets.token_hex(8)
        value = None if request.value is None else json.dumps(request.value)
        given = command_rows.NewCommand(command_id, device_id, request.command, value, self._now(), call.visitor.login)
        deed = deed_of(call.visitor, given.at, "command", device_id, request.command)
        answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[command_id] = answer
        try:
            await change(self._writer, deed, lambda connection: command_rows.order(connection, given))
            command = DeviceCommand(command_id, request.command, request.value)
            await self._bus.publish(DEVICE_COMMAND.topic(device_id), encode(command), qos=DEVICE_COMMAND.qos)
            async with asyncio.timeout(query.wait_s):
                await answer
        except TimeoutError:
            return json_response(await self._found(device_id, command_id), 202)
        finally:
            del self._waiting[command_id]
        return json_response(await self._found(device_id, command_id))

    async def _ordered(self, call: Call) -> CommandState:
        return await self._found(call.device_id, call.request.match_info["command_id"])

    async def _found(self, device_id: str, command_id: str) -> CommandState:
        found = await self._reader.run(lambda connection: command_rows.find_command(connection, device_id, command_id))
        if found is None:
            raise RefusedError(404, "not_found", f"that was not ordered from {device_id}", "command_id")
        order = found.order
        value = None if order.value is None else json.loads(order.value)
        return CommandState(
            order.command_id,
            order.device_id,
            order.command,
            value,
            order.at,
            order.login,
            found.answered_at,
            found.status,
            found.message,
        )

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


def _nothing_of(device_id: str) -> RefusedError:
    return RefusedError(404, "not_found", f"nothing ever came of {device_id}", "device_id")
