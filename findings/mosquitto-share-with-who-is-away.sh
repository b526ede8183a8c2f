#!/usr/bin/env bash
# Guess: a shared subscription (`$share/GROUP/TOPIC`) hands each message to a member that is connected; one that crashed costs
# nothing.
# Seen (Mosquitto 2.0.11 of Debian 12, paho-mqtt 2.2.0): a member with a persistent session keeps its turn while it is away.
# With one of two workers down every other message waits in its session until it comes back, and arrives then, behind all that
# was shared meanwhile; a worker with a new client id never sees them. Workers of a group want clean sessions.
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

    def subscribe(self, *filters: str) -> None:
        self._subscribed.clear()
        self.mqtt.subscribe([(one, 1) for one in filters])
        assert self._subscribed.wait(5)

    def publish(self, topic: str, payload: str) -> None:
        self.mqtt.publish(topic, payload, 1).wait_for_publish(5)

    def until_marker(self) -> list[str]:
        return list(iter(lambda: self.got.get(timeout=5), "marker"))

    def leave(self) -> None:
        self.mqtt.disconnect()
        self.mqtt.loop_stop()


with socket.create_server(("127.0.0.1", 0)) as free:
    port = free.getsockname()[1]
Path("mosquitto.conf").write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\nlog_dest none\n")
broker = subprocess.Popen(["mosquitto", "-c", "mosquitto.conf"])
try:
    for _ in range(100):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            break
        time.sleep(0.05)
    first, second, sender = Client(port, "first"), Client(port, "second"), Client(port, "sender")
    for worker in (first, second):
        worker.subscribe("$share/workers/samples", "marker")
    first.leave()
    for number in range(10):
        sender.publish("samples", str(number))
    sender.publish("marker", "marker")
    taken = second.until_marker()
    late = Client(port, "first").until_marker()
    print("the worker that stayed:", taken)
    print("the worker that was away, once it is back:", late)
    assert (taken, late) == (["1", "3", "5", "7", "9"], ["0", "2", "4", "6", "8"]), "this has changed"
finally:
    broker.terminate()
    broker.wait()
PY
