"""When somebody is told that rooms are not ready: once per fault until it changes, many at once in one
message, not at night unless a meeting comes, and not for ever."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta

QUIET_FOR = timedelta(seconds=30)  # so long nobody else reported the same fault …
AT_MOST = timedelta(minutes=2)  # … but whoever did first is not kept waiting longer
AGAIN = timedelta(minutes=10)  # between messages of one fault to one address, and about one site
STALE = timedelta(hours=12)  # a check from before says nothing of now
BEFORE_MEETING = timedelta(hours=3)  # so long before a meeting there are no quiet hours
RETRIES = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=15))


@dataclass(frozen=True, slots=True)
class NotReady:
    """A site that is not ready: its fault, when it was found, to which addresses it is told, and whether it
    is invited to a meeting that is near or runs."""

    site: str
    fault: str
    since: datetime
    addresses: tuple[str, ...]
    meeting_near: bool = False


@dataclass(frozen=True, slots=True)
class Telling:
    """One message: about this fault of these sites, to one address."""

    address: str
    fault: str
    sites: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """`tell` now; `told` is what is known of from then on; `forget` are sites that are well again."""

    tell: tuple[Telling, ...] = ()
    told: Mapping[str, str] = field(default_factory=dict)
    forget: tuple[str, ...] = ()


def plan_notices(
    not_ready: Iterable[NotReady],
    well: Iterable[str],
    told: Mapping[str, tuple[str, datetime]],
    last: Mapping[tuple[str, str], datetime],
    now: datetime,
    *,
    quiet: bool,
) -> Plan:
    """What is to be told. `well`: sites whose last check found nothing grave; `told`: fault and time by site;
    `last`: when an address was last told of a fault; `quiet`: the hours are."""
    due: dict[str, list[NotReady]] = {}
    for one in not_ready:
        if one.addresses and now - one.since <= STALE and not _known(told.get(one.site), one.fault, now):
            due.setdefault(one.fault, []).append(one)
    tell: list[Telling] = []
    done: dict[str, str] = {}
    for fault, ones in sorted(due.items()):
        # A unit whose clock is a little ahead does not keep everybody waiting.
        times = [one.since if one.since <= now else now - AT_MOST for one in ones]
        newest, oldest = max(times), min(times)
        if now - newest < QUIET_FOR and now - oldest < AT_MOST:
            continue
        awake = [one for one in ones if not quiet or one.meeting_near]
        by_address: dict[str, list[str]] = {}
        for one in awake:
            for address in one.addresses:
                by_address.setdefault(address, []).append(one.site)
        resting = {
            address
            for address in by_address
            if (before := last.get((address, fault))) is not None and now - before < AGAIN
        }
        for address, sites in sorted(by_address.items()):
            if address not in resting:
                tell.append(Telling(address, fault, tuple(sites)))
        done |= {one.site: fault for one in awake if not resting & set(one.addresses)}
    return Plan(tuple(tell), done, tuple(sorted(set(well) & told.keys())))


def is_quiet(at: time, begins: time, ends: time) -> bool:
    """Whether a time of day lies in the quiet hours; equal ends mean there are none."""
    if begins <= ends:
        return begins <= at < ends
    return at >= begins or at < ends


def next_try(tries: int, now: datetime) -> datetime | None:
    """When to try again after so many tries in vain; None: no more."""
    return now + RETRIES[tries - 1] if tries <= len(RETRIES) else None


def addresses_of(
    areas: Sequence[str], by_area: Mapping[str, Sequence[str]], otherwise: Sequence[str], phone: str
) -> tuple[str, ...]:
    """Where a site's faults are told: at the addresses of the nearest area that has any. `areas` lead from
    the top to its own. `{phone}` in an address stands for the number of the site's contact, and one that
    needs it is left out where there is none."""
    chosen = next((by_area[area] for area in reversed(areas) if area in by_area), otherwise)
    digits = "".join(letter for letter in phone if letter in "+0123456789")
    return tuple(
        address.replace("{phone}", digits) for address in chosen if digits or "{phone}" not in address
    )


def _known(told: tuple[str, datetime] | None, fault: str, now: datetime) -> bool:
    """True when a site's fault was told of, or another one just before: one that flickers is told seldom."""
    return told is not None and (told[0] == fault or now - told[1] < AGAIN)
