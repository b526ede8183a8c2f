"""A WebSocket by hand: cheap, and it can be left in the middle."""

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
"""A mask all the same: it changes nothing."""


class WebSocket(Link):
    """What is sent is one frame of `kind`, and so is what comes."""

    kind = TEXT

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        super().__init__(reader, writer)
        self._buffer = bytearray()

    async def upgrade(self, path: str, kind: int = TEXT, headers: Sequence[str] = ()) -> None:
        """Shake hands. Raises ConnectionError where the server will not."""
        self.kind = kind
        super().send(request("GET", path, headers=(*_UPGRADE, *headers)))
        head = await self.reader.readuntil(b"\r\n\r\n")
        if head[9:12] != b"101":
            raise ConnectionRefusedError(head[:40])

    def send(self, data: bytes) -> None:
        """One frame."""
        super().send(frame(self.kind, data))

    def half(self, data: bytes) -> None:
        """A frame that breaks off."""
        super().send(frame(self.kind, data)[: 6 + len(data) // 2])

    def leave(self) -> None:
        """Say that this is the end."""
        super().send(frame(_CLOSE, b"\x03\xe8"))

    async def some(self) -> bytes:
        """The payloads of all that has come."""
        return b"".join(await self.frames())

    async def frames(self) -> list[bytes]:
        """The payloads of frames, at least one. Raises ConnectionError at the end; who gives up waiting may ask again."""
        while not (whole := self._whole()):
            self._buffer += await super().some()
        return whole

    def _whole(self) -> list[bytes]:
        found, data, start = [], self._buffer, 0
        while len(data) - start > 1:
            length, at = data[start + 1], start + 2
            if length >= 126:
                at += 2 if length == 126 else 8
                length = int.from_bytes(data[start + 2 : at])
            if at + length > len(data):
                break
            if data[start] & 0x0F == _CLOSE:
                raise ConnectionResetError("the server has closed the WebSocket")
            found.append(bytes(data[at : at + length]))
            start = at + length
        del data[:start]
        return found


def frame(kind: int, data: bytes) -> bytes:
    """A frame of a client."""
    length = len(data)
    if length < 126:
        head = bytes((_LAST | kind, _MASKED | length))
    elif length < 1 << 16:
        head = bytes((_LAST | kind, _MASKED | 126)) + length.to_bytes(2)
    else:
        head = bytes((_LAST | kind, _MASKED | 127)) + length.to_bytes(8)
    return head + _NO_MASK + data
