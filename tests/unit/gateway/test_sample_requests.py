"""From a client's payload to what is published: its own bytes, with a key if it has none."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from broker.contract import MAX_BATCH
from broker.contract.json_text import SentKey
from broker.contract.samples import RejectedSample, Sample, decode, sha256_of
from gateway.json_codec import JsonText, Malformed
from gateway.sample_requests import KeySource, key_of, prepare

KEYS = KeySource("~process", 5, None)
NOW = datetime(2024, 12, 10, 12, tzinfo=UTC)
KEY = b'"boot":"~process","seq":5}'
KEYED = b'{"hr": 70, "boot": "b", "seq": 1, "device_id": "d"}'


def text(payload: bytes) -> JsonText:
    return JsonText(payload)


@pytest.mark.parametrize(
    "payload",
    [
        KEYED,
        b" [" + KEYED + b" ,\n" + KEYED + b"] ",
        b'{"device_id":"d","boot":"b","seq":1,"hr":70.10,"x":[1e400,{"y":123456789012345678901234567890}]}',
        b'{"device_id":"d","hr":70,"boot":"b"}',
        b'{"device_id":"d","hr":70,"seq":-1}',
        '{"device_id":"d","hr":70,"boot":"b","seq":1,"note":"\u00e9"}'.encode(),
    ],
)
def test_what_has_its_keys_is_published_as_it_came(payload: bytes) -> None:
    prepared = prepare(text(payload), KEYS)
    assert prepared == ("d", payload, sha256_of(payload))


@pytest.mark.parametrize(
    ("payload", "published"),
    [
        (b'{"hr":70}', b'{"hr":70,' + KEY),
        (b' {"hr": 70 } \n', b' {"hr": 70,' + KEY),
        (b"{}", b"{" + KEY),
        (b" { } ", b" {" + KEY),
        (b'{"boot":null,"seq":null,"hr":70}', b'{"boot":null,"seq":null,"hr":70,' + KEY),
        (b'{"hr":1e400}', b'{"hr":1e400,' + KEY),
        (b'{"hr":NaN}', b'{"hr":NaN,' + KEY),
        (b'{"hr":-Infinity,"x":{"y":NaN}}', b'{"hr":-Infinity,"x":{"y":NaN},' + KEY),
        (b'[{"hr":70}, {"hr": 7.0}]', b'[{"hr":70,' + KEY + b',{"hr":7.0,"boot":"~process","seq":6}]'),
        (b'[{"hr":70},null]', b'[{"hr":70,' + KEY + b",null]"),
        (b'[{"hr":NaN}]', b'[{"hr":NaN,' + KEY + b"]"),
        (b'[{"boot":"b","seq":1},{"hr":70}]', b'[{"boot":"b","seq":1},{"hr":70,"boot":"~process","seq":6}]'),
        (b'"{\\"hr\\":70}"', b'{"hr":70,' + KEY),
        (b"[]", b"[]"),
        (b"null", b"null"),
        (b"70", b"70"),
        (b'"hello"', b"hello"),
        (b'"\\"\\\\\\"hello\\\\\\"\\""', b'"\\"hello\\""'),
        (b"", b""),
        (b"not JSON", b"not JSON"),
        (b'{"hr":70}x', b'{"hr":70}x'),
        (b'{"hr":"\xff"}', b'{"hr":"\xff"}'),
    ],
)
def test_what_has_none_is_given_one(payload: bytes, published: bytes) -> None:
    assert prepare(text(payload), KEYS).payload == published


@pytest.mark.parametrize("boot", [b'"~x"', b'"\\u007ex"'])
@pytest.mark.parametrize("payload", [b'{"hr":70,"boot":%b,"seq":1}', b'[{"hr":70,"boot":%b,"seq":1},{"hr":70}]'])
def test_a_generated_key_from_outside_is_marked_so_that_ingest_refuses_it(payload: bytes, boot: bytes) -> None:
    prepared = prepare(text(payload % boot), KEYS)
    assert b'"boot":"~~x"' in prepared.payload
    assert isinstance(decode(prepared.payload, "unknown", now=NOW, trusted=True).elements[0], RejectedSample)


@pytest.mark.parametrize(
    ("payload", "sender", "device_id"),
    [
        (b'{"device_id":"d"}', None, "d"),
        (b'[{"device_id":"a b"},{"device_id":7},{"device_id":"e"},{"device_id":"d"}]', None, "e"),
        (b'[{"device_id":"a b"},{},{"device_id":"e"}]', None, "unknown"),
        (b'[{"hr":70},{"hr":90,"device_id":"B"}]', None, "unknown"),
        (b'[{"hr":70,"device_id":"A"},{"hr":90}]', None, "A"),
        (b'[{"hr":NaN},{"hr":90,"device_id":"B"}]', None, "unknown"),
        (b'[5,{"hr":90,"device_id":"B"}]', None, "B"),
        (b'{"hr":70}', None, "unknown"),
        (b'{"device_id":"d"}', "me", "me"),
        (b'"x"', "me", "me"),
        (b"nothing", None, "unknown"),
        (b'{"device_id":"d","hr":NaN}', None, "d"),
    ],
)
def test_the_topic_is_of_the_login_or_of_the_first_sample(payload: bytes, sender: str | None, device_id: str) -> None:
    assert prepare(text(payload), KEYS, sender).device_id == device_id


@pytest.mark.parametrize(
    ("payload", "sender", "codes"),
    [
        (b'[{"hr":70},{"hr":90,"device_id":"B"}]', None, [None, "device_mismatch"]),
        (b'[{"hr":70,"device_id":"A"},{"hr":90,"device_id":"B"}]', None, [None, "device_mismatch"]),
        (b'[{"hr":70,"device_id":"A"},{"hr":90}]', None, [None, "device_mismatch"]),
        (b'[{"hr":70,"device_id":"A","boot":"b","seq":1},{"hr":90,"boot":"b","seq":2}]', None, [None, "device_mismatch"]),
        (b'[{"hr":70,"device_id":"A"},{"hr":90,"device_id":null}]', None, [None, "device_mismatch"]),
        (b'[{"hr":70},{"hr":90}]', None, [None, None]),
        (b'[{"hr":70},{"hr":90,"device_id":"unknown"}]', None, [None, None]),
        (b'[{"hr":70,"device_id":"me"},{"hr":90}]', "me", [None, None]),
        (b'[{"hr":70},{"hr":90,"device_id":"B"}]', "me", [None, "device_mismatch"]),
        (b'[{"hr":70,"device_id":"A"},{"hr":nan,"device_id":"A"}]', None, [None, "not_finite"]),
        (b'[{"hr":nan,"device_id":"A"},{"hr":70,"device_id":"A"}]', None, ["not_finite", None]),
        (b'[{"hr":70,"device_id":"A"},{"hr":},{"hr":71,"device_id":"A"}]', None, [None, "not_json", None]),
        (b'[{"hr":70,"device_id":"A"},{"hr":-inf}]', None, [None, "not_finite"]),
    ],
)
def test_no_sample_of_a_batch_is_given_to_another_device(
    payload: bytes, sender: str | None, codes: list[str | None]
) -> None:
    prepared = prepare(text(payload), KEYS, sender)
    decoded = decode(prepared.payload, prepared.device_id, now=NOW, trusted=True)
    assert [one.error.code if isinstance(one, RejectedSample) else None for one in decoded.elements] == codes


def test_the_refusal_of_a_sample_without_a_device_says_whose_batch_it_is() -> None:
    prepared = prepare(text(b'[{"hr":70,"device_id":"A"},{"hr":90}]'), KEYS)
    refused = decode(prepared.payload, "A", now=NOW, trusted=True).elements[1]
    assert isinstance(refused, RejectedSample)
    assert refused.error.message == (
        "device_id is missing: the first sample of the batch is of A, so name the device in each"
    )


@pytest.mark.parametrize(
    ("data", "published"),
    [
        ({"hr": 70}, b'{"hr":70,' + KEY),
        ('{"hr": 70}', b'{"hr": 70,' + KEY),
        ('{"x":"\ud800"}', b'{"x":"\\ud800",' + KEY),
        ("\ud800", b"?"),
        (b"attachment", b"attachment"),
        ({"hr": b"attachment"}, b'{"hr":{"binary_bytes":10},' + KEY),
        ({"hr": float("nan")}, b'{"hr":NaN,' + KEY),
        (Malformed(b"{"), b"{"),
        (None, b"null"),
    ],
)
def test_decoded_arguments_of_socket_io(data: object, published: bytes) -> None:
    assert prepare(data, KEYS).payload == published


def test_what_is_too_deep_goes_to_ingest_which_says_so() -> None:
    for payload in (b"[" * 100_000, b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}"):
        published = prepare(text(payload), KEYS).payload
        (element,) = decode(published, "unknown", now=NOW).elements
        assert isinstance(element, RejectedSample)


def test_an_idempotency_key_gives_each_element_of_a_device_the_same_key_again() -> None:
    def keys(payload: bytes, idempotency_key: str) -> list[tuple[Any, Any]]:
        prepared = prepare(text(payload), KeySource(None, 0, idempotency_key))
        elements = json.loads(prepared.payload)
        return [(one["boot"], one["seq"]) for one in (elements if isinstance(elements, list) else [elements])]

    batch = b'[{"device_id":"d","hr":70},{"device_id":"d","hr":71}]'
    assert keys(batch, "k") == keys(batch, "k")
    assert keys(batch, "k") != keys(batch, "other")
    assert keys(batch, "k")[:1] == keys(b'{"device_id":"d"}', "k") != keys(b'{"device_id":"e"}', "k")
    assert len(set(keys(batch, "k"))) == 2
    payload = prepare(text(batch), KeySource(None, 0, "k")).payload
    assert all(isinstance(one, Sample) for one in decode(payload, "d", now=NOW, trusted=True).elements)


def test_a_batch_that_is_as_long_as_may_be_has_keys_of_its_own() -> None:
    payload = json.dumps([{"hr": 70}] * MAX_BATCH).encode()
    elements = json.loads(prepare(text(payload), KEYS).payload)
    assert len({(one["boot"], one["seq"]) for one in elements}) == MAX_BATCH


@pytest.mark.parametrize(
    ("data", "key"),
    [
        (text(b'{"hr":70,"boot":"a","seq":7}'), SentKey("a", 7)),
        (text(b'{"hr":70,"boot":"a","seq":7'), SentKey("a", 7)),
        (text(b'[{"boot":"a","seq":7},{"boot":"a","seq":8}]'), SentKey("a", 8)),
        ({"hr": b"attachment", "boot": "a", "seq": 7}, SentKey("a", 7)),
        ([{"boot": "a", "seq": 7}, {"boot": "a", "seq": 8}], SentKey("a", 8)),
        ([{"boot": "a", "seq": 7}, 5], SentKey()),
        ([], SentKey()),
        (None, SentKey()),
        (text(b'{"hr":70,"boot":"~a","seq":7}'), SentKey(None, 7)),
    ],
)
def test_key_of(data: object, key: SentKey) -> None:
    assert key_of(data) == key
