"""The process's registry of metrics, and a listener for processes that have no gateway."""

import contextlib
import logging
import time
from collections.abc import AsyncIterator

from aiohttp import web
from aiohttp.http import HttpProcessingError
from prometheus_client import CollectorRegistry, Counter, Gauge, Info, PlatformCollector, ProcessCollector

from broker.bus import why
from broker.embedded.bus import EmbeddedBus
from broker.external.bus import MqttBus
from broker.pacing.log_limiter import RateLimitedLogFilter
from broker.pacing.supervisor import Supervisor
from gateway.access.dns_rebinding import HostCheck
from gateway.access.origins import Origins
from gateway.errors import HttpError, forbidden
from gateway.headers import check_headers
from gateway.http.listener import Handler, Listener, sign
from gateway.http.routes.system import HEALTH, METRICS, Alive, figures
from gateway.http.routing import error_response, json_response
from stresswire import __version__
from stresswire.settings import PREFIX, Bind, SettingsError

log = logging.getLogger(__name__)
log.addFilter(RateLimitedLogFilter(web.RequestPayloadError, HttpProcessingError, now_s=time.monotonic))


def new_registry() -> CollectorRegistry:
    """A registry with what the process itself uses."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    Info("stresswire_build", "The version that runs.", registry=registry).info({"version": __version__})
    return registry


def watch_bus(registry: CollectorRegistry, bus: EmbeddedBus | MqttBus) -> None:
    """The bus's own figures, read when they are asked for."""
    connected = Gauge("stresswire_bus_up", "1 while the bus is well.", registry=registry)
    connected.set_function(lambda: float(bus.state == "ok"))
    dropped = Gauge("stresswire_bus_dropped_messages", "Messages that the bus gave up since the start.", registry=registry)
    dropped.set_function(lambda: float(bus.dropped))
    if isinstance(bus, MqttBus):
        refused = Gauge(
            "stresswire_bus_refused_messages", "Messages of the broker on no topic that can be ours.", registry=registry
        )
        refused.set_function(lambda: float(bus.refused))
    if isinstance(bus, EmbeddedBus):
        clients = Gauge("stresswire_mqtt_connections", "MQTT clients that are connected.", registry=registry)
        clients.set_function(lambda: float(bus.connections))


def watched_supervisor(registry: CollectorRegistry) -> Supervisor:
    """A supervisor whose restarts are counted in `registry`."""
    counter = Counter("stresswire_task_restarts", "Tasks that failed and were started again.", ["task"], registry=registry)
    return Supervisor(lambda name: counter.labels(name).inc())


@contextlib.asynccontextmanager
async def served(bind: Bind | None, registry: CollectorRegistry) -> AsyncIterator[None]:
    """Serve `/metrics` and `/healthz` on a listener of their own, if `bind` is given. Raises `SettingsError`."""
    if bind is None:
        yield
        return

    async def metrics(_request: web.Request) -> web.Response:
        return figures(registry)

    async def healthz(_request: web.Request) -> web.Response:
        return json_response(Alive())

    async def signed(_request: web.Request, response: web.StreamResponse) -> None:
        sign(response)

    app = web.Application()
    app.on_response_prepare.append(signed)
    app.router.add_get(METRICS.path, metrics)
    app.router.add_get(HEALTH.path, healthz)
    runner = web.AppRunner(app)
    await runner.setup()
    assert runner.server is not None  # noqa: S101 - `setup` made it
    hosts = HostCheck(Origins(()), loopback=bind.loopback)

    async def checked(request: web.BaseRequest, route: Handler) -> web.StreamResponse:
        try:
            host = check_headers(request)
            if not hosts.serves(host):
                raise forbidden(f"{host} is not served here")
        except HttpError as error:
            response = error_response(error)
            sign(response)
            return response
        return await route(request)

    listener = Listener(runner.server, log, first=checked)
    try:
        try:
            await listener.open(bind.host, bind.port)
        except (OSError, UnicodeError) as error:  # a name that cannot be looked up may be a UnicodeError
            raise SettingsError(f"{PREFIX}METRICS_BIND={bind} cannot be listened on: {why(error)}") from error
        yield
    finally:
        listener.close()
        await runner.cleanup()
