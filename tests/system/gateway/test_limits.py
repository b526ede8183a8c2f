"""What is refused for its size, its number, its slowness, or for where it comes from."""

import asyncio
import contextlib
import gzip
import json
import logging
import socket
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from pydantic import TypeAdapter
from pydantic.networks import IPvAnyNetwork

from broker.auth.identity import Identity
from broker.contract import MAX_PAYLOAD_BYTES, Right
from gateway import request_body
from gateway.access.forwarded import Forwarded, Peer
from gateway.access.permissions import Caller
from gateway.access.rate_limit import Limits
from gateway.errors import HttpError
from gateway.http.listener import Listener
from gateway.http.routes.catalogue import ENDPOINTS
from gateway.http.routing import CALLER, Call, Content, Endpoint, Endpoints, error_response
from gateway.request_body import read_body
from tests.support.harness import Frontend, Stack, wait_until
from tests.support.people import ask

WRITABLE = [endpoint for endpoint in ENDPOINTS if endpoint.body is not None or endpoint.operation == "post_sensor_data"]
PATHS = [endpoint.path.replace("{device_id}", "d").replace("{alert_id}", "1") for endpoint in WRITABLE]


# --- bodies and headers


@pytest.mark.parametrize("path", PATHS)
def test_a_body_beyond_the_limit_is_refused_packed_or_not(shared_stack: Stack, path: str) -> None:
    large = json.dumps({"label": "x" * MAX_PAYLOAD_BYTES}).encode()
    assert ask(shared_stack, "POST", path, large).status == 413
    bomb = b" " * 50_000_000
    for name, packed in (("gzip", gzip.compress(bomb)), ("deflate", zlib.compress(bomb))):
        assert ask(shared_stack, "POST", path, packed, {"Content-Encoding": name}).status in (400, 413)
    assert shared_stack.resident_mb() < 500


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000,
        b'{"a":' * 40_000 + b"1" + b"}" * 40_000,
        b'{"label":' + b"9" * 10_000 + b"}",
        b'{"label":1e400}',
        b"\xff\xfe",
        b"",
        b"NaN",
    ],
    ids=["deep", "deep objects", "long number", "huge number", "not UTF-8", "empty", "NaN"],
)
def test_json_that_is_none_or_too_deep_is_refused(shared_stack: Stack, path: str, body: bytes) -> None:
    reply = ask(shared_stack, "POST", path, body, {"Content-Type": "application/json"})
    assert reply.status == 400, reply.body


def raw(stack: Stack, request: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", stack.http_port), 10) as client:
        try:
            client.sendall(request)
            return b"".join(iter(lambda: client.recv(65_536), b""))
        except ConnectionError:
            return b"HTTP/1.1 400 reset"


@pytest.mark.parametrize(
    "head",
    [
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n" + b"X-A: b\r\n" * 500,
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-A: " + b"b" * 100_000 + b"\r\n",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: localhost\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: a\x00b\r\n",
    ],
    ids=["many headers", "a long header", "a long path", "two lengths", "a null"],
)
def test_a_flood_of_headers_is_refused(shared_stack: Stack, head: bytes) -> None:
    assert raw(shared_stack, head + b"Connection: close\r\n\r\n")[9:12] in (b"400", b"414", b"431")
    assert ask(shared_stack, "GET", "/healthz").status == 200


def served(handle: Callable[[Call], Any], talk: Callable[[int], None], most: int = 100) -> None:
    """`talk` to a listener whose POST /x is handled by `handle`."""

    async def main() -> None:
        @web.middleware
        async def known(request: web.Request, handler: Any) -> web.StreamResponse:
            request[CALLER] = Caller(Peer("127.0.0.1", secure=False), free=True)
            try:
                return await handler(request)  # type: ignore[no-any-return]
            except HttpError as error:
                return error_response(error)

        app = web.Application(middlewares=[known])
        endpoint = Endpoint(
            method="POST", path="/x", operation="x", summary="", right=Right.NONE, answers={204: Content("")}
        )
        Endpoints(app, Limits(1e6, 1e6, lambda: 0.0)).add(endpoint, handle)
        runner = web.AppRunner(app)
        await runner.setup()
        assert runner.server is not None
        listener = Listener(runner.server, logging.getLogger("tests"), max_connections=most)
        port = await listener.open("127.0.0.1", 0)
        try:
            await asyncio.to_thread(talk, port)
        finally:
            listener.close()
            await runner.cleanup()

    asyncio.run(main())


def test_a_body_that_comes_byte_by_byte_is_waited_for_a_while_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_body, "BODY_TIMEOUT_S", 0.2)

    async def handle(call: Call) -> None:
        await read_body(call.request)

    def talk(port: int) -> None:
        with socket.create_connection(("127.0.0.1", port), 10) as client:
            client.sendall(b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nx")
            assert client.recv(1_000).startswith(b"HTTP/1.1 408 ")

    served(handle, talk)


def test_connections_beyond_the_limit_are_told_to_come_again() -> None:
    async def handle(call: Call) -> None:
        del call

    def talk(port: int) -> None:
        ask_for = b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"
        with contextlib.ExitStack() as stack:
            for _ in range(2):
                client = stack.enter_context(socket.create_connection(("127.0.0.1", port), 10))
                client.sendall(ask_for)
                assert client.recv(1_000).startswith(b"HTTP/1.1 204 ")
            told = stack.enter_context(socket.create_connection(("127.0.0.1", port), 10)).recv(1_000)
            assert told.startswith(b"HTTP/1.1 503 ")
            assert b"Retry-After" in told

    served(handle, talk, most=2)


# --- what is passed on


def test_what_a_browser_would_stumble_over_is_not_passed_on(shared_stack: Stack) -> None:
    with Frontend(shared_stack) as frontend:
        sample = '{"hr":70,"device_id":"proto","__proto__":{"polluted":1},"constructor":{"prototype":{"x":1}}}'
        assert ask(shared_stack, "POST", "/api/esp32/data", sample.encode()).status == 201
        wait_until(lambda: any(one["device_id"] == "proto" for one in frontend.events("new_sensor_data")))
        assert not any("polluted" in line or "constructor" in line for line in frontend.lines)


def test_a_line_break_in_a_name_makes_no_line_in_the_log(shared_stack: Stack) -> None:
    for name in ("a\nINFO forged", "a\r\nX: y"):
        assert ask(shared_stack, "POST", "/api/esp32/data", {"hr": 900, "device_id": name}).status == 400
    assert ask(shared_stack, "GET", "/api/devices/a%0aforged").status == 404
    assert not any(line.startswith(("INFO forged", "X: y")) for line in shared_stack.lines)


HEADERS = ("Content-Security-Policy", "X-Content-Type-Options", "X-Frame-Options", "Referrer-Policy", "Vary")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        *(
            ("GET", path, 200)
            for path in ("/", "/docs", "/login", "/api/websocket/test", "/openapi.json", "/api/me", "/metrics")
        ),
        ("GET", "/static/favicon.svg", 200),
        ("GET", "/nowhere", 404),
        ("PUT", "/api/me", 405),
        ("GET", "/api/history?limit=0", 400),
        ("GET", "/api/export", 200),
    ],
)
def test_every_answer_says_what_a_browser_may_do_with_it(shared_stack: Stack, method: str, path: str, status: int) -> None:
    reply = ask(shared_stack, method, path)
    assert reply.status == status
    for name in HEADERS:
        assert reply.headers[name], name
    policy = reply.headers["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        ("http://localhost:3000", True),
        ("http://127.0.0.1:8080", True),
        ("https://evil.example", False),
        ("null", False),
        ("http://localhost.evil.example", False),
        ("http://evil.example#localhost", False),
    ],
)
def test_only_listed_pages_may_read_answers(shared_stack: Stack, origin: str, allowed: bool) -> None:
    for method, more in (("GET", {}), ("OPTIONS", {"Access-Control-Request-Method": "POST"})):
        reply = ask(shared_stack, method, "/api/history", headers={"Origin": origin, **more})
        assert (reply.headers.get("Access-Control-Allow-Origin") == origin) is allowed
        assert "Access-Control-Allow-Credentials" not in reply.headers
    body = {"start": "2024-01-01", "label": "a", "device_id": "d"}
    changing = ask(shared_stack, "POST", "/api/annotations", body, {"Origin": origin})
    assert changing.status == (201 if allowed else 403)


# --- proxies

NETWORKS = TypeAdapter(list[IPvAnyNetwork]).validate_python(["10.0.0.0/8", "fd00::/8"])


@pytest.mark.parametrize(
    ("peer", "headers", "address", "secure"),
    [
        ("192.0.2.9", {"Forwarded": "for=1.2.3.4;proto=https"}, "192.0.2.9", False),
        ("192.0.2.9", {"X-Forwarded-For": "1.2.3.4", "X-Forwarded-Proto": "https"}, "192.0.2.9", False),
        ("10.0.0.1", {}, "10.0.0.1", False),
        ("10.0.0.1", {"Forwarded": "for=1.2.3.4;proto=https"}, "1.2.3.4", True),
        ("10.0.0.1", {"Forwarded": 'for="[2001:db8::1]:4711";proto=http'}, "2001:db8::1", False),
        ("fd00::1", {"Forwarded": "for=1.2.3.4:99"}, "1.2.3.4", False),
        ("10.0.0.1", {"Forwarded": "for=6.6.6.6, for=1.2.3.4, for=10.0.0.2;proto=https"}, "1.2.3.4", False),
        ("10.0.0.1", {"X-Forwarded-For": "6.6.6.6, 1.2.3.4, 10.0.0.2", "X-Forwarded-Proto": "https"}, "1.2.3.4", True),
        ("10.0.0.1", {"X-Forwarded-For": "1.2.3.4"}, "1.2.3.4", False),
        ("10.0.0.1", {"X-Forwarded-For": "10.0.0.3"}, "10.0.0.3", False),
        ("10.0.0.1", {"Forwarded": "for=unknown"}, "unknown", False),
        ("10.0.0.1", {"Forwarded": ";;;,,"}, "", False),
    ],
)
def test_the_word_of_a_trusted_proxy_alone_counts(peer: str, headers: dict[str, str], address: str, secure: bool) -> None:
    class Transport:
        def get_extra_info(self, name: str, default: object = None) -> object:
            return (peer, 1) if name == "peername" else default

    request = make_mocked_request("GET", "/", headers=headers, transport=Transport())
    assert Forwarded(NETWORKS).peer(request) == Peer(address, secure)


# --- how often


def test_a_login_has_a_burst_and_then_a_rate() -> None:
    now_s = 0.0
    limits = Limits(2.0, 1e6, lambda: now_s)
    visitor = Caller(Peer("192.0.2.1", secure=False), Identity("vera", "viewer"))
    for _ in range(4):
        limits.count_login(visitor)
    with pytest.raises(HttpError) as refused:
        limits.count_login(visitor)
    assert (refused.value.status, refused.value.headers["Retry-After"]) == (429, "1")
    now_s = 0.5
    limits.count_login(visitor)


def test_this_machine_is_not_counted_by_address() -> None:
    limits = Limits(1e6, 0.5, lambda: 0.0)
    for _ in range(100):
        limits.count_address("127.0.0.1")
        limits.count_address("::1")
    limits.count_address("192.0.2.1")
    with pytest.raises(HttpError):
        limits.count_address("192.0.2.1")
