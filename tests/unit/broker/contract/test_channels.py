"""The tables of channels and events: complete, consistent, and what they are read for."""

import pytest

from broker.contract import (
    CHANNELS,
    CLIENT_EVENTS,
    COMMAND_RESULT,
    DATA_RECEIVED,
    DEVICE_COMMAND,
    DEVICE_STATUS,
    EVENTS,
    HOLDERS,
    MAX_DEVICE_ID,
    MESSAGES,
    NEW_SENSOR_DATA,
    SENSOR_DATA,
    STRESS_ALERT,
    Channel,
    Name,
    Right,
    parse_topic,
)


def test_every_name_has_one_entry() -> None:
    assert sorted(message.name for message in MESSAGES) == sorted(Name)


def test_every_right_but_none_has_holders() -> None:
    assert set(HOLDERS) == set(Right) - {Right.NONE}
    assert all(HOLDERS.values())


@pytest.mark.parametrize(
    ("channel", "readers"),
    [
        (SENSOR_DATA, ("admin",)),
        (DATA_RECEIVED, ("device", "admin")),
        (NEW_SENSOR_DATA, ("viewer", "operator", "admin")),
        (STRESS_ALERT, ("viewer", "operator", "admin")),
        (DEVICE_STATUS, ("viewer", "operator", "admin")),
        (DEVICE_COMMAND, ("device", "operator", "admin")),
        (COMMAND_RESULT, ("operator", "admin")),
    ],
    ids=lambda value: value.name.value if isinstance(value, Channel) else "",
)
def test_the_readers_follow_from_right_and_audience(channel: Channel, readers: tuple[str, ...]) -> None:
    assert channel.readers == readers


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
    assert {event.name for event in emitted} | {Name.SENSOR_DATA, Name.COMMAND_RESULT} == CLIENT_EVENTS


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
