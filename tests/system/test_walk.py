"""One sample, all the way: recorded people from MQTT to the row, the browser event and the subscriber, on both buses."""

import subprocess
import sys
from collections import Counter
from pathlib import Path

from tests.support.harness import Frontend, Stack, Subscriber, wait_until, write_recording

PEOPLE = {"ann": 620, "bob": 500}
SPEED = 60


def test_recorded_people_reach_record_browser_and_subscriber(any_stack: Stack, tmp_path: Path) -> None:
    recording = tmp_path / "people.csv"
    write_recording(recording, PEOPLE)
    with Frontend(any_stack) as frontend, Subscriber(any_stack.mqtt_port) as subscriber:
        replayed = subprocess.run(
            [sys.executable, "-m", "stresswire", "replay", str(recording), "--speed", str(SPEED)],
            env={"STRESSWIRE_MQTT_BIND": f"127.0.0.1:{any_stack.mqtt_port}", "PATH": ""},
            check=True,
            capture_output=True,
            text=True,
            timeout=100,
        )
        everything = sum(PEOPLE.values())
        assert f"{everything} samples sent, {everything} stored, 0 refused" in replayed.stdout

        stored = Counter(dict(any_stack.rows("SELECT device_id, count(*) FROM history_stress GROUP BY device_id")))
        assert stored == PEOPLE
        ids = {row[0] for row in any_stack.rows("SELECT id FROM history_stress")}
        for heard in (frontend.events, subscriber.payloads):
            wait_until(lambda: len(heard("new_sensor_data")) >= everything)  # noqa: B023
            assert Counter(reading["id"] for reading in heard("new_sensor_data")) == Counter(ids)
            assert {answer["status"] for answer in heard("data_received")} <= {"success"}

        alerts = any_stack.rows("SELECT id, device_id, state, raised_id, late FROM alerts ORDER BY id")
        assert {(device, state) for _, device, state, _, _ in alerts} >= {("ann", "raised"), ("ann", "cleared")}
        raised = {alert_id for alert_id, _, state, _, _ in alerts if state == "raised"}
        assert all(raised_id in raised for _, _, state, raised_id, _ in alerts if state == "cleared")
        for heard in (frontend.events, subscriber.payloads):
            wait_until(lambda: len(heard("stress_alert")) >= len(alerts))  # noqa: B023
            assert [(one["device_id"], one["state"], one["late"]) for one in heard("stress_alert")] == [
                (device, state, bool(late)) for _, device, state, _, late in alerts
            ]

        frontend.emit("frontend_request_history", {"limit": 1000, "device_id": "ann"})
        wait_until(lambda: bool(frontend.events("history_data")))
        page = frontend.events("history_data")[0]
        assert page["count"] == len(page["data"]) == PEOPLE["ann"]
        assert [one["timestamp"] for one in page["data"]] == sorted(
            (one["timestamp"] for one in page["data"]), reverse=True
        )
        live = {one["id"]: one for one in frontend.events("new_sensor_data")}
        # Only what has just come says why; the record does not keep it.
        assert all({**live[one["id"]], "reasons": []} == one for one in page["data"])
        assert sum(bool(one["reasons"]) for one in live.values()) > everything // 2
    assert any_stack.stop() == 0
    assert "Traceback" not in any_stack.output
