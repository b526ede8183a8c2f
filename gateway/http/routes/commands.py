"""Commands to devices over HTTP, and the devices' answers."""

import asyncio
import json
import secrets
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Final

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
    Right,
    encode,
)
from gateway.access.audit import audit_event, change
from gateway.errors import HttpError
from gateway.http.routing import Call, Content, Endpoint, Endpoints, json_response
from gateway.inbound import Inbound
from storage import commands as command_rows
from storage.reader import Reader
from storage.writer import Writer, WriterStoppedError


class CommandRequest(Struct, frozen=True):
    """A command to a device; the device decides which commands it understands."""

    command: Command
    value: CommandValue | None = None


class CommandQuery(Struct, frozen=True):
    """Seconds to wait for the device's result."""

    wait_s: Annotated[float, Meta(ge=0, le=ANSWER_TIMEOUT_S)] = ANSWER_TIMEOUT_S


class CommandState(Struct, frozen=True):
    """A command and its result; `status` and `message` are the device's, null until it has answered."""

    command_id: CommandId
    device_id: DeviceId
    command: str
    value: CommandValue | None
    at: datetime
    login: str | None
    answered_at: datetime | None
    status: str | None
    message: str | None


SEND_COMMAND: Final = Endpoint(
    method="POST",
    path="/api/devices/{device_id}/commands",
    operation="command_device",
    summary="Send a command to a device, and wait for its result.",
    right=Right.OPERATE,
    query=CommandQuery,
    body=CommandRequest,
    answers={
        200: Content("The device has answered.", CommandState),
        202: Content("Sent; no result yet.", CommandState),
    },
)
COMMAND: Final = Endpoint(
    method="GET",
    path="/api/devices/{device_id}/commands/{command_id}",
    operation="command",
    summary="Show a command and its result.",
    right=Right.OPERATE,
    answers={200: Content("The command.", CommandState), 404: Content("No such command was sent to this device.")},
)


class CommandRoutes:
    """Sends commands and waits for the devices' results."""

    def __init__(self, bus: Bus, reader: Reader, writer: Writer, now: Callable[[], datetime]) -> None:
        self._bus = bus
        self._reader = reader
        self._writer = writer
        self._now = now
        self._waiting: dict[str, asyncio.Future[None]] = {}

    def add_to(self, endpoints: Endpoints) -> None:
        """Add the routes."""
        endpoints.add(SEND_COMMAND, self._send)
        endpoints.add(COMMAND, self._state)

    async def note_result(self, message: Inbound) -> None:
        """Store a device's result, and resume the request that waits for it here."""
        device_id = message.device_id
        result: CommandResult = message.payload
        at = self._now()
        try:
            await self._writer.run(
                lambda connection: command_rows.record_result(
                    connection, device_id, result.command_id, at, result.status, result.message
                )
            )
        except WriterStoppedError:
            return  # the database is away and so are we; the command stays without a result
        waiting = self._waiting.get(result.command_id)
        if waiting is not None and not waiting.done():
            waiting.set_result(None)

    async def _send(self, call: Call) -> web.Response:
        request: CommandRequest = call.body
        query: CommandQuery = call.query
        device_id, command_id = call.device_id, secrets.token_hex(8)
        value = None if request.value is None else json.dumps(request.value)
        new = command_rows.NewCommand(command_id, device_id, request.command, value, self._now(), call.caller.login)
        event = audit_event(call.caller, new.at, "command", device_id, request.command)
        answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[command_id] = answer
        try:
            await change(self._writer, event, lambda connection: command_rows.add_command(connection, new))
            command = DeviceCommand(command_id, request.command, request.value)
            await self._bus.publish(DEVICE_COMMAND.topic(device_id), encode(command), qos=DEVICE_COMMAND.qos)
            async with asyncio.timeout(query.wait_s):
                await answer
        except TimeoutError:
            return json_response(await self._find(device_id, command_id), 202)
        finally:
            del self._waiting[command_id]
        return json_response(await self._find(device_id, command_id))

    async def _state(self, call: Call) -> CommandState:
        return await self._find(call.device_id, call.request.match_info["command_id"])

    async def _find(self, device_id: str, command_id: str) -> CommandState:
        row = await self._reader.run(lambda connection: command_rows.find_command(connection, device_id, command_id))
        if row is None:
            raise HttpError(404, "not_found", f"no such command was sent to {device_id}", "command_id")
        command = row.command
        value = None if command.value is None else json.loads(command.value)
        return CommandState(
            command.command_id,
            command.device_id,
            command.command,
            value,
            command.at,
            command.login,
            row.answered_at,
            row.status,
            row.message,
        )
