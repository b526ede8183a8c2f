#!/usr/bin/env bash
# Guess: what is published at QoS 0 while a subscriber with a persistent session is away is lost; Mosquitto, for one, keeps
# only QoS 1 and 2 unless it is told to (`queue_qos0_messages`).
# Seen (RabbitMQ 3.10.8 of Debian 12, MQTT 3.1.1, paho-mqtt 2.2.0): it is kept for as long as QoS 1 is, where the
# subscription has QoS 1: the queue is one for both. A device that says QoS 0 "because it may be lost" fills the disk all
# the same. For a subscription at QoS 0 nothing is kept, not even what was published at QoS 1.
# Needs Debian's package rabbitmq-server: without it the exit status is 77.
set -euo pipefail
PATH=$PATH:/usr/lib/rabbitmq/bin
[ -x /usr/lib/rabbitmq/bin/rabbitmq-server ] || { echo "skipped: the package rabbitmq-server is not installed"; exit 77; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check --no-cache-dir paho-mqtt==2.2.0
basename /usr/lib/rabbitmq/lib/rabbitmq_server-*
cd "$folder"
"$folder/venv/bin/python" - <<'PY'
import contextlib
import os
import queue
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import paho.mqtt.client as paho

SERVER = "/usr/lib/rabbitmq/bin/rabbitmq-server"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


@contextlib.contextmanager
def rabbitmq() -> Iterator[int]:
    """A node of its own in this folder, with a port mapper of its own; the port of its MQTT listener."""
    here, port, mapper = Path.cwd(), free_port(), str(free_port())
    Path("rabbitmq.conf").write_text(f"listeners.tcp = none\nmqtt.listeners.tcp.1 = 127.0.0.1:{port}\n")
    Path("plugins").write_text("[rabbitmq_mqtt].\n")
    Path("nothing").touch()
    env = {
        **os.environ,
        "HOME": str(here),  # its cookie
        "ERL_EPMD_PORT": mapper,
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODENAME": f"finding{port}@localhost",
        "RABBITMQ_DIST_PORT": str(free_port()),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
        "RABBITMQ_CONFIG_FILE": str(here / "rabbitmq.conf"),
        "RABBITMQ_ADVANCED_CONFIG_FILE": str(here / "advanced.config"),
        "RABBITMQ_CONF_ENV_FILE": str(here / "nothing"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(here / "plugins"),
        "RABBITMQ_GENERATED_CONFIG_DIR": str(here / "generated"),
        "RABBITMQ_MNESIA_BASE": str(here / "mnesia"),
        "RABBITMQ_LOG_BASE": str(here / "log"),
        "RABBITMQ_PID_FILE": str(here / "pid"),
        "RABBITMQ_ALLOW_INPUT": "1",  # the script becomes the server, with no shell between
    }
    mapper_command = ["epmd", "-port", mapper, "-address", "127.0.0.1"]
    with contextlib.ExitStack() as started:
        for command in (mapper_command, [SERVER]):
            process = subprocess.Popen(command, env=env, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
            started.callback(process.wait)
            started.callback(process.terminate)
        for _ in range(600):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                break
            assert process.poll() is None, "RabbitMQ did not start"
            time.sleep(0.2)
        yield port


class Client:
    """A connected client that never connects again."""

    def __init__(self, port: int, client_id: str, clean: bool = False, will: str = "") -> None:
        self.got: queue.Queue[str] = queue.Queue()
        self.gone = threading.Event()
        self.present = False
        self._answered = threading.Event()
        self.mqtt = paho.Client(
            paho.CallbackAPIVersion.VERSION2, client_id=client_id, clean_session=clean, reconnect_on_failure=False
        )
        self.mqtt.on_connect = self._connected
        self.mqtt.on_message = lambda _client, _data, message: self.got.put(message.payload.decode())
        self.mqtt.on_subscribe = lambda *_: self._answered.set()
        self.mqtt.on_unsubscribe = lambda *_: self._answered.set()
        self.mqtt.on_disconnect = lambda *_: self.gone.set()
        if will:
            self.mqtt.will_set("wills", will, 1)
        self._until_answered(lambda: (self.mqtt.connect("127.0.0.1", port), self.mqtt.loop_start()))

    def _connected(self, _client: object, _data: object, flags: paho.ConnectFlags, reason: object, _more: object) -> None:
        assert not reason.is_failure
        self.present = flags.session_present
        self._answered.set()

    def _until_answered(self, ask) -> None:
        self._answered.clear()
        ask()
        assert self._answered.wait(10)

    def subscribe(self, topic: str, qos: int) -> None:
        self._until_answered(lambda: self.mqtt.subscribe(topic, qos))

    def unsubscribe(self, topic: str) -> None:
        self._until_answered(lambda: self.mqtt.unsubscribe(topic))

    def publish(self, topic: str, payload: str, qos: int = 1) -> None:
        self.mqtt.publish(topic, payload, qos).wait_for_publish(10)

    def until(self, last: str) -> list[str]:
        return [*iter(lambda: self.got.get(timeout=10), last)]

    def leave(self) -> None:
        self.mqtt.disconnect()
        assert self.gone.wait(10)
        self.mqtt.loop_stop()


with rabbitmq() as port:
    reader = Client(port, "reader")
    reader.subscribe("samples", 1)
    reader.subscribe("status", 0)
    reader.leave()
    sender = Client(port, "sender", clean=True)
    for number in range(5):
        sender.publish("samples", f"sample {number}", 0)
        sender.publish("status", f"status {number}", 1)
    sender.publish("samples", "end")
    reader = Client(port, "reader")
    kept = reader.until("end")
    reader.subscribe("status", 0)
    sender.publish("status", "end")
    others = reader.until("end")
    print("published at QoS 0, subscribed at QoS 1:", kept)
    print("published at QoS 1, subscribed at QoS 0:", others)
    assert kept == [f"sample {number}" for number in range(5)], "this has changed"
    assert others == [], "this has changed"
PY
