"""JSON of Socket.IO packets."""

import pytest
from msgspec import Raw

from gateway.json_codec import JsonText, Malformed, decode, dumps, loads


@pytest.mark.parametrize(
    ("packet", "data"),
    [
        ('["esp32_sensor_data",{"hr": 70}]', ["esp32_sensor_data", JsonText(b'{"hr": 70}')]),
        ('["esp32_sensor_data","{}"]', ["esp32_sensor_data", JsonText(b'"{}"')]),
        ('["esp32_sensor_data",{"hr":]', ["esp32_sensor_data", JsonText(b'{"hr":')]),
        (
            '["esp32_sensor_data",{"_placeholder":true,"num":0}]',
            ["esp32_sensor_data", {"_placeholder": True, "num": 0}],
        ),
        ('["esp32_sensor_data",1,2]', ["esp32_sensor_data", 1, 2]),
        ('["esp32_sensor_data"]', ["esp32_sensor_data"]),
        ('["ping",{"a":Infinity}]', ["ping", {"a": float("inf")}]),
        ('{"token":"x"}', {"token": "x"}),
    ],
)
def test_a_packet_of_socket_io(packet: str, data: object) -> None:
    assert loads(packet) == data


def test_non_finite_numbers_are_read_so_that_they_can_be_named() -> None:
    name, data = loads('["esp32_sensor_data",{"hr":NaN}]')
    assert (name, repr(data)) == ("esp32_sensor_data", "{'hr': nan}")


def test_non_finite_numbers_are_written_as_null() -> None:
    assert dumps({"hr": float("nan"), "raw": Raw(b"[1]")}) == '{"hr":null,"raw":[1]}'


@pytest.mark.parametrize("packet", ["[", '["ping",]', "nul", "[" * 100_000])
def test_a_packet_that_is_no_json(packet: str) -> None:
    with pytest.raises(ValueError, match="not JSON"):
        loads(packet)


@pytest.mark.parametrize("payload", [b"", b"[", b"\xff", b'{"a":"\xff"}', b"\xef\xbb\xbf{}", b"[" * 100_000])
def test_a_body_that_is_no_json_is_kept_as_it_came(payload: bytes) -> None:
    assert decode(payload) == Malformed(payload)
