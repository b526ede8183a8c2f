"""Request and reply for samples that come over HTTP or Socket.IO: published like those of MQTT, and their receipts awaited.

The correlation id is the payload's SHA-256. A sample without a key is given a generated one, so that it is unique.
"""

import asyncio
import hashlib
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct

from broker.bus import Bus
from broker.contract import (
    ANONYMOUS_DEVICE,
    ANSWER_TIMEOUT_S,
    SENSOR_DATA,
    STAMP,
    Channel,
    DataReceived,
    ErrorDetail,
    encode,
)
from broker.contract.errors import RejectedError
from broker.contract.json_text import SentKey, key_in_text, read_slowly, sent_key, split_slowly
from broker.contract.near_names import near_names
from broker.contract.samples import Key, sha256_of, valid_device_id
from gateway.inbound import Inbound
from gateway.json_codec import JsonText, Malformed, decode

MAX_WAITING = 10_000
"""Messages that wait for their answers at once; further ones are rejected with `timeout`."""
_DIGEST_DIGITS = 31


class Prepared(NamedTuple):
    """A message to publish; its answer has the same `sha256`."""

    device_id: str
    payload: bytes
    sha256: str


class Answer(NamedTuple):
    """A receipt: `data_received` as a value and as it came (`raw`), and its device."""

    device_id: str
    received: DataReceived
    raw: bytes


class SampleRequests:
    """Publishes samples and waits for their answers.

    Args:
        bus: where samples go.
        process_id: makes the generated keys of this process unique; 64 random bits or more, at most 31 characters.
    """

    def __init__(self, bus: Bus, process_id: str) -> None:
        self._bus = bus
        self._boot = STAMP + process_id
        self._seq = 0
        # By device and SHA-256 of the payload. Not by key: two senders may give one key to different contents at once.
        self._waiting: dict[str, dict[str, list[asyncio.Future[Answer]]]] = {}
        self._count = 0

    async def send(self, data: object, sender: str | None = None, idempotency_key: str | None = None) -> Answer:
        """Publish a sample or a batch, and wait for the answer, at most `ANSWER_TIMEOUT_S`.

        Args:
            data: a `JsonText`, a `Malformed` or decoded JSON.
            sender: the device that sends, if it has a login; ingest rejects what names another one, as over MQTT.
            idempotency_key: samples without a key are given one that is made from it.
        """
        if self._count >= MAX_WAITING:
            return _unknown(ANONYMOUS_DEVICE, "the gateway is busy: not taken, send it again later")
        prepared = prepare(data, self._next(idempotency_key), sender)
        name = near_names(prepared.payload).get("device_id") if sender is None else None
        if name is not None and prepared.device_id == ANONYMOUS_DEVICE:
            message = f"there is no field {name}: did you mean device_id? Without it the sample would be nobody's"
            received = rejected(ErrorDetail("missing", message, "device_id"), key_of(data))
            return Answer(ANONYMOUS_DEVICE, received, encode(received))
        with self._wait(prepared) as answer:
            try:
                async with asyncio.timeout(ANSWER_TIMEOUT_S):
                    topic = SENSOR_DATA.topic(prepared.device_id)
                    await self._bus.publish(topic, prepared.payload, qos=SENSOR_DATA.qos)
                    return await answer
            except TimeoutError:
                message = f"no answer in {ANSWER_TIMEOUT_S:g} s: it may or may not be stored; safe to repeat with a key"
                return _unknown(prepared.device_id, message)

    async def publish(self, channel: Channel, device_id: str, payload: bytes) -> None:
        """Publish a device's message, encoded, on another channel than the samples'."""
        await self._bus.publish(channel.topic(device_id), payload, qos=channel.qos, retain=channel.retained)

    @property
    def waiting(self) -> int:
        """Messages that wait for their answers."""
        return self._count

    def awaits(self, device_id: str) -> bool:
        """Return True if an answer to a device is awaited here; most answers are for devices on MQTT."""
        return device_id in self._waiting

    def resolve(self, message: Inbound) -> None:
        """Hand an answer from the bus to the requests that wait for it."""
        received: DataReceived = message.payload
        for waiting in self._waiting.get(message.device_id, {}).get(received.sha256 or "", ()):
            if not waiting.done():
                waiting.set_result(Answer(message.device_id, received, message.raw))

    @contextmanager
    def _wait(self, prepared: Prepared) -> Iterator[asyncio.Future[Answer]]:
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        device_id, sha256 = prepared.device_id, prepared.sha256
        self._count += 1
        self._waiting.setdefault(device_id, {}).setdefault(sha256, []).append(answer)
        try:
            yield answer
        finally:
            self._count -= 1
            by_content = self._waiting[device_id]
            by_content[sha256].remove(answer)
            if not by_content[sha256]:
                del by_content[sha256]
            if not by_content:
                del self._waiting[device_id]

    def _next(self, idempotency_key: str | None) -> "KeySource":
        if idempotency_key is not None:
            return KeySource(None, 0, idempotency_key)
        keys = KeySource(self._boot, self._seq, None)
        self._seq += _SEQS_A_MESSAGE
        return keys


class KeySource(NamedTuple):
    """Keys for the elements of one message: generated, or made from the client's `Idempotency-Key`."""

    boot: str | None
    first_seq: int
    idempotency_key: str | None

    def key(self, device_id: str, index: int) -> Key:
        """Return the key of the element at `index`."""
        if self.boot is not None:
            return Key(self.boot, self.first_seq + index)
        digest = hashlib.sha256(f"{device_id}\0{self.idempotency_key}".encode()).hexdigest()
        return Key(STAMP + digest[:_DIGEST_DIGITS], index)


_SEQS_A_MESSAGE = 1_000  # more than a batch may hold


def prepare(data: object, keys: KeySource, sender: str | None = None) -> Prepared:
    """Return the message to publish for `data`: the client's own bytes, with a key appended if they have none.

    Ingest decides if it is valid, and keeps it if it is not.
    """
    if isinstance(data, JsonText):
        data = _read(data.payload, keys, sender)
    if isinstance(data, str):  # JSON in a string of JSON
        data = _unwrap(data, keys, sender)
    if isinstance(data, Prepared):
        return data
    if isinstance(data, bytes):  # a Socket.IO client's binary attachment
        data = Malformed(data)
    if isinstance(data, Malformed):
        return _prepared(sender or ANONYMOUS_DEVICE, data.payload)
    elements = data if isinstance(data, list) else [data]
    device_id = sender or _device_of(element.get("device_id") for element in elements if isinstance(element, dict))
    keyed = [_keyed(element, device_id, index, keys) for index, element in enumerate(elements)]
    if sender is None:
        keyed = [_named(element, device_id) for element in keyed]
    try:
        texts = [_encoded(element) for element in keyed]
    except RecursionError:
        return _prepared(device_id, b"nested too deeply")
    return _prepared(device_id, b"[%b]" % b",".join(texts) if isinstance(data, list) else texts[0])


def _encoded(element: object) -> bytes:
    if isinstance(element, Malformed):
        return element.payload
    # The standard library keeps NaN, which ingest then rejects by name; msgspec would write null.
    return json.dumps(element, separators=(",", ":"), default=_replace_attachment).encode()


class _Head(Struct):
    """The fields of a sample that the gateway reads; msgspec skips the others."""

    device_id: Any = None
    boot: Any = None
    seq: Any = None

    @property
    def unkeyed(self) -> bool:
        return self.boot is None and self.seq is None

    @property
    def reserved(self) -> bool:
        """True for a generated key, which a client may not send."""
        return isinstance(self.boot, str) and self.boot.startswith(STAMP)


_decode_heads = msgspec.json.Decoder(_Head | list[_Head]).decode
_decode_elements = msgspec.json.Decoder(list[dict[str, Any]]).decode


def _read(payload: bytes, keys: KeySource, sender: str | None) -> object:
    """Return a `Prepared` if the client's bytes can be sent, else the decoded payload or a `Malformed`."""
    return _prepare_text(payload, keys, sender) or _decoded(payload)


def _decoded(payload: bytes) -> object:
    """Decode JSON, also with numbers as C prints them; a broken element of an array is a `Malformed` by itself."""
    value = decode(payload)
    if not isinstance(value, Malformed):
        return value
    try:
        text = payload.decode().strip()
        return [_element(raw) for raw in split_slowly(text)] if text.startswith("[") else read_slowly(text)
    except (UnicodeDecodeError, RejectedError):
        return value


def _element(raw: bytes) -> object:
    try:
        return read_slowly(raw.decode())
    except RejectedError:
        return Malformed(raw)


def _prepare_text(payload: bytes, keys: KeySource, sender: str | None) -> Prepared | None:
    """Prepare a JSON object, or an array of them; None for anything else."""
    try:
        if not payload.isascii():
            payload.decode()  # msgspec does not look into the text of fields that it skips
        decoded = _decode_heads(payload)
        heads = decoded if isinstance(decoded, list) else [decoded]
        device_id = sender or _device_of(head.device_id for head in heads)
        if any(head.reserved for head in heads):
            return None
        if sender is None and device_id != ANONYMOUS_DEVICE and any(head.device_id is None for head in heads):
            return None  # a sample of nobody's among somebody's
        if not any(head.unkeyed for head in heads):
            return _prepared(device_id, payload)
        if isinstance(decoded, _Head):
            return _prepared(device_id, _with_key(payload, keys.key(device_id, 0)))
        elements = [_keyed(element, device_id, index, keys) for index, element in enumerate(_decode_elements(payload))]
    except (ValueError, RecursionError):  # also Unicode's and msgspec's
        return None
    return _prepared(device_id, encode(elements))


def _with_key(payload: bytes, key: Key) -> bytes:
    """Append a key to a JSON object: the last one counts if a name comes twice."""
    head = payload.rstrip(_WHITESPACE)[:-1].rstrip(_WHITESPACE)
    comma = b"" if head.endswith(b"{") and head.strip(_WHITESPACE) == b"{" else b","
    return b'%b%b"boot":"%b","seq":%d}' % (head, comma, key.boot.encode(), key.seq)


_WHITESPACE = b" \t\r\n"


def _prepared(device_id: str, payload: bytes) -> Prepared:
    return Prepared(device_id, payload, sha256_of(payload))


def _replace_attachment(value: object) -> object:
    """Replace a binary attachment by an object that validation rejects."""
    if isinstance(value, bytes):
        return {"binary_bytes": len(value)}
    raise TypeError(f"cannot be JSON: {type(value).__name__}")


def _unwrap(text: str, keys: KeySource, sender: str | None) -> object:
    """Read the JSON that a client sent as a string."""
    try:
        return _read(text.encode(), keys, sender)
    except UnicodeEncodeError:  # half a character: a lone surrogate
        pass
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return Malformed(text.encode(errors="replace"))


def _device_of(device_ids: Iterable[object]) -> str:
    """Return the device of a message: its first sample's, which is `ANONYMOUS_DEVICE` if that names none."""
    for value in device_ids:
        device_id = ANONYMOUS_DEVICE if value is None else valid_device_id(value)
        if device_id is not None:
            return device_id
    return ANONYMOUS_DEVICE


def _named(element: Any, device_id: str) -> Any:
    """Name the device of a sample that names none, so that ingest does not take it for the message's."""
    if isinstance(element, dict) and element.get("device_id") is None and device_id != ANONYMOUS_DEVICE:
        return {**element, "device_id": ANONYMOUS_DEVICE}
    return element


def _keyed(element: Any, device_id: str, index: int, keys: KeySource) -> Any:
    if not isinstance(element, dict):
        return element
    boot = element.get("boot")
    if isinstance(boot, str) and boot.startswith(STAMP):
        # A client may not send a generated key. Twice the sign is never valid, so ingest rejects and keeps it.
        return {**element, "boot": STAMP + boot}
    if boot is None and element.get("seq") is None:
        key = keys.key(device_id, index)
        return {**element, "boot": key.boot, "seq": key.seq}
    return element


def _unknown(device_id: str, message: str) -> Answer:
    """Return an answer without a key: a device that knows its sample by it would take it for the last word."""
    received = rejected(ErrorDetail("timeout", message))
    return Answer(device_id, received, encode(received))


def key_of(data: object) -> SentKey:
    """Return as much as can be read of the last key in what a client sent, decoded or not."""
    if isinstance(data, JsonText | Malformed):
        return key_in_text(data.payload)
    last = data[-1] if isinstance(data, list) and data else data
    return sent_key(last)


def rejected(error: ErrorDetail, key: SentKey = SentKey()) -> DataReceived:  # noqa: B008 - it is immutable
    """Return a receipt that the gateway itself gives; `key` is what could be read of the sample's."""
    return DataReceived(status="error", error=error, message=error.message, boot=key.boot, seq=key.seq)
