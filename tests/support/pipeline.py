"""The surroundings of ingest: a bus that keeps a journal, a pipeline without a bus, and samples."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from types import TracebackType
from typing import Any, Self

from sqlalchemy import Select, text

from broker.bus import BusError
from broker.contract import SENSOR_DATA
from broker.message import Message
from broker.subscription import Subscription
from ingest.decoded_message import DecodedMessage, Stamps, decode_message
from ingest.device_streams import DeviceCache
from ingest.transaction import Outcome, store
from models.serving.predictor import Predictor
from storage.database import Database
from stresswire.simulate import person

NOW = datetime(2024, 12, 10, 12, tzinfo=UTC)
RAISED_S, CLEARED_S, RAISED_AGAIN_S = 175, 321, 501
"""When `stream` raises and clears an alert with the shipped model; a test checks it."""


def sample(seq: int | None = None, *, at: datetime | None = NOW, boot: str = "boot1", **fields: Any) -> dict[str, Any]:
    """A calm sample; without `seq` it has no key, with `at` None no timestamp."""
    return {
        "hr": 70,
        "temp": 33.5,
        "eda": 0.5,
        **({} if seq is None else {"boot": boot, "seq": seq}),
        **({} if at is None else {"timestamp": at.isoformat()}),
        **fields,
    }


def stream(seconds: int, *, start: datetime = NOW, boot: str = "boot1", person_seed: int = 0) -> list[dict[str, Any]]:
    """One sample a second of a person who is calm, then stressed, then calm, then stressed again."""
    states = islice(person(person_seed, calm_s=150, stress_s=120), seconds)
    return [
        sample(t, at=start + timedelta(seconds=t), boot=boot, hr=state.hr, temp=state.temp, eda=state.eda)
        for t, state in enumerate(states)
    ]


def encoded(payload: object) -> bytes:
    return payload if isinstance(payload, bytes) else json.dumps(payload).encode()


def message(payload: object, device_id: str = "d", *, trusted: bool = False) -> Message:
    return Message(SENSOR_DATA.topic(device_id), encoded(payload), trusted=trusted)


class Pipeline:
    """Runs `store` as ingest does, on a real database."""

    def __init__(self, database: Database, predictor: Predictor) -> None:
        self.database = database
        self.predictor = predictor
        self.devices = DeviceCache()
        self.stamps = Stamps("process1")

    def decoded(
        self, *payloads: object, device_id: str = "d", at: datetime = NOW, trusted: bool = False
    ) -> list[DecodedMessage]:
        return [decode_message(message(payload, device_id, trusted=trusted), at, self.stamps) for payload in payloads]

    def store(self, decoded: Sequence[DecodedMessage], *, isolate: bool = False) -> Outcome:
        """One transaction; the states count when it is committed."""
        with self.database.writer.begin() as connection:
            outcome = store(connection, decoded, self.devices, self.predictor, isolate=isolate)
        self.devices.commit(outcome.states)
        return outcome

    def send(self, *payloads: object, device_id: str = "d", at: datetime = NOW, isolate: bool = False) -> "Published":
        """One transaction of these messages."""
        return Published(self.store(self.decoded(*payloads, device_id=device_id, at=at), isolate=isolate))

    def restart(self) -> None:
        """Forget what is in memory."""
        self.devices = DeviceCache()

    def rows(self, query: str) -> list[Any]:
        with self.database.reader.connect() as connection:
            return [tuple(row) for row in connection.execute(text(query))]

    def select(self, query: Select[*tuple[Any, ...]]) -> list[Any]:
        """As `rows`, with times as datetimes on both databases."""
        with self.database.reader.connect() as connection:
            return [tuple(row) for row in connection.execute(query)]

    def count(self, table: str) -> int:
        return int(self.rows(f"SELECT count(*) FROM {table}")[0][0])  # noqa: S608 - the names are ours


class Published:
    """The messages of an outcome."""

    def __init__(self, outcome: Outcome) -> None:
        self.outcome = outcome

    def named(self, name: str) -> list[Any]:
        published = [(one.topic, one.payload) for one in self.outcome.publications]
        published += [(one.topic, one.payload) for one in self.outcome.alerts]
        return [json.loads(payload) for topic, payload in published if topic.endswith(f"/{name}")]

    @property
    def answers(self) -> list[Any]:
        return self.named("data_received")

    @property
    def answer(self) -> Any:
        (only,) = self.answers
        return only

    @property
    def readings(self) -> list[Any]:
        return self.named("new_sensor_data")

    @property
    def alerts(self) -> list[Any]:
        return self.named("stress_alert")


class FakeBus:
    """A bus in memory; `journal` has every publication and acknowledgement in order."""

    def __init__(self) -> None:
        self.journal: list[tuple[str, bytes]] = []
        self.subscriptions: list[Subscription] = []
        self.refuses = 0
        self.groups: list[str | None] = []
        self.state = "ok"

    def subscribe(
        self, filters: Sequence[str], *, qos: int, durable: bool, buffer: int, group: str | None = None
    ) -> Subscription:
        self.groups.append(group)
        self.subscriptions.append(Subscription(filters, qos=qos, durable=durable, buffer=buffer))
        return self.subscriptions[-1]

    def subscribe_misaddressed(self, buffer: int) -> Subscription:
        self.misaddressed = Subscription((), qos=0, durable=False, buffer=buffer)
        return self.misaddressed

    async def open(self) -> None:
        """Nothing to open."""

    async def publish(self, topic: str, payload: bytes, *, qos: int = 0, retain: bool = False) -> None:
        assert not retain, "health data is never retained"
        self.journal.append((f"{topic.rpartition('/')[2]} {qos}", payload))

    async def deliver(self, topic: str, payload: bytes) -> None:
        if self.refuses:
            self.refuses -= 1
            raise BusError("away")
        await self.publish(topic, payload, qos=1)

    async def drain(self) -> None:
        await self.close()

    async def arrive(self, payload: object, device_id: str = "d") -> None:
        """A message from a device."""
        body = encoded(payload)

        async def ack() -> None:
            self.journal.append(("ack", body))

        taken = Message(SENSOR_DATA.topic(device_id), body, trusted=False, ack=ack)
        for subscription in self.subscriptions:
            if subscription.matches(taken.topic):
                await subscription.put(taken)

    async def close(self) -> None:
        for subscription in self.subscriptions:
            subscription.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
