"""From a client's bytes to its packets, one by one and no faster than they can be dealt with; no I/O but `Transport`'s
pause.

While anything holds a connection up it is not read: what a client may make us keep is bounded by what it may send unread.
"""

import asyncio
from enum import IntFlag, auto
from typing import Final, Protocol

from broker.embedded.transport import Transport
from broker.protocol.packet_types import Type
from broker.protocol.packets_in import Frame, MalformedError, PacketFramer

READ_AHEAD: Final = 64 * 1024
"""Bytes that may wait here before the transport is told to pause."""
TURN: Final = 64
"""Packets of one connection before others have their turn."""


class Hold(IntFlag):
    """What a connection waits for before its next packet."""

    ANSWER = auto()
    """amqtt answers a control packet."""
    ROOM = auto()
    """A subscriber in this process has no room."""
    COMMIT = auto()
    """Too many publishes are without answer."""
    CLIENT = auto()
    """The client does not read."""
    TURN = auto()
    """Others have their turn: what a burst causes must be able to flow off."""


class Handler(Protocol):
    """Who deals with the packets."""

    def handle(self, frame: Frame) -> None:
        """The next packet. Raises `MalformedError`."""
        ...

    def malformed(self, error: MalformedError) -> None:
        """The stream cannot be read any further."""
        ...

    def drained(self) -> None:
        """All that a client has sent, who has left, is dealt with."""
        ...


class PacketReader:
    """The receiving end of one connection.

    Args:
        wire: the transport, which is paused and resumed.
        limit: bytes of a packet after its fixed header.
        handler: gets the packets.
    """

    def __init__(self, wire: Transport, limit: int, handler: Handler) -> None:
        self.holds = Hold(0)
        self.left = False
        self._wire = wire
        self._handler = handler
        self._framer = PacketFramer(limit)
        self._paused = False
        self._busy = False
        self._stopped = False
        self._loop = asyncio.get_running_loop()

    def expect(self, kind: Type) -> None:
        """Take this packet only, until `admit`."""
        self._framer.expected = kind

    def admit(self, limit: int) -> None:
        """Take every packet, up to another limit."""
        self._framer.expected = None
        self._framer.limit = limit

    def received(self, data: bytes) -> None:
        """Bytes have come."""
        if self._stopped:
            return
        self._framer.feed(data)
        self._go_on()
        if self.holds and not self._paused and len(self._framer) > READ_AHEAD:
            self._paused = True
            self._wire.pause()

    def hold(self, hold: Hold) -> None:
        """Hand on nothing until `release`."""
        self.holds |= hold

    def release(self, hold: Hold) -> None:
        """Go on, if nothing else holds it up."""
        self.holds &= ~hold
        self._go_on()
        if self._paused and not self.holds and not self._stopped:
            self._paused = False
            self._wire.resume()

    def finish(self) -> None:
        """Nothing more will come."""
        self.left = True
        self._go_on()

    def stop(self) -> None:
        """Hand on nothing any more."""
        self._stopped = True

    def _go_on(self) -> None:
        if self._busy:
            return
        self._busy = True
        try:
            self._hand_on()
        except MalformedError as error:
            self._handler.malformed(error)
        finally:
            self._busy = False

    def _hand_on(self) -> None:
        """Until a packet is incomplete, something holds it up, or it is the others' turn."""
        handled = 0
        while not self.holds and not self._stopped:
            frame = self._framer.take()
            if frame is None:
                if self.left:
                    self._handler.drained()
                return
            self._handler.handle(frame)
            handled += 1
            if handled == TURN:
                self.hold(Hold.TURN)
                self._loop.call_soon(self.release, Hold.TURN)
