"""The embedded broker, built from the settings: logins, TLS, and the connection limit that the system allows."""

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
"""File descriptors kept free for the database, HTTP clients and the log."""


def open_login_cache(settings: Settings, database: Database, now: Callable[[], datetime]) -> LoginCache | None:
    """Return the logins, or None if none are required.

    Raises:
        SettingsError: logins are required and none can be used.
        DatabaseError: the logins cannot be read.
    """
    if not settings.logins_required:
        return None
    logins = LoginCache(database, now)
    if not logins.any_active:
        raise SettingsError(
            f"{settings.network_setting or f'{PREFIX}AUTH={settings.auth}'} requires logins, and there is none yet; add"
            f" one with: stresswire device add NAME (or set {PREFIX}AUTH=off to allow every client)"
        )
    return logins


def embedded_bus(settings: Settings, logins: LoginCache | None) -> EmbeddedBus:
    """Return the embedded broker; without `logins` every client has all rights. Raises `SettingsError`."""
    return EmbeddedBus(
        *settings.mqtt_bind,
        authenticate=None if logins is None else logins.identify,
        tls=server_context("MQTT", settings.mqtt_tls_cert, settings.mqtt_tls_key, settings.mqtt_tls_ca),
        max_connections=_connections(),
    )


def revocation_tasks(
    logins: LoginCache | None, supervisor: Supervisor, *revoke: Callable[[str], None]
) -> list[Coroutine[Any, Any, None]]:
    """Return tasks that call each of `revoke` with the name of a login that was revoked, rotated or has expired."""

    def revoke_everywhere(name: str) -> None:
        for close_connections in revoke:
            close_connections(name)

    return [] if logins is None else [supervisor.keep("logins", partial(logins.run, revoke_everywhere))]


def address_of(bus: EmbeddedBus | MqttBus) -> MqttAddress:
    """Return the broker's address for a client on this machine."""
    return bus.address if isinstance(bus, MqttBus) else MqttAddress(*Bind(bus.host, bus.port).reachable, tls=bus.secured)


def demo_address(bus: EmbeddedBus | MqttBus, logins: LoginCache | None, device: str) -> MqttAddress:
    """Return the broker's address with a temporary login for the demo device.

    Raises:
        SettingsError: the broker uses TLS, and the demo device cannot verify its certificate.
    """
    if isinstance(bus, EmbeddedBus) and bus.secured:
        raise SettingsError(f"--demo cannot verify the certificate of {PREFIX}MQTT_TLS_CERT; use only one of the two")
    address = address_of(bus)
    return (
        address if logins is None else replace(address, username=device, password=logins.issue_temporary(device, "device"))
    )


def _connections() -> int:
    """Raise this process's limit of open files, and return the number of connections that it allows.

    Raises:
        SettingsError: the hard limit leaves none.
    """
    if sys.platform == "win32":
        return MAX_CONNECTIONS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_CONNECTIONS + SPARE_DESCRIPTORS
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if allowed <= SPARE_DESCRIPTORS:
        raise SettingsError(
            f"this process may open only {allowed} files; raise the limit (ulimit -n) above {SPARE_DESCRIPTORS}"
        )
    if soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    return allowed - SPARE_DESCRIPTORS
