#!/usr/bin/env bash
# Guess: a transport of uvloop has asyncio's marks, 64 KiB and a quarter of it: `drain()` goes on once 16 KiB or less are left
# to send.
# Seen (uvloop 0.23.0): the low mark is 16 bytes, not 16 KiB (the constant is in KiB, and only the high mark is multiplied), so
# a writer that was stopped goes on only when its buffer is empty. After `set_write_buffer_limits(high=65536)`, with the very
# number that is the default, the low mark is 16384, as with asyncio.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check --no-cache-dir uvloop==0.23.0
"$folder/venv/bin/python" - <<'PY'
import asyncio
import socket

import uvloop


class Writer(asyncio.Protocol):
    """Notes what is left to send when it may go on."""

    def __init__(self) -> None:
        self.left = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def resume_writing(self) -> None:
        self.left.set_result(self.transport.get_write_buffer_size())


async def left(high: int | None) -> tuple[tuple[int, int], int]:
    """The marks, and the bytes left when writing goes on, for a peer that reads 1 KiB at a time."""
    loop = asyncio.get_running_loop()
    ours, peer = socket.socketpair()
    for one in (ours, peer):
        one.setblocking(False)
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    transport, protocol = await loop.create_connection(Writer, sock=ours)
    if high is not None:
        transport.set_write_buffer_limits(high=high)
    while transport.get_write_buffer_size() <= 65536:
        transport.write(bytes(1000))
        await asyncio.sleep(0)  # what is written in one turn of uvloop's counts until all of it is sent
    while not protocol.left.done():
        await loop.sock_recv(peer, 1024)
    transport.abort()
    peer.close()
    return transport.get_write_buffer_limits(), protocol.left.result()


async def main() -> dict[str, tuple[tuple[int, int], int]]:
    return {"by default": await left(None), "high=65536": await left(65536)}


plain, uv = asyncio.run(main()), uvloop.run(main())
print("((low, high), left when writing goes on), asyncio:", plain)
print("((low, high), left when writing goes on), uvloop: ", uv)
assert [marks for marks, _ in plain.values()] == [(16384, 65536)] * 2, "this has changed"
assert [marks for marks, _ in uv.values()] == [(16, 65536), (16384, 65536)], "this has changed"
assert min(plain["by default"][1], plain["high=65536"][1], uv["high=65536"][1]) > 16 >= uv["by default"][1], "this has changed"
PY
