"""The topics and filters that both profiles are held against; `broker.auth.acl` says what is to come out."""

from broker.auth.identity import Identity
from broker.contract import CHANNELS, ROOT, SENSOR_DATA
from tests.system.deploy.brokers import DEVICE, SIBLING

WHO = Identity(DEVICE, "device")

TOPICS = [
    *(channel.topic(device) for channel in CHANNELS for device in (DEVICE, SIBLING)),
    f"{ROOT}/{DEVICE}/other",
    f"{ROOT}/{DEVICE}",
    f"{ROOT}/{DEVICE}/esp32_sensor_data/deeper",
    f"deeper/{ROOT}/{DEVICE}/esp32_sensor_data",
    # RabbitMQ keeps topics with dots between the levels.
    f"{ROOT.replace('/', '.')}.{SIBLING}.esp32_sensor_data",
]
"""What a device might publish on."""

FILTERS = [
    (asked, channel.topic(device))
    for channel in CHANNELS
    for device, others in ((DEVICE, ()), (SIBLING, ("#", f"{ROOT}/#", f"{ROOT}/{SIBLING}/+", f"{ROOT}/*/{channel.name}")))
    for asked in (channel.topic(device), channel.topic("+"), f"$share/stresswire/{channel.topic('+')}", *others)
]
"""What a device might ask for, and a topic that somebody then publishes on."""

NEARLY = [
    f"{SENSOR_DATA.topic(DEVICE)}/",
    f"/{SENSOR_DATA.topic(DEVICE)}",
    f"{ROOT}/{DEVICE}/sensor_data",
    f"{ROOT}/{DEVICE}/data",
    f"stress/{DEVICE}/esp32_sensor_data",
    f"{DEVICE}/esp32_sensor_data",
]
"""Topics by which a device means `esp32_sensor_data`, and which Mosquitto's profile lets it publish on."""
MORE_NEARLY = [
    f"stress//v1/{DEVICE}/esp32_sensor_data",
    f"STRESS/v1/{DEVICE}/esp32_sensor_data",
    f"Stress/V1/{DEVICE}/esp32_sensor_data",
    f"stress/V1/{DEVICE}/esp32_sensor_data",
    f"{ROOT}/{DEVICE}/ESP32_SENSOR_DATA",
    f"{ROOT}/{DEVICE}/esp32-sensor-data",
    f"//{SENSOR_DATA.topic(DEVICE)}",
]
"""More of them."""
