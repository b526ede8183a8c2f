"""Tables over `broker/contract/samples.py`, then properties: whatever the bytes, an answer and never an exception."""

import hashlib
import json
import math
import string
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broker.contract import CLOCK_FLOOR, MAX_BATCH, MAX_COUNT, MAX_PAYLOAD_BYTES, MAX_SEQ, RANGES, ErrorCode
from broker.contract.json_text import SentKey
from broker.contract.samples import (
    Decoded,
    Key,
    RejectedSample,
    Sample,
    decode,
    sha256_of,
    valid_device_id,
)

DEVICE = "ESP32_001"
NOW = datetime(2024, 12, 10, 10, 30, tzinfo=UTC)


def read(payload: bytes | str, *, device_id: str = DEVICE, trusted: bool = False) -> Decoded:
    raw = payload.encode() if isinstance(payload, str) else payload
    return decode(raw, device_id, now=NOW, trusted=trusted)


def only(payload: bytes | str, *, trusted: bool = False) -> Sample | RejectedSample:
    decoded = read(payload, trusted=trusted)
    assert len(decoded.elements) == 1
    return decoded.elements[0]


def sample(payload: bytes | str, *, trusted: bool = False) -> Sample:
    element = only(payload, trusted=trusted)
    assert isinstance(element, Sample), element
    return element


def refusal(payload: bytes | str) -> RejectedSample:
    element = only(payload)
    assert isinstance(element, RejectedSample), element
    return element


def kinds(decoded: Decoded) -> list[str]:
    """Each element's code, or `ok`."""
    return ["ok" if isinstance(element, Sample) else element.error.code for element in decoded.elements]


# --- what is accepted


def test_a_whole_sample() -> None:
    payload = (
        '{"hr": 75.5, "temp": 36.2, "eda": 0.45, "timestamp": "2024-12-10T10:29:00Z", '
        '"device_id": "ESP32_001", "boot": "a91f", "seq": 1207, "uptime_ms": 5000}'
    )
    assert sample(payload) == Sample(
        device_id=DEVICE,
        hr=75.5,
        temp=36.2,
        eda=0.45,
        timestamp=NOW - timedelta(minutes=1),
        uptime_ms=5000,
        key=Key("a91f", 1207),
    )
    assert read(payload).batch is False


@pytest.mark.parametrize(
    ("payload", "values"),
    [
        ('{"hr": 70}', (70, None, None)),
        ('{"temp": 36}', (None, 36, None)),
        ('{"eda": 0}', (None, None, 0)),
        ('{"hr": null, "temp": null, "eda": 1e0}', (None, None, 1)),
        ('{"hr": 25, "temp": 10, "eda": 0}', (25, 10, 0)),
        ('{"hr": 240, "temp": 45, "eda": 100}', (240, 45, 100)),
        (' \t\r\n{"hr": 70} \t\r\n', (70, None, None)),
        (
            '{"hr": 70, "device_id": null, "boot": null, "seq": null, "timestamp": null, "uptime_ms": null}',
            (70, None, None),
        ),
        ('{"hr": 70, "note": "\u00e9\\u00e9", "nested": {"a": [1, {}]}, "HR": 900}', (70, None, None)),
        ('{"hr": 70, "unknown": 1e999}', (70, None, None)),
        ('"{\\"hr\\": 70}"', (70, None, None)),
        (' "  {\\"hr\\": 70}  " ', (70, None, None)),
    ],
)
def test_accepted(payload: str, values: tuple[float | None, ...]) -> None:
    read_ = sample(payload)
    assert (read_.hr, read_.temp, read_.eda) == values
    assert (read_.device_id, read_.key, read_.timestamp, read_.uptime_ms) == (DEVICE, None, None, None)


@pytest.mark.parametrize("payload", ['[{"hr": 70}, {"hr": 71}]', '"[{\\"hr\\": 70}, {\\"hr\\": 71}]"'])
def test_a_batch(payload: str) -> None:
    decoded = read(payload)
    assert decoded.batch is True
    assert [element.hr for element in decoded.elements if isinstance(element, Sample)] == [70, 71]


def test_a_batch_of_one_is_a_batch() -> None:
    assert read('[{"hr": 70}]').batch is True


def test_the_largest_batch() -> None:
    assert kinds(read(json.dumps([{"hr": 70}] * MAX_BATCH))) == ["ok"] * MAX_BATCH


def test_the_largest_message() -> None:
    payload = b'{"hr": 70}'.ljust(MAX_PAYLOAD_BYTES)
    assert sample(payload).hr == 70
    assert refusal(payload + b" ").error.code == "too_large"


@pytest.mark.parametrize("seq", [0, 1, MAX_SEQ])
@pytest.mark.parametrize("boot", ["a", "A-z_0:9", "b" * 32])
def test_a_key(boot: str, seq: int) -> None:
    assert sample(json.dumps({"hr": 70, "boot": boot, "seq": seq})).key == Key(boot, seq)


@pytest.mark.parametrize("device_id", ["a", "A-z_0:9", "d" * 64])
def test_a_device_id(device_id: str) -> None:
    payload = json.dumps({"hr": 70, "device_id": device_id})
    (element,) = read(payload, device_id=device_id).elements
    assert isinstance(element, Sample)
    assert element.device_id == device_id == valid_device_id(device_id)


def test_a_stamped_boot_is_for_the_pipeline() -> None:
    payload = '{"hr": 70, "boot": "~a91f", "seq": 3}'
    assert sample(payload, trusted=True).key == Key("~a91f", 3)
    assert (refusal(payload).error.code, refusal(payload).error.field) == ("reserved", "boot")


# --- times


def clock(value: str | float) -> datetime | None:
    return sample(json.dumps({"hr": 70, "timestamp": value})).timestamp


@pytest.mark.parametrize(
    "value",
    [
        "2024-12-10T10:30:00Z",
        "2024-12-10T10:30:00",
        "2024-12-10 10:30:00",
        "2024-12-10T10:30:00+00:00",
        "2024-12-10T12:30:00+02:00",
        "2024-12-10T05:00:00.000-05:30",
        "20241210T103000Z",
        1733826600,
        1733826600.0,
        1733826600000,
        1.7338266e12,
        1733826600000000,
        1733826600000000000,
        "1733826600",
        "1733826600000",
        "2024-12-10t10:30:00z",
    ],
)
def test_one_moment_in_many_forms(value: str | float) -> None:
    read_ = clock(value)
    assert read_ == NOW
    assert read_ is not None
    assert read_.utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2024-12-10", NOW.replace(hour=0, minute=0)),
        ("2024-12-10T10:29:59.25Z", NOW - timedelta(seconds=0.75)),
        (1733826599.25, NOW - timedelta(seconds=0.75)),
        (1733826599250, NOW - timedelta(seconds=0.75)),
        ("2020-01-01T00:00:00Z", CLOCK_FLOOR),
        (1577836800, CLOCK_FLOOR),
        ("2024-12-10T10:31:00Z", NOW + timedelta(seconds=60)),
    ],
)
def test_a_time(value: str | float, expected: datetime) -> None:
    assert clock(value) == expected


@pytest.mark.parametrize(
    "value",
    [
        "2019-12-31T23:59:59Z",
        "2020-01-01T00:00:00+00:01",
        "1970-01-01T00:00:00Z",
        "0001-01-01T00:00:00Z",
        "9999-12-31T23:59:59Z",
        "2024-12-10T10:31:00.001Z",
        "2024-12-10T10:31:01",
        1577836799,
        0,
        -1,
        -1733826600000,
        1733826661,
        1733826661000,
        4102444799,
        1e11,
        1e15,
    ],
)
def test_a_clock_that_was_never_set_or_is_ahead_is_no_time(value: str | float) -> None:
    read_ = sample(json.dumps({"hr": 70, "timestamp": value}))
    assert read_.timestamp is None
    (warning,) = read_.warnings
    assert (warning.code, warning.field) == ("out_of_range", "timestamp")
    assert "the server's time" in warning.message


@pytest.mark.parametrize(
    "value",
    ["", "now", "10:30", "2024-13-01", "2024-12-10T25:00:00Z", 4102444800, 1e20, -1e300, "0001-01-01T00:00:00+14:00"],
)
def test_not_a_time(value: str | float) -> None:
    error = refusal(json.dumps({"hr": 70, "timestamp": value})).error
    assert (error.code, error.field) == ("invalid", "timestamp")
    assert "milliseconds" in error.message


# --- what is refused

DEEP = 100_000
REFUSED: list[tuple[bytes | str, str, str | None]] = [
    # as a whole
    (b"", "empty", None),
    (b" \t\r\n", "empty", None),
    (b"[]", "empty", None),
    (b" [ ] ", "empty", None),
    (b'"[]"', "empty", None),
    (b" " * (MAX_PAYLOAD_BYTES + 1), "too_large", None),
    (b'{"hr": 70, "x": "' + b"x" * 1_000_000 + b'"}', "too_large", None),
    (json.dumps([{"hr": 70}] * (MAX_BATCH + 1)), "too_many", None),
    ("[" + "NaN," * MAX_BATCH + "NaN]", "too_many", None),
    ("[" + "nan," * MAX_BATCH + "nan]", "too_many", None),
    (b"\xff", "not_utf8", None),
    (b'{"hr": 70, "unknown": "\xff"}', "not_utf8", None),
    (b'[{"hr": 70}, {"hr": 71, "unknown": {"x": "\xc3"}}]', "not_utf8", None),
    (b'{"hr": 70, "unknown": "\xed\xa0\x80"}', "not_utf8", None),
    (b'{"hr": 70, "unknown": "\xc0\xaf"}', "not_utf8", None),
    (b"hr=70", "not_json", None),
    (b"\x00", "not_json", None),
    (b'{"hr": 70', "not_json", None),
    (b'{"hr": 70}}', "not_json", None),
    (b'{"hr": 70}{"hr": 71}', "not_json", None),
    (b"{'hr': 70}", "not_json", None),
    (b'{"hr": 70,}', "not_json", None),
    (b'{"hr": }', "not_json", None),
    (b'{"hr": 07}', "not_json", None),
    (b'{"hr": 70}\x00', "not_json", None),
    (b'[{"hr": 70}', "not_json", None),
    (b'[{"hr": 70}, {"hr": NaN}', "not_json", None),
    (b'"', "not_json", None),
    (b'"{\\"hr\\": 70"', "not_json", None),
    (b'"{\\"hr\\": 70}" x', "not_json", None),
    (b'"\\ud800"', "not_json", None),
    (b'"hello"', "not_json", None),
    (b'{"hr": 70, "timestamp": "\\ud800"}', "invalid", "timestamp"),
    (b'{"hr": 70, "boot": "a", "seq": 1, "timestamp": NaN}', "not_finite", "timestamp"),
    ("[" * DEEP, "too_deep", None),
    ("[" * DEEP + "]" * DEEP, "too_deep", None),
    ('"' + "[" * DEEP + '"', "too_deep", None),
    ('{"hr": 70, "x": ' + "[" * DEEP + "]" * DEEP + "}", "too_deep", None),
    ('{"hr": 70, "x": ' + '{"a":' * (DEEP // 5) + "1" + "}" * (DEEP // 5) + "}", "too_deep", None),
    # a sample that is no object
    (b"null", "wrong_type", None),
    (b"true", "wrong_type", None),
    (b"70", "wrong_type", None),
    (b"NaN", "wrong_type", None),
    (b'"\\"twice\\""', "wrong_type", None),
    (b'"\\"{}\\""', "wrong_type", None),
    (b"[[]]", "wrong_type", None),
    # no channel
    (b"{}", "missing", "hr"),
    (b'{"hr": null, "temp": null, "eda": null}', "missing", "hr"),
    (b'{"heart_rate": 70}', "missing", "hr"),
    # half a key
    (b'{"hr": 70, "boot": "a"}', "missing", "seq"),
    (b'{"hr": 70, "boot": "a", "seq": null}', "missing", "seq"),
    (b'{"hr": 70, "seq": 1}', "missing", "boot"),
    # names
    (b'{"hr": 70, "boot": "~a", "seq": 1}', "reserved", "boot"),
    (b'{"hr": 70, "boot": "", "seq": 1}', "invalid", "boot"),
    (b'{"hr": 70, "boot": "~", "seq": 1}', "reserved", "boot"),
    (b'{"hr": 70, "boot": "a~", "seq": 1}', "invalid", "boot"),
    (b'{"hr": 70, "boot": "a\\n", "seq": 1}', "invalid", "boot"),
    (json.dumps({"hr": 70, "boot": "a" * 33, "seq": 1}), "invalid", "boot"),
    (b'{"hr": 70, "boot": 7, "seq": 1}', "wrong_type", "boot"),
    (b'{"hr": 70, "device_id": "other"}', "device_mismatch", "device_id"),
    (b'{"hr": 70, "device_id": "esp32_001"}', "device_mismatch", "device_id"),
    (b'{"hr": 70, "device_id": ""}', "invalid", "device_id"),
    (b'{"hr": 70, "device_id": "ESP32_001\\n"}', "invalid", "device_id"),
    (b'{"hr": 70, "device_id": "a.b"}', "invalid", "device_id"),
    (b'{"hr": 70, "device_id": "a/b"}', "invalid", "device_id"),
    (b'{"hr": 70, "device_id": "\\ud800"}', "invalid", "device_id"),
    ('{"hr": 70, "device_id": "ger\u00e4t"}', "invalid", "device_id"),
    (json.dumps({"hr": 70, "device_id": "a" * 65}), "invalid", "device_id"),
    (b'{"hr": 70, "device_id": 1}', "wrong_type", "device_id"),
    (b'{"hr": 70, "device_id": ["ESP32_001"]}', "wrong_type", "device_id"),
    # counts
    (b'{"hr": 70, "boot": "a", "seq": -1}', "out_of_range", "seq"),
    (b'{"hr": 70, "boot": "a", "seq": 4294967296}', "out_of_range", "seq"),
    (b'{"hr": 70, "boot": "a", "seq": 1.5}', "wrong_type", "seq"),
    (b'{"hr": 70, "boot": "a", "seq": "1"}', "wrong_type", "seq"),
    (b'{"hr": 70, "boot": "a", "seq": true}', "wrong_type", "seq"),
    (b'{"hr": 70, "uptime_ms": -1}', "out_of_range", "uptime_ms"),
    (b'{"hr": 70, "uptime_ms": 0.5}', "wrong_type", "uptime_ms"),
    (b'{"hr": 70, "uptime_ms": "5"}', "wrong_type", "uptime_ms"),
    # times
    (b'{"hr": 70, "timestamp": true}', "wrong_type", "timestamp"),
    (b'{"hr": 70, "timestamp": [1]}', "wrong_type", "timestamp"),
    (b'{"hr": 70, "timestamp": {}}', "wrong_type", "timestamp"),
    (b'{"hr": 70, "timestamp": NaN}', "not_finite", "timestamp"),
    (b'{"hr": 70, "timestamp": 1e999}', "not_finite", "timestamp"),
    # channels
    *[
        (f'{{"{channel}": {value}}}', code, channel)
        for channel, limits in RANGES.items()
        for value, code in [
            (repr(math.nextafter(limits.low, -math.inf)), "out_of_range"),
            (repr(math.nextafter(limits.high, math.inf)), "out_of_range"),
            ("1e308", "out_of_range"),
            ("-1", "out_of_range"),
            ("nan", "not_finite"),
            ("-nan", "not_finite"),
            ("inf", "not_finite"),
            ("-nan(ind)", "not_finite"),
            ("NaN", "not_finite"),
            ("Infinity", "not_finite"),
            ("-Infinity", "not_finite"),
            ("1e999", "not_finite"),
            ("-1e999", "not_finite"),
            ("1" + "0" * 400, "not_finite"),
            ('"30"', "wrong_type"),
            ('"NaN"', "wrong_type"),
            ("true", "wrong_type"),
            ("[30]", "wrong_type"),
            ("{}", "wrong_type"),
        ]
    ],
]


@pytest.mark.parametrize(
    ("payload", "code", "field"), REFUSED, ids=[f"{code}-{str(payload)[:40]}" for payload, code, _ in REFUSED]
)
def test_refused(payload: bytes | str, code: str, field: str | None) -> None:
    error = refusal(payload).error
    assert (error.code, error.field) == (code, field)
    assert error.message
    assert len(error.message) < 400
    if field is not None:
        assert field in error.message


NOT_JSON = "the message must be JSON:"


def test_every_code_of_a_decoder_is_in_the_table() -> None:
    elsewhere = {"conflict", "database", "timeout", "internal", "unauthorized", "forbidden", "not_found", "rate_limited"}
    warnings = {"no_contact"}
    assert {code for _, code, _ in REFUSED} == set(get_args(ErrorCode)) - elsewhere - warnings


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        ('{"hr": 900}', "hr must be 25-240 bpm, got 900; send null where there is no contact"),
        ('{"temp": 9}', "temp must be 10-45 degrees Celsius, got 9; send null where there is no contact"),
        ('{"hr": "70"}', "hr must be a number, got a string"),
        ('{"hr": NaN}', "hr must be a finite number, 25-240 bpm; send null where there is no contact"),
        ('{"hr": 70, "boot": "a", "seq": 4294967296}', "seq must be 0-4294967295, got 4294967296"),
        ('{"hr": 70, "device_id": "a"}', "device_id must be that of the topic, ESP32_001, got a"),
        ("[]", "a batch must hold at least one sample"),
        ('{"hr": 70', "the message must be JSON: it ends too early"),
        ("{'hr': 70}", "the message must be JSON: character 2 is ', but names and text stand in double quotes"),
        (
            '{"hr":70}\0\0\0',
            f"{NOT_JSON} it ends with bytes of zero: send as many bytes as the text has (strlen), not the whole buffer",
        ),
        ('{\\"hr\\":70}', 'the message must be JSON: names and text stand in plain double quotes, not in \\"'),
        (
            '{"hr":None}',
            f"{NOT_JSON} None is no value of JSON: write null where there is none, true or false",
        ),
        (
            '{"hr":NULL}',
            f"{NOT_JSON} NULL is no value of JSON: write null where there is none, true or false",
        ),
        ('{"hr":ovf}', "hr must be a finite number, 25-240 bpm; send null where there is no contact"),
        ("hr=70", "the message must be JSON: nothing can be made of character 1 and what follows: 'hr=70'"),
        ('[{"hr": 70}] x', "the message must be JSON: the array has no end, or something comes after it"),
        (
            '{"heart_rate": 70}',
            (
                "at least one of hr, temp, eda must be a number; "
                "there is no field heart_rate, so it was not read: did you mean hr?"
            ),
        ),
        (
            '{"hr": 70, "timestamp": "10/12/2024 10:30"}',
            (
                "timestamp must be an ISO 8601 time such as 2024-12-10T10:30:00Z, or a Unix time in seconds, "
                "milliseconds, microseconds or nanoseconds, got '10/12/2024 10:30': it is neither ISO 8601 nor a number"
            ),
        ),
    ],
)
def test_the_words_name_the_field_and_the_limit(payload: str, message: str) -> None:
    assert refusal(payload).error.message == message


@pytest.mark.parametrize("device_id", ["", "a.b", "a/b", "+", "#", "a\n", "~a", "ger\u00e4t", "a" * 65])
def test_a_topic_whose_device_has_no_valid_name(device_id: str) -> None:
    (element,) = read('{"hr": 70}', device_id=device_id).elements
    assert isinstance(element, RejectedSample)
    assert (element.error.code, element.error.field) == ("invalid", "device_id")
    assert valid_device_id(device_id) is None


@pytest.mark.parametrize("value", [None, 7, b"a", ["a"]])
def test_only_a_string_is_a_device_id(value: object) -> None:
    assert valid_device_id(value) is None


# --- what is stored otherwise than it was sent, and says so

NULL = "was stored as null: send null where there is no contact"


@pytest.mark.parametrize(
    ("payload", "values", "message"),
    [
        ('{"hr":0,"temp":34,"eda":1}', (None, 34, 1), f"hr 0 {NULL}"),
        ('{"hr":-1,"temp":34,"eda":1}', (None, 34, 1), f"hr -1 {NULL}"),
        ('{"hr":-999,"temp":34}', (None, 34, None), f"hr -999 {NULL}"),
        ('{"hr":255,"temp":34}', (None, 34, None), f"hr 255 {NULL}"),
        ('{"hr":70,"temp":-127}', (70, None, None), f"temp -127 {NULL}"),
        ('{"hr":70,"temp":85.0}', (70, None, None), f"temp 85.0 {NULL}"),
        ('{"hr":70,"temp":1037.55}', (70, None, None), f"temp 1037.55 {NULL}"),
        ('{"hr":70,"eda":-0.0003}', (70, None, None), f"eda -0.0003 {NULL}"),
        (
            '{"hr":70,"temperature":36}',
            (70, None, None),
            "there is no field temperature, so it was not read: did you mean temp?",
        ),
        (
            '{"hr":70,"temp":34,"eda":1,"time":1733826600}',
            (70, 34, 1),
            "there is no field time, so it was not read: did you mean timestamp?",
        ),
        (
            '{"hr":70,"temp":34,"eda":1,"timestamp":"2024-12-10T10:30:00Z","boot_id":"a"}',
            (70, 34, 1),
            "there is no field boot_id, so it was not read: did you mean boot?",
        ),
        (
            '{"hr":70,"temp":34,"eda":1,"timstamp":"2024-12-10T10:30:00Z"}',
            (70, 34, 1),
            "there is no field timstamp, so it was not read: did you mean timestamp?",
        ),
        (
            '{"hr":70,"temp":34,"eda":1,"timestamp":12345}',
            (70, 34, 1),
            "timestamp 12345 was not used, but the server's time: the device's clock is not set",
        ),
        (
            '{"hr":70,"temp":34,"eda":1,"timestamp":1733830200}',
            (70, 34, 1),
            "timestamp 1733830200 was not used, but the server's time: the device's clock is ahead of the server's",
        ),
    ],
)
def test_a_warning(payload: str, values: tuple[float | None, ...], message: str) -> None:
    read_ = sample(payload)
    assert (read_.hr, read_.temp, read_.eda) == values
    assert [warning.message for warning in read_.warnings] == [message]


def test_no_contact_in_a_message_of_the_pipeline() -> None:
    read_ = sample('{"hr":0,"temp":34,"boot":"~a91f","seq":3}', trusted=True)
    assert (read_.hr, read_.temp, read_.key) == (None, 34, Key("~a91f", 3))


@pytest.mark.parametrize("boot", ["~~a", "~~"])
def test_a_boot_that_a_client_made_look_generated(boot: str) -> None:
    element = only(json.dumps({"hr": 0, "temp": 34, "boot": boot, "seq": 3}), trusted=True)
    assert isinstance(element, RejectedSample)
    assert element.error.code == "reserved"


def test_several_warnings() -> None:
    read_ = sample('{"hr":0,"temp":34,"gsr":1,"timestamp":0}')
    assert [(warning.code, warning.field) for warning in read_.warnings] == [
        ("no_contact", "hr"),
        ("out_of_range", "timestamp"),
        ("missing", "eda"),
    ]


@pytest.mark.parametrize(
    "payload",
    [
        '{"hr":70,"temp":34,"eda":1,"timestamp":"2024-12-10T10:30:00Z","heartRate":70}',
        '{"hr":70,"device":"ESP32_001"}',
        '{"hr":70,"temp":null,"note":"temperature"}',
        '{"hr":70,"battery":88,"HR":71}',
    ],
)
def test_nothing_to_warn_of(payload: str) -> None:
    assert sample(payload).warnings == ()


@pytest.mark.parametrize("payload", ['{"hr":0}', '{"hr":0,"temp":-127}', '{"hr":0,"temp":-127,"eda":-1}'])
def test_no_contact_at_all_is_refused(payload: str) -> None:
    error = refusal(payload).error
    assert (error.code, error.field) == ("out_of_range", "hr")
    assert "send null where there is no contact" in error.message


@pytest.mark.parametrize(
    "payload",
    ['{"hr":70.0,"boot":"a","seq":7.0,"uptime_ms":5000.0}', '{"hr":7e1,"boot":"a","seq":7e0,"uptime_ms":5e3}'],
)
def test_a_whole_number_may_have_a_point(payload: str) -> None:
    read_ = sample(payload)
    assert (read_.key, read_.uptime_ms, read_.hr) == (Key("a", 7), 5000, 70)


def test_a_byte_order_mark_is_no_part_of_the_message() -> None:
    assert sample(b'\xef\xbb\xbf{"hr":70}').hr == 70


@pytest.mark.parametrize(
    ("payload", "key"),
    [
        ('{"hr":900,"boot":"a","seq":7}', SentKey("a", 7)),
        ('{"hr":70,"boot":"a"}', SentKey("a", None)),
        ('{"hr":70,"boot":"a b","seq":7}', SentKey("a b", 7)),
        ('{"hr":70,"boot":"a","seq":"7"}', SentKey("a", 7)),
        ('{"hr":70,"boot":"a","seq":7', SentKey("a", 7)),
        ('{"boot":"a","seq":7,"hr":}', SentKey("a", 7)),
        ('[{"boot":"a","seq":7,"hr":70},{"boot":"a","seq":8,"hr"', SentKey("a", 8)),
        ('"{\\"boot\\":\\"a\\",\\"seq\\":7,"', SentKey("a", 7)),
        ('{"hr":70,"boot":"~a","seq":7}', SentKey(None, 7)),
    ],
)
def test_a_refusal_has_as_much_of_the_key_as_can_be_read(payload: str, key: SentKey) -> None:
    assert refusal(payload).key == key


@pytest.mark.parametrize("before", [b"\xff", b" " * MAX_PAYLOAD_BYTES])
def test_the_key_of_what_is_no_text_or_too_large(before: bytes) -> None:
    assert refusal(before + b'{"hr":70,"boot":"a","seq":7}').key == SentKey("a", 7)


# --- batches: nobody is refused for a neighbour


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        ('[{"hr": 70}, {"hr": NaN}, {"hr": 71}]', ["ok", "not_finite", "ok"]),
        ('[{"hr": Infinity}, {"hr": 70, "boot": "a", "seq": 1}]', ["not_finite", "ok"]),
        ('[{"hr": 70}, {"hr": -Infinity}]', ["ok", "not_finite"]),
        ('[{"hr": 70}, {"hr": 1e999}, {"hr": 71}]', ["ok", "not_finite", "ok"]),
        ('[{"hr": 70}, {"hr": 900}, 7, null, {}]', ["ok", "out_of_range", "wrong_type", "wrong_type", "missing"]),
        ('[{"hr": 70}, {"hr": 70, "x": NaN}]', ["ok", "ok"]),
        ('[{"hr": 70}, {"hr": nan}, {"hr": 71}]', ["ok", "not_finite", "ok"]),
        ('[{"hr": 70}, {"hr": -nan, "note": "a, ]\\" nan"}, {"hr": inf}]', ["ok", "not_finite", "not_finite"]),
        ('[{"hr": 70}, {"hr": 1.#QNAN}, {"hr": -1.#IND00}]', ["ok", "not_finite", "not_finite"]),
        ('[{"hr": 70}, {"hr": }, {"hr": 71}]', ["ok", "not_json", "ok"]),
        ('[{"hr": 70}, {"hr": 71,}, hello, {"hr": 72}]', ["ok", "not_json", "not_json", "ok"]),
        ('[{"hr": 70}, , {"hr": 72}]', ["ok", "not_json", "ok"]),
        ('[{"hr": 70},]', ["ok", "not_json"]),
        ('[{"hr": 70, "unknown": "\\ud800"}, {"hr": 71}]', ["ok", "ok"]),
        ('[{"hr": 70, "device_id": "other"}, {"hr": 70}]', ["device_mismatch", "ok"]),
        ('[{"hr": 70}, [{"hr": 71}]]', ["ok", "wrong_type"]),
        ('[{"hr": 70}, "{\\"hr\\": 71}"]', ["ok", "wrong_type"]),
    ],
)
def test_elements_are_judged_alone(payload: str, expected: list[str]) -> None:
    decoded = read(payload)
    assert (decoded.batch, kinds(decoded)) == (True, expected)


def test_a_refused_element_keeps_its_bytes_and_its_key() -> None:
    bad = b'{"hr":  900, "boot": "a", "seq": 2}'
    decoded = read(b'[{"hr": 70, "boot": "a", "seq": 1}, ' + bad + b"]")
    element = decoded.elements[1]
    assert isinstance(element, RejectedSample)
    assert (element.raw, element.key) == (bad, SentKey("a", 2))


@pytest.mark.parametrize("field", ["hr", "temp", "eda"])
def test_a_refusal_for_nan_has_the_key(field: str) -> None:
    assert refusal(f'{{"{field}": NaN, "boot": "a", "seq": 2}}').key == SentKey("a", 2)


def test_a_refused_message_keeps_its_bytes() -> None:
    assert refusal(b" nonsense ").raw.strip() == b"nonsense"
    assert refusal(b"[1,").raw == b"[1,"


def test_sha256_of() -> None:
    assert sha256_of(b"abc") == hashlib.sha256(b"abc").hexdigest()


# --- what was once wrong


def test_utf16_is_not_json() -> None:
    assert refusal('[{"hr": 70}]'.encode("utf-16-le")).error.code == "not_json"


def test_a_nan_does_not_spoil_a_neighbour_that_is_fine_alone() -> None:
    good = '{"hr": 70, "unknown": 1e999}'
    assert kinds(read(good)) == ["ok"]
    assert kinds(read(f'[{good}, {{"hr": NaN}}]')) == ["ok", "not_finite"]


def test_a_refused_element_beside_a_nan_keeps_its_bytes() -> None:
    element = read('[{"hr":900}, {"hr":NaN}]').elements[0]
    assert isinstance(element, RejectedSample)
    assert element.raw == b'{"hr":900}'


def test_uptime_fits_in_a_database() -> None:
    error = refusal(json.dumps({"hr": 70, "uptime_ms": MAX_COUNT + 1})).error
    assert (error.code, error.field) == ("out_of_range", "uptime_ms")


# --- properties

NAMES = st.text(string.ascii_letters + string.digits + "_:-", min_size=1, max_size=32)
ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(),
    st.lists(st.integers()),
    st.dictionaries(st.text(), st.none()),
)
VALUES = st.recursive(ODD, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20)
FIELDS = ["hr", "temp", "eda", "timestamp", "device_id", "boot", "seq", "uptime_ms"]
ALMOST = st.dictionaries(st.sampled_from([*FIELDS, "more"]), VALUES)
VALID = st.fixed_dictionaries(
    {"hr": st.floats(25, 240)},
    optional={
        "temp": st.none() | st.floats(10, 45),
        "eda": st.none() | st.floats(0, 100),
        "device_id": st.just(DEVICE),
        "timestamp": st.datetimes(datetime(2020, 1, 1), datetime(2024, 12, 10)).map(datetime.isoformat),  # noqa: DTZ001
        "uptime_ms": st.integers(0, MAX_COUNT),
        "more": st.text(st.characters(exclude_categories=["Cs"])),
    },
)
KEYS = st.none() | st.fixed_dictionaries({"boot": NAMES, "seq": st.integers(0, MAX_SEQ)})


def check(payload: bytes) -> None:
    decoded = decode(payload, DEVICE, now=NOW)
    assert decoded.elements
    for element in decoded.elements:
        if isinstance(element, RejectedSample):
            assert element.error.message
            json.dumps(element.error.message).encode()
        else:
            values = {channel: getattr(element, channel) for channel in RANGES}
            assert any(value is not None for value in values.values())
            assert all(value is None or RANGES[name].low <= value <= RANGES[name].high for name, value in values.items())
            assert element.timestamp is None or CLOCK_FLOOR <= element.timestamp <= NOW + timedelta(seconds=60)


@settings(deadline=None, max_examples=300)
@given(st.binary())
def test_any_bytes_get_an_answer(payload: bytes) -> None:
    check(payload)


@settings(deadline=None, max_examples=300)
@given(VALUES)
def test_any_json_gets_an_answer(value: Any) -> None:
    text = json.dumps(value)
    check(text.encode())
    check(json.dumps(text).encode())


@settings(deadline=None, max_examples=100)
@given(st.lists(ALMOST | VALID, min_size=1, max_size=5))
def test_anything_like_a_batch_gets_one_answer_an_element(elements: list[dict[str, Any]]) -> None:
    payload = json.dumps(elements).encode()
    check(payload)
    assert len(decode(payload, DEVICE, now=NOW).elements) == len(elements)


@settings(deadline=None, max_examples=300)
@given(VALID, st.binary(min_size=1, max_size=3), st.integers(0, 200))
def test_a_damaged_sample_gets_an_answer(value: dict[str, Any], noise: bytes, place: int) -> None:
    payload = json.dumps(value).encode()
    check(payload[:place] + noise + payload[place + 1 :])
    check(payload[:place])


@pytest.mark.parametrize("shape", ['{{"hr": NaN, "x": {0}}}', '[{{"hr": NaN, "x": {0}}}, {{"hr": 70}}]', "{0}"])
def test_any_depth_gets_an_answer(shape: str) -> None:
    for depth in [*range(1, 3000, 7), *range(900, 1010)]:
        check(shape.format("[" * depth + "]" * depth).encode())


@settings(deadline=None, max_examples=300)
@given(st.lists(st.tuples(VALID, KEYS), min_size=1, max_size=5))
def test_valid_samples_round_trip(pairs: list[tuple[dict[str, Any], dict[str, Any] | None]]) -> None:
    values = [value | (key or {}) for value, key in pairs]
    decoded = decode(json.dumps(values).encode(), DEVICE, now=NOW)
    for value, element in zip(values, decoded.elements, strict=True):
        assert isinstance(element, Sample), element
        assert [getattr(element, name) for name in RANGES] == [value.get(name) for name in RANGES]
        assert element.key == (Key(value["boot"], value["seq"]) if "boot" in value else None)
        assert element.uptime_ms == value.get("uptime_ms")
        sent = value.get("timestamp")
        assert element.timestamp == (datetime.fromisoformat(sent).replace(tzinfo=UTC) if sent else None)
    alone = decode(json.dumps(json.dumps(values[0])).encode(), DEVICE, now=NOW)
    assert alone.elements == decoded.elements[:1]
