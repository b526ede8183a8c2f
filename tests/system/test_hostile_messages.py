"""Any bytes and any JSON on every topic and in every event, on both buses and both databases.

After each batch a sample still goes all the way to a browser.
"""

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import paho.mqtt.client as paho
import pytest
import socketio  # type: ignore[import-untyped]
from paho.mqtt.enums import CallbackAPIVersion

from broker.contract import CHANNELS, CLIENT_EVENTS, ROOT
from tests.support.harness import START_S, Process, Stack, mosquitto, node, publish, wait_until
from tests.support.hostile import DEVICES, EXAMPLES, Hostile
from tests.support.people import ask
from tests.support.postgres import PostgresServer

GOOD = {"hr": 75.5, "temp": 36.2, "eda": 0.45}
BATCHES = 6
MESSAGES, EVENTS = 200, 120
NAMES = [channel.name.value for channel in CHANNELS]


class Sender:
    """A client that publishes, and comes back where it was cut off."""

    def __init__(self, port: int) -> None:
        self._connected = threading.Event()
        self._client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv311)
        self._client.on_connect = lambda *_: self._connected.set()
        self._client.reconnect_delay_set(0, 1)
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        assert self._connected.wait(START_S)

    def send(self, chance: Hostile, count: int) -> None:
        """`count` messages; the last of them has been taken when this returns, if the broker takes any."""
        for _ in range(count):
            name = chance.choice(NAMES)
            device = chance.choice(DEVICES) if chance.random() < 0.3 else "d"
            topic = f"{ROOT}/{device}/{name}"
            with contextlib.suppress(ValueError):  # paho itself refuses some topics
                self._client.publish(topic, chance.payload(name), qos=chance.choice([0, 1]), retain=chance.random() < 0.3)
        last = self._client.publish(f"{ROOT}/d/nothing", b"", qos=1)
        last.wait_for_publish(START_S)
        assert last.is_published(), "it came to nothing"

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


def emit(stack: Stack, chance: Hostile, count: int) -> None:
    """`count` events of a device and of a frontend, with whatever JSON can say."""
    kinds = ("esp32", "frontend")
    clients = [socketio.Client(reconnection=False, request_timeout=START_S) for _ in kinds]
    try:
        for client, kind in zip(clients, kinds, strict=True):
            client.connect(f"{stack.url}?type={kind}", transports=["websocket"])
        # A device's answers to orders are taken once it is known which device it is.
        assert clients[0].call("esp32_sensor_data", {**GOOD, "device_id": "d"}, timeout=START_S)["status"] == "success"
        for _ in range(count):
            event = chance.choice([*CLIENT_EVENTS, *NAMES])
            value = chance.value(event) if event in EXAMPLES else chance.value("")
            data = chance.choice([value, value, value, (value, value), chance.randbytes(9)])
            chance.choice(clients).emit(event, data)
        for client in clients:
            assert client.call("ping", timeout=START_S)["timestamp"]
    finally:
        for client in clients:
            client.disconnect()


@contextlib.contextmanager
def on(folder: Path, bus: str, database_url: str | None) -> Iterator[Stack]:
    """`stresswire up` on a bus and a database."""
    settings = {} if database_url is None else {"database_url": database_url}
    with contextlib.ExitStack() as stack:
        url = None
        if bus == "mosquitto":
            url = stack.enter_context(mosquitto(folder, message_size_limit=0))
        yield stack.enter_context(Stack(folder, mqtt_url=url, **settings))


def goes_through(stack: Stack, page: Process, device_id: str) -> None:
    """A sample of `device_id` is seen on the page, after the commit."""
    page.type(device_id)
    publish(stack.mqtt_port, device_id, json.dumps(GOOD))
    page.wait_for(f"saw {device_id}")
    assert stack.rows(f"SELECT count(*) FROM history_stress WHERE device_id = '{device_id}'") == [(1,)]  # noqa: S608


@pytest.mark.timeout(300)
@pytest.mark.parametrize("database", ["SQLite", "PostgreSQL"])
@pytest.mark.parametrize("bus", ["embedded", "mosquitto"])
def test_whatever_comes_a_sample_goes_through(
    tmp_path: Path, request: pytest.FixtureRequest, bus: str, database: str, cases: Callable[[str], None]
) -> None:
    url = None
    if database == "PostgreSQL":
        server: PostgresServer = request.getfixturevalue("postgres")
        url = server.create()
    chance = Hostile(f"{bus} {database}")
    with on(tmp_path, bus, url) as stack, node("live-page.mjs", f"{stack.url}/api/websocket/test") as page:
        page.wait_for("open")
        sender = Sender(stack.mqtt_port)
        for batch in range(BATCHES):
            sender.send(chance, MESSAGES)
            emit(stack, chance, EVENTS)
            goes_through(stack, page, f"after_{batch}")
        sender.close()
        cases(f"{BATCHES * MESSAGES} messages and {BATCHES * EVENTS} events")
        metrics = ask(stack, "GET", "/metrics").body.decode()
        assert "stresswire_task_restarts_total{" not in metrics
        counted = [line for line in metrics.splitlines() if line.startswith("stresswire_gateway_refused_messages_total{")]
        assert not [line for line in counted if "internal" in line]
        assert sum(float(line.rpartition(" ")[2]) for line in counted) > BATCHES * MESSAGES / 5, counted
        assert stack.stop() == 0
        assert "Traceback" not in stack.output, stack.output[-4_000:]
        assert len(stack.lines) < 2_000, "what was refused is logged now and then, not each time"


POISON = [
    b'{"status":"\xff"}',
    b'{"status":"online","x":"\xff"}',
    b"offline",
    b'{"status":"online","firmware":"a\\u0000"}',
    b"\0",
]


@pytest.mark.parametrize("database", ["SQLite", "PostgreSQL"])
def test_what_a_broker_retains_does_not_keep_a_gateway_from_starting(
    tmp_path: Path, request: pytest.FixtureRequest, database: str
) -> None:
    settings = {}
    if database == "PostgreSQL":
        server: PostgresServer = request.getfixturevalue("postgres")
        settings = {"database_url": server.create()}
    with mosquitto(tmp_path) as url:
        port = int(url.rpartition(":")[2])
        client = paho.Client(CallbackAPIVersion.VERSION2)
        client.connect("127.0.0.1", port)
        client.loop_start()
        for name in NAMES:
            for number, payload in enumerate(POISON):
                client.publish(f"{ROOT}/d{number}/{name}", payload, qos=1, retain=True).wait_for_publish(START_S)
        client.disconnect()
        client.loop_stop()
        for start in range(2):
            with Stack(tmp_path, mqtt_url=url, **settings) as stack:
                answer = ask(stack, "POST", "/api/esp32/data", {**GOOD, "device_id": f"start_{start}"})
                assert answer.status == 201
                wait_until(lambda: "refused a message" in stack.output)
                assert stack.stop() == 0
                assert "Traceback" not in stack.output, stack.output[-4_000:]
