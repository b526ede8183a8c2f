"""A limit on guesses at tokens. No I/O; the clock comes in."""

from collections.abc import Callable

from broker.pacing.token_bucket import TokenBucket


class FailedLogins:
    """Failed logins, counted by address, and by address and name. Over the limit credentials are not checked."""

    def __init__(self, now_s: Callable[[], float]) -> None:
        self._by_address = TokenBucket(100, 0.1, now_s)
        self._by_name = TokenBucket(5, 5.0, now_s)

    def wait_s(self, address: str, name: str) -> float:
        """Return the seconds until other credentials are checked; 0: they are checked now."""
        return max(self._by_address.wait_s(address), self._by_name.wait_s(f"{address} {name}"))

    def count(self, address: str, name: str) -> None:
        """Count a failed login."""
        self._by_address.count(address)
        self._by_name.count(f"{address} {name}")
