"""A rollout under a clock, meetings, losses, restarts and units that do as they like: what must always hold.

The real tables and actions, with units that obey and units that do not (hypothesis, stateful).
"""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta

from diemcau_controller.actions.rollouts.start import RolloutSpec, start_rollout
from diemcau_controller.actions.rollouts.steer import (
    FreezeSpec,
    Verb,
    freeze,
    put_in_ring,
    steer,
    thaw,
    try_again,
)
from diemcau_controller.rules.refusals import Refusal
from diemcau_controller.rules.rings import CANARY, RINGS
from diemcau_controller.rules.rollout import (
    CLEAR_OF_MEETING,
    UNSETTLED,
    Action,
    At,
    OpenRing,
    RolloutNow,
    Start,
    State,
    UnitNow,
    tally,
)
from diemcau_controller.rules.update_words import STEPS, Word
from diemcau_controller.store.tables import RolloutUnit
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from sqlalchemy import select

from tests.unit.rollout_fleet import NEW, OLD, SYSTEM, SmallFleet

SITES = 9
GROUPS = {"g": [0, 1, 2, 5], "h": [2, 3]}
FAILED = (At.FAILED, At.BACK)
ALLOWED = {
    "apply": {State.RUNNING},
    "back": {State.ROLLING_BACK},
    "settle": {State.RUNNING, State.DONE},
}
UNITS = st.integers(0, SITES - 1).map(lambda number: f"u{number:04}")


class Rollouts(RuleBasedStateMachine):
    """`runs` are those the hands have, with the units that are left of each."""

    @initialize(broken=st.sampled_from([False, False, True]), rounds=st.integers(0, 14))
    def begin(self, broken: bool, rounds: int) -> None:
        self.fleet = SmallFleet(SITES, GROUPS)
        self.broken = broken
        for number, ring in ((0, "canary"), (6, "canary"), (1, "early"), (4, "early")):
            self.fleet.do(put_in_ring(self.fleet, SYSTEM, f"s{number:04}", ring))  # type: ignore[arg-type]
        spec = RolloutSpec(version=NEW, wave=3, tolerated_percent=30)
        self.rollout = self.fleet.do(start_rollout(self.fleet, SYSTEM, spec))  # type: ignore[arg-type]
        self.runs: dict[str, tuple[str, list[str]]] = {}
        self.meetings: list[str] = []
        self.freezes: list[int] = []
        self.agenda: dict[str, bool] = {}  # units that give no lease
        self.flipped: set[str] = set()
        self.all_goes_well(rounds)

    def teardown(self) -> None:
        if hasattr(self, "fleet"):
            self.fleet.close()

    # the engine, and time

    @rule(minutes=st.sampled_from([1, 5, 20, 45, 90, 300, 1440]))
    def time_passes(self, minutes: int) -> None:
        self.fleet.clock += timedelta(minutes=minutes)

    @rule(times=st.integers(1, 6))
    def engine_looks(self, times: int) -> None:
        for _ in range(times):
            now, units = self.fleet.look(self.rollout)
            actions, outside = self.fleet.step(self.rollout)
            self.judge(now, units, actions)
            for run in outside.runs:
                (row,) = [one for one in self.fleet.open_runs() if one.id == run]
                self.runs[run] = (row.kind, list(row.units))
            for rollout, kind in outside.cancel:
                assert rollout == self.rollout
                for run in [one for one, (of, _) in self.runs.items() if of == kind]:
                    self.fleet.end(run, "cancelled")
                    del self.runs[run]
            for unit in outside.ask:
                self.fleet.report(unit, "verdict", verdict="ready", findings=[])

    @rule(rounds=st.integers(1, 5))
    def all_goes_well(self, rounds: int) -> None:
        """So that the rest happens at every stage of a rollout."""
        for _ in range(rounds):
            self.engine_looks(1)
            for run, (kind, left) in list(self.runs.items()):
                for unit in left:
                    for word in self.obedient(kind, unit):
                        self.fleet.tell(run, unit, word=word)
                self.fleet.end(run)
                del self.runs[run]

    @rule()
    def controller_starts_anew(self) -> None:
        self.fleet.restart()
        self.runs.clear()

    # the hands

    @precondition(lambda self: self.runs)
    @rule(data=st.data(), how=st.sampled_from(["obey", "obey", "obey", "away", "task", "word", "silence"]))
    def a_unit_is_worked_on(self, data: st.DataObject, how: str) -> None:
        run = data.draw(st.sampled_from(sorted(self.runs)))
        kind, left = self.runs[run]
        unit = left.pop(data.draw(st.integers(0, len(left) - 1)))
        if how == "obey":
            for word in self.obedient(kind, unit):
                self.fleet.tell(run, unit, word=word)
        elif how == "away":
            self.fleet.tell(run, unit, "unreachable")
        elif how == "task":
            self.fleet.tell(run, unit, "failed")
        elif how == "word":
            step = data.draw(st.sampled_from(STEPS))
            self.fleet.tell(run, unit, word=Word(step, version=data.draw(st.sampled_from(["", NEW, OLD]))))
        if not left:
            self.fleet.end(run)
            del self.runs[run]

    def obedient(self, kind: str, unit: str) -> list[Word]:
        if kind == "stage":
            return [Word("staged", version=NEW)]
        if self.agenda.get(unit):
            return [Word("waiting", "meeting", self.fleet.clock + timedelta(hours=2))]
        if kind == "settle":
            return [Word("kept", version=NEW), Word("settled", version=NEW)]
        if kind == "back":
            self.fleet.change_unit(unit, version=OLD)
            return [Word("back", version=NEW)]
        self.flipped.add(unit)
        if self.broken:
            return [Word("flipped", version=NEW), Word("back", "camera", version=NEW)]
        self.fleet.change_unit(unit, version=NEW)
        return [Word("flipped", version=NEW), Word("kept", version=NEW), Word("settled", version=NEW)]

    # the world

    @rule(unit=UNITS, status=st.sampled_from(["online", "online", "lost"]))
    def comes_and_goes(self, unit: str, status: str) -> None:
        self.fleet.change_unit(unit, status=status)

    @rule(unit=UNITS, busy=st.booleans())
    def knows_of_a_meeting_we_do_not(self, unit: str, busy: bool) -> None:
        self.agenda[unit] = busy

    @rule(unit=UNITS, minutes=st.sampled_from([-30, 30, 100, 600]), urgent=st.booleans())
    def meeting_is_announced(self, unit: str, minutes: int, urgent: bool) -> None:
        urgent = urgent and minutes == 30
        after = timedelta(0) if urgent else timedelta(minutes=minutes)
        self.meetings.append(self.fleet.meet([f"s{unit[1:]}"], after, urgent=urgent))

    @rule(minutes=st.sampled_from([-30, 30, 100]))
    def everybody_meets(self, minutes: int) -> None:
        sites = [f"s{number:04}" for number in range(SITES)]
        self.meetings.append(self.fleet.meet(sites, timedelta(minutes=minutes)))

    @precondition(lambda self: self.meetings)
    @rule(data=st.data(), attended=st.booleans())
    def meeting_is_over(self, data: st.DataObject, attended: bool) -> None:
        meeting = self.meetings.pop(data.draw(st.integers(0, len(self.meetings) - 1)))
        if attended:
            unit = data.draw(UNITS)
            self.fleet.report(unit, "joined", meeting=meeting)
            self.fleet.report(unit, "left", meeting=meeting)
        self.fleet.finish(meeting)

    @rule(unit=UNITS, step=st.sampled_from(STEPS))
    def reports_by_itself(self, unit: str, step: str) -> None:
        self.fleet.report(unit, "update", step=step, version=NEW, why="")

    @rule(unit=UNITS, what=st.sampled_from(["camera_black", "line_dead"]))
    def is_checked(self, unit: str, what: str) -> None:
        finding = {"what": what, "weight": "not_ready"}
        self.fleet.report(unit, "verdict", verdict="not_ready", findings=[finding])

    # people

    @rule(verb=st.sampled_from([Verb.PAUSE, Verb.RESUME, Verb.RESUME, Verb.RESUME, Verb.BACK, Verb.ABORT]))
    def somebody_steers(self, verb: Verb) -> None:
        with suppress(Refusal):
            self.fleet.do(steer(self.fleet, SYSTEM, self.rollout, verb))  # type: ignore[arg-type]

    @rule(unit=UNITS)
    def somebody_tries_again(self, unit: str) -> None:
        with suppress(Refusal):
            self.fleet.do(try_again(self.fleet, SYSTEM, self.rollout, unit))  # type: ignore[arg-type]

    @rule()
    def days_are_frozen(self) -> None:
        day = self.fleet.clock.astimezone(self.fleet.settings.zone).date()
        spec = FreezeSpec(first=day, last=day + timedelta(days=1), reason="Tết")
        self.freezes.append(self.fleet.do(freeze(self.fleet, SYSTEM, spec)))  # type: ignore[arg-type]

    @precondition(lambda self: self.freezes)
    @rule()
    def days_are_frozen_no_more(self) -> None:
        self.fleet.do(thaw(self.fleet, SYSTEM, self.freezes.pop()))  # type: ignore[arg-type]

    # what must hold

    def judge(self, now: RolloutNow, units: list[UnitNow], actions: list[Action]) -> None:
        """Of every decision: it was allowed by what was known when it was taken."""
        by_id = {unit.unit: unit for unit in units}
        for action in actions:
            if isinstance(action, OpenRing):
                before = RINGS[RINGS.index(action.ring) - 1]
                members = [unit for unit in units if unit.ring == before and unit.state is not At.SKIPPED]
                members = [unit for unit in members if not unit.accepted or unit.state not in FAILED]
                assert not members or any(unit.state is At.DONE for unit in members)
            if not isinstance(action, Start):
                continue
            started = [by_id[unit] for unit in action.units]
            assert all(unit.there for unit in started)
            assert all(RINGS.index(unit.ring) <= RINGS.index(now.ring) for unit in started)
            if action.kind == "stage":
                assert now.state is State.RUNNING
                continue
            assert now.state in ALLOWED[action.kind]
            assert not now.frozen and not now.urgent
            failed = [unit for unit in units if unit.state in FAILED and not unit.accepted]
            if action.kind == "apply":
                assert not any(unit.ring == CANARY for unit in failed), "it goes on though a canary failed"
            for unit in started:
                assert unit.meeting is None or unit.meeting > self.fleet.clock + CLEAR_OF_MEETING
            in_the_air = [
                unit
                for unit in units
                if unit.state is At.APPLYING
                or (unit.going and (unit.state is At.RETURNING or unit.why == UNSETTLED))
            ]
            groups = [group for unit in (*in_the_air, *started) for group in unit.groups]
            assert len(groups) == len(set(groups)), "two of a group at once"

    @invariant()
    def everybody_is_counted_once(self) -> None:
        states = self.fleet.states(self.rollout)
        assert len(states) == SITES
        assert sum(tally(At(state) for state in states.values()).values()) == SITES

    @invariant()
    def who_works_on_it_is_known(self) -> None:
        """A run is open as long as the hands have it, and only units of an open run are worked on."""
        runs = {run.id: set(run.units) for run in self.fleet.open_runs()}
        assert runs.keys() == self.runs.keys()
        assert len({kind for kind, _ in self.runs.values()}) == len(runs), "two runs of a kind at once"

    @invariant()
    def a_broken_release_stays_with_canaries(self) -> None:
        if self.broken and self.fleet.state_of(self.rollout) == State.RUNNING and self.rings_honest():
            assert self.flipped <= {"u0000", "u0006"}

    def rings_honest(self) -> bool:
        """No unit said that it keeps what it did not, and nobody let it go on after failures."""
        with self.fleet.read() as session:
            rows = session.scalars(select(RolloutUnit).where(RolloutUnit.rollout_id == self.rollout))
            return not any(row.accepted or row.kept_at is not None for row in rows)


Rollouts.TestCase.settings = settings(max_examples=25, stateful_step_count=40, deadline=None)
TestRollouts = Rollouts.TestCase
