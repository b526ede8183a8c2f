"""Each sketch against the project's own servers: samples, sensors, commands, status, settings."""

import json
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.support.harness import Frontend, Stack, Subscriber, publish, wait_until
from tests.system.deploy.proxies import proxy, somewhere
from tests.system.firmware.board import ASLEEP, FAST, Board, board, server_of, stored, wait_for_all, wait_for_samples

SKETCHES = ("mqtt", "socketio", "http")


def newest(stack: Stack, boot: str) -> Any:
    query = f"SELECT hr, temp, eda, quality FROM history_stress WHERE boot = '{boot}' ORDER BY seq DESC LIMIT 1"  # noqa: S608
    return (stack.rows(query) or [(None, None, None, None)])[0]


def order(stack: Stack, device: str, command: str, value: object = None) -> dict[str, Any]:
    """Command a device as an operator does, and wait for what it answers."""
    body = json.dumps({"command": command, **({} if value is None else {"value": value})}).encode()
    request = urllib.request.Request(  # noqa: S310
        f"{stack.url}/api/devices/{device}/commands?wait_s=10", body, {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=20) as response:  # noqa: S310
        found: dict[str, Any] = json.load(response)
    return found


@pytest.mark.parametrize("sketch", SKETCHES)
def test_what_the_sensors_feel_is_in_the_record(sketch: str, stack: Stack, tmp_path: Path) -> None:
    with board(tmp_path, sketch, server_of(stack, sketch), rate_hz="5") as one:
        wait_until(lambda: newest(stack, one.boot)[0] is not None)
        hr, temp, eda, _ = newest(stack, one.boot)
        assert hr == pytest.approx(72, abs=3)
        assert (temp, eda) == (33.5, pytest.approx(2, abs=0.02))
        wait_for_all(stack, one.boot)
        one.world(finger=0, eda=0)
        wait_until(lambda: newest(stack, one.boot)[0::2] == (None, None))
        one.world(finger=1, thermometer=0)
        wait_until(lambda: newest(stack, one.boot)[1] is None)
        one.world(ppg=0, thermometer=1, eda=1)
        wait_until(lambda: newest(stack, one.boot)[0] is None and newest(stack, one.boot)[1] == 33.5)
        one.world(ppg=1)
        wait_until(lambda: newest(stack, one.boot)[0] is not None)
    assert stack.count("rejected") == 0


@pytest.mark.parametrize("sketch", ["socketio", "http"])
def test_a_server_below_a_path(sketch: str, stack: Stack, tmp_path: Path) -> None:
    with (
        proxy("nginx", tmp_path, stack.http_port, somewhere()) as below,
        board(tmp_path, sketch, below.url, rate_hz="5") as one,
    ):
        wait_for_samples(stack, one.boot, 5)


def test_another_circuit_and_another_thermometer(stack: Stack, tmp_path: Path) -> None:
    with board(tmp_path, "mqtt_grove_ds18b20", server_of(stack, "mqtt"), rate_hz="5") as one:
        wait_until(lambda: newest(stack, one.boot)[1] == 33.5)
        one.world(thermometer=0)
        wait_until(lambda: newest(stack, one.boot)[1] is None)


def test_without_any_contact_nothing_is_sent_and_no_number_is_used_up(stack: Stack, tmp_path: Path) -> None:
    with board(tmp_path, "mqtt", server_of(stack, "mqtt"), rate_hz=FAST) as one:
        wait_for_samples(stack, one.boot, 5)
        one.world(finger=0, eda=0, thermometer=0)
        time.sleep(2)  # that nothing comes takes time to see
        seen = len(stored(stack.database_url, one.boot))
        time.sleep(1)
        assert len(stored(stack.database_url, one.boot)) == seen
        one.world(thermometer=1)
        wait_for_all(stack, one.boot, seen + 5)


def test_it_says_how_it_is_and_the_broker_says_when_it_is_gone(stack: Stack, tmp_path: Path) -> None:
    with Subscriber(stack.mqtt_port) as heard, board(tmp_path, "mqtt", server_of(stack, "mqtt")) as one:
        wait_until(lambda: bool(heard.payloads("device_status")))
        said = heard.payloads("device_status")[0]
        assert said["status"] == "online"
        assert (said["device_id"], said["firmware"], said["dropped"]) == ("ESP32_001", "1.0.0", 0)
        one.kill()
        wait_until(lambda: heard.payloads("device_status")[-1]["status"] == "offline")
    with Subscriber(stack.mqtt_port) as late:  # retained
        wait_until(lambda: [one["status"] for one in late.payloads("device_status")] == ["offline"])


@pytest.mark.parametrize("sketch", ["mqtt", "socketio"])
def test_commands_are_carried_out_and_answered(sketch: str, stack: Stack, tmp_path: Path) -> None:
    with Frontend(stack) as frontend, board(tmp_path, sketch, server_of(stack, sketch)) as one:
        wait_for_samples(stack, one.boot, 1)
        assert order(stack, one.device_id, "sampling_rate", 10)["status"] == "done"
        wait_for_samples(stack, one.boot, len(stored(stack.database_url, one.boot)) + 20, timeout_s=8)
        refused = order(stack, one.device_id, "sampling_rate", 100)
        assert (refused["status"], refused["message"]) == ("refused", "sampling_rate must be 0.1-10 Hz")
        assert order(stack, one.device_id, "identify", 2)["status"] == "done"
        one.process.wait_for("led on")
        assert order(stack, one.device_id, "explode")["status"] == "unknown_command"
        one.world(eda=9)  # a resistor of 100 kOhm, measured 10 % too low
        wait_until(lambda: (newest(stack, one.boot)[2] or 0) > 8.9)
        wait_for_samples(stack, one.boot, len(stored(stack.database_url, one.boot)) + 6)
        assert order(stack, one.device_id, "calibrate", "open")["status"] == "refused"  # this circuit has no such constant
        assert order(stack, one.device_id, "calibrate", 100)["status"] == "done"
        wait_until(lambda: newest(stack, one.boot)[2] == pytest.approx(10, abs=0.05))
        wait_until(lambda: len(frontend.events("command_result")) == 6)
        assert order(stack, one.device_id, "reboot")["status"] == "accepted"
        before = one.boot
        one.restarted()
        assert one.boot != before
        wait_for_samples(stack, one.boot, 15, timeout_s=8)  # at the rate that it was told
        wait_until(lambda: newest(stack, one.boot)[2] == pytest.approx(10, abs=0.05))  # and calibrated
        wait_for_all(stack, before)


def test_it_sleeps_and_wakes_without_losing_a_sample(stack: Stack, tmp_path: Path) -> None:
    with Subscriber(stack.mqtt_port) as heard, board(tmp_path, "mqtt", server_of(stack, "mqtt"), rate_hz=FAST) as one:
        before = one.boot
        wait_for_samples(stack, before, 10)
        assert order(stack, one.device_id, "sleep", 60)["status"] == "accepted"
        assert one.process.wait() == ASLEEP
        assert "asleep for 60 s" in one.process.lines
        wait_until(lambda: heard.payloads("device_status")[-1]["status"] == "sleeping")  # and no will
        # A command that comes meanwhile waits in the broker's session.
        publish(
            stack.mqtt_port, one.device_id, json.dumps({"command_id": "c1", "command": "identify"}), name="device_command"
        )
        one.start()
        wait_for_samples(stack, one.boot, 10)
        wait_for_all(stack, before)
        wait_until(lambda: any(result["command_id"] == "c1" for result in heard.payloads("command_result")))


def test_a_command_that_comes_twice_is_done_once(stack: Stack, tmp_path: Path) -> None:
    with Subscriber(stack.mqtt_port) as heard, board(tmp_path, "mqtt", server_of(stack, "mqtt"), rate_hz=FAST) as one:
        one.linked()
        reboot = json.dumps({"command_id": "r1", "command": "reboot"})
        publish(stack.mqtt_port, one.device_id, reboot, name="device_command")
        one.restarted()
        one.linked()
        publish(stack.mqtt_port, one.device_id, reboot, name="device_command")
        wait_until(lambda: len(heard.payloads("command_result")) == 2)
        assert [result["status"] for result in heard.payloads("command_result")] == ["accepted", "done"]
        for rate in (99, 5):  # one identifier is one command, whatever comes with it
            same = json.dumps({"command_id": "s1", "command": "sampling_rate", "value": rate})
            publish(stack.mqtt_port, one.device_id, same, name="device_command")
        wait_until(lambda: len(heard.payloads("command_result")) == 4)
        assert [result["status"] for result in heard.payloads("command_result")[2:]] == ["refused", "refused"]
        wait_for_samples(stack, one.boot, 20)
        assert one.process.runs


GARBAGE = (
    b"",
    b"\0",
    b"{",
    b'{"command_id":',
    b"[" * 600,
    b'{"command_id":"g","command":"reboot"',
    b"\xff" * 300,
    b"x" * 20_000,
)


def test_garbage_on_its_topics_changes_nothing(stack: Stack, tmp_path: Path) -> None:
    with board(tmp_path, "mqtt", server_of(stack, "mqtt"), rate_hz=FAST) as one:
        wait_for_samples(stack, one.boot, 5)
        for payload in GARBAGE:
            for name in ("device_command", "data_received"):
                publish(stack.mqtt_port, one.device_id, payload, name=name)
        wait_for_all(stack, one.boot, len(stored(stack.database_url, one.boot)) + 20)
        assert order(stack, one.device_id, "identify", 1)["status"] == "done"


def test_it_is_set_up_on_a_page_too(stack: Stack, tmp_path: Path) -> None:
    with Board(tmp_path / "board", "mqtt") as one:
        one.process.wait_for("join the network stresswire-")
        one.world(portal_ssid="home", portal_password="p", portal_server=server_of(stack, "mqtt"), portal_device_id="E7")
        one.world(portal_done=1)
        one.restarted()
        one.world(portal_done=0)
        wait_for_samples(stack, one.boot, 1)
        assert stack.rows("SELECT DISTINCT device_id FROM history_stress") == [("E7",)]
        assert (one.folder / "nvs/stresswire/wifi_ssid").read_text() == "home"


def test_its_button_brings_the_page_back(stack: Stack, tmp_path: Path) -> None:
    with board(tmp_path, "mqtt", server_of(stack, "mqtt")) as one:
        one.linked()
        one.world(button=1)
        one.restarted()
        one.world(button=0)
        one.process.wait_for("join the network stresswire-")
        one.world(portal_ssid="elsewhere", portal_device_id="E8", portal_done=1)
        one.restarted()
        one.world(portal_done=0)
        wait_for_samples(stack, one.boot, 1)
        assert ("E8",) in stack.rows("SELECT DISTINCT device_id FROM history_stress")
        one.kill()
        one.start()
        one.linked()  # the page was asked for once


def test_what_is_typed_counts_after_a_restart(stack: Stack, tmp_path: Path) -> None:
    """A name that changes while samples wait would store them twice, under both."""
    with board(tmp_path, "http", server_of(stack, "http"), rate_hz=FAST) as one:
        wait_for_samples(stack, one.boot, 5)
        one.process.type("set device_id ANOTHER\nsave")
        one.process.wait_for("saved")
        wait_for_samples(stack, one.boot, len(stored(stack.database_url, one.boot)) + 20)
        assert stack.rows("SELECT DISTINCT device_id FROM history_stress") == [("ESP32_001",)]
        one.process.type("restart")
        one.restarted()
        wait_for_samples(stack, one.boot, 5)
        assert ("ANOTHER",) in stack.rows("SELECT DISTINCT device_id FROM history_stress")


def test_after_a_brown_out_the_radio_takes_less(stack: Stack, tmp_path: Path) -> None:
    with board(tmp_path, "mqtt", server_of(stack, "mqtt")) as one:
        one.linked()
        assert not any("power" in line for line in one.process.lines)
        one.kill()
        one.world(brownout=1)
        one.start()
        one.process.wait_for("wifi: power 34")
        one.linked()


@pytest.mark.parametrize(
    ("sketch", "server", "says"),
    [
        ("mqtt", "http://127.0.0.1:1", "this sketch speaks mqtt:// and mqtts://"),
        ("socketio", "mqtt://127.0.0.1:1", "this sketch speaks http:// and https://"),
        ("http", "mqtt://127.0.0.1:1", "this sketch speaks http:// and https://"),
        ("mqtt", "mqtts://127.0.0.1:1", "mqtts:// needs the ca"),
        ("socketio", "https://127.0.0.1:1", "https:// needs the ca"),
        ("http", "https://127.0.0.1:1", "https:// needs the ca"),
    ],
)
def test_what_cannot_work_is_said_in_a_line(sketch: str, server: str, says: str, tmp_path: Path) -> None:
    with board(tmp_path, sketch, server) as one:
        one.process.wait_for(says)
