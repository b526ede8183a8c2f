"""MQTT device for `replay` and `simulate`: keys, a window of unanswered messages, and resends until `data_received`."""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Sequence

import msgspec

from broker.address import MqttAddress
from broker.bus import BusError
from broker.contract import DATA_RECEIVED, SENSOR_DATA, DataReceived, SensorSample, encode
from broker.external.bus import MqttBus

WINDOW = 200
"""Maximum number of unanswered messages."""
RESEND_S = 5.0
CONNECT_S = 10.0
_decode = msgspec.json.Decoder(DataReceived).decode


class Tally(msgspec.Struct):
    """Counts of a device's samples by outcome."""

    sent: int = 0
    stored: int = 0
    refused: int = 0
    resent: int = 0


class _Waiting(msgspec.Struct):
    """Published message without an answer; `sent_s` is the event loop's time."""

    payload: bytes
    samples: int
    sent_s: float


class Device:
    """Device with its own MQTT connection; created by `connected`."""

    def __init__(self, bus: MqttBus, device_id: str) -> None:
        self.device_id = device_id
        self.tally = Tally()
        self._bus = bus
        self._boot = secrets.token_hex(8)
        self._seq = 0
        self._waiting: dict[int, _Waiting] = {}
        self._answered = asyncio.Event()
        self._answers = bus.subscribe(
            [DATA_RECEIVED.topic(device_id)], qos=DATA_RECEIVED.qos, durable=False, buffer=2 * WINDOW
        )

    async def send(self, samples: Sequence[SensorSample]) -> None:
        """Publish one sample, or several as a batch; wait while the window is full."""
        await self._wait_for_unanswered_below(WINDOW)
        first = self._seq
        self._seq += len(samples)
        keyed = [
            msgspec.structs.replace(sample, device_id=self.device_id, boot=self._boot, seq=first + index)
            for index, sample in enumerate(samples)
        ]
        self.tally.sent += len(keyed)
        payload = encode(keyed[0] if len(keyed) == 1 else keyed)
        self._waiting[self._seq - 1] = _Waiting(payload, len(keyed), asyncio.get_running_loop().time())
        await self._bus.publish(SENSOR_DATA.topic(self.device_id), payload, qos=SENSOR_DATA.qos)

    async def flush(self) -> None:
        """Wait until every sample is answered."""
        await self._wait_for_unanswered_below(1)

    async def _wait_for_unanswered_below(self, count: int) -> None:
        while len(self._waiting) >= count:
            self._answered.clear()
            await self._answered.wait()

    async def _read_answers(self) -> None:
        async for message in self._answers:
            answer = _decode(message.payload)
            if answer.boot != self._boot or answer.seq is None or (waiting := self._waiting.pop(answer.seq, None)) is None:
                continue
            refused = len(answer.errors) or (waiting.samples if answer.status == "error" else 0)
            self.tally.refused += refused
            self.tally.stored += waiting.samples - refused
            self._answered.set()

    async def _resend(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(RESEND_S / 5)
            for waiting in list(self._waiting.values()):
                if loop.time() - waiting.sent_s >= RESEND_S:
                    waiting.sent_s = loop.time()
                    self.tally.resent += waiting.samples
                    await self._bus.publish(SENSOR_DATA.topic(self.device_id), waiting.payload, qos=SENSOR_DATA.qos)


async def _first_connection(bus: MqttBus) -> None:
    try:
        async with asyncio.timeout(CONNECT_S):
            await bus.connected()
    except TimeoutError:
        raise BusError(f"{bus.address}: {bus.state}; is stresswire up running?") from None


@contextlib.asynccontextmanager
async def connected(address: MqttAddress, device_id: str) -> AsyncIterator[Device]:
    """Yield a connected device that reads its answers until the block ends.

    Raises:
        BusError: no connection within `CONNECT_S`.
    """
    async with asyncio.TaskGroup() as tasks, MqttBus(address) as bus:
        device = Device(bus, device_id)
        await bus.open()
        await _first_connection(bus)
        reading = tasks.create_task(device._read_answers(), name=f"{device_id} answers")
        resending = tasks.create_task(device._resend(), name=f"{device_id} resends")
        try:
            yield device
        finally:
            reading.cancel()
            resending.cancel()
