"""Live events to Socket.IO clients: forwarded, conflated for those that are slow, and counted if they are left out."""

import asyncio
from collections.abc import Callable
from typing import Final

import msgspec

from broker.contract import CHANNELS, ClientStats, EventsSkipped, Name, ServerShutdown, encode
from gateway.inbound import Inbound
from gateway.socketio.clients import Client, Clients
from gateway.socketio.server import Server

TICK_S: Final = 0.25
"""Interval at which slow clients catch up, and changed numbers of clients are sent to frontends."""
SWEEP_TICKS: Final = 4
RECONNECT_AFTER_S: Final = 2
"""After this time another instance may be there, or this one again."""


class Broadcast:
    """Sends events to all clients that may see them.

    Attributes:
        skipped: live events that were left out since the start, over all frontends.
    """

    def __init__(self, server: Server, clients: Clients) -> None:
        self.skipped = 0
        self._server = server
        self._clients = clients
        self._sent_stats = ClientStats(0, 0, 0)
        self._counted_lost = 0

    def forward(self, message: Inbound) -> None:
        """Send a message of the bus to its audience; it is encoded once."""
        channel, device_id, name = message.channel, message.device_id, message.channel.name.value
        packet = self._server.packet(name, _payload(message))
        for client in self._clients.joined:
            if channel.audience == "device":
                if client.kind == "esp32" and device_id in client.devices:
                    client.queue.put((name, device_id), packet)
            elif client.kind == "frontend" and client.caller.may(channel.right, device_id):
                self.skipped += client.queue.put((name, device_id), packet)

    async def run(self, lost: Callable[[], int]) -> None:
        """Let slow clients catch up and close sockets that must go, until cancelled.

        `lost` returns how many live events were dropped before they came here.
        """
        tick = 0
        while True:
            await asyncio.sleep(TICK_S)
            tick += 1
            if lost() > self._counted_lost:
                self._add_lost(lost() - self._counted_lost)
                self._counted_lost = lost()
            if self._clients.stats != self._sent_stats:
                self._send_stats()
            for client in self._clients.joined:
                if client.queue.lagging:
                    self._catch_up(client)
            if tick % SWEEP_TICKS == 0:
                await self._server.close_idle()
                await self._clients.close_ended_sessions()

    def announce_shutdown(self) -> None:
        """Tell every client that the server goes, and when to connect again."""
        packet = self._server.packet(Name.SERVER_SHUTDOWN.value, encode(ServerShutdown("stopping", RECONNECT_AFTER_S)))
        for client in self._clients.joined:
            client.queue.put((Name.SERVER_SHUTDOWN.value, ""), packet)

    def _add_lost(self, count: int) -> None:
        for client in self._clients.joined:
            if client.kind == "frontend":
                client.queue.add_dropped(count)

    def _catch_up(self, client: Client) -> None:
        skipped = client.queue.catch_up()
        waiting = self._server.waiting(client.eio_sid)
        if skipped and waiting is not None:
            waiting.put_nowait(self._server.packet(Name.EVENTS_SKIPPED.value, encode(EventsSkipped(skipped))))

    def _send_stats(self) -> None:
        self._sent_stats = self._clients.stats
        packet = self._server.packet(Name.CLIENT_STATS.value, encode(self._sent_stats))
        for client in self._clients.joined:
            if client.kind == "frontend":
                client.queue.put((Name.CLIENT_STATS.value, ""), packet)


def _payload(message: Inbound) -> bytes:
    """Return the JSON for clients: only the fields that the contract knows, since some clients fail on others (a number of
    hundreds of digits), and with the device that the topic named.
    """
    payload = message.payload
    if message.channel in _NAMED_BY_TOPIC:
        payload = msgspec.structs.replace(payload, device_id=message.device_id)
    return encode(payload)


_NAMED_BY_TOPIC: Final = frozenset(
    channel for channel in CHANNELS if channel.sender == "device" and "device_id" in channel.payload.__struct_fields__
)
