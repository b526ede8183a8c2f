"""Socket.IO, beyond what the users' own clients check."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import socketio  # type: ignore[import-untyped]

from tests.support.harness import Frontend, Stack, publish, wait_until


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

    talk(shared_stack, conversation, "esp32")


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
