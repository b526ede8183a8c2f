"""The topics and filters that both profiles are held against; `broker.auth.acl` says what is to come out."""

from broker.auth.identity import Identity
from broker.contract import CHANNELS, ROOT
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
