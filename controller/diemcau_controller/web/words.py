"""The words of the pages: gettext catalogues by domain, and times as people write them.

A key is `domain.name`; the domain is the file, locale/<language>/<domain>.po, and the whole key its msgid.
"""

from __future__ import annotations

import gettext
import io
from collections.abc import Iterable
from datetime import datetime, timedelta, tzinfo
from functools import cache
from pathlib import Path

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_decimal

LANGUAGES = ("vi", "en")
LOCALE = Path(__file__).parent / "locale"
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")

Moment = datetime | str
"""A moment with its zone, or the same in RFC 3339."""


class Words:
    """One language, one time zone. `words("state.ready")` gives a text; an unknown key raises KeyError."""

    def __init__(self, language: str, zone: tzinfo, now: datetime) -> None:
        self.language, self.zone, self.now = language, zone, now

    def __call__(self, key: str, **values: object) -> str:
        """The text of a key with its `{placeholders}` filled in."""
        text = _catalogue(self.language, _domain(key)).gettext(key)
        if text == key:
            raise KeyError(f"no text {key} in {self.language}")
        return text.format(**values)

    def n(self, key: str, n: int, **values: object) -> str:
        """The text of a key that depends on a number: English has one and many. `{n}` is the number."""
        text = _catalogue(self.language, _domain(key)).ngettext(key, key, n)
        if text == key:
            raise KeyError(f"no text {key} in {self.language}")
        return text.format(n=self.number(n), **values)

    def known(self, domain: str, name: str, otherwise: str) -> str:
        """A text for a word that comes from outside (a newer unit), or another one, or that word itself."""
        for candidate in (name, otherwise):
            key = f"{domain}.{candidate}"
            text = _catalogue(self.language, domain).gettext(key)
            if text != key:
                return text
        return otherwise

    def has(self, key: str) -> bool:
        """True when there is a text of this key."""
        domain = _domain(key)
        return (LOCALE / self.language / f"{domain}.po").is_file() and key in keys(self.language, domain)

    def number(self, number: float, decimals: int = 0) -> str:
        """`3.321` in Vietnamese, `3,321` in English."""
        return format_decimal(round(number, decimals), locale=self.language)

    def list(self, items: Iterable[str]) -> str:
        """`Ea Kiết, Ea Tar và Quảng Hiệp`."""
        *first, last = items
        return self("date.list", first=", ".join(first), last=last) if first else last

    def local(self, moment: Moment) -> datetime:
        """A moment in the coordinator's zone."""
        return (datetime.fromisoformat(moment) if isinstance(moment, str) else moment).astimezone(self.zone)

    def time(self, moment: Moment | None) -> str:
        """`08:00`."""
        return f"{self.local(moment):%H:%M}" if moment else self("date.never")

    def clock(self, moment: Moment) -> str:
        """`08:00:05`."""
        return f"{self.local(moment):%H:%M:%S}"

    def exact(self, moment: Moment | None) -> str:
        """`12/3/2026 08:00:05`."""
        return f"{self.date(moment)} {self.clock(moment)}" if moment else self("date.never")

    def date(self, moment: Moment) -> str:
        """`12/3/2026`."""
        local = self.local(moment)
        return f"{local.day}/{local.month}/{local.year}"

    def weekday(self, moment: Moment) -> str:
        """`thứ Năm`."""
        return self(f"date.{_WEEKDAYS[self.local(moment).weekday()]}")

    def day(self, moment: Moment) -> str:
        """`Thứ Năm, 12/3/2026`, to begin a line with."""
        weekday = self.weekday(moment)
        return f"{weekday[:1].upper()}{weekday[1:]}, {self.date(moment)}"

    def ago(self, moment: Moment | None) -> str:
        """`3 phút trước`, or `sau 3 phút` for what is to come."""
        if not moment:
            return self("date.never")
        distance = self.now - self.local(moment)
        minutes = round(abs(distance) / timedelta(minutes=1))
        if minutes < 1:
            return self("date.now")
        ahead = distance < timedelta(0)
        for limit, size, name in ((60, 1, "minutes"), (48 * 60, 60, "hours")):
            if minutes < limit:
                return self.n(f"date.in_{name}" if ahead else f"date.{name}_ago", minutes // size)
        return self.n("date.in_days" if ahead else "date.days_ago", minutes // (24 * 60))

    def length(self, seconds: float) -> str:
        """`1 giờ 30 phút`, `2 giờ`, `10 phút`: how long something planned takes, without parts that are 0."""
        hours, minutes = divmod(round(seconds / 60), 60)
        if 0 < seconds < 60:
            return self("date.seconds", seconds=round(seconds))
        if hours and minutes:
            return self("date.hours_minutes", hours=hours, minutes=minutes)
        return self("date.hours", hours=hours) if hours else self("date.minutes", minutes=minutes)

    def duration(self, seconds: float) -> str:
        """`1 giờ 12 phút`, `12 phút 5 giây`: the two largest parts."""
        minutes, rest = divmod(round(seconds), 60)
        hours, within = divmod(minutes, 60)
        if hours:
            return self("date.hours_minutes", hours=hours, minutes=within)
        return self("date.minutes_seconds", minutes=minutes, seconds=rest)


def domains(language: str) -> list[str]:
    """The catalogues of a language."""
    return sorted(file.stem for file in (LOCALE / language).glob("*.po"))


def keys(language: str, domain: str) -> frozenset[str]:
    """Every key of one catalogue."""
    return frozenset(_read(language, domain)[1])


@cache
def _read(language: str, domain: str) -> tuple[gettext.GNUTranslations, frozenset[str]]:
    file = LOCALE / language / f"{domain}.po"
    if not file.is_file():
        raise KeyError(f"there are no texts {domain} in {language}")
    with file.open("rb") as source:
        texts = read_po(source, locale=language, domain=domain, abort_invalid=True)
    compiled = io.BytesIO()
    write_mo(compiled, texts)
    compiled.seek(0)
    ids = {one.id if isinstance(one.id, str) else one.id[0] for one in texts if one.id}
    return gettext.GNUTranslations(compiled), frozenset(ids)


def _catalogue(language: str, domain: str) -> gettext.GNUTranslations:
    return _read(language, domain)[0]


def _domain(key: str) -> str:
    return key.partition(".")[0]
