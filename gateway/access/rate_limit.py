"""Rate limits by login and by address."""

from collections.abc import Callable
from typing import Final

from broker.authority import is_loopback
from broker.pacing.token_bucket import TokenBucket
from gateway.access.permissions import Caller
from gateway.errors import too_many

BURST_S: Final = 2.0
"""A burst may hold the requests of this many seconds."""


class Limits:
    """Token buckets, `by_login` and `by_address` requests a second.

    A request from this machine itself is not counted by address: there every client has the same.
    """

    def __init__(self, by_login: float, by_address: float, now_s: Callable[[], float]) -> None:
        self._logins = _bucket(by_login, now_s)
        self._addresses = _bucket(by_address, now_s)

    def count_address(self, address: str) -> None:
        """Count a request before it is authenticated. Raises `HttpError` over the limit."""
        if not is_loopback(address):
            _count(self._addresses, address, "this address")

    def count_login(self, caller: Caller) -> None:
        """Count a request of a login. Raises `HttpError` over the limit."""
        if caller.login is not None:
            _count(self._logins, caller.login, "this login")


def _bucket(rate: float, now_s: Callable[[], float]) -> TokenBucket:
    return TokenBucket(max(1, round(rate * BURST_S)), 1 / rate, now_s)


def _count(bucket: TokenBucket, key: str, whose: str) -> None:
    wait_s = bucket.wait_s(key)
    if wait_s > 0:
        raise too_many(f"too many requests from {whose}; try again in {wait_s:.1f} s", wait_s)
    bucket.count(key)
