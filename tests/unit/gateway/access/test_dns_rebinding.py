"""Hosts that the gateway serves."""

import pytest

from broker.authority import parse_authority
from gateway.access.dns_rebinding import HostCheck
from gateway.access.origins import Origins


@pytest.mark.parametrize(
    ("host", "loopback", "allowed", "served"),
    [
        ("127.0.0.1:5000", True, [], True),
        ("localhost:5000", True, [], True),
        ("[::1]:5000", True, [], True),
        ("evil.example:5000", True, [], False),
        ("evil.example:5000", False, [], True),
        ("lab.example", True, ["https://lab.example"], True),
        ("lab.example:8443", True, ["https://lab.example"], False),
        ("evil.example", True, ["*"], True),
        (None, True, [], True),
    ],
)
def test_dns_rebinding_is_seen_by_the_host(host: str | None, loopback: bool, allowed: list[str], served: bool) -> None:
    hosts = HostCheck(Origins(allowed), loopback=loopback)
    assert hosts.serves(None if host is None else parse_authority(host)) is served
