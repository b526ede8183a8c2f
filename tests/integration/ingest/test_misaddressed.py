"""Messages that miss their topic: on a bus in memory, and behind a real Mosquitto."""

import asyncio
import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from broker.address import parse_url
from broker.bus import Bus
from broker.embedded.bus import EmbeddedBus
from broker.external.bus import MqttBus
from broker.message import Message
from ingest.metrics import Metrics
from ingest.misaddressed import Misaddressed
from tests.support.harness import Process, mosquitto
from tests.support.mqtt.aio import run, until
from tests.support.pipeline import NOW, FakeBus

NEAR = "so nothing is stored: did you mean"
SAMPLE = b'{"hr": 70, "boot": "a", "seq": 7'


def everything(_device_id: str) -> bool:
    return True


@pytest.mark.parametrize(
    ("topic", "answered", "message"),
    [
        (
            "/stress/v1/t1/esp32_sensor_data",
            True,
            f"there is no topic '/stress/v1/t1/esp32_sensor_data', {NEAR} stress/v1/t1/esp32_sensor_data?",
        ),
        (
            "stress/v1/t1",
            True,
            f"there is no topic 'stress/v1/t1', {NEAR} stress/v1/t1/esp32_sensor_data?",
        ),
        (
            "esp32_sensor_data",
            False,
            f"there is no topic 'esp32_sensor_data', {NEAR} stress/v1/<device_id>/esp32_sensor_data?",
        ),
        (
            "stress/v1/t1/status",
            False,
            f"there is no topic 'stress/v1/t1/status', {NEAR} stress/v1/t1/device_status?",
        ),
        ("home/x", False, "nobody reads 'home/x': samples go to stress/v1/<device_id>/esp32_sensor_data"),
        ("h" * 150, False, f"nobody reads '{'h' * 97}...': samples go to stress/v1/<device_id>/esp32_sensor_data"),
    ],
)
def test_each_is_logged_counted_and_answered(
    topic: str, answered: bool, message: str, caplog: pytest.LogCaptureFixture
) -> None:
    registry = CollectorRegistry()
    bus = FakeBus()

    async def main() -> None:
        misaddressed = Misaddressed(bus, everything, lambda: NOW, Metrics(registry))
        bus.misaddressed.offer(Message(topic, SAMPLE, trusted=False, client="esp"))
        bus.misaddressed.close()
        await misaddressed.run()

    run(main)
    assert [record.getMessage() for record in caplog.records] == [f"client 'esp': {message}"]
    assert registry.get_sample_value("stresswire_misaddressed_messages_total") == 1
    answers = [json.loads(payload) for name, payload in bus.journal if name == "data_received 0"]
    assert [(one["status"], one["error"]["code"], one["message"], one["boot"], one["seq"]) for one in answers] == (
        [("error", "not_found", message, "a", 7)] if answered else []
    )


def test_a_shard_leaves_the_devices_of_others_to_them(caplog: pytest.LogCaptureFixture) -> None:
    bus = FakeBus()

    async def main() -> None:
        misaddressed = Misaddressed(bus, lambda _device_id: False, lambda: NOW, Metrics(CollectorRegistry()))
        bus.misaddressed.offer(Message("stress/v1/t1", SAMPLE, trusted=False))
        bus.misaddressed.close()
        await misaddressed.run()

    run(main)
    assert (bus.journal, caplog.records) == ([], [])


async def warned(bus: Bus, port: Callable[[], int], topic: str, caplog: pytest.LogCaptureFixture) -> str:
    """Publish with `mosquitto_pub`, and return the line of the log."""

    def lines() -> list[str]:
        return [record.getMessage() for record in caplog.records if record.name == "ingest.misaddressed"]

    misaddressed = Misaddressed(bus, everything, lambda: NOW, Metrics(CollectorRegistry()))
    await bus.open()
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(misaddressed.run())
        command = ["mosquitto_pub", "-i", "esp", "-p", str(port()), "-t", topic, "-q", "1", "-m", "{}"]
        await asyncio.to_thread(subprocess.run, command, check=True)
        await until(lambda: bool(lines()))
        task.cancel()
    return lines()[0]


def test_at_the_embedded_broker_the_client_is_named(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with EmbeddedBus("127.0.0.1", 0) as bus:
            line = await warned(bus, lambda: bus.port, "nobody/reads", caplog)
            assert (
                line == "client 'esp': nobody reads 'nobody/reads': samples go to stress/v1/<device_id>/esp32_sensor_data"
            )

    run(main)


def test_behind_mosquitto(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with mosquitto(tmp_path) as url:
        address = parse_url(url)

        async def main() -> None:
            async with MqttBus(address) as bus:
                line = await warned(bus, lambda: address.port, "stress/v1/t1/esp32_sensor_data/", caplog)
                assert line.endswith("did you mean stress/v1/t1/esp32_sensor_data?")
                assert bus.state == "ok"

        run(main)


def test_a_subscription_to_what_nobody_publishes_is_told(caplog: pytest.LogCaptureFixture) -> None:
    def lines() -> list[str]:
        return [record.getMessage() for record in caplog.records if record.name == "broker.embedded.amqtt_adapter"]

    async def main() -> None:
        async with EmbeddedBus("127.0.0.1", 0) as bus:
            await bus.open()
            command = ["mosquitto_sub", "-i", "esp", "-p", str(bus.port), "-t", "stress/v1/D/data_recieved", "-W", "20"]
            with Process(command):
                await until(lambda: bool(lines()))

    run(main)
    (line,) = lines()
    assert line.startswith(
        "client 'esp' subscribes to 'stress/v1/D/data_recieved', where nothing is published: did you mean "
    )
