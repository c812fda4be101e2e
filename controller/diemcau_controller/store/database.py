"""Opens the two SQLite files, brings their tables up to date, and gives sessions to read with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, create_engine, event
from sqlalchemy.orm import Session

from .tables import Base, HealthBase

_MIGRATIONS = Path(__file__).parent / "migrations"


class Database:
    """Both files behind one kind of session; a session finds the right file by the table."""

    def __init__(self, controller: Path, health: Path) -> None:
        controller.parent.mkdir(parents=True, exist_ok=True)
        # An event is acknowledged after its commit, so that commit has to survive a power cut (FULL);
        # of the health history a second may be lost (NORMAL).
        self._controller = _engine(controller, synchronous="FULL")
        self._health = _engine(health, synchronous="NORMAL")
        upgrade(self._controller, "controller")
        upgrade(self._health, "health")

    def session(self) -> Session:
        """A new session over both files. Only the writer commits."""
        return Session(
            binds={Base: self._controller, HealthBase: self._health},
            autoflush=True,
            expire_on_commit=False,
        )

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A session to read with: one consistent view, rolled back at the end."""
        with self.session() as session:
            yield session

    def close(self) -> None:
        self._controller.dispose()
        self._health.dispose()


def _engine(path: Path, *, synchronous: str) -> Engine:
    engine = create_engine(f"sqlite:///{path}", connect_args={"timeout": 10})

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, record: Any) -> None:
        connection.isolation_level = None  # BEGIN is ours: the driver's own breaks savepoints
        for pragma in (
            "journal_mode=WAL",
            f"synchronous={synchronous}",
            "foreign_keys=ON",
            "busy_timeout=10000",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN")

    return engine


def upgrade(engine: Engine, lineage: str, revision: str = "head") -> None:
    """Bring the tables of a file up to a revision; `lineage` is `controller` or `health`."""
    config = _migrations(lineage)
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        config.attributes["metadata"] = Base.metadata if lineage == "controller" else HealthBase.metadata
        command.upgrade(config, revision)


def known_revisions(lineage: str) -> frozenset[str]:
    """The revisions this version can bring up to date; a file of any other is of a newer version."""
    scripts = ScriptDirectory.from_config(_migrations(lineage))
    return frozenset(script.revision for script in scripts.walk_revisions())


def _migrations(lineage: str) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.set_main_option("version_locations", str(_MIGRATIONS / "versions" / lineage).replace("%", "%%"))
    config.set_main_option("path_separator", "newline")
    return config
