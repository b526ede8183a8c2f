"""The bridge from the bus to clients: each subscription is read by a loop of its own."""

import asyncio
from typing import Final

from broker.bus import Bus
from broker.contract import CHANNELS, COMMAND_RESULT, DATA_RECEIVED, DEVICE_STATUS
from gateway.http.routes.commands import CommandRoutes
from gateway.http.routes.devices import DeviceRoutes
from gateway.inbound import InboundReader
from gateway.sample_requests import SampleRequests
from gateway.socketio.broadcast import Broadcast

ANSWERS_BUFFER: Final = 10_000
RESULTS_BUFFER: Final = 1_000
LIVE_BUFFER: Final = 5_000
"""Events for frontends that may wait; beyond it the oldest are dropped and counted."""
FORWARDED_AT_ONCE: Final = 20

_LIVE: Final = tuple(
    channel for channel in CHANNELS if channel.audience in ("frontend", "device") and channel is not COMMAND_RESULT
)
"""Channels that are forwarded as they come; a command's result is also stored, which must not hold the others up."""


class Bridge:
    """Subscribes when it is made; each `forward` method runs until the bus closes.

    Args:
        bus: messages come from it.
        reader: checks and decodes them.
        requests: waits for answers to samples.
        broadcast: sends live events to Socket.IO clients.
        devices: remembers the devices' status.
        commands: stores the devices' results.
    """

    def __init__(
        self,
        bus: Bus,
        reader: InboundReader,
        requests: SampleRequests,
        broadcast: Broadcast,
        devices: DeviceRoutes,
        commands: CommandRoutes,
    ) -> None:
        self._reader = reader
        self._requests = requests
        self._broadcast = broadcast
        self._devices = devices
        self._commands = commands
        self._answers = bus.subscribe(
            [DATA_RECEIVED.topic("+")], qos=DATA_RECEIVED.qos, durable=False, buffer=ANSWERS_BUFFER
        )
        self._live = bus.subscribe(
            [channel.topic("+") for channel in _LIVE],
            qos=max(channel.qos for channel in _LIVE),
            durable=False,
            buffer=LIVE_BUFFER,
        )
        self._results = bus.subscribe(
            [COMMAND_RESULT.topic("+")], qos=COMMAND_RESULT.qos, durable=False, buffer=RESULTS_BUFFER
        )

    @property
    def answers_waiting(self) -> int:
        """Answers that wait to be given to their senders."""
        return len(self._answers)

    @property
    def live_waiting(self) -> int:
        """Live events that wait to be sent to frontends."""
        return len(self._live)

    @property
    def live_dropped(self) -> int:
        """Live events that were dropped since the start, since too many waited."""
        return self._live.dropped

    async def forward_answers(self) -> None:
        """Hand the answers to samples to the requests that wait for them."""
        async for message in self._answers:
            if message.trusted and not self._requests.awaits(message.device_id):
                continue
            answer = self._reader.read(message)
            if answer is not None:
                with self._reader.containing(answer):
                    self._requests.resolve(answer)

    async def forward_live(self) -> None:
        """Send live events to clients."""
        events = 0
        async for message in self._live:
            event = self._reader.read(message)
            if event is not None:
                with self._reader.containing(event):
                    if event.channel is DEVICE_STATUS:
                        self._devices.note_status(event)
                    if event.payload is not None:
                        self._broadcast.forward(event)
            events += 1
            if events % FORWARDED_AT_ONCE == 0:
                await asyncio.sleep(0)  # the tasks that write to frontends have their turn, also in a backfill

    async def forward_results(self) -> None:
        """Send the results of commands to clients, and store them."""
        async for message in self._results:
            result = self._reader.read(message)
            if result is not None:
                with self._reader.containing(result):
                    self._broadcast.forward(result)
                    await self._commands.note_result(result)
