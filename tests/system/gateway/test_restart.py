"""A restart of the server: clients come back by themselves, and miss nothing."""

import signal
import sys
import time
from pathlib import Path

import pytest

from tests.support.harness import Process, Stack, free_port, node, publish, wait_until
from tests.support.paths import REPOSITORY

BACK_S = 10.0


def frontend(client: str, url: str, transports: str) -> Process:
    if client == "socket.io-client":
        return node("returning.cjs", url, transports)
    command = [sys.executable, "-u", "-m", "tests.support.returning_frontend", url, transports]
    return Process(command, cwd=REPOSITORY)


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("transports", ["websocket", "polling", "polling,websocket"])
@pytest.mark.parametrize("client", ["socket.io-client", "python-socketio"])
def test_clients_are_back_and_miss_nothing(tmp_path: Path, client: str, transports: str, sign: signal.Signals) -> None:
    binds = {"http_bind": f"127.0.0.1:{free_port()}", "mqtt_bind": f"127.0.0.1:{free_port()}"}
    with Stack(tmp_path, **binds) as stack, frontend(client, stack.url, transports) as waiting:
        waiting.wait_for("connected")
        publish(stack.mqtt_port, "D", '{"hr":70}')
        waiting.wait_for("reading 1")
        stack.send(sign)
        stack.wait()
        waiting.wait_for("disconnected")
        with Stack(tmp_path, **binds) as again:
            started_s = time.monotonic()
            publish(again.mqtt_port, "D", '{"hr":71}')
            wait_until(lambda: "reading 2" in waiting.output)
            assert time.monotonic() - started_s < BACK_S
            publish(again.mqtt_port, "D", '{"hr":72}')
            waiting.wait_for("reading 3")
            assert [line for line in waiting.lines if line.startswith("reading")] == ["reading 1", "reading 2", "reading 3"]
            assert waiting.lines.count("connected") == 2
