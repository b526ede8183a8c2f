"""From a stream of bytes to control packets (MQTT 3.1.1, section 2.2). Pure.

Strict: whatever the standard forbids raises `MalformedError`, and the connection is to be closed (section 4.8). The numbers
in brackets are those of the standard's normative statements.
"""

import contextlib
from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from broker.protocol.packet_types import FLAGS, Type


class MalformedError(Exception):
    """A client breaks MQTT 3.1.1; the message says how."""


class TooLargeError(MalformedError):
    """A packet is longer than the limit, of which nothing has been buffered then, or has too many filters."""


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
        """Bytes that came after `_data`."""
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


_FROM_CLIENT: Final = frozenset(Type) - {Type.CONNACK, Type.SUBACK, Type.UNSUBACK, Type.PINGRESP}


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
