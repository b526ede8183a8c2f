"""Socket.IO, beyond what the users' own clients check."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import socketio  # type: ignore[import-untyped]

from tests.support.harness import Frontend, Stack, publish, wait_until
from tests.support.people import ask


def talk(
    stack: Stack, conversation: Callable[[socketio.AsyncSimpleClient], Awaitable[None]], kind: str = "frontend"
) -> None:
    async def main() -> None:
        async with socketio.AsyncSimpleClient() as client:
            await client.connect(f"{stack.url}?type={kind}", transports=["websocket"])
            await asyncio.wait_for(conversation(client), 20)

    asyncio.run(main())


def test_every_request_answers_through_an_acknowledgement_too(shared_stack: Stack) -> None:
    async def conversation(client: Any) -> None:
        answer = await client.call("esp32_sensor_data", {"hr": 70, "device_id": "S1"})
        assert answer["status"] == "success"
        history = await client.call("frontend_request_history", {"limit": 1, "device_id": "S1"})
        assert history["data"][0]["id"] == answer["record_id"]
        assert (await client.call("ping", {}))["timestamp"].endswith("Z")
        assert (await client.call("health_check"))["status"] == "ok"
        assert await client.call("frontend_subscribe_alerts", {}) == {"status": "subscribed"}
        bad = await client.call("frontend_request_history", {"limit": 100_000})
        assert (bad["count"], bad["error"]["field"]) == (0, "limit")
        bad = await client.call("frontend_request_history", {"start_date": "yesterday"})
        assert bad["error"]["field"] == "start_date"

    talk(shared_stack, conversation)


def test_the_first_event_comes_after_the_client_has_joined(shared_stack: Stack) -> None:
    async def conversation(client: Any) -> None:
        event, data = await client.receive()
        assert (event, data) == ("connection_status", {"status": "connected", "client_type": "esp32"})

    for kind in ("esp32", "ESP32"):
        talk(shared_stack, conversation, kind)


def test_clients_are_counted_and_an_unknown_type_is_a_frontend(stack: Stack) -> None:
    with Frontend(stack) as frontend:

        async def conversation(_client: Any) -> None:
            await asyncio.to_thread(
                wait_until, lambda: frontend.events("client_stats")[-1:] == [{"total": 2, "esp32": 0, "frontend": 2}]
            )

        talk(stack, conversation, "toaster")
        wait_until(lambda: frontend.events("client_stats")[-1:] == [{"total": 1, "esp32": 0, "frontend": 1}])


def test_an_answer_goes_to_its_sender_only(stack: Stack) -> None:
    with Frontend(stack) as bystander:

        async def conversation(client: Any) -> None:
            assert (await client.call("esp32_sensor_data", {"hr": 70}))["status"] == "success"

        talk(stack, conversation, "esp32")
        wait_until(lambda: bool(bystander.events("new_sensor_data")))
        assert bystander.events("data_received") == []


def test_a_forged_reading_does_not_reach_a_browser(stack: Stack) -> None:
    forged = '{"id":1,"timestamp":"2026-01-01T00:00:00Z","hr":70,"temp":30,"eda":1,"stress_level":"normal",'
    forged += '"confidence":50,"device_id":"F","stress_probability":0.5,"quality":[]}'
    with Frontend(stack) as frontend:
        publish(stack.mqtt_port, "F", forged, name="new_sensor_data")
        publish(stack.mqtt_port, "F", "not JSON", name="device_status")
        publish(stack.mqtt_port, "F", '{"status":"online"}', name="device_status")
        publish(stack.mqtt_port, "F", '{"hr":71}')
        wait_until(lambda: bool(frontend.events("new_sensor_data")))
        assert [one["hr"] for one in frontend.events("new_sensor_data")] == [71]
        assert frontend.events("device_status") == [{"status": "online", "device_id": "F"}]


def test_a_binary_attachment_is_refused_and_kept(stack: Stack) -> None:
    async def conversation(client: Any) -> None:
        data: Any
        for data, code in ((b"\x00\x01", "not_json"), ({"hr": b"\x01"}, "wrong_type"), ([b"\x01"], "missing")):
            answer = await client.call("esp32_sensor_data", data)
            detail = answer.get("error") or answer["errors"][0]["error"]
            assert (answer["status"], detail["code"]) == ("error", code)
        for data in (5, None, [[[]]], "x"):
            assert (await client.call("esp32_sensor_data", data))["status"] == "error"
        for data in (5, "x", [1], {"limit": "all"}):
            assert "error" in await client.call("frontend_request_history", data)

    talk(stack, conversation, "esp32")
    assert stack.count("rejected") == 7
    assert "Traceback" not in stack.output


@pytest.mark.parametrize(
    ("event", "hint"),
    [
        ("esp32_sensordata", "; did you mean esp32_sensor_data?"),
        ("ESP32_SENSOR_DATA", "; did you mean esp32_sensor_data?"),
        ("esp32-sensor-data", "; did you mean esp32_sensor_data?"),
        ("sensor_data", "; did you mean esp32_sensor_data?"),
        ("frontend_request_histroy", "; did you mean frontend_request_history?"),
        ("pingg", "; did you mean ping?"),
        ("health-check", "; did you mean health_check?"),
        ("commandResult", "; did you mean command_result?"),
        ("data_received", "; known are "),
        ("connect", "; known are "),
        ("disconnect", "; known are "),
        ("x" * 500, "; known are "),
    ],
)
def test_an_event_that_does_not_exist_is_answered(shared_stack: Stack, event: str, hint: str) -> None:
    async def conversation(client: Any) -> None:
        answer = await client.call(event, {"hr": 70})
        assert answer["event"] == event[:64]
        assert answer["error"]["code"] == "not_found"
        assert answer["error"]["message"].startswith(f"there is no event {event[:64]!r}{hint}")
        assert [data for name, data in await events_until(client, "event_rejected")][-1] == answer

    talk(shared_stack, conversation, "esp32")
    assert 'reason="unknown"' in ask(shared_stack, "GET", "/metrics").body.decode()


async def events_until(client: Any, last: str) -> list[tuple[str, Any]]:
    """Receive events up to the first that is called `last`."""
    events = []
    while True:
        event, *data = await client.receive(timeout=10)
        events.append((event, data[0] if data else None))
        if event == last:
            return events


@pytest.mark.parametrize(
    ("result", "message"),
    [
        ({"status": "done"}, "command_id must be there, got nothing"),
        ({"command_id": "c1", "status": ""}, "status must be there, got ''"),
        ({"command_id": [1], "status": "done"}, "command_id must be there, got an array"),
        ("done", "command_id must be there, got nothing"),
        (None, "command_id must be there, got nothing"),
    ],
)
def test_a_result_that_cannot_be_read_is_answered(shared_stack: Stack, result: Any, message: str) -> None:
    async def conversation(client: Any) -> None:
        assert (await client.call("esp32_sensor_data", {"hr": 70, "device_id": "S2"}))["status"] == "success"
        answer = await client.call("command_result", result)
        assert (answer["event"], answer["error"]["message"]) == ("command_result", message)

    talk(shared_stack, conversation, "esp32")


def test_a_result_of_one_of_several_devices_names_it(shared_stack: Stack) -> None:
    result = {"command_id": "c1", "status": "done"}

    async def conversation(client: Any) -> None:
        for device_id in ("S4", "S5"):
            assert (await client.call("esp32_sensor_data", {"hr": 70, "device_id": device_id}))["status"] == "success"
        answer = await client.call("command_result", result)
        assert answer["error"]["message"] == "device_id is missing: this connection speaks for several devices"
        for named, got in (("S9", "'S9'"), ("", "''"), (0, "0"), (["S4"], "an array"), ({}, "an object")):
            answer = await client.call("command_result", {**result, "device_id": named})
            assert answer["error"]["message"] == (
                f"device_id must be a device that this connection has sent samples of, got {got}"
            )
        assert not await client.call("command_result", {**result, "device_id": "S5"})

    talk(shared_stack, conversation, "esp32")


def test_a_result_of_nobody_is_answered(shared_stack: Stack) -> None:
    async def conversation(client: Any) -> None:
        answer = await client.call("command_result", {"command_id": "c1", "status": "done"})
        assert answer["error"]["message"] == (
            "nothing says which device it is: connect with type=esp32, and send a sample first"
        )

    talk(shared_stack, conversation)


def test_an_event_with_two_arguments_is_refused(shared_stack: Stack) -> None:
    async def conversation(client: Any) -> None:
        answer = await client.call("esp32_sensor_data", ({"hr": 70, "device_id": "S3"}, {"hr": 71, "device_id": "S3"}))
        assert answer["error"]["message"] == (
            "esp32_sensor_data takes one argument, got 2: several samples go into one array"
        )

    talk(shared_stack, conversation, "esp32")
    assert shared_stack.rows("SELECT count(*) FROM history_stress WHERE device_id = 'S3'") == [(0,)]


def test_another_namespace_says_where_to_connect(shared_stack: Stack) -> None:
    async def main() -> None:
        client = socketio.AsyncClient(reconnection=False)
        refusals: list[Any] = []
        client.on("connect_error", refusals.append, namespace="/api")
        with pytest.raises(socketio.exceptions.ConnectionError):
            await client.connect(shared_stack.url, namespaces=["/api"], transports=["websocket"], wait_timeout=10)
        await client.disconnect()
        (refusal,) = refusals
        assert refusal["message"].startswith("there is no namespace /api: connect to the address without a path; ")

    asyncio.run(main())
