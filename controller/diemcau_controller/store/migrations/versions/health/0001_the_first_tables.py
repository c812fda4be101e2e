"""The first tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "health",
        sa.Column("number", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("unit", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("number"),
    )
    with op.batch_alter_table("health", schema=None) as batch_op:
        batch_op.create_index("ix_health_at", ["at"], unique=False)
        batch_op.create_index("ix_health_unit", ["unit", "at"], unique=False)
