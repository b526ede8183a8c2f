"""The logins of the broker's tests: one of each role, and a second device."""

from broker.auth.identity import Credentials, Identity
from broker.contract import Role

PASSWORD = "right"
LOGINS: dict[str, Role] = {
    "alice": "device",
    "bob": "device",
    "vera": "viewer",
    "oscar": "operator",
    "ada": "admin",
    "sam": "service",
}


def authenticate(shown: Credentials) -> Identity | None:
    """Every login has the same password; a certificate stands for it."""
    if shown.certificate in LOGINS:
        return Identity(shown.certificate, LOGINS[shown.certificate])
    if shown.username in LOGINS and shown.password == PASSWORD.encode():
        return Identity(shown.username, LOGINS[shown.username])
    return None
