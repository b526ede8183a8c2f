#!/usr/bin/env bash
# Guess: a NaN that a Python server emits raises there, or reaches a browser as null or NaN; at worst that one event is lost.
# Seen (python-socketio 5.18.1 with python-engineio 4.15.1 and aiohttp 3.14.5, socket.io-client 4.8.4): the server writes the
# word NaN, which is no JSON. The JavaScript client ends its connection with `parse error`, loses what came after, connects
# again by itself, and is thrown out by the next NaN. Python's client takes it.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check --no-cache-dir \
  python-socketio==5.18.1 python-engineio==4.15.1 aiohttp==3.14.5
npm install --silent --no-audit --no-fund --cache "$folder/npm" --prefix "$folder" socket.io-client@4.8.4 >/dev/null
cat >"$folder/client.cjs" <<'JS'
const socket = require("socket.io-client").io(process.argv[2], { transports: ["websocket"], reconnectionDelay: 100 });
const seen = [];
socket.on("reading", (reading) => seen.push(reading.eda));
socket.on("disconnect", (reason) => seen.push(reason));
socket.on("connect", () => {
  if (seen.push("connect") > 1) {
    console.log(JSON.stringify(seen));
    process.exit();
  }
});
JS
cd "$folder"
"$folder/venv/bin/python" - <<'PY'
import asyncio
import json
import math

import socketio
from aiohttp import web

READINGS = (1.5, math.nan, 2.5)


async def main() -> None:
    server = socketio.AsyncServer(async_mode="aiohttp")
    app = web.Application()
    server.attach(app)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    sending = set()

    async def send(sid: str) -> None:
        for eda in READINGS:
            await server.emit("reading", {"eda": eda}, to=sid)

    @server.event
    async def connect(sid: str, environ: dict) -> None:
        sending.add(asyncio.get_running_loop().call_later(0.1, lambda: sending.add(asyncio.create_task(send(sid)))))

    script = await asyncio.create_subprocess_exec("node", "client.cjs", url, stdout=asyncio.subprocess.PIPE)
    try:
        javascript = json.loads((await asyncio.wait_for(script.communicate(), 20))[0])
    finally:
        if script.returncode is None:
            script.kill()

    python: list[str] = []
    all_there = asyncio.Event()
    client = socketio.AsyncClient(reconnection=False)

    def reading(value: dict) -> None:
        python.append(str(value["eda"]))
        if len(python) == len(READINGS):
            all_there.set()

    client.on("reading", reading)
    await client.connect(url)
    await asyncio.wait_for(all_there.wait(), 10)
    await client.disconnect()
    await server.shutdown()
    await runner.cleanup()
    print("socket.io-client:", javascript)
    print("python-socketio's client:", python)
    assert javascript == ["connect", 1.5, "parse error", "connect"], "this has changed"
    assert python == ["1.5", "nan", "2.5"], "this has changed"


asyncio.run(main())
PY
