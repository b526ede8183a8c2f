"""paho's socket on the event loop: watched, read within limits, and paused.

paho itself would take a thread or a poll; here the loop says when the socket can be read or written, and not to read is
back-pressure.
"""

import asyncio
import ssl
from collections.abc import Callable
from typing import Any, Final, Protocol

READ_AT_ONCE: Final = 64
"""Packets before others on the loop have their turn."""


class PahoClient(Protocol):
    """paho's client, as far as its socket is concerned."""

    def socket(self) -> Any:
        """Return the socket; None without a connection."""
        ...

    def want_write(self) -> bool:
        """Return True if there is something to be written."""
        ...

    def loop_read(self) -> Any:
        """Read a packet."""
        ...

    def loop_write(self) -> Any:
        """Write what there is to be written."""
        ...


class PahoSocket:
    """The socket of one client, from connection to connection.

    Args:
        client: paho's client, whose callbacks for its socket end in this object.
        failed: called when what has come cannot be dealt with.
    """

    def __init__(self, client: PahoClient, failed: Callable[[Exception], None]) -> None:
        self.paused = False
        self._client = client
        self._failed = failed
        self._loop = asyncio.get_running_loop()
        self._fd: int | None = None
        self._opened = 0
        self._messages = 0

    def open(self) -> Any:
        """Return the socket of a new connection, to be watched."""
        sock = self._client.socket()
        self._fd = sock.fileno()
        self._opened += 1
        return sock

    def watch(self) -> None:
        """Watch the socket afresh.

        After an error on it uvloop calls once and then never again, though there may be more to read before the error
        comes; and it refuses what is asked of its dead watcher.
        """
        if self._fd is None:
            return
        self._loop.remove_reader(self._fd)
        self._loop.remove_writer(self._fd)
        if not self.paused:
            self._loop.add_reader(self._fd, self._readable)
        if self._client.want_write():
            self._loop.add_writer(self._fd, self._client.loop_write)

    def unwatch(self) -> None:
        """Watch nothing any more: the connection is gone."""
        if self._fd is not None:
            self._loop.remove_reader(self._fd)
            self._loop.remove_writer(self._fd)
            self._fd = None

    def pause(self) -> bool:
        """Stop reading; return False if it is paused already, or there is no socket."""
        if self.paused or self._fd is None:
            return False
        self.paused = True
        self._loop.remove_reader(self._fd)
        return True

    def resume(self) -> None:
        """Read on."""
        if self.paused and self._fd is not None:
            self._loop.add_reader(self._fd, self._readable)
            self._loop.call_soon(self._still_readable, self._opened)
        self.paused = False

    def message_read(self) -> None:
        """Note that a message has come out of what was read."""
        self._messages += 1

    def want_write(self, _client: Any, _data: Any, sock: Any) -> None:
        """Be called by paho, from the thread that connects too: before `open` nobody watches the socket yet."""
        if self._fd is not None and sock.fileno() == self._fd:
            try:
                self._loop.add_writer(self._fd, self._client.loop_write)
            except RuntimeError:
                self.watch()

    def want_no_write(self, _client: Any, _data: Any, _sock: Any) -> None:
        """Be called by paho once all is written."""
        if self._fd is not None:
            self._loop.remove_writer(self._fd)

    def closes(self, _client: Any, _data: Any, _sock: Any) -> None:
        """Be called by paho before it closes the socket."""
        self.unwatch()

    def _readable(self) -> None:
        """Hand on what is there, within limits: what is left makes the socket readable again."""
        for _ in range(READ_AT_ONCE):
            messages = self._messages
            self._read()
            if self._fd is None or self.paused:
                return
            if self._messages == messages:
                break
        else:
            self._loop.call_soon(self._still_readable, self._opened)
            return
        sock = self._client.socket()
        if isinstance(sock, ssl.SSLSocket) and sock.pending():
            self._loop.call_soon(self._still_readable, self._opened)

    def _read(self) -> None:
        try:
            self._client.loop_read()
        except Exception as error:  # noqa: BLE001 - paho does not expect it; `failed` logs it and connects anew
            self.unwatch()
            self._failed(error)

    def _still_readable(self, opened: int) -> None:
        """Read on: neither what TLS has decrypted nor what lies before an error makes the socket readable."""
        if opened == self._opened and self._fd is not None and not self.paused:
            self._readable()
