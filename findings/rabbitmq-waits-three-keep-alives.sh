#!/usr/bin/env bash
# Guess: a client that has gone silent is cut off after one and a half times its keep alive, as MQTT 3.1.1 has it ("MUST
# disconnect", [MQTT-3.1.2-24]), and its will is published then.
# Seen (RabbitMQ 3.10.8 of Debian 12, MQTT 3.1.1, paho-mqtt 2.2.0): after two to three times, and after three where nothing
# came since CONNECT. It looks once in a keep alive if anything has come, and gives up the second time that nothing has. A
# device with a keep alive of 60 s that loses its power is "online" for up to three minutes.
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


def text(value: str) -> bytes:
    return len(value).to_bytes(2, "big") + value.encode()


def silent(port: int, keep_alive_s: int, ping_at: float = 0) -> tuple[float, float]:
    """Connect, perhaps ping once, and say no more; how long until the end of the connection, and until its will.

    Times are parts of the keep alive.
    """
    wills: queue.Queue[float] = queue.Queue()
    subscribed = threading.Event()
    watcher = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id="watcher")
    watcher.on_subscribe = lambda *_: subscribed.set()
    watcher.on_message = lambda *_: wills.put(time.monotonic())
    watcher.connect("127.0.0.1", port)
    watcher.loop_start()
    watcher.subscribe("wills", 1)
    assert subscribed.wait(10)
    with socket.create_connection(("127.0.0.1", port), timeout=60) as device:
        name_and_will = text("device") + text("wills") + text("offline")
        connect = text("MQTT") + b"\x04\x06" + keep_alive_s.to_bytes(2, "big") + name_and_will
        device.sendall(bytes([0x10, len(connect)]) + connect)
        assert device.recv(4) == b"\x20\x02\x00\x00"
        if ping_at:
            time.sleep(ping_at * keep_alive_s)
            device.sendall(b"\xc0\x00")
            assert device.recv(2) == b"\xd0\x00"
        began = time.monotonic()
        assert device.recv(1) == b""
        ended = time.monotonic()
    published = wills.get(timeout=60)
    watcher.disconnect()
    watcher.loop_stop()
    return (ended - began) / keep_alive_s, (published - began) / keep_alive_s


with rabbitmq() as port:
    for keep_alive_s in (2, 4):
        cut_off, will = silent(port, keep_alive_s)
        print(f"keep alive {keep_alive_s} s: cut off after {cut_off:.2f} of it, its will after {will:.2f}")
        assert 2.7 < cut_off < 3.9, "this has changed"
        assert 2.7 < will < 3.9, "this has changed"
    cut_off, will = silent(port, 4, ping_at=1.5)
    print(f"keep alive 4 s, silent after a ping: cut off after {cut_off:.2f} of it, its will after {will:.2f}")
    assert 2.0 < cut_off < 3.0, "this has changed"
    assert 2.0 < will < 3.0, "this has changed"
PY
