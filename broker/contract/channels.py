"""Topics and Socket.IO events: each with its payload, its sender, the right to read it, and its reply.

A new channel or event is one type in `device_messages` or `frontend_messages` and one entry here: the broker's access
control, the gateway, AsyncAPI and TypeScript read these tables.
"""

import re
from enum import StrEnum
from typing import Literal, NamedTuple, get_args

from msgspec import Struct

from broker.contract.device_messages import CommandResult, DataReceived, DeviceCommand, DeviceStatus, SensorSample
from broker.contract.frontend_messages import (
    AlertSubscription,
    AnnotationRequest,
    AnnotationSaved,
    ClientStats,
    ConnectionStatus,
    EventRejected,
    EventsSkipped,
    HealthStatus,
    HistoryData,
    HistoryRequest,
    NewSensorData,
    Pong,
    ServerShutdown,
    StressAlert,
    SystemStatus,
    WebSocketInfo,
)
from broker.contract.limits import DEVICE_ID, ROOT, Role
from broker.contract.rights import HOLDERS, Right


class Name(StrEnum):
    """Last segments of topics, and names of Socket.IO events."""

    SENSOR_DATA = "esp32_sensor_data"
    DATA_RECEIVED = "data_received"
    NEW_SENSOR_DATA = "new_sensor_data"
    STRESS_ALERT = "stress_alert"
    DEVICE_STATUS = "device_status"
    DEVICE_COMMAND = "device_command"
    COMMAND_RESULT = "command_result"
    CLIENT_STATS = "client_stats"
    REQUEST_HISTORY = "frontend_request_history"
    HISTORY_DATA = "history_data"
    SUBSCRIBE_ALERTS = "frontend_subscribe_alerts"
    ALERT_SUBSCRIPTION = "alert_subscription"
    PING = "ping"
    PONG = "pong"
    HEALTH_CHECK = "health_check"
    HEALTH_STATUS = "health_status"
    CONNECTION_STATUS = "connection_status"
    EVENTS_SKIPPED = "events_skipped"
    SERVER_SHUTDOWN = "server_shutdown"
    EVENT_REJECTED = "event_rejected"
    ANNOTATE = "annotate"
    ANNOTATION_SAVED = "annotation_saved"


class Channel(Struct, frozen=True, kw_only=True):
    """A topic below a device's.

    Attributes:
        name: last segment of the topic, and name of the Socket.IO event.
        payload: type of a message; a sample may also come in an array.
        sender: side that publishes: the device itself, or the pipeline's services.
        audience: the gateway forwards messages to the frontends, to the Socket.IO clients of the device, or only, as an
            answer, to the client that sent the message before; None: the pipeline alone reads it.
        right: right that people need to read it; the device itself may read what has the audience `device` or `sender`.
        qos: quality of service at which it is published and subscribed to.
        retained: the broker keeps the newest message of each device.
        emitted: a device may send it over Socket.IO too.
        reply: channel that answers it, if there is one.
        summary: description in AsyncAPI, TypeScript and C++.
    """

    name: Name
    payload: type[Struct]
    sender: Literal["device", "pipeline"]
    audience: Literal["frontend", "device", "sender"] | None
    right: Right
    qos: Literal[0, 1]
    retained: bool = False
    emitted: bool = False
    reply: Name | None = None
    summary: str

    def topic(self, device_id: str) -> str:
        """Return the device's topic, or with ``+`` as the device a filter for all."""
        return f"{ROOT}/{device_id}/{self.name.value}"

    @property
    def readers(self) -> tuple[Role, ...]:
        """Roles that may subscribe, beside services."""
        people = HOLDERS[self.right] - {"device", "service"}
        readers = people | {"device"} if self.audience in ("device", "sender") else people
        return tuple(role for role in get_args(Role) if role in readers)


class Event(Struct, frozen=True):
    """A Socket.IO event without a topic.

    `right` is what a client needs to emit it; `reply` is the event that answers it, if there is one.
    """

    name: Name
    payload: type[Struct] | None
    sender: Literal["client", "server"]
    summary: str
    reply: Name | None = None
    right: Right = Right.NONE


SENSOR_DATA = Channel(
    name=Name.SENSOR_DATA,
    payload=SensorSample,
    sender="device",
    audience=None,
    right=Right.ADMINISTER,
    qos=1,
    emitted=True,
    reply=Name.DATA_RECEIVED,
    summary="A sample, or an array of samples.",
)
DATA_RECEIVED = Channel(
    name=Name.DATA_RECEIVED,
    payload=DataReceived,
    sender="pipeline",
    audience="sender",
    right=Right.ADMINISTER,
    qos=0,
    summary="The receipt for the sender, after the database commit.",
)
NEW_SENSOR_DATA = Channel(
    name=Name.NEW_SENSOR_DATA,
    payload=NewSensorData,
    sender="pipeline",
    audience="frontend",
    right=Right.WATCH,
    qos=0,
    summary="A reading was stored.",
)
STRESS_ALERT = Channel(
    name=Name.STRESS_ALERT,
    payload=StressAlert,
    sender="pipeline",
    audience="frontend",
    right=Right.WATCH,
    qos=1,
    summary="An alert was raised or cleared.",
)
DEVICE_STATUS = Channel(
    name=Name.DEVICE_STATUS,
    payload=DeviceStatus,
    sender="device",
    audience="frontend",
    right=Right.WATCH,
    qos=1,
    retained=True,
    summary="The device is online, offline (its will) or sleeping.",
)
DEVICE_COMMAND = Channel(
    name=Name.DEVICE_COMMAND,
    payload=DeviceCommand,
    sender="pipeline",
    audience="device",
    right=Right.OPERATE,
    qos=1,
    reply=Name.COMMAND_RESULT,
    summary="A command to the device.",
)
COMMAND_RESULT = Channel(
    name=Name.COMMAND_RESULT,
    payload=CommandResult,
    sender="device",
    audience="frontend",
    right=Right.OPERATE,
    qos=1,
    emitted=True,
    summary="The device's answer to a command.",
)

CHANNELS: tuple[Channel, ...] = tuple(value for value in list(vars().values()) if isinstance(value, Channel))
"""All channels, in the order of their definition."""

EVENTS = (
    Event(Name.CONNECTION_STATUS, ConnectionStatus, "server", "The client is connected."),
    Event(Name.CLIENT_STATS, ClientStats, "server", "The number of connected clients; sent to frontends on every change."),
    Event(Name.EVENTS_SKIPPED, EventsSkipped, "server", "Live events were left out because the frontend was too slow."),
    Event(Name.EVENT_REJECTED, EventRejected, "server", "The client emitted an event that does not exist."),
    Event(Name.SERVER_SHUTDOWN, ServerShutdown, "server", "The server shuts down; reconnect after the given time."),
    Event(
        Name.REQUEST_HISTORY,
        HistoryRequest,
        "client",
        "Requests a page of the history.",
        reply=Name.HISTORY_DATA,
        right=Right.WATCH,
    ),
    Event(Name.HISTORY_DATA, HistoryData, "server", "A page of the history, newest first."),
    Event(
        Name.SUBSCRIBE_ALERTS,
        None,
        "client",
        "Has no effect: every frontend receives alerts. Kept for old clients.",
        reply=Name.ALERT_SUBSCRIPTION,
        right=Right.WATCH,
    ),
    Event(Name.ALERT_SUBSCRIPTION, AlertSubscription, "server", "Confirms that the client receives alerts."),
    Event(
        Name.ANNOTATE,
        AnnotationRequest,
        "client",
        "Labels a time range of a device's data.",
        reply=Name.ANNOTATION_SAVED,
        right=Right.ANNOTATE,
    ),
    Event(Name.ANNOTATION_SAVED, AnnotationSaved, "server", "The annotation is stored, or was rejected."),
    Event(Name.PING, None, "client", "Checks the connection.", reply=Name.PONG),
    Event(Name.PONG, Pong, "server", "The server's time."),
    Event(
        Name.HEALTH_CHECK, None, "client", "Requests the state of the parts.", reply=Name.HEALTH_STATUS, right=Right.WATCH
    ),
    Event(Name.HEALTH_STATUS, HealthStatus, "server", "The state of the parts."),
)

MESSAGES: tuple[Channel | Event, ...] = (*CHANNELS, *EVENTS)
"""All channels and events."""

CLIENT_EVENTS = frozenset(
    {channel.name for channel in CHANNELS if channel.emitted} | {event.name for event in EVENTS if event.sender == "client"}
)
"""Events that a Socket.IO client may emit; all others come from the server."""

HTTP_ANSWERS = (WebSocketInfo, SystemStatus)
"""Payload types of HTTP responses that no channel or event has."""


class Topic(NamedTuple):
    """A topic ``stress/v1/<device_id>/<channel>``.

    `device_id` is the segment as it came; `valid` tells if it can be a device's name.
    """

    device_id: str
    channel: Channel
    valid: bool


def parse_topic(topic: str) -> Topic | None:
    """Return the parts of a topic of the contract, or None for any other topic."""
    path, _, name = topic.rpartition("/")
    channel = _BY_NAME.get(name)
    if channel is None or not path.startswith(_PREFIX):
        return None
    device_id = path[len(_PREFIX) :]
    return None if "/" in device_id else Topic(device_id, channel, _match_device_id(device_id) is not None)


_PREFIX = ROOT + "/"
_BY_NAME = {channel.name.value: channel for channel in CHANNELS}
_match_device_id = re.compile(DEVICE_ID).match
