"""The OpenAPI and the AsyncAPI document, with the servers as who asks reaches them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from broker.address import MqttAddress
from gateway.origins import is_loopback

Document = Mapping[str, Any]


class Asked(Struct, frozen=True):
    """How a client reaches us: the Host header that it sent, and whether it came over TLS."""

    host: str
    secure: bool

    @property
    def name(self) -> str:
        """The host without its port, in brackets where it is an IPv6 address. Raises `ValueError`."""
        return _bracketed(urlsplit(f"//{self.host}").hostname or self.host)


class Documents(Struct, frozen=True):
    """Both, as the pages' build wrote them."""

    openapi: Document
    asyncapi: Document

    @classmethod
    def read(cls, folder: Path) -> Self:
        """From the folder that the pages are built into."""
        return cls(*(msgspec.json.decode((folder / f"{name}.json").read_bytes()) for name in cls.__struct_fields__))

    def openapi_for(self, asked: Asked) -> Document:
        """With this server as the only one."""
        return {**self.openapi, "servers": [{"url": f"{'https' if asked.secure else 'http'}://{asked.host}"}]}

    def asyncapi_for(self, asked: Asked, broker: MqttAddress) -> Document:
        """With this server and its broker; one on this machine has the name that we are asked by. Raises `ValueError`."""
        host = _bracketed(broker.host)
        mqtt = {
            "host": f"{asked.name if is_loopback(host) else host}:{broker.port}",
            "protocol": "secure-mqtt" if broker.tls else "mqtt",
        }
        own = {"host": asked.host, "protocol": "wss" if asked.secure else "ws"}
        servers = self.asyncapi["servers"].items()
        return {
            **self.asyncapi,
            "servers": {name: {**server, **(mqtt if name == "mqtt" else own)} for name, server in servers},
        }


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
