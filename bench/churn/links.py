"""TCP connection that can be ended in any way, with a minimal HTTP client."""

import asyncio
import socket
from collections.abc import Sequence
from typing import Final, Self

READ_AT_ONCE: Final = 1 << 16
_RESET_ON_CLOSE: Final = b"\1\0\0\0\0\0\0\0"
HOST: Final = "127.0.0.1"


class Link:
    """Open connection. Data that is not read fills the server's buffers."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self._head: tuple[int, int] | None = None

    @classmethod
    async def open(cls, port: int) -> Self:
        """Connect. Raises OSError."""
        return cls(*await asyncio.open_connection(HOST, port))

    def send(self, data: bytes) -> None:
        """Write without waiting until the data is sent."""
        self.writer.write(data)

    async def some(self) -> bytes:
        """Return the next received data. Raises ConnectionError at the end."""
        data = await self.reader.read(READ_AT_ONCE)
        if not data:
            raise ConnectionResetError("the server has closed the connection")
        return data

    async def ended(self) -> None:
        """Read until the server closes."""
        while await self.reader.read(READ_AT_ONCE):
            pass

    def close(self) -> None:
        """End with a FIN."""
        self.writer.close()

    def reset(self) -> None:
        """End with a RST."""
        raw = self.writer.get_extra_info("socket")
        if raw is not None and not self.writer.is_closing():
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self.writer.transport.abort()

    def ask(self, method: str, path: str, body: bytes = b"", headers: Sequence[str] = ()) -> None:
        """Send a request; `headers` are lines."""
        self.send(request(method, path, len(body), headers) + body)

    async def answer(self) -> tuple[int, bytes]:
        """Return the status and the body of the next response, by its Content-Length; can be called again if cancelled."""
        if self._head is None:
            head = (await self.reader.readuntil(b"\r\n\r\n")).lower()
            _, header, rest = head.partition(b"content-length:")
            self._head = int(head[9:12]), int(rest.split(b"\r\n", 1)[0]) if header else 0
        status, length = self._head
        body = await self.reader.readexactly(length)
        self._head = None
        return status, body


def request(method: str, path: str, length: int = 0, headers: Sequence[str] = ()) -> bytes:
    """Return the head of a request."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: {HOST}"]
    if method == "POST":
        lines += ["Content-Type: application/json", f"Content-Length: {length}"]
    return "\r\n".join([*lines, *headers, "", ""]).encode()
