"""From a client's bytes to its packets, one by one and no faster than they can be dealt with.

While anything pauses a connection it is not read: what a client can make the server keep is bounded by what it may send
unread. No I/O but to pause the transport.
"""

import asyncio
from enum import Enum, auto
from typing import Final, Protocol

from broker.embedded.life_cycle import ConnectionState, LifeCycle
from broker.embedded.transport import Transport
from broker.protocol.packet_framer import Frame, MalformedError, PacketFramer
from broker.protocol.packet_types import Type

READ_AHEAD: Final = 64 * 1024
"""Bytes that may wait here before the transport is paused."""
TURN: Final = 64
"""Packets of one connection before the others have their turn."""


class PauseReason(Enum):
    """Events that a connection waits for before its next packet."""

    ANSWER = auto()
    """amqtt answers a control packet."""
    ROOM = auto()
    """A subscriber in this process has no room."""
    COMMIT = auto()
    """Too many publishes are not acknowledged."""
    CLIENT = auto()
    """The client does not read."""
    TURN = auto()
    """Others have their turn: what a burst causes must be able to flow off."""


class Handler(Protocol):
    """Takes the packets."""

    def handle(self, frame: Frame) -> None:
        """Handle the next packet. Raises `MalformedError`."""
        ...

    def malformed(self, error: MalformedError) -> None:
        """Handle a stream that cannot be read any further."""
        ...

    def drained(self) -> None:
        """Handle the end: all that a client has sent, which has left, is dealt with."""
        ...


class PacketReader:
    """The receiving end of one connection.

    Args:
        transport: paused and resumed.
        state: of the connection.
        limit: bytes of a packet after its fixed header.
        handler: gets the packets.
    """

    def __init__(self, transport: Transport, state: ConnectionState, limit: int, handler: Handler) -> None:
        self.paused_for: set[PauseReason] = set()
        self._transport = transport
        self._state = state
        self._handler = handler
        self._framer = PacketFramer(limit)
        self._paused = False
        self._reading = False
        self._loop = asyncio.get_running_loop()

    def expect(self, kind: Type) -> None:
        """Take packets of this type only, until `admit`."""
        self._framer.expected = kind

    def admit(self, limit: int) -> None:
        """Take packets of every type, up to another limit."""
        self._framer.expected = None
        self._framer.limit = limit

    def received(self, data: bytes) -> None:
        """Take bytes."""
        if not self._state.now.reads:
            return
        self._framer.feed(data)
        self.read_on()
        if self.paused_for and not self._paused and len(self._framer) > READ_AHEAD:
            self._paused = True
            self._transport.pause()

    def pause(self, reason: PauseReason) -> None:
        """Hand on no packet until `resume`."""
        self.paused_for.add(reason)

    def resume(self, reason: PauseReason) -> None:
        """Read on, if there is no other reason to pause."""
        self.paused_for.discard(reason)
        self.read_on()
        if self._paused and not self.paused_for and self._state.now.reads:
            self._paused = False
            self._transport.resume()

    def read_on(self) -> None:
        """Hand on what has come, as far as that is possible."""
        if self._reading:
            return
        self._reading = True
        try:
            self._hand_on()
        except MalformedError as error:
            self._handler.malformed(error)
        finally:
            self._reading = False

    def _hand_on(self) -> None:
        """Hand on packets until one is incomplete, something pauses the connection, or it is the others' turn."""
        handled = 0
        while not self.paused_for and self._state.now.reads:
            frame = self._framer.take()
            if frame is None:
                if self._state.now is not LifeCycle.OPEN:
                    self._handler.drained()
                return
            self._handler.handle(frame)
            handled += 1
            if handled == TURN:
                self.pause(PauseReason.TURN)
                self._loop.call_soon(self.resume, PauseReason.TURN)
