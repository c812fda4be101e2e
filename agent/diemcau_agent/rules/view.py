"""What the hall's screen shows: the `show` line, made from the state of things."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from diemcau_wire.messages import DesiredConfig, Occurrence, SessionState

from . import schedule
from .standing import Standing

PHONE_BEFORE = timedelta(minutes=30)  # so long before a meeting opens the hall's phone page is of use

_VIEWS = {
    SessionState.IDLE: "idle",
    SessionState.COUNTDOWN: "countdown",
    SessionState.JOINING: "countdown",
    SessionState.IN_MEETING: "meeting",
    SessionState.RECONNECTING: "reconnecting",
    SessionState.LEAVING: "goodbye",
}


def view(session: Standing, now: datetime) -> str:
    """Which of the six views. An urgent meeting that rings is shown over everything else; joining that
    failed once is shown as what it is."""
    if session.calling is not None:
        return "countdown"
    held = session.holding(now)
    waiting = session.state in (SessionState.IDLE, SessionState.COUNTDOWN)
    if held is not None and waiting and (session.state is SessionState.IDLE or now < held.ends_at):
        return "held"
    if session.state is SessionState.JOINING and session.failures:
        return "reconnecting"
    return _VIEWS[session.state]


def show(
    session: Standing,
    config: DesiredConfig | None,
    meetings: Sequence[Occurrence],
    *,
    unit: str,
    link: bool,
    mic_open: bool,
    now: datetime,
) -> dict[str, Any]:
    """The `show` line for the screen (ARCHITECTURE.md, "Between the processes")."""
    if config is None:
        site = {"id": "", "name": unit, "area": ""}
        coordinator = {"name": "", "phone": ""}
    else:
        site = config.site.model_dump()
        coordinator = config.coordinator.model_dump()
    return {
        "type": "show",
        "view": view(session, now),
        "language": config.language if config else "vi",
        "site": site,
        "coordinator": coordinator,
        "link": link,
        "readiness": _readiness(session, coordinator, now),
        "privacy": _privacy(session, now),
        "hand": session.local.hand,
        "next": _next(session, meetings, now),
        "meeting": _meeting(session, config, mic_open, now),
        "urgent": _urgent(session),
        "held": _held(session.holding(now)),
        "phone": _phone(session, meetings, now),
    }


def _readiness(session: Standing, coordinator: dict[str, Any], now: datetime) -> dict[str, Any]:
    """The result of the last check and whom to call about it; of one that runs, what it is at."""
    readiness, checks = session.readiness, session.checks
    until, to = session.postpone_until(now), checks.postponed_until
    return {
        "verdict": readiness.verdict.value,
        "instruction": readiness.instruction,
        "checking_what": checks.looks_at if session.checking else "",
        "postpone_until": _time(until) if until is not None else None,
        "postponed_to": _time(to) if to is not None and now < to else None,
        "whom": coordinator if readiness.instruction and coordinator["phone"] else None,
    }


def _privacy(session: Standing, now: datetime) -> dict[str, Any]:
    """What is open, what the hall itself has shut, and what will be opened when."""
    local, live = session.local, session.live
    opens_at, reason = session.checks.notice_until, "check"
    if session.picture_at is not None:
        opens_at, reason = session.picture_at, "picture"
    ahead = opens_at is not None and now < opens_at
    return {
        "camera": live.camera,
        "microphone": live.microphone,
        "muted": local.muted,
        "stopped": local.stopped,
        "opens_at": _time(opens_at) if opens_at is not None and ahead else None,
        "reason": reason,
    }


def _urgent(session: Standing) -> dict[str, Any] | None:
    if session.calling is None:
        return None
    meeting, joins_at = session.calling
    return {
        "title": meeting.title,
        "joins_at": _time(joins_at),
        "main_site_name": meeting.main_site_name,
    }


def _held(meeting: Occurrence | None) -> dict[str, Any] | None:
    if meeting is None:
        return None
    return {
        "title": meeting.title,
        "mode": meeting.mode.value,
        "starts_at": _time(meeting.starts_at),
        "ends_at": _time(meeting.ends_at),
    }


def _phone(session: Standing, meetings: Sequence[Occurrence], now: datetime) -> str:
    """The address of the hall's phone page, while there is a meeting it can be used for."""
    meeting = session.calling[0] if session.calling else session.meeting
    if meeting is None:
        meeting = schedule.upcoming(schedule.here(meetings), now, over=session.over)
    if meeting is None or meeting.phone is None or now < meeting.opens_at - PHONE_BEFORE:
        return ""
    return meeting.phone


def _next(session: Standing, meetings: Sequence[Occurrence], now: datetime) -> dict[str, Any] | None:
    following = session.meeting
    if following is None or session.attending or session.state is SessionState.LEAVING:
        over = [*session.over, session.meeting.id] if session.meeting else session.over
        following = schedule.upcoming(meetings, now, over=over)
    if following is None:
        return None
    return {
        "title": following.title,
        "starts_at": _time(following.starts_at),
        "main_site_name": following.main_site_name,
        "mode": following.mode.value,
    }


def _meeting(
    session: Standing, config: DesiredConfig | None, mic_open: bool, now: datetime
) -> dict[str, Any] | None:
    meeting = session.meeting
    if meeting is None:
        return None
    names = {**session.floor.names, meeting.main_site: meeting.main_site_name}
    if config is not None:
        names[config.site.id] = config.site.name
    slots = session.slots(now)
    speaking = session.speakers(now) if session.attending else ()
    return {
        "id": meeting.id,
        "title": meeting.title,
        "starts_at": _time(meeting.starts_at),
        "ends_at": _time(meeting.ends_at),
        "speaker": speaking[-1] if speaking else None,
        "slots": [{"site": s, "name": names.get(s, s)} if s else None for s in slots.video],
        "mic": "open" if mic_open else "closed",
        "camera": session.live.camera,
    }


def _time(at: datetime) -> str:
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")
