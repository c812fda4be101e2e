"""The desired documents this unit runs: taken from the line, stored, then acted upon, then reported."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime

from diemcau_wire import Channel
from diemcau_wire.messages import DesiredConfig, DesiredSchedule, Occurrence, Reported

from diemcau_agent.rules import schedule as schedule_rules

from .store import Store

log = logging.getLogger(__name__)


class Desired:
    """Configuration and schedule of one unit. `refused` counts stale documents."""

    def __init__(self, store: Store, unit: str) -> None:
        self._store, self._unit = store, unit
        self._refused: dict[Channel, str] = {}
        self.refused = 0
        self.config: DesiredConfig | None = store.read_config()
        self.schedule: DesiredSchedule | None = store.read_schedule()

    @property
    def epoch(self) -> int:
        """The epoch this unit is at; 0 before its first configuration."""
        return self.config.epoch if self.config else 0

    @property
    def site(self) -> str | None:
        """The site this unit serves."""
        return self.config.site.id if self.config else None

    @property
    def meetings(self) -> Sequence[Occurrence]:
        """The meetings to attend: none while schedule and configuration are of different epochs."""
        return self.schedule.meetings if self.schedule and self.schedule.epoch == self.epoch else ()

    @property
    def revisions(self) -> dict[str, int]:
        """The revision of each document that runs; 0 for none."""
        return {
            "config": self.config.rev if self.config else 0,
            "schedule": self.schedule.rev if self.schedule else 0,
        }

    def take(self, document: DesiredConfig | DesiredSchedule) -> bool:
        """Store and run `document` unless it is stale; True when it changed anything."""
        channel, held = self._held(document)
        refusal = schedule_rules.refusal(held, document)
        if refusal is not None:
            self._refused[channel] = refusal
            self.refused += 1
            log.warning("desired document refused", extra={"channel": channel.value, "error": refusal})
            return False
        self._refused.pop(channel, None)
        if document == held:
            return False
        self._store.write(channel, document)
        if isinstance(document, DesiredConfig):
            self.config = document
        else:
            self.schedule = document
        log.info("desired document runs", extra={"channel": channel.value, "rev": document.rev})
        return True

    def settle(self) -> bool:
        """Try again to store what the disk did not take; True when it took something."""
        held = {Channel.DESIRED_CONFIG: self.config, Channel.DESIRED_SCHEDULE: self.schedule}
        waiting = set(self._store.unstored)
        for channel in waiting:
            document = held[channel]
            if document is not None:
                self._store.write(channel, document)
        return waiting != self._store.unstored

    def reported(self, now: datetime) -> dict[Channel, Reported]:
        """What to report about both documents."""
        return {
            Channel.REPORTED_CONFIG: self._report(Channel.DESIRED_CONFIG, self.config, now),
            Channel.REPORTED_SCHEDULE: self._report(Channel.DESIRED_SCHEDULE, self.schedule, now),
        }

    def _held(
        self, document: DesiredConfig | DesiredSchedule
    ) -> tuple[Channel, DesiredConfig | DesiredSchedule | None]:
        if isinstance(document, DesiredConfig):
            return Channel.DESIRED_CONFIG, self.config
        return Channel.DESIRED_SCHEDULE, self.schedule

    def _report(
        self, channel: Channel, held: DesiredConfig | DesiredSchedule | None, now: datetime
    ) -> Reported:
        error = self._refused.get(channel) or self._store.complaints.get(channel)
        return Reported(
            unit=self._unit,
            rev=held.rev if held else 0,
            epoch=held.epoch if held else 0,
            error=error,
            at=now,
        )
