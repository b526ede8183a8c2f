"""ESP32s with arduinoWebSockets: the URLs that are in the world, joined or not, object or string."""

import http.client
import json

import pytest

from tests.support.arduino import Arduino
from tests.support.harness import Stack, node

SAMPLE = json.dumps({"hr": 96.5, "temp": 37.1, "eda": 0.81, "device_id": "ESP32_001"})


@pytest.mark.parametrize("url", ["/socket.io/?type=esp32", "/socket.io/?EIO=3&type=esp32", "/socket.io/?EIO=4&type=esp32"])
@pytest.mark.parametrize("join", [True, False])
@pytest.mark.parametrize("payload", [SAMPLE, json.dumps(SAMPLE)], ids=["object", "string"])
def test_a_sample_of_arduino_is_answered(shared_stack: Stack, url: str, join: bool, payload: str) -> None:
    with Arduino(shared_stack.http_port, url) as device:
        if join:
            device.send("40/")
            device.wait_for("40")
        for _ in range(2):
            device.send(f'42["esp32_sensor_data",{payload}]')
            answer = device.wait_for('42["data_received",')
            assert json.loads(answer[2:])[1]["status"] == "success"


def test_an_acknowledgement_is_given_where_the_event_asks_for_one(shared_stack: Stack) -> None:
    with Arduino(shared_stack.http_port, "/socket.io/?type=esp32") as device:
        device.send(f'427["esp32_sensor_data",{SAMPLE}]')
        assert json.loads(device.wait_for("437")[3:])[0]["status"] == "success"


def test_nan_is_answered_and_the_next_sample_too(shared_stack: Stack) -> None:
    with Arduino(shared_stack.http_port, "/socket.io/?type=esp32") as device:
        for bad in ('{"hr":nan}', '{"hr":NaN}'):
            device.send(f'42["esp32_sensor_data",{bad}]')
            assert json.loads(device.wait_for('42["data_received",')[2:])[1]["status"] == "error"
        device.send(f'42["esp32_sensor_data",{SAMPLE}]')
        assert json.loads(device.wait_for('42["data_received",')[2:])[1]["status"] == "success"


@pytest.mark.parametrize("url", ["http://127.0.0.1:{}", "ws://127.0.0.1:{}", "http://127.0.0.1:{}?type=frontend&x=1"])
@pytest.mark.parametrize("transports", [["polling", "websocket"], ["websocket"], ["polling"]], ids=" then ".join)
def test_a_client_of_socket_io_4_comes_by_every_transport(shared_stack: Stack, url: str, transports: list[str]) -> None:
    with node("connect.cjs", url.format(shared_stack.http_port), json.dumps(transports)) as client:
        assert client.wait() == 0, client.output
    told = json.loads(client.lines[-1])
    assert told["transport"] == transports[-1]
    assert told["heard"][0] == "connection_status", "nothing comes before it"
    assert {"client_stats", "pong"} <= set(told["heard"])


@pytest.mark.parametrize("transports", [["polling", "websocket"], ["websocket"]], ids=" then ".join)
def test_a_client_of_socket_io_2_is_told_what_to_do(shared_stack: Stack, transports: list[str]) -> None:
    with node("socket-io-2.cjs", shared_stack.http_port, json.dumps(transports)) as client:
        assert client.wait() == 0, client.output
    assert client.lines == [
        "error: this server speaks Socket.IO 3 and later: use socket.io-client 4 (npm install socket.io-client@4)"
    ]


@pytest.mark.parametrize(
    ("query", "headers"),
    [
        ("type=frontend", {}),
        ("EIO=4&type=frontend", {"Origin": "file://"}),
        ("EIO=4&type=esp32", {"Origin": "https://evil.example"}),
    ],
)
def test_only_devices_are_humoured(shared_stack: Stack, query: str, headers: dict[str, str]) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", shared_stack.http_port, timeout=5)
    try:
        connection.request("GET", f"/socket.io/?{query}&transport=polling", headers=headers)
        assert connection.getresponse().status == 400
    finally:
        connection.close()
