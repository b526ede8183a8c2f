"""RabbitMQ with the profile of `deploy/rabbitmq`, set up with the commands of its README."""

import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from broker.auth.acl import may_publish, may_subscribe
from broker.contract import CHANNELS, DATA_RECEIVED, DEVICE_COMMAND, MAX_PAYLOAD_BYTES, SENSOR_DATA, Channel
from tests.support.harness import Stack, wait_until
from tests.system.deploy import chain
from tests.system.deploy.brokers import (
    ANYBODY,
    DEPLOY,
    DEVICE,
    GATEWAY,
    NARROW,
    PASSWORD,
    SIBLING,
    SLOW_S,
    TESTER,
    UP,
    Client,
    RabbitFolder,
    Running,
    arrives,
    hears,
    rabbitmq,
)
from tests.system.deploy.table import FILTERS, MORE_NEARLY, NEARLY, TOPICS, WHO

pytestmark = pytest.mark.timeout(2 * SLOW_S)

PROFILE = (DEPLOY / "rabbitmq" / "rabbitmq.conf").read_text()
LIMIT = int(re.findall(r"^max_message_size = (\d+)$", PROFILE, re.MULTILINE)[0])


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with rabbitmq(tmp_path_factory.mktemp("rabbitmq")) as started:
        yield started


def test_nobody_comes_in_without_a_password(running: Running) -> None:
    for login, password in ((DEVICE, "other"), ("nobody", PASSWORD), (UP, "other"), ("guest", "guest"), (ANYBODY, "")):
        with Client(running, login, password=password) as client:
            assert client.refused == "Bad user name or password"


@pytest.mark.parametrize("topic", TOPICS)
def test_a_device_publishes_only_what_it_may(running: Running, topic: str) -> None:
    assert arrives(running, DEVICE, topic) == may_publish(WHO, topic)


@pytest.mark.parametrize(("asked", "topic"), FILTERS)
def test_a_device_gets_only_what_it_may(running: Running, asked: str, topic: str) -> None:
    """RabbitMQ ends the connection of who asks for more."""
    assert hears(running, DEVICE, asked, topic) == may_subscribe(WHO, asked)


@pytest.mark.parametrize("channel", CHANNELS, ids=lambda channel: channel.name.value)
def test_the_gateway_publishes_commands_and_what_clients_emit(running: Running, channel: Channel) -> None:
    assert arrives(running, GATEWAY, channel.topic(DEVICE)) == (channel.emitted or channel is DEVICE_COMMAND)


@pytest.mark.parametrize("client_id", ["stresswire-ingest", SIBLING, ""])
def test_a_device_reads_under_its_own_client_id_only(running: Running, client_id: str) -> None:
    with Client(running, DEVICE, client_id=client_id) as device:
        assert not device.subscribe(DATA_RECEIVED.topic(DEVICE))


def test_the_way_to_the_record(running: Running, tmp_path: Path) -> None:
    chain.walk(running, tmp_path)


def test_the_way_to_the_record_over_tls(running: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(running.ca))
    chain.walk(running, tmp_path, f"mqtts://{UP}:{PASSWORD}@127.0.0.1:{running.tls_port}")


def test_the_parts_apart(running: Running, tmp_path: Path) -> None:
    chain.parts_apart(running, tmp_path)


def test_a_topic_that_is_nearly_right_is_told(running: Running, tmp_path: Path) -> None:
    """A device with the rights of the README is disconnected by RabbitMQ; here writes somebody who may write everywhere."""
    chain.nearly_right(running, tmp_path, NEARLY + MORE_NEARLY[:-1], TESTER)


@pytest.mark.parametrize("topic", NEARLY)
def test_a_device_is_disconnected_over_a_topic_that_is_nearly_right(running: Running, topic: str) -> None:
    with Client(running, DEVICE) as device:
        assert not device.publish(topic, b"sample")
        assert device.gone.is_set()


def test_ingest_without_a_right_to_topics_that_are_nearly_right(running: Running, tmp_path: Path) -> None:
    """RabbitMQ ends its connection once; then it works as before."""
    with Stack(tmp_path, mqtt_url=running.url(NARROW)) as stack, Client(running, DEVICE) as device:
        stack.wait_for("is not asked again")
        assert device.subscribe(DATA_RECEIVED.topic(DEVICE))
        assert device.publish(SENSOR_DATA.topic(DEVICE), chain.sample(1, "0123456789abcdef"))
        wait_until(lambda: len(chain.answers(device)) == 1)
        assert chain.ready(stack.http_port) == 200
        assert stack.output.count("is not asked again") == 1


def test_after_another_connection_everything_is_subscribed_to_again(running: Running, tmp_path: Path) -> None:
    chain.taken_over(running, tmp_path)


def test_a_message_far_too_large_is_never_acknowledged(running: Running) -> None:
    """RabbitMQ 3.10 leaves the connection open, and takes nothing more from it."""
    with Client(running, TESTER) as watcher, Client(running, DEVICE) as device:
        assert watcher.subscribe("#")
        sent = device.paho.publish(SENSOR_DATA.topic(DEVICE), b"x" * (LIMIT + 1), 1)
        wait_until(lambda: "is larger than configured max size" in running.process.output)
        assert not sent.is_published()
        with Client(running, DEVICE) as again:
            assert again.publish(SENSOR_DATA.topic(DEVICE), b"marker")
        watcher.wait_for(b"marker")
        assert [payload for _, payload in watcher.received] == [b"marker"]


def test_the_limits_leave_room_for_what_the_pipeline_takes() -> None:
    assert 2 * MAX_PAYLOAD_BYTES < LIMIT


def test_a_kill_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    node = RabbitFolder(tmp_path)
    with node.running() as first:
        node.control("add_user", TESTER, PASSWORD)
        node.control("set_permissions", TESTER, ".*", ".*", ".*")
        with Client(first, TESTER, client_id="keeper", clean=False) as keeper:
            assert keeper.subscribe(SENSOR_DATA.topic("+"))
        payloads = [b"%d" % number for number in range(50)]
        with Client(first, TESTER) as sender:
            assert all(sender.publish(SENSOR_DATA.topic(DEVICE), payload) for payload in payloads)
        first.process.send(signal.SIGKILL)
        assert first.process.wait() == -signal.SIGKILL
    with node.running() as second, Client(second, TESTER, client_id="keeper", clean=False) as keeper:
        assert keeper.subscribe(SENSOR_DATA.topic("+"))
        keeper.wait_for(payloads[-1])
        assert [payload for _, payload in keeper.received] == payloads
