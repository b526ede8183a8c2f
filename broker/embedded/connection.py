"""One MQTT client, from its first byte to its will.

Synchronous but for the task in which amqtt (`broker.embedded.amqtt_adapter`) serves the control packets: bytes come in
through `received`, and go out through a `Transport`, whatever that is made of. A packet is looked at only once the one
before it is done with.
"""

import asyncio
import logging
import secrets
from functools import partial
from typing import Final

from broker.auth.acl import may_publish
from broker.auth.connect_policy import MAX_SESSIONS, RefusedError, session_key, sessions_allowed
from broker.auth.identity import Identity
from broker.contract import MAX_PAYLOAD_BYTES, parse_topic
from broker.embedded.amqtt_adapter import ControlStream
from broker.embedded.context import ServerContext
from broker.embedded.packet_reader import Hold, PacketReader
from broker.embedded.publisher import ForbiddenError, InboundPublisher
from broker.embedded.router import Held, InboundMessage
from broker.embedded.session import Session
from broker.embedded.transport import WRITE_AHEAD, Transport
from broker.protocol import packets_in, packets_out
from broker.protocol.packet_types import ReturnCode, Type
from broker.protocol.packets_in import Connect, Frame, MalformedError, UnsupportedVersionError, Will

log = logging.getLogger(__name__)

MAX_PACKET: Final = MAX_PAYLOAD_BYTES + 1024
"""A packet's length after the fixed header: a payload of the contract's limit, and its topic."""
MAX_CONNECT: Final = 80 * 1024
"""A CONNECT's length: there is room for the longest will, and strangers cost little."""
_PUMPED: Final = 4
"""How often `WRITE_AHEAD` is written before others have their turn."""


class Connection:
    """Made when a transport is there; `received`, `writable` and `lost` are what the transport tells.

    Args:
        house: what all connections share.
        wire: the transport.
        address: the peer's, for the log and for counting failed logins.
        certificate: the common name of the peer's certificate, where TLS has verified one.
    """

    def __init__(self, house: ServerContext, wire: Transport, address: str, certificate: str | None = None) -> None:
        self.key: str | None = None
        self.who: Identity | None = None
        self.ended = asyncio.Event()
        self._house = house
        self._wire = wire
        self._address = address
        self._certificate = certificate
        self._loop = asyncio.get_running_loop()
        self._intake = PacketReader(wire, MAX_CONNECT, self)
        self._intake.expect(Type.CONNECT)
        self._upstream = InboundPublisher(house.router, self._intake, wire)
        self._closed = False
        self._finishing = False
        self._lost = False
        self._unsent = 0
        self._pumping = False
        self._control = ControlStream(self._answered, partial(self.close, None))
        self._task: asyncio.Task[None] | None = None
        self._session: Session | None = None
        self._clean = True
        self._will: Will | None = None
        self._keep_alive_s = 0.0
        self._heard_s = 0.0
        self._timer = self._loop.call_later(house.patience.connect_s, self._too_slow, "no CONNECT in time")
        self._stall: asyncio.TimerHandle | None = None
        self._deadline: asyncio.TimerHandle | None = None
        house.present.add(self)
        house.strangers[self] = None

    # --- what the transport tells

    def received(self, data: bytes) -> None:
        """Bytes have come."""
        self._intake.received(data)

    def writable(self, able: bool) -> None:
        """The client takes, or no longer takes, what is written."""
        if self._closed:
            return
        if able:
            self._cancel_stall()
            self._intake.release(Hold.CLIENT)
            self.pump()
        else:
            self._intake.hold(Hold.CLIENT)
            self._unsent = self._wire.unsent()
            self._stall = self._loop.call_later(self._house.patience.stall_s, self._stalled)

    def finished(self) -> None:
        """The client sends no more: what it has sent counts, then the connection ends."""
        if self._finishing:
            self.close(None)
            return
        self._upstream.left()
        self._intake.finish()

    def lost(self) -> None:
        """The transport is gone; what has come before still counts, but waits neither for room nor for the client."""
        self._lost = True
        if self._finishing:
            self.close(None)
        self._cancel_stall()
        self._upstream.lost()
        self._intake.holds &= Hold.ANSWER | Hold.TURN
        self._intake.finish()
        if self._closed:
            self._timer.cancel()
            self._house.present.discard(self)

    # --- what the router asks

    def pump(self) -> None:
        """Write what waits for the client, as far as it takes it."""
        session = self._session
        if session is None:
            return
        for _ in range(_PUMPED):
            if self._closed or self._intake.holds & Hold.CLIENT:
                return
            data = session.outbox.take(WRITE_AHEAD)
            if not data:
                return
            self._wire.write(data)
        if not self._pumping:
            self._pumping = True
            self._loop.call_soon(self._pump_on)

    def _pump_on(self) -> None:
        self._pumping = False
        self.pump()

    def write_now(self, packet: bytes) -> bool:
        """Write past the outbox; False where the client does not keep up."""
        if self._intake.holds & Hold.CLIENT:
            return False
        self._wire.write(packet)
        return True

    def overflowed(self) -> None:
        """Too much waits for this client: it is cut off, and a persistent session gets the rest later."""
        self._house.counts.stalled += 1
        self.close("takes too little of what it subscribed to", at_once=True)

    # --- what the intake hands on

    def handle(self, frame: Frame) -> None:
        """One packet. Raises `MalformedError`."""
        kind = frame.type
        self._heard_s = self._loop.time()
        if self.key is None:
            self._connect(frame)
        elif kind is Type.PUBLISH:
            self._publish(frame)
        elif kind in (Type.PUBACK, Type.PUBREC, Type.PUBREL, Type.PUBCOMP):
            self._acknowledgement(kind, packets_in.read_packet_id(frame))
        elif kind is Type.CONNECT:
            raise MalformedError("a second CONNECT [MQTT-3.1.0-2]")
        else:
            packets_in.check_control(frame)
            self._control_packet(frame)

    def malformed(self, error: MalformedError) -> None:
        """The client breaks the standard."""
        self._house.counts.malformed += 1
        self.close(str(error))

    def drained(self) -> None:
        """The client has left, and all that it sent is dealt with."""
        self.close(None)

    def _control_packet(self, frame: Frame) -> None:
        if frame.type is Type.DISCONNECT:
            self._will = None  # [MQTT-3.14.4-3]
            self.close(None)
            return
        self._intake.hold(Hold.ANSWER)
        self._control.feed(frame.raw)

    def _answered(self, packet: bytes) -> None:
        """An answer of amqtt; the first one accepts the connection."""
        if self._closed:
            return
        self._wire.write(packet)
        if self._session is None and self.key is not None:
            self._session = self._house.router.attach(self.key, self.who, self, clean=self._clean)
            self._upstream.attach(self._session)
            self.pump()
        self._intake.release(Hold.ANSWER)

    # --- connecting

    def _connect(self, frame: Frame) -> None:
        try:
            connect = packets_in.read_connect(frame)
            self.who = self._house.admission.admit(connect, self._address, self._certificate)
            self._accept(connect)
        except UnsupportedVersionError as error:
            self._refuse(ReturnCode.UNACCEPTABLE_VERSION, f"{error}: only MQTT 3.1.1 is spoken here")
        except RefusedError as error:
            self._refuse(error.code, str(error))

    def _accept(self, connect: Connect) -> None:
        """Take the session over from an older connection, and let amqtt begin once that one has ended."""
        house = self._house
        key = session_key(self.who, connect.client_id or f"auto-{secrets.token_hex(8)}")
        if not house.engine.knows(key):
            self._make_room(key)
        self._timer.cancel()
        house.strangers.pop(self, None)
        self.key, self._clean, self._will = key, connect.clean, connect.will
        self._intake.admit(MAX_PACKET)
        self._intake.hold(Hold.ANSWER)
        before = house.live.get(key)
        house.live[key] = self
        if before is not None:
            before.close("the same client has connected anew")
        self._control.feed(packets_out.connect(key, clean=connect.clean))
        self._task = self._loop.create_task(self._serve(before), name=f"mqtt {key}")
        if connect.keep_alive_s:
            self._keep_alive_s = 1.5 * connect.keep_alive_s  # [MQTT-3.1.2-24]
            self._heard_s = self._loop.time()
            self._timer = self._loop.call_later(self._keep_alive_s, self._check_keep_alive)

    def _make_room(self, key: str) -> None:
        """For one session more the oldest of this login goes whose client is away. Raises `RefusedError` where none is."""
        house, allowed = self._house, sessions_allowed(self.who)
        if len(house.router.sessions) >= MAX_SESSIONS or house.router.sessions_of(self.who) >= allowed:
            oldest = house.router.oldest_away(self.who)
            if oldest is None or oldest in house.live:
                raise RefusedError(ReturnCode.SERVER_UNAVAILABLE, f"there are {allowed} connections of this login already")
            house.engine.forget(oldest)
        house.router.reserve(key, self.who)

    def _refuse(self, code: ReturnCode, reason: str) -> None:
        self._house.counts.refused += 1
        self._wire.write(packets_out.connack(code))
        self.close(reason)

    async def _serve(self, before: "Connection | None") -> None:
        key, house = self.key or "", self._house
        try:
            if before is not None:
                await before.ended.wait()
            if self._closed:
                return
            known = house.router.sessions.get(key)
            if known is not None and known.who != self.who:
                house.engine.forget(key)  # the login's role has changed, and its rights with it
            try:
                await house.engine.serve(self._control)
            finally:
                if self._clean or key not in house.router.sessions:
                    house.engine.forget(key)
        except Exception:  # the listener must outlive whatever happens to one connection
            log.warning("an MQTT connection failed", exc_info=log.isEnabledFor(logging.DEBUG))
        finally:
            self.close(None)
            if self._deadline is not None:
                self._deadline.cancel()
            if house.live.get(key) is self:
                del house.live[key]
                house.router.release(key, self.who)
            self.ended.set()

    # --- what the client publishes

    def _publish(self, frame: Frame) -> None:
        try:
            self._upstream.take(packets_in.read_publish(frame))
        except ForbiddenError as error:
            self._house.counts.forbidden += 1
            self.close(str(error))

    def _acknowledgement(self, kind: Type, packet_id: int) -> None:
        session = self._session
        if session is None:
            return
        match kind:
            case Type.PUBACK:
                session.outbox.acknowledge(packet_id)
            case Type.PUBREC:
                self._wire.write(session.outbox.received(packet_id))
            case Type.PUBCOMP:
                session.outbox.complete(packet_id)
            case _:
                self._wire.write(self._upstream.release(packet_id))
        self.pump()

    # --- the end

    def finish(self) -> None:
        """Take nothing more from the client, and let it read to the end what it has been told."""
        self._finishing = True
        self._intake.stop()
        self._wire.finish()

    def close(self, reason: str | None, *, at_once: bool = False) -> None:
        """End the connection; without a DISCONNECT the will goes out. `reason` is for the log: None, nothing is wrong."""
        if self._closed:
            return
        self._closed = True
        self._intake.stop()
        self._house.strangers.pop(self, None)
        self._upstream.close()
        if self._lost:
            self._house.present.discard(self)
        if reason is not None:
            self._house.notices.warn("MQTT client %r at %s: %s; closed", self.key or "", self._address, reason)
        self._timer.cancel()
        self._cancel_stall()
        if self.key is not None:
            self._house.router.detach(self.key, self)
        self._control.feed_eof()
        if self._task is None:
            self.ended.set()
        if at_once:
            self._wire.abort()
        else:
            self._wire.close()
            # A peer that does not read keeps the last bytes, and with them the descriptor.
            self._timer = self._loop.call_later(self._house.patience.close_s, self._wire.abort)
        if self._task is not None:
            # Whatever happens in there, the same client must be able to connect again.
            self._deadline = self._loop.call_later(self._house.patience.close_s, self._task.cancel)
        self._publish_will()

    def _publish_will(self) -> None:
        will, self._will = self._will, None
        if will is None or self._session is None:
            return
        parsed = parse_topic(will.topic)
        if not may_publish(self.who, will.topic, parsed):
            return
        message = InboundMessage(will.topic, parsed, will.payload, will.qos, will.retain, None)
        if isinstance(self._house.router.offer(message), Held):
            self._house.counts.lost_wills += 1
            self._house.notices.warn("the will of %s is lost: nobody has room for it", self.key)

    def _too_slow(self, what: str) -> None:
        self._house.counts.timed_out += 1
        self.close(what, at_once=True)

    def _cancel_stall(self) -> None:
        if self._stall is not None:
            self._stall.cancel()

    def _stalled(self) -> None:
        before, self._unsent = self._unsent, self._wire.unsent()
        if self._unsent < before:
            self._stall = self._loop.call_later(self._house.patience.stall_s, self._stalled)
            return
        self._house.counts.stalled += 1
        self.close(f"took nothing for {self._house.patience.stall_s:g} s", at_once=True)

    def _check_keep_alive(self) -> None:
        silent_s = self._loop.time() - self._heard_s
        if self._intake.holds or silent_s < self._keep_alive_s:
            # While we do not read we cannot hear it.
            left_s = self._keep_alive_s if self._intake.holds else self._keep_alive_s - silent_s
            self._timer = self._loop.call_later(left_s, self._check_keep_alive)
        else:
            self._too_slow(f"silent for {silent_s:.0f} s")
