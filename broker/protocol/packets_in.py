"""The fields of the control packets that clients send (MQTT 3.1.1, section 3). Pure.

Strict, as `broker.protocol.packet_framer` is.
"""

from typing import Final

from msgspec import Struct

from broker.protocol.packet_framer import Frame, MalformedError, TooLargeError
from broker.protocol.packet_types import PROTOCOL_LEVEL, Type


class UnsupportedVersionError(Exception):
    """A CONNECT of another version of MQTT: to be answered with return code 1 [MQTT-3.1.2-2]."""


MAX_FILTERS: Final = 1_000
"""Filters in one SUBSCRIBE or UNSUBSCRIBE: all are dealt with in one go, and others wait for it."""


class Will(Struct, frozen=True):
    """A message to be published when the client goes without a DISCONNECT."""

    topic: str
    payload: bytes
    qos: int
    retain: bool


class Connect(Struct, frozen=True):
    """A CONNECT of level 4. `keep_alive_s` 0: the client promises nothing."""

    client_id: str
    clean: bool
    keep_alive_s: int
    will: Will | None = None
    username: str | None = None
    password: bytes | None = None


class Publish(Struct, frozen=True):
    """An application message; `packet_id` is 0 at QoS 0."""

    topic: str
    payload: bytes
    qos: int
    retain: bool
    dup: bool
    packet_id: int


class _Reader:
    """Reads the fields of one packet, none beyond its end."""

    def __init__(self, frame: Frame) -> None:
        self._kind = frame.type
        self._data = frame.data
        self._position = frame.start
        self._end = frame.end

    @property
    def left(self) -> bool:
        return self._position < self._end

    def take(self, count: int) -> bytes:
        start = self._position
        self._position = end = start + count
        if end > self._end:
            raise MalformedError(f"a {self._kind.name} that ends too early")
        return self._data[start:end]

    def byte(self) -> int:
        return self.take(1)[0]

    def number(self) -> int:
        """Two bytes, most significant first."""
        return int.from_bytes(self.take(2))

    def packet_id(self) -> int:
        number = self.number()
        if number == 0:
            raise MalformedError(f"a {self._kind.name} with packet identifier 0 [MQTT-2.3.1-1]")
        return number

    def binary(self) -> bytes:
        return self.take(self.number())

    def text(self) -> str:
        try:
            text = self.binary().decode("utf-8")
        except UnicodeDecodeError:
            raise MalformedError(f"a {self._kind.name} with a string that is not UTF-8 [MQTT-1.5.3-1]") from None
        if "\0" in text:
            raise MalformedError(f"a {self._kind.name} with U+0000 in a string [MQTT-1.5.3-2]")
        return text

    def rest(self) -> bytes:
        return self._data[self._position : self._end]

    def end(self) -> None:
        if self.left:
            raise MalformedError(f"a {self._kind.name} with bytes after its end")


def read_connect(frame: Frame) -> Connect:
    """Read a CONNECT (section 3.1). Raises `MalformedError`, `UnsupportedVersionError`."""
    reader = _Reader(frame)
    name, level = reader.text(), reader.byte()
    if name not in ("MQTT", "MQIsdp"):
        raise MalformedError("a CONNECT for another protocol than MQTT [MQTT-3.1.2-1]")
    if (name, level) != ("MQTT", PROTOCOL_LEVEL):
        raise UnsupportedVersionError(f"version level {level}")
    flags, keep_alive_s = reader.byte(), reader.number()
    _check_connect_flags(flags)
    client_id = reader.text()
    will = _read_will(reader, flags) if flags & 0x04 else None
    username = reader.text() if flags & 0x80 else None
    password = reader.binary() if flags & 0x40 else None
    reader.end()
    return Connect(client_id, bool(flags & 0x02), keep_alive_s, will, username, password)


def _check_connect_flags(flags: int) -> None:
    if flags & 0x01:
        raise MalformedError("a CONNECT with the reserved flag [MQTT-3.1.2-3]")
    if flags & 0x18 == 0x18:
        raise MalformedError("a will with QoS 3 [MQTT-3.1.2-14]")
    if not flags & 0x04 and flags & 0x38:
        raise MalformedError("a CONNECT with QoS or retain of a will but no will [MQTT-3.1.2-11]")
    if flags & 0xC0 == 0x40:
        raise MalformedError("a CONNECT with a password but no user name [MQTT-3.1.2-22]")


def _read_will(reader: _Reader, flags: int) -> Will:
    topic, payload = reader.text(), reader.binary()
    _check_topic(topic)
    return Will(topic, payload, flags >> 3 & 0x03, bool(flags & 0x20))


def read_publish(frame: Frame) -> Publish:
    """Read a PUBLISH (section 3.3). Raises `MalformedError`."""
    reader, flags = _Reader(frame), frame.flags
    topic, qos = reader.text(), flags >> 1 & 0x03
    _check_topic(topic)
    packet_id = reader.packet_id() if qos else 0
    return Publish(topic, reader.rest(), qos, bool(flags & 0x01), bool(flags & 0x08), packet_id)


def _check_topic(topic: str) -> None:
    if not topic:
        raise MalformedError("an empty topic name [MQTT-4.7.3-1]")
    if "+" in topic or "#" in topic:
        raise MalformedError("a wildcard in a topic name [MQTT-3.3.2-2]")


def read_packet_id(frame: Frame) -> int:
    """Read a PUBACK, PUBREC, PUBREL or PUBCOMP (sections 3.4 to 3.7). Raises `MalformedError`."""
    reader = _Reader(frame)
    packet_id = reader.packet_id()
    reader.end()
    return packet_id


def check_control(frame: Frame) -> None:
    """Check a SUBSCRIBE, UNSUBSCRIBE, PINGREQ or DISCONNECT (sections 3.8 to 3.14). Raises `MalformedError`."""
    reader = _Reader(frame)
    if frame.type in (Type.SUBSCRIBE, Type.UNSUBSCRIBE):
        reader.packet_id()
        if not reader.left:
            raise MalformedError(f"a {frame.type.name} without a topic filter [MQTT-3.8.3-3] [MQTT-3.10.3-2]")
        count = 0
        while reader.left:
            count += 1
            if count > MAX_FILTERS:
                raise TooLargeError(f"a {frame.type.name} of more than {MAX_FILTERS} topic filters")
            if not reader.text():
                raise MalformedError("an empty topic filter [MQTT-4.7.3-1]")
            if frame.type is Type.SUBSCRIBE and reader.byte() > 2:
                raise MalformedError("a SUBSCRIBE with QoS 3 or reserved bits [MQTT-3.8.3-4]")
    reader.end()
