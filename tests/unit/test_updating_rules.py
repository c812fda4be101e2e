"""An update's way: by its table, by what it does near meetings, and by what a gate makes of a check."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from diemcau_agent.rules.lease import AFTER, BEFORE, Agenda, Go, Planned, Wait, may
from diemcau_agent.rules.updating import (
    ENDS,
    TRANSITIONS,
    WORK_S,
    Cue,
    Judged,
    Order,
    State,
    Step,
    Work,
    begun,
    from_before,
    is_older,
    judge,
    moved,
    next_work,
    started,
    taken,
    waits,
)
from diemcau_wire.messages import Mode
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

NOW = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
IDLE = State(at=NOW)
OLD, NEW = "1.0.0", "1.1.0"
STAGE = Order(id="o1", version=NEW)
APPLY = Order(id="o1", version=NEW, apply=True)


def at(step: Step, **more: Any) -> State:
    return State.model_validate(
        {"step": step, "order": "o1", "version": NEW, "former": OLD, "at": NOW, **more}
    )


# ── the table ────────────────────────────────────────────────────────────────────────────────────


def test_what_is_not_in_the_table_cannot_happen() -> None:
    for step in Step:
        for cue in Cue:
            if (step, cue) in TRANSITIONS:
                assert moved(at(step), cue, NOW).step is TRANSITIONS[step, cue]
            else:
                with pytest.raises(ValueError, match=cue.name):
                    moved(at(step), cue, NOW)


def test_only_a_lease_leads_to_the_flip_and_only_a_flip_to_the_gate() -> None:
    assert [key for key, step in TRANSITIONS.items() if step is Step.FLIPPED] == [(Step.WAITING, Cue.LEASED)]
    assert [key for key, step in TRANSITIONS.items() if step is Step.GATING] == [(Step.FLIPPED, Cue.LINKED)]
    past = {step for step, cue in TRANSITIONS if cue in (Cue.CANCELLED, Cue.REFUSED)}
    assert past.isdisjoint({Step.FLIPPED, Step.GATING})  # from there it is kept or goes back


def test_every_step_leads_to_an_end() -> None:
    reached = set(ENDS)
    while more := {step for (step, _), to in TRANSITIONS.items() if to in reached} - reached:
        reached |= more
    assert reached == set(Step)


def test_staged_waits_until_it_is_to_be_applied() -> None:
    assert next_work(at(Step.STAGED), STAGE, NOW) is Work.NOTHING
    assert next_work(at(Step.STAGED), APPLY, NOW) is Work.APPLY


def test_an_order_is_done_once_and_a_new_one_begins_after_the_end() -> None:
    assert next_work(IDLE, STAGE, NOW) is Work.BEGIN
    for end in ENDS:
        assert next_work(at(end), STAGE, NOW) is Work.NOTHING
        assert next_work(at(end), STAGE.model_copy(update={"id": "o2"}), NOW) is Work.BEGIN


def test_cancelling_ends_it_before_the_flip_and_not_after() -> None:
    cancelled = APPLY.model_copy(update={"cancelled": True})
    assert next_work(at(Step.WAITING), cancelled, NOW) is Work.CANCEL
    assert next_work(at(Step.FLIPPED), cancelled, NOW) is Work.FLIP
    assert next_work(at(Step.GATING), None, NOW) is Work.GATE


def test_two_orders_at_once() -> None:
    other = Order(id="o2", version="1.2.0")
    assert taken(at(Step.FETCHING), APPLY, other) is None
    assert taken(at(Step.GATING), APPLY, other) is None
    for ahead in (Step.FETCHING, Step.STAGED):  # what is only staged makes way
        assert taken(at(ahead), STAGE, other) == other
        assert next_work(at(ahead), other, NOW) is Work.CANCEL
    again = taken(at(Step.FETCHING), STAGE, Order(id="o3", version=NEW, apply=True))
    assert again == APPLY  # the same release: applied as soon as it is staged, under the first order's name
    for free in (at(Step.KEPT), at(Step.REFUSED)):
        assert taken(free, STAGE, other) == other
    assert taken(at(Step.GATING), None, other) == other


def test_an_order_ends_when_its_time_is_over_but_not_after_the_flip() -> None:
    until = APPLY.model_copy(update={"until": NOW + MINUTE})
    assert next_work(at(Step.WAITING), until, NOW) is Work.LEASE
    for ahead in (Step.FETCHING, Step.VERIFIED, Step.STAGED, Step.WAITING):
        assert next_work(at(ahead), until, NOW + MINUTE) is Work.CANCEL
    assert next_work(at(Step.FLIPPED), until, NOW + MINUTE) is Work.FLIP
    assert next_work(at(Step.GATING), until, NOW + MINUTE) is Work.GATE
    assert next_work(at(Step.WAITING), APPLY, NOW + timedelta(days=9)) is Work.LEASE


def test_the_last_word_says_until_when() -> None:
    soon, later = NOW + MINUTE, NOW + 9 * MINUTE
    first = taken(at(Step.STAGED), STAGE, Order(id="o2", version=NEW, apply=True, until=soon))
    assert first is not None and first.until == soon
    staged_again = taken(at(Step.WAITING), first, STAGE)
    assert staged_again is not None and staged_again.until == soon
    longer = taken(at(Step.WAITING), first, Order(id="o3", version=NEW, apply=True, until=later))
    assert longer is not None and longer.until == later
    by_hand = taken(at(Step.WAITING), first, Order(id="o4", version=NEW, apply=True))
    assert by_hand is not None and by_hand.until is None


def test_back_is_to_what_ran_before_never_forward_to_what_did_not() -> None:
    assert from_before(["1.2.0", OLD], NEW, former=NEW) == OLD  # 1.2.0 was staged and called off
    assert from_before(["1.2.0"], NEW, former=NEW) is None
    assert from_before(["1.2.0"], NEW, former="1.2.0") == "1.2.0"  # it did run, and was left
    assert from_before([], NEW, former=OLD) is None
    assert from_before([OLD], "", former="") is None


def test_what_it_waits_for_is_told_once() -> None:
    first = waits(at(Step.FETCHING), "unreachable", NOW)
    again = waits(first, "unreachable", NOW + MINUTE)
    other = waits(again, "expired", NOW + MINUTE)
    assert (first.seq, again.seq, other.seq) == (1, 1, 2)


def test_an_older_release_is_told_by_its_numbers() -> None:
    assert is_older("1.9.9", "1.10.0")
    assert not is_older("1.10.0", "1.10.0")
    assert not is_older("1.10.0", "0+unknown")


def test_a_start_of_the_machine_counts_once() -> None:
    state = at(Step.GATING, boot="a")
    assert started(state, "a").boots == 0
    assert started(started(state, "b"), "b").boots == 1


# ── the gate ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("before", "found", "broken"),
    [
        ((), ("camera_frozen",), ("camera_frozen",)),
        (("camera_frozen",), ("camera_frozen",), ()),  # it was before
        (None, ("camera_frozen",), ("camera_frozen",)),
        ((), ("line_down", "janus_unreachable"), ()),  # a dead line never sends a release back
        ((), ("line_down", "camera_unreachable"), ()),
        ((), ("camera_unreachable",), ("camera_unreachable",)),
        ((), ("camera_slow", "hot", "a_word_of_next_year"), ()),
        ((), ("line_down", "media_hung"), ("media_hung",)),
    ],
)
def test_what_a_release_broke(
    before: tuple[str, ...] | None, found: tuple[str, ...], broken: tuple[str, ...]
) -> None:
    assert judge(before, found) == Judged(broken, complete=True)


def test_a_check_cut_short_proves_nothing() -> None:
    assert not judge((), ("check_incomplete",)).passed


# ── near meetings ────────────────────────────────────────────────────────────────────────────────

Ask = Callable[..., Go | Wait]


@dataclass(frozen=True)
class Held:
    """A meeting as it really goes. `left`: when the unit left it for good."""

    planned: Planned
    left: datetime | None = None

    @property
    def last(self) -> datetime:
        if self.left is not None:
            return self.left
        return self.planned.cap_at if self.planned.mode is Mode.HERE else self.planned.ends_at


class Updates(RuleBasedStateMachine):
    """A unit with its meetings, its clock and its reboots, that is updated again and again."""

    ask: Ask = staticmethod(may)

    @initialize(first=st.integers(-30, 600))
    def begin(self, first: int) -> None:
        self.now = NOW  # the true time
        self.skew = timedelta(0)
        self.known: dict[str, Held] = {}
        self.alive, self.cut, self.off = True, False, False
        self.boots, self.booted_s = 1, 3600.0
        self.left_at: datetime | None = None
        self.number = 0
        self.state, self.order = IDLE, APPLY
        self.link = OLD
        self.flips: list[tuple[datetime, tuple[Held, ...]]] = []
        self.agenda: Agenda | None = None
        self.announce(first, 60, here=True)

    # what happens

    @rule(opens_in=st.integers(-5, 400), lasts=st.integers(5, 600), here=st.booleans())
    def announce(self, opens_in: int, lasts: int, here: bool) -> None:
        """A meeting becomes known: ahead of time, late, or when it is open already."""
        if not self.alive:
            return
        self.number += 1
        name = f"m{self.number}"
        self.known[name] = Held(self.plan(name, opens_in, lasts, Mode.HERE if here else Mode.IN_PERSON))
        self.write()

    @precondition(lambda self: self.alive and self.known)
    @rule(which=st.integers(0, 9), opens_in=st.integers(-5, 400), lasts=st.integers(5, 600))
    def move(self, which: int, opens_in: int, lasts: int) -> None:
        """One that is ahead is moved."""
        name = sorted(self.known)[which % len(self.known)]
        held = self.known[name]
        if held.planned.opens_at > self.now:
            self.known[name] = Held(self.plan(name, opens_in, lasts, held.planned.mode))
            self.write()

    @precondition(lambda self: self.alive and self.inside is not None)
    @rule()
    def chair_ends_it(self) -> None:
        """The meeting is over, before its time or long after."""
        self.leave()
        self.write()

    @rule(minutes=st.integers(1, 240))
    def time_passes(self, minutes: int) -> None:
        for part in range(0, minutes, 7):
            self.now += min(7, minutes - part) * MINUTE
            inside = self.inside
            if self.alive and inside is not None and self.now >= inside.last:
                self.leave()
            if self.alive:
                self.write()
            self.update()

    @rule(seconds=st.integers(-59, 59))
    def clock_drifts(self, seconds: int) -> None:
        """By less than anybody notices."""
        self.skew = timedelta(seconds=seconds)

    @precondition(lambda self: self.alive)
    @rule(hours=st.sampled_from([-400_000, -3, 5, 9_000]))
    def clock_is_lost(self, hours: int) -> None:
        """The coordinator says that it is wrong."""
        self.skew = timedelta(hours=hours)
        self.write()

    @rule()
    def power_will_fail(self) -> None:
        """In the worst moment: between the word that it will be flipped, and the flip."""
        self.cut = True

    @rule(lost=st.sampled_from([0, 0, -3, 5]))
    def boot(self, lost: int) -> None:
        """The clock may be lost with the power; the updater asks before the unit process looks at it."""
        self.off, self.alive = False, True
        self.boots, self.booted_s = self.boots + 1, 20.0
        if lost:
            self.skew = timedelta(hours=lost)
        self.update()
        self.write()
        self.update()
        self.booted_s = 3600.0

    @precondition(lambda self: abs(self.skew) <= MINUTE)
    @rule()
    def unit_process_dies(self) -> None:
        """What it wrote last stays."""
        self.alive = False

    @precondition(lambda self: self.state.step in ENDS)
    @rule()
    def another_release(self) -> None:
        self.number += 1
        self.order = Order(id=f"o{self.number}", version=f"1.{self.number}.0", apply=True)

    # the unit

    @property
    def inside(self) -> Held | None:
        """The meeting the unit is in: the first that is open and not left."""
        open_now = [
            held
            for held in self.known.values()
            if held.planned.mode is Mode.HERE
            and held.left is None
            and held.planned.opens_at <= self.now < held.planned.cap_at + MINUTE
        ]
        return min(open_now, key=lambda held: held.planned.opens_at, default=None)

    def leave(self) -> None:
        inside = self.inside
        assert inside is not None
        self.known[inside.planned.id] = replace(inside, left=self.now)
        self.left_at = self.now

    def plan(self, name: str, opens_in: int, lasts: int, mode: Mode) -> Planned:
        opens_at = self.now + opens_in * MINUTE
        ends_at = opens_at + lasts * MINUTE
        return Planned(id=name, opens_at=opens_at, ends_at=ends_at, cap_at=ends_at + 90 * MINUTE, mode=mode)

    def write(self) -> None:
        inside = self.inside
        self.agenda = Agenda(
            written_at=max(self.now + self.skew, datetime(1970, 1, 1, tzinfo=UTC)),
            boot=f"boot-{self.boots}",
            clock_ok=abs(self.skew) <= MINUTE,
            until=self.now + timedelta(days=30),
            in_meeting=inside.planned.id if inside is not None else None,
            left_at=self.left_at,
            meetings=tuple(held.planned for held in self.known.values() if held.left is None),
        )

    # the updater

    def update(self) -> None:
        if self.off:
            return
        now = max(self.now + self.skew, datetime(1970, 1, 1, tzinfo=UTC))
        while True:
            match next_work(self.state, self.order, now):
                case Work.NOTHING:
                    return
                case Work.BEGIN:
                    self.state = begun(self.state, self.order, self.link, now)
                case Work.FETCH:
                    self.state = moved(self.state, Cue.FETCHED, now)
                case Work.INSTALL:
                    self.state = moved(self.state, Cue.INSTALLED, now)
                case Work.APPLY:
                    self.state = moved(self.state, Cue.APPLY, now)
                case Work.LEASE:
                    boot, booted_s = f"boot-{self.boots}", self.booted_s
                    answer = self.ask(self.agenda, now, WORK_S, boot=boot, booted_s=booted_s)
                    if isinstance(answer, Wait):
                        return
                    self.state = moved(self.state, Cue.LEASED, now)
                    if self.cut:  # and the power comes back whenever it likes
                        self.cut, self.off, self.alive = False, True, False
                        return
                    self.flip()
                case Work.FLIP:
                    self.state = moved(self.state, Cue.CUT, now)
                case Work.GATE:
                    passed = self.number % 3 != 0
                    self.link = self.state.version if passed else self.state.former
                    self.state = moved(self.state, Cue.PASSED if passed else Cue.FAILED, now)
                case work:
                    raise AssertionError(work)

    def flip(self) -> None:
        self.link = self.state.version
        self.flips.append((self.now, tuple(self.known.values())))
        self.state = moved(self.state, Cue.LINKED, self.now)

    @invariant()
    def no_flip_near_a_meeting(self) -> None:
        for flipped_at, known in self.flips:
            for held in known:
                near = held.planned.opens_at - BEFORE <= flipped_at <= held.last + AFTER
                assert not near, f"flipped at {flipped_at}, beside {held}"
        self.flips = []


_SETTINGS = settings(
    max_examples=40, stateful_step_count=20, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)


def test_no_flip_near_a_meeting_the_unit_knew_of() -> None:
    run_state_machine_as_test(Updates, settings=_SETTINGS)


def test_without_the_lease_there_would_be_one() -> None:
    class Careless(Updates):
        ask = staticmethod(lambda agenda, now, work_s, **_: Go(now))

    unshrunk = settings(_SETTINGS, phases=(Phase.generate,))
    with pytest.raises(AssertionError, match="flipped at"):
        run_state_machine_as_test(Careless, settings=unshrunk)


def test_a_unit_asks_only_once_it_has_looked_at_the_clock() -> None:
    """The power fails an hour before a meeting and takes the clock along: by it, the meeting is over."""

    class Hasty(Updates):
        ask = staticmethod(
            lambda agenda, now, work_s, **_: may(agenda, now, work_s, boot=agenda.boot, booted_s=0)
        )

    for kind in (Updates, Hasty):
        unit = kind()
        unit.begin(60)
        unit.boot(5)
        if kind is Updates:
            unit.no_flip_near_a_meeting()
            assert unit.state.step is Step.WAITING
        else:
            with pytest.raises(AssertionError, match="flipped at"):
                unit.no_flip_near_a_meeting()


class Stubborn(Updates):
    """Goes on with a flip where the power failed, without asking again."""

    def update(self) -> None:
        if self.state.step is Step.FLIPPED and not self.off:
            self.flip()
        super().update()


def cut_at_the_flip(unit: Updates) -> None:
    """Power fails ten hours before a meeting, and is back forty minutes before it."""
    unit.begin(600)
    unit.power_will_fail()
    unit.time_passes(1)
    assert unit.state.step is Step.FLIPPED
    unit.time_passes(559)
    unit.boot(0)
    unit.no_flip_near_a_meeting()


def test_after_a_power_cut_at_the_flip_it_is_asked_again() -> None:
    unit = Updates()
    cut_at_the_flip(unit)
    assert unit.state.step is Step.WAITING
    with pytest.raises(AssertionError, match="flipped at"):
        cut_at_the_flip(Stubborn())
