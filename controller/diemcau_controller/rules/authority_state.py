"""How it stands with the certificate authority: what a person should do, if anything."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Need(StrEnum):
    """What is needed, most urgent first."""

    REPAIR = "repair"
    RENEW = "renew"
    TAKE_OFFLINE = "take_offline"
    FORGET = "forget"
    NOTHING = "nothing"
    NOT_YET = "not_yet"


@dataclass(frozen=True, slots=True)
class AuthorityState:
    """What is needed; `about` is what is wrong, the day of an end, or the name of a root."""

    need: Need = Need.NOT_YET
    about: str = ""

    def sentence(self) -> str:
        """For whoever watches the controller."""
        return {
            Need.REPAIR: self.about,
            Need.RENEW: f"the online authority ends on {self.about}: "
            "fetch the roots' keys and run `diemcau ca new-intermediate`",
            Need.TAKE_OFFLINE: "the roots' keys still lie on this machine: "
            "`diemcau ca take-offline` moves them to a medium",
            Need.FORGET: f"{self.about} is still trusted: `diemcau ca forget-old` when `diemcau ca status` "
            "says that every unit has renewed",
            Need.NOTHING: "ok",
            Need.NOT_YET: "not looked at yet",
        }[self.need]
