"""What every use case works with, and the few things it asks of the world outside."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Protocol, TypeVar

from diemcau_wire.messages import Ack, Message
from diemcau_wire.topics import Channel
from sqlalchemy.orm import Session

from ..config import Settings, StateDir
from ..rules.audit_chain import Verdict
from ..rules.authority_state import AuthorityState
from ..rules.backups import BackupState
from ..rules.releases import ReleasesState
from ..store.database import Database
from ..store.writer import Writer
from .doorkeeper import Doorkeeper
from .fleet import FleetView
from .news import News

T = TypeVar("T")


class Post(Protocol):
    """Takes messages to units. Never blocks; what cannot go now is told again on the next connect."""

    @property
    def connected(self) -> bool: ...

    @property
    def refused(self) -> Mapping[str, int]: ...

    def publish(self, message: Message, channel: Channel) -> bool: ...


@dataclass(frozen=True, slots=True)
class Letter:
    """A message on its way to a unit, as a transaction leaves it behind."""

    message: Message
    channel: Channel


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class ChainSeen:
    """What the last look through the list of changes found, and when it was."""

    verdict: Verdict
    at: datetime


@dataclass
class Controller:
    """The parts of one running controller.

    `fleet` is every site as it stands, in memory. `acks` holds who waits for the answer to which command;
    `refused` counts, by reason, messages that passed the border and changed nothing. `schedules_until` is the
    day up to which every unit has its schedule (None: not known yet). `backup` is how it stands with backups,
    `chain` what is known of the list of changes (None: not looked through yet), `authority` and `releases`
    what a person should do about the certificate authority and the units' software.
    """

    settings: Settings
    state: StateDir
    database: Database
    writer: Writer
    post: Post
    news: News
    now: Callable[[], datetime] = _now
    janus_reached: Callable[[], bool] = lambda: False
    acks: dict[str, asyncio.Future[Ack]] = field(default_factory=dict)
    refused: Counter[str] = field(default_factory=Counter)
    schedules_until: date | None = None
    in_room: dict[str, set[str]] = field(default_factory=dict)
    door: Doorkeeper = field(default_factory=Doorkeeper)
    backup: BackupState = field(default_factory=BackupState)
    chain: ChainSeen | None = None
    authority: AuthorityState = field(default_factory=AuthorityState)
    releases: ReleasesState = field(default_factory=ReleasesState)
    fleet: FleetView = field(init=False)

    def __post_init__(self) -> None:
        self.fleet = FleetView(self.database)
        self.writer.after_commit.append(self.fleet.note)

    def write(self, change: Callable[[Session], T]) -> Awaitable[T]:
        """Run a change in the one writer and wait for its commit."""
        return self.writer.write(change)

    def refusals(self) -> dict[str, int]:
        """How many messages of units were refused, by reason: at the border and behind it."""
        return dict(sorted((self.refused + Counter(self.post.refused)).items()))

    def send(self, letters: Iterable[Letter]) -> None:
        """Post what a committed transaction left to be told."""
        for letter in letters:
            self.post.publish(letter.message, letter.channel)
