"""The client's address behind reverse proxies that are trusted, and behind others."""

from ipaddress import ip_network

import pytest
from aiohttp.test_utils import make_mocked_request
from multidict import CIMultiDict

from gateway.access.forwarded import Forwarded, Peer

PROXY = "10.0.0.1"
TRUSTED = Forwarded([ip_network("10.0.0.0/8"), ip_network("fd00::/8")])


def peer(forwarded: Forwarded, remote: str, *headers: tuple[str, str]) -> Peer:
    request = make_mocked_request("GET", "/", headers=CIMultiDict(headers))
    return forwarded.peer(request.clone(remote=remote))


@pytest.mark.parametrize(
    ("remote", "headers", "expected"),
    [
        (PROXY, [], Peer(PROXY, secure=False)),
        (PROXY, [("X-Forwarded-For", "1.1.1.1")], Peer("1.1.1.1", secure=False)),
        (PROXY, [("X-Forwarded-For", "1.1.1.1"), ("X-Forwarded-Proto", "https")], Peer("1.1.1.1", secure=True)),
        (PROXY, [("X-Forwarded-For", "6.6.6.6, 1.1.1.1")], Peer("1.1.1.1", secure=False)),
        (PROXY, [("X-Forwarded-For", "6.6.6.6"), ("X-Forwarded-For", "1.1.1.1")], Peer("1.1.1.1", secure=False)),
        (PROXY, [("X-Forwarded-For", "1.1.1.1, 10.0.0.2")], Peer("1.1.1.1", secure=False)),
        (
            PROXY,
            [("X-Forwarded-For", "1.1.1.1, 10.0.0.2"), ("X-Forwarded-Proto", "https, http")],
            Peer("1.1.1.1", secure=True),
        ),
        (PROXY, [("X-Forwarded-For", "1.1.1.1, 10.0.0.2"), ("X-Forwarded-Proto", "https")], Peer("1.1.1.1", secure=True)),
        (
            PROXY,
            [("X-Forwarded-For", "6.6.6.6, 1.1.1.1"), ("X-Forwarded-Proto", "http, https")],
            Peer("1.1.1.1", secure=True),
        ),
        (PROXY, [("X-Forwarded-For", "1.1.1.1:4711")], Peer("1.1.1.1", secure=False)),
        (PROXY, [("X-Forwarded-For", "[2001:db8::1]:4711")], Peer("2001:db8::1", secure=False)),
        (PROXY, [("X-Forwarded-For", "2001:db8::1")], Peer("2001:db8::1", secure=False)),
        (PROXY, [("X-Forwarded-For", "unknown")], Peer("unknown", secure=False)),
        (PROXY, [("Forwarded", 'for="[2001:db8::1]:4711";proto=https')], Peer("2001:db8::1", secure=True)),
        (PROXY, [("Forwarded", "for=6.6.6.6, for=1.1.1.1;proto=https")], Peer("1.1.1.1", secure=True)),
        (PROXY, [("Forwarded", "for=1.1.1.1"), ("X-Forwarded-For", "6.6.6.6")], Peer("1.1.1.1", secure=False)),
        ("fd00::1", [("X-Forwarded-For", "1.1.1.1")], Peer("1.1.1.1", secure=False)),
        ("9.9.9.9", [("X-Forwarded-For", "1.1.1.1"), ("X-Forwarded-Proto", "https")], Peer("9.9.9.9", secure=False)),
    ],
)
def test_the_nearest_address_that_is_no_trusted_proxy(remote: str, headers: list[tuple[str, str]], expected: Peer) -> None:
    assert peer(TRUSTED, remote, *headers) == expected
    assert peer(Forwarded(()), remote, *headers) == Peer(remote, secure=False)
