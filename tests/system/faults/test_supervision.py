"""Which task's end ends the process, and which is started again: each is made to raise.

The rule stands in docs/reliability.md, "When a task fails".
"""

import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from broker.contract import ROOT
from tests.support.command_line import token_of
from tests.support.command_server import stresswire
from tests.support.harness import Frontend, Stack, mosquitto, publish, wait_until
from tests.support.people import ask
from tests.system.faults.raising_at import MESSAGE, POISON_HR

GOOD = {"hr": 75.5, "temp": 36.2, "eda": 0.45}


def stack_with(folder: Path, point: str, *arguments: str, **settings: str) -> Stack:
    return Stack(folder, *arguments, program=("tests.system.faults.raising_at", point), **settings)


def counted(stack: Stack, metric: str, label: str) -> dict[str, float]:
    """A counter of the server's, by a label."""
    text = ask(stack, "GET", "/metrics").body.decode()
    lines = [line for line in text.splitlines() if line.startswith(f"{metric}{{")]
    return {line.partition(f'{label}="')[2].partition('"')[0]: float(line.rpartition(" ")[2]) for line in lines}


def restarts(stack: Stack) -> dict[str, float]:
    """How often each task was started again."""
    return counted(stack, "stresswire_task_restarts_total", "task")


def works(stack: Stack, device_id: str) -> bool:
    """Whether a sample goes all the way to a frontend."""
    with Frontend(stack) as frontend:
        publish(stack.mqtt_port, device_id, json.dumps(GOOD))
        wait_until(lambda: any(one["device_id"] == device_id for one in frontend.events("new_sensor_data")))
    return True


def sample(stack: Stack) -> None:
    publish(stack.mqtt_port, "first", json.dumps(GOOD))


def sample_of_the_gateway(stack: Stack) -> None:
    """A sample whose answer the gateway waits for: it looks at no other."""
    with Frontend(stack) as frontend:
        frontend.emit("esp32_sensor_data", {**GOOD, "device_id": "first"})
        wait_until(lambda: MESSAGE in stack.output)


def status(stack: Stack) -> None:
    publish(stack.mqtt_port, "first", '{"status":"online"}', name="device_status")


def result(stack: Stack) -> None:
    publish(stack.mqtt_port, "first", '{"command_id":"a","status":"done"}', name="command_result")


def stay(stack: Stack) -> None:
    with Frontend(stack) as frontend:
        wait_until(lambda: MESSAGE in stack.output)
        wait_until(lambda: len(frontend.events("client_stats")) > 1)


def nothing(_stack: Stack) -> None: ...


@pytest.mark.parametrize(
    ("point", "task", "cause"),
    [
        ("alerts are read", "alert outbox", nothing),
        ("numbers are told", "gateway sockets", stay),
    ],
)
def test_a_task_is_started_again(tmp_path: Path, point: str, task: str, cause: Callable[[Stack], None]) -> None:
    with stack_with(tmp_path, point) as stack:
        cause(stack)
        wait_until(lambda: restarts(stack) == {task: 1})
        assert f"{task} failed" in stack.output
        assert MESSAGE in stack.output
        assert works(stack, "second")
        answer = ask(stack, "POST", "/api/esp32/data", {**GOOD, "device_id": "third"})
        assert answer.status == 201
        assert ask(stack, "GET", "/readyz").status == 200
        assert stack.stop() == 0


def refused(stack: Stack) -> dict[str, float]:
    """How many messages the gateway gave up for an error of its own, by channel."""
    return counted(stack, "stresswire_gateway_refused_messages_total", "channel")


@pytest.mark.parametrize(
    ("point", "channel", "cause"),
    [
        ("answers are taken", "data_received", sample_of_the_gateway),
        ("a result is kept", "command_result", result),
        ("a status is noted", "device_status", status),
        ("an event is forwarded", "new_sensor_data", sample),
    ],
)
def test_a_message_that_the_gateway_cannot_deal_with_is_given_up_alone(
    tmp_path: Path, point: str, channel: str, cause: Callable[[Stack], None]
) -> None:
    with stack_with(tmp_path, point) as stack:
        cause(stack)
        wait_until(lambda: refused(stack) == {channel: 1})
        wait_until(lambda: MESSAGE in stack.output)
        assert works(stack, "second")
        assert ask(stack, "POST", "/api/esp32/data", {**GOOD, "device_id": "third"}).status == 201
        assert restarts(stack) == {}
        assert stack.stop() == 0


def test_one_of_the_gateways_tasks_is_started_again(tmp_path: Path) -> None:
    with stack_with(tmp_path, "messages are awaited") as stack:
        wait_until(lambda: list(restarts(stack).values()) == [1])
        assert works(stack, "second")
        assert ask(stack, "POST", "/api/esp32/data", {**GOOD, "device_id": "third"}).status == 201
        assert stack.stop() == 0


@pytest.mark.parametrize("point", ["alerts are never read", "sockets are never looked after"])
def test_a_task_that_always_fails_does_not_keep_the_process_from_ending(tmp_path: Path, point: str) -> None:
    with stack_with(tmp_path, point) as stack:
        wait_until(lambda: sum(restarts(stack).values()) > 3)
        assert works(stack, "second")
        begun_s = time.monotonic()
        assert stack.stop() == 0
        assert time.monotonic() - begun_s < 10


def test_an_alert_that_was_sent_and_not_settled_comes_again(tmp_path: Path) -> None:
    """At least once: the outbox is read again."""
    from tests.support.pipeline import RAISED_S, stream  # noqa: PLC0415 - the model is loaded for this test alone

    with stack_with(tmp_path, "alerts are settled") as stack, Frontend(stack) as frontend:
        ask(stack, "POST", "/api/esp32/data", [{**one, "device_id": "d"} for one in stream(RAISED_S + 5)])
        wait_until(lambda: len(frontend.events("stress_alert")) == 2)
        first, again = frontend.events("stress_alert")
        assert first == again
        wait_until(lambda: stack.count("outbox") == 0)
        assert restarts(stack) == {"alert outbox": 1}


def test_logins_are_read_again(tmp_path: Path) -> None:
    token = token_of(stresswire(tmp_path, "token", "add", "ada", "--role", "admin"))
    with stack_with(tmp_path, "logins are read", auth="required") as stack:
        wait_until(lambda: "logins failed" in stack.output)
        headers = {"Authorization": f"Bearer {token}"}
        assert ask(stack, "GET", "/api/history", headers=headers).status == 200
        assert stresswire(tmp_path, "token", "revoke", "ada").returncode == 0
        wait_until(lambda: ask(stack, "GET", "/api/history", headers=headers).status == 401, 5)


def test_a_simulated_person_comes_back(tmp_path: Path) -> None:
    with stack_with(tmp_path, "a person is simulated", "--demo") as stack:
        wait_until(lambda: stack.count("history_stress") > 0)
        assert restarts(stack) == {"simulated device": 1}


@pytest.mark.parametrize("point", ["the connection is served", "the connection is read"])
def test_the_connection_to_a_broker_is_made_again(tmp_path: Path, point: str) -> None:
    with mosquitto(tmp_path) as url, stack_with(tmp_path, point, mqtt_url=url) as stack:
        sample(stack)
        wait_until(lambda: MESSAGE in stack.output)
        wait_until(lambda: ask(stack, "GET", "/readyz").status == 200)
        assert works(stack, "second")
        wait_until(lambda: stack.count("history_stress") == 2)  # the broker has sent the first one again
        assert stack.stop() == 0


@pytest.mark.parametrize("point", ["a message is decoded", "a reading is made"])
def test_a_message_that_cannot_be_stored_is_refused_alone(tmp_path: Path, point: str) -> None:
    """However many of them a device sends."""
    poison = {**GOOD, "hr": POISON_HR, "boot": "a91fa91fa91fa91f"}
    with stack_with(tmp_path, point) as stack:
        for seq in range(2):
            answer = ask(stack, "POST", "/api/esp32/data", {**poison, "seq": seq, "device_id": "poison"})
            assert (answer.status, answer.body["error"]["code"]) == (400, "internal")
            assert works(stack, f"good_{seq}")
        lines = "".join(json.dumps({**poison, "seq": seq}) + "\n" for seq in range(50))
        topic = f"{ROOT}/poison/esp32_sensor_data"
        command = ["mosquitto_pub", "-p", str(stack.mqtt_port), "-q", "1", "-t", topic, "-l"]
        subprocess.run(command, input=lines.encode(), check=True, timeout=30)
        assert works(stack, "after")
        assert stack.rows("SELECT code, device_id, count(*) FROM rejected GROUP BY 1, 2") == [("internal", "poison", 52)]
        assert stack.rows("SELECT count(*) FROM history_stress WHERE device_id = 'poison'") == [(0,)]
        assert restarts(stack) == {}
        assert stack.output.count("Traceback") < 20, "it is logged now and then"
        assert stack.stop() == 0


@pytest.mark.parametrize("point", ["answers are sent", "every message is decoded"])
def test_ingest_ends_the_process(tmp_path: Path, point: str) -> None:
    """What it has in work is not acknowledged, so that devices send it again to the next process."""
    with stack_with(tmp_path, point) as stack:
        acknowledged = 0
        for number in range(30):
            topic = f"{ROOT}/device_{number}/esp32_sensor_data"
            message = json.dumps({**GOOD, "boot": "a91fa91fa91fa91f", "seq": 1})
            command = ["mosquitto_pub", "-p", str(stack.mqtt_port), "-q", "1", "-t", topic, "-m", message]
            done = subprocess.run(command, capture_output=True, timeout=20, check=False)
            acknowledged += done.returncode == 0
            if not stack.runs:
                break
        assert stack.wait() == 1
        assert MESSAGE in stack.output
        assert stack.rows("SELECT count(*) FROM rejected")[0][0] == acknowledged
    with Stack(tmp_path) as again:
        publish(again.mqtt_port, "first", json.dumps({**GOOD, "boot": "a91fa91fa91fa91f", "seq": 0}))
        assert works(again, "second")


def test_an_event_that_fails_is_answered(tmp_path: Path) -> None:
    with stack_with(tmp_path, "history is read") as stack, Frontend(stack) as frontend:
        for _ in range(2):
            frontend.emit("frontend_request_history", {"limit": 1})
        wait_until(lambda: len(frontend.events("history_data")) == 2)
        first, second = frontend.events("history_data")
        assert (first["error"]["code"], second["count"]) == ("internal", 0)


def test_a_request_that_fails_is_answered(tmp_path: Path) -> None:
    with stack_with(tmp_path, "health is asked") as stack:
        assert [ask(stack, "GET", "/readyz").status for _ in range(2)] == [500, 200]


def test_an_mqtt_connection_that_fails_ends_alone(tmp_path: Path) -> None:
    with stack_with(tmp_path, "a packet is handled") as stack, Frontend(stack) as frontend:
        topic = f"{ROOT}/first/esp32_sensor_data"
        command = ["mosquitto_pub", "-p", str(stack.mqtt_port), "-q", "1", "-t", topic, "-m", json.dumps(GOOD)]
        begun_s = time.monotonic()
        subprocess.run(command, capture_output=True, timeout=20, check=False)
        assert time.monotonic() - begun_s < 15
        publish(stack.mqtt_port, "second", json.dumps(GOOD))
        wait_until(lambda: any(one["device_id"] == "second" for one in frontend.events("new_sensor_data")))
