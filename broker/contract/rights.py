"""Rights, and the roles that hold them: one table for topics, Socket.IO events and HTTP routes."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from broker.contract.limits import Role


class Right(StrEnum):
    """Permission that a channel, an event or a route requires."""

    NONE = "none"
    """No login is needed."""
    SEND = "send"
    """Send samples as a device."""
    WATCH = "watch"
    ANNOTATE = "annotate"
    """Label a time range; a device may label only its own data."""
    OPERATE = "operate"
    """Acknowledge alerts, send commands."""
    ADMINISTER = "administer"


HOLDERS: Final[Mapping[Right, frozenset[Role]]] = {
    Right.SEND: frozenset({"device", "service"}),
    Right.WATCH: frozenset({"viewer", "operator", "admin", "service"}),
    Right.ANNOTATE: frozenset({"device", "operator", "admin"}),
    Right.OPERATE: frozenset({"operator", "admin"}),
    Right.ADMINISTER: frozenset({"admin"}),
}
"""Roles that hold each right; `NONE` needs no role."""
