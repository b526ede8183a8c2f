"""What must not be stored: each answered with an error that names the field, kept in `rejected`, and life goes on."""

import http.client
import json
import math
import subprocess
from typing import Any, NamedTuple

import pytest

from broker.contract import MAX_PAYLOAD_BYTES
from tests.support.harness import Frontend, Stack, Subscriber, publish, wait_until

GOOD = b'{"hr":75,"temp":36.2,"eda":0.4}'


class Bad(NamedTuple):
    """A payload and the error that it deserves."""

    name: str
    payload: bytes
    code: str
    field: str | None = None


BAD = [
    Bad("not JSON", b"hello", "not_json"),
    Bad("half of it", b'{"hr":75,', "not_json"),
    Bad("not UTF-8", b'{"hr":75,"x":"\xff\xfe"}', "not_utf8"),
    Bad("NaN", b'{"hr":NaN,"temp":36}', "not_finite", "hr"),
    Bad("Infinity", b'{"hr":75,"eda":-Infinity}', "not_finite", "eda"),
    Bad("1e999", b'{"temp":1e999}', "not_finite", "temp"),
    Bad("a string for a number", b'{"hr":"75"}', "wrong_type", "hr"),
    Bad("an object for a number", b'{"hr":75,"eda":{}}', "wrong_type", "eda"),
    Bad("true for a number", b'{"hr":true}', "wrong_type", "hr"),
    Bad("a number", b"5", "wrong_type"),
    Bad("no channel", b'{"hr":null,"device_id":"D"}', "missing", "hr"),
    Bad("nothing in it", b"{}", "missing", "hr"),
    Bad("out of range", b'{"hr":900}', "out_of_range", "hr"),
    Bad("another device's name", b'{"hr":75,"device_id":"OTHER"}', "device_mismatch", "device_id"),
    Bad("a name that is none", b'{"hr":75,"device_id":"a/b"}', "invalid", "device_id"),
    Bad("501 samples", b"[" + b",".join([GOOD] * 501) + b"]", "too_many"),
    Bad("85,000 elements that only Python reads", b"[NaN" + b",[]" * 85_000 + b"]", "too_many"),
    Bad("an empty batch", b"[]", "empty"),
    Bad("1 MB", b'{"hr":75,"x":"' + b"y" * 1_000_000 + b'"}', "too_large"),
    Bad("deep nesting", b'{"hr":75,"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "too_deep"),
    Bad("empty", b"", "empty"),
    Bad("boot without seq", b'{"hr":75,"boot":"b"}', "missing", "seq"),
    Bad("a stamp", b'{"hr":75,"boot":"~b","seq":1}', "reserved", "boot"),
]


def post(stack: Stack, body: bytes, content_type: str = "application/json", **headers: str) -> tuple[int, dict[str, Any]]:
    connection = http.client.HTTPConnection("127.0.0.1", stack.http_port, timeout=15)
    try:
        connection.request("POST", "/api/esp32/data", body, {"Content-Type": content_type, **headers})
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


def test_over_mqtt(any_stack: Stack) -> None:
    # Only the embedded broker knows whether a client or the gateway published, and closes on what is too large.
    unanswered = "too_large" if any_stack.embedded else "reserved"
    all_bad = [bad for bad in BAD if bad.code != unanswered]
    with Subscriber(any_stack.mqtt_port) as subscriber:
        for at, bad in enumerate(all_bad):
            publish(any_stack.mqtt_port, "D", bad.payload)
            wait_until(lambda: len(subscriber.payloads("data_received")) > at)  # noqa: B023
            answer = subscriber.payloads("data_received")[at]
            error = answer.get("error", {})
            assert (answer["status"], error.get("code"), error.get("field")) == ("error", bad.code, bad.field), bad.name
            assert answer["message"] == error["message"]
        publish(any_stack.mqtt_port, "D", GOOD)
        wait_until(lambda: len(subscriber.payloads("new_sensor_data")) == 1)
    kept = any_stack.rows("SELECT code, field, length, length(payload) FROM rejected ORDER BY id")
    assert kept == [(bad.code, bad.field, len(bad.payload), min(4096, len(bad.payload))) for bad in all_bad]
    assert any_stack.count("history_stress") == 1
    assert any_stack.stop() == 0
    assert "Traceback" not in any_stack.output


def test_a_huge_mqtt_message_closes_the_connection_and_nothing_else(stack: Stack) -> None:
    with pytest.raises(subprocess.CalledProcessError):
        publish(stack.mqtt_port, "D", b'{"hr":75,"x":"' + b"y" * (2 * MAX_PAYLOAD_BYTES) + b'"}')
    publish(stack.mqtt_port, "D", GOOD)
    assert (stack.count("history_stress"), stack.count("rejected")) == (1, 0)
    assert "a PUBLISH of more than" in stack.output


@pytest.mark.parametrize("bad", [bad for bad in BAD if bad.name != "another device's name"], ids=lambda bad: bad.name)
def test_over_http(shared_stack: Stack, bad: Bad) -> None:
    before = shared_stack.count("rejected")
    status, answer = post(shared_stack, bad.payload)
    assert (answer["status"], answer["error"]["code"]) == ("error", bad.code)
    assert answer["error"].get("field") == bad.field
    if bad.code == "too_large":
        assert (status, shared_stack.count("rejected")) == (413, before)
    else:
        assert (status, shared_stack.count("rejected")) == (400, before + 1)
    assert post(shared_stack, GOOD)[0] == 201


def test_a_form_is_not_json(shared_stack: Stack) -> None:
    status, answer = post(shared_stack, b"hr=75", "application/x-www-form-urlencoded")
    assert status == 415
    assert "application/json" in answer["message"]


def test_a_batch_keeps_its_good_samples(shared_stack: Stack) -> None:
    batch = [{"hr": 70, "boot": "b1", "seq": 1}, {"hr": 900, "boot": "b1", "seq": 2}, {"hr": math.nan}]
    status, answer = post(shared_stack, json.dumps(batch).encode())
    assert (status, answer["status"], answer["count"]) == (207, "partial", 1)
    assert [(error["index"], error["error"]["field"]) for error in answer["errors"]] == [(1, "hr"), (2, "hr")]
    assert answer["errors"][0]["seq"] == 2


def test_over_socket_io(stack: Stack) -> None:
    with Frontend(stack) as frontend:
        for at, (payload, code, field) in enumerate(
            [
                ('{"hr":NaN}', "not_finite", "hr"),
                ('{"hr":nan}', "not_finite", "hr"),
                ('{"hr":nann}', "not_json", None),
                ('{"hr":1e999,"eda":1}', "not_finite", "hr"),
                ('"{\\"hr\\":Infinity}"', "not_finite", "hr"),
                ('"not JSON"', "not_json", None),
                ("[" * 5000 + "]" * 5000, "too_deep", None),
                ("null", "wrong_type", None),
                ("[]", "empty", None),
                ('{"hr":"75"}', "wrong_type", "hr"),
            ]
        ):
            frontend.type("raw " + payload)
            wait_until(lambda: len(frontend.events("data_received")) > at)  # noqa: B023
            error = frontend.events("data_received")[at]["error"]
            assert (error["code"], error.get("field")) == (code, field), payload[:40]
        frontend.emit("esp32_sensor_data", {"hr": 70})
        wait_until(lambda: frontend.events("data_received")[-1]["status"] == "success")
    assert stack.count("rejected") == 10
    assert stack.stop() == 0
    assert "Traceback" not in stack.output


def test_a_huge_socket_io_message_closes_the_connection_and_nothing_else(stack: Stack) -> None:
    with Frontend(stack) as frontend:
        frontend.emit("esp32_sensor_data", {"hr": 70, "x": "y" * (2 * MAX_PAYLOAD_BYTES)})
        frontend.wait_for("disconnected")
    assert post(stack, GOOD)[0] == 201
    assert "Traceback" not in stack.output
