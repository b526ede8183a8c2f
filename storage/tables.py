"""The tables. Times are UTC; SQLite keeps them as text that sorts, PostgreSQL as timestamptz."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import BigInteger, Dialect, Float, Index, Integer, LargeBinary, String, Text, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import DateTime, TypeDecorator

from broker.contract import MAX_BOOT, STAMP, Quality

BOOT_KEPT = len(STAMP) + MAX_BOOT
"""Characters of a `boot` that is kept."""
BigId = BigInteger().with_variant(Integer(), "sqlite")  # SQLite counts up only an INTEGER key


class UtcDateTime(TypeDecorator[datetime]):
    """An aware datetime in UTC, also if the database keeps no zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        if value is None or dialect.name != "sqlite":
            return value
        return value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        if value is None or dialect.name != "sqlite":
            return value  # type: ignore[no-any-return]
        return value.replace(tzinfo=UTC)  # type: ignore[no-any-return]


class FreeText(TypeDecorator[str]):
    """Free text. Characters that not every database takes are replaced: NUL, and surrogates."""

    impl: type[String] = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        del dialect
        if value is None:
            return None
        return value.encode(errors="replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")


class FreeString(FreeText):
    """The same, of a limited length: ``FreeString(64)``."""

    impl = String
    cache_ok = True


class Base(DeclarativeBase):
    """All tables of the record."""


class HistoryStress(Base):
    """One stored reading; `confidence` and `stress_probability` are 0-1, `quality` is comma-separated."""

    __tablename__ = "history_stress"
    __table_args__ = (
        UniqueConstraint("device_id", "boot", "seq", name="uq_history_stress_key"),
        Index("ix_history_stress_timestamp", "timestamp"),
        Index("ix_history_stress_device_timestamp", "device_id", "timestamp"),
        Index("ix_history_stress_device_id", "device_id", "id"),
        {"sqlite_autoincrement": True},  # an id is never given twice, also after an erasure
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    device_id: Mapped[str] = mapped_column(String(64))
    boot: Mapped[str] = mapped_column(String(33))
    seq: Mapped[int] = mapped_column(BigInteger)
    timestamp: Mapped[datetime] = mapped_column(UtcDateTime)
    received_at: Mapped[datetime] = mapped_column(UtcDateTime)
    hr: Mapped[float | None] = mapped_column(Float)
    temp: Mapped[float | None] = mapped_column(Float)
    eda: Mapped[float | None] = mapped_column(Float)
    stress_level: Mapped[str] = mapped_column(String(16))
    confidence: Mapped[float] = mapped_column(Float)
    stress_probability: Mapped[float] = mapped_column(Float)
    quality: Mapped[str] = mapped_column(String(128))
    model_version: Mapped[str] = mapped_column(String(64))


def quality_text(quality: Sequence[Quality]) -> str:
    """`quality` as the column keeps it: comma-separated."""
    return ",".join(quality)


def quality_of(text: str) -> tuple[Quality, ...]:
    """The inverse of `quality_text`."""
    return tuple(text.split(",")) if text else ()  # type: ignore[arg-type]


class Rollup(Base):
    """The readings of a device in a bucket of `width_s` seconds from `start_s` on, Unix time; kept in their transaction.

    Of a sensor: how many readings had it, their sum, the smallest and the largest.
    """

    __tablename__ = "rollups"
    __table_args__ = (Index("ix_rollups_width_start", "width_s", "start_s"),)

    device_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    width_s: Mapped[int] = mapped_column(Integer, primary_key=True)
    start_s: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    readings: Mapped[int] = mapped_column(BigInteger)
    high_stress: Mapped[int] = mapped_column(BigInteger)
    probability_sum: Mapped[float] = mapped_column(Float)
    hr_count: Mapped[int] = mapped_column(BigInteger)
    hr_sum: Mapped[float] = mapped_column(Float)
    hr_min: Mapped[float | None] = mapped_column(Float)
    hr_max: Mapped[float | None] = mapped_column(Float)
    temp_count: Mapped[int] = mapped_column(BigInteger)
    temp_sum: Mapped[float] = mapped_column(Float)
    temp_min: Mapped[float | None] = mapped_column(Float)
    temp_max: Mapped[float | None] = mapped_column(Float)
    eda_count: Mapped[int] = mapped_column(BigInteger)
    eda_sum: Mapped[float] = mapped_column(Float)
    eda_min: Mapped[float | None] = mapped_column(Float)
    eda_max: Mapped[float | None] = mapped_column(Float)


class Alert(Base):
    """An alert was raised or cleared; `raised_id` is the alert that a `cleared` row ends."""

    __tablename__ = "alerts"
    __table_args__ = (
        Index("ix_alerts_device_timestamp", "device_id", "timestamp"),
        Index("ix_alerts_raised_id", "raised_id"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    device_id: Mapped[str] = mapped_column(String(64))
    raised_id: Mapped[int | None] = mapped_column(BigId)
    record_id: Mapped[int] = mapped_column(BigId)
    state: Mapped[str] = mapped_column(String(8))
    level: Mapped[str] = mapped_column(String(16))
    late: Mapped[bool]
    timestamp: Mapped[datetime] = mapped_column(UtcDateTime)
    received_at: Mapped[datetime] = mapped_column(UtcDateTime)
    stress_probability: Mapped[float] = mapped_column(Float)


class Rejected(Base):
    """A rejected sample and the reason: its first `PAYLOAD_KEPT` bytes, its whole length and the SHA-256 of all of it."""

    __tablename__ = "rejected"
    __table_args__ = {"sqlite_autoincrement": True}  # noqa: RUF012

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    device_id: Mapped[str] = mapped_column(FreeString(64))
    boot: Mapped[str | None] = mapped_column(String(BOOT_KEPT))
    seq: Mapped[int | None] = mapped_column(BigInteger)
    received_at: Mapped[datetime] = mapped_column(UtcDateTime)
    code: Mapped[str] = mapped_column(String(32))
    field: Mapped[str | None] = mapped_column(FreeString(32))
    message: Mapped[str] = mapped_column(FreeText)
    payload: Mapped[bytes] = mapped_column(LargeBinary)
    length: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str] = mapped_column(String(64))


class DeviceState(Base):
    """A snapshot of a device's live state, taken with the row `last_id`; recovery replays the rows after it."""

    __tablename__ = "device_state"

    device_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    last_id: Mapped[int] = mapped_column(BigId)
    saved_at: Mapped[datetime] = mapped_column(UtcDateTime)
    state: Mapped[bytes] = mapped_column(LargeBinary)
    baseline: Mapped[str | None] = mapped_column(Text)
    """The personal baseline as JSON: for people to see, never read back."""


class BaselineReset(Base):
    """A request for a new personal baseline: ingest begins it with the next sample, and deletes this."""

    __tablename__ = "baseline_resets"

    device_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    asked_at: Mapped[datetime] = mapped_column(UtcDateTime)


class AlertAction(Base):
    """A person's action on an alert; `alert_id` is that of its `raised` row."""

    __tablename__ = "alert_actions"
    __table_args__ = (Index("ix_alert_actions_alert_id", "alert_id"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    alert_id: Mapped[int] = mapped_column(BigId)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    login: Mapped[str | None] = mapped_column(String(64))
    action: Mapped[str] = mapped_column(String(16))
    text: Mapped[str | None] = mapped_column(FreeText)


class Annotation(Base):
    """A label for a span of a device's time; without `end` an instant, or a span that still lasts."""

    __tablename__ = "annotations"
    __table_args__ = (Index("ix_annotations_device_id", "device_id", "id"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    device_id: Mapped[str] = mapped_column(String(64))
    start: Mapped[datetime] = mapped_column(UtcDateTime)
    end: Mapped[datetime | None] = mapped_column(UtcDateTime)
    label: Mapped[str] = mapped_column(FreeString(64))
    note: Mapped[str | None] = mapped_column(FreeText)
    source: Mapped[str] = mapped_column(String(16))
    login: Mapped[str | None] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class CommandRow(Base):
    """A command to a device and its result; `value` is JSON."""

    __tablename__ = "commands"

    command_id: Mapped[str] = mapped_column(FreeString(32), primary_key=True)
    device_id: Mapped[str] = mapped_column(String(64))
    command: Mapped[str] = mapped_column(FreeString(64))
    value: Mapped[str | None] = mapped_column(FreeText)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    login: Mapped[str | None] = mapped_column(String(64))
    answered_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    status: Mapped[str | None] = mapped_column(FreeString(64))
    message: Mapped[str | None] = mapped_column(FreeText)


class OutboxRow(Base):
    """A committed message that no broker has yet."""

    __tablename__ = "outbox"
    __table_args__ = {"sqlite_autoincrement": True}  # noqa: RUF012

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    device_id: Mapped[str] = mapped_column(String(64))
    topic: Mapped[str] = mapped_column(String(128))
    payload: Mapped[bytes] = mapped_column(LargeBinary)


class LoginRow(Base):
    """An account of a device, a person or a part of the pipeline; of its token only the SHA-256, in hex."""

    __tablename__ = "logins"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    role: Mapped[str] = mapped_column(String(16))
    token_sha256: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    changed_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    devices: Mapped[str | None] = mapped_column(Text)
    """Devices that a person may see, comma-separated; null: all."""


class SessionRow(Base):
    """A browser that is signed in; of its cookie only the SHA-256, in hex."""

    __tablename__ = "sessions"

    id_sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    login: Mapped[str] = mapped_column(String(64))
    login_changed_at: Mapped[datetime] = mapped_column(UtcDateTime)
    """Identifies the token: a login with another token, or a new login of that name, has other sessions."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)


class AuditRow(Base):
    """An action of the audit: never changed, never health data. `login` is null if no logins are needed."""

    __tablename__ = "audit"
    __table_args__ = (Index("ix_audit_at", "at"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    login: Mapped[str | None] = mapped_column(String(64))
    address: Mapped[str | None] = mapped_column(FreeString(64))
    """Network address; null: at the command line."""
    action: Mapped[str] = mapped_column(String(32))
    subject: Mapped[str | None] = mapped_column(FreeString(64))
    """The device or login that it concerns."""
    detail: Mapped[str | None] = mapped_column(FreeText)


PAYLOAD_KEPT = 4096
REJECTED_KEPT = 10_000
