"""Control packets that a server sends, as bytes; and the CONNECT that amqtt is shown. Pure."""

import struct
from collections.abc import Iterator

from broker.protocol.packet_types import FLAGS, PROTOCOL_LEVEL, ReturnCode, Type


def connect(client_id: str, *, clean: bool) -> bytes:
    """A CONNECT with nothing but a client identifier and the clean session flag."""
    body = _string("MQTT") + bytes((PROTOCOL_LEVEL, clean << 1, 0, 0)) + _string(client_id)
    return _packet(Type.CONNECT << 4, body)


def connack(code: ReturnCode) -> bytes:
    """A CONNACK that refuses; its session present flag is 0 [MQTT-3.2.2-4]."""
    return bytes((Type.CONNACK << 4, 2, 0, code))


def publish(topic: bytes, payload: bytes, *, qos: int, retain: bool, dup: bool = False, packet_id: int = 0) -> bytes:
    """A PUBLISH; `topic` in UTF-8, at most 65,535 bytes."""
    identifier = packet_id.to_bytes(2) if qos else b""
    length = 2 + len(topic) + len(identifier) + len(payload)
    first = Type.PUBLISH << 4 | dup << 3 | qos << 1 | retain
    return b"".join((bytes((first, *_remaining(length))), len(topic).to_bytes(2), topic, identifier, payload))


def acknowledgement(kind: Type, packet_id: int) -> bytes:
    """A PUBACK, PUBREC, PUBREL or PUBCOMP."""
    return struct.pack("!BBH", kind << 4 | FLAGS.get(kind, 0), 2, packet_id)


def _packet(first: int, body: bytes) -> bytes:
    return bytes((first, *_remaining(len(body)))) + body


def _string(text: str) -> bytes:
    encoded = text.encode()
    return len(encoded).to_bytes(2) + encoded


def _remaining(length: int) -> Iterator[int]:
    """The remaining length as on the wire (section 2.2.3)."""
    while length > 0x7F:
        yield length & 0x7F | 0x80
        length >>= 7
    yield length
