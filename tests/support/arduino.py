"""Socket.IO client with the bytes of arduinoWebSockets' SocketIOclient 2.7: one TCP connection, no waiting for answers."""

import os
import socket
import time
from types import TracebackType
from typing import Self

KEY = "dGhlIHNhbXBsZSBub25jZQ=="  # the example of RFC 6455, section 1.3, with its answer
ACCEPT = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
AGENT = "User-Agent: arduino-WebSocket-Client"


class Arduino:
    """Connection to `url` as the library makes it; `texts` are the messages received. Engine.IO's pings are answered."""

    def __init__(self, port: int, url: str) -> None:
        self.texts: list[str] = []
        self._buffer = b""
        self._host = f"Host: 127.0.0.1:{port}"
        self._socket = socket.create_connection(("127.0.0.1", port), 5)
        polled = self._get(f"{url}&transport=polling", "Connection: keep-alive")
        _, separator, rest = polled.partition(b'"sid":"')  # no space allowed
        assert separator, polled.decode()
        sid = rest[: rest.index(b'"')].decode()
        upgraded = self._get(
            f"{url}&transport=websocket&sid={sid}",
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            f"Sec-WebSocket-Key: {KEY}",
            "Sec-WebSocket-Protocol: arduino",
        )
        assert upgraded.startswith(b"HTTP/1.1 101 "), upgraded.decode()
        assert ACCEPT in upgraded
        self.send("2probe")
        self.send("5")

    def send(self, text: str) -> None:
        """Send a masked text frame."""
        raw, mask = text.encode(), os.urandom(4)
        length = bytes((128 | len(raw),)) if len(raw) < 126 else bytes((254,)) + len(raw).to_bytes(2, "big")
        self._socket.sendall(b"\x81" + length + mask + bytes(byte ^ mask[index % 4] for index, byte in enumerate(raw)))

    def wait_for(self, start: str, timeout_s: float = 5) -> str:
        """Return the next message that begins with `start`; skip those before it."""
        until_s = time.monotonic() + timeout_s
        while True:
            for index, text in enumerate(self.texts):
                if text.startswith(start):
                    del self.texts[: index + 1]
                    return text
            self._socket.settimeout(max(0.01, until_s - time.monotonic()))
            part = self._socket.recv(65536)
            assert part, f"closed; came: {self.texts}"
            self._buffer += part
            self._read_frames()

    def _get(self, path: str, *headers: str) -> bytes:
        lines = [f"GET {path} HTTP/1.1", self._host, *headers, "Origin: file://", AGENT, "", ""]
        self._socket.sendall("\r\n".join(lines).encode())
        got = b""
        while b"\r\n\r\n" not in got:
            got += self._socket.recv(1)
        length = next((int(line[15:]) for line in got.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0)
        while length and len(got.partition(b"\r\n\r\n")[2]) < length:
            got += self._socket.recv(256)
        return got

    def _read_frames(self) -> None:
        while len(self._buffer) >= 2:
            size, head = self._buffer[1] & 127, 2
            if size == 126:
                size, head = int.from_bytes(self._buffer[2:4], "big"), 4
            if len(self._buffer) < head + size:
                return
            body, self._buffer = self._buffer[head : head + size].decode(), self._buffer[head + size :]
            if body.startswith("2"):
                self.send("3" + body[1:])
            self.texts.append(body)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._socket.close()
