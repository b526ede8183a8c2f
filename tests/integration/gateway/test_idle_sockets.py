"""Sockets that are not in the namespace: they are closed after a while, whether they never joined or have left."""

import asyncio
from collections.abc import Awaitable, Callable

import aiohttp
import pytest
from aiohttp import web

from gateway.socketio import server as engine

PATH = "/socket.io/?EIO=4&transport=websocket"
SOON_S = 0.2


async def served(use: Callable[[str, engine.Server], Awaitable[None]]) -> None:
    """`use` with the URL of a server, and the server."""
    server = engine.Server((), lambda _origin, _request: True)

    async def disconnect(sid: str, _reason: object = None) -> None:
        server.left(server.manager.eio_sid_from_sid(sid, engine.NAMESPACE))

    server.on("disconnect", disconnect)
    app = web.Application()
    server.attach(app)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    assert site._server is not None
    try:
        await use(f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}", server)  # type: ignore[attr-defined]
    finally:
        await server.shutdown()
        await runner.cleanup()


@pytest.mark.parametrize(
    ("packets", "stays"),
    [
        ([], False),
        (["40"], True),
        (["40", "41"], False),
        (["40", "41", "40"], True),
        (["40", "41", "40", "41"], False),
        (["40/admin,", "41/admin,"], False),
        (["40", "41/admin,"], True),
    ],
    ids=["never joins", "joins", "leaves", "joins again", "leaves again", "joins elsewhere", "leaves elsewhere"],
)
def test_who_is_outside_goes_and_who_is_in_stays(monkeypatch: pytest.MonkeyPatch, packets: list[str], stays: bool) -> None:
    monkeypatch.setattr(engine, "CONNECT_TIMEOUT_S", SOON_S)

    async def use(url: str, server: engine.Server) -> None:
        async with aiohttp.ClientSession(url) as session, session.ws_connect(PATH) as client:
            await client.receive()
            for packet in packets:
                await client.send_str(packet)
            end_s = asyncio.get_running_loop().time() + 10 * SOON_S
            while server.sockets and asyncio.get_running_loop().time() < end_s:
                await asyncio.sleep(0.02)
                await server.close_idle()
            assert server.sockets == stays
            assert client.closed is False
            if not stays:
                async with asyncio.timeout(5):
                    while (message := await client.receive()).type is aiohttp.WSMsgType.TEXT:
                        pass
                assert message.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR)

    asyncio.run(served(use))
