"""An MQTT client that does just what a test says: raw packets over a real socket, right or wrong.

It shares no code with the broker: what it sends and reads is spelled out here.
"""

import asyncio
import struct
from types import TracebackType
from typing import NamedTuple, Self

HOST = "127.0.0.1"
WAIT_S = 2.0
"""Seconds that an answer may take before a test gives up on it."""
QUIET_S = 0.2
"""Seconds in which nothing must come, if a test says that nothing comes."""

CONNACK, PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP, SUBACK, UNSUBACK, PINGRESP = 2, 3, 4, 5, 6, 7, 9, 11, 13


class Packet(NamedTuple):
    """A control packet as it came."""

    kind: int
    flags: int
    body: bytes

    @property
    def packet_id(self) -> int:
        """Of an acknowledgement."""
        return int.from_bytes(self.body[:2])


class Delivered(NamedTuple):
    """A PUBLISH from the broker."""

    topic: str
    payload: bytes
    qos: int
    retain: bool
    dup: bool
    packet_id: int


def string(text: str | bytes) -> bytes:
    encoded = text.encode() if isinstance(text, str) else text
    return struct.pack("!H", len(encoded)) + encoded


def packet(first: int, body: bytes) -> bytes:
    """A control packet with its remaining length."""
    length, encoded = len(body), b""
    while True:
        length, digit = divmod(length, 128)
        encoded += bytes((digit | 0x80 if length else digit,))
        if not length:
            return bytes((first,)) + encoded + body


def connect(
    client_id: str = "",
    *,
    clean: bool = True,
    keep_alive: int = 0,
    will: tuple[str, bytes] | None = None,
    will_qos: int = 0,
    will_retain: bool = False,
    username: str | None = None,
    password: str | None = None,
    level: int = 4,
    name: str = "MQTT",
    flags: int | None = None,
) -> bytes:
    """A CONNECT; `flags` overrides what the other arguments say."""
    told = clean << 1 | (will is not None) << 2 | will_qos << 3 | will_retain << 5
    told |= (password is not None) << 6 | (username is not None) << 7
    body = string(name) + struct.pack("!BBH", level, told if flags is None else flags, keep_alive) + string(client_id)
    if will is not None:
        body += string(will[0]) + string(will[1])
    body += b"".join(string(text) for text in (username, password) if text is not None)
    return packet(0x10, body)


def publish(
    topic: str, payload: bytes = b"x", *, qos: int = 0, packet_id: int = 1, retain: bool = False, dup: bool = False
) -> bytes:
    identifier = struct.pack("!H", packet_id) if qos else b""
    return packet(0x30 | dup << 3 | qos << 1 | retain, string(topic) + identifier + payload)


def subscribe(*filters: tuple[str, int], packet_id: int = 1) -> bytes:
    body = b"".join(string(topic_filter) + bytes((qos,)) for topic_filter, qos in filters)
    return packet(0x82, struct.pack("!H", packet_id) + body)


def unsubscribe(*filters: str, packet_id: int = 1) -> bytes:
    return packet(0xA2, struct.pack("!H", packet_id) + b"".join(map(string, filters)))


def acknowledge(kind: int, packet_id: int) -> bytes:
    """A PUBACK, PUBREC, PUBREL or PUBCOMP."""
    return struct.pack("!BBH", kind << 4 | (2 if kind == PUBREL else 0), 2, packet_id)


PINGREQ = b"\xc0\x00"
DISCONNECT = b"\xe0\x00"


class Client:
    """A connection; `async with` closes its socket without a DISCONNECT."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def open(cls, port: int, host: str = HOST) -> Self:
        """A connection without a CONNECT."""
        return cls(*await asyncio.open_connection(host, port))

    @classmethod
    async def join(cls, port: int, sent: bytes | None = None, host: str = HOST) -> Self:
        """A connection that was accepted; without `sent` an anonymous clean session."""
        client = await cls.open(port, host)
        try:
            client.send(connect() if sent is None else sent)
            answer = await client.read()
            assert answer.kind == CONNACK
            assert answer.body[1] == 0, f"refused with {answer.body[1]}"
        except BaseException:
            client.writer.close()
            raise
        return client

    def send(self, *packets: bytes) -> None:
        self.writer.write(b"".join(packets))

    async def read(self, wait_s: float = WAIT_S) -> Packet:
        """The next packet. Raises `asyncio.IncompleteReadError` where the broker closes instead."""
        async with asyncio.timeout(wait_s):
            first = (await self.reader.readexactly(1))[0]
            length = shift = 0
            while True:
                digit = (await self.reader.readexactly(1))[0]
                length |= (digit & 0x7F) << shift
                shift += 7
                if digit < 0x80:
                    break
            return Packet(first >> 4, first & 0x0F, await self.reader.readexactly(length))

    async def expect(self, kind: int, packet_id: int | None = None) -> Packet:
        """The next packet, which must be of this kind."""
        found = await self.read()
        assert found.kind == kind, f"expected {kind}, got {found}"
        assert packet_id is None or found.packet_id == packet_id
        return found

    async def delivered(self) -> Delivered:
        """The next packet, which must be a PUBLISH; it is not acknowledged."""
        found = await self.expect(PUBLISH)
        length = int.from_bytes(found.body[:2])
        topic, rest = found.body[2 : 2 + length].decode(), found.body[2 + length :]
        qos = found.flags >> 1 & 3
        packet_id, payload = (int.from_bytes(rest[:2]), rest[2:]) if qos else (0, rest)
        return Delivered(topic, payload, qos, bool(found.flags & 1), bool(found.flags & 8), packet_id)

    async def subscribed(self, *filters: tuple[str, int]) -> bytes:
        """Subscribe; the return codes of the SUBACK."""
        self.send(subscribe(*filters, packet_id=77))
        return (await self.expect(SUBACK, 77)).body[2:]

    async def quiet(self, wait_s: float = QUIET_S) -> None:
        """Nothing comes, and the connection stays."""
        try:
            found = await self.read(wait_s)
        except TimeoutError:
            return
        raise AssertionError(f"something came: {found}")

    async def closed(self, wait_s: float = WAIT_S) -> None:
        """The broker closes, with nothing more to say."""
        async with asyncio.timeout(wait_s):
            try:
                rest = await self.reader.read()
            except ConnectionError:
                return
        assert rest == b"", f"something came: {rest[:40]!r}"

    async def alive(self) -> None:
        """The connection still answers."""
        self.send(PINGREQ)
        await self.expect(PINGRESP)

    def drop(self) -> None:
        """Reset the connection."""
        self.writer.transport.abort()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.writer.close()
