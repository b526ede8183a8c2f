"""Permissions of a caller at the gateway. No I/O."""

from msgspec import Struct

from broker.auth.identity import Identity
from broker.contract import HOLDERS, Right
from gateway.access.forwarded import Peer


class Caller(Struct, frozen=True):
    """The client of a request or a socket.

    Attributes:
        peer: where it comes from.
        identity: its login; None if it shows none, and for everybody if logins are off (`free`).
        free: logins are off, and every caller has every right.
        session: SHA-256 of a browser's cookie.
        csrf: token that such a browser must send to change anything.
    """

    peer: Peer
    identity: Identity | None = None
    free: bool = False
    session: str | None = None
    csrf: str | None = None

    @property
    def address(self) -> str:
        """The address that the caller comes from."""
        return self.peer.address

    @property
    def unauthenticated(self) -> bool:
        """True if logins are on and the caller shows none."""
        return self.identity is None and not self.free

    @property
    def login(self) -> str | None:
        """The login's name, for the audit; None without one."""
        return None if self.identity is None else self.identity.login

    @property
    def devices(self) -> frozenset[str] | None:
        """The devices that the caller may see; None: all."""
        if self.identity is None:
            return None if self.free else frozenset()
        return frozenset({self.identity.login}) if self.identity.role == "device" else self.identity.devices

    @property
    def sends_as(self) -> str | None:
        """The only device whose samples the caller may send; None: any."""
        return None if self.identity is None or self.identity.role != "device" else self.identity.login

    def sees(self, device_id: str) -> bool:
        """Return True if the caller may see a device."""
        return self.devices is None or device_id in self.devices

    def among(self, device_id: str | None) -> frozenset[str] | None:
        """Return the devices of a query as far as the caller may see them: `device_id` alone, or all if it is None."""
        if device_id is None:
            return self.devices
        return frozenset({device_id}) if self.sees(device_id) else frozenset()

    def may(self, right: Right, device_id: str | None = None) -> bool:
        """Return True if the caller has a right, for `device_id` if it is given."""
        if self.free or right is Right.NONE:
            return True
        if self.identity is None or self.identity.role not in HOLDERS[right]:
            return False
        return device_id is None or self.identity.concerns(device_id)
