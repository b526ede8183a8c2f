"""Credentials and identity of a client. Pure."""

from collections.abc import Callable

from msgspec import Struct

from broker.contract import Role


class Credentials(Struct, frozen=True):
    """Credentials of a client: user name and password, and the common name of a verified TLS certificate."""

    username: str | None = None
    password: bytes | None = None
    certificate: str | None = None


class Identity(Struct, frozen=True):
    """Login and role of a client.

    Attributes:
        login: name of the login; that of a device is the device id.
        devices: devices that a person may see; None: all.
    """

    login: str
    role: Role
    devices: frozenset[str] | None = None

    def concerns(self, device_id: str) -> bool:
        """Return True if a device is this client's own, or one that it may see."""
        if self.role == "device":
            return device_id == self.login
        return self.devices is None or device_id in self.devices


Authenticate = Callable[[Credentials], Identity | None]
"""Returns the login that these credentials belong to, or None; at once, without waiting for a disk or a network."""
