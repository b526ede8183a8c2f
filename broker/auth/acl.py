"""Who may do what on the broker, worked out from the contract's channels.

A device publishes and reads its own topics; a person reads what the channel's `readers` say, of every device; a service is
a part of the pipeline and may use every channel. Where there are no logins (`None`) only `$` topics are closed.
"""

import re
from collections.abc import Callable

from msgspec import Struct

from broker.contract import CHANNELS, DEVICE_ID, ROOT, Role, device_of, name_of

_names_a_device = re.compile(DEVICE_ID).match
_CHANNELS = {channel.name.value: channel for channel in CHANNELS}


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


def may_publish(who: Identity | None, topic: str) -> bool:
    """Whether `who` may publish on `topic`, also as a will."""
    if who is None:
        return not topic.startswith("$")
    found = _channel_of(topic)
    if found is None:
        return False
    device_id, name = found
    if who.role == "service":
        return True
    return who.role == _CHANNELS[name].sender == "device" and who.login == device_id


def may_retain(topic: str) -> bool:
    """Whether a message on `topic` is kept for those who come later: on a topic of ours only where the contract says so."""
    found = _channel_of(topic)
    return found is None or _CHANNELS[found[1]].retained


def may_receive(who: Identity | None, topic: str) -> bool:
    """Whether `who` may be sent a message on `topic`."""
    if who is None:
        return not topic.startswith("$")
    found = _channel_of(topic)
    return found is not None and _may_read(who, *found)


def may_subscribe(who: Identity | None, topic_filter: str) -> bool:
    """Whether all that `topic_filter` can match may be sent to `who`: a filter that asks for more is refused whole."""
    if who is None:
        return not topic_filter.startswith("$")
    device_id, name = device_of(topic_filter), name_of(topic_filter)
    if topic_filter != f"{ROOT}/{device_id}/{name}" or name not in _CHANNELS:
        return False
    # `+` concerns only who sees every device.
    return (device_id == "+" or _names_a_device(device_id) is not None) and _may_read(who, device_id, name)


def _may_read(who: Identity, device_id: str, name: str) -> bool:
    if who.role == "service":
        return True
    return who.role in _CHANNELS[name].readers and who.concerns(device_id)


def _channel_of(topic: str) -> tuple[str, str] | None:
    """The device and the channel's name of a topic of ours."""
    device_id, name = device_of(topic), name_of(topic)
    if name in _CHANNELS and topic == f"{ROOT}/{device_id}/{name}" and _names_a_device(device_id):
        return device_id, name
    return None
