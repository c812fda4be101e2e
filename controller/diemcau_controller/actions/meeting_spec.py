"""A meeting as somebody asks for it, to announce or to change: in words of the API, checked by field."""

from __future__ import annotations

import unicodedata
from datetime import datetime
from typing import Annotated

from diemcau_wire.messages import Name, Nfc, SiteId, Token
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from ..rules.gate import Classification, Mode

MOST_SITES = 12_000
KINDS = ("giao-ban", "hoi-nghi", "tap-huan", "hop-khan")  # others may be written; these have words


def _in_calendar(value: datetime) -> datetime:
    if not 1970 <= value.year <= 9998:  # beyond, no other zone can show it
        raise ValueError("give a year from 1970 to 9998")
    return value


def _one_line(value: str) -> str:
    if any(unicodedata.category(letter) == "Cc" for letter in value):
        raise ValueError("it is one line, without control characters")
    return value.strip()


def _lines(value: str) -> str:
    text = value.replace("\r\n", "\n").replace("\r", "\n")
    if any(unicodedata.category(letter) == "Cc" for letter in text if letter not in "\n\t"):
        raise ValueError("it has no control characters but ends of lines")
    return text.strip()


Moment = Annotated[datetime, AfterValidator(_in_calendar)]
Seconds = Annotated[int, Field(ge=0, le=24 * 3600)]
Length = Annotated[int, Field(ge=-(2**31), le=2**31)]
Line = Annotated[str, Field(max_length=200), Nfc, AfterValidator(_one_line)]
Notes = Annotated[str, Field(max_length=4000), Nfc, AfterValidator(_lines)]
Rule = Annotated[str, Field(max_length=500)]
Sites = Annotated[list[SiteId], Field(max_length=MOST_SITES)]
Ids = Annotated[list[Token], Field(max_length=4000)]


class MeetingSpec(BaseModel):
    """A meeting to announce.

    `starts_at` with an offset is a moment; without one it is wall-clock time in the coordinator's zone.
    Either `ends_at` or `duration_s` says how long. Invited are, beside `main_site`, these `sites`, every site
    of these `areas` (and of the areas below) and `groups`, less those in `without`; every site when none of
    the three is given. Units may join `opens_before_s` early and are not cut until `overrun_s` after the end.
    `mode` other than `here` only holds the halls. `subject_checked`: a person has looked at words in title or
    notes that suggest security or secrecy, and it is neither.
    """

    model_config = ConfigDict(extra="forbid")
    title: Name
    kind: Token = "giao-ban"
    starts_at: Moment
    ends_at: Moment | None = None
    duration_s: Length | None = None
    opens_before_s: Seconds = 600
    overrun_s: Seconds = 1800
    rrule: Rule | None = None
    main_site: SiteId
    sites: Sites | None = None
    areas: Ids | None = None
    groups: Ids | None = None
    without: Sites = []
    chair: Line = ""
    place: Line = ""
    notes: Notes = ""
    mode: Mode = Mode.HERE
    classification: Classification = Classification.NONE
    security_subject: bool = False
    subject_checked: bool = False


class MeetingPatch(BaseModel):
    """What to change of a meeting; what is absent stays.

    `version` is the one the change was made from: when somebody else has changed the meeting since, it is
    refused with what they changed; without it the change is made anyway. Of a recurring meeting the dates
    from `since` on (the id of an occurrence; absent: from the next one) are changed, or that date `only`;
    what was before stays as it was.
    """

    model_config = ConfigDict(extra="forbid")
    version: Annotated[int, Field(ge=1, le=2**31)] | None = None
    since: Token | None = None
    only: bool = False
    title: Name | None = None
    kind: Token | None = None
    starts_at: Moment | None = None
    ends_at: Moment | None = None
    duration_s: Length | None = None
    opens_before_s: Seconds | None = None
    overrun_s: Seconds | None = None
    rrule: Rule | None = None
    main_site: SiteId | None = None
    sites: Sites | None = None
    areas: Ids | None = None
    groups: Ids | None = None
    without: Sites | None = None
    chair: Line | None = None
    place: Line | None = None
    notes: Notes | None = None
    mode: Mode | None = None
    classification: Classification | None = None
    security_subject: bool | None = None
    subject_checked: bool = False

    def gives(self, *fields: str) -> bool:
        """True when one of these is asked to change."""
        return any(field in self.model_fields_set for field in fields)
