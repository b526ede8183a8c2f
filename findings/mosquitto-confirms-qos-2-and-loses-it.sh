#!/usr/bin/env bash
# Guess: QoS 2 is the safest there is: PUBCOMP for a message says that the broker has passed it on, exactly once. Where a
# publisher sends more at once than the broker's `max_inflight_messages`, the rest waits.
# Seen (Mosquitto 2.0.11 of Debian 12, MQTT 3.1.1, paho-mqtt 2.2.0): of 100 messages that a publisher with a window of 100
# sends in one go, as after an outage, all are answered with PUBREC and PUBCOMP, and 20 are passed on: those within
# `max_inflight_messages`, which is 20 without a setting and counts what a client sends too. The others are gone. At QoS 1,
# or with a window of 20, all 100 arrive; `max_inflight_messages 0` is no limit.
# Needs Debian's package mosquitto: without it the exit status is 77.
set -euo pipefail
PATH=$PATH:/usr/sbin
command -v mosquitto >/dev/null || { echo "skipped: the package mosquitto is not installed"; exit 77; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check --no-cache-dir paho-mqtt==2.2.0
mosquitto -h | grep version || true  # its own exit status is 3
cd "$folder"
"$folder/venv/bin/python" - <<'PY'
import contextlib
import queue
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import paho.mqtt.client as paho

COUNT = 100


@contextlib.contextmanager
def mosquitto(*settings: str) -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    lines = [f"listener {port} 127.0.0.1", "allow_anonymous true", "log_dest none", *settings]
    Path("mosquitto.conf").write_text("\n".join(lines) + "\n")
    broker = subprocess.Popen(["mosquitto", "-c", "mosquitto.conf"])
    try:
        for _ in range(100):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                break
            time.sleep(0.05)
        yield port
    finally:
        broker.terminate()
        broker.wait()


@contextlib.contextmanager
def client(port: int, window: int = 20) -> Iterator[paho.Client]:
    mqtt = paho.Client(paho.CallbackAPIVersion.VERSION2)
    mqtt.max_inflight_messages_set(window)
    connected = threading.Event()
    mqtt.on_connect = lambda *_: connected.set()
    mqtt.connect("127.0.0.1", port)
    mqtt.loop_start()
    assert connected.wait(5)
    yield mqtt
    mqtt.disconnect()
    mqtt.loop_stop()


def send(qos: int, window: int, *settings: str) -> tuple[int, int]:
    """Publish all in one go; how many were confirmed, and how many came to a subscriber."""
    got: queue.Queue[str] = queue.Queue()
    subscribed = threading.Event()
    with mosquitto(*settings) as port, client(port) as reader, client(port, window) as sender:
        reader.on_message = lambda _client, _data, message: got.put(message.payload.decode())
        reader.on_subscribe = lambda *_: subscribed.set()
        reader.subscribe("samples", 1)
        assert subscribed.wait(5)
        backlog = [sender.publish("samples", str(number), qos) for number in range(COUNT)]
        for sent in backlog:
            sent.wait_for_publish(10)
        confirmed = sum(sent.is_published() for sent in backlog)
        sender.publish("samples", "end", 1).wait_for_publish(10)
        return confirmed, len([*iter(lambda: got.get(timeout=10), "end")])


lost = send(2, COUNT)
others = {
    "QoS 1, a window of 100": send(1, COUNT),
    "QoS 2, a window of 20": send(2, 20),
    "QoS 2, a window of 100, max_inflight_messages 0": send(2, COUNT, "max_inflight_messages 0"),
}
print(f"of {COUNT} (confirmed, passed on): QoS 2, a window of {COUNT}: {lost}")
for how, counted in others.items():
    print(f"{how}: {counted}")
assert lost[0] == COUNT, "this has changed"
assert 20 <= lost[1] < COUNT, "this has changed"
assert set(others.values()) == {(COUNT, COUNT)}, "this has changed"
PY
