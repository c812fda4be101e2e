"""How a version gets to a fleet (đợt cập nhật): what a rollout does next, decided from what is stored alone.

Two rules first. A unit is flipped to another version only by itself, under a lease it gives itself from the
schedule it has; here it is only asked. And what is not known is not done: a unit that is away waits, one that
falls silent after it was asked to flip has failed until it says otherwise.

Rings go in order. Within one, units are staged at any time; then they go in waves that are gated: the next
wave, and the next ring, wait until a real meeting or a full check after the flip showed that it works.
:func:`plan` may be asked at any moment, by a controller that has only just started, and twice: it says what
to do now, never what was done.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from .rings import CANARY, RINGS


class State(StrEnum):
    """Of a rollout. paused: by a person, or by its threshold (`why`); stopped: given up, or gone back."""

    RUNNING = "running"
    PAUSED = "paused"
    ROLLING_BACK = "rolling_back"
    STOPPED = "stopped"
    DONE = "done"


# What a person, or the plan, may make of it. A done one runs again when a unit turns up that it lacks.
TRANSITIONS: Mapping[State, frozenset[State]] = {
    State.RUNNING: frozenset({State.PAUSED, State.STOPPED, State.ROLLING_BACK, State.DONE}),
    State.PAUSED: frozenset({State.RUNNING, State.STOPPED, State.ROLLING_BACK}),
    State.ROLLING_BACK: frozenset({State.STOPPED}),
    State.STOPPED: frozenset({State.ROLLING_BACK}),
    State.DONE: frozenset({State.RUNNING, State.ROLLING_BACK, State.STOPPED}),
}
LIVE = frozenset({State.RUNNING, State.PAUSED, State.ROLLING_BACK})


class At(StrEnum):
    """How a unit stands. back: it has its former version again; returning: it shall have it again."""

    WAITING = "waiting"
    STAGING = "staging"
    STAGED = "staged"
    APPLYING = "applying"
    GATING = "gating"
    DONE = "done"
    FAILED = "failed"
    RETURNING = "returning"
    BACK = "back"
    SKIPPED = "skipped"


UNIT_TRANSITIONS: Mapping[At, frozenset[At]] = {
    At.WAITING: frozenset(
        {At.STAGING, At.STAGED, At.APPLYING, At.GATING, At.FAILED, At.BACK, At.SKIPPED, At.DONE}
    ),
    At.STAGING: frozenset({At.STAGED, At.WAITING, At.GATING, At.FAILED, At.SKIPPED}),
    At.STAGED: frozenset({At.APPLYING, At.WAITING, At.GATING, At.FAILED, At.BACK, At.SKIPPED}),
    At.APPLYING: frozenset({At.STAGED, At.WAITING, At.GATING, At.FAILED, At.BACK, At.SKIPPED}),
    At.GATING: frozenset({At.DONE, At.FAILED, At.BACK, At.RETURNING, At.SKIPPED}),
    At.DONE: frozenset({At.RETURNING, At.BACK}),
    At.FAILED: frozenset({At.GATING, At.BACK, At.RETURNING, At.WAITING, At.SKIPPED}),
    At.RETURNING: frozenset({At.BACK, At.FAILED, At.SKIPPED}),
    At.BACK: frozenset({At.WAITING, At.GATING, At.RETURNING}),
    At.SKIPPED: frozenset({At.RETURNING, At.BACK}),
}
UNDER_WAY = frozenset({At.STAGING, At.STAGED, At.APPLYING, At.GATING})
OVER = frozenset({At.DONE, At.FAILED, At.BACK, At.SKIPPED})
ENDING = frozenset({State.STOPPED, State.ROLLING_BACK})
"""In these nobody waits for the version any more: who would is skipped."""

# The five heaps every unit is on exactly one of.
HEAPS: Mapping[At, str] = {
    At.WAITING: "waiting",
    At.STAGING: "waiting",
    At.STAGED: "waiting",
    At.APPLYING: "waiting",
    At.GATING: "waiting",
    At.RETURNING: "waiting",
    At.DONE: "done",
    At.FAILED: "failed",
    At.BACK: "back",
    At.SKIPPED: "skipped",
}

LONGEST_RUN = timedelta(hours=2)  # Ansible is ended then
SILENT = timedelta(minutes=20)  # a flip, its gate and the way back take six minutes at most
# When a whole system brings the version, the box starts again, has a quarter of an hour to answer and three
# starts to do so.
SYSTEM_SILENT = timedelta(minutes=40)
LONGEST_STAGING = timedelta(hours=8)  # 100 MB at 64 kbit/s take four; a whole system goes on after it
CLEAR_OF_MEETING = timedelta(hours=2)  # the unit keeps 90 minutes clear, and the work must fit before
NO_WINDOW = timedelta(days=7)
UNSETTLED = "unsettled"
"""Why a unit that keeps the version, or is done, is worked on once more: nobody has said yet that its
packages, services and settings are there. A meeting left no time for them, or the run was cut short."""
_ASK_AGAIN = timedelta(minutes=10)
_MOST_TRIES = 4
_AT_A_TIME = 100  # units staged by one run


@dataclass(frozen=True, slots=True)
class UnitNow:
    """A unit of a rollout. The first fields are as stored (:class:`..store.tables.RolloutUnit`); `going`: a
    run works on it now. `groups` are those its site is in, `there`: it is connected, `version` what it runs,
    `meeting` when its next meeting opens (one that runs: when it opened), `met`: it was in a meeting from
    beginning to end since `kept_at`, `check` how a full check since then came out: `good`, `bad` or "";
    `overtaken`: a later rollout is about its site."""

    unit: str
    ring: str
    state: At
    since: datetime
    again_at: datetime | None = None
    wave: int = 0
    tries: int = 0
    kept_at: datetime | None = None
    asked_at: datetime | None = None
    proof: str = ""
    accepted: bool = False
    going: bool = False
    why: str = ""
    groups: frozenset[str] = frozenset()
    there: bool = False
    version: str = ""
    meeting: datetime | None = None
    met: bool = False
    check: str = ""
    serves: bool = True
    overtaken: bool = False


@dataclass(frozen=True, slots=True)
class RolloutNow:
    """A rollout and what holds for all its units. `busy` are the kinds of runs that are under way; `systems`:
    on some machines the version comes as a whole system."""

    version: str
    state: State
    ring: str
    wave: int
    tolerated_percent: int
    meeting_wait: timedelta
    frozen: bool = False
    urgent: bool = False
    busy: frozenset[str] = frozenset()
    systems: bool = False

    @property
    def silent(self) -> timedelta:
        """How long a unit may say nothing after it was asked to flip."""
        return SYSTEM_SILENT if self.systems else SILENT


@dataclass(frozen=True, slots=True)
class Start:
    """Start a run (`stage`, `apply`, `back`, `settle`) over these units; `wave` is theirs from then on (0: as
    is). `settle` brings what lies around the release to units that have it."""

    kind: str
    units: tuple[str, ...]
    wave: int = 0


@dataclass(frozen=True, slots=True)
class Cancel:
    """End the run of that kind: whom it has not reached is not to be flipped."""

    kind: str


@dataclass(frozen=True, slots=True)
class Move:
    """A unit stands otherwise now."""

    unit: str
    to: At
    why: str = ""
    proof: str = ""
    again_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class AskCheck:
    """Have the unit check its room: nothing has shown yet that it works."""

    unit: str


@dataclass(frozen=True, slots=True)
class OpenRing:
    """The ring before it has passed."""

    ring: str


@dataclass(frozen=True, slots=True)
class Turn:
    """The rollout itself is in another state now."""

    to: State
    why: str = ""


Action = Start | Cancel | Move | AskCheck | OpenRing | Turn


def plan(rollout: RolloutNow, units: Sequence[UnitNow], now: datetime) -> list[Action]:
    """What to do now. After it is done, asked again at the same moment, it says nothing further of a unit
    that it moved, but may start what thereby became possible."""
    moves = [move for unit in units for move in _settled(rollout, unit, now)]
    if moves:
        return [*moves]
    if rollout.state is State.ROLLING_BACK:
        return _go_back(rollout, units, now)
    actions: list[Action] = [AskCheck(unit.unit) for unit in units if _wants_check(rollout, unit, now)]
    if rollout.state is State.DONE:
        return actions + _hold(rollout, "apply", "back") + _settle(rollout, units, now)
    if rollout.state is not State.RUNNING:
        return actions + _hold(rollout)
    over = _too_many_failed(rollout, units)
    if over:
        return [Turn(State.PAUSED, over), *_hold(rollout)]
    if all(unit.state in OVER for unit in units):
        return [Turn(State.DONE)]
    further = _next_ring(rollout, units)
    if further is not None:
        return [OpenRing(further)]
    if "stage" not in rollout.busy:
        stage = [unit.unit for unit in units if _may_stage(rollout, unit, now)][:_AT_A_TIME]
        actions += [Start("stage", tuple(stage))] if stage else []
    if rollout.frozen or rollout.urgent:
        return actions + _hold(rollout)
    if "apply" not in rollout.busy and not _wave_goes_on(rollout, units):
        wave = _next_wave(rollout, units, now)
        number = 1 + max((unit.wave for unit in units), default=0)
        if wave:  # and nothing beside it: of each group, this has taken one
            return [*actions, Start("apply", tuple(unit.unit for unit in wave), number)]
    return actions + _settle(rollout, units, now)


def tally(states: Iterable[At]) -> dict[str, int]:
    """How many units are on each of the five heaps."""
    counts = Counter(HEAPS[state] for state in states)
    return {heap: counts[heap] for heap in ("done", "waiting", "failed", "back", "skipped")}


def passed(rollout: RolloutNow, units: Iterable[UnitNow], ring: str) -> bool:
    """Whether a ring needs to be waited for no longer: something showed that it works, nothing of it is under
    way within reach, and not too many failed. Who is away or has no window holds nobody up, nor does who
    failed, once a person went on all the same: a ring of such units alone passes on that person's word."""
    of_ring = [unit for unit in units if unit.ring == ring]
    members = [unit for unit in of_ring if unit.state is not At.SKIPPED and not _forgiven(unit)]
    if not members:
        return True
    proven = any(unit.state is At.DONE and unit.proof for unit in members)
    had_it = all(unit.state is At.DONE for unit in members)
    under_way = any(unit.state is At.APPLYING or (unit.state in UNDER_WAY and unit.there) for unit in members)
    return (proven or had_it) and not under_way and not _too_many_failed(rollout, of_ring)


def near_meeting(unit: UnitNow, now: datetime) -> bool:
    """Whether a meeting we know of is too near for a flip; the unit may know of more."""
    return unit.meeting is not None and unit.meeting <= now + CLEAR_OF_MEETING


def reason(rollout: RolloutNow, unit: UnitNow, now: datetime) -> str:
    """Why a unit on the heap `waiting` does not go on: a word, "" when it does."""
    if unit.state is At.RETURNING:
        return "away" if not unit.there else "frozen" if rollout.frozen else unit.why
    if unit.state not in UNDER_WAY and unit.state is not At.WAITING:
        return unit.why if _unsettled(unit) else ""
    if unit.state in (At.STAGING, At.APPLYING) and (unit.going or unit.there):
        return ""
    if _later(unit.ring, rollout.ring):
        return "ring"
    if not unit.there:
        return "away"
    if unit.state is At.GATING:
        return "proof_meeting" if _waits_for_meeting(rollout, unit) else "proof"
    if rollout.state is not State.RUNNING:
        return "paused"
    if rollout.urgent:
        return "urgent"
    if rollout.frozen:
        return "frozen"
    if near_meeting(unit, now):
        return "meeting"
    return unit.why or ("turn" if unit.state is At.STAGED else "")


def later_try(now: datetime, tries: int) -> datetime:
    """When to try a unit again that could not be worked on `tries` times."""
    return now + min(timedelta(minutes=5 << min(tries, 10)), timedelta(hours=6))


def _settled(rollout: RolloutNow, unit: UnitNow, now: datetime) -> Iterator[Move]:
    """What is decided of one unit by itself, however the rollout stands."""
    if not unit.serves:
        if unit.state not in OVER and not unit.going:
            yield Move(unit.unit, At.SKIPPED, "replaced")
    elif unit.state is At.GATING:
        yield from _judged(rollout, unit, now)
    elif unit.state is At.RETURNING:
        # Its word was lost. Asked once more, it would take the way back from there: forth again.
        late = now - unit.since > rollout.silent
        if late and not unit.going and unit.there and unit.version != rollout.version:
            yield Move(unit.unit, At.BACK)
    elif unit.going or now - unit.since <= (
        LONGEST_STAGING if unit.state is At.STAGING and unit.why == "fetching" else rollout.silent
    ):
        return
    elif unit.state is At.STAGING:
        yield Move(unit.unit, At.WAITING, "slow", again_at=later_try(now, unit.tries))
    elif unit.state is At.APPLYING:
        yield _unheard(rollout, unit, now)


def _judged(rollout: RolloutNow, unit: UnitNow, now: datetime) -> Iterator[Move]:
    why, again_at = (UNSETTLED, unit.again_at) if _unsettled(unit) else ("", None)
    if unit.check == "bad":
        yield Move(unit.unit, At.FAILED, "check")
    elif unit.met:
        yield Move(unit.unit, At.DONE, why, "meeting", again_at)
    elif unit.check == "good" and not _waits_for_meeting(rollout, unit):
        yield Move(unit.unit, At.DONE, why, "check", again_at)


def _unheard(rollout: RolloutNow, unit: UnitNow, now: datetime) -> Move:
    """It was asked to flip, and nobody said what came of it: what it runs tells, if it is there."""
    if not unit.there:
        return Move(unit.unit, At.FAILED, "silent")
    if unit.version == rollout.version:
        return Move(unit.unit, At.GATING, UNSETTLED)
    if rollout.state in ENDING:
        return Move(unit.unit, At.SKIPPED, "stopped")
    if unit.tries >= _MOST_TRIES:
        return Move(unit.unit, At.FAILED, "not_taken")
    return Move(unit.unit, At.WAITING, "not_taken", again_at=later_try(now, unit.tries))


def _waits_for_meeting(rollout: RolloutNow, unit: UnitNow) -> bool:
    """A canary passes by a real meeting, if one comes soon enough after its flip."""
    if unit.ring != CANARY or unit.kept_at is None or unit.meeting is None:
        return False
    return unit.meeting <= unit.kept_at + rollout.meeting_wait


def _wants_check(rollout: RolloutNow, unit: UnitNow, now: datetime) -> bool:
    if unit.state is not At.GATING or not unit.there or unit.check or _waits_for_meeting(rollout, unit):
        return False
    return unit.asked_at is None or now - unit.asked_at >= _ASK_AGAIN


def _hold(rollout: RolloutNow, *kinds: str) -> list[Action]:
    """End the runs that flip units, or those of them that are named."""
    return [Cancel(kind) for kind in kinds or ("apply", "back", "settle") if kind in rollout.busy]


def _too_many_failed(rollout: RolloutNow, units: Iterable[UnitNow]) -> str:
    """The ring in which more of a wave failed than is tolerated (of canaries: any), or "". Who failed before
    it was in a wave is one of the whole ring."""
    together: Counter[tuple[str, int]] = Counter()
    failed: Counter[tuple[str, int]] = Counter()
    rings: Counter[str] = Counter()
    for unit in units:
        rings[unit.ring] += 1
        together[unit.ring, unit.wave] += 1
        failed[unit.ring, unit.wave] += _failed(unit) and not unit.accepted
    for (ring, wave), count in failed.items():
        size = together[ring, wave] if wave else rings[ring]
        if count > (0 if ring == CANARY else size * rollout.tolerated_percent // 100):
            return ring
    return ""


def _failed(unit: UnitNow) -> bool:
    return unit.state in (At.FAILED, At.BACK)


def _forgiven(unit: UnitNow) -> bool:
    return _failed(unit) and unit.accepted


def _next_ring(rollout: RolloutNow, units: Sequence[UnitNow]) -> str | None:
    place = RINGS.index(rollout.ring)
    if place + 1 == len(RINGS) or not passed(rollout, units, rollout.ring):
        return None
    return RINGS[place + 1]


def _later(ring: str, than: str) -> bool:
    return RINGS.index(ring) > RINGS.index(than)


def _may_stage(rollout: RolloutNow, unit: UnitNow, now: datetime) -> bool:
    due = unit.again_at is None or unit.again_at <= now
    free = unit.state is At.WAITING and unit.there and not unit.going
    return free and due and not _later(unit.ring, rollout.ring)


def _settle(rollout: RolloutNow, units: Sequence[UnitNow], now: datetime) -> list[Action]:
    """Try again to bring what lies around the release; holds nobody up, and disturbs no more than a flip."""
    if rollout.frozen or rollout.urgent:
        return _hold(rollout, "settle")
    late = [
        unit
        for unit in units
        if _unsettled(unit)
        and unit.there
        and unit.serves
        and not unit.overtaken
        and unit.version == rollout.version
        and not unit.going
        and not _later(unit.ring, rollout.ring)
        and not near_meeting(unit, now)
        and (unit.again_at is None or unit.again_at <= now)
    ]
    chosen = [] if "settle" in rollout.busy else _one_of_each_group(late, units, rollout.wave)
    return [Start("settle", tuple(unit.unit for unit in chosen))] if chosen else []


def _unsettled(unit: UnitNow) -> bool:
    return unit.state in (At.GATING, At.DONE) and unit.why == UNSETTLED


def _wave_goes_on(rollout: RolloutNow, units: Sequence[UnitNow]) -> bool:
    """Whether anybody of the newest wave is still on the way: one that was flipped and is away is not waited
    for."""
    newest = max((unit.wave for unit in units), default=0)
    return newest > 0 and any(
        unit.wave == newest and (unit.state is At.APPLYING or (unit.state is At.GATING and unit.there))
        for unit in units
    )


def _next_wave(rollout: RolloutNow, units: Sequence[UnitNow], now: datetime) -> list[UnitNow]:
    """Staged units that may go together now: of each group of sites one, none near a meeting, earlier rings
    first."""
    ready = [
        unit
        for unit in units
        if unit.state is At.STAGED
        and unit.there
        and not unit.going
        and not _later(unit.ring, rollout.ring)
        and not near_meeting(unit, now)
    ]
    ready.sort(key=lambda unit: (RINGS.index(unit.ring), unit.since, unit.unit))
    return _one_of_each_group(ready, units, rollout.wave)


def _one_of_each_group(ready: Iterable[UnitNow], units: Iterable[UnitNow], most: int) -> list[UnitNow]:
    taken = {group for unit in units if _in_the_air(unit) for group in unit.groups}
    chosen: list[UnitNow] = []
    for unit in ready:
        if len(chosen) < most and not unit.groups & taken:
            chosen.append(unit)
            taken |= unit.groups
    return chosen


def _in_the_air(unit: UnitNow) -> bool:
    return unit.state is At.APPLYING or (unit.going and (unit.state is At.RETURNING or _unsettled(unit)))


def _go_back(rollout: RolloutNow, units: Sequence[UnitNow], now: datetime) -> list[Action]:
    if not any(unit.state in (At.RETURNING, At.APPLYING, At.GATING) for unit in units):
        return [Turn(State.STOPPED, "back")]
    # What was under way to the new version when somebody turned back has arrived there meanwhile.
    arrived: list[Action] = [Move(unit.unit, At.RETURNING) for unit in units if unit.state is At.GATING]
    if rollout.frozen or rollout.urgent:
        return arrived + _hold(rollout)
    if arrived or "back" in rollout.busy:
        return arrived + _hold(rollout, "apply", "settle")
    ready = [
        unit
        for unit in units
        if unit.state is At.RETURNING
        and unit.version == rollout.version
        and unit.there
        and not unit.going
        and not near_meeting(unit, now)
        and (unit.again_at is None or unit.again_at <= now)
    ]
    chosen = _one_of_each_group(ready, units, rollout.wave)
    return [
        *_hold(rollout, "apply", "settle"),
        *([Start("back", tuple(unit.unit for unit in chosen))] if chosen else []),
    ]
