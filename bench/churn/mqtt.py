"""MQTT client on any link, which notes acknowledged samples in the ledger."""

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Final

from bench import wire
from bench.churn.ledger import Stream
from bench.churn.links import Link

DISCONNECT: Final = bytes((0xE0, 0))
_CONNACK, _PUBLISH, _PUBACK, _PUBREC, _PUBREL, _PUBCOMP, _SUBACK = 2, 3, 4, 5, 6, 7, 9
_IDS: Final = 60_000
ANSWER_S: Final = 30.0
"""Longest time for an acknowledgement on a busy machine."""


class Client:
    """Client that sends samples of `stream`, and reads and acknowledges all messages that it receives."""

    def __init__(self, link: Link, stream: Stream) -> None:
        self.link = link
        self.stream = stream
        self.waiting: dict[int, int] = {}
        self._buffer = bytearray()
        self._sent = 0
        self._answers: set[int] = set()

    async def join(self, connect: bytes) -> None:
        """Send CONNECT, and wait for the CONNACK."""
        self.link.send(connect)
        await self._until(_CONNACK)

    async def subscribe(self, *filters: str, qos: int = 0) -> None:
        """Subscribe, and wait for the SUBACK."""
        self.link.send(wire.subscribe(filters, qos))
        await self._until(_SUBACK)

    def publish(self, *, qos: int = 1) -> int:
        """Send the next sample, and return its number."""
        number = self.stream.next()
        self._send(number, qos)
        return number

    def publish_twice(self) -> None:
        """Send a sample, and at once the same again."""
        self._send(self.publish(), 1)

    def _send(self, number: int, qos: int) -> None:
        self._sent += 1
        packet_id = self._sent % _IDS + 1
        self.waiting[packet_id] = number
        body = self.stream.sample(number).encode()
        self.link.send(wire.publish(wire.topic(self.stream.device, wire.SENSOR), body, qos=qos, packet_id=packet_id))

    async def process_next(self) -> None:
        """Read and process the next packets."""
        self._buffer += await self.link.some()
        for first, body in self._packets():
            self._process(first, body)

    async def settle(self) -> None:
        """Wait until all samples are acknowledged."""
        async with asyncio.timeout(ANSWER_S):
            while self.waiting:
                await self.process_next()

    async def listen(self, seconds: float) -> None:
        """Read and process packets for some time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while True:
                    await self.process_next()

    async def _until(self, kind: int) -> None:
        self._answers.discard(kind)
        async with asyncio.timeout(ANSWER_S):
            while kind not in self._answers:
                await self.process_next()

    def _process(self, first: int, body: bytes) -> None:
        kind = first >> 4
        if kind == _PUBLISH:
            self._acknowledge(first >> 1 & 3, body)
        elif kind in (_PUBACK, _PUBREC):
            packet_id = int.from_bytes(body[:2])
            self.stream.acknowledge(self.waiting.pop(packet_id))
            if kind == _PUBREC:
                self.link.send(bytes((_PUBREL << 4 | 2, 2)) + body[:2])
        elif kind == _PUBREL:
            self.link.send(bytes((_PUBCOMP << 4, 2)) + body[:2])
        else:
            self._answers.add(kind)

    def _acknowledge(self, qos: int, body: bytes) -> None:
        if qos:
            start = 2 + int.from_bytes(body[:2])
            self.link.send(bytes(((_PUBACK if qos == 1 else _PUBREC) << 4, 2)) + body[start : start + 2])

    def _packets(self) -> Iterator[tuple[int, bytes]]:
        """Yield the complete packets: the first byte and the body."""
        data, start = self._buffer, 0
        while len(data) - start > 1:
            length, at = data[start + 1] & 0x7F, start + 2
            while data[at - 1] & 0x80:
                if at >= len(data):
                    break
                length |= (data[at] & 0x7F) << 7 * (at - start - 1)
                at += 1
            if data[at - 1] & 0x80 or at + length > len(data):
                break
            yield data[start], bytes(data[at : at + length])
            start = at + length
        del data[:start]
