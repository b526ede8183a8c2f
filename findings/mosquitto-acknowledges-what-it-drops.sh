#!/usr/bin/env bash
# Guess: at QoS 1 a PUBACK says that the broker has the message for its subscribers; what a limit keeps out is refused or not
# acknowledged, and a full queue makes room by dropping the oldest.
# Seen (Mosquitto 2.0.11 of Debian 12, MQTT 3.1.1, paho-mqtt 2.2.0): PUBACK comes for everything. A payload over
# `message_size_limit` reaches nobody, and of ten messages for a session with `max_queued_messages 5` the five oldest are kept
# and the newest dropped. A publisher cannot tell; `max_packet_size` in place of `message_size_limit` ends the connection
# instead.
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
from pathlib import Path

import paho.mqtt.client as paho


class Client:
    """A connected client with a session that is kept."""

    def __init__(self, port: int, client_id: str) -> None:
        self.got: queue.Queue[str] = queue.Queue()
        self._subscribed = threading.Event()
        self.mqtt = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id=client_id, clean_session=False)
        self.mqtt.on_message = lambda _client, _data, message: self.got.put(message.payload.decode())
        self.mqtt.on_subscribe = lambda *_: self._subscribed.set()
        self.mqtt.connect("127.0.0.1", port)
        self.mqtt.loop_start()

    def subscribe(self, topic: str) -> None:
        self._subscribed.clear()
        self.mqtt.subscribe(topic, 1)
        assert self._subscribed.wait(5)

    def acknowledged(self, topic: str, payload: str) -> bool:
        sent = self.mqtt.publish(topic, payload, 1)
        sent.wait_for_publish(5)
        return sent.is_published()

    def until(self, last: str) -> list[str]:
        return [*iter(lambda: self.got.get(timeout=5), last)]

    def leave(self) -> None:
        self.mqtt.disconnect()
        self.mqtt.loop_stop()


with socket.create_server(("127.0.0.1", 0)) as free:
    port = free.getsockname()[1]
limits = "message_size_limit 100\nmax_queued_messages 5\n"
Path("mosquitto.conf").write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\nlog_dest none\n{limits}")
broker = subprocess.Popen(["mosquitto", "-c", "mosquitto.conf"])
try:
    for _ in range(100):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            break
        time.sleep(0.05)
    sender, reader = Client(port, "sender"), Client(port, "reader")
    reader.subscribe("samples")
    large = sender.acknowledged("samples", "x" * 101), sender.acknowledged("samples", "end"), reader.until("end")
    reader.leave()
    queued = sum(sender.acknowledged("samples", str(number)) for number in range(10))
    reader = Client(port, "reader")
    reader.subscribe("samples")  # the answer comes after what was queued
    sender.acknowledged("samples", "end")
    kept = reader.until("end")
    print("101 bytes of 100: (acknowledged, the next one acknowledged, delivered before the next one):", large)
    print(f"ten for a queue of five: {queued} acknowledged, delivered:", kept)
    assert large == (True, True, []), "this has changed"
    assert (queued, kept) == (10, ["0", "1", "2", "3", "4"]), "this has changed"
finally:
    broker.terminate()
    broker.wait()
PY
