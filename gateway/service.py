"""The gateway: topics to browser events and back, on one HTTP listener."""

import asyncio
import logging
import ssl
import time
from collections.abc import Callable, Collection
from datetime import datetime
from types import TracebackType
from typing import Literal, Self

from aiohttp import web
from aiohttp.http import HttpProcessingError
from msgspec import Struct
from prometheus_client import CollectorRegistry

from broker.address import MqttAddress
from broker.bus import Bus, why
from broker.contract import (
    CHANNELS,
    COMMAND_RESULT,
    DATA_RECEIVED,
    DEVICE_STATUS,
    MAX_PAYLOAD_BYTES,
    HealthStatus,
)
from broker.pacing.supervisor import Supervisor
from gateway.access.authentication import Authenticator, Logins
from gateway.access.browser_sessions import Sessions
from gateway.access.forwarded import Forwarded, Network
from gateway.access.origins import Origins
from gateway.access.rate_limit import Limits
from gateway.annotations import Annotations
from gateway.http.listener import Listener
from gateway.http.middleware import Middleware
from gateway.http.routes.account import AccountRoutes
from gateway.http.routes.alerts import AlertRoutes
from gateway.http.routes.annotations import AnnotationRoutes
from gateway.http.routes.commands import CommandRoutes
from gateway.http.routes.devices import DeviceRoutes
from gateway.http.routes.history import HistoryRoutes
from gateway.http.routes.pages import STATIC_FOLDER, PageRoutes
from gateway.http.routes.samples import SampleRoutes
from gateway.http.routes.system import SystemRoutes
from gateway.http.routing import Endpoints
from gateway.inbound import InboundReader
from gateway.metrics import Metrics
from gateway.mqtt_websocket import Connect, MqttSocket
from gateway.quiet import RateLimitedLogFilter
from gateway.sample_requests import SampleRequests
from gateway.socketio import arduino
from gateway.socketio.events import SocketEvents
from storage.history import History
from storage.writer import Writer

log = logging.getLogger(__name__)

ANSWERS_BUFFER = 10_000
RESULTS_BUFFER = 1_000
LIVE_BUFFER = 5_000
"""Events for frontends that may wait; beyond it the oldest are dropped and counted."""
FORWARDED_AT_ONCE = 20
LAG_S = 30.0
"""Who waits longer for the database is not served well."""
SHUTDOWN_S = 2.0


_LIVE = tuple(one for one in CHANNELS if one.audience in ("frontend", "device") and one is not COMMAND_RESULT)
"""Channels that are forwarded as they come; a command's result is also kept, which must not hold the others up."""


class GatewayError(Exception):
    """The listener cannot be opened; the message says which address and why."""


class Access(Struct, frozen=True):
    """Who may come in.

    Args:
        logins: None: nobody needs one.
        origins: pages that may connect beside the own and those on loopback.
        loopback: only this machine reaches the listener.
        trusted_proxies: whose word on their clients is taken.
        rate_by_login, rate_by_address: requests a second.
    """

    logins: Logins | None
    origins: Collection[str]
    loopback: bool
    trusted_proxies: Collection[Network]
    rate_by_login: float
    rate_by_address: float


class Gateway:
    """Subscribes when it is made; `open` lets clients in, `run` forwards until the bus closes.

    Args:
        bus: where samples go and events come from.
        history: the record, for reading.
        writer: the database, for sessions, the audit and what people add.
        access: who may come in.
        model: how the model is, in a few words.
        writing: `ok`, or why the database does not take what is written; `ok` where nobody here writes.
        host, port: where the listener opens; port 0 takes a free one, which `port` then tells.
        now: the server's time, in UTC.
        process_id: makes the stamps of this process unique; 64 random bits or more, at most 31 characters.
        lag: how long the oldest sample in work has waited, where ingest is in this process.
        registry: of the process's metrics.
        supervisor: starts tasks again that fail.
        tls: with it the listener speaks TLS only.
        broker: where a client on this machine finds the broker, for the documents.
        mqtt: lets pages in that speak MQTT over WebSocket; None where there is no embedded broker.
    """

    def __init__(
        self,
        bus: Bus,
        history: History,
        writer: Writer,
        access: Access,
        *,
        model: str,
        writing: Callable[[], str],
        host: str,
        port: int,
        now: Callable[[], datetime],
        process_id: str,
        registry: CollectorRegistry,
        supervisor: Supervisor,
        lag: Callable[[], float] | None = None,
        tls: ssl.SSLContext | None = None,
        broker: Callable[[], MqttAddress],
        mqtt: Connect | None = None,
    ) -> None:
        self.host = host
        self.port = port
        self._bus = bus
        self._history = history
        self._model = model
        self._writing = writing
        self._lag = lag
        self._listener: Listener | None = None
        self._tls = tls
        self._supervisor = supervisor
        metrics = Metrics(registry)
        self._bridge = InboundReader(metrics)
        origins = Origins(access.origins, loopback=access.loopback)
        limits = Limits(access.rate_by_login, access.rate_by_address, time.monotonic)
        sessions = Sessions(history, writer, now)
        door = Authenticator(access.logins, sessions, origins, time.monotonic)
        self._uplink = SampleRequests(bus, process_id)
        annotations = Annotations(history, writer, now)
        self.sockets = SocketEvents(
            self._uplink, self._bridge, annotations, history, self.health, origins, door, sessions, limits, metrics, now=now
        )
        self._answers = bus.subscribe(
            [DATA_RECEIVED.topic("+")], qos=DATA_RECEIVED.qos, durable=False, buffer=ANSWERS_BUFFER
        )
        self._live = bus.subscribe(
            [channel.topic("+") for channel in _LIVE],
            qos=max(channel.qos for channel in _LIVE),
            durable=False,
            buffer=LIVE_BUFFER,
        )
        self._watch(metrics)
        self._results = bus.subscribe(
            [COMMAND_RESULT.topic("+")], qos=COMMAND_RESULT.qos, durable=False, buffer=RESULTS_BUFFER
        )
        guard = self._guard = Middleware(origins, Forwarded(access.trusted_proxies), limits, door, metrics)
        self._app = web.Application(client_max_size=MAX_PAYLOAD_BYTES, middlewares=[guard.middleware, arduino.middleware])
        self._app.on_response_prepare.append(guard.add_headers)
        endpoints = Endpoints(self._app, limits)
        SampleRoutes(self._uplink, metrics).add_to(endpoints)
        SystemRoutes(self.health, lambda: self.sockets.stats, registry).add_to(endpoints)
        HistoryRoutes(history).add_to(endpoints)
        self._devices = DeviceRoutes(history, writer, now)
        self._devices.add_to(endpoints)
        self._commands = CommandRoutes(bus, history, writer, now)
        self._commands.add_to(endpoints)
        AlertRoutes(history, writer, now).add_to(endpoints)
        AnnotationRoutes(annotations, history).add_to(endpoints)
        AccountRoutes(door, sessions, history).add_to(endpoints)
        PageRoutes(STATIC_FOLDER, broker).add_to(self._app, endpoints)
        if mqtt is not None:
            MqttSocket(mqtt, origins).add_to(self._app)
        self.sockets.attach(self._app)
        self._server_log = logging.getLogger("gateway.server")
        self._server_log.addFilter(RateLimitedLogFilter(web.RequestPayloadError, HttpProcessingError))
        self._runner = web.AppRunner(self._app, shutdown_timeout=SHUTDOWN_S)

    async def health(self) -> HealthStatus:
        """Each part, asked now."""
        written, broker = self._writing(), self._bus.state
        database = await self._history.state() if written == "ok" else written
        lag_s = None if self._lag is None else round(self._lag(), 3)
        well = database == broker == "ok" and (lag_s or 0) < LAG_S
        status: Literal["ok", "degraded"] = "ok" if well else "degraded"
        return HealthStatus(status, database=database, model=self._model, broker=broker, lag_s=lag_s)

    def _watch(self, metrics: Metrics) -> None:
        """Figures that are read when they are asked for."""
        metrics.connections.labels("esp32").set_function(lambda: float(self.sockets.stats.esp32))
        metrics.connections.labels("frontend").set_function(lambda: float(self.sockets.stats.frontend))
        metrics.sockets.set_function(lambda: float(self.sockets.sockets))
        metrics.live_waiting.set_function(lambda: float(len(self._live)))
        metrics.answers_waiting.set_function(lambda: float(len(self._answers)))
        metrics.uplink_waiting.set_function(lambda: float(self._uplink.waiting))
        metrics.dropped.labels("gateway_busy").set_function(lambda: float(self._live.dropped))
        metrics.dropped.labels("frontend_slow").set_function(lambda: float(self.sockets.skipped))

    async def open(self) -> None:
        """Open the listener. Raises `GatewayError` where the address is taken or not ours."""
        await self._runner.setup()
        assert self._runner.server is not None  # noqa: S101 - `setup` made it
        self._listener = Listener(self._runner.server, self._server_log, first=self._guard.enter)
        try:
            self.port = await self._listener.open(self.host, self.port, self._tls)
        except (OSError, OverflowError, UnicodeError) as error:
            raise GatewayError(f"cannot listen for HTTP on {self.host}:{self.port}: {why(error)}") from error

    async def leave(self) -> None:
        """Let nobody in any more, and tell those who are here; what they have asked is still answered."""
        if self._listener is not None:
            self._listener.close()
        self._guard.leave()
        self.sockets.leave()

    async def run(self) -> None:
        """Forward until the bus closes."""

        async def look_after_sockets() -> None:
            await self.sockets.run(lambda: self._live.dropped)

        keep = self._supervisor.keep
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(keep("gateway answers", self._resolve_answers), name="gateway answers")
            tasks.create_task(keep("gateway command results", self._keep_results), name="gateway command results")
            looking_after = tasks.create_task(keep("gateway sockets", look_after_sockets), name="gateway sockets")
            await keep("gateway live events", self._forward_live)
            looking_after.cancel()

    async def _resolve_answers(self) -> None:
        async for message in self._answers:
            answer = self._bridge.read(message)
            if answer is not None:
                with self._bridge.handling(answer):
                    self._uplink.resolve(answer)

    async def _forward_live(self) -> None:
        events = 0
        async for message in self._live:
            event = self._bridge.read(message)
            if event is not None:
                with self._bridge.handling(event):
                    if event.channel is DEVICE_STATUS:
                        self._devices.note_status(event)
                    if event.payload is not None:
                        self.sockets.forward(event)
            events += 1
            if events % FORWARDED_AT_ONCE == 0:
                await asyncio.sleep(0)  # those who write to the frontends have their turn, also in a backfill

    async def _keep_results(self) -> None:
        async for message in self._results:
            result = self._bridge.read(message)
            if result is not None:
                with self._bridge.handling(result):
                    self.sockets.forward(result)
                    await self._commands.note_result(result)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._listener is not None:
            self._listener.close()
        await self.sockets.close()
        await self._runner.cleanup()
