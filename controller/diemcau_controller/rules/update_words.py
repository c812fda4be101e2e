"""What a unit says of its update, by Ansible or by an event, and what that makes of it in a rollout."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from .rollout import UNSETTLED, At, later_try
from .verdicts import Verdict, device_of

_SETTLED = "settled"
STEPS = (
    *("fetching", "staged", "waiting", "flipped", "kept", "back", "refused", "failed", "idle"),
    *(UNSETTLED, _SETTLED),
)
_ALSO = {"verified": "fetching", "gating": "flipped"}  # steps of the updater that are no others to us
_LONGEST_WHY, _LONGEST_TEXT = 80, 900


@dataclass(frozen=True, slots=True)
class Word:
    """`step` is one of :data:`STEPS`: `waiting` for a lease, `flipped` and not judged yet, `kept` or gone
    `back` by its own gate, `refused` a release that is not to be trusted, `idle` when the order was called
    off before it came to that, by a person there or because its time was over; `failed` for anything else.
    After `kept`, `settled` once what lies around the release is there, too; `unsettled`: there was no time.
    `version` is the one it is about ("": not said), `text` what the log has to say of it."""

    step: str
    why: str = ""
    again_at: datetime | None = None
    version: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True)
class Heard:
    """How the unit stands after a word. `retried`: one try more is counted."""

    state: At
    why: str = ""
    again_at: datetime | None = None
    retried: bool = False


# What a word does where nothing else is said: the state it leads to, by the state it is heard in.
_LEADS: Mapping[tuple[At, str], At] = {
    (At.STAGING, "fetching"): At.STAGING,
    (At.STAGING, "staged"): At.STAGED,
    (At.STAGING, "waiting"): At.STAGED,
    (At.STAGING, "kept"): At.GATING,
    (At.STAGING, "refused"): At.FAILED,
    (At.STAGING, "failed"): At.WAITING,
    (At.STAGING, "idle"): At.WAITING,
    (At.WAITING, "staged"): At.STAGED,
    (At.WAITING, "flipped"): At.APPLYING,  # by an order that it had still
    (At.WAITING, "kept"): At.GATING,
    (At.WAITING, "back"): At.BACK,
    (At.WAITING, "refused"): At.FAILED,
    (At.STAGED, "flipped"): At.APPLYING,
    (At.STAGED, "kept"): At.GATING,
    (At.STAGED, "back"): At.BACK,
    (At.STAGED, "refused"): At.FAILED,
    (At.STAGED, "failed"): At.WAITING,
    (At.APPLYING, "waiting"): At.WAITING,
    (At.APPLYING, "flipped"): At.APPLYING,
    (At.APPLYING, "kept"): At.GATING,
    (At.APPLYING, "back"): At.BACK,
    (At.APPLYING, "refused"): At.FAILED,
    (At.APPLYING, "failed"): At.FAILED,
    (At.APPLYING, "idle"): At.WAITING,  # it will not flip any more, and has what it fetched
    (At.GATING, "back"): At.BACK,
    (At.GATING, UNSETTLED): At.GATING,
    (At.GATING, _SETTLED): At.GATING,
    (At.DONE, UNSETTLED): At.DONE,
    (At.DONE, _SETTLED): At.DONE,
    (At.FAILED, "kept"): At.GATING,  # it was silent, and came back
    (At.FAILED, "back"): At.BACK,
    (At.DONE, "back"): At.BACK,
    (At.RETURNING, "waiting"): At.RETURNING,
    (At.RETURNING, "back"): At.BACK,
    (At.SKIPPED, "back"): At.BACK,  # it was on its way there when somebody ended the rollout
    (At.RETURNING, "refused"): At.FAILED,
    (At.RETURNING, "failed"): At.FAILED,
}


def hear(state: At, word: Word, version: str, now: datetime, tries: int = 0) -> Heard | None:
    """How a unit stands in the rollout of `version` after a word; None when it changes nothing."""
    other = word.version not in ("", version)
    if state is At.RETURNING and other:  # who goes back speaks of the version it goes back to
        step = "back" if word.step == "kept" else word.step
    elif state is At.SKIPPED and other and word.step == "back":
        step = word.step
    elif other or (state is At.RETURNING and word.step == "kept"):
        return None
    else:
        step = word.step
    leads = _LEADS.get((state, step))
    if leads is None:
        return None
    if leads in (At.WAITING, At.RETURNING):
        why = word.why or ("called_off" if step == "idle" else "lease")
        return Heard(leads, why, word.again_at or later_try(now, tries), step == "failed")
    if step == UNSETTLED:
        return Heard(leads, UNSETTLED, word.again_at or later_try(now, tries))
    if step == _SETTLED:
        return Heard(leads)
    if leads is At.GATING:  # what lies around the release is there once somebody says so
        return Heard(leads, UNSETTLED)
    return Heard(leads, step if leads is state else word.why)


def unreachable(state: At, now: datetime, tries: int, *, begun: bool) -> Heard | None:
    """A run could not reach the unit: before it was `begun` it waits, after that it is what it says later."""
    if state in (At.STAGING, At.RETURNING) or (state is At.APPLYING and not begun):
        leads = At.RETURNING if state is At.RETURNING else At.WAITING
        return Heard(leads, "unreachable", later_try(now, tries), retried=True)
    return None


def task_failed(state: At, *, flipping: bool) -> Heard | None:
    """A task of the playbook failed there. Once the unit was told to flip, it is what it says later; once it
    has kept the version, something else that belongs to it could not be done."""
    if state in (At.STAGING, At.RETURNING, At.GATING) or (state is At.APPLYING and not flipping):
        return Heard(At.FAILED, "task")
    return None


def read_word(said: Any) -> Word | None:
    """A word from a task's result or an event's data, or None for what is none."""
    if not isinstance(said, Mapping):
        return None
    step, why, again, version, text = (
        said.get(name) for name in ("step", "why", "again_at", "version", "text")
    )
    step = _ALSO.get(step, step) if isinstance(step, str) else None
    if step not in STEPS:
        return None
    return Word(
        step=step,
        why=why[:_LONGEST_WHY] if isinstance(why, str) and why.isprintable() else "",
        again_at=_moment(again),
        version=version[:40] if isinstance(version, str) else "",
        text=text[:_LONGEST_TEXT] if isinstance(text, str) else "",
    )


def check_shows(verdict: Verdict, before: Iterable[str]) -> str:
    """What a full check after the flip shows: `bad` when the room is not ready for something that was in
    order before and is not the line's; `good` otherwise, "" when it says nothing."""
    if not verdict.verdict:
        return ""
    known = set(before)
    new = [one for one in verdict.open if one.weight == "not_ready" and one.what not in known]
    worse = verdict.verdict == "not_ready" and any(device_of(one.what) != "line" for one in new)
    return "bad" if worse else "good"


def _moment(said: Any) -> datetime | None:
    if not isinstance(said, str) or len(said) > 40:
        return None
    try:
        moment = datetime.fromisoformat(said)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else None
