"""Who may do what at the gateway: a table of roles, and one question. No I/O."""

from msgspec import Struct

from broker.auth.identity import Identity
from broker.contract import HOLDERS, Right
from gateway.access.forwarded import Peer


class Caller(Struct, frozen=True):
    """Who asks, and by which way. `identity` is None for strangers, and for everybody where there are no logins (`free`).

    `session` is the SHA-256 of a browser's cookie, `csrf` what such a browser must say to change anything.
    """

    client: Peer
    identity: Identity | None = None
    free: bool = False
    session: str | None = None
    csrf: str | None = None

    @property
    def address(self) -> str:
        """Where the visitor comes from."""
        return self.client.address

    @property
    def stranger(self) -> bool:
        """Whether signing in might help."""
        return self.identity is None and not self.free

    @property
    def login(self) -> str | None:
        """The login's name, for the audit."""
        return None if self.identity is None else self.identity.login

    @property
    def devices(self) -> frozenset[str] | None:
        """The only devices that this visitor may see; None: every one."""
        if self.identity is None:
            return None if self.free else frozenset()
        return frozenset({self.identity.login}) if self.identity.role == "device" else self.identity.devices

    @property
    def sends_as(self) -> str | None:
        """The device whose samples this visitor sends; None: of any."""
        return None if self.identity is None or self.identity.role != "device" else self.identity.login

    def sees(self, device_id: str) -> bool:
        """Whether this visitor may be told of a device."""
        return self.devices is None or device_id in self.devices

    def among(self, device_id: str | None) -> frozenset[str] | None:
        """Return the devices of a query as far as the caller may see them: `device_id` alone, or all if it is None."""
        if device_id is None:
            return self.devices
        return frozenset({device_id}) if self.sees(device_id) else frozenset()

    def may(self, right: Right, device_id: str | None = None) -> bool:
        """Whether the visitor has a right, for a device where one is named."""
        if self.free or right is Right.NONE:
            return True
        if self.identity is None or self.identity.role not in HOLDERS[right]:
            return False
        return device_id is None or self.identity.concerns(device_id)
