"""Minimal WebSocket client, which can end in the middle of a frame."""

import asyncio
from collections.abc import Sequence
from typing import Final

from bench.churn.links import Link, request

TEXT: Final = 1
BINARY: Final = 2
_UPGRADE: Final = (
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
)
_CLOSE: Final = 8
_LAST: Final = 0x80
_MASKED: Final = 0x80
_NO_MASK: Final = bytes(4)
"""Mask of zeros, which changes nothing: clients must mask their frames."""


class WebSocket(Link):
    """WebSocket connection; `send` sends a frame of `kind`."""

    kind = TEXT

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        super().__init__(reader, writer)
        self._buffer = bytearray()

    async def upgrade(self, path: str, kind: int = TEXT, headers: Sequence[str] = ()) -> None:
        """Perform the opening handshake. Raises ConnectionError if the server rejects it."""
        self.kind = kind
        super().send(request("GET", path, headers=(*_UPGRADE, *headers)))
        head = await self.reader.readuntil(b"\r\n\r\n")
        if head[9:12] != b"101":
            raise ConnectionRefusedError(head[:40])

    def send(self, data: bytes) -> None:
        """Send a frame."""
        super().send(frame(self.kind, data))

    def half(self, data: bytes) -> None:
        """Send the first half of a frame."""
        super().send(frame(self.kind, data)[: 6 + len(data) // 2])

    def leave(self) -> None:
        """Send a close frame."""
        super().send(frame(_CLOSE, b"\x03\xe8"))

    async def some(self) -> bytes:
        """Return the joined payloads of the next frames."""
        return b"".join(await self.frames())

    async def frames(self) -> list[bytes]:
        """Return the payloads of the next frames, at least one; may be called again when cancelled.

        Raises:
            ConnectionError: at the end of the connection.
        """
        while not (payloads := self._complete()):
            self._buffer += await super().some()
        return payloads

    def _complete(self) -> list[bytes]:
        payloads, data, start = [], self._buffer, 0
        while len(data) - start > 1:
            length, body = data[start + 1], start + 2
            if length >= 126:
                body += 2 if length == 126 else 8
                length = int.from_bytes(data[start + 2 : body])
            if body + length > len(data):
                break
            if data[start] & 0x0F == _CLOSE:
                raise ConnectionResetError("the server has closed the WebSocket")
            payloads.append(bytes(data[body : body + length]))
            start = body + length
        del data[:start]
        return payloads


def frame(kind: int, data: bytes) -> bytes:
    """Return a frame of a client."""
    length = len(data)
    if length < 126:
        head = bytes((_LAST | kind, _MASKED | length))
    elif length < 1 << 16:
        head = bytes((_LAST | kind, _MASKED | 126)) + length.to_bytes(2)
    else:
        head = bytes((_LAST | kind, _MASKED | 127)) + length.to_bytes(8)
    return head + _NO_MASK + data
