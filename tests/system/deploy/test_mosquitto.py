"""Mosquitto with the profile of `deploy/mosquitto`."""

import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from broker.auth.acl import may_publish, may_receive
from broker.contract import (
    CHANNELS,
    DATA_RECEIVED,
    DEVICE_COMMAND,
    MAX_DEVICE_ID,
    MAX_PAYLOAD_BYTES,
    SENSOR_DATA,
    Channel,
)
from tests.support.harness import wait_until
from tests.system.deploy import chain
from tests.system.deploy.brokers import (
    ANYBODY,
    DEPLOY,
    DEVICE,
    GATEWAY,
    PASSWORD,
    SIBLING,
    TESTER,
    UP,
    Client,
    Running,
    arrives,
    hears,
    mosquitto,
)
from tests.system.deploy.table import FILTERS, NEARLY, TOPICS, WHO

PROFILE = (DEPLOY / "mosquitto" / "mosquitto.conf").read_text()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with mosquitto(tmp_path_factory.mktemp("mosquitto")) as started:
        yield started


def test_nobody_comes_in_without_a_password(running: Running) -> None:
    for login, password in ((DEVICE, "other"), ("nobody", PASSWORD), (UP, "other"), (ANYBODY, "")):
        with Client(running, login, password=password) as client:
            assert client.refused == "Not authorized"


@pytest.mark.parametrize("topic", TOPICS)
def test_a_device_publishes_only_what_it_may(running: Running, topic: str) -> None:
    assert arrives(running, DEVICE, topic) == may_publish(WHO, topic)


@pytest.mark.parametrize(("asked", "topic"), FILTERS)
def test_a_device_gets_only_what_it_may(running: Running, asked: str, topic: str) -> None:
    """Mosquitto grants every subscription, and then sends only what the login may read."""
    assert hears(running, DEVICE, asked, topic) == (may_receive(WHO, topic) and "*" not in asked)


@pytest.mark.parametrize("channel", CHANNELS, ids=lambda channel: channel.name.value)
def test_the_gateway_publishes_commands_and_what_clients_emit(running: Running, channel: Channel) -> None:
    assert arrives(running, GATEWAY, channel.topic(DEVICE)) == (channel.emitted or channel is DEVICE_COMMAND)


def test_nobody_takes_over_a_session_by_its_client_id(running: Running) -> None:
    with Client(running, TESTER, client_id="stresswire-ingest") as ours:
        assert ours.subscribe("#")
        with Client(running, DEVICE, client_id="stresswire-ingest") as device, Client(running, SIBLING) as sibling:
            assert device.subscribe("#")
            assert sibling.publish(SENSOR_DATA.topic(SIBLING), b"private")
            ours.wait_for(b"private")
            assert ours.has(b"private")
            assert not ours.gone.is_set()
            assert ours.publish(DATA_RECEIVED.topic(DEVICE), b"marker")
            device.wait_for(b"marker")
            assert [payload for _, payload in device.received] == [b"marker"]


def test_the_way_to_the_record(running: Running, tmp_path: Path) -> None:
    chain.walk(running, tmp_path)


def test_the_way_to_the_record_over_tls(running: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(running.ca))
    chain.walk(running, tmp_path, f"mqtts://{UP}:{PASSWORD}@127.0.0.1:{running.tls_port}")


def test_the_parts_apart(running: Running, tmp_path: Path) -> None:
    chain.parts_apart(running, tmp_path)


def test_a_topic_that_is_nearly_right_is_told(running: Running, tmp_path: Path) -> None:
    """To the device itself: its rights let it make these mistakes, or Mosquitto would acknowledge and drop the sample."""
    chain.nearly_right(running, tmp_path, NEARLY, DEVICE)


def test_after_another_connection_everything_is_subscribed_to_again(running: Running, tmp_path: Path) -> None:
    chain.taken_over(running, tmp_path)


def test_a_message_far_too_large_ends_its_connection(running: Running) -> None:
    with Client(running, TESTER) as watcher, Client(running, DEVICE) as device:
        assert watcher.subscribe("#")
        assert not device.publish(SENSOR_DATA.topic(DEVICE), b"x" * (MAX_PAYLOAD_BYTES + 1024))
        assert device.gone.is_set()
        assert watcher.publish("marker", b"marker")
        watcher.wait_for(b"marker")
        assert [payload for _, payload in watcher.received] == [b"marker"]


def test_the_largest_packet_is_that_of_the_largest_payload() -> None:
    (limit,) = map(int, re.findall(r"^max_packet_size (\d+)$", PROFILE, re.MULTILINE))
    topic = max(len(channel.topic("x" * MAX_DEVICE_ID)) for channel in CHANNELS)
    assert MAX_PAYLOAD_BYTES + topic + 9 <= limit < MAX_PAYLOAD_BYTES + 1024


def test_a_saved_message_survives_a_kill(tmp_path: Path) -> None:
    """The queue of a session that is away; Mosquitto saves it every second."""
    saved = tmp_path / "mosquitto.db"
    with mosquitto(tmp_path) as first:
        with Client(first, TESTER, client_id="keeper", clean=False) as keeper:
            assert keeper.subscribe(SENSOR_DATA.topic("+"))
        with Client(first, DEVICE) as device:
            assert device.publish(SENSOR_DATA.topic(DEVICE), b"kept over the kill")
        wait_until(lambda: saved.exists() and b"kept over the kill" in saved.read_bytes())
        first.process.send(signal.SIGKILL)
        assert first.process.wait() == -signal.SIGKILL
    with mosquitto(tmp_path) as second, Client(second, TESTER, client_id="keeper", clean=False) as keeper:
        keeper.wait_for(b"kept over the kill")
        assert keeper.has(b"kept over the kill")
