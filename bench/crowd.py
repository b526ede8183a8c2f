"""Thousands of connections in one epoll loop that publish at a given rate, or as fast as they are acknowledged."""

import resource
import select
import socket
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, Self

from msgspec import Struct

from bench import wire
from bench.wire import PUBACK_BYTES, TIMEOUT_S

WAVE: Final = 200
"""Connections that are opened at the same time."""
_SPARE_DESCRIPTORS: Final = 200
_PUBACK: Final = 0x40
_PUBLISH: Final = 0x30


class Answered(Struct):
    """Result of a paced run: milliseconds from send to PUBACK, delays of the sends, and the number of received messages."""

    latencies_ms: list[float]
    late_ms: list[float]
    publishes: int = 0

    def sort(self) -> Self:
        """Sort the values, for percentiles."""
        self.latencies_ms.sort()
        self.late_ms.sort()
        return self


class _Link:
    """Connection; `sent_s` are the times of the messages that wait for their PUBACK."""

    __slots__ = ("buffer", "sent_s", "socket")

    def __init__(self, link: socket.socket) -> None:
        self.socket = link
        self.buffer = b""
        self.sent_s: deque[float] = deque()


class Crowd:
    """`count` clients of one server, each another device; opened by the `with`, closed at its end."""

    def __init__(self, port: int, count: int, *, keep_alive_s: int = 60) -> None:
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if hard != resource.RLIM_INFINITY and hard < count + _SPARE_DESCRIPTORS:
            raise RuntimeError(f"{count} connections need a hard limit of more descriptors than {hard}")
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        self._port = port
        self._count = count
        self._keep_alive_s = keep_alive_s
        self._links: list[_Link] = []
        self._by_descriptor: dict[int, _Link] = {}
        self._epoll = select.epoll()

    def __enter__(self) -> Self:
        for start in range(0, self._count, WAVE):
            self._wave(range(start, min(start + WAVE, self._count)))
        return self

    def __exit__(self, *_: object) -> None:
        for link in self._links:
            # A reset leaves no TIME_WAIT behind: the next round needs the ports.
            link.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            link.socket.close()
        self._epoll.close()

    def _wave(self, numbers: range) -> None:
        links = []
        for number in numbers:
            link = socket.create_connection(("127.0.0.1", self._port), TIMEOUT_S)
            link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            link.sendall(wire.connect(wire.device(number), self._keep_alive_s))
            links.append(link)
        for link in links:
            if link.recv(4, socket.MSG_WAITALL) != b"\x20\2\0\0":
                raise ConnectionError("a client was rejected")
            self._adopt(_Link(link))

    def _adopt(self, link: _Link) -> None:
        self._links.append(link)
        self._by_descriptor[link.socket.fileno()] = link
        self._epoll.register(link.socket.fileno(), select.EPOLLIN)

    def ask_each(self, request: Callable[[int], bytes], answer_bytes: int, rate: float = float("inf")) -> None:
        """Send a request on every connection, and wait for its answer before the next."""
        start_s = time.perf_counter()
        for number, link in enumerate(self._links):
            time.sleep(max(0.0, start_s + number / rate - time.perf_counter()))
            link.socket.sendall(request(number))
            link.socket.recv(answer_bytes, socket.MSG_WAITALL)

    def paced(self, messages: Sequence[bytes], rate: float, publishes: int = 0) -> Answered:
        """Send the messages at QoS 1, one connection after the other; return when all are acknowledged, or after a timeout.

        Args:
            messages: packets; the first is for the first connection.
            rate: messages a second, of all connections together.
            publishes: number of messages to the clients to wait for as well.
        """
        answered = Answered([], [])
        sent, start_s = 0, time.perf_counter() + 0.1
        end_s = start_s + len(messages) / rate + TIMEOUT_S
        while len(answered.latencies_ms) < len(messages) or answered.publishes < publishes:
            now_s = time.perf_counter()
            if now_s > end_s:
                break
            while sent < len(messages) and start_s + sent / rate <= now_s:
                self._send(sent, messages[sent])
                answered.late_ms.append((time.perf_counter() - start_s - sent / rate) * 1000)
                sent += 1
            due_s = start_s + sent / rate if sent < len(messages) else end_s
            self._receive(max(0.0, due_s - time.perf_counter()), answered)
        return answered.sort()

    def _send(self, number: int, message: bytes) -> None:
        link = self._links[number % len(self._links)]
        link.sent_s.append(time.perf_counter())
        link.socket.sendall(message)

    def _receive(self, wait_s: float, answered: Answered) -> None:
        for descriptor, _ in self._epoll.poll(wait_s):
            link = self._by_descriptor[descriptor]
            data = link.socket.recv(1 << 16)
            if not data:
                raise ConnectionError("the server has closed a connection")
            now_s = time.perf_counter()
            for kind in _packets(link, data):
                if kind == _PUBACK:
                    answered.latencies_ms.append((now_s - link.sent_s.popleft()) * 1000)
                answered.publishes += kind == _PUBLISH

    def saturate(self, seconds: float, window: int) -> int:
        """Publish at QoS 1 for `seconds` with `window` messages in flight a connection; return the number of PUBACKs."""
        rings = {
            link.socket.fileno(): wire.Ring(wire.topic(wire.device(number), wire.SENSOR), wire.payload(), window)
            for number, link in enumerate(self._links)
        }
        answered = dict.fromkeys(rings, 0)
        for descriptor, ring in rings.items():
            self._by_descriptor[descriptor].socket.sendall(ring.slice(0, window))
        end_s = time.monotonic() + seconds
        while time.monotonic() < end_s:
            for descriptor, _ in self._epoll.poll(1):
                link = self._by_descriptor[descriptor].socket
                before = answered[descriptor] // PUBACK_BYTES
                answered[descriptor] += len(link.recv(1 << 16))
                link.sendall(rings[descriptor].slice(before, answered[descriptor] // PUBACK_BYTES - before))
        return sum(answered.values()) // PUBACK_BYTES


def _packets(link: _Link, data: bytes) -> list[int]:
    """Return the types of the packets that are complete; keep the rest for the next call."""
    buffer, start, kinds = link.buffer + data, 0, []
    while len(buffer) >= start + 2:
        length, head = buffer[start + 1], 2
        if length & 0x80:
            if len(buffer) < start + 3:
                break
            length, head = length & 0x7F | buffer[start + 2] << 7, 3
        if len(buffer) < start + head + length:
            break
        kinds.append(buffer[start] & 0xF0)
        start += head + length
    link.buffer = buffer[start:]
    return kinds
