"""Enrolment: what was issued to units, and what belongs to admitting, replacing and locking them out."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op
from diemcau_controller.store.chain import chain

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _certificates()
    _installation()
    _chain_of_changes()
    _second_factor()
    _admission()
    _cuts()


def _certificates() -> None:
    op.create_table(
        "certificate",
        sa.Column("serial", sa.String(), nullable=False),
        sa.Column("unit_id", sa.String(), nullable=False),
        sa.Column("issued_at", sa.DateTime(), nullable=False),
        sa.Column("not_after", sa.DateTime(), nullable=False),
        sa.Column("pem", sa.String(), nullable=False),
        sa.Column("revoked_at", sa.DateTime(), nullable=True),
        sa.Column("why", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(["unit_id"], ["unit.id"]),
        sa.PrimaryKeyConstraint("serial"),
    )
    with op.batch_alter_table("certificate", schema=None) as batch_op:
        batch_op.create_index("ix_certificate_unit_id", ["unit_id"], unique=False)


def _second_factor() -> None:
    op.create_table(
        "security_key",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("user_name", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("public_key", sa.String(), nullable=False),
        sa.Column("sign_count", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("used_at", sa.DateTime(), nullable=True),
        sa.ForeignKeyConstraint(["user_name"], ["user.name"]),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("security_key", schema=None) as batch_op:
        batch_op.create_index("ix_security_key_user_name", ["user_name"], unique=False)
    op.create_table(
        "key_challenge",
        sa.Column("session", sa.String(), nullable=False),
        sa.Column("purpose", sa.String(), nullable=False),
        sa.Column("challenge", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(["session"], ["web_session.hash"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("session"),
    )
    op.create_table(
        "key_shown",
        sa.Column("session", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(["session"], ["web_session.hash"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("session"),
    )
    op.create_table(
        "openid_account",
        sa.Column("issuer", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("user_name", sa.String(), nullable=False),
        sa.Column("linked_at", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(["user_name"], ["user.name"]),
        sa.PrimaryKeyConstraint("issuer", "subject"),
    )
    with op.batch_alter_table("openid_account", schema=None) as batch_op:
        batch_op.create_index("ix_openid_account_user_name", ["user_name"], unique=False)
    op.create_table(
        "openid_flow",
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("browser", sa.String(), nullable=False),
        sa.Column("nonce", sa.String(), nullable=False),
        sa.Column("verifier", sa.String(), nullable=False),
        sa.Column("goes_to", sa.String(), nullable=False),
        sa.Column("user_name", sa.String(), nullable=True),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(["user_name"], ["user.name"]),
        sa.PrimaryKeyConstraint("state"),
    )


def _installation() -> None:
    op.create_table(
        "installation",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("made_at", sa.DateTime(), nullable=False),
        sa.Column("restored_at", sa.DateTime(), nullable=True),
        sa.CheckConstraint("id = 1", name="one_row"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.execute(
        sa.text("INSERT INTO installation VALUES (1, :name, 1, :now, NULL)").bindparams(
            name=secrets.token_hex(6), now=datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
        )
    )
    op.create_table(
        "later_binding",
        sa.Column("unit_id", sa.String(), nullable=False),
        sa.Column("site_id", sa.String(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("serial", sa.String(), nullable=False),
        sa.Column("seen_at", sa.DateTime(), nullable=False),
        sa.Column("verdict", sa.String(), nullable=True),
        sa.Column("decided_at", sa.DateTime(), nullable=True),
        sa.Column("decided_by", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("unit_id"),
    )
    op.add_column("stream", sa.Column("restored", sa.Boolean(), nullable=False, server_default=sa.false()))


def _chain_of_changes() -> None:
    """Chain the rows there are, then let nobody change or remove any.

    Whoever rebuilds this table (`batch_alter_table`) has to make the triggers again.
    """
    op.add_column("audit", sa.Column("hash", sa.String(), nullable=False, server_default=""))
    chain(op.get_bind())
    for name, what in (("changed", "UPDATE"), ("removed", "DELETE")):
        op.execute(
            f"CREATE TRIGGER audit_is_never_{name} BEFORE {what} ON audit "
            f"BEGIN SELECT RAISE(ABORT, 'the list of changes is never {name}'); END"
        )


def _admission() -> None:
    """Units that ask to be admitted, papers and orders that let them, and two boxes with one identity."""
    for name, kind in (("ssh_host_key", sa.String()), ("ended", sa.String()), ("ended_at", sa.DateTime())):
        op.add_column("unit", sa.Column(name, kind, nullable=True))
    op.create_table(
        "enrolment",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("unit_id", sa.String(), nullable=False),
        sa.Column("public_key", sa.String(), nullable=False),
        sa.Column("serial", sa.String(), nullable=False),
        sa.Column("model", sa.String(), nullable=False),
        sa.Column("version", sa.String(), nullable=False),
        sa.Column("ssh_host_key", sa.String(), nullable=True),
        sa.Column("commitment", sa.String(), nullable=False),
        sa.Column("nonce", sa.String(), nullable=False),
        sa.Column("unit_nonce", sa.String(), nullable=True),
        sa.Column("code", sa.String(), nullable=True),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("voucher", sa.String(), nullable=True),
        sa.Column("wrong_tries", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("expires_at", sa.DateTime(), nullable=False),
        sa.Column("decided_at", sa.DateTime(), nullable=True),
        sa.Column("decided_by", sa.String(), nullable=True),
        sa.Column("site_id", sa.String(), nullable=True),
        sa.Column("what", sa.String(), nullable=True),
        sa.Column("epoch", sa.Integer(), nullable=True),
        sa.Column("fetched_at", sa.DateTime(), nullable=True),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("enrolment", schema=None) as batch_op:
        batch_op.create_index("ix_enrolment_code", ["code"], unique=False)
        batch_op.create_index("ix_enrolment_state", ["state", "expires_at"], unique=False)
        batch_op.create_index("ix_enrolment_unit", ["unit_id", "created_at"], unique=False)
        batch_op.create_index("ix_enrolment_source", ["source", "created_at"], unique=False)
    op.create_table(
        "wrong_try",
        sa.Column("number", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("enrolment_id", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(["enrolment_id"], ["enrolment.id"]),
        sa.PrimaryKeyConstraint("number"),
    )
    with op.batch_alter_table("wrong_try", schema=None) as batch_op:
        batch_op.create_index("ix_wrong_try_at", ["at"], unique=False)
    op.create_table(
        "try_alarm",
        sa.Column("number", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("scope", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("since", sa.DateTime(), nullable=False),
        sa.Column("lifted_at", sa.DateTime(), nullable=True),
        sa.Column("lifted_by", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("number"),
    )
    with op.batch_alter_table("try_alarm", schema=None) as batch_op:
        batch_op.create_index("ix_try_alarm_standing", ["lifted_at", "scope"], unique=False)
    op.create_table(
        "voucher",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("site_id", sa.String(), nullable=False),
        sa.Column("what", sa.String(), nullable=False),
        sa.Column("made_by", sa.String(), nullable=False),
        sa.Column("made_at", sa.DateTime(), nullable=False),
        sa.Column("expires_at", sa.DateTime(), nullable=False),
        sa.Column("used_at", sa.DateTime(), nullable=True),
        sa.Column("used_by", sa.String(), nullable=True),
        sa.Column("withdrawn_at", sa.DateTime(), nullable=True),
        sa.Column("withdrawn_by", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("voucher", schema=None) as batch_op:
        batch_op.create_index("ix_voucher_site_id", ["site_id"], unique=False)
    op.create_table(
        "work_order",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("site_id", sa.String(), nullable=False),
        sa.Column("what", sa.String(), nullable=False),
        sa.Column("technician", sa.String(), nullable=False),
        sa.Column("note", sa.String(), nullable=False),
        sa.Column("opened_by", sa.String(), nullable=False),
        sa.Column("opened_at", sa.DateTime(), nullable=False),
        sa.Column("until", sa.DateTime(), nullable=False),
        sa.Column("closed_at", sa.DateTime(), nullable=True),
        sa.Column("closed_by", sa.String(), nullable=True),
        sa.Column("unit_id", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"]),
        sa.ForeignKeyConstraint(["technician"], ["user.name"]),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("work_order", schema=None) as batch_op:
        batch_op.create_index("ix_work_order_site_id", ["site_id"], unique=False)
        batch_op.create_index("ix_work_order_open", ["closed_at", "technician"], unique=False)
    op.create_table(
        "unit_join",
        sa.Column("unit_id", sa.String(), nullable=False),
        sa.Column("boot_id", sa.String(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("media", sa.String(), nullable=False),
        sa.Column("box", sa.String(), nullable=False),
        sa.Column("first_at", sa.DateTime(), nullable=False),
        sa.Column("last_at", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(["unit_id"], ["unit.id"]),
        sa.PrimaryKeyConstraint("unit_id", "boot_id"),
    )
    op.create_table(
        "clone",
        sa.Column("number", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("unit_id", sa.String(), nullable=False),
        sa.Column("site_id", sa.String(), nullable=True),
        sa.Column("found_at", sa.DateTime(), nullable=False),
        sa.Column("why", sa.String(), nullable=False),
        sa.Column("boots", sa.JSON(), nullable=False),
        sa.Column("decided_at", sa.DateTime(), nullable=True),
        sa.Column("decided_by", sa.String(), nullable=True),
        sa.Column("verdict", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(["unit_id"], ["unit.id"]),
        sa.PrimaryKeyConstraint("number"),
    )
    with op.batch_alter_table("clone", schema=None) as batch_op:
        batch_op.create_index("ix_clone_open", ["decided_at", "unit_id"], unique=False)


def _cuts() -> None:
    op.create_table(
        "cut",
        sa.Column("unit_id", sa.String(), nullable=False),
        sa.Column("wanted_at", sa.DateTime(), nullable=False),
        sa.Column("done_at", sa.DateTime(), nullable=True),
        sa.PrimaryKeyConstraint("unit_id"),
    )
