"""The address of an MQTT broker."""

from urllib.parse import unquote, urlsplit

from msgspec import Struct

from broker.authority import Authority, parse_authority

_PORTS = {"mqtt": 1883, "mqtts": 8883}


class MqttAddress(Struct, frozen=True):
    """Host and port of a broker, and our login there."""

    host: str
    port: int
    tls: bool
    username: str | None = None
    password: str | None = None

    def __repr__(self) -> str:
        return f"{'mqtts' if self.tls else 'mqtt'}://{Authority(self.host, self.port)}"  # never the password

    __str__ = __repr__


def parse_url(url: str) -> MqttAddress:
    """Read ``mqtt://`` or ``mqtts://user:password@host:port``. Raises `ValueError` that says what is wrong."""
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise ValueError("must be a URL such as mqtt://host:1883, an IPv6 address in brackets") from error
    if parts.scheme not in _PORTS:
        raise ValueError("must begin with mqtt:// or mqtts://")
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError("must end after host and port; a password with / ? or # in it must be percent-encoded")
    written = parts.netloc.rpartition("@")[2]
    if not written.rpartition(":")[0] and not written.strip(":"):
        raise ValueError("must name a host, as in mqtt://host:1883")
    try:
        authority = parse_authority(written)
    except ValueError as error:
        raise ValueError(f"must name a host and a port, as in mqtt://host:1883; what stands there {error}") from error
    if authority.port == 0:
        raise ValueError("must have a number from 1 to 65535 as port")
    return MqttAddress(
        host=authority.host,
        port=_PORTS[parts.scheme] if authority.port is None else authority.port,
        tls=parts.scheme == "mqtts",
        username=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
    )
