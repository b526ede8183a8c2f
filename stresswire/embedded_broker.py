"""The embedded broker as the settings want it: logins, TLS, and as many connections as the system lets us have."""

import sys
from collections.abc import Callable, Coroutine
from datetime import datetime
from functools import partial
from typing import Any, Final

from msgspec.structs import replace

from broker.address import MqttAddress
from broker.embedded.bus import MAX_CONNECTIONS, EmbeddedBus
from broker.external.bus import MqttBus
from broker.pacing.supervisor import Supervisor
from storage.database import Database
from stresswire.login_cache import LoginCache
from stresswire.settings import PREFIX, Bind, Settings, SettingsError
from stresswire.tls import server_context

if sys.platform != "win32":
    import resource

SPARE_DESCRIPTORS: Final = 200
"""Left for the database, the browsers and the log."""


def open_login_cache(settings: Settings, database: Database, now: Callable[[], datetime]) -> LoginCache | None:
    """The logins, where they are asked for. Raises `SettingsError` where nobody could connect, `DatabaseError`."""
    if not settings.logins_required:
        return None
    logins = LoginCache(database, now)
    if not logins.anybody:
        raise SettingsError(
            f"{settings.open_to_the_network or f'{PREFIX}AUTH={settings.auth}'} asks for logins, and there is none yet; add"
            f" one with: stresswire device add NAME (or say {PREFIX}AUTH=off to let everybody in)"
        )
    return logins


def embedded_bus(settings: Settings, logins: LoginCache | None) -> EmbeddedBus:
    """The embedded broker; without a book everybody may do everything. Raises `SettingsError`."""
    return EmbeddedBus(
        *settings.mqtt_bind,
        authenticate=None if logins is None else logins.identify,
        tls=server_context("MQTT", settings.mqtt_tls_cert, settings.mqtt_tls_key, settings.mqtt_tls_ca),
        max_connections=_connections(),
    )


def revocation_tasks(
    logins: LoginCache | None, supervisor: Supervisor, *revoke: Callable[[str], None]
) -> list[Coroutine[Any, Any, None]]:
    """What cuts the connections of logins that have ended: each of `revoke` is told their names."""

    def ended(name: str) -> None:
        for one in revoke:
            one(name)

    return [] if logins is None else [supervisor.keep("logins", partial(logins.run, ended))]


def address_of(bus: EmbeddedBus | MqttBus) -> MqttAddress:
    """Where a client on this machine finds the broker."""
    return bus.address if isinstance(bus, MqttBus) else MqttAddress(*Bind(bus.host, bus.port).reachable, tls=bus.secured)


def demo_address(bus: EmbeddedBus | MqttBus, logins: LoginCache | None, device: str) -> MqttAddress:
    """The broker for the demo's device, which has a login of its own. Raises `SettingsError` where it cannot come in."""
    if isinstance(bus, EmbeddedBus) and bus.secured:
        raise SettingsError(f"--demo cannot check the certificate of {PREFIX}MQTT_TLS_CERT; start one without the other")
    address = address_of(bus)
    return address if logins is None else replace(address, username=device, password=logins.lend(device, "device"))


def _connections() -> int:
    """How many connections the system lets us have, after asking for as many descriptors as that takes."""
    if sys.platform == "win32":
        return MAX_CONNECTIONS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_CONNECTIONS + SPARE_DESCRIPTORS
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if allowed <= SPARE_DESCRIPTORS:
        raise SettingsError(
            f"this process may open {allowed} files only; raise the limit (ulimit -n) above {SPARE_DESCRIPTORS}"
        )
    if soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    return allowed - SPARE_DESCRIPTORS
