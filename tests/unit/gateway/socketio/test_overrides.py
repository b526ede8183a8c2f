"""python-socketio and python-engineio are pinned, since their methods are overridden: these are the ones, as pinned."""

import asyncio
import inspect
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

import engineio  # type: ignore[import-untyped]
import engineio.async_socket  # type: ignore[import-untyped]
import engineio.payload  # type: ignore[import-untyped]
import pytest
import socketio  # type: ignore[import-untyped]

import gateway.socketio.arduino  # noqa: F401 - with it all classes that override are loaded

OVERRIDDEN = {
    "_engineio_server_class": ["self"],
    "_handle_connect": ["self", "eio_sid", "namespace", "data"],
    "_handle_eio_connect": ["self", "eio_sid", "environ"],
    "_handle_eio_disconnect": ["self", "eio_sid", "reason"],
    "_handle_eio_message": ["self", "eio_sid", "data"],
    "_handle_event": ["self", "eio_sid", "namespace", "id", "data"],
    "_handle_event_internal": ["self", "server", "sid", "eio_sid", "data", "namespace", "id"],
    "create_queue": ["self", "args", "kwargs"],
    "disconnect": ["self", "sid"],
    "handle_request": ["self", "args", "kwargs"],
}
USED = {
    "manager": ["eio_sid_from_sid", "sid_from_eio_sid", "is_connected"],
    "eio": ["sockets", "_async"],
    "_binary_packet": [],
    "environ": [],
}
"""Attributes of a server that are no methods of ours, and theirs in turn."""


def overriding(library: type) -> Iterator[tuple[type, str]]:
    """Our classes below one of a library's, with each name that it defines anew."""
    subclasses: list[type] = library.__subclasses__()
    for ours in subclasses:
        if ours.__module__.startswith("gateway."):
            for name in set(vars(ours)) - {"__init__", "__module__", "__doc__", "__annotations__"}:
                if hasattr(library, name):
                    yield ours, name
        yield from overriding(ours)


@pytest.mark.parametrize(("package", "pinned"), [("python-socketio", "5.18.1"), ("python-engineio", "4.15.1")])
def test_the_pinned_release_is_installed(package: str, pinned: str) -> None:
    assert version(package) == pinned


def test_the_table_names_every_override() -> None:
    found = {name for library in (socketio.AsyncServer, engineio.AsyncServer) for _, name in overriding(library)}
    assert found == set(OVERRIDDEN)


@pytest.mark.parametrize("name", OVERRIDDEN)
def test_the_library_still_calls_it_like_that(name: str) -> None:
    owners = [one for one in (socketio.AsyncServer, engineio.AsyncServer) if any(own == name for _, own in overriding(one))]
    assert owners
    for library in owners:
        original: Any = getattr(library, name)
        assert list(inspect.signature(original).parameters) == OVERRIDDEN[name]
        for ours, _ in (pair for pair in overriding(library) if pair[1] == name):
            assert inspect.iscoroutinefunction(vars(ours)[name]) == inspect.iscoroutinefunction(original)


def test_the_attributes_that_are_used_are_there() -> None:
    async def main() -> None:
        server = socketio.AsyncServer(async_mode="aiohttp")
        for name, inside in USED.items():
            attribute = getattr(server, name)
            assert [one for one in inside if not hasattr(attribute, one)] == []
        known = engineio.async_socket.AsyncSocket(server.eio, "sid")
        assert isinstance(known.queue, asyncio.Queue)
        assert known.closed is False
        assert {"wait", "abort", "reason"} <= set(inspect.signature(known.close).parameters)
        assert callable(server.eio._async["translate_request"])

    asyncio.run(main())
    assert isinstance(engineio.payload.Payload.max_decode_packets, int)
