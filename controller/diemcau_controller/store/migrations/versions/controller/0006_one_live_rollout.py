"""Never two live rollouts: where there are, the newest goes on.

Whoever rebuilds the table `rollout` (`batch_alter_table`) has to make the index again: nothing reflects it.
"""

from __future__ import annotations

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_LIVE = "state IN ('running', 'paused', 'rolling_back')"
_OTHERS = (
    f"SELECT id FROM rollout WHERE {_LIVE} AND rowid <> "
    f"(SELECT rowid FROM rollout WHERE {_LIVE} ORDER BY created_at DESC, rowid DESC LIMIT 1)"
)


def upgrade() -> None:
    op.execute(
        "UPDATE rollout_unit SET state = 'skipped', why = 'stopped' "
        f"WHERE state IN ('waiting', 'staging', 'staged', 'returning') AND rollout_id IN ({_OTHERS})"
    )
    op.execute(
        "UPDATE rollout SET state = 'stopped', why = 'superseded', ended_at = created_at "
        f"WHERE id IN ({_OTHERS})"
    )
    op.execute(f"CREATE UNIQUE INDEX ux_rollout_live ON rollout (1) WHERE {_LIVE}")
