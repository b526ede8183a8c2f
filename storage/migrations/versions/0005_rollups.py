"""Rollups of the readings, filled from those that are there."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

WIDTHS_S = (60, 3600)
CHANNELS = ("hr", "temp", "eda")


def upgrade() -> None:
    """Create the table, and fill it."""
    channels = (
        column
        for channel in CHANNELS
        for column in (
            sa.Column(f"{channel}_count", sa.BigInteger(), nullable=False),
            sa.Column(f"{channel}_sum", sa.Float(), nullable=False),
            sa.Column(f"{channel}_min", sa.Float(), nullable=True),
            sa.Column(f"{channel}_max", sa.Float(), nullable=True),
        )
    )
    op.create_table(
        "rollups",
        sa.Column("device_id", sa.String(64), nullable=False),
        sa.Column("width_s", sa.Integer(), nullable=False),
        sa.Column("start_s", sa.BigInteger(), nullable=False),
        sa.Column("readings", sa.BigInteger(), nullable=False),
        sa.Column("high_stress", sa.BigInteger(), nullable=False),
        sa.Column("probability_sum", sa.Float(), nullable=False),
        *channels,
        sa.PrimaryKeyConstraint("device_id", "width_s", "start_s"),
    )
    op.create_index("ix_rollups_width_start", "rollups", ["width_s", "start_s"])
    for width_s in WIDTHS_S:
        op.execute(_filling(op.get_bind().dialect.name, width_s))


def downgrade() -> None:
    """Drop it."""
    op.drop_table("rollups")


def _filling(dialect: str, width_s: int) -> str:
    seconds = (
        "CAST(strftime('%s', timestamp) AS INTEGER)"
        if dialect == "sqlite"
        else "CAST(floor(extract(epoch FROM timestamp)) AS BIGINT)"
    )
    of_channels = ", ".join(f"count({one}), coalesce(sum({one}), 0), min({one}), max({one})" for one in CHANNELS)
    return (
        f"INSERT INTO rollups SELECT device_id, {width_s}, {seconds} / {width_s} * {width_s}, count(*),"  # noqa: S608
        " sum(CASE WHEN stress_level = 'high_stress' THEN 1 ELSE 0 END), sum(stress_probability),"
        f" {of_channels} FROM history_stress GROUP BY 1, 3"
    )
