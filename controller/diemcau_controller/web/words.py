"""The words of the pages: one TOML catalogue per language, and times as people write them."""

from __future__ import annotations

import tomllib
from datetime import datetime, timedelta, tzinfo
from functools import cache
from pathlib import Path
from typing import Any

LANGUAGES = ("vi", "en")
_FOLDER = Path(__file__).parent / "texts"


class Words:
    """One language, one time zone. `words("state.ready")` gives a text; an unknown key raises KeyError."""

    def __init__(self, language: str, zone: tzinfo, now: datetime) -> None:
        self.language, self._zone, self._now = language, zone, now
        self._catalogue = catalogue(language)

    def __call__(self, key: str, **values: object) -> str:
        section, _, name = key.partition(".")
        return str(self._catalogue[section][name]).format(**values)

    def known(self, section: str, name: str, otherwise: str) -> str:
        """A text for a word that comes from outside (a newer unit), or another one."""
        texts = self._catalogue[section]
        return str(texts.get(name, texts.get(otherwise, otherwise)))

    def time(self, text: str | None) -> str:
        """`08:00`."""
        return f"{self._local(text):%H:%M}" if text else self("date.never")

    def clock(self, text: str) -> str:
        """`08:00:05`."""
        return f"{self._local(text):%H:%M:%S}"

    def exact(self, text: str | None) -> str:
        """`12/3/2026 08:00:05`."""
        if not text:
            return self("date.never")
        local = self._local(text)
        return f"{local.day}/{local.month}/{local.year} {local:%H:%M:%S}"

    def day(self, text: str) -> str:
        """`Thứ Năm, 12/3/2026`, to begin a line with."""
        local = self._local(text)
        weekday = str(self._catalogue["date"]["weekdays"][local.weekday()])
        weekday = weekday[:1].upper() + weekday[1:]
        return self("date.full", weekday=weekday, day=local.day, month=local.month, year=local.year)

    def ago(self, text: str | None) -> str:
        """`3 phút trước`, or `sau 3 phút` for what is to come."""
        if not text:
            return self("date.never")
        distance = self._now - datetime.fromisoformat(text)
        minutes = round(abs(distance) / timedelta(minutes=1))
        if minutes < 1:
            return self("date.now")
        ahead = distance < timedelta(0)
        for limit, size, name in ((60, 1, "minutes"), (48 * 60, 60, "hours")):
            if minutes < limit:
                return self(f"date.in_{name}" if ahead else f"date.{name}_ago", n=minutes // size)
        return self("date.in_days" if ahead else "date.days_ago", n=minutes // (24 * 60))

    def duration(self, seconds: float) -> str:
        """`12 phút 5 giây`."""
        minutes, rest = divmod(round(seconds), 60)
        return self("date.duration", minutes=minutes, seconds=rest)

    def _local(self, text: str) -> datetime:
        return datetime.fromisoformat(text).astimezone(self._zone)


@cache
def catalogue(language: str) -> dict[str, Any]:
    """All texts of a language."""
    return tomllib.loads((_FOLDER / f"{language}.toml").read_text(encoding="utf-8"))
