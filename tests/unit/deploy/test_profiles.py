"""The profiles of Mosquitto and RabbitMQ grant what the table of channels says: no topic more, none less."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

from broker.contract import CHANNELS, ROOT, parse_topic
from broker.contract.near_topics import NEAR_FILTERS, near_topic
from broker.protocol.topic_filters import topic_matches

HERE = Path(__file__).parents[3]
DEPLOY = HERE / "deploy"
ACL = (DEPLOY / "mosquitto" / "acl").read_text()
RABBITMQ_README = (DEPLOY / "rabbitmq" / "README.md").read_text()
DEFINITIONS = json.loads((DEPLOY / "rabbitmq" / "definitions.json").read_text())
BROKERS_PAGE = (HERE / "docs" / "brokers.md").read_text()

NEARLY = frozenset({"sensor_data", "esp32_data"})
"""Names that are nearly right, which ingest looks out for."""
NAMES = frozenset(channel.name.value for channel in CHANNELS)


class Rights(NamedTuple):
    """Names of the channels that a login may read and publish on."""

    reads: frozenset[str]
    sends: frozenset[str]


def readers(role: str) -> frozenset[str]:
    return frozenset(channel.name.value for channel in CHANNELS if role in channel.readers)


INGEST = Rights(
    reads=frozenset({"esp32_sensor_data"}),
    sends=frozenset({"data_received", "new_sensor_data", "stress_alert"}),
)
GATEWAY = Rights(
    reads=NAMES,
    sends=frozenset(channel.name.value for channel in CHANNELS if channel.emitted) | {"device_command"},
)
DEVICE = Rights(
    reads=readers("device"), sends=frozenset(channel.name.value for channel in CHANNELS if channel.sender == "device")
)
SERVICES = {
    "stresswire-ingest": INGEST,
    "stresswire-gateway": GATEWAY,
    "stresswire": Rights(INGEST.reads | GATEWAY.reads, INGEST.sends | GATEWAY.sends),
}


def test_each_channel_of_the_pipeline_is_sent_by_a_part_of_it() -> None:
    """A new one belongs into `INGEST` or `GATEWAY` above, and into both profiles."""
    ours = {channel.name.value for channel in CHANNELS if channel.sender == "pipeline"}
    assert ours - INGEST.sends - GATEWAY.sends == set()


# --- Mosquitto


def granted_by(lines: list[str]) -> Iterator[tuple[str, str, str]]:
    """Login, access and topic of each line of an ACL file; the login `%u` of `pattern` lines stands for each login."""
    login = ""
    for kind, *rest in (line.split() for line in lines if line and not line.startswith("#")):
        if kind == "user":
            (login,) = rest
        else:
            access, topic = rest
            yield "%u" if kind == "pattern" else login, access, topic


def mosquitto_rights(lines: list[str]) -> Mapping[str, Rights]:
    """The rights on topics of the contract of each login in an ACL file."""
    granted: dict[str, tuple[set[str], set[str]]] = {}
    for owner, access, topic in granted_by(lines):
        root, _, name = topic.rpartition("/")
        if name not in NAMES or not root.startswith(ROOT):
            continue
        assert root == f"{ROOT}/{'%u' if owner == '%u' else '+'}", topic
        reads, sends = granted.setdefault(owner, (set(), set()))
        if access in ("read", "readwrite"):
            reads.add(name)
        if access in ("write", "readwrite"):
            sends.add(name)
    return {owner: Rights(frozenset(reads), frozenset(sends)) for owner, (reads, sends) in granted.items()}


def test_mosquitto_grants_each_login_what_the_table_says() -> None:
    assert mosquitto_rights(ACL.splitlines()) == {"%u": DEVICE, **SERVICES}


def test_mosquitto_shows_wrong_topics_to_ingest_alone() -> None:
    """And lets a device write on a few of them, which mean its own name."""
    others = [
        (login, access, topic)
        for login, access, topic in granted_by(ACL.splitlines())
        if parse_topic(topic.replace("%u", "d")) is None
    ]
    assert [one for one in others if one[0] != "%u"] == [
        (login, "read", topic_filter) for login in ("stresswire-ingest", "stresswire") for topic_filter in NEAR_FILTERS
    ]
    devices = [(access, topic) for login, access, topic in others if login == "%u"]
    assert len(devices) > 10
    for access, topic in devices:
        near = near_topic(topic.replace("%u", "ESP32_001"))
        assert access == "write"
        assert "+" not in topic
        assert "#" not in topic
        assert near is not None
        assert near.device_id == "ESP32_001"
        assert any(topic_matches(topic_filter, topic.replace("%u", "ESP32_001")) for topic_filter in NEAR_FILTERS)


def test_mosquitto_shows_what_people_read() -> None:
    shown = mosquitto_rights([line.removeprefix("#") for line in ACL.splitlines() if re.match(r"#(user|topic) ", line)])
    assert shown == {"vera": Rights(readers("viewer"), frozenset())}
    more = re.search(r"An operator also reads (\w+) and (\w+); an admin, every topic\.", ACL)
    assert more is not None
    assert readers("operator") == readers("viewer") | set(more.groups())
    assert readers("admin") == NAMES


# --- RabbitMQ


def rabbitmq_rights(read: str, write: str, device: str) -> Rights:
    """Names of the contract that two regular expressions let through for a device, and nothing beside them."""
    for expression in (read, write):
        for topic in ("stress.v1.d", "x.stress.v1.d.{}", "stress.v1.d.{}.x", "stress.v1.d.x.{}", "stress.v2.d.{}"):
            assert not any(re.search(expression, topic.format(name)) for name in NAMES)
    return Rights(
        frozenset(name for name in NAMES if re.search(read, f"stress.v1.{device}.{name}")),
        frozenset(name for name in NAMES if re.search(write, f"stress.v1.{device}.{name}")),
    )


@pytest.mark.parametrize(("login", "rights"), SERVICES.items())
def test_rabbitmq_grants_each_service_what_the_table_says(login: str, rights: Rights) -> None:
    (found,) = [one for one in DEFINITIONS["topic_permissions"] if one["user"] == login]
    assert rabbitmq_rights(found["read"], found["write"], "ESP32_001") == rights
    assert rabbitmq_rights(found["read"], found["write"], "*") == Rights(rights.reads, frozenset())
    asked = [topic_filter.replace("/", ".").replace("+", "*") for topic_filter in NEAR_FILTERS]
    shown = [one for one in asked if re.search(found["read"], one)]
    assert shown == (asked if rights.reads & INGEST.reads and login != "stresswire-gateway" else [])
    assert not any(re.search(found["write"], one) for one in asked)
    assert not any(re.search(found["read"], one) for one in ("#", "stress.#", "*.#", "stress.v1.#", "stress.v1.*.#"))


def test_rabbitmq_grants_a_device_what_the_table_says() -> None:
    """As the README tells to set it: of its own topics."""
    (line,) = re.findall(r"set_topic_permissions ESP32_001 amq\.topic '(.*)' '(.*)'$", RABBITMQ_README, re.MULTILINE)
    write, read = (expression.replace("{username}", "ESP32_001") for expression in line)
    assert rabbitmq_rights(read, write, "ESP32_001") == DEVICE
    assert rabbitmq_rights(read, write, "ESP32_002") == Rights(frozenset(), frozenset())


def test_the_services_have_the_topics_of_the_contract() -> None:
    """Whatever a service may publish or read by its name alone, is a channel's."""
    rights = DEFINITIONS["topic_permissions"]
    named = {name for one in rights for name in re.findall(r"\b[a-z0-9_]{8,}\b", one["read"] + one["write"])}
    assert named == NAMES | NEARLY


# --- other brokers


def test_the_page_of_brokers_tells_what_a_device_may() -> None:
    section = " ".join(BROKERS_PAGE.split("\n## Rights\n")[1].split())
    found = re.search(r"A device publishes its own (.*?), and reads its own (.*?)\.", section)
    assert found is not None
    sends, reads = (frozenset(re.findall(r"`(\w+)`", part)) for part in found.groups())
    assert Rights(reads, sends) == DEVICE
