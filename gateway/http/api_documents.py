"""The OpenAPI and AsyncAPI documents, with the servers' addresses as the client reaches them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import msgspec
from msgspec import Struct

from broker.address import MqttAddress
from broker.authority import Authority, is_loopback

Document = Mapping[str, Any]


class ReachedAt(Struct, frozen=True):
    """Address by which a client reaches the gateway, over TLS or not (`secure`); `path` begins and ends with a slash."""

    authority: Authority
    secure: bool
    path: str = "/"


class Documents(Struct, frozen=True):
    """Both documents, as the pages' build wrote them."""

    openapi: Document
    asyncapi: Document

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read both from the folder that the pages are built into."""
        return cls(*(msgspec.json.decode((folder / f"{name}.json").read_bytes()) for name in cls.__struct_fields__))

    def openapi_for(self, reached: ReachedAt) -> Document:
        """Return the OpenAPI document with this server."""
        url = f"{'https' if reached.secure else 'http'}://{reached.authority}{reached.path}"
        return {**self.openapi, "servers": [{"url": url.removesuffix("/")}]}

    def asyncapi_for(self, reached: ReachedAt, broker: MqttAddress) -> Document:
        """Return the AsyncAPI document with this server and its broker, if that is on loopback under the server's host."""
        host = reached.authority.host if is_loopback(broker.host) else broker.host
        mqtt = {
            "host": str(Authority(host, broker.port)),
            "protocol": "secure-mqtt" if broker.tls else "mqtt",
        }
        own = {"host": str(reached.authority), "protocol": "wss" if reached.secure else "ws"}
        servers = {
            name: {**server, **own, "pathname": f"{reached.path}{server['pathname'][1:]}"}
            for name, server in self.asyncapi["servers"].items()
            if name != "mqtt"
        }
        return {**self.asyncapi, "servers": {"mqtt": {**self.asyncapi["servers"]["mqtt"], **mqtt}, **servers}}
