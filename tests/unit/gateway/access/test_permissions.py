"""Rights of callers, by role and by device."""

from typing import get_args

import pytest

from broker.auth.identity import Identity
from broker.contract import HOLDERS, Right, Role
from gateway.access.forwarded import Peer
from gateway.access.permissions import Caller

PEER = Peer("127.0.0.1", secure=False)


def caller(role: Role, devices: frozenset[str] | None = None) -> Caller:
    return Caller(PEER, Identity("alice", role, devices))


@pytest.mark.parametrize("right", Right)
@pytest.mark.parametrize("role", get_args(Role))
def test_a_role_has_the_rights_of_the_table(role: Role, right: Right) -> None:
    assert caller(role).may(right) is (right is Right.NONE or role in HOLDERS[right])
    assert Caller(PEER, free=True).may(right)
    assert Caller(PEER).may(right) is (right is Right.NONE)


@pytest.mark.parametrize(
    ("who", "devices", "sends_as"),
    [
        (Caller(PEER, free=True), None, None),
        (Caller(PEER), frozenset(), None),
        (caller("viewer"), None, None),
        (caller("viewer", frozenset({"bob"})), frozenset({"bob"}), None),
        (caller("device"), frozenset({"alice"}), "alice"),
    ],
)
def test_the_devices_of_a_caller(who: Caller, devices: frozenset[str] | None, sends_as: str | None) -> None:
    assert who.devices == devices
    assert who.sends_as == sends_as
    for device_id in ("alice", "bob"):
        sees = devices is None or device_id in devices
        assert who.sees(device_id) is sees
        assert who.among(device_id) == (frozenset({device_id}) if sees else frozenset())
    assert who.among(None) == devices


def test_a_right_is_for_the_devices_that_concern_the_login() -> None:
    viewer = caller("viewer", frozenset({"bob"}))
    assert viewer.may(Right.WATCH, "bob")
    assert not viewer.may(Right.WATCH, "alice")
    assert caller("device").may(Right.SEND, "alice")
    assert not caller("device").may(Right.SEND, "bob")


def test_signing_in_might_help_only_without_an_identity() -> None:
    assert Caller(PEER).unauthenticated
    assert not Caller(PEER, free=True).unauthenticated
    assert not caller("viewer").unauthenticated
