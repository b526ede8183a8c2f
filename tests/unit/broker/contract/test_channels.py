"""The tables of channels and events: complete, consistent, and what they are read for."""

import msgspec
import pytest

from broker.contract import (
    CHANNELS,
    CLIENT_EVENTS,
    COMMAND_RESULT,
    DEVICE_STATUS,
    EVENTS,
    HOLDERS,
    MAX_DEVICE_ID,
    MESSAGES,
    NEW_SENSOR_DATA,
    SENSOR_DATA,
    STRESS_ALERT,
    Channel,
    Event,
    Name,
    Right,
    parse_topic,
)
from tests.support.hostile import EXAMPLES


def test_every_name_has_one_entry() -> None:
    assert sorted(message.name for message in MESSAGES) == sorted(Name)


def test_every_right_but_none_has_holders() -> None:
    assert set(HOLDERS) == set(Right) - {Right.NONE}
    assert all(HOLDERS.values())


READERS = {
    Name.SENSOR_DATA: ("admin",),
    Name.DATA_RECEIVED: ("device", "admin"),
    Name.NEW_SENSOR_DATA: ("viewer", "operator", "admin"),
    Name.STRESS_ALERT: ("viewer", "operator", "admin"),
    Name.DEVICE_STATUS: ("viewer", "operator", "admin"),
    Name.DEVICE_COMMAND: ("device", "operator", "admin"),
    Name.COMMAND_RESULT: ("operator", "admin"),
}
"""Roles that read each channel, written by hand so that they check the table."""
EMITTED = {Name.SENSOR_DATA, Name.COMMAND_RESULT}
"""Channels on which devices send over Socket.IO too, written by hand as well."""


@pytest.mark.parametrize("channel", CHANNELS, ids=lambda channel: channel.name.value)
def test_the_readers_follow_from_right_and_audience(channel: Channel) -> None:
    assert channel.name in READERS, f"READERS above says nothing of {channel.name.value}"
    assert channel.readers == READERS[channel.name]


def test_a_reply_is_a_channel_of_the_other_side() -> None:
    senders = {channel.name: channel.sender for channel in CHANNELS}
    replies = {channel.name: channel.reply for channel in CHANNELS if channel.reply}
    assert replies == {Name.SENSOR_DATA: Name.DATA_RECEIVED, Name.DEVICE_COMMAND: Name.COMMAND_RESULT}
    assert all(senders[reply] != senders[name] for name, reply in replies.items())


def test_only_what_answers_a_client_has_the_sender_as_its_audience() -> None:
    replied = {channel.reply for channel in CHANNELS if channel.emitted}
    assert {channel.name for channel in CHANNELS if channel.audience == "sender"} == replied - {None}


def test_an_event_that_clients_emit_is_answered_by_one_of_the_server() -> None:
    servers = {event.name for event in EVENTS if event.sender == "server"}
    emitted = [event for event in EVENTS if event.sender == "client"]
    assert {event.reply for event in emitted} <= servers
    channels = {channel.name for channel in CHANNELS if channel.emitted}
    assert channels == EMITTED, f"EMITTED above and the table differ in {sorted(channels ^ EMITTED)}"
    assert {event.name for event in emitted} | EMITTED == CLIENT_EVENTS


SENT_BY_CLIENTS = [message for message in MESSAGES if message.sender != "server" and message.payload is not None]


@pytest.mark.parametrize("message", SENT_BY_CLIENTS, ids=lambda message: message.name.value)
def test_hostile_messages_begin_with_a_good_one(message: Channel | Event) -> None:
    """Without an example the tests with hostile messages send nothing that is nearly right."""
    assert message.name in EXAMPLES, f"tests/support/hostile.py has no example of {message.name.value}"
    msgspec.convert(EXAMPLES[message.name], message.payload)


def test_health_data_is_never_retained() -> None:
    assert [channel for channel in CHANNELS if channel.retained] == [DEVICE_STATUS]


@pytest.mark.parametrize(
    ("topic", "device_id", "channel", "valid"),
    [
        ("stress/v1/ESP32_001/esp32_sensor_data", "ESP32_001", SENSOR_DATA, True),
        ("stress/v1/a:b-c_1/device_status", "a:b-c_1", DEVICE_STATUS, True),
        (f"stress/v1/{'d' * MAX_DEVICE_ID}/command_result", "d" * MAX_DEVICE_ID, COMMAND_RESULT, True),
        (f"stress/v1/{'d' * (MAX_DEVICE_ID + 1)}/command_result", "d" * (MAX_DEVICE_ID + 1), COMMAND_RESULT, False),
        ("stress/v1/a.b/new_sensor_data", "a.b", NEW_SENSOR_DATA, False),
        ("stress/v1/a\n/new_sensor_data", "a\n", NEW_SENSOR_DATA, False),
        ("stress/v1/+/stress_alert", "+", STRESS_ALERT, False),
        ("stress/v1//stress_alert", "", STRESS_ALERT, False),
    ],
)
def test_a_topic_of_the_contract_has_its_parts(topic: str, device_id: str, channel: Channel, valid: bool) -> None:
    assert parse_topic(topic) == (device_id, channel, valid)
    assert channel.topic(device_id) == topic


@pytest.mark.parametrize(
    "topic",
    [
        "",
        "esp32_sensor_data",
        "stress/v1/esp32_sensor_data",
        "stress/v1/a/b/esp32_sensor_data",
        "stress/v2/a/esp32_sensor_data",
        "stress/v1/a/pong",
        "stress/v1/a/esp32_sensor_data/",
        "/stress/v1/a/esp32_sensor_data",
        "stress/v1/a/ESP32_SENSOR_DATA",
        "$SYS/stress/v1/a/esp32_sensor_data",
    ],
)
def test_any_other_topic_has_none(topic: str) -> None:
    assert parse_topic(topic) is None
