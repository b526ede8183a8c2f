"""Socket.IO events that clients emit, and their answers: name, right and reply come from the contract's tables."""

import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Final

from msgspec import Raw, Struct

from broker.contract import (
    CHANNELS,
    EVENTS,
    AlertSubscription,
    AnnotationRequest,
    AnnotationSaved,
    Channel,
    ErrorDetail,
    EventRejected,
    HealthStatus,
    HistoryData,
    Name,
    Pong,
    Right,
    encode,
)
from broker.contract.errors import RejectedError
from broker.contract.json_text import SentKey
from broker.contract.reports import read_report
from broker.contract.requests import read_request
from broker.contract.validation import short
from gateway.access.rate_limit import Limits
from gateway.annotations import Annotations
from gateway.errors import HttpError
from gateway.inbound import InboundReader
from gateway.metrics import Metrics
from gateway.sample_requests import SampleRequests, key_of, rejected
from gateway.socketio.clients import Client, Clients
from gateway.socketio.server import Server
from storage.history import History, HistoryError, parse_request

log = logging.getLogger(__name__)

_TEMPORARY: Final = ("unauthorized", "forbidden", "rate_limited", "timeout", "database", "internal")
MAX_DEVICES: Final = 16
"""Devices that one socket may speak for if logins are off."""

Answer = Struct | Raw | None
Handle = Callable[[Client, Any], Awaitable[Answer]]


class _EventRejectedError(Exception):
    """An event is answered with an error."""

    def __init__(self, detail: ErrorDetail) -> None:
        super().__init__(detail.message)
        self.detail = detail


class SocketEvents:
    """Answers the events of clients.

    Args:
        server: emits the answers, and calls the handlers once they are registered.
        clients: who is connected.
        requests: takes samples and command results.
        reader: counts and logs messages that are rejected without an answer.
        annotations: stores what clients annotate.
        history: answers history requests.
        health: asks each part for its state.
        limits: how many events a login may send.
        metrics: counts samples.
        now: the server's time, in UTC.
    """

    def __init__(
        self,
        server: Server,
        clients: Clients,
        requests: SampleRequests,
        reader: InboundReader,
        annotations: Annotations,
        history: History,
        health: Callable[[], Awaitable[HealthStatus]],
        limits: Limits,
        metrics: Metrics,
        *,
        now: Callable[[], datetime],
    ) -> None:
        self._server = server
        self._clients = clients
        self._requests = requests
        self._reader = reader
        self._annotations = annotations
        self._history = history
        self._health = health
        self._limits = limits
        self._metrics = metrics
        self._now = now

    def register(self) -> None:
        """Let the server call the handlers."""
        self._server.when_rejected(self._reader.reject_event)
        handlers: dict[Name, Handle] = {
            Name.SENSOR_DATA: self._sample,
            Name.REQUEST_HISTORY: self._history_page,
            Name.SUBSCRIBE_ALERTS: self._subscribe_alerts,
            Name.ANNOTATE: self._annotate,
            Name.PING: self._pong,
            Name.HEALTH_CHECK: self._health_status,
        }
        for channel in CHANNELS:
            if channel.emitted:
                handle = handlers.get(channel.name, partial(self._publish, channel))
                self._add(channel.name, channel.reply, Right.SEND, handle)
        for event in EVENTS:
            if event.sender == "client":
                self._add(event.name, event.reply, event.right, handlers[event.name])

    def _add(self, name: Name, reply: Name | None, right: Right, handle: Handle) -> None:
        """Answer an event by `reply`, and through the acknowledgement if the client asked for one. An event without a reply
        is answered if it is rejected.
        """

        async def handler(sid: str, data: Any = None, *more: Any) -> Raw | None:
            try:
                answer = await self._answer(self._clients.get(sid), name, right, lambda client: handle(client, data), more)
            except _EventRejectedError as error:
                # With a key a device would take an answer that may be another one later for the last word.
                final = name is Name.SENSOR_DATA and error.detail.code not in _TEMPORARY
                key = key_of(data) if final else SentKey()
                answer = encode(rejected(error.detail, key) if reply else EventRejected(name, error.detail))
            else:
                if reply is None:
                    return None
            client = self._clients.get(sid)  # it may have left meanwhile
            if client is not None:
                self._server.send_event(client.eio_sid, (reply or Name.EVENT_REJECTED).value, answer)
            return Raw(answer)

        self._server.on(name.value, handler)

    async def _answer(
        self,
        client: Client | None,
        name: Name,
        right: Right,
        handle: Callable[[Client], Awaitable[Answer]],
        more: Sequence[Any],
    ) -> bytes:
        """Return the encoded answer to an event. Raises `_EventRejectedError`."""
        try:
            if more:
                message = f"{name} takes one argument, got {1 + len(more)}: several samples go into one array"
                raise HttpError(400, "invalid", message)
            if client is None:
                raise HttpError(401, "unauthorized", "not connected")
            self._limits.count_login(client.caller)
            if not client.caller.may(right):
                raise HttpError(403, "forbidden", f"{client.caller.login} does not have the right to {right.value}")
            return encode(await handle(client))
        except HttpError as error:
            raise _EventRejectedError(error.detail) from error
        except UnicodeError as error:
            detail = ErrorDetail("not_utf8", "text with half a character: a lone surrogate")
            raise _EventRejectedError(detail) from error
        except Exception as error:  # whatever a client sends, the others are served
            log.exception("%s failed", name.value)
            raise _EventRejectedError(ErrorDetail("internal", "an error of the server's own")) from error

    async def _sample(self, client: Client, data: Any) -> Raw:
        answer = await self._requests.send(data, client.caller.sends_as)
        self._metrics.count("socketio", answer.received)
        if answer.received.status != "error" and client.kind == "esp32" and len(client.devices) < MAX_DEVICES:
            client.devices.add(answer.device_id)
        return Raw(answer.raw)

    async def _publish(self, channel: Channel, client: Client, data: Any) -> None:
        """Publish what a device emits on a channel of its own, as it would over MQTT."""
        if client.kind != "esp32" or not client.devices:
            sender = "a frontend" if client.kind == "frontend" else "a client that has not sent a sample yet"
            self._reader.reject(channel, "device_id", f"from {sender} over Socket.IO: nothing says which device it is")
            message = "nothing says which device it is: connect with type=esp32, and send a sample first"
            raise HttpError(400, "missing", message, "device_id")
        named = data.get("device_id") if isinstance(data, dict) else None
        device_id = next(iter(client.devices)) if named is None else named
        if not isinstance(device_id, str) or device_id not in client.devices:
            message = f"device_id must be a device that this connection has sent samples of, got {short(named)}"
            self._reader.reject(channel, "device_id", f"over Socket.IO: {message}")
            raise HttpError(400, "device_mismatch", message, "device_id")
        if named is None and len(client.devices) > 1:
            self._reader.reject(channel, "device_id", "over Socket.IO: the connection speaks for several devices")
            raise HttpError(400, "missing", "device_id is missing: this connection speaks for several devices", "device_id")
        try:
            payload = encode(read_report(encode(data), channel.payload).payload)
        except (RejectedError, UnicodeError) as error:
            self._reader.reject(channel, "invalid", f"from {device_id} over Socket.IO: {error}")
            if isinstance(error, RejectedError):
                raise HttpError.of(400, error.detail) from error
            raise
        await self._requests.publish(channel, device_id, payload)

    async def _history_page(self, client: Client, data: Any) -> HistoryData:
        try:
            return await self._history.answer(parse_request(data), client.caller.devices)
        except HistoryError as error:
            return HistoryData((), 0, error.detail)

    async def _annotate(self, client: Client, data: Any) -> AnnotationSaved:
        try:
            request = read_request(data, AnnotationRequest)
            return AnnotationSaved("success", await self._annotations.add(client.caller, request))
        except (RejectedError, HttpError) as error:
            return AnnotationSaved("error", error=error.detail)

    async def _subscribe_alerts(self, _client: Client, _data: Any) -> AlertSubscription:
        return AlertSubscription("subscribed")

    async def _pong(self, _client: Client, _data: Any) -> Pong:
        return Pong(self._now())

    async def _health_status(self, _client: Client, _data: Any) -> HealthStatus:
        return await self._health()
