"""Minimal Socket.IO client, over WebSocket or long polling: Engine.IO 4, one namespace."""

import asyncio
import contextlib
import json
from abc import ABC, abstractmethod
from typing import Final, Literal

from bench import wire
from bench.churn.ledger import Stream
from bench.churn.links import Link
from bench.churn.websocket import WebSocket
from bench.churn.world import World

Kind = Literal["esp32", "frontend"]
_PATH: Final = "/socket.io/?EIO=4"
_SEPARATOR: Final = "\x1e"
_ANSWER: Final = f'42["{wire.ANSWER}",'
ANSWER_S: Final = 30.0


class Transport(ABC):
    """Transport of Engine.IO packets; `links` are its connections."""

    links: list[Link]

    @abstractmethod
    async def send(self, packet: str) -> None:
        """Send a packet. Raises OSError if the server rejects it."""

    @abstractmethod
    async def receive(self) -> list[str]:
        """Return the next packets, at least one. Raises OSError."""

    @abstractmethod
    def leave(self) -> None:
        """End the transport as a browser does."""

    def close(self) -> None:
        """Close every connection."""
        for link in self.links:
            link.close()

    def reset(self) -> None:
        """Reset every connection."""
        for link in self.links:
            link.reset()


class Streaming(Transport):
    """Transport over WebSocket."""

    def __init__(self, link: WebSocket) -> None:
        self.link = link
        self.links = [link]

    async def send(self, packet: str) -> None:
        self.link.send(packet.encode())

    async def receive(self) -> list[str]:
        return [payload.decode() for payload in await self.link.frames()]

    def leave(self) -> None:
        self.link.leave()
        self.link.close()


class Polling(Transport):
    """Transport over long polling: one connection receives, the other sends."""

    def __init__(self, asks: Link, sends: Link, sid: str) -> None:
        self.links = [asks, sends]
        self.sid = sid
        self.asking = False
        self._asks = asks
        self._sends = sends
        self._path = f"{_PATH}&transport=polling&sid={sid}"

    async def send(self, packet: str) -> None:
        self._sends.ask("POST", self._path, packet.encode())
        _done(await self._sends.answer())

    async def receive(self) -> list[str]:
        self.ask()
        body = _done(await self._asks.answer())
        self.asking = False
        return body.decode().split(_SEPARATOR)

    def ask(self) -> None:
        """Send the request for packets, unless one is open."""
        if not self.asking:
            self._asks.ask("GET", self._path)
            self.asking = True

    def leave(self) -> None:
        self._sends.ask("POST", self._path, b"1")
        self.close()


def _done(answer: tuple[int, bytes]) -> bytes:
    status, body = answer
    if status != 200:
        raise ConnectionAbortedError(f"{status} {body[:80].decode(errors='replace')}")
    return body


async def stream_in(world: World, kind: Kind) -> Streaming:
    """Connect over WebSocket."""
    link = await world.open("socketio", WebSocket)
    try:
        await link.upgrade(f"{_PATH}&transport=websocket&type={kind}")
        await link.some()
    except BaseException:
        link.close()
        raise
    return Streaming(link)


async def poll_in(world: World, kind: Kind) -> Polling:
    """Connect over long polling."""
    asks = await world.open("socketio", Link)
    try:
        asks.ask("GET", f"{_PATH}&transport=polling&type={kind}")
        sid = json.loads(_done(await asks.answer())[1:])["sid"]
        sends = await world.open("socketio", Link)
    except BaseException:
        asks.close()
        raise
    return Polling(asks, sends, sid)


async def upgraded(world: World, polling: Polling, *, whole: bool = True) -> Streaming:
    """Upgrade to WebSocket, as browsers do; without `whole` stop in the middle."""
    link = await world.open("socketio", WebSocket)
    streaming = Streaming(link)
    streaming.links += polling.links
    try:
        await link.upgrade(f"{_PATH}&transport=websocket&sid={polling.sid}")
        polling.ask()
        link.send(b"2probe")
        await link.some()
        if whole:
            await polling.receive()
            link.send(b"5")
    except BaseException:
        link.close()
        raise
    return streaming


class Client:
    """Client that sends samples of `stream`, which `data_received` acknowledges; `joined`: it is in the namespace."""

    def __init__(self, carrier: Transport, stream: Stream) -> None:
        self.wire = carrier
        self.waiting: set[int] = set()
        self.joined = False
        self._stream = stream

    async def join(self) -> None:
        """Join the namespace, and wait for the answer."""
        await self.wire.send("40")
        async with asyncio.timeout(ANSWER_S):
            while not self.joined:
                await self.process_next()

    async def leave_namespace(self) -> None:
        """Leave the namespace, and keep the socket."""
        await self.wire.send("41")
        self.joined = False

    async def sample(self) -> None:
        """Send a sample, and wait for its answer."""
        number = self._stream.next()
        self.waiting.add(number)
        await self.wire.send(f'42["{wire.SENSOR}",{self._stream.sample(number)}]')
        async with asyncio.timeout(ANSWER_S):
            while number in self.waiting:
                await self.process_next()

    async def listen(self, seconds: float) -> None:
        """Read and process packets for some time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while True:
                    await self.process_next()

    async def process_next(self) -> None:
        """Read and process the next packets."""
        for packet in await self.wire.receive():
            if packet == "2":
                await self.wire.send("3")
            elif packet.startswith("40"):
                self.joined = True
            elif packet.startswith(_ANSWER):
                self._process(json.loads(packet[2:])[1])

    def _process(self, answer: dict[str, object]) -> None:
        number = answer.get("seq")
        if answer["status"] == "success" and answer.get("boot") == self._stream.boot and isinstance(number, int):
            self._stream.acknowledge(number)
            self.waiting.discard(number)
