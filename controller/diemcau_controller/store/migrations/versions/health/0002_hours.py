"""What an hour of measurements comes to, by site."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "site_hour",
        sa.Column("site_id", sa.String(), nullable=False),
        sa.Column("hour", sa.DateTime(), nullable=False),
        sa.Column("rtt_count", sa.Integer(), nullable=False),
        sa.Column("rtt_sum_ms", sa.Double(), nullable=False),
        sa.Column("rtt_most_ms", sa.Double(), nullable=False),
        sa.Column("hottest_c", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("site_id", "hour"),
    )
    with op.batch_alter_table("site_hour", schema=None) as batch_op:
        batch_op.create_index("ix_site_hour", ["hour"], unique=False)
