"""The page: people and what they did, meetings as people announce them, halls that answer, incidents."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "audit",
        sa.Column("number", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.Column("who", sa.String(), nullable=False),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("before", sa.JSON(), nullable=True),
        sa.Column("after", sa.JSON(), nullable=True),
        sa.PrimaryKeyConstraint("number"),
    )
    with op.batch_alter_table("audit", schema=None) as batch_op:
        batch_op.create_index("ix_audit_subject", ["subject", "number"], unique=False)
        batch_op.create_index("ix_audit_who", ["who", "number"], unique=False)

    op.create_table(
        "site_group",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "login_link",
        sa.Column("hash", sa.String(), nullable=False),
        sa.Column("user_name", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("expires_at", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_name"],
            ["user.name"],
        ),
        sa.PrimaryKeyConstraint("hash"),
    )
    with op.batch_alter_table("login_link", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_login_link_user_name"), ["user_name"], unique=False)

    op.create_table(
        "site_group_member",
        sa.Column("group_id", sa.String(), nullable=False),
        sa.Column("site_id", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["group_id"],
            ["site_group.id"],
        ),
        sa.ForeignKeyConstraint(
            ["site_id"],
            ["site.id"],
        ),
        sa.PrimaryKeyConstraint("group_id", "site_id"),
    )
    op.create_table(
        "user_site",
        sa.Column("user_name", sa.String(), nullable=False),
        sa.Column("site_id", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["site_id"],
            ["site.id"],
        ),
        sa.ForeignKeyConstraint(
            ["user_name"],
            ["user.name"],
        ),
        sa.PrimaryKeyConstraint("user_name", "site_id"),
    )
    op.create_table(
        "web_session",
        sa.Column("hash", sa.String(), nullable=False),
        sa.Column("user_name", sa.String(), nullable=False),
        sa.Column("csrf", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("seen_at", sa.DateTime(), nullable=False),
        sa.Column("address", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_name"],
            ["user.name"],
        ),
        sa.PrimaryKeyConstraint("hash"),
    )
    with op.batch_alter_table("web_session", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_web_session_user_name"), ["user_name"], unique=False)

    op.create_table(
        "attachment",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("meeting_id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("media_type", sa.String(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("added_at", sa.DateTime(), nullable=False),
        sa.Column("added_by", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["meeting_id"],
            ["meeting.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("attachment", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_attachment_meeting_id"), ["meeting_id"], unique=False)

    op.create_table(
        "meeting_exception",
        sa.Column("meeting_id", sa.String(), nullable=False),
        sa.Column("starts_local", sa.String(), nullable=False),
        sa.Column("moved_to", sa.String(), nullable=True),
        sa.Column("reason", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["meeting_id"],
            ["meeting.id"],
        ),
        sa.PrimaryKeyConstraint("meeting_id", "starts_local"),
    )
    op.create_table(
        "attendee",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("occurrence_id", sa.String(), nullable=False),
        sa.Column("site_id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("position", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("stands_for", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("entered_at", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["occurrence_id"],
            ["occurrence.id"],
        ),
        sa.ForeignKeyConstraint(
            ["site_id"],
            ["site.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("attendee", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_attendee_occurrence_id"), ["occurrence_id"], unique=False)

    op.create_table(
        "hand",
        sa.Column("number", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("occurrence_id", sa.String(), nullable=False),
        sa.Column("site_id", sa.String(), nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.Column("raised_at", sa.DateTime(), nullable=False),
        sa.Column("ended_at", sa.DateTime(), nullable=True),
        sa.Column("ended", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(
            ["occurrence_id"],
            ["occurrence.id"],
        ),
        sa.ForeignKeyConstraint(
            ["site_id"],
            ["site.id"],
        ),
        sa.PrimaryKeyConstraint("number"),
    )
    with op.batch_alter_table("hand", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_hand_occurrence_id"), ["occurrence_id"], unique=False)

    op.create_table(
        "incident",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("site_id", sa.String(), nullable=False),
        sa.Column("occurrence_id", sa.String(), nullable=True),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("opened_at", sa.DateTime(), nullable=False),
        sa.Column("opened_by", sa.String(), nullable=False),
        sa.Column("assignee", sa.String(), nullable=True),
        sa.Column("closed_at", sa.DateTime(), nullable=True),
        sa.Column("resolution", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["assignee"],
            ["user.name"],
        ),
        sa.ForeignKeyConstraint(
            ["occurrence_id"],
            ["occurrence.id"],
        ),
        sa.ForeignKeyConstraint(
            ["site_id"],
            ["site.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("incident", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_incident_assignee"), ["assignee"], unique=False)
        batch_op.create_index(batch_op.f("ix_incident_occurrence_id"), ["occurrence_id"], unique=False)
        batch_op.create_index("ix_incident_open", ["closed_at", "opened_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_incident_site_id"), ["site_id"], unique=False)

    op.create_table(
        "incident_entry",
        sa.Column("number", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("incident_id", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.Column("who", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.Column("document", sa.JSON(), nullable=True),
        sa.Column("file_name", sa.String(), nullable=True),
        sa.Column("media_type", sa.String(), nullable=True),
        sa.Column("size", sa.Integer(), nullable=True),
        sa.Column("sha256", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(
            ["incident_id"],
            ["incident.id"],
        ),
        sa.PrimaryKeyConstraint("number"),
    )
    with op.batch_alter_table("incident_entry", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_incident_entry_incident_id"), ["incident_id"], unique=False)

    op.create_table(
        "incident_site",
        sa.Column("incident_id", sa.String(), nullable=False),
        sa.Column("site_id", sa.String(), nullable=False),
        sa.Column("since", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(["incident_id"], ["incident.id"]),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"]),
        sa.PrimaryKeyConstraint("incident_id", "site_id"),
    )
    with op.batch_alter_table("incident_site", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_incident_site_site_id"), ["site_id"], unique=False)

    op.create_table(
        "heard",
        sa.Column("occurrence_id", sa.String(), nullable=False),
        sa.Column("site_id", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(["occurrence_id"], ["occurrence.id"]),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"]),
        sa.PrimaryKeyConstraint("occurrence_id", "site_id"),
    )

    op.create_table(
        "report_note",
        sa.Column("occurrence_id", sa.String(), nullable=False),
        sa.Column("site_id", sa.String(), nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.Column("written_by", sa.String(), nullable=False),
        sa.Column("written_at", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(["occurrence_id"], ["occurrence.id"]),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"]),
        sa.PrimaryKeyConstraint("occurrence_id", "site_id"),
    )

    # No table is made anew: with foreign keys on, dropping one that others refer to is refused.
    for name in ("created_by", "chair", "notes", "place", "gate_reason"):
        op.add_column("meeting", sa.Column(name, sa.String(), nullable=False, server_default=""))
    op.add_column("meeting", sa.Column("version", sa.Integer(), nullable=False, server_default="1"))
    op.add_column("meeting", sa.Column("mode", sa.String(), nullable=False, server_default="here"))
    op.add_column("meeting", sa.Column("classification", sa.String(), nullable=False, server_default="none"))
    op.add_column("meeting", sa.Column("gate_confirmed_by", sa.String(), nullable=True))
    op.add_column("meeting", sa.Column("series", sa.String(), nullable=True))
    for name in ("urgent", "security_subject"):
        op.add_column("meeting", sa.Column(name, sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column(
        "occurrence", sa.Column("open_discussion", sa.Boolean(), nullable=False, server_default=sa.false())
    )
    op.add_column("occurrence", sa.Column("chair_link", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("site", sa.Column("contacts", sa.JSON(), nullable=False, server_default="[]"))
    op.add_column("site", sa.Column("removed_at", sa.DateTime(), nullable=True))
    op.execute(
        "UPDATE site SET contacts = json_array("
        "json_object('name', contact_name, 'phone', contact_phone, 'task', ''))"
        " WHERE contact_name <> '' OR contact_phone <> ''"
    )
    op.drop_column("site", "contact_name")
    op.drop_column("site", "contact_phone")
    op.add_column("user", sa.Column("display_name", sa.String(), nullable=False, server_default=""))
    op.add_column("user", sa.Column("password_hash", sa.String(), nullable=True))
    op.add_column("user", sa.Column("disabled_at", sa.DateTime(), nullable=True))
    op.execute("ALTER TABLE user ADD COLUMN area_id VARCHAR REFERENCES area (id)")
