"""The room: its devices as a site's desired state, what checks found day by day, who was told of it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ("camera_small", "camera_onvif", "camera_preset", "check_room", "check_pin", "check_secret"):
        op.add_column("site", sa.Column(name, sa.String(), nullable=True))
    op.add_column("site", sa.Column("volume_percent", sa.Integer(), nullable=True))
    op.add_column("site", sa.Column("television", sa.String(), nullable=False, server_default="none"))
    op.add_column("site", sa.Column("buttons", sa.String(), nullable=False, server_default="auto"))
    # Whoever never chose a time wants the one everybody has.
    op.add_column("site", sa.Column("morning_at", sa.String(), nullable=True, server_default="07:00"))
    for name, value in (
        ("echo_cancellation", sa.true()),
        ("check_tone", sa.true()),
        ("room_pictures", sa.false()),
    ):
        op.add_column("site", sa.Column(name, sa.Boolean(), nullable=False, server_default=value))

    op.create_table(
        "check_day",
        sa.Column("site_id", sa.String(), nullable=False),
        sa.Column("day", sa.String(), nullable=False),
        sa.Column("ready", sa.Integer(), nullable=False),
        sa.Column("remark", sa.Integer(), nullable=False),
        sa.Column("not_ready", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"]),
        sa.PrimaryKeyConstraint("site_id", "day"),
    )
    with op.batch_alter_table("check_day", schema=None) as batch_op:
        batch_op.create_index("ix_check_day", ["day"], unique=False)

    op.create_table(
        "fault_day",
        sa.Column("site_id", sa.String(), nullable=False),
        sa.Column("day", sa.String(), nullable=False),
        sa.Column("what", sa.String(), nullable=False),
        sa.Column("not_ready", sa.Integer(), nullable=False),
        sa.Column("remark", sa.Integer(), nullable=False),
        sa.Column("mended", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"]),
        sa.PrimaryKeyConstraint("site_id", "day", "what"),
    )
    with op.batch_alter_table("fault_day", schema=None) as batch_op:
        batch_op.create_index("ix_fault_day", ["day"], unique=False)

    op.create_table(
        "told",
        sa.Column("site_id", sa.String(), nullable=False),
        sa.Column("fault", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"]),
        sa.PrimaryKeyConstraint("site_id"),
    )
    op.create_table(
        "notice",
        sa.Column("number", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.Column("fault", sa.String(), nullable=False),
        sa.Column("sites", sa.JSON(), nullable=False),
        sa.Column("target", sa.String(), nullable=False),
        sa.Column("shown_as", sa.String(), nullable=False),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("body", sa.String(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("next_try_at", sa.DateTime(), nullable=True),
        sa.Column("sent_at", sa.DateTime(), nullable=True),
        sa.Column("error", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("number"),
    )
    with op.batch_alter_table("notice", schema=None) as batch_op:
        batch_op.create_index("ix_notice_due", ["next_try_at"], unique=False)
