"""The embedded broker as the settings want it: logins, TLS, and as many connections as the system lets us have."""

import sys
from collections.abc import Callable, Coroutine, Sequence
from datetime import datetime
from typing import Any, Final

from msgspec.structs import replace

from broker.bus import Bus
from broker.embedded import MAX_CONNECTIONS, EmbeddedBus
from broker.mqtt import MqttAddress, MqttBus
from storage.database import Database
from stresswire.logins import LoginBook
from stresswire.settings import PREFIX, Bind, Settings, SettingsError
from stresswire.tls import server_context

if sys.platform != "win32":
    import resource

SPARE_DESCRIPTORS: Final = 200
"""Left for the database, the browsers and the log."""


def login_book(settings: Settings, database: Database, now: Callable[[], datetime]) -> LoginBook | None:
    """The logins, where the embedded broker asks for them. Raises `SettingsError` where nobody could connect."""
    if not settings.mqtt_logins_required:
        return None
    book = LoginBook(database, now)
    if not book.anybody:
        raise SettingsError(
            f"{PREFIX}MQTT_BIND={settings.mqtt_bind} asks for logins, and there is none yet; add one with: stresswire"
            f" device add NAME (or say {PREFIX}AUTH=off to let everybody in)"
        )
    return book


def embedded(settings: Settings, book: LoginBook | None) -> EmbeddedBus:
    """The embedded broker; without a book everybody may do everything."""
    return EmbeddedBus(
        *settings.mqtt_bind,
        authenticate=None if book is None else book.identify,
        tls=server_context(settings),
        max_connections=min(MAX_CONNECTIONS, _descriptors() - SPARE_DESCRIPTORS),
    )


def watching(book: LoginBook | None, bus: Bus) -> Sequence[Coroutine[Any, Any, None]]:
    """What cuts the connections of logins that have ended, while the broker runs."""
    return [book.run(bus.revoke)] if book is not None and isinstance(bus, EmbeddedBus) else []


def address_of(bus: EmbeddedBus | MqttBus) -> MqttAddress:
    """Where a client on this machine finds the broker."""
    return bus.address if isinstance(bus, MqttBus) else MqttAddress(*Bind(bus.host, bus.port).reachable, tls=bus.secured)


def demo_address(bus: EmbeddedBus | MqttBus, book: LoginBook | None, device: str) -> MqttAddress:
    """The broker for the demo's device, which has a login of its own. Raises `SettingsError` where it cannot come in."""
    if isinstance(bus, EmbeddedBus) and bus.secured:
        raise SettingsError(f"--demo cannot check the certificate of {PREFIX}MQTT_TLS_CERT; start one without the other")
    address = address_of(bus)
    return address if book is None else replace(address, username=device, password=book.lend(device, "device"))


def _descriptors() -> int:
    """How many descriptors this process may have, after asking for all that it may ask for."""
    if sys.platform == "win32":
        return MAX_CONNECTIONS + SPARE_DESCRIPTORS
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_CONNECTIONS + SPARE_DESCRIPTORS
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(allowed, resource.getrlimit(resource.RLIMIT_NOFILE)[0]), hard))
    return allowed
