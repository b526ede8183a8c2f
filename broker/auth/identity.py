"""What a client shows, and who it is. Pure."""

from collections.abc import Callable

from msgspec import Struct

from broker.contract import Role


class Credentials(Struct, frozen=True):
    """What a client shows: user name and password, and the common name of a verified TLS certificate."""

    username: str | None = None
    password: bytes | None = None
    certificate: str | None = None


class Identity(Struct, frozen=True):
    """Who a client is; a device's login is the device's name. `devices`: all that a person may see; None: every one."""

    login: str
    role: Role
    devices: frozenset[str] | None = None

    def concerns(self, device_id: str) -> bool:
        """Whether a device is this client's own, or one that it may see."""
        if self.role == "device":
            return device_id == self.login
        return self.devices is None or device_id in self.devices


Authenticate = Callable[[Credentials], Identity | None]
"""Says who shows these credentials, or None. It answers at once: it may not wait for a disk or a network."""
