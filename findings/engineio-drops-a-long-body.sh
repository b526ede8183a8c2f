#!/usr/bin/env bash
# Guess: a body of long polling with more packets than python-engineio takes is refused (400), as one that is too long is.
# Seen (python-engineio 4.15.1, aiohttp 3.14.5): `200 OK`, one line in the log, and none of the packets is delivered: the client
# cannot know. Sixteen are taken. The limit is engineio.payload.Payload.max_decode_packets, on the server and in the client.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check python-engineio==4.15.1 aiohttp==3.14.5
"$folder/venv/bin/python" - <<'PY'
import asyncio
import json

import aiohttp
import engineio
from aiohttp import web


async def main() -> None:
    taken: list[str] = []
    server = engineio.AsyncServer(async_mode="aiohttp", logger=False)
    server.on("message", lambda sid, data: taken.append(data))
    app = web.Application()
    server.attach(app)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/engine.io/?EIO=4&transport=polling"
    seen = {}
    async with aiohttp.ClientSession() as session:
        for count in (16, 17):
            async with session.get(url) as opened:
                sid = json.loads((await opened.text())[1:])["sid"]
            taken.clear()
            body = "\x1e".join(f"4{number}" for number in range(count))
            async with session.post(f"{url}&sid={sid}", data=body) as answer:
                seen[count] = (answer.status, len(taken))
    await server.shutdown()
    await runner.cleanup()
    print("packets in a body: (status, delivered):", seen)
    assert seen == {16: (200, 16), 17: (200, 0)}, "this has changed"


asyncio.run(main())
PY
