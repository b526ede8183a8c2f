"""Devices that keep a ledger: what they sent, and what was acknowledged. Each keeps what is not, and sends it again."""

import asyncio
import contextlib
import json
import random
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Self

import aiohttp

from broker.contract import DATA_RECEIVED, SENSOR_DATA
from gateway.http.routes.samples import POST_DATA
from stresswire.simulate import person
from tests.support.mqtt import wire
from tests.support.mqtt.wire import Client

WINDOW = 20
"""Messages of one device that may be unacknowledged."""
MAX_ID = 60_000
PATIENCE_S = 5.0
"""How long a device waits for an acknowledgement before it connects again and sends again."""
LOST = (OSError, TimeoutError, asyncio.IncompleteReadError, aiohttp.ClientError, AssertionError)
"""How a connection ends, or does not come about: an AssertionError is a CONNACK that is none."""
PERSON = list(islice(person(0, calm_s=150, stress_s=120), 1_000))
Key = tuple[str, int]
"""A boot and a number."""


class Device(ABC):
    """What one device sent under one boot: by number, and whether the proof that it is stored has come."""

    def __init__(self, name: str, boot: str, port: int, host: str = wire.HOST) -> None:
        self.name = name
        self.boot = boot
        self.host = host
        self.port = port
        self.sent = 0
        self.acknowledged: set[int] = set()
        self._first_open = 0
        self._news = asyncio.Event()

    @property
    def open(self) -> list[int]:
        """Sent, and not acknowledged."""
        while self._first_open in self.acknowledged:
            self._first_open += 1
        return [seq for seq in range(self._first_open, self.sent) if seq not in self.acknowledged]

    def payload(self, seq: int) -> bytes:
        """The sample of a number: the same bytes whenever it is sent."""
        chance = random.Random(f"{self.boot} {seq}")
        values = {"hr": round(60 + 40 * chance.random(), 1), "eda": round(chance.random(), 3)}
        return json.dumps({**values, "boot": self.boot, "seq": seq, "device_id": self.name}).encode()

    async def publish(self, rate: float | None) -> None:
        """Publish, `rate` a second or as fast as the window allows, until the connection breaks."""
        loop = asyncio.get_running_loop()
        due_s = loop.time() + (random.random() / rate if rate else 0)
        async with self._connected() as listening:
            while not listening.done():
                while len(self.open) < WINDOW and loop.time() >= due_s:
                    await self._send(self.sent)
                    self.sent += 1
                    due_s += 1 / rate if rate else 0
                full = len(self.open) >= WINDOW
                await self._hear(listening, PATIENCE_S if full else max(0.001, due_s - loop.time()))

    async def resend(self) -> None:
        """Send what was not acknowledged again, over as many connections as it takes, until it is."""
        while self.open:
            with contextlib.suppress(*LOST):
                async with self._connected() as listening:
                    for seq in self.open:
                        await self._send(seq, dup=True)
                    while self.open and not listening.done():
                        before = len(self.acknowledged)
                        await self._hear(listening, PATIENCE_S)
                        if len(self.acknowledged) == before:
                            break
            if self.open:
                await asyncio.sleep(random.random() / 2)

    async def _hear(self, listening: asyncio.Task[None], wait_s: float) -> None:
        """Wait for news, or the end of the connection, or until the time is over."""
        self._news.clear()
        if not listening.done():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._news.wait()

    @contextlib.asynccontextmanager
    async def _connected(self) -> AsyncIterator[asyncio.Task[None]]:
        """A connection, and the task that listens to it: it ends when the connection does."""
        try:
            await self._join()
            listening = asyncio.create_task(self._listen())
            listening.add_done_callback(lambda _: self._news.set())
            try:
                yield listening
            finally:
                listening.cancel()
                await asyncio.gather(listening, return_exceptions=True)
        finally:
            await self._leave()

    async def _listen(self) -> None:
        with contextlib.suppress(*LOST):
            while True:
                seq = await self._proof()
                if seq is not None:
                    self.acknowledged.add(seq)
                    self._news.set()

    @abstractmethod
    async def _join(self) -> None: ...

    @abstractmethod
    async def _leave(self) -> None: ...

    @abstractmethod
    async def _send(self, seq: int, *, dup: bool = False) -> None: ...

    @abstractmethod
    async def _proof(self) -> int | None:
        """The number of the next sample that is proved to be stored; None for other news."""


class MqttDevice(Device):
    """On the embedded broker: PUBACK is the proof."""

    _joined: Client | None = None

    @property
    def _client(self) -> Client:
        assert self._joined is not None
        return self._joined

    async def _join(self) -> None:
        self._joined = await Client.join(self.port, wire.connect(self.name, clean=False), self.host)

    async def _leave(self) -> None:
        if self._joined is not None:
            self._joined.writer.close()
            self._joined = None

    async def _send(self, seq: int, *, dup: bool = False) -> None:
        topic = SENSOR_DATA.topic(self.name)
        self._client.send(wire.publish(topic, self.payload(seq), qos=1, packet_id=seq % MAX_ID + 1, dup=dup))
        await self._client.writer.drain()

    async def _proof(self) -> int | None:
        packet_id = (await self._client.read(wait_s=3_600)).packet_id
        # The window is far shorter than the identifiers, so the open number is the one that fits.
        return next((seq for seq in self.open if seq % MAX_ID + 1 == packet_id), None)


class AnsweredDevice(MqttDevice):
    """On another broker: its PUBACK proves nothing, `data_received` does."""

    async def _join(self) -> None:
        await super()._join()
        await self._client.subscribed((DATA_RECEIVED.topic(self.name), 0))

    async def _proof(self) -> int | None:
        packet = await self._client.read(wait_s=3_600)
        if packet.kind != wire.PUBLISH:
            return None
        answer = json.loads(packet.body[2 + int.from_bytes(packet.body[:2]) :])
        assert answer["status"] == "success", answer
        return int(answer["seq"]) if answer["boot"] == self.boot else None


class Patient(MqttDevice):
    """A person who is calm, then stressed, and again: in event time, from an hour ago on. Raises and clears alerts."""

    def __init__(self, name: str, boot: str, port: int, host: str = wire.HOST) -> None:
        super().__init__(name, boot, port, host)
        self._start = datetime.now(UTC) - timedelta(hours=1)

    def payload(self, seq: int) -> bytes:
        state = PERSON[seq % len(PERSON)]
        values = {"hr": round(state.hr, 1), "temp": round(state.temp, 2), "eda": round(state.eda, 3)}
        timestamp = (self._start + timedelta(seconds=seq)).isoformat()
        return json.dumps({**values, "boot": self.boot, "seq": seq, "timestamp": timestamp}).encode()


class AnsweredPatient(Patient, AnsweredDevice):
    """The same on another broker."""


class HttpDevice(Device):
    """Over HTTP: 200 or 201 is the proof. Each message has its own request."""

    _session: aiohttp.ClientSession

    async def _join(self) -> None:
        self._session = aiohttp.ClientSession(f"http://{self.host}:{self.port}")
        self._proofs = asyncio.Queue[int | Exception]()
        self._requests: set[asyncio.Task[None]] = set()

    async def _leave(self) -> None:
        for request in self._requests:
            request.cancel()
        await asyncio.gather(*self._requests, return_exceptions=True)
        await self._session.close()

    async def _send(self, seq: int, *, dup: bool = False) -> None:
        del dup
        request = asyncio.create_task(self._post(seq))
        self._requests.add(request)
        request.add_done_callback(self._requests.discard)

    async def _post(self, seq: int) -> None:
        try:
            headers = {"Content-Type": "application/json"}
            async with self._session.post(POST_DATA.path, data=self.payload(seq), headers=headers) as response:
                await response.read()
                if response.status in (200, 201):
                    self._proofs.put_nowait(seq)
        except LOST as error:
            self._proofs.put_nowait(error)

    async def _proof(self) -> int | None:
        proof = await self._proofs.get()
        if isinstance(proof, Exception):
            raise proof
        return proof


class Fleet:
    """Many devices at once. `run` is what all their names and boots begin with."""

    def __init__(self, kind: type[Device], count: int, port: int, host: str = wire.HOST) -> None:
        self.run = f"{random.getrandbits(64):016x}"
        names = [f"{self.run}-{number}" for number in range(count)]
        self.devices: Sequence[Device] = [kind(name, name, port, host) for name in names]

    @property
    def sent(self) -> int:
        return sum(device.sent for device in self.devices)

    @property
    def everything(self) -> set[Key]:
        """The keys of all that was sent."""
        return {(device.boot, seq) for device in self.devices for seq in range(device.sent)}

    @property
    def acknowledged(self) -> set[Key]:
        return {(device.boot, seq) for device in self.devices for seq in device.acknowledged}

    async def publish(self, rate: float | None = None) -> None:
        """Publish, together `rate` a second or as fast as it goes, until every connection has broken."""
        each = None if rate is None else rate / len(self.devices)
        results = await asyncio.gather(*(device.publish(each) for device in self.devices), return_exceptions=True)
        wrong = [result for result in results if isinstance(result, BaseException) and not isinstance(result, LOST)]
        if wrong and not isinstance(wrong[0], asyncio.CancelledError):
            raise wrong[0]

    async def resend(self) -> Self:
        """Send what was not acknowledged again, until it is."""
        await asyncio.gather(*(device.resend() for device in self.devices))
        return self
