"""Requests that are nearly right: each is refused in words that say what to write, and none is taken for another."""

import gzip
import zlib
from urllib.parse import quote

import pytest

from tests.support.harness import Stack
from tests.support.people import ask

TIME = "an ISO 8601 time such as 2024-12-10T10:30:00Z, or a Unix time in seconds, milliseconds, microseconds or nanoseconds"


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/api/history?device=A", "there is no parameter 'device'; did you mean device_id?"),
        ("/api/history?deviceId=A", "there is no parameter 'deviceId'; did you mean device_id?"),
        ("/api/history?DEVICE_ID=A", "there is no parameter 'DEVICE_ID'; did you mean device_id?"),
        ("/api/export?device=A", "there is no parameter 'device'; did you mean device_id?"),
        ("/api/export?fmt=csv", "there is no parameter 'fmt'; known are format, start_date, end_date, device_id"),
        ("/api/alerts?device=A", "there is no parameter 'device'; did you mean device_id?"),
        ("/api/annotations?device=A", "there is no parameter 'device'; did you mean device_id?"),
        ("/api/devices?limt=5", "there is no parameter 'limt'; did you mean limit?"),
        ("/api/history?device_id=", "device_id must be 1-64 letters, digits, _, : and -, got ''"),
        ("/api/history?device_id=A&device_id=B", "device_id must come once in the query"),
        ("/api/history?limit=", "limit must be a whole number from 1 to 1000, got ''"),
        ("/api/history?limit=all", "limit must be a whole number from 1 to 1000, got 'all'"),
        ("/api/history?limit=1.5", "limit must be a whole number from 1 to 1000, got '1.5'"),
        ("/api/export?x=1", "there is no parameter 'x'; known are format, start_date, end_date, device_id"),
        ("/api/history?resolution=1m", "resolution must be one of auto, day, hour, minute, raw, got '1m'"),
        ("/api/export?format=xlsx", "format must be one of csv, jsonl, parquet, got 'xlsx'"),
        (
            "/api/history?start_date=yesterday",
            f"start_date must be {TIME}, got 'yesterday': it is neither ISO 8601 nor a number",
        ),
        (
            "/api/history?end_date=10.12.2024",
            f"end_date must be {TIME}, got '10.12.2024': it is neither ISO 8601 nor a number",
        ),
        ("/api/me?device_id=A", "GET /api/me takes no parameters, got 'device_id'"),
        ("/api/devices/A?limit=5", "GET /api/devices/{device_id} takes no parameters, got 'limit'"),
    ],
)
def test_a_query(shared_stack: Stack, path: str, message: str) -> None:
    reply = ask(shared_stack, "GET", path)
    assert (reply.status, reply.body["message"]) == (400, message)


def test_a_sample_whose_device_stands_in_the_query_is_not_taken(shared_stack: Stack) -> None:
    reply = ask(shared_stack, "POST", "/api/esp32/data?device_id=Q1", {"hr": 70})
    assert (reply.status, reply.body["message"]) == (400, "POST /api/esp32/data takes no parameters, got 'device_id'")


@pytest.mark.parametrize(
    "time",
    [
        "2024-12-10T10:30:00+00:00",  # the plus comes as a space
        "2024-12-10 10:30:00",
        "2024-12-10T10:30:00z",
        "2016-12-31T23:59:60Z",
        "1733826600",
        "1733826600000",
        "1733826600000000000",
    ],
)
def test_a_time_in_a_query(shared_stack: Stack, time: str) -> None:
    assert ask(shared_stack, "GET", f"/api/history?start_date={quote(time, safe='+:')}").status == 200


@pytest.mark.parametrize(
    ("method", "path", "status", "message"),
    [
        ("GET", "/api/histroy", 404, "there is no '/api/histroy'; did you mean /api/history?"),
        ("GET", "/api/history/", 404, "there is no '/api/history/'; did you mean /api/history?"),
        ("GET", "/API/history", 404, "there is no '/API/history'; did you mean /api/history?"),
        ("GET", "/api/device", 404, "there is no '/api/device'; did you mean /api/devices?"),
        ("POST", "/api/esp32_data", 404, "there is no '/api/esp32_data'; did you mean /api/esp32/data?"),
        ("POST", "/api/esp32/data/", 404, "there is no '/api/esp32/data/'; did you mean /api/esp32/data?"),
        ("POST", "/esp32/data", 404, "there is no '/esp32/data'; did you mean /api/esp32/data?"),
        ("GET", "/health", 404, "there is no '/health'; did you mean /healthz?"),
        ("GET", "/ready", 404, "there is no '/ready'; did you mean /readyz?"),
        (
            "GET",
            "/stress/api/history",
            404,
            "there is no '/stress/api/history'; a proxy that serves this below /stress must take that away from the path",
        ),
        ("GET", "/something/else", 404, "there is no '/something/else'; see /docs"),
        ("GET", "/" + "x" * 300, 404, f"there is no '/{'x' * 99}'; see /docs"),
        ("GET", "/api/esp32/data", 405, "/api/esp32/data does not take GET: use POST"),
        ("PUT", "/api/history", 405, "/api/history does not take PUT: use GET, HEAD"),
    ],
)
def test_a_path_or_a_method(shared_stack: Stack, method: str, path: str, status: int, message: str) -> None:
    reply = ask(shared_stack, method, path)
    assert (reply.status, reply.body["message"]) == (status, message)


SAMPLE = b'{"hr": 70, "device_id": "E1"}'


@pytest.mark.parametrize(
    ("encoding", "body", "status", "message"),
    [
        ("gzip", gzip.compress(SAMPLE, mtime=0), 201, None),
        ("deflate", zlib.compress(SAMPLE), 201, None),
        ("identity", SAMPLE, 201, None),
        ("gzip", SAMPLE, 400, "the body is not gzip, as its Content-Encoding says"),
        ("zstd", SAMPLE, 415, "Content-Encoding must be gzip or deflate, or be left out"),
        ("br", SAMPLE, 415, "Content-Encoding must be gzip or deflate, or be left out"),
        ("utf-8", SAMPLE, 415, "Content-Encoding must be gzip or deflate, or be left out, got 'utf-8'"),
        ("gzip, gzip", SAMPLE, 415, "Content-Encoding must be gzip or deflate, or be left out, got 'gzip, gzip'"),
    ],
)
def test_a_content_encoding(shared_stack: Stack, encoding: str, body: bytes, status: int, message: str | None) -> None:
    headers = {"Content-Type": "application/json", "Content-Encoding": encoding}
    reply = ask(shared_stack, "POST", "/api/esp32/data", body, headers)
    assert reply.status == status
    assert message is None or reply.body["message"] == message


@pytest.mark.parametrize(
    ("path", "status", "message"),
    [
        ("/api/history?start_date=2024-12-11&end_date=2024-12-10", 400, "end_date must not be before start_date"),
        ("/api/export?start_date=2024-12-11&end_date=2024-12-10", 400, "end_date must not be before start_date"),
        ("/api/devices/a%20b", 404, "device_id must be 1-64 letters, digits, _, : and -, got 'a b'"),
        ("/socket.io/?EIO=4&transport=pollin", 400, "transport must be polling or websocket, got 'pollin'"),
        ("/socket.io/?EIO=4&transport=websocket", 400, "transport=websocket needs the handshake of a WebSocket"),
        (
            "/socket.io/?EIO=4&transport=polling&sid=gone",
            400,
            "this connection has ended, as after a restart of the server",
        ),
        ("/socket.io", 404, "there is no '/socket.io'; did you mean /socket.io/?"),
        ("/api/history?cursor=abc", 400, "cursor must be the `next` of an earlier page"),
        ("/api/history?after_id=-1", 400, "after_id must be a whole number from 0 to 9007199254740991, got '-1'"),
    ],
)
def test_what_cannot_be_meant(shared_stack: Stack, path: str, status: int, message: str) -> None:
    reply = ask(shared_stack, "GET", path)
    assert (reply.status, reply.body["message"].removesuffix(": connect anew")) == (status, message)


@pytest.mark.parametrize("name", ["X-Idempotency-Key", "IdempotencyKey", "idempotency_key", "Idempotencykey"])
def test_a_header_that_is_nearly_the_key(shared_stack: Stack, name: str) -> None:
    reply = ask(shared_stack, "POST", "/api/esp32/data", {"hr": 70}, {name: "42"})
    assert reply.status == 400
    assert reply.body["message"] == f"there is no header {name}; did you mean Idempotency-Key?"


@pytest.mark.parametrize("field", ["device", "deviceId", "DEVICE_ID", "device_name"])
def test_a_device_under_another_name_is_not_nobody(shared_stack: Stack, field: str) -> None:
    sample = {"hr": 70, "temp": 36, "eda": 1, "timestamp": 1733826600, field: "N1"}
    reply = ask(shared_stack, "POST", "/api/esp32/data", sample)
    assert reply.status == 400
    assert reply.body["message"] == (
        f"there is no field {field}: did you mean device_id? Without it the sample would be nobody's"
    )


def test_an_empty_key_is_none(shared_stack: Stack) -> None:
    reply = ask(shared_stack, "POST", "/api/esp32/data", {"hr": 70}, {"Idempotency-Key": ""})
    assert (reply.status, reply.body["message"]) == (
        400,
        "Idempotency-Key is empty: it must be new for each request",
    )


@pytest.mark.parametrize("start", ["12345", 12345, "2019-12-31", "1970-01-01T00:00:00Z"])
def test_an_annotation_before_every_reading(shared_stack: Stack, start: object) -> None:
    annotation = {"device_id": "N1", "label": "stress", "start": start}
    reply = ask(shared_stack, "POST", "/api/annotations", annotation)
    assert (reply.status, reply.body["message"]) == (400, "start must be from 2020-01-01 on: no reading is older")


def test_an_origin_that_may_not_connect(shared_stack: Stack) -> None:
    path = "/socket.io/?EIO=4&transport=polling"
    reply = ask(shared_stack, "GET", path, headers={"Origin": "http://evil.example"})
    assert (reply.status, reply.body["message"]) == (
        400,
        "pages from this origin may not connect; name it in STRESSWIRE_CORS_ORIGINS",
    )
