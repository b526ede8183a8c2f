"""The record, its alerts, what was refused, and the devices' live state."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Create the four tables."""
    op.create_table(
        "history_stress",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("device_id", sa.String(64), nullable=False),
        sa.Column("boot", sa.String(33), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("timestamp", TIME, nullable=False),
        sa.Column("received_at", TIME, nullable=False),
        sa.Column("hr", sa.Float()),
        sa.Column("temp", sa.Float()),
        sa.Column("eda", sa.Float()),
        sa.Column("stress_level", sa.String(16), nullable=False),
        sa.Column("confidence", sa.Float(), nullable=False),
        sa.Column("stress_probability", sa.Float(), nullable=False),
        sa.Column("quality", sa.String(128), nullable=False),
        sa.Column("model_version", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("device_id", "boot", "seq", name="uq_history_stress_key"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_history_stress_timestamp", "history_stress", ["timestamp"])
    op.create_index("ix_history_stress_device_timestamp", "history_stress", ["device_id", "timestamp"])
    op.create_index("ix_history_stress_device_id", "history_stress", ["device_id", "id"])
    op.create_table(
        "alerts",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("device_id", sa.String(64), nullable=False),
        sa.Column("raised_id", BIG_ID),
        sa.Column("record_id", BIG_ID, nullable=False),
        sa.Column("state", sa.String(8), nullable=False),
        sa.Column("level", sa.String(16), nullable=False),
        sa.Column("late", sa.Boolean(), nullable=False),
        sa.Column("timestamp", TIME, nullable=False),
        sa.Column("received_at", TIME, nullable=False),
        sa.Column("stress_probability", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_alerts_device_timestamp", "alerts", ["device_id", "timestamp"])
    op.create_table(
        "rejected",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("device_id", sa.String(64), nullable=False),
        sa.Column("boot", sa.String(33)),
        sa.Column("seq", sa.BigInteger()),
        sa.Column("received_at", TIME, nullable=False),
        sa.Column("code", sa.String(32), nullable=False),
        sa.Column("field", sa.String(32)),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column("length", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "device_state",
        sa.Column("device_id", sa.String(64), nullable=False),
        sa.Column("last_id", BIG_ID, nullable=False),
        sa.Column("saved_at", TIME, nullable=False),
        sa.Column("state", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("device_id"),
    )


def downgrade() -> None:
    """Drop them."""
    for table in ("device_state", "rejected", "alerts", "history_stress"):
        op.drop_table(table)
