"""For those who keep it running: health and metrics."""

from collections.abc import Awaitable, Callable
from typing import Final, Literal

from aiohttp import web
from msgspec import Struct
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from broker.contract import HealthStatus, Right
from gateway.http.routing import Call, Content, Endpoint, Endpoints, json_response


class Alive(Struct, frozen=True):
    """The process lives."""

    status: Literal["ok"] = "ok"


class Readiness(Struct, frozen=True):
    """What strangers are told: whether every part can work, and no more."""

    status: Literal["ok", "degraded"]


HEALTH: Final = Endpoint(
    method="GET",
    path="/healthz",
    operation="alive",
    summary="Whether the process lives.",
    right=Right.NONE,
    answers={200: Content("It does.", Alive)},
)
READY: Final = Endpoint(
    method="GET",
    path="/readyz",
    operation="ready",
    summary="Whether every part can work.",
    description="Where logins are required, strangers are told `status` alone.",
    right=Right.NONE,
    answers={
        200: Content("Every part can work.", (HealthStatus, Readiness)),
        503: Content("A part cannot work.", (HealthStatus, Readiness)),
    },
)
METRICS: Final = Endpoint(
    method="GET",
    path="/metrics",
    operation="metrics",
    summary="Figures in the text format of Prometheus.",
    right=Right.WATCH,
    answers={200: Content("The figures.", ("text/plain",))},
)
ENDPOINTS: Final = (HEALTH, READY, METRICS)


class HealthRoutes:
    """The handlers."""

    def __init__(self, health: Callable[[], Awaitable[HealthStatus]], registry: CollectorRegistry) -> None:
        self._health = health
        self._registry = registry

    def add_to(self, endpoints: Endpoints) -> None:
        """Register them."""
        endpoints.add(HEALTH, self._alive)
        endpoints.add(READY, self._ready)
        endpoints.add(METRICS, self._metrics)

    async def _alive(self, _call: Call) -> Alive:
        return Alive()

    async def _ready(self, call: Call) -> web.Response:
        health = await self._health()
        shown = health if call.visitor.may(Right.WATCH) else Readiness(health.status)
        return json_response(shown, 200 if health.status == "ok" else 503)

    async def _metrics(self, _call: Call) -> web.Response:
        return figures(self._registry)


def figures(registry: CollectorRegistry) -> web.Response:
    """What Prometheus is answered."""
    return web.Response(body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})
