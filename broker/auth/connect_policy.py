"""Admission of clients, by the CONNECT alone, before any session is touched. No I/O; the clock comes in."""

from collections.abc import Callable
from typing import Final

from broker.auth.acl import may_publish
from broker.auth.failed_logins import FailedLogins
from broker.auth.identity import Authenticate, Credentials, Identity
from broker.contract import DEVICE_STATUS, MAX_DEVICE_ID, parse_topic
from broker.protocol.packet_types import ReturnCode
from broker.protocol.packets_in import Connect
from broker.protocol.topic_filters import too_deep

MAX_SESSIONS: Final = 20_000
"""Sessions of all clients, connected or not; for one more the oldest goes whose client is away."""
MAX_SESSIONS_OF_A_DEVICE: Final = 10
MAX_SESSIONS_OF_A_LOGIN: Final = 1_000
"""So that no login can take all: a device connects once, and now and then under another client identifier."""
MAX_CLIENT_ID: Final = 256


class ConnectRefusedError(Exception):
    """A CONNECT is refused with a `return_code`; the message is for the log."""

    def __init__(self, return_code: ReturnCode, reason: str) -> None:
        super().__init__(reason)
        self.return_code = return_code


class ConnectPolicy:
    """Checks logins.

    The right token is always let in: nobody locks others out by guessing, also not behind a hospital's one address.

    Args:
        authenticate: returns the login of a client; None: there are no logins, and every client may do everything.
        now_s: a clock that never goes back.
    """

    def __init__(self, authenticate: Authenticate | None, now_s: Callable[[], float]) -> None:
        self.failed_logins = 0
        self._authenticate = authenticate
        self._guesses = FailedLogins(now_s)

    def admit(self, connect: Connect, address: str, certificate: str | None) -> Identity | None:
        """Return the client's login, or None if there are no logins. Raises `ConnectRefusedError`."""
        if not connect.client_id and not connect.clean:
            raise ConnectRefusedError(ReturnCode.IDENTIFIER_REJECTED, "an empty client identifier without a clean session")
        if len(connect.client_id) > MAX_CLIENT_ID:
            raise ConnectRefusedError(
                ReturnCode.IDENTIFIER_REJECTED, f"a client identifier of more than {MAX_CLIENT_ID} characters"
            )
        identity = self._identify(connect, address, certificate)
        will = connect.will
        if will is not None and not _may_have_will(identity, will.topic):
            raise ConnectRefusedError(
                ReturnCode.NOT_AUTHORIZED, f"{_name(identity)} may not have a will on {will.topic[:200]!r}"
            )
        return identity

    def _identify(self, connect: Connect, address: str, certificate: str | None) -> Identity | None:
        if self._authenticate is None:
            return None
        identity = self._authenticate(Credentials(connect.username, connect.password, certificate))
        if identity is not None:
            return identity
        name = (connect.username or "")[:MAX_DEVICE_ID]
        if self._guesses.wait_s(address, name):
            raise ConnectRefusedError(ReturnCode.SERVER_UNAVAILABLE, "too many failed logins")
        self.failed_logins += 1
        self._guesses.count(address, name)
        raise ConnectRefusedError(ReturnCode.BAD_CREDENTIALS, f"no such login, or a wrong token, for {name!r}")


def sessions_allowed(identity: Identity | None) -> int:
    """Return the number of sessions that a login may have."""
    if identity is None:
        return MAX_SESSIONS
    return MAX_SESSIONS_OF_A_DEVICE if identity.role == "device" else MAX_SESSIONS_OF_A_LOGIN


def session_key(identity: Identity | None, client_id: str) -> str:
    """Return the name of the client's session: bound to its login, so a client identifier reaches nobody else's session."""
    return client_id if identity is None else f"{identity.login}/{client_id}"


def _may_have_will(identity: Identity | None, topic: str) -> bool:
    """Return True if a will may be on `topic`: a device's only on its status, so that no sample comes after it is gone."""
    if identity is not None and identity.role == "device":
        parsed = parse_topic(topic)
        if parsed is None or parsed.channel is not DEVICE_STATUS:
            return False
    return may_publish(identity, topic) and not too_deep(topic)


def _name(identity: Identity | None) -> str:
    return "a client" if identity is None else f"the {identity.role} {identity.login}"
