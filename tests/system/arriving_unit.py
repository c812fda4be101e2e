"""A unit that was approved, on its way to ready: what it says one after the other, past the broker."""

from __future__ import annotations

import secrets
from typing import Any

import httpx
from diemcau_controller.actions.ingest import Taken
from diemcau_wire.messages import Event, EventKind, Presence, Reported, State
from diemcau_wire.topics import Channel

from .asking_unit import AskingUnit
from .served_office import ServedOffice


class ArrivingUnit(AskingUnit):
    """A blank box in a hall of a served office."""

    def __init__(self, office: ServedOffice) -> None:
        super().__init__(httpx.Client(base_url=office.url))
        self.office, self.site, self.epoch = office, "", 0

    def fetch(self) -> None:
        """Its certificate, and with it where it belongs."""
        said = self.identity()
        assert said.site is not None
        self.site, self.epoch = said.site, said.epoch

    def connect(self, **more: Any) -> None:
        """It stands on the broker."""
        self._say(
            Channel.STATE,
            State(
                unit=self.unit,
                status=Presence.ONLINE,
                site=self.site,
                epoch=self.epoch,
                boot_id=more.pop("boot_id", "boot"),
                nonce=secrets.token_hex(4),
                version="0.1.0",
                at=self.office.controller.now(),
                **more,
            ),
        )

    def configure(self) -> None:
        """It runs the configuration that is wanted."""
        wanted = self.office.controller.fleet.now().by_id[self.site].revisions[Channel.DESIRED_CONFIG]
        reported = Reported(unit=self.unit, rev=wanted, epoch=self.epoch, at=self.office.controller.now())
        self._say(Channel.REPORTED_CONFIG, reported)

    def check(self, verdict: str, instruction: str = "") -> None:
        """Its room was checked."""
        stream = secrets.token_hex(4)
        self._say(
            Channel.EVENT,
            Event(
                id=f"{self.unit}:{stream}:1",
                unit=self.unit,
                boot_id="boot",
                stream=stream,
                seq=1,
                at=self.office.controller.now(),
                kind=EventKind.VERDICT,
                site=self.site,
                data={"verdict": verdict, "instruction": instruction},
            ),
        )

    def _say(self, channel: Channel, message: Any) -> None:
        self.office.say([Taken(channel, message)])
