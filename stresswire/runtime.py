"""The composition root: builds the parts, passes them their dependencies, and runs them until a signal."""

import asyncio
import contextlib
import secrets
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any, NamedTuple

from prometheus_client import CollectorRegistry

from broker.bus import Bus
from broker.embedded.bus import EmbeddedBus
from broker.external.bus import MqttBus
from broker.pacing.supervisor import Supervisor
from gateway.health import Health
from gateway.service import Address, Gateway
from ingest.metrics import Metrics
from ingest.service import Ingest
from models.serving.predictor import Predictor
from storage.database import Database
from storage.history import History
from storage.writer import Writer
from stresswire import garbage
from stresswire.banner import banner, scheme_of
from stresswire.embedded_broker import address_of, demo_address, embedded_bus, open_login_cache, revocation_tasks
from stresswire.event_loop import stopped_by_signal
from stresswire.gateway_parts import Access, build_gateway
from stresswire.login_cache import LoginCache
from stresswire.metrics import new_registry, served, watch_bus, watched_supervisor
from stresswire.model_in_use import load_model
from stresswire.settings import Settings
from stresswire.simulate import simulate
from stresswire.tls import server_context

Announce = Callable[[str], None]

DEMO_DEVICE = "demo"
RECONNECT_S = 5.0
"""Time after a start for frontends and subscribers to reconnect before pending alerts are published."""


class PartsStatus(NamedTuple):
    """Status of the parts beside the gateway, for `/health`: the model, the writer, and ingest's lag in seconds."""

    model: str
    writing: Callable[[], str] = lambda: "ok"
    lag: Callable[[], float] | None = None


async def up(settings: Settings, announce: Announce, *, demo: bool) -> None:
    """Run all parts in one process until a signal. Raises `DatabaseError`, `ModelError`, `SettingsError`, `BusError`."""
    with open_database(settings) as database:
        predictor = load_model(settings)
        logins, registry = open_login_cache(settings, database, utc_now), new_registry()
        supervisor = watched_supervisor(registry)
        async with (
            Writer(database) as writer,
            History(database) as history,
            _bus(settings, logins, supervisor) as bus,
            stopped_by_signal() as stop,
        ):
            watch_bus(registry, bus)
            ingest = _ingest(settings, bus, writer, predictor, registry, supervisor, grace_s=RECONNECT_S)
            status = PartsStatus(f"ok, {predictor.version}", lambda: writer.state, lambda: ingest.lag_s)
            async with (
                _gateway(settings, bus, database, history, writer, logins, registry, supervisor, status) as gateway,
                served(settings.metrics_bind, registry),
            ):
                await gateway.open()
                await bus.open()
                background = revocation_tasks(logins, supervisor, gateway.revoke, *_revocations(bus))
                if demo:
                    person = partial(simulate, demo_address(bus, logins, DEMO_DEVICE), DEMO_DEVICE, utc_now)
                    background.append(supervisor.keep("simulated device", person))
                announce(banner(settings, database, gateway, bus))
                await _serve(
                    stop,
                    bus,
                    gateway.run(),
                    ingest=ingest,
                    writer=writer,
                    background=background,
                    supervisor=supervisor,
                    leave=gateway.leave,
                )
        announce("stopped")


async def serve_broker(settings: Settings, announce: Announce) -> None:
    """Run the embedded broker alone until a signal; it opens the database only if logins are required."""
    async with contextlib.AsyncExitStack() as stack:
        needed = settings.logins_required
        logins = open_login_cache(settings, stack.enter_context(open_database(settings)), utc_now) if needed else None
        stop = await stack.enter_async_context(stopped_by_signal())
        bus = await stack.enter_async_context(embedded_bus(settings, logins))
        registry = new_registry()
        watch_bus(registry, bus)
        await stack.enter_async_context(served(settings.metrics_bind, registry))
        await bus.open()
        announce(
            f"MQTT on {settings.mqtt_bind}. Without ingest in this process PUBACK means only that the broker has the"
            " message; data_received confirms that a sample is stored."
        )
        supervisor = watched_supervisor(registry)
        await _serve(stop, bus, background=revocation_tasks(logins, supervisor, bus.revoke), supervisor=supervisor)


async def serve_ingest(settings: Settings, announce: Announce) -> None:
    """Run ingest alone, on an external broker, until a signal."""
    with open_database(settings) as database:
        predictor, registry = load_model(settings), new_registry()
        supervisor = watched_supervisor(registry)
        async with (
            Writer(database) as writer,
            _external_bus(settings, settings.ingest_shard.client_id, supervisor) as bus,
            stopped_by_signal() as stop,
            served(settings.metrics_bind, registry),
        ):
            watch_bus(registry, bus)
            ingest = _ingest(settings, bus, writer, predictor, registry, supervisor)
            await bus.open()
            announce(f"ingest on {bus.address}, database {database}")
            await _serve(stop, bus, ingest=ingest, writer=writer, supervisor=supervisor)
            announce("stopped")


async def serve_gateway(settings: Settings, announce: Announce) -> None:
    """Run the gateway alone, on an external broker, until a signal."""
    with open_database(settings) as database:
        logins, registry = open_login_cache(settings, database, utc_now), new_registry()
        supervisor = watched_supervisor(registry)
        async with (
            Writer(database) as writer,
            History(database) as history,
            _external_bus(settings, None, supervisor) as bus,
            _gateway(
                settings, bus, database, history, writer, logins, registry, supervisor, PartsStatus("in ingest")
            ) as gateway,
            served(settings.metrics_bind, registry),
            stopped_by_signal() as stop,
        ):
            watch_bus(registry, bus)
            await gateway.open()
            await bus.open()
            announce(f"gateway on {scheme_of(settings)}://{settings.http_bind}, broker {bus.address}")
            await _serve(
                stop,
                bus,
                gateway.run(),
                writer=writer,
                background=revocation_tasks(logins, supervisor, gateway.revoke),
                supervisor=supervisor,
                leave=gateway.leave,
            )


async def _serve(
    stop: asyncio.Event,
    bus: Bus,
    *parts: Coroutine[Any, Any, None],
    ingest: Ingest | None = None,
    writer: Writer | None = None,
    background: Sequence[Coroutine[Any, Any, None]] = (),
    supervisor: Supervisor,
    leave: Callable[[], Awaitable[None]] | None = None,
) -> None:
    """Run `parts` and `ingest` until `stop`; if one of them fails, end all and raise its error.

    At the end `background` is cancelled, `leave` tells the clients, `ingest` commits, answers and acknowledges the messages
    that have arrived, and `parts` end with the bus. `writer` stops retrying if the database cannot be reached.
    """
    garbage.tune_collections()
    async with asyncio.TaskGroup() as tasks:
        for part in parts:
            tasks.create_task(part, name=getattr(part, "__qualname__", None))
        cancelled = [tasks.create_task(coroutine) for coroutine in (*background, garbage.trim_memory())]
        storing = None if ingest is None else tasks.create_task(ingest.run(), name="ingest")
        await stop.wait()
        supervisor.stop()
        for task in cancelled:
            task.cancel()
        if leave is not None:
            await leave()
        await bus.drain()
        if writer is not None:
            writer.stop()
        if storing is not None:
            await storing
        await bus.close()


def _ingest(
    settings: Settings,
    bus: Bus,
    writer: Writer,
    predictor: Predictor,
    registry: CollectorRegistry,
    supervisor: Supervisor,
    *,
    grace_s: float = 0.0,
) -> Ingest:
    return Ingest(
        bus,
        writer,
        predictor,
        now=utc_now,
        process_id=process_id(),
        shard=settings.ingest_shard,
        grace_s=grace_s,
        metrics=Metrics(registry),
        supervisor=supervisor,
    )


def open_database(settings: Settings) -> Database:
    """Return the database of the settings, migrated to the newest revision. Raises `DatabaseError`."""
    return Database(settings.database_url.get_secret_value())


def utc_now() -> datetime:
    """Return the current time in UTC: the server's clock."""
    return datetime.now(UTC)


def process_id() -> str:
    """Return 64 random bits in hex, for the keys that this process generates."""
    return secrets.token_hex(8)


def _bus(settings: Settings, logins: LoginCache | None, supervisor: Supervisor) -> EmbeddedBus | MqttBus:
    address = settings.mqtt_address
    return (
        embedded_bus(settings, logins) if address is None else MqttBus(address, settings.ingest_shard.client_id, supervisor)
    )


def _external_bus(settings: Settings, client_id: str | None, supervisor: Supervisor) -> MqttBus:
    """Return a bus to an external broker: by default the one that `python -m broker` starts."""
    return MqttBus(settings.broker_address, client_id, supervisor)


def _revocations(bus: EmbeddedBus | MqttBus) -> Sequence[Callable[[str], None]]:
    return [bus.revoke] if isinstance(bus, EmbeddedBus) else []


def _gateway(
    settings: Settings,
    bus: EmbeddedBus | MqttBus,
    database: Database,
    history: History,
    writer: Writer,
    logins: LoginCache | None,
    registry: CollectorRegistry,
    supervisor: Supervisor,
    status: PartsStatus,
) -> Gateway:
    access = Access(
        logins=logins,
        origins=settings.cors_origins,
        public_url=settings.public_url,
        loopback=settings.http_bind.loopback,
        trusted_proxies=settings.trusted_proxies,
        rate_by_login=settings.rate_by_login,
        rate_by_address=settings.rate_by_address,
    )
    tls = server_context("HTTP", settings.http_tls_cert, settings.http_tls_key)
    return build_gateway(
        bus,
        database,
        history,
        writer,
        access,
        Address(settings.http_bind.host, settings.http_bind.port, tls),
        Health(bus, history, status.model, status.writing, status.lag),
        now=utc_now,
        process_id=process_id(),
        registry=registry,
        supervisor=supervisor,
        broker=lambda: address_of(bus),
        mqtt=bus.connect if isinstance(bus, EmbeddedBus) else None,
    )
