"""The OpenAPI and the AsyncAPI document, with the servers as who asks reaches them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import msgspec
from msgspec import Struct

from broker.address import MqttAddress
from broker.authority import Authority, is_loopback

Document = Mapping[str, Any]


class Asked(Struct, frozen=True):
    """How a client reaches us: by which host and port, and whether over TLS."""

    at: Authority
    secure: bool


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
        return {**self.openapi, "servers": [{"url": f"{'https' if asked.secure else 'http'}://{asked.at}"}]}

    def asyncapi_for(self, asked: Asked, broker: MqttAddress) -> Document:
        """With this server and its broker; one on this machine has the name that we are asked by."""
        host = asked.at.host if is_loopback(broker.host) else broker.host
        mqtt = {
            "host": str(Authority(host, broker.port)),
            "protocol": "secure-mqtt" if broker.tls else "mqtt",
        }
        own = {"host": str(asked.at), "protocol": "wss" if asked.secure else "ws"}
        servers = self.asyncapi["servers"].items()
        return {
            **self.asyncapi,
            "servers": {name: {**server, **(mqtt if name == "mqtt" else own)} for name, server in servers},
        }
