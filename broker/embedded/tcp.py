"""TCP and TLS below a connection."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, cast

from broker.embedded.connection import Connection
from broker.embedded.transport import WRITE_AHEAD, Transport

Connect = Callable[[Transport, str, str | None], Connection]
"""Makes the connection of a transport, the peer's address, and the common name of its verified certificate."""


class TcpTransport(asyncio.Protocol):
    """A transport over TCP or TLS, with or without a client certificate; `connect` makes its connection."""

    def __init__(self, connect: Connect) -> None:
        self._connect = connect
        self._transport: asyncio.Transport | None = None
        self._connection: Connection | None = None
        self._finished = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=WRITE_AHEAD)
        peer = transport.get_extra_info("peername")
        self._connection = self._connect(self, str(peer[0]) if peer else "", _common_name(transport))

    def data_received(self, data: bytes) -> None:
        if self._connection is not None:
            self._connection.received(data)

    def pause_writing(self) -> None:
        if self._connection is not None:
            self._connection.writable(False)

    def resume_writing(self) -> None:
        if self._connection is not None:
            self._connection.writable(True)

    def eof_received(self) -> bool:
        """Keep the connection until what came before has been handled; TLS cannot."""
        if self._connection is not None:
            self._connection.finished()
        return self._transport is not None and self._transport.get_extra_info("sslcontext") is None

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        if self._connection is not None:
            self._connection.lost()
        self._connection = self._transport = None

    def write(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing() and not self._finished:
            self._transport.write(data)

    def unsent(self) -> int:
        return 0 if self._transport is None else self._transport.get_write_buffer_size()

    def pause(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()

    def resume(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def finish(self) -> None:
        if self._transport is not None and not self._transport.is_closing() and self._transport.can_write_eof():
            self._finished = True
            self._transport.write_eof()

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()


def _common_name(transport: asyncio.BaseTransport) -> str | None:
    """Return the common name of the client's certificate, which TLS has verified, if it has one."""
    certificate: Mapping[str, Any] = transport.get_extra_info("peercert") or {}
    names = [value for part in certificate.get("subject", ()) for name, value in part if name == "commonName"]
    return names[0] if len(names) == 1 else None
