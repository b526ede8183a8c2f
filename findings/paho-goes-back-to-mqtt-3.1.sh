#!/usr/bin/env bash
# Guess: a paho client that was made for MQTT 3.1.1 and is refused (CONNACK 1, unacceptable protocol version) says so in
# `on_connect`, and asks for 3.1.1 again when it connects again.
# Seen (paho-mqtt 2.2.0, as it comes): it connects at once as MQTT 3.1 (`MQIsdp`, level 3), without a word but a debug line;
# where that is accepted, `on_connect` says Success. It stays with 3.1 for as long as the object lives, so one such answer (a
# broker behind a proxy that is just being replaced) changes the protocol for good. With `reconnect_on_failure=False`
# it does not, and `on_disconnect` says `Protocol error`.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check --no-cache-dir paho-mqtt==2.2.0
"$folder/venv/bin/python" - <<'PY'
import socket
import threading

import paho.mqtt.client as paho

CONNECTIONS = 3


def serve(listener: socket.socket, asked: list[tuple[str, int]]) -> None:
    """Refuse the first CONNECT with code 1; accept the others, and end the second connection so that a third one comes."""
    for number in range(CONNECTIONS):
        connection, _ = listener.accept()
        with connection:
            body = connection.recv(1024)[2:]
            name = body[2 : 2 + body[1]]
            asked.append((name.decode(), body[2 + len(name)]))
            connection.sendall(bytes((0x20, 2, 0, 1 if number == 0 else 0)))
            if number == CONNECTIONS - 1:
                connection.recv(1024)  # DISCONNECT


asked: list[tuple[str, int]] = []
told: list[str] = []
twice = threading.Event()


def connected(_client: paho.Client, _data: None, _flags: paho.ConnectFlags, reason, _properties) -> None:
    told.append(str(reason))
    if len(told) == CONNECTIONS - 1:
        twice.set()


with socket.create_server(("127.0.0.1", 0)) as listener:
    broker = threading.Thread(target=serve, args=(listener, asked), daemon=True)
    broker.start()
    client = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id="band", protocol=paho.MQTTv311)
    client.on_connect = connected
    client.connect("127.0.0.1", listener.getsockname()[1])
    client.loop_start()
    assert twice.wait(10)
    client.disconnect()
    client.loop_stop()
    broker.join(5)
print("asked for:", asked)
print("on_connect:", told)
assert asked == [("MQTT", 4), ("MQIsdp", 3), ("MQIsdp", 3)], "this has changed"
assert told == ["Success", "Success"], "this has changed"
PY
