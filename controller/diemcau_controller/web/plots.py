"""Small plots drawn by the server: a strip of days, and a line over a month; complete without a script."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from ..actions.read_checks import DAYS, Day, Hour
from .words import Words

WIDTH, HEIGHT = 600.0, 90.0
_GAP = timedelta(hours=3)  # a line is not drawn over a longer time without measurements
_NICE = (5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000)


@dataclass(frozen=True, slots=True)
class Strip:
    """One row of days. `cells` are (tone, x, what it says)."""

    name: str
    summary: str
    cells: tuple[tuple[str, int, str], ...]


@dataclass(frozen=True, slots=True)
class Plot:
    """A line in a box of :data:`WIDTH` by :data:`HEIGHT`; `paths` are SVG paths. `top` and
    `bottom` are the values at its edges."""

    name: str
    summary: str
    paths: tuple[str, ...]
    top: str
    bottom: str


def strips(days: dict[str, list[Day]], words: Words) -> list[Strip]:
    """The rows of a month: the whole room, then each device that was ever wrong in it."""
    shown = [name for name in days if not name or any(day.tone not in ("good", "none") for day in days[name])]
    return [_strip(name, days[name], words) for name in shown]


def plots(hours: Sequence[Hour], now: datetime, words: Words) -> list[Plot]:
    """Line and heat over the month, each where it was measured."""
    rtt = [(hour.at, hour.rtt_ms) for hour in hours if hour.rtt_ms is not None]
    heat = [(hour.at, hour.hottest_c) for hour in hours if hour.hottest_c is not None]
    most = max((hour.rtt_most_ms or 0 for hour in hours), default=0.0)
    made = []
    if rtt:
        mean = sum(one for _, one in rtt) / len(rtt)
        said = words("faults.rtt_said", mean=words.number(mean), most=words.number(most))
        top = next((one for one in _NICE if one >= max(value for _, value in rtt)), _NICE[-1])
        made.append(_plot(words("faults.rtt"), said, rtt, now, 0, top, "ms", words))
    if heat:
        said = words("faults.heat_said", most=words.number(max(one for _, one in heat)))
        made.append(_plot(words("faults.heat"), said, heat, now, 20, 100, "°C", words))
    return made


def _strip(name: str, days: Sequence[Day], words: Words) -> Strip:
    called = words(f"faults.device_{name}") if name else words("faults.whole_room")
    bad = sum(day.tone == "bad" for day in days)
    care = sum(day.tone in ("care", "mended") for day in days)
    return Strip(
        called,
        words("faults.strip_said", name=called, bad=words.number(bad), care=words.number(care)),
        tuple((day.tone, 10 * number, _day_said(day, words)) for number, day in enumerate(days)),
    )


def _day_said(day: Day, words: Words) -> str:
    said = f"{day.date.day}/{day.date.month}: {words(f'faults.day_{day.tone}')}"
    faults = ", ".join(fault_name(words, one) for one in day.faults[:4])
    return f"{said} ({faults})" if faults else said


def day_text(day: date) -> str:
    """`12/3/2026`."""
    return f"{day.day}/{day.month}/{day.year}"


def fault_name(words: Words, what: str) -> str:
    """A fault in a few words; one without words of its own as it is written."""
    return words(f"fault.{what}") if words.has(f"fault.{what}") else what


def _plot(
    name: str,
    summary: str,
    points: Iterable[tuple[datetime, float]],
    now: datetime,
    low: float,
    high: float,
    unit: str,
    words: Words,
) -> Plot:
    first, span = now - timedelta(days=DAYS), timedelta(days=DAYS)
    paths: list[list[str]] = []
    before: datetime | None = None
    for at, value in points:
        x = WIDTH * min(1.0, max(0.0, (at - first) / span))
        y = HEIGHT * (1 - min(1.0, max(0.0, (value - low) / (high - low))))
        if before is None or at - before > _GAP:
            paths.append([])
        paths[-1].append(f"{x:.1f} {y:.1f}")
        before = at
    drawn = tuple(f"M{' L'.join(path if len(path) > 1 else path * 2)}" for path in paths)
    return Plot(name, summary, drawn, f"{words.number(high)} {unit}", f"{words.number(low)} {unit}")
