#!/usr/bin/env bash
# Guess: `add_reader` is level-triggered on every loop: as long as a socket has bytes or an error to read, the callback is
# called.
# Seen (uvloop 0.23.0 against asyncio of Python 3.11, Linux): after the peer has reset the connection, uvloop calls once and
# closes its watcher. A callback that reads a part (one packet a call, as MQTT libraries do) never sees the rest, nor that the
# connection is lost; `add_reader` and `add_writer` for that descriptor then raise RuntimeError until `remove_reader`. asyncio
# calls on, through the four bytes, the error and the end.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check --no-cache-dir uvloop==0.23.0
"$folder/venv/bin/python" - <<'PY'
import asyncio
import select
import socket

import uvloop


async def main() -> list[str]:
    loop = asyncio.get_running_loop()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        peer = socket.create_connection(listener.getsockname())
        ours, _ = listener.accept()
    ours.sendall(b"not read by the peer")
    select.select([peer], [], [], 5)
    peer.sendall(b"abcd")
    peer.close()  # with unread bytes: a reset
    poll = select.poll()
    poll.register(ours, select.POLLHUP)
    poll.poll(5000)
    ours.setblocking(False)
    seen: list[str] = []
    ended = asyncio.Event()

    def readable() -> None:
        try:
            seen.append(ours.recv(1).decode())
        except ConnectionResetError:
            seen.append("reset")
            loop.remove_reader(ours)
            ended.set()

    loop.add_reader(ours, readable)
    try:
        await asyncio.wait_for(ended.wait(), 1)
    except TimeoutError:
        try:
            loop.add_reader(ours, readable)
        except RuntimeError as error:
            seen.append("add_reader: " + str(error).split(";")[-1].strip())
        loop.remove_reader(ours)
    ours.close()
    return seen


plain, uv = asyncio.run(main()), uvloop.run(main())
print("asyncio:", plain)
print("uvloop: ", uv)
assert plain == ["a", "b", "c", "d", "reset"], "this has changed"
assert uv == ["a", "add_reader: the handler is closed"], "this has changed"
PY
