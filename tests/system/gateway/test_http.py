"""The HTTP fallback and what frontends ask over HTTP."""

import gzip
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from broker.contract import ANSWER_TIMEOUT_S, Name
from tests.support import people
from tests.support.harness import Stack, Subscriber, mosquitto
from tests.support.people import Reply

SAMPLE = {"hr": 75.5, "temp": 36.2, "eda": 0.45, "device_id": "H1"}


def ask(stack: Stack, method: str, path: str, body: object = None, **headers: str) -> Reply:
    return people.ask(stack, method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})


def post(stack: Stack, body: object, **headers: str) -> Reply:
    return ask(stack, "POST", "/api/esp32/data", body, **headers)


def test_stored_resent_and_in_conflict(shared_stack: Stack) -> None:
    keyed = {**SAMPLE, "boot": "h1", "seq": 1}
    first = post(shared_stack, keyed)
    assert first.status == 201
    assert first.body["status"] == "success"
    assert (first.body["boot"], first.body["seq"]) == ("h1", 1)
    assert first.body["stress_prediction"]["label"] == "normal"
    assert 0 <= first.body["stress_prediction"]["confidence"] <= 1
    again = post(shared_stack, keyed)
    assert (again.status, again.body["record_id"]) == (200, first.body["record_id"])
    assert again.body["stress_prediction"] == first.body["stress_prediction"]
    other = post(shared_stack, {**keyed, "hr": 80})
    assert (other.status, other.body["error"]["code"]) == (409, "conflict")
    kept = shared_stack.rows("SELECT count(*) FROM history_stress WHERE device_id = 'H1' AND boot = 'h1'")
    assert kept == [(1,)]


def test_an_idempotency_key_stands_for_boot_and_seq(shared_stack: Stack) -> None:
    batch = [SAMPLE, {**SAMPLE, "hr": 76}]
    first = post(shared_stack, batch, Idempotency_Key="abc")
    again = post(shared_stack, batch, Idempotency_Key="abc")
    other = post(shared_stack, batch, Idempotency_Key="abd")
    assert (first.status, again.status, other.status) == (201, 200, 201)
    assert (first.body["count"], again.body["count"]) == (2, 2)
    assert first.body["record_id"] == again.body["record_id"] != other.body["record_id"]


@pytest.mark.parametrize("attempt", range(5))
def test_one_key_for_different_contents_at_once_stores_one_and_says_so_to_the_others(
    shared_stack: Stack, attempt: int
) -> None:
    samples = [{**SAMPLE, "hr": hr} for hr in (70, 71, 72)]
    with ThreadPoolExecutor(3) as threads:
        replies = threads.map(lambda sample: post(shared_stack, sample, Idempotency_Key=f"same {attempt}"), samples)
        assert sorted(reply.status for reply in replies) == [201, 409, 409]


def test_a_body_that_is_not_as_encoded(shared_stack: Stack) -> None:
    reply = post(shared_stack, b"this is no gzip", Content_Encoding="gzip")
    assert (reply.status, reply.body["error"]["code"]) == (400, "invalid")
    assert reply.body["error"]["message"] == "the body is not gzip, as its Content-Encoding says"
    bomb = gzip.compress(b'{"hr":75,"x":"' + b"y" * 50_000_000 + b'"}')
    assert post(shared_stack, bomb, Content_Encoding="gzip").status == 413
    assert "Traceback" not in shared_stack.output


def test_without_a_key_every_sample_is_new(shared_stack: Stack) -> None:
    with ThreadPoolExecutor(8) as threads:
        replies = list(threads.map(lambda _: post(shared_stack, {**SAMPLE, "device_id": "H2"}), range(40)))
    assert {reply.status for reply in replies} == {201}
    assert len({reply.body["record_id"] for reply in replies}) == 40


def test_a_sample_of_nobody_is_of_unknown(shared_stack: Stack) -> None:
    reply = post(shared_stack, {"hr": 70})
    rows = shared_stack.rows(
        f"SELECT device_id, timestamp = received_at, quality FROM history_stress WHERE id = {reply.body['record_id']}"  # noqa: S608
    )
    assert rows[0][:2] == ("unknown", 1)
    assert "clock_unsynced" in rows[0][2]


def test_it_takes_the_same_way_as_mqtt(shared_stack: Stack) -> None:
    with Subscriber(shared_stack.mqtt_port) as subscriber:
        reply = post(shared_stack, {**SAMPLE, "device_id": "H3"})
        subscriber.wait_for('"device_id":"H3"')
        subscriber.wait_for("new_sensor_data")
        assert subscriber.payloads("esp32_sensor_data")[0]["hr"] == SAMPLE["hr"]
        assert subscriber.payloads("data_received") == [reply.body]


def test_cors_for_own_pages_and_loopback_only(shared_stack: Stack) -> None:
    allowed = "Access-Control-Allow-Origin"
    assert post(shared_stack, SAMPLE, Origin="http://localhost:3000").headers[allowed] == "http://localhost:3000"
    assert allowed not in post(shared_stack, SAMPLE, Origin="https://evil.example").headers
    assert allowed not in post(shared_stack, SAMPLE, Origin="null").headers
    preflight = ask(
        shared_stack, "OPTIONS", "/api/esp32/data", Origin="http://127.0.0.1:5173", Access_Control_Request_Method="POST"
    )
    assert preflight.status == 204
    assert "Content-Type" in preflight.headers["Access-Control-Allow-Headers"]


def test_cors_origins_of_the_settings(tmp_path: Path) -> None:
    with Stack(tmp_path, cors_origins="https://lab.example, https://clinic.example") as stack:
        reply = post(stack, SAMPLE, Origin="https://clinic.example")
        assert reply.headers["Access-Control-Allow-Origin"] == "https://clinic.example"
        assert "Access-Control-Allow-Origin" not in post(stack, SAMPLE, Origin="https://evil.example").headers


def test_what_frontends_ask(shared_stack: Stack) -> None:
    info = ask(shared_stack, "GET", "/api/websocket/info").body
    assert {event["name"] for event in info["events"]} == {name.value for name in Name}
    status = ask(shared_stack, "GET", "/api/system/status").body
    assert (status["status"], status["database"], status["broker"]) == ("ok", "ok", "ok")
    assert status["client_stats"] == {"total": 0, "esp32": 0, "frontend": 0}
    assert ask(shared_stack, "GET", "/readyz").status == 200
    missing = ask(shared_stack, "GET", "/nothing")
    assert (missing.status, missing.body["error"]["code"]) == (404, "not_found")
    assert ask(shared_stack, "GET", "/api/esp32/data").headers["Allow"] == "POST"


@pytest.fixture
def stack_without_broker(tmp_path: Path) -> Iterator[Stack]:
    """The external broker dies after the start."""
    with mosquitto(tmp_path) as url:
        stack = Stack(tmp_path, mqtt_url=url)
        stack.wait_for("connected to")
    with stack:
        stack.wait_for("lost")
        yield stack


def test_no_answer_is_503_and_says_that_the_outcome_is_unknown(stack_without_broker: Stack) -> None:
    reply = post(stack_without_broker, SAMPLE)
    assert (reply.status, reply.body["error"]["code"]) == (503, "timeout")
    assert reply.headers["Retry-After"].isdecimal()
    assert f"{ANSWER_TIMEOUT_S:g} s" in reply.body["message"]
    ready = ask(stack_without_broker, "GET", "/readyz")
    assert (ready.status, ready.body["status"]) == (503, "degraded")
    assert ready.body["broker"] != "ok"


def test_a_name_that_was_made_to_point_here_is_refused(shared_stack: Stack) -> None:
    for path in ("/api/system/status", "/socket.io/?EIO=4&transport=polling"):
        assert ask(shared_stack, "GET", path, Host=f"evil.example:{shared_stack.http_port}").status == 403
        assert ask(shared_stack, "GET", path, Host=f"localhost:{shared_stack.http_port}").status == 200


def test_nobody_else_may_read_the_record(shared_stack: Stack) -> None:
    assert shared_stack.database.stat().st_mode & 0o077 == 0
