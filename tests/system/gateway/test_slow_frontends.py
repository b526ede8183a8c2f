"""Frontends that read slowly or not at all: bounded, told, and nobody else's trouble."""

import json
from pathlib import Path

from broker.contract import Name
from gateway.socketio.server import SEND_BUFFER, WAITING_BYTES
from tests.support.arduino import Arduino
from tests.support.harness import Frontend, Stack, wait_until
from tests.support.people import ask

DEVICES, BATCH, BATCHES = ("a", "b", "c"), 500, 14
FRONTEND = "/socket.io/?EIO=4&type=frontend"


def backfill(stack: Stack, device_id: str, batch: int) -> None:
    samples = [{"hr": 75 + at % 9, "eda": 0.5, "boot": "b", "seq": batch * BATCH + at} for at in range(BATCH)]
    reply = ask(stack, "POST", "/api/esp32/data", [{**one, "device_id": device_id} for one in samples])
    assert reply.status == 201, reply.body


def test_one_that_does_not_read_gets_the_newest_and_is_told_what_it_missed(tmp_path: Path) -> None:
    with Stack(tmp_path) as stack, Arduino(stack.http_port, FRONTEND) as slow, Frontend(stack) as keen:
        slow.send("40")
        slow.wait_for("40")
        before_mb = stack.resident_mb()
        for batch in range(BATCHES):
            for device_id in DEVICES:
                backfill(stack, device_id, batch)
        newest = dict(stack.rows("SELECT device_id, max(id) FROM history_stress GROUP BY device_id"))
        sent = len(DEVICES) * BATCHES * BATCH
        wait_until(lambda: {one["device_id"]: one["id"] for one in keen.events(Name.NEW_SENSOR_DATA)} == newest)
        assert stack.resident_mb() - before_mb < 64

        came, skipped = 0, 0
        last: dict[str, int] = {}
        while last != newest or not skipped:
            event, body = json.loads(slow.wait_for("42")[2:])
            if event == Name.NEW_SENSOR_DATA:
                came += 1
                last[body["device_id"]] = body["id"]
            elif event == Name.EVENTS_SKIPPED:
                skipped += body["count"]
        assert came < sent / 2, "it did not read, and still got nearly everything: nothing was tested"
        assert came * 200 < WAITING_BYTES + 10 * SEND_BUFFER
        assert came + skipped <= sent
        assert ask(stack, "GET", "/readyz").status == 200
