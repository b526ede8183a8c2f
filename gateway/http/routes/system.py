"""The system over HTTP: how to connect, the state of its parts, and metrics."""

from collections.abc import Awaitable, Callable
from typing import Final, Literal

import msgspec
from aiohttp import web
from msgspec import Struct
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from broker.contract import (
    CLIENT_EVENTS,
    MESSAGES,
    ClientStats,
    EventInfo,
    HealthStatus,
    Right,
    SystemStatus,
    WebSocketInfo,
)
from gateway.http.routing import Call, Content, Endpoint, Endpoints, json_response
from gateway.paths import SOCKET_IO


class Alive(Struct, frozen=True):
    """The process is alive."""

    status: Literal["ok"] = "ok"


class Readiness(Struct, frozen=True):
    """Shown without a login: `ok` if every part works."""

    status: Literal["ok", "degraded"]


INFO: Final = Endpoint(
    method="GET",
    path="/api/websocket/info",
    operation="websocket_info",
    summary="How to connect with Socket.IO, and its events.",
    right=Right.NONE,
    answers={200: Content("The events.", WebSocketInfo)},
)
STATUS: Final = Endpoint(
    method="GET",
    path="/api/system/status",
    operation="system_status",
    summary="State of each part, and the number of connected clients.",
    right=Right.WATCH,
    answers={200: Content("State of each part.", SystemStatus)},
)
HEALTH: Final = Endpoint(
    method="GET",
    path="/healthz",
    operation="alive",
    summary="Liveness of the process.",
    right=Right.NONE,
    answers={200: Content("The process is alive.", Alive)},
)
READY: Final = Endpoint(
    method="GET",
    path="/readyz",
    operation="ready",
    summary="Readiness of every part.",
    description="If logins are required, callers without one see only `status`.",
    right=Right.NONE,
    answers={
        200: Content("Every part works.", (HealthStatus, Readiness)),
        503: Content("A part does not work.", (HealthStatus, Readiness)),
    },
)
METRICS: Final = Endpoint(
    method="GET",
    path="/metrics",
    operation="metrics",
    summary="Metrics in the text format of Prometheus.",
    right=Right.WATCH,
    answers={200: Content("The metrics.", ("text/plain",))},
)
_EVENTS: Final = tuple(
    EventInfo(message.name.value, "client" if message.name in CLIENT_EVENTS else "server", message.summary)
    for message in MESSAGES
)


class SystemRoutes:
    """Tells how to connect, how the parts are, and the process's metrics.

    Args:
        health: asks each part for its state.
        stats: returns how many Socket.IO clients are connected.
        registry: of the process's metrics.
        path: of the first page, as clients reach it; it begins and ends with a slash.
    """

    def __init__(
        self,
        health: Callable[[], Awaitable[HealthStatus]],
        stats: Callable[[], ClientStats],
        registry: CollectorRegistry,
        path: str,
    ) -> None:
        self._health = health
        self._stats = stats
        self._registry = registry
        self._how_to_connect = WebSocketInfo(f"{path}{SOCKET_IO[1:]}", ("esp32", "frontend"), _EVENTS)

    def add_to(self, endpoints: Endpoints) -> None:
        """Add the routes."""
        endpoints.add(INFO, self._info)
        endpoints.add(STATUS, self._status)
        endpoints.add(HEALTH, self._alive)
        endpoints.add(READY, self._ready)
        endpoints.add(METRICS, self._metrics)

    async def _info(self, _call: Call) -> WebSocketInfo:
        return self._how_to_connect

    async def _status(self, _call: Call) -> SystemStatus:
        health = await self._health()
        return SystemStatus(**msgspec.structs.asdict(health), client_stats=self._stats())

    async def _alive(self, _call: Call) -> Alive:
        return Alive()

    async def _ready(self, call: Call) -> web.Response:
        health = await self._health()
        shown = health if call.caller.may(Right.WATCH) else Readiness(health.status)
        return json_response(shown, 200 if health.status == "ok" else 503)

    async def _metrics(self, _call: Call) -> web.Response:
        return figures(self._registry)


def figures(registry: CollectorRegistry) -> web.Response:
    """Return the metrics in the text format of Prometheus."""
    return web.Response(body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})
