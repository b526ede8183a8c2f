"""The interface that the two buses share, and that every part talks to."""

import os
import socket
from collections.abc import Sequence
from types import TracebackType
from typing import Protocol, Self

from broker.subscription import Subscription


class BusError(Exception):
    """The bus cannot be opened; the message says which address and why."""


def why(error: Exception) -> str:
    """Return the system's own words for an address that cannot be used, without a library's words before them."""
    if isinstance(error, OSError) and error.errno and not isinstance(error, socket.gaierror):
        return os.strerror(error.errno)
    return getattr(error, "strerror", None) or str(error)


class Bus(Protocol):
    """Subscribe first, then `open`: nothing arrives before everybody who must see it is there. `async with` closes it."""

    def subscribe(
        self, filters: Sequence[str], *, qos: int, durable: bool, buffer: int, group: str | None = None
    ) -> Subscription:
        """Take part in `filters`; only a durable subscriber's `ack` releases a message at its broker.

        The members of a `group`, in several processes, share the messages as their broker sees fit.
        """
        ...

    def subscribe_misaddressed(self, buffer: int) -> Subscription:
        """Take what clients publish on topics that are nearly the contract's, and what nobody reads if the bus can tell."""
        ...

    async def open(self) -> None:
        """Let messages in. Raises `BusError`."""
        ...

    async def publish(self, topic: str, payload: bytes, *, qos: int = 0, retain: bool = False) -> None:
        """Send to every subscriber of `topic`."""
        ...

    async def deliver(self, topic: str, payload: bytes) -> None:
        """Send at QoS 1, and return when the broker has it. Raises `BusError` if the broker does not take it."""
        ...

    async def drain(self) -> None:
        """Durable subscribers get what has come, and nothing more; they can still acknowledge and publish."""
        ...

    async def close(self) -> None:
        """End every subscription: their subscribers finish what has arrived. A second time it does nothing."""
        ...

    @property
    def state(self) -> str:
        """`ok`, or in a few words why not."""
        ...

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
