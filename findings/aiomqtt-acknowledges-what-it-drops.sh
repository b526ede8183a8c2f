#!/usr/bin/env bash
# Guess: `max_queued_incoming_messages` of aiomqtt is back-pressure: when the queue is full the client does not read on, or does
# not acknowledge, so that the broker keeps what is at QoS 1.
# Seen (aiomqtt 2.5.1 with paho-mqtt 2.2.0): all are acknowledged as they come; those beyond the limit are thrown away with a
# warning in the log. Of twenty messages and a limit of five the first five arrive, and the broker gets twenty PUBACKs: at QoS 1
# they are lost for good. Without a limit the queue has no bound.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check --no-cache-dir aiomqtt==2.5.1 paho-mqtt==2.2.0
"$folder/venv/bin/python" - <<'PY'
import asyncio
import logging

import aiomqtt

MESSAGES, LIMIT = 20, 5
CONNECT, PUBACK, SUBSCRIBE = 1, 4, 8


async def packets(reader: asyncio.StreamReader):
    """The kind and the body of every packet, all short."""
    while head := await reader.read(1):
        length = (await reader.readexactly(1))[0]
        yield head[0] >> 4, await reader.readexactly(length)


async def main() -> None:
    acknowledged: list[int] = []
    all_acknowledged = asyncio.Event()

    async def broker(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async for kind, body in packets(reader):
            if kind == CONNECT:
                writer.write(bytes((0x20, 2, 0, 0)))
            elif kind == SUBSCRIBE:
                writer.write(bytes((0x90, 3, *body[:2], 1)))
                for number in range(1, MESSAGES + 1):  # PUBLISH at QoS 1, topic `t`
                    writer.write(bytes((0x32, 6, 0, 1, ord("t"), 0, number, number)))
            elif kind == PUBACK:
                acknowledged.append(body[1])
                if len(acknowledged) == MESSAGES:
                    all_acknowledged.set()
        writer.close()

    server = await asyncio.start_server(broker, "127.0.0.1", 0)
    logging.disable(logging.WARNING)
    async with aiomqtt.Client(*server.sockets[0].getsockname(), max_queued_incoming_messages=LIMIT) as client:
        await client.subscribe("t", qos=1)
        await asyncio.wait_for(all_acknowledged.wait(), 10)
        await asyncio.sleep(0)
        got = []
        while len(client.messages):
            got.append((await anext(client.messages)).payload[0])
    server.close()
    print("delivered:", got)
    print("acknowledged:", len(acknowledged))
    assert (got, len(acknowledged)) == ([1, 2, 3, 4, 5], MESSAGES), "this has changed"


asyncio.run(main())
PY
