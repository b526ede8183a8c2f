"""One MQTT client, from its first byte to its will.

Synchronous but for the task in which amqtt (`broker.embedded.control`) answers the control packets: bytes come in through
`received` and go out through a `Transport`. A packet is looked at only once the one before it is done with.
"""

import asyncio
from typing import Final

from broker.auth.connect_policy import ConnectRefusedError
from broker.auth.identity import Identity
from broker.contract import MAX_PAYLOAD_BYTES
from broker.embedded.context import ServerContext
from broker.embedded.control import ControlPackets
from broker.embedded.handshake import Accepted, Handshake
from broker.embedded.keep_alive import KeepAlive
from broker.embedded.life_cycle import ConnectionState, LifeCycle
from broker.embedded.packet_reader import PacketReader, PauseReason
from broker.embedded.publisher import ForbiddenError, InboundPublisher
from broker.embedded.session import Session
from broker.embedded.transport import WRITE_AHEAD, Transport
from broker.embedded.will import WillPublisher
from broker.embedded.write_stall import WriteStall
from broker.protocol import packets_in, packets_out
from broker.protocol.packet_framer import Frame, MalformedError
from broker.protocol.packet_types import Type

MAX_PACKET: Final = MAX_PAYLOAD_BYTES + 1024
"""Bytes of a packet after the fixed header: a payload of the contract's limit, and its topic."""
MAX_CONNECT: Final = 80 * 1024
"""Bytes of a CONNECT: there is room for the longest will, and clients without a login cost little."""
FLUSHES: Final = 4
"""Times that `WRITE_AHEAD` is written before the others have their turn."""


class Connection:
    """Made with its transport, which calls `received`, `writable`, `finished` and `lost`.

    Args:
        context: what all connections share.
        transport: the transport.
        address: of the peer, for the log and for counting failed logins.
        certificate: common name of the peer's verified certificate, if it has one.
    """

    def __init__(self, context: ServerContext, transport: Transport, address: str, certificate: str | None = None) -> None:
        self._context = context
        self._transport = transport
        self._address = address
        self._state = ConnectionState()
        self._reader = PacketReader(transport, self._state, MAX_CONNECT, self)
        self._reader.expect(Type.CONNECT)
        self._handshake = Handshake(context, address, certificate, self._no_connect)
        self._accepted: Accepted | None = None
        self._control = ControlPackets(context, self, self._answered)
        self._session: Session | None = None
        self._publisher = InboundPublisher(context.router, self._reader, transport, self._state)
        self._will = WillPublisher(context)
        self._keep_alive = KeepAlive(lambda: bool(self._reader.paused_for), self._silent)
        self._stall = WriteStall(transport, context.timeouts.stall_s, self._stalled)
        self._flushing = False
        self._abort_timer: asyncio.TimerHandle | None = None
        context.registry.add(self)

    @property
    def key(self) -> str | None:
        """Name of the client's session; None before its CONNECT."""
        return None if self._accepted is None else self._accepted.key

    @property
    def identity(self) -> Identity | None:
        """Login of the client; None before its CONNECT, or if there are no logins."""
        return None if self._accepted is None else self._accepted.identity

    @property
    def ended(self) -> asyncio.Event:
        """Set once nothing of the connection runs any more, but for its transport."""
        return self._control.ended

    def received(self, data: bytes) -> None:
        """Take bytes from the transport."""
        self._reader.received(data)

    def writable(self, able: bool) -> None:
        """Note that the client takes, or no longer takes, what is written."""
        if self._state.ended:
            return
        if able:
            self._stall.cancel()
            self._reader.resume(PauseReason.CLIENT)
            self.flush()
        else:
            self._reader.pause(PauseReason.CLIENT)
            self._stall.start()

    def finished(self) -> None:
        """Note that the client sends no more: what it has sent counts, then the connection ends."""
        if self._state.enter(LifeCycle.LEFT):
            self._publisher.left()
            self._reader.read_on()
        elif self._state.now is LifeCycle.FINISHING:
            self.close(None)

    def lost(self) -> None:
        """Note that the transport is gone; what has come before still counts, but waits neither for room nor the client."""
        self._stall.cancel()
        if self._state.now is LifeCycle.FINISHING:
            self.close(None)
        if self._state.enter(LifeCycle.LOST):
            self._publisher.stop_waiting()
            self._reader.paused_for &= {PauseReason.ANSWER, PauseReason.TURN}
            self._reader.read_on()
        elif self._state.enter(LifeCycle.GONE):
            if self._abort_timer is not None:
                self._abort_timer.cancel()
            self._context.registry.remove(self)

    def flush(self) -> None:
        """Write what waits for the client, as far as it takes it."""
        session = self._session
        if session is None:
            return
        for _ in range(FLUSHES):
            if self._state.ended or PauseReason.CLIENT in self._reader.paused_for:
                return
            data = session.outbox.take(WRITE_AHEAD)
            if not data:
                return
            self._transport.write(data)
        if not self._flushing:
            self._flushing = True
            asyncio.get_running_loop().call_soon(self._flush_on)

    def _flush_on(self) -> None:
        self._flushing = False
        self.flush()

    def write_now(self, packet: bytes) -> bool:
        """Write past the outbox; return False if the client does not keep up."""
        if PauseReason.CLIENT in self._reader.paused_for:
            return False
        self._transport.write(packet)
        return True

    def overflowed(self) -> None:
        """Cut off a client for which too much waits; a persistent session gets the rest later."""
        self._context.counters.stalled += 1
        self.close("takes too little of what it subscribed to", at_once=True)

    def handle(self, frame: Frame) -> None:
        """Handle one packet. Raises `MalformedError`."""
        kind = frame.type
        self._keep_alive.heard()
        if kind is Type.PUBLISH:
            self._publish(frame)
        elif kind is Type.CONNECT:
            self._connect(frame)
        elif kind in (Type.PUBACK, Type.PUBREC, Type.PUBREL, Type.PUBCOMP):
            self._acknowledgement(kind, packets_in.read_packet_id(frame))
        else:
            packets_in.check_control(frame)
            self._control_packet(frame)

    def malformed(self, error: MalformedError) -> None:
        """End the connection of a client that breaks the standard."""
        self._context.counters.malformed += 1
        self.close(str(error))

    def drained(self) -> None:
        """End the connection of a client that has left: all that it sent is dealt with."""
        self.close(None)

    def _connect(self, frame: Frame) -> None:
        if self._accepted is not None:
            raise MalformedError("a second CONNECT [MQTT-3.1.0-2]")
        try:
            accepted = self._accepted = self._handshake.accept(frame, self)
        except ConnectRefusedError as error:
            self._context.counters.refused += 1
            self._transport.write(packets_out.connack(error.return_code))
            self.close(str(error))
            return
        self._will.keep(accepted.will)
        self._keep_alive.start(accepted.keep_alive_s)
        self._reader.admit(MAX_PACKET)
        self._reader.pause(PauseReason.ANSWER)
        if accepted.older is not None:
            accepted.older.close("the same client has connected anew")
        self._control.start(accepted)

    def _publish(self, frame: Frame) -> None:
        try:
            self._publisher.take(packets_in.read_publish(frame))
        except ForbiddenError as error:
            self._context.counters.forbidden += 1
            self.close(str(error))

    def _acknowledgement(self, kind: Type, packet_id: int) -> None:
        session = self._session
        if session is None:
            return
        match kind:
            case Type.PUBACK:
                session.outbox.acknowledge(packet_id)
            case Type.PUBREC:
                self._transport.write(session.outbox.received(packet_id))
            case Type.PUBCOMP:
                session.outbox.complete(packet_id)
            case _:
                self._transport.write(self._publisher.release(packet_id))
        self.flush()

    def _control_packet(self, frame: Frame) -> None:
        if frame.type is Type.DISCONNECT:
            self._will.discard()
            self.close(None)
        else:
            self._reader.pause(PauseReason.ANSWER)
            self._control.feed(frame.raw)

    def _answered(self, packet: bytes) -> None:
        """Send an answer of amqtt's; the first one accepts the connection."""
        if self._state.ended:
            return
        self._transport.write(packet)
        if self._session is None and self._accepted is not None:
            accepted = self._accepted
            self._session = self._context.router.attach(accepted.key, accepted.identity, self, clean=accepted.clean)
            self._publisher.attach(self._session)
            self.flush()
        self._reader.resume(PauseReason.ANSWER)

    def finish(self) -> None:
        """Take nothing more from the client, and let it read to the end what it has been sent."""
        if self._state.enter(LifeCycle.FINISHING):
            self._transport.finish()
        else:
            self.close(None)

    def close(self, reason: str | None, *, at_once: bool = False) -> None:
        """End the connection; without a DISCONNECT the will goes out. `reason` is for the log; None: nothing is wrong."""
        lost = self._state.now is LifeCycle.LOST
        if not self._state.enter(LifeCycle.GONE if lost else LifeCycle.CLOSED):
            return
        if reason is not None:
            self._context.warnings.warn("MQTT client %r at %s: %s; closed", self.key or "", self._address, reason)
        self._handshake.cancel()
        self._keep_alive.cancel()
        self._stall.cancel()
        self._publisher.stop_waiting()
        self._context.registry.closed(self)
        if self.key is not None:
            self._context.router.detach(self.key, self)
        self._control.end()
        self._close_transport(at_once=at_once)
        self._will.publish(self._session)

    def _close_transport(self, *, at_once: bool) -> None:
        if at_once:
            self._transport.abort()
        else:
            self._transport.close()
        if self._state.now is LifeCycle.GONE:
            self._context.registry.remove(self)
        elif not at_once:
            # A peer that does not read keeps the last bytes, and with them the descriptor.
            loop = asyncio.get_running_loop()
            self._abort_timer = loop.call_later(self._context.timeouts.close_s, self._transport.abort)

    def _no_connect(self) -> None:
        self._too_slow("no CONNECT in time")

    def _silent(self, silent_s: float) -> None:
        self._too_slow(f"silent for {silent_s:.0f} s")

    def _too_slow(self, reason: str) -> None:
        self._context.counters.timed_out += 1
        self.close(reason, at_once=True)

    def _stalled(self) -> None:
        self._context.counters.stalled += 1
        self.close(f"took nothing for {self._context.timeouts.stall_s:g} s", at_once=True)
