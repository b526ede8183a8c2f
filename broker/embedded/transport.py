"""The transport below a connection."""

from typing import Final, Protocol

WRITE_AHEAD: Final = 64 * 1024
"""Bytes that are given to the wire beyond what the client has taken."""


class Transport(Protocol):
    """A transport: TCP, TLS or a WebSocket. None of its methods waits or raises."""

    def write(self, data: bytes) -> None:
        """Send; the transport tells `Connection.writable` when more than `WRITE_AHEAD` bytes wait."""
        ...

    def unsent(self) -> int:
        """Bytes that were written and not yet sent."""
        ...

    def pause(self) -> None:
        """Stop reading."""
        ...

    def resume(self) -> None:
        """Read on."""
        ...

    def finish(self) -> None:
        """Write no more, where the transport can say so, and go on reading: with something unread a close is a reset, which
        may overtake what was written last.
        """
        ...

    def close(self) -> None:
        """Close after what was written."""
        ...

    def abort(self) -> None:
        """Close at once."""
        ...
