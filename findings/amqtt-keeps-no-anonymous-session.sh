#!/usr/bin/env bash
# Guess: with `clean_session=False` a broker keeps what comes at QoS 1 while its client is away, and `session present` in
# CONNACK says that it did.
# Seen (amqtt 0.12.1, paho-mqtt 2.2.0): with AnonymousAuthPlugin, which amqtt has by default, CONNACK says `session present` and
# the subscription is still there, but what was published while the client was away is gone: the plugin marks every session as
# anonymous, also of a client that gave a user name. With a plugin of one's own that only says yes, the same message is
# delivered.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check --no-cache-dir amqtt==0.12.1 paho-mqtt==2.2.0
cd "$folder"
cat >welcome.py <<'PY'
from amqtt.plugins.base import BaseAuthPlugin


class Welcome(BaseAuthPlugin):
    async def authenticate(self, *, session):
        return True
PY
cat >try.py <<'PY'
import asyncio
import logging
import queue
import socket
import threading

import paho.mqtt.client as paho
from amqtt.broker import Broker

logging.disable(logging.CRITICAL)


class Client:
    """A connected client with a user name and a session that is kept."""

    def __init__(self, port: int, client_id: str) -> None:
        self.got: queue.Queue[str] = queue.Queue()
        self.present: queue.Queue[bool] = queue.Queue()
        self._subscribed = threading.Event()
        self.mqtt = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id=client_id, clean_session=False)
        self.mqtt.username_pw_set("alice", "password")
        self.mqtt.on_connect = lambda _client, _data, flags, *_: self.present.put(flags.session_present)
        self.mqtt.on_message = lambda _client, _data, message: self.got.put(message.payload.decode())
        self.mqtt.on_subscribe = lambda *_: self._subscribed.set()
        self.mqtt.connect("127.0.0.1", port)
        self.mqtt.loop_start()
        self.session_present = self.present.get(timeout=5)

    def subscribe(self) -> None:
        self.mqtt.subscribe("samples", 1)
        assert self._subscribed.wait(5)

    def publish(self, payload: str) -> None:
        self.mqtt.publish("samples", payload, 1).wait_for_publish(5)

    def leave(self) -> None:
        self.mqtt.disconnect()
        self.mqtt.loop_stop()


def clients(port: int) -> tuple[bool, list[str]]:
    """Whether CONNACK speaks of a session, and what comes to a client that is back."""
    reader, sender = Client(port, "reader"), Client(port, "sender")
    reader.subscribe()
    reader.leave()
    sender.publish("while away")
    reader = Client(port, "reader")
    sender.publish("now")
    got = list(iter(lambda: reader.got.get(timeout=5), "now"))
    for client in (reader, sender):
        client.leave()
    return reader.session_present, got


async def main(plugin: str) -> tuple[bool, list[str]]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    broker = Broker({"listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{port}"}}, "plugins": {plugin: {}}})
    await broker.start()
    seen = await asyncio.to_thread(clients, port)
    await broker.shutdown()
    return seen


anonymous = asyncio.run(main("amqtt.plugins.authentication.AnonymousAuthPlugin"))
own = asyncio.run(main("welcome.Welcome"))
print("AnonymousAuthPlugin: (session present, delivered):", anonymous)
print("a plugin that only says yes: (session present, delivered):", own)
assert anonymous == (True, []), "this has changed"
assert own == (True, ["while away"]), "this has changed"
PY
"$folder/venv/bin/python" try.py
