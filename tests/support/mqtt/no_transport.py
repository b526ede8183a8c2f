"""A connection's transport with nobody at its other end."""


class NoTransport:
    """A `broker.embedded.transport.Transport` that takes what is written, and forgets it."""

    def write(self, data: bytes) -> None:
        """Nobody reads it."""

    def unsent(self) -> int:
        """Nothing waits."""
        return 0

    def __getattr__(self, name: str) -> object:
        return lambda: None
