"""Hosts: where an MQTT broker is, and which is this machine."""

from ipaddress import ip_address
from urllib.parse import unquote, urlsplit

from msgspec import Struct

_PORTS = {"mqtt": 1883, "mqtts": 8883}


def is_loopback_host(host: str) -> bool:
    """Whether a host's name or address is this machine itself."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


class MqttAddress(Struct, frozen=True):
    """Where the broker is and who we are there."""

    host: str
    port: int
    tls: bool
    username: str | None = None
    password: str | None = None

    def __repr__(self) -> str:
        return f"{'mqtts' if self.tls else 'mqtt'}://{self.host}:{self.port}"  # never the password

    __str__ = __repr__


def parse_url(url: str) -> MqttAddress:
    """Read ``mqtt://`` or ``mqtts://user:password@host:port``. Raises `ValueError` that says what is wrong."""
    parts = urlsplit(url)
    if parts.scheme not in _PORTS:
        raise ValueError("must begin with mqtt:// or mqtts://")
    if not parts.hostname:
        raise ValueError("must name a host, as in mqtt://host:1883")
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError("must end after host and port; a password with / ? or # in it must be percent-encoded")
    try:
        port = parts.port
    except ValueError:
        raise ValueError("must have a number from 1 to 65535 as port") from None
    if port == 0:
        raise ValueError("must have a number from 1 to 65535 as port")
    return MqttAddress(
        host=parts.hostname,
        port=_PORTS[parts.scheme] if port is None else port,
        tls=parts.scheme == "mqtts",
        username=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
    )
