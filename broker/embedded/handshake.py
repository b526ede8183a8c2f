"""CONNECT (MQTT 3.1.1, section 3.1): admission, and the take-over of the session from an older connection."""

import asyncio
import secrets
from collections.abc import Callable

from msgspec import Struct

from broker.auth.connect_policy import MAX_SESSIONS, ConnectRefusedError, session_key, sessions_allowed
from broker.auth.identity import Identity
from broker.embedded.context import Registered, ServerContext
from broker.protocol import packets_in
from broker.protocol.packet_framer import Frame
from broker.protocol.packet_types import ReturnCode
from broker.protocol.packets_in import UnsupportedVersionError, Will


class Accepted(Struct, frozen=True):
    """An accepted CONNECT.

    Attributes:
        key: name of the client's session.
        identity: login of the client; None if there are no logins.
        clean: the session ends with the connection.
        older: connection that had the session until now, if any.
    """

    key: str
    identity: Identity | None
    clean: bool
    keep_alive_s: int
    will: Will | None
    older: Registered | None


class Handshake:
    """Waits for the CONNECT of one connection.

    Args:
        context: what all connections share.
        address: of the peer, for counting failed logins.
        certificate: common name of the peer's verified certificate, if it has one.
        timed_out: called if no CONNECT comes in time.
    """

    def __init__(
        self, context: ServerContext, address: str, certificate: str | None, timed_out: Callable[[], None]
    ) -> None:
        self._context = context
        self._address = address
        self._certificate = certificate
        self._timer = asyncio.get_running_loop().call_later(context.timeouts.connect_s, timed_out)

    def cancel(self) -> None:
        """Stop the timer."""
        self._timer.cancel()

    def accept(self, frame: Frame, connection: Registered) -> Accepted:
        """Read the CONNECT and take the session over. Raises `ConnectRefusedError`, `MalformedError`."""
        context = self._context
        try:
            connect = packets_in.read_connect(frame)
        except UnsupportedVersionError as error:
            reason = f"{error}: only MQTT 3.1.1 is spoken here"
            raise ConnectRefusedError(ReturnCode.UNACCEPTABLE_VERSION, reason) from error
        identity = context.connect_policy.admit(connect, self._address, self._certificate)
        key = session_key(identity, connect.client_id or f"auto-{secrets.token_hex(8)}")
        if not context.amqtt.knows(key):
            self._make_room(key, identity)
        self._timer.cancel()
        older = context.registry.take_session(key, connection)
        return Accepted(key, identity, connect.clean, connect.keep_alive_s, connect.will, older)

    def _make_room(self, key: str, identity: Identity | None) -> None:
        """Reserve a session; over the limit the oldest session of the login goes whose client is away.

        Raises `ConnectRefusedError` if there is none.
        """
        router, allowed = self._context.router, sessions_allowed(identity)
        if len(router.sessions) >= MAX_SESSIONS or router.sessions_of(identity) >= allowed:
            oldest = router.oldest_away(identity)
            if oldest is None or oldest in self._context.registry.sessions:
                reason = f"there are {allowed} connections of this login already"
                raise ConnectRefusedError(ReturnCode.SERVER_UNAVAILABLE, reason)
            self._context.amqtt.forget(oldest)
        router.reserve(key, identity)
