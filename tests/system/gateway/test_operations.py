"""Health, metrics, TLS, HTTP/1.1 as it is spoken, and the end: over real connections."""

import asyncio
import http.client
import json
import re
import signal
import socket
import ssl
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import socketio  # type: ignore[import-untyped]
from prometheus_client.parser import text_string_to_metric_families

from gateway.http.routes.system import HEALTH, METRICS, READY
from tests.support.certificates import Certificate, self_signed, signed
from tests.support.command_line import assert_one_line
from tests.support.command_server import stresswire
from tests.support.databases import locked
from tests.support.harness import Frontend, Process, Stack, free_port, mosquitto, publish, wait_until
from tests.support.mqtt.aio import until
from tests.support.paths import REPOSITORY
from tests.support.people import Guarded, ask

SAMPLE = {"hr": 75.5, "temp": 36.2, "eda": 0.45, "device_id": "M1"}


class Figures:
    """What `/metrics` says."""

    def __init__(self, text: str) -> None:
        self.families = {family.name: family for family in text_string_to_metric_families(text)}

    def value(self, name: str, **labels: str) -> float:
        found = [
            sample.value
            for family in self.families.values()
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        ]
        assert found, f"{name} {labels}"
        return sum(found)


def figures(stack: Stack) -> Figures:
    reply = ask(stack, "GET", METRICS.path)
    assert reply.status == 200
    return Figures(reply.body.decode())


def test_samples_are_counted_by_the_way_they_came_and_what_became_of_them(any_stack: Stack) -> None:
    keyed = {**SAMPLE, "boot": "m", "seq": 1}
    assert ask(any_stack, "POST", "/api/esp32/data", keyed).status == 201
    assert ask(any_stack, "POST", "/api/esp32/data", keyed).status == 200
    assert ask(any_stack, "POST", "/api/esp32/data", [{**SAMPLE, "hr": 900}, SAMPLE]).status == 207
    with Frontend(any_stack) as frontend:
        frontend.emit("esp32_sensor_data", SAMPLE)
        wait_until(lambda: len(frontend.events("data_received")) == 1)
    publish(any_stack.mqtt_port, "M2", json.dumps({"hr": 70}))
    publish(any_stack.mqtt_port, "M2", "{")
    wait_until(lambda: any_stack.count("rejected") == 2)
    wait_until(lambda: figures(any_stack).value("stresswire_samples_total", outcome="refused") == 2)
    now = figures(any_stack)
    assert now.value("stresswire_samples_total", outcome="stored") == 4
    assert now.value("stresswire_samples_total", outcome="duplicate") == 1
    by_gateway = {
        (sample.labels["transport"], sample.labels["outcome"]): sample.value
        for sample in now.families["stresswire_gateway_samples"].samples
        if sample.name.endswith("_total")
    }
    assert by_gateway == {
        ("http", "stored"): 2,
        ("http", "duplicate"): 1,
        ("http", "refused"): 1,
        ("socketio", "stored"): 1,
    }
    assert now.value("stresswire_answer_seconds_count") == 6
    assert 0 < now.value("stresswire_commit_seconds_sum") < 60
    assert now.value("stresswire_bus_up") == 1
    assert now.value("stresswire_model_info") == 1
    assert now.value("stresswire_http_requests_total", status="2xx") >= 3
    assert now.value("process_resident_memory_bytes") > 1e7


def test_the_names_are_as_prometheus_wants_them_and_name_no_device(shared_stack: Stack) -> None:
    assert ask(shared_stack, "POST", "/api/esp32/data", SAMPLE).status in (200, 201)
    ours = {name: family for name, family in figures(shared_stack).families.items() if name.startswith("stresswire_")}
    assert len(ours) > 15
    for name, family in ours.items():
        assert family.documentation.endswith("."), name
        assert re.fullmatch(r"[a-z_]+", name)
        if family.type == "counter":
            assert all(sample.name.endswith(("_total", "_created")) for sample in family.samples), name
        if family.type == "histogram":
            assert name.endswith(("_seconds", "_samples")), name
        for sample in family.samples:
            assert set(sample.labels) <= {"transport", "outcome", "status", "kind", "reason", "input", "le", "version"}, (
                name
            )
            assert "M1" not in sample.labels.values()


def test_connections_are_seen(shared_stack: Stack) -> None:
    with Frontend(shared_stack):
        wait_until(lambda: figures(shared_stack).value("stresswire_connections", kind="frontend") == 1)
        assert figures(shared_stack).value("stresswire_sockets") == 1
    wait_until(lambda: figures(shared_stack).value("stresswire_connections", kind="frontend") == 0)


def test_readiness_tells_of_each_part_and_of_the_lag(tmp_path: Path) -> None:
    with Stack(tmp_path) as stack:
        assert ask(stack, "GET", HEALTH.path).body == {"status": "ok"}
        ready = ask(stack, "GET", READY.path).body
        assert (ready["status"], ready["database"], ready["broker"], ready["lag_s"]) == ("ok", "ok", "ok", 0.0)


def test_strangers_are_told_whether_it_is_ready_and_no_more(tmp_path: Path) -> None:
    made = Guarded(tmp_path)
    with made.stack:
        assert made.ask("GET", READY.path).body == {"status": "ok"}
        assert made.ask("GET", HEALTH.path).body == {"status": "ok"}
        assert made.ask("GET", READY.path, "vera").body["database"] == "ok"
        assert made.ask("GET", METRICS.path).status == 401
        assert made.ask("GET", METRICS.path, "vera").status == 200


def test_a_part_without_the_gateway_has_a_listener_for_its_figures(tmp_path: Path) -> None:
    port = free_port()
    with mosquitto(tmp_path) as url:
        env = {
            "PYTHONPATH": str(REPOSITORY),
            "STRESSWIRE_MQTT_URL": url,
            "STRESSWIRE_METRICS_BIND": f"127.0.0.1:{port}",
        }
        with Process([sys.executable, "-m", "stresswire", "ingest"], env=env, cwd=tmp_path) as ingest:
            ingest.wait_for("ingest on")
            with socket.create_connection(("127.0.0.1", port)) as client:
                client.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
                text = b"".join(iter(lambda: client.recv(65_536), b"")).decode()
            assert "stresswire_samples_total" in text
            assert ingest.stop() == 0


def test_figures_are_not_for_a_network_without_logins(tmp_path: Path) -> None:
    done = stresswire(tmp_path, "up", metrics_bind=f"0.0.0.0:{free_port()}")
    assert_one_line(done, "METRICS_BIND", "AUTH=off")
    with Stack(tmp_path) as stack:
        taken = f"127.0.0.1:{stack.http_port}"
        binds = {"http_bind": f"127.0.0.1:{free_port()}", "mqtt_bind": f"127.0.0.1:{free_port()}"}
        assert_one_line(stresswire(tmp_path, "up", metrics_bind=taken, **binds), "METRICS_BIND", taken)


# --- TLS


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return self_signed(tmp_path_factory.mktemp("authority"), "authority", authority=True)


@pytest.fixture
def secured(tmp_path: Path, authority: Certificate) -> Iterator[Stack]:
    server = signed(tmp_path, "server", authority)
    with Stack(tmp_path, http_tls_cert=str(server.cert), http_tls_key=str(server.key)) as running:
        yield running


def test_https_and_nothing_else(secured: Stack, authority: Certificate) -> None:
    assert f"https://127.0.0.1:{secured.http_port}" in secured.output
    trusting = ssl.create_default_context(cafile=str(authority.cert))
    reply = ask(secured, "POST", "/api/esp32/data", SAMPLE, tls=trusting)
    assert reply.status == 201
    assert "max-age" in reply.headers["Strict-Transport-Security"]
    with pytest.raises(ssl.SSLCertVerificationError):
        ask(secured, "GET", "/healthz", tls=ssl.create_default_context())
    with pytest.raises((OSError, http.client.HTTPException)):
        ask(secured, "GET", "/healthz")


def test_socket_io_over_tls(secured: Stack, authority: Certificate) -> None:
    async def main() -> None:
        import aiohttp  # noqa: PLC0415

        opened: list[socket.socket] = []

        def open_socket(address: aiohttp.AddrInfoType) -> socket.socket:
            opened.append(socket.socket(*address[:3]))
            return opened[-1]

        context = ssl.create_default_context(cafile=str(authority.cert))
        connector = aiohttp.TCPConnector(ssl=context, socket_factory=open_socket)
        async with aiohttp.ClientSession(connector=connector) as session:
            client = socketio.AsyncClient(http_session=session)
            await client.connect(f"https://127.0.0.1:{secured.http_port}")
            assert (await client.call("ping"))["timestamp"]
            await client.disconnect()
        # The client does not wait for the end of its TLS connections: they would be left to a loop that is closed.
        await until(lambda: bool(opened) and all(one.fileno() < 0 for one in opened))

    asyncio.run(main())


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"http_tls_cert": "a"}, ["HTTP_TLS_KEY"]),
        ({"http_tls_key": "a"}, ["HTTP_TLS_CERT"]),
        ({"http_tls_cert": "nowhere", "http_tls_key": "a"}, ["HTTP_TLS_CERT", "nowhere"]),
    ],
)
def test_files_that_cannot_be_used(tmp_path: Path, settings: dict[str, str], words: list[str]) -> None:
    assert_one_line(stresswire(tmp_path, "up", **settings), *words)


# --- HTTP/1.1 as it is spoken


def spoken(stack: Stack, *requests: bytes, answers: int) -> bytes:
    """What comes back on one connection, until so many answers are there."""
    with socket.create_connection(("127.0.0.1", stack.http_port), 10) as client:
        for request in requests:
            client.sendall(request.replace(b"HOST", f"127.0.0.1:{stack.http_port}".encode()))
        came = b""
        while came.count(b"HTTP/1.1 ") < answers or not came.rstrip().endswith((b"}", b"\r\n")):
            part = client.recv(65_536)
            if not part:
                break
            came += part
        return came


BODY = json.dumps(SAMPLE).encode()
POST = b"POST /api/esp32/data HTTP/1.1\r\nHost: HOST\r\nContent-Type: application/json\r\n"


def test_keep_alive_pipelined_and_chunked(shared_stack: Stack) -> None:
    whole = POST + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY
    chunks = b"%x\r\n" % 10 + BODY[:10] + b"\r\n" + b"%x\r\n" % (len(BODY) - 10) + BODY[10:] + b"\r\n0\r\n\r\n"
    came = spoken(shared_stack, whole + POST + b"Transfer-Encoding: chunked\r\n\r\n" + chunks, answers=2)
    assert came.count(b"HTTP/1.1 201 ") == 2


def test_a_client_that_waits_for_leave_to_send_is_given_it(shared_stack: Stack) -> None:
    head = POST + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(BODY)
    came = spoken(shared_stack, head, BODY, answers=2)
    assert came.startswith(b"HTTP/1.1 100 ")
    assert b"HTTP/1.1 201 " in came


def test_a_connection_that_is_to_end_ends(shared_stack: Stack) -> None:
    came = spoken(shared_stack, b"GET /healthz HTTP/1.1\r\nHost: HOST\r\nConnection: close\r\n\r\n", answers=9)
    assert came.startswith(b"HTTP/1.1 200 ")


def test_head_is_get_without_the_body(shared_stack: Stack) -> None:
    for path in ("/healthz", "/api/history", "/api/export", "/metrics"):
        reply = ask(shared_stack, "HEAD", path)
        assert (reply.status, reply.body) == (200, b""), path


# --- the end


def test_clients_are_told_and_what_they_asked_is_answered(tmp_path: Path) -> None:
    with Stack(tmp_path) as stack, Frontend(stack) as frontend:
        replies: list[int] = []
        sending = threading.Thread(
            target=lambda: replies.append(ask(stack, "POST", "/api/esp32/data", [SAMPLE] * 400).status)
        )
        # Nothing can be committed, hence nothing answered, before the end has begun.
        with locked(stack.database):
            sending.start()
            wait_until(lambda: figures(stack).value("stresswire_uplink_waiting_messages") > 0)
            stack.send(signal.SIGTERM)
            wait_until(lambda: bool(frontend.events("server_shutdown")))
        sending.join(10)
        assert stack.wait() == 0
        assert replies == [201]
        assert frontend.events("server_shutdown") == [{"reason": "stopping", "retry_after_s": 2}]
        wait_until(lambda: any(line.startswith("disconnected") for line in frontend.lines))
        assert "Traceback" not in stack.output


@pytest.mark.parametrize(
    ("line", "status"),
    [
        (b"Host: 127.0.0.1", 200),
        (b"Host: lab.example", 403),
        (b"Host: 127.0.0.1#.name", 400),
        (b"Host: 127.0.0.1\r\nExpect: \xff", 400),
        (b"Host : 127.0.0.1", 400),
    ],
)
def test_the_listener_of_the_figures_is_as_strict(metrics_port: int, line: bytes, status: int) -> None:
    with socket.create_connection(("127.0.0.1", metrics_port), 5) as client:
        client.sendall(b"GET /metrics HTTP/1.1\r\n" + line + b"\r\nConnection: close\r\n\r\n")
        head = b"".join(iter(lambda: client.recv(65_536), b""))
    assert int(head[9:12]) == status
    assert b"\r\nServer: stresswire\r\n" in head


@pytest.fixture(scope="module")
def metrics_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    port = free_port()
    with Stack(tmp_path_factory.mktemp("figures"), metrics_bind=f"127.0.0.1:{port}") as stack:
        yield port
        assert stack.stop() == 0
        assert "Traceback" not in stack.output
