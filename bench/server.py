"""Server under measurement, in a separate process: `python -m bench.server ours|amqtt PORT`.

It prints `ready` once it listens. Then each line on its standard input is a command, answered with the number of messages
that a subscriber in the process has acknowledged. `publish COUNT` publishes from inside the process first.
"""

import asyncio
import resource
import sys
from collections.abc import Awaitable, Callable
from typing import Final

import uvloop
from amqtt.broker import Broker  # type: ignore[import-untyped]

from bench.wire import LIVE, SENSOR, payload, topic
from broker.embedded.bus import EmbeddedBus
from broker.subscription import Subscription

TAKE: Final = 500
BUFFER: Final = 5_000
"""Values of ingest, which is not imported here: its libraries would be measured too."""
_BURST: Final = 100
"""Messages published without a pause, as after a commit of that many samples."""

Publish = Callable[[str, bytes], Awaitable[None]]


class Acknowledged:
    """Counter of the messages that a subscriber in the process has acknowledged."""

    count = 0

    async def follow(self, subscription: Subscription) -> None:
        """Take and acknowledge messages as ingest does, without a commit."""
        while messages := await subscription.take(TAKE):
            for message in messages:
                await message.ack()
            self.count += len(messages)


async def ours(port: int) -> None:
    """Serve the embedded broker, with a durable subscriber in the place of ingest."""
    async with EmbeddedBus("127.0.0.1", port) as bus:
        taken = Acknowledged()
        durable = bus.subscribe([topic("+", SENSOR)], qos=1, durable=True, buffer=BUFFER)
        await bus.open()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(taken.follow(durable), name="ingest")
            await _execute_commands(bus.publish, taken)
            durable.close()


async def amqtt(port: int) -> None:
    """Serve plain amqtt, with a plugin that accepts every client, and without a subscriber in the process."""
    broker = Broker(
        {
            "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{port}"}},
            "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
        }
    )
    await broker.start()
    await _execute_commands(broker.internal_message_broadcast, Acknowledged())
    await broker.shutdown()


async def _execute_commands(publish: Publish, taken: Acknowledged) -> None:
    loop = asyncio.get_running_loop()
    print("ready", flush=True)
    while command := await loop.run_in_executor(None, sys.stdin.readline):
        if command.startswith("publish"):
            await _publish(publish, int(command.split()[1]))
        print(taken.count, flush=True)


async def _publish(publish: Publish, count: int) -> None:
    name, body = topic("dev00000", LIVE), payload()
    for number in range(count):
        await publish(name, body)
        if number % _BURST == _BURST - 1:
            await asyncio.sleep(0.001)


def main() -> None:
    """Serve until the standard input ends."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    kind, port = sys.argv[1:]
    uvloop.run({"ours": ours, "amqtt": amqtt}[kind](int(port)))


if __name__ == "__main__":
    main()
