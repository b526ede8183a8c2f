"""Control packets of clients: bytes become frozen packets. Pure.

Strict: whatever the standard forbids raises `MalformedError`, and the connection is to be closed (section 4.8). The numbers
in brackets are those of the standard's normative statements.
"""

import contextlib
from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from broker.protocol.packet_types import FLAGS, PROTOCOL_LEVEL, Type


class MalformedError(Exception):
    """What a client sent breaks MQTT 3.1.1; the message says how."""


class TooLargeError(MalformedError):
    """A packet is longer than the limit, of which nothing has been buffered then, or has too many filters."""


class UnsupportedVersionError(Exception):
    """A CONNECT of another version of MQTT: to be answered with return code 1 [MQTT-3.1.2-2]."""


MAX_FILTERS: Final = 1_000
"""Filters in one SUBSCRIBE or UNSUBSCRIBE: all are dealt with in one go, and others wait for it."""
_FROM_CLIENT: Final = frozenset(Type) - {Type.CONNACK, Type.SUBACK, Type.UNSUBACK, Type.PINGRESP}


class Frame(Struct, frozen=True):
    """One control packet, within the bytes that it came in.

    Attributes:
        data: bytes that have the packet in them, from `begin` to `end`.
        start: index of the first byte after the fixed header.
    """

    type: Type
    flags: int
    data: bytes
    begin: int
    start: int
    end: int

    @property
    def raw(self) -> bytes:
        """All of the packet."""
        return self.data[self.begin : self.end]


class Will(Struct, frozen=True):
    """What a client asks to be published when it goes without a DISCONNECT."""

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


class PacketFramer:
    """Cuts a stream into control packets of at most `limit` bytes after the fixed header; of type `expected`, if any."""

    # A packet is read out of the very bytes that it came in. Only one that comes in parts is put together first: once all
    # of it is there, so that no byte is moved more than twice, in however small parts it comes.

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.expected: Type | None = None
        self._data = b""
        self._position = 0
        self._later = bytearray()
        """What came after `_data`."""
        self._needed = 1
        """Without as many bytes from `_position` on there is no packet."""

    def __len__(self) -> int:
        return len(self._data) - self._position + len(self._later)

    def feed(self, data: bytes) -> None:
        """Add what has come."""
        if self._later or self._position < len(self._data):
            self._later += data
        else:
            self._data, self._position = data, 0

    def take(self) -> Frame | None:
        """Return the next packet, or None until more comes. Raises `MalformedError`, as early as it can be known."""
        while self._holds(self._needed):
            data, begin = self._data, self._position
            known = _FIRST_BYTES.get(data[begin])
            kind, flags = known if known is not None else _type_and_flags(data[begin])
            if self.expected is not None and kind is not self.expected:
                raise MalformedError(f"a {kind.name} before {self.expected.name} [MQTT-3.1.0-1]")
            start, end = self._extent(kind)
            if end <= len(data):
                self._position, self._needed = end, 1
                return Frame(kind, flags, data, begin, start, end)
            self._needed = end - begin
        return None

    def _holds(self, count: int) -> bool:
        """Return True if there are `count` bytes, which are then in `_data`; else let go of what is dealt with."""
        if len(self._data) - self._position >= count:
            return True
        enough = len(self) >= count
        self._data, self._position = self._data[self._position :], 0
        if enough:
            self._data += self._later
            self._later = bytearray()
        return enough

    def _extent(self, kind: Type) -> tuple[int, int]:
        """Return where the rest of the packet begins and ends (section 2.2.3), as far as its length is known."""
        data, first = self._data, self._position + 1
        length = 0
        for index in range(first, first + 4):
            if index >= len(data):
                return index, index + 1
            length |= (data[index] & 0x7F) << 7 * (index - first)
            if length > self.limit:
                raise TooLargeError(f"a {kind.name} of more than {self.limit} bytes")
            if data[index] < 0x80:
                return index + 1, index + 1 + length
        raise MalformedError("the remaining length has more than four bytes")


def _type_and_flags(first: int) -> tuple[Type, int]:
    """Read the first byte of a packet. Raises `MalformedError`."""
    try:
        kind, flags = Type(first >> 4), first & 0x0F
    except ValueError:
        raise MalformedError("a reserved packet type") from None
    if kind not in _FROM_CLIENT:
        raise MalformedError(f"a {kind.name} from a client")
    if kind is Type.PUBLISH:
        if flags & 0x06 == 0x06:
            raise MalformedError("a PUBLISH with QoS 3 [MQTT-3.3.1-4]")
        if flags & 0x0E == 0x08:
            raise MalformedError("a PUBLISH with DUP at QoS 0 [MQTT-3.3.1-2]")
    elif flags != FLAGS.get(kind, 0):
        raise MalformedError(f"a {kind.name} with reserved flags [MQTT-2.2.2-2]")
    return kind, flags


def _first_bytes() -> Iterator[tuple[int, tuple[Type, int]]]:
    """Yield every first byte that a packet of a client may have, with the type and the flags that it says."""
    for first in range(0x100):
        with contextlib.suppress(MalformedError):
            yield first, _type_and_flags(first)


_FIRST_BYTES: Final = dict(_first_bytes())


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
