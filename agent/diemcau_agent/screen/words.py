"""The words of the hall screen: one catalogue per language, and how dates and times are written in it."""

from __future__ import annotations

import math
import tomllib
from datetime import datetime
from functools import cache
from importlib.resources import files
from zoneinfo import ZoneInfo

LANGUAGES = ("vi", "en")
PLACE = ZoneInfo("Asia/Ho_Chi_Minh")


class Words:
    """One language. Texts are named `section.key`."""

    def __init__(self, language: str) -> None:
        source = files("diemcau_agent.screen") / "texts" / f"{language}.toml"
        sections = tomllib.loads(source.read_text(encoding="utf-8"))
        self.texts: dict[str, str] = {}
        self._weekdays: list[str] = sections["date"].pop("weekdays")
        for section, texts in sections.items():
            self.texts.update({f"{section}.{key}": text for key, text in texts.items()})

    def __call__(self, key: str, **values: object) -> str:
        """The text `key` with `values` put in. Raises KeyError for a key that is not in the catalogue."""
        return self.texts[key].format(**values)

    def instruction(self, key: str) -> str:
        """What the person in the hall shall do; for a cause this screen does not know yet, whom to ask."""
        return self.texts.get(f"instruction.{key}") or self("instruction.other")

    def time(self, at: datetime) -> str:
        """Time of day at the hall: "08:00"."""
        return f"{at.astimezone(PLACE):%H:%M}"

    def date(self, at: datetime) -> str:
        """Day at the hall: "thứ Năm, 12/3/2026"."""
        here = at.astimezone(PLACE)
        return self(
            "date.full",
            weekday=self._weekdays[here.weekday()],
            day=here.day,
            month=here.month,
            year=here.year,
        )

    def when(self, at: datetime, now: datetime) -> str:
        """A coming time as people say it: "08:00 hôm nay"; beyond tomorrow with the date."""
        days = (at.astimezone(PLACE).date() - now.astimezone(PLACE).date()).days
        day = {0: self("date.today"), 1: self("date.tomorrow")}.get(days) or self.date(at)
        return self("date.at", time=self.time(at), day=day)

    def between(self, start: datetime, end: datetime) -> str:
        """A span of time: "08:00 – 09:30"."""
        return self("date.between", start=self.time(start), end=self.time(end))

    def countdown(self, remaining_s: float) -> tuple[str, str]:
        """What the countdown says: the line above, and the large one.

        Whole minutes, rounded up, so that "1 phút" is never less than what is left; seconds in the
        last minute; then that we are connecting.
        """
        if remaining_s <= 0:
            return self("countdown.connecting_lead"), self("countdown.connecting")
        seconds = math.ceil(remaining_s)
        if seconds <= 60:
            return self("countdown.lead"), self(f"countdown.second{'' if seconds == 1 else 's'}", n=seconds)
        minutes = -(-seconds // 60)
        if minutes < 60:
            return self("countdown.lead"), self("countdown.minutes", n=minutes)
        hours, minutes = divmod(minutes, 60)
        return self("countdown.lead"), self("countdown.hours", hours=hours, minutes=minutes)

    def urgent(self, remaining_s: float) -> tuple[str, str]:
        """What the countdown of an urgent meeting says: the line above, and the seconds."""
        if remaining_s <= 0:
            return self("urgent.joining_lead"), self("countdown.connecting")
        seconds = math.ceil(remaining_s)
        return self("urgent.lead"), self(f"countdown.second{'' if seconds == 1 else 's'}", n=seconds)


@cache
def words(language: str) -> Words:
    """The catalogue of `language`, one of :data:`LANGUAGES`; read once."""
    return Words(language)
