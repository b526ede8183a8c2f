"""Fifty devices that keep a ledger: what they sent, and what the broker acknowledged."""

import asyncio
import random
from typing import Self

from msgspec import Struct, field

from broker.contract import SENSOR_DATA
from tests.broker import wire
from tests.broker.wire import Client

WINDOW = 20
"""Messages of one device that may be unacknowledged."""
MAX_ID = 60_000


class Device(Struct):
    """What one device sent under one boot: by number, and whether its PUBACK has come."""

    name: str
    boot: str
    sent: int = 0
    acknowledged: set[int] = field(default_factory=set)

    @property
    def open(self) -> list[int]:
        """Sent, and not acknowledged."""
        return [seq for seq in range(self.sent) if seq not in self.acknowledged]

    def packet(self, seq: int, *, dup: bool = False) -> bytes:
        """The sample of a number: the same bytes whenever it is sent."""
        chance = random.Random(f"{self.boot} {seq}")
        payload = f'{{"hr":{60 + chance.random() * 40:.1f},"eda":{chance.random():.3f},"boot":"{self.boot}","seq":{seq}}}'
        topic = SENSOR_DATA.topic(self.name)
        return wire.publish(topic, payload.encode(), qos=1, packet_id=seq % MAX_ID + 1, dup=dup)

    async def publish(self, port: int) -> None:
        """Publish as fast as the window allows, until the connection breaks."""
        async with await self._join(port) as client:
            while True:
                while self.sent - len(self.acknowledged) < WINDOW:
                    client.send(self.packet(self.sent))
                    self.sent += 1
                await self._acknowledgement(client)

    async def resend(self, port: int) -> None:
        """Send what was not acknowledged again, until it is."""
        async with await self._join(port) as client:
            client.send(*(self.packet(seq, dup=True) for seq in self.open))
            while self.open:
                await self._acknowledgement(client)

    async def _acknowledgement(self, client: Client) -> None:
        packet_id = (await client.read(wait_s=30)).packet_id
        # The window is far shorter than the identifiers, so the open number is the one that fits.
        self.acknowledged.add(next(seq for seq in self.open if seq % MAX_ID + 1 == packet_id))

    async def _join(self, port: int) -> Client:
        return await Client.join(port, wire.connect(self.name, clean=False))


class Fleet:
    """Many devices at once."""

    def __init__(self, count: int, run: int) -> None:
        self.devices = [Device(f"d{number}", f"{run:04d}{random.getrandbits(64):016x}") for number in range(count)]

    @property
    def sent(self) -> int:
        return sum(device.sent for device in self.devices)

    @property
    def everything(self) -> set[tuple[str, int]]:
        """The keys of all that was sent, by boot and number."""
        return {(device.boot, seq) for device in self.devices for seq in range(device.sent)}

    @property
    def acknowledged(self) -> set[tuple[str, int]]:
        """Keys, by boot and number."""
        return {(device.boot, seq) for device in self.devices for seq in device.acknowledged}

    async def publish(self, port: int) -> None:
        """Publish until every connection has broken."""
        await asyncio.gather(*(device.publish(port) for device in self.devices), return_exceptions=True)

    async def resend(self, port: int) -> Self:
        """Send what was not acknowledged again, until it is."""
        await asyncio.gather(*(device.resend(port) for device in self.devices))
        return self
