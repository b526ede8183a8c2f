"""Topics with a slash too many, in another case, with a level that is missing or misspelt."""

import pytest

from broker.contract import CHANNELS
from broker.contract.near_topics import NEAR_FILTERS, NearTopic, near_filter, near_topic
from broker.protocol.topic_filters import topic_matches

SAMPLES = "stress/v1/t1/esp32_sensor_data"
UNNAMED = "stress/v1/<device_id>/esp32_sensor_data"


def told(topic: str) -> tuple[str | None, str] | None:
    """The device and the topic to use, or None."""
    near = near_topic(topic)
    return None if near is None else (near.device_id, near.meant)


@pytest.mark.parametrize(
    "topic",
    [
        "/stress/v1/t1/esp32_sensor_data",
        "stress/v1/t1/esp32_sensor_data/",
        "stress//v1/t1/esp32_sensor_data",
        "stress/v1/t1/ESP32_sensor_data",
        "STRESS/V1/t1/ESP32_SENSOR_DATA",
        "Stress/v1/t1/esp32_sensor_data",
        "stress/v1/t1/sensor_data",
        "stress/v1/t1/esp32_data",
        "stress/v1/t1/esp32-sensor-data",
        "stress/v1/t1/esp32SensorData",
        "stress/v1/t1/esp32_sensor_dat",
        "stress/v1/t1/data",
        "stress/v1/t1/readings",
        "stress/t1/esp32_sensor_data",
        "stress/v2/t1/esp32_sensor_data",
        "stess/v1/t1/esp32_sensor_data",
        "stresswire/v1/t1/esp32_sensor_data",
        "t1/esp32_sensor_data",
        "stress/v1/t1",
        "stress/v1/t1/my_topic",
    ],
)
def test_a_samples_topic(topic: str) -> None:
    assert told(topic) == ("t1", SAMPLES)


@pytest.mark.parametrize(
    "topic",
    [
        "esp32_sensor_data",
        "stress/v1/esp32_sensor_data/t1",
        "stress/v1/esp32_sensor_data",
        "stress/v1/a/b/esp32_sensor_data",
        "stress/v1/t 1/sensor",
        "home/t1/esp32_sensor_data",
        "stress",
        "stress/v1/",
        "stress/v2/" + "t" * 300 + "/esp32_sensor_data",
    ],
)
def test_a_samples_topic_without_a_device(topic: str) -> None:
    assert told(topic) == (None, UNNAMED)


@pytest.mark.parametrize(
    ("topic", "meant"),
    [
        ("stress/v1/t1/status", "stress/v1/t1/device_status"),
        ("stress/v1/t1/LWT", "stress/v1/t1/device_status"),
        ("stress/v1/t1/device-status", "stress/v1/t1/device_status"),
        ("/stress/v1/t1/device_status", "stress/v1/t1/device_status"),
        ("stress/v1/t1/result", "stress/v1/t1/command_result"),
        ("stress/v1/t1/CommandResult", "stress/v1/t1/command_result"),
    ],
)
def test_other_channels(topic: str, meant: str) -> None:
    assert told(topic) == ("t1", meant)


@pytest.mark.parametrize(
    "topic",
    [
        *(channel.topic("t1") for channel in CHANNELS),
        "stress/v1/t 1/esp32_sensor_data",  # no valid name: ingest says so itself
        "stress/v1/" + "t" * 300 + "/esp32_sensor_data",
        *("", "/", "//", "home/temperature", "homeassistant/sensor/x/config", "tele/t1/SENSOR", "zigbee2mqtt/bridge/state"),
        "$SYS/broker/uptime",
    ],
)
def test_topics_of_the_contract_and_of_others(topic: str) -> None:
    assert near_topic(topic) is None


@pytest.mark.parametrize(
    ("topic_filter", "meant"),
    [
        ("stress/v1/D/device_commands", "stress/v1/D/device_command"),
        ("stress/v1/D/data_recieved", "stress/v1/D/data_received"),
        ("stress/v1/+/new_sensordata", "stress/v1/+/new_sensor_data"),
        ("/stress/v1/D/data_received", "stress/v1/D/data_received"),
        ("stress/v1/D/data_received/", "stress/v1/D/data_received"),
        ("stress/V1/+/stress_alert", "stress/v1/+/stress_alert"),
        ("stress/+/stress_alert", "stress/v1/+/stress_alert"),
        ("stress/v1/stress_alerts", "stress/v1/+/stress_alert"),
        ("Stress/v1/D/Stress_Alert", "stress/v1/D/stress_alert"),
        ("stress/v1/+/stress_alert", None),
        ("stress/v1/D/data_received", None),
        ("stress/v1/#", None),
        ("stress/v1/+/+", None),
        ("stress/v1/D/my_topic", None),
        ("home/+/stress_alert", None),
        ("#", None),
        ("", None),
        ("/", None),
    ],
)
def test_near_filter(topic_filter: str, meant: str | None) -> None:
    assert near_filter(topic_filter) == meant


@pytest.mark.parametrize("topic_filter", NEAR_FILTERS)
def test_no_filter_matches_a_topic_of_the_contract(topic_filter: str) -> None:
    assert not any(topic_matches(topic_filter, channel.topic("t1")) for channel in CHANNELS)


@pytest.mark.parametrize(
    "topic",
    [
        "/stress/v1/t1/esp32_sensor_data",
        "stress/v1/t1/esp32_sensor_data/",
        "stress/v1/t1/ESP32_sensor_data",
        "stress/v1/t1/sensor_data",
        "stress/v1/t1/status",
        "stress/v1/esp32_sensor_data",
        "stress/v1/a/b/esp32_sensor_data",
        "stress/V1/t1/esp32_sensor_data",
        "Stress/v1/t1/esp32_sensor_data",
        "stress/t1/esp32_sensor_data",
        "t1/esp32_sensor_data",
        "esp32_sensor_data",
    ],
)
def test_common_mistakes_match_one_filter(topic: str) -> None:
    assert sum(topic_matches(topic_filter, topic) for topic_filter in NEAR_FILTERS) == 1


def test_what_is_meant_can_be_told_apart() -> None:
    assert near_topic("stress/v1/t1") == NearTopic(None, "t1", SAMPLES)
