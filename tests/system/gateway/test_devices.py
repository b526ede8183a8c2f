"""Devices, orders to them, alerts and annotations: over HTTP, Socket.IO and MQTT, for whom they are."""

import asyncio
import json
import subprocess
import urllib.request
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import socketio  # type: ignore[import-untyped]
from jsonschema import Draft202012Validator

from broker.contract import DEVICE_COMMAND, DEVICE_STATUS
from gateway.http.routes.commands import COMMAND
from gateway.http.routes.pages import OPENAPI
from gateway.http.routes.system import METRICS
from stresswire.simulate import person
from tests.support.harness import Frontend, Process, Stack, publish, wait_until
from tests.support.people import Guarded, ask


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """Two devices; of alice's readings an alert has come."""
    made = Guarded(tmp_path_factory.mktemp("guarded"))
    with made.stack:
        people = list(zip(range(480), person(0, calm_s=300, stress_s=180), strict=False))
        samples = [{"hr": round(one.hr, 1), "temp": round(one.temp, 2), "eda": round(one.eda, 3)} for _, one in people]
        timed = [{**one, "timestamp": 1_700_000_000 + at, "boot": "p", "seq": at} for at, one in enumerate(samples)]
        assert made.ask("POST", "/api/esp32/data", "alice", timed).status == 201
        assert made.ask("POST", "/api/esp32/data", "bob", {"hr": 71}).status == 201
        yield made


# --- devices


def test_devices_by_name_and_how_they_are(guarded: Guarded) -> None:
    page = guarded.ask("GET", "/api/devices", "vera").body
    assert [one["device_id"] for one in page["data"]] == ["alice", "bob"]
    alice = page["data"][0]
    assert alice == guarded.ask("GET", "/api/devices/alice", "vera").body
    newest = guarded.ask("GET", "/api/history?limit=1&device_id=alice", "vera").body["data"][0]
    assert alice["last_reading"] == newest
    assert alice["contact"] == {"hr": 1.0, "temp": 1.0, "eda": 1.0}
    assert 40 < alice["baseline"]["hr"] < 140
    assert alice["baseline"]["eda"] > 0
    bob = page["data"][1]
    assert (bob["state"], bob["battery"], bob["baseline"]["eda"]) == ("unknown", None, None)
    assert bob["contact"] == {"hr": 1.0, "temp": 0.0, "eda": 0.0}
    after = guarded.ask("GET", "/api/devices?limit=1&after=alice", "vera").body
    assert [one["device_id"] for one in after["data"]] == ["bob"]
    assert [one["device_id"] for one in guarded.ask("GET", "/api/devices", "lim").body["data"]] == ["alice"]
    assert guarded.ask("GET", "/api/devices/nobody", "vera").status == 404


def test_a_baseline_begins_anew_with_the_next_reading(any_stack: Stack) -> None:
    """Another person wears the device: what was usual for the first one is forgotten, and the audit knows."""
    samples = [{"hr": 60 + at % 5, "eda": 1 + at % 7 / 10, "boot": "b", "seq": at, "device_id": "worn"} for at in range(90)]
    timed = [{**one, "timestamp": 1_700_000_000 + at} for at, one in enumerate(samples)]
    assert ask(any_stack, "POST", "/api/esp32/data", timed).status == 201
    first = ask(any_stack, "GET", "/api/devices/worn").body["baseline"]
    assert 60 < first["hr"] < 64
    assert ask(any_stack, "DELETE", "/api/devices/worn/baseline").status == 204
    assert ask(any_stack, "GET", "/api/devices/worn").body["baseline"] is None
    other = {"hr": 90, "eda": 5, "device_id": "worn", "timestamp": 1_700_000_090, "boot": "b", "seq": 90}
    assert ask(any_stack, "POST", "/api/esp32/data", other).status == 201
    begun = ask(any_stack, "GET", "/api/devices/worn").body
    assert begun["baseline"] == {"hr": 90, "hr_sd": 0, "eda": 5}
    assert begun["last_reading"]["quality"] == ["warming_up", "no_temp"]
    nothing = ask(any_stack, "DELETE", "/api/devices/nobody/baseline")
    assert (nothing.status, nothing.body["error"]["field"]) == (404, "device_id")
    audit_events = ask(any_stack, "GET", "/api/audit").body["data"]
    assert [(one["action"], one["subject"]) for one in audit_events][:1] == [("baseline_reset", "worn")]


def test_whose_baseline_it_is(guarded: Guarded) -> None:
    for who, status in (("vera", 403), ("alice", 403), ("olim", 403), ("otto", 204)):
        assert guarded.ask("DELETE", "/api/devices/bob/baseline", who).status == status


def test_the_state_and_the_battery_are_the_devices_word(any_stack: Stack) -> None:
    assert ask(any_stack, "POST", "/api/esp32/data", {"hr": 70, "device_id": "d"}).status == 201
    status = DEVICE_STATUS.topic("d")
    command = ["mosquitto_pub", "-p", str(any_stack.mqtt_port), "-q", "1", "-r", "-t", status]
    subprocess.run([*command, "-m", '{"status":"sleeping","battery":41.5,"dropped":3}'], check=True, timeout=10)
    wait_until(lambda: ask(any_stack, "GET", "/api/devices/d").body["state"] == "sleeping")
    found = ask(any_stack, "GET", "/api/devices/d").body
    assert (found["battery"], found["dropped"], found["waiting"], found["firmware"]) == (41.5, 3, None, None)


# --- orders


def device_on_mqtt(stack: Stack, device_id: str, *login: str) -> Process:
    """`mosquitto_sub` as a device that waits for orders."""
    options = ["-p", str(stack.mqtt_port), "-q", "1", "-t", DEVICE_COMMAND.topic(device_id), "-F", "%p", "-d", *login]
    process = Process(["stdbuf", "-oL", "mosquitto_sub", *options])
    process.wait_for("Subscribed")
    return process


def orders(device: Process) -> Sequence[dict[str, Any]]:
    return [json.loads(line) for line in list(device.lines) if line.startswith("{")]


def test_an_order_goes_to_the_device_and_its_answer_comes_back(any_stack: Stack) -> None:
    with device_on_mqtt(any_stack, "d") as device, Frontend(any_stack) as frontend, ThreadPoolExecutor(1) as threads:
        body = {"command": "set_rate", "value": 2}
        asked = threads.submit(ask, any_stack, "POST", "/api/devices/d/commands", body)
        wait_until(lambda: len(orders(device)) == 1)
        order = orders(device)[0]
        assert (order["command"], order["value"]) == ("set_rate", 2)
        answer = {"command_id": order["command_id"], "status": "done", "message": "2 Hz"}
        publish(any_stack.mqtt_port, "d", json.dumps(answer), name="command_result")
        reply = asked.result(15)
        assert reply.status == 200
        assert (reply.body["status"], reply.body["message"], reply.body["value"]) == ("done", "2 Hz", 2)
        later = ask(any_stack, "GET", f"/api/devices/d/commands/{order['command_id']}").body
        assert later == reply.body
        assert ask(any_stack, "GET", f"/api/devices/e/commands/{order['command_id']}").status == 404
        wait_until(lambda: frontend.events("command_result") == [answer])


def test_who_does_not_wait_asks_later(shared_stack: Stack) -> None:
    reply = ask(shared_stack, "POST", "/api/devices/d/commands?wait_s=0", {"command": "identify"})
    assert (reply.status, reply.body["status"], reply.body["answered_at"]) == (202, None, None)
    command_id = reply.body["command_id"]
    publish(shared_stack.mqtt_port, "e", json.dumps({"command_id": command_id, "status": "forged"}), name="command_result")
    publish(shared_stack.mqtt_port, "d", json.dumps({"command_id": command_id, "status": "done"}), name="command_result")
    path = f"/api/devices/d/commands/{command_id}"
    documented = ask(shared_stack, "GET", OPENAPI.path).body["paths"][COMMAND.path]["get"]
    schemas = {one["name"]: one["schema"] for one in documented["parameters"]}
    Draft202012Validator(schemas["command_id"]).validate(command_id)
    wait_until(lambda: ask(shared_stack, "GET", path).body["status"] == "done")


@pytest.mark.parametrize("kind", ["esp32", "frontend"])
def test_a_message_from_an_unknown_device_is_counted_and_logged(stack: Stack, kind: str) -> None:
    async def main() -> None:
        async with socketio.AsyncSimpleClient() as client:
            await client.connect(f"{stack.url}?type={kind}")
            await client.emit("command_result", {"command_id": "c", "status": "done"})
            await client.emit("ping")
            while (await client.receive(5))[0] != "pong":
                pass

    asyncio.run(main())
    line = 'stresswire_gateway_refused_messages_total{channel="command_result",reason="device_id"} '
    metrics = urllib.request.urlopen(stack.url + METRICS.path, timeout=5).read().decode()  # noqa: S310 - ours
    assert line + "1.0" in metrics
    assert "nothing says which device it is" in stack.output


def test_a_device_on_socket_io_takes_orders_and_answers(guarded: Guarded) -> None:
    async def main() -> None:
        device = socketio.AsyncClient()
        taken: list[Any] = []

        async def command(data: Any) -> None:
            taken.append(data)
            await device.emit("command_result", {"command_id": data["command_id"], "status": "done"})

        device.on("device_command", command)
        await device.connect(f"{guarded.stack.url}?type=esp32", auth={"token": guarded.tokens["bob"]})
        body = {"command": "reboot"}
        reply = await asyncio.to_thread(guarded.ask, "POST", "/api/devices/bob/commands", "otto", body)
        assert (reply.status, reply.body["status"], reply.body["login"]) == (200, "done", "otto")
        assert taken[0]["command"] == "reboot"
        await asyncio.to_thread(guarded.ask, "POST", "/api/devices/alice/commands?wait_s=0", "otto", body)
        assert len(taken) == 1, "an order to another device"
        await device.disconnect()

    asyncio.run(main())
    entry = guarded.ask("GET", "/api/audit", "ada").body["data"][0]
    assert (entry["action"], entry["login"], entry["subject"], entry["detail"]) == ("command", "otto", "alice", "reboot")


@pytest.mark.parametrize("who", ["vera", "alice", "sam"])
def test_who_may_not_order_does_not(guarded: Guarded, who: str) -> None:
    assert guarded.ask("POST", "/api/devices/alice/commands?wait_s=0", who, {"command": "x"}).status == 403
    assert guarded.ask("POST", "/api/devices/bob/commands?wait_s=0", "olim", {"command": "x"}).status == 403


# --- alerts


def test_an_alert_is_acknowledged_commented_and_cleared(guarded: Guarded) -> None:
    found = guarded.ask("GET", "/api/alerts", "vera").body["data"]
    assert found
    alert = found[-1]
    assert (alert["device_id"], alert["late"], alert["actions"]) == ("alice", True, [])
    path = f"/api/alerts/{alert['id']}/actions"
    assert guarded.ask("POST", path, "vera", {"action": "acknowledge"}).status == 403
    for who in ("otto", "olim"):
        done = guarded.ask("POST", path, who, {"action": "acknowledge", "text": "seen"})
        assert [one["login"] for one in done.body["actions"]] == ["otto"], "the first one counts"
    assert guarded.ask("POST", path, "olim", {"action": "comment", "text": "stairs"}).body["actions"][1]["text"] == "stairs"
    assert guarded.ask("POST", path, "otto", {"action": "clear"}).body["open"] is False
    ids = [one["id"] for one in guarded.ask("GET", "/api/alerts?state=open", "vera").body["data"]]
    closed = [one["id"] for one in guarded.ask("GET", "/api/alerts?state=closed", "vera").body["data"]]
    assert alert["id"] in closed
    assert alert["id"] not in ids
    assert sorted(ids + closed) == sorted(one["id"] for one in found)
    actions = [one["action"] for one in guarded.ask("GET", "/api/audit", "ada").body["data"][:4]]
    assert actions == ["alert_clear", "alert_comment", "alert_acknowledge", "alert_acknowledge"]


@pytest.mark.parametrize(
    ("number", "body", "status", "field"),
    [
        ("1", {"action": "comment"}, 400, "text"),
        ("1", {"action": "comment", "text": ""}, 400, "text"),
        ("1", {"action": "comment", "text": "x" * 2_001}, 400, "text"),
        ("1", {"action": "forget"}, 400, "action"),
        ("999999", {"action": "clear"}, 404, "alert_id"),
        ("0", {"action": "clear"}, 404, "alert_id"),
        ("9" * 30, {"action": "clear"}, 404, "alert_id"),
        ("one", {"action": "clear"}, 404, "alert_id"),
    ],
)
def test_what_cannot_be_done_with_an_alert(guarded: Guarded, number: str, body: Any, status: int, field: str) -> None:
    reply = guarded.ask("POST", f"/api/alerts/{number}/actions", "otto", body)
    assert (reply.status, reply.body["error"]["field"]) == (status, field)


def test_alerts_are_for_those_who_may_see_the_device(guarded: Guarded) -> None:
    assert guarded.ask("GET", "/api/alerts?device_id=bob", "lim").body["data"] == []
    assert guarded.ask("GET", "/api/alerts?device_id=alice", "lim").body["count"] > 0
    assert guarded.ask("GET", "/api/alerts?limit=1", "lim").body["count"] == 1


# --- annotations

SPAN = {"start": "2024-12-10T10:00:00Z", "end": "2024-12-10T10:05:00Z", "label": "exercise", "note": "stairs"}


def test_people_say_what_was_and_take_it_back(guarded: Guarded) -> None:
    saved = guarded.ask("POST", "/api/annotations", "otto", {**SPAN, "device_id": "alice"})
    assert (saved.status, saved.body["status"]) == (201, "success")
    own = guarded.ask("POST", "/api/annotations", "alice", {"start": SPAN["start"], "label": "stress"})
    assert own.status == 201
    found = guarded.ask("GET", "/api/annotations?device_id=alice", "lim").body["data"]
    assert [(one["id"], one["source"], one["login"]) for one in found[:2]] == [
        (own.body["id"], "self_report", "alice"),
        (saved.body["id"], "operator", "otto"),
    ]
    assert {name: found[1][name] for name in SPAN} == SPAN
    path = f"/api/annotations/{saved.body['id']}"
    assert guarded.ask("DELETE", path, "alice").status == 403
    assert guarded.ask("DELETE", path, "olim").status == 403
    assert guarded.ask("DELETE", path, "otto").status == 204
    assert guarded.ask("DELETE", path, "otto").status == 404
    assert guarded.ask("DELETE", f"/api/annotations/{own.body['id']}", "ada").status == 204


@pytest.mark.parametrize(
    ("who", "change", "status", "field"),
    [
        ("otto", {"start": "soon"}, 400, "start"),
        ("otto", {"end": "2024-12-10T09:00:00Z"}, 400, "end"),
        ("otto", {"label": ""}, 400, "label"),
        ("otto", {"label": "x" * 65}, 400, "label"),
        ("otto", {"note": "x" * 2_001}, 400, "note"),
        ("otto", {"device_id": None}, 400, "device_id"),
        ("otto", {"device_id": "a b"}, 400, "device_id"),
        ("olim", {"device_id": "bob"}, 403, None),
        ("alice", {"device_id": "bob"}, 403, None),
        ("vera", {}, 403, None),
    ],
)
def test_what_cannot_be_said(guarded: Guarded, who: str, change: Any, status: int, field: str | None) -> None:
    reply = guarded.ask("POST", "/api/annotations", who, {**SPAN, "device_id": "alice", **change})
    assert (reply.status, reply.body["error"].get("field")) == (status, field), reply.body


def test_annotating_over_socket_io(shared_stack: Stack) -> None:
    with Frontend(shared_stack) as frontend:
        frontend.emit("annotate", {**SPAN, "device_id": "d"})
        frontend.emit("annotate", {**SPAN, "device_id": "d", "end": "2020-01-01"})
        frontend.emit("annotate", "nothing")
        wait_until(lambda: len(frontend.events("annotation_saved")) == 3)
        statuses = sorted(one["status"] for one in frontend.events("annotation_saved"))
        assert statuses == ["error", "error", "success"]
    assert ask(shared_stack, "GET", "/api/annotations?limit=1").body["data"][0]["label"] == "exercise"


def test_a_frontend_is_told_what_the_contract_knows_and_no_more(shared_stack: Stack) -> None:
    """What a device writes beside it may end a client: python-socketio gives up over a number of hundreds of digits."""
    more = {"x": 10**400, "__proto__": {}}
    with Frontend(shared_stack) as frontend:
        known = [("command_result", {"command_id": "c", "status": "done"}), ("device_status", {"status": "online"})]
        for name, message in known:
            publish(shared_stack.mqtt_port, "more", json.dumps({**message, **more}), name=name)
        wait_until(lambda: bool(frontend.events("command_result") and frontend.events("device_status")))
        assert frontend.events("command_result") == [{"command_id": "c", "status": "done"}]
        assert {"status": "online", "device_id": "more"} in frontend.events("device_status")
