"""The whole way on an external broker, and what is the same on each of them."""

import contextlib
import http.client
import json
import secrets
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from broker.contract import DATA_RECEIVED, MAX_PAYLOAD_BYTES, SENSOR_DATA
from tests.support.harness import Process, Stack, free_port, rows, wait_until
from tests.system.deploy.brokers import DEVICE, GATEWAY, INGEST, TESTER, UP, Client, Running


def sample(seq: int, boot: str) -> bytes:
    return json.dumps({"hr": 75.5, "temp": 36.2, "eda": 0.45, "boot": boot, "seq": seq}).encode()


def answers(client: Client) -> list[dict[str, Any]]:
    return [json.loads(payload) for topic, payload in list(client.received) if topic == DATA_RECEIVED.topic(client.login)]


def walk(running: Running, folder: Path, url: str | None = None) -> None:
    """A device's sample at QoS 1 is stored and answered; one of a byte too much is refused, and answered too."""
    boot = secrets.token_hex(8)
    with Stack(folder, mqtt_url=url or running.url(UP)) as stack, Client(running, DEVICE) as device:
        assert device.subscribe(DATA_RECEIVED.topic(DEVICE))
        assert device.publish(SENSOR_DATA.topic(DEVICE), sample(1, boot))
        wait_until(lambda: len(answers(device)) > 0)
        (answer,) = answers(device)
        assert (answer["status"], answer["boot"], answer["seq"]) == ("success", boot, 1)
        found = stack.rows(f"SELECT id, device_id, seq, hr FROM history_stress WHERE boot = '{boot}'")  # noqa: S608
        assert found == [(answer["record_id"], DEVICE, 1, 75.5)]
        assert device.publish(SENSOR_DATA.topic(DEVICE), sample(2, boot).ljust(MAX_PAYLOAD_BYTES + 1))
        assert device.publish(SENSOR_DATA.topic(DEVICE), sample(3, boot).ljust(MAX_PAYLOAD_BYTES))
        wait_until(lambda: len(answers(device)) == 3)
        _, refused, largest = answers(device)
        assert refused["error"]["code"] == "too_large"
        assert (largest["status"], largest["seq"]) == ("success", 3)
        assert stack.rows(f"SELECT seq FROM history_stress WHERE boot = '{boot}' ORDER BY id") == [(1,), (3,)]  # noqa: S608


def nearly_right(running: Running, folder: Path, topics: Sequence[str], sender: str) -> None:
    """A sample on a topic that is nearly right is stored nowhere; device and log are told, and nothing is unwell."""
    with Stack(folder, mqtt_url=running.url(UP)) as stack, Client(running, DEVICE) as device:
        assert device.subscribe(DATA_RECEIVED.topic(DEVICE))
        with contextlib.nullcontext(device) if sender == DEVICE else Client(running, sender) as client:
            for number, topic in enumerate(topics, 1):
                boot = secrets.token_hex(8)
                assert client.publish(topic, sample(7, boot))
                wait_until(lambda number=number: len(answers(device)) == number)  # type: ignore[misc]
                answer = answers(device)[-1]
                assert (answer["status"], answer["boot"], answer["seq"]) == ("error", boot, 7)
                assert (answer["error"]["code"], topic in answer["message"]) == ("not_found", True)
                assert SENSOR_DATA.topic(DEVICE) in answer["message"]
        stack.wait_for(f"there is no topic {topics[0]!r}")
        assert "is not asked again" not in stack.output
        assert stack.count("history_stress") == 0
        assert ready(stack.http_port) == 200


def taken_over(running: Running, folder: Path) -> None:
    """After another connection everything is subscribed to again, also at QoS 0, though the session was there."""
    with Stack(folder, mqtt_url=running.url(UP)) as stack, Client(running, DEVICE) as device:
        assert device.subscribe(DATA_RECEIVED.topic(DEVICE))
        with Client(running, TESTER, client_id="stresswire-ingest", clean=False):
            stack.wait_for("connection lost")
        wait_until(lambda: ready(stack.http_port) == 200)
        boot = secrets.token_hex(8)
        with Client(running, TESTER) as client:
            wait_until(
                lambda: client.publish(f"{SENSOR_DATA.topic(DEVICE)}/", sample(1, boot)) and len(answers(device)) > 0
            )
        assert {answer["status"] for answer in answers(device)} == {"error"}
        assert device.publish(SENSOR_DATA.topic(DEVICE), sample(2, boot))
        wait_until(lambda: answers(device)[-1]["status"] == "success")


def ready(port: int) -> int:
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=20)) as connection:
        connection.request("GET", "/readyz")
        return connection.getresponse().status


def parts_apart(running: Running, folder: Path) -> None:
    """Ingest and gateway, each with the rights of its own login: a sample over HTTP is stored and answered."""
    port, url = free_port(), f"sqlite:///{folder / 'record.db'}"

    def part(name: str, login: str) -> Process:
        env = {
            "STRESSWIRE_MQTT_URL": running.url(login),
            "STRESSWIRE_DATABASE_URL": url,
            "STRESSWIRE_HTTP_BIND": f"127.0.0.1:{port}",
        }
        return Process([sys.executable, "-m", name], env=env, cwd=folder)

    with part("ingest", INGEST) as ingest:
        ingest.wait_for("ingest on")
        with part("gateway", GATEWAY) as gateway:
            gateway.wait_for("gateway on")
            boot = secrets.token_hex(8)
            with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=20)) as connection:
                connection.request("POST", "/api/esp32/data", sample(1, boot), {"Content-Type": "application/json"})
                assert connection.getresponse().status == 201
            assert rows(url, f"SELECT device_id FROM history_stress WHERE boot = '{boot}'") == [("unknown",)]  # noqa: S608
            for one in (ingest, gateway):
                assert "refuses" not in one.output
                assert "nearly right" not in one.output
