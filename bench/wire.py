"""MQTT 3.1.1 client with little overhead: packets that are encoded beforehand, and blocking sockets."""

import socket
from collections.abc import Sequence
from typing import Final, Self

from broker.contract import ROOT
from broker.protocol import packets_out

TIMEOUT_S: Final = 120.0
"""Longest time to wait for an answer."""
SENSOR: Final = "esp32_sensor_data"
LIVE: Final = "new_sensor_data"
COMMAND: Final = "device_command"
STATUS: Final = "device_status"
ANSWER: Final = "data_received"
PAYLOAD_BYTES: Final = 120
PUBACK_BYTES: Final = 4
PINGREQ: Final = bytes((0xC0, 0))
_CHUNK: Final = 100


def topic(device: str, name: str) -> str:
    """Return a topic of the contract, or with `+` as the device a filter."""
    return f"{ROOT}/{device}/{name}"


def device(number: int) -> str:
    """Return a device's name; all have the same length, so that all packets have."""
    return f"dev{number:05d}"


def payload(seq: int = 0, timestamp: str = "2026-01-01T00:00:00Z") -> bytes:
    """Return a sample of `PAYLOAD_BYTES`; `seq` makes it unique within its device."""
    head, tail = f'{{"hr":75.5,"temp":36.25,"eda":0.45,"timestamp":"{timestamp}","boot":"', f'","seq":{seq + 10**9}}}'
    return f"{head}{'b' * (PAYLOAD_BYTES - len(head) - len(tail))}{tail}".encode()


def publish(name: str, body: bytes, *, qos: int = 0, packet_id: int = 0, retain: bool = False) -> bytes:
    """Return a PUBLISH packet."""
    return packets_out.publish(name.encode(), body, qos=qos, retain=retain, packet_id=packet_id)


def connect(client_id: str, keep_alive_s: int = 0, *, clean: bool = True, will: tuple[str, str] | None = None) -> bytes:
    """Return a CONNECT packet; `will` is the topic and the text of a retained will at QoS 1."""
    flags = clean << 1 | (0 if will is None else 0x2C)
    rest = b"\0\4MQTT\4" + bytes((flags,)) + keep_alive_s.to_bytes(2) + b"".join(map(_text, (client_id, *(will or ()))))
    return b"\x10" + _length(len(rest)) + rest


def subscribe(filters: Sequence[str], qos: int = 0) -> bytes:
    """Return a SUBSCRIBE packet."""
    rest = b"\0\1" + b"".join(_text(topic_filter) + bytes((qos,)) for topic_filter in filters)
    return b"\x82" + _length(len(rest)) + rest


def suback_bytes(filters: int) -> int:
    """Return the length of the answer to a SUBSCRIBE."""
    return 1 + len(_length(2 + filters)) + 2 + filters


def _text(text: str) -> bytes:
    return len(text).to_bytes(2) + text.encode()


def _length(length: int) -> bytes:
    low, high = length & 0x7F, length >> 7
    return bytes((low,)) if not high else bytes((low | 0x80,)) + _length(high)


class Client:
    """Connection; every call blocks, for at most `TIMEOUT_S`."""

    def __init__(self, port: int, client_id: str, *, receive_buffer: int = 0) -> None:
        self.socket = socket.socket()
        self.socket.settimeout(TIMEOUT_S)
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.connect(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.sendall(connect(client_id))
        if self.read(4) != b"\x20\2\0\0":
            raise ConnectionError(f"{client_id} was rejected")

    def read(self, count: int) -> bytes:
        """Return exactly `count` bytes."""
        data = bytearray()
        while len(data) < count:
            data += self._some(count - len(data))
        return bytes(data)

    def skip(self, count: int) -> None:
        """Read and discard `count` bytes."""
        while count:
            count -= len(self._some(min(count, 1 << 20)))

    def _some(self, count: int) -> bytes:
        data = self.socket.recv(count)
        if not data:
            raise ConnectionError("the server has closed the connection")
        return data

    def subscribe(self, *filters: str) -> None:
        """Subscribe at QoS 0, and wait for the SUBACK."""
        self.socket.sendall(subscribe(filters))
        self.read(suback_bytes(len(filters)))

    def flood(self, packet: bytes, count: int) -> None:
        """Send a packet `count` times."""
        for _ in range(count // _CHUNK):
            self.socket.sendall(packet * _CHUNK)
        self.socket.sendall(packet * (count % _CHUNK))

    def publish_acknowledged(self, name: str, body: bytes, count: int, window: int) -> None:
        """Publish `count` messages at QoS 1, with at most `window` in flight."""
        ring = Ring(name, body, window)
        answered = sent = 0
        while answered < count * PUBACK_BYTES:
            room = min(window - (sent - answered // PUBACK_BYTES), count - sent)
            self.socket.sendall(ring.slice(sent, room))
            sent += room
            answered += len(self._some(1 << 16))

    def close(self) -> None:
        """Close without a DISCONNECT."""
        self.socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Ring:
    """Encoded packets of `window` messages at QoS 1, for a sender whose acknowledgements come in order."""

    def __init__(self, name: str, body: bytes, window: int) -> None:
        ring = [publish(name, body, qos=1, packet_id=1 + number) for number in range(window)]
        self._window = window
        self._packet_bytes = len(ring[0])
        self._bytes = b"".join(ring) * 2

    def slice(self, start: int, count: int) -> bytes:
        """Return `count` packets, at most the window, from the `start`-th message on."""
        begin = start % self._window * self._packet_bytes
        return self._bytes[begin : begin + count * self._packet_bytes]
