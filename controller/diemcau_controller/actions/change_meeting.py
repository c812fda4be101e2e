"""Change a meeting that was announced: all of it, from a date on, or one date."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from ..config import Settings
from ..rules.actor import Actor
from ..rules.floor import default
from ..rules.gate import Classification, Mode, check_gate, suspicious
from ..rules.refusals import Conflict, Invalid
from ..rules.schedule import LATE_START, Plan, announces, check, check_length, check_sites, to_utc
from ..store.tables import AuditRow, Invitation, Meeting, MeetingException, Occurrence
from .add_meeting import ask_subject, meeting_settings
from .audit import record
from .controller import Controller, Letter
from .invited import invited
from .meeting_spec import MeetingPatch
from .occurrences import fit_occurrences, wall_clock
from .plan_of import plan_of, starts_local
from .scope import meeting_for, need_whole_meeting
from .split_meeting import split
from .taken_halls import need_free_halls

_TIMES = ("starts_at", "ends_at", "duration_s", "rrule")
_INVITATION = ("sites", "areas", "groups", "without", "main_site")
WHILE_RUNNING = frozenset(
    {"version", "since", "only", "ends_at", "duration_s", "notes", "sites", "areas", "groups", "without"}
    | {"subject_checked"}
)


class ChangedMeanwhile(Conflict):
    """Somebody else has changed the meeting since the caller read it.

    `values`: `who`, `version` (the present one), and `changes`: [{`who`, `at`, `before`, `after`}] of them.
    """

    code = "schedule.changed_meanwhile"


async def change_meeting(controller: Controller, who: Actor, meeting_id: str, patch: MeetingPatch) -> str:
    """Change it, and give the id of the meeting that has the change (another one only for a single date).

    Raises :class:`ChangedMeanwhile`, what :func:`add_meeting` raises, and :class:`Conflict` for one that is
    over, or for more than sites, end and notes of one that runs.
    """

    def change(session: Session) -> tuple[str, list[Letter]]:
        settings, now = controller.settings, controller.now()
        meeting = changeable(session, who, meeting_id, patch.version)
        target = split(session, settings, now, meeting, patch.since, only=patch.only)
        before = meeting_settings(target)
        invited_before = target.site_ids
        _apply(session, settings, now, who, target, patch)
        target.version = meeting.version = meeting.version + 1
        session.flush()
        record(
            session,
            who,
            now,
            "meeting.change",
            f"meeting:{meeting.id}",
            before={**before, "version": meeting.version - 1},
            after=meeting_settings(target),
        )
        letters = fit_occurrences(session, settings, now, target, left=invited_before)
        if target is not meeting:
            letters += fit_occurrences(session, settings, now, meeting)
        return target.id, letters

    changed, letters = await controller.write(change)
    controller.send(letters)
    for one in {meeting_id, changed}:
        controller.news.tell("schedule", meeting=one)
    return changed


def changeable(session: Session, who: Actor, meeting_id: str, version: int | None) -> Meeting:
    """The meeting, if this actor may change it and nobody else has since that version."""
    meeting = meeting_for(session, who, meeting_id)
    need_whole_meeting(who, meeting)
    if version is not None and version != meeting.version:
        raise _changed_meanwhile(session, meeting, version)
    if meeting.cancelled_at is not None:
        raise Conflict(
            f"meeting {meeting.id} was called off: announce a new one",
            code="schedule.cancelled",
            field="title",
        )
    return meeting


def _changed_meanwhile(session: Session, meeting: Meeting, version: int) -> ChangedMeanwhile:
    rows = session.scalars(
        select(AuditRow).where(AuditRow.subject == f"meeting:{meeting.id}").order_by(AuditRow.number.desc())
    )
    changes = [
        {"who": row.who, "at": row.at.isoformat(), "before": row.before or {}, "after": row.after or {}}
        for row in rows
        if int((row.after or {}).get("version", 0)) > version
    ]
    names = ", ".join(dict.fromkeys(str(one["who"]) for one in changes)) or "somebody else"
    return ChangedMeanwhile(
        f"{names} has changed this meeting meanwhile: read version {meeting.version}, then send yours again",
        who=names,
        version=meeting.version,
        changes=changes[::-1],
    )


def _apply(
    session: Session, settings: Settings, now: datetime, who: Actor, meeting: Meeting, patch: MeetingPatch
) -> None:
    running = _running(session, meeting, now)
    if running is not None:
        _need_running_fields(patch)
    elif meeting.rrule is None and _is_over(session, settings, meeting, now):
        raise Conflict(
            f"meeting {meeting.id} is over: copy it to announce it again", code="schedule.over", field="title"
        )
    _change_words(meeting, patch)
    _change_gate(meeting, patch)
    joining = _change_sites(session, who, meeting, patch, running, now)
    if patch.gives(*_TIMES, "opens_before_s", "overrun_s"):
        _change_times(session, settings, now, meeting, patch, running)
    session.flush()
    session.refresh(meeting, ["exceptions"])
    taken = patch.gives(*_TIMES)
    wanted = meeting.site_ids if taken else joining
    if wanted:
        own = {meeting.id}
        need_free_halls(
            session, settings, now, plan_of(meeting), meeting.main_site_id, wanted, apart_from=own
        )


def _running(session: Session, meeting: Meeting, now: datetime) -> Occurrence | None:
    """The occurrence of a meeting held once that is open now. Of a recurring one only later dates change."""
    if meeting.rrule is not None:
        return None
    row = session.scalars(
        select(Occurrence).where(Occurrence.meeting_id == meeting.id, Occurrence.finished_at.is_(None))
    ).first()
    return row if row is not None and row.opens_at <= now < row.cap_at else None


def _is_over(session: Session, settings: Settings, meeting: Meeting, now: datetime) -> bool:
    row = session.scalars(select(Occurrence).where(Occurrence.meeting_id == meeting.id)).first()
    if row is not None:
        return row.finished_at is not None or row.cap_at <= now
    return to_utc(starts_local(meeting), settings.zone) < now - LATE_START


def _need_running_fields(patch: MeetingPatch) -> None:
    too_late = sorted(patch.model_fields_set - WHILE_RUNNING)
    if too_late:
        raise Conflict(
            f"the meeting runs: only its sites, end and notes can change now, not {', '.join(too_late)}",
            code="schedule.running",
            field=too_late[0],
            fields=too_late,
        )


def _change_words(meeting: Meeting, patch: MeetingPatch) -> None:
    asked = set(suspicious(meeting.title, meeting.notes))
    for field in ("title", "kind", "chair", "place", "notes"):
        value = getattr(patch, field)
        if value is not None:
            setattr(meeting, field, value)
    if (
        patch.title is not None
        and meeting.gate_confirmed_by is not None
        and "title" in patch.model_fields_set
    ):
        new = set(suspicious(meeting.title)) - asked
        if new:  # what an administrator confirmed was another subject
            meeting.gate_confirmed_by = None
    mode = patch.mode or Mode(meeting.mode)
    turns_online = mode is Mode.HERE and meeting.mode != Mode.HERE
    unmarked = not meeting.security_subject and meeting.gate_confirmed_by is None
    if mode is Mode.HERE and unmarked and not patch.subject_checked:
        present = suspicious(meeting.title, meeting.notes)
        if turns_online or set(present) - asked:
            ask_subject(meeting.title, meeting.notes)


def _change_gate(meeting: Meeting, patch: MeetingPatch) -> None:
    """A mark may be set by anybody; to take it back needs an administrator, and a degree stays."""
    degree = Classification(meeting.classification)
    if patch.classification is not None and patch.classification.below(degree):
        raise Invalid(
            "a degree of secrecy is not lowered here: announce a new meeting if it was chosen by mistake",
            code="gate.lowered",
            field="classification",
        )
    if patch.security_subject is False and meeting.security_subject and meeting.gate_confirmed_by is None:
        raise Invalid(
            "that the subject was marked by mistake is confirmed by an administrator, with a reason",
            code="gate.unmarked",
            field="security_subject",
        )
    if patch.classification is not None:
        meeting.classification = patch.classification.value
    if patch.security_subject:
        if not meeting.security_subject:
            meeting.gate_confirmed_by, meeting.gate_reason = None, ""
        meeting.security_subject = True
    if patch.mode is not None:
        if meeting.urgent and patch.mode is not Mode.HERE:
            raise Invalid("an urgent meeting is held here", code="schedule.urgent_here", field="mode")
        meeting.mode = patch.mode.value
    check_gate(
        Mode(meeting.mode),
        Classification(meeting.classification),
        meeting.security_subject,
        confirmed=meeting.gate_confirmed_by is not None,
    )


def _change_sites(
    session: Session,
    who: Actor,
    meeting: Meeting,
    patch: MeetingPatch,
    running: Occurrence | None,
    now: datetime,
) -> list[str]:
    """Give the sites that come new."""
    if not patch.gives(*_INVITATION):
        return []
    present = meeting.site_ids
    main = patch.main_site or meeting.main_site_id
    whole = patch.gives("sites", "areas", "groups")
    sites = invited(
        session,
        who,
        main,
        sites=patch.sites if whole else present,
        areas=patch.areas,
        groups=patch.groups,
        without=patch.without or (),
    )
    check_sites(main, sites)
    meeting.main_site_id = main
    rows = {row.site_id: row for row in meeting.invited}
    meeting.invited = [
        rows.get(site) or Invitation(site_id=site, position=at) for at, site in enumerate(sites)
    ]
    for at, row in enumerate(meeting.invited):
        row.position = at
    if running is not None:
        staying = [site for site in running.floor_speakers if site in set(sites)]
        if staying != running.floor_speakers:
            running.floor_speakers = staying or list(default(main).speakers)
            running.floor_seq += 1
    return [site for site in sites if site not in rows]


def _change_times(
    session: Session,
    settings: Settings,
    now: datetime,
    meeting: Meeting,
    patch: MeetingPatch,
    running: Occurrence | None,
) -> None:
    plan, zone = plan_of(meeting), settings.zone
    present = starts_local(meeting)
    start = wall_clock(patch.starts_at, zone) if patch.starts_at is not None else present
    if patch.ends_at is not None and patch.duration_s is not None:
        raise Invalid("give either ends_at or duration_s", code="schedule.no_end", field="ends_at")
    if patch.ends_at is not None:
        duration = wall_clock(patch.ends_at, zone) - start
    else:
        duration = timedelta(seconds=patch.duration_s) if patch.duration_s is not None else plan.duration
    rrule = (patch.rrule or None) if patch.gives("rrule") else plan.rrule
    fresh = replace(
        plan,
        duration=duration,
        rrule=rrule,
        opens_before=_seconds(patch.opens_before_s, plan.opens_before),
        overrun=_seconds(patch.overrun_s, plan.overrun),
    )
    if running is not None:
        _prolong(running, fresh, now)
    elif plan.rrule is None and rrule is None:
        moves = {} if start == plan.starts_local else {plan.starts_local: start}
        fresh = replace(fresh, moves=moves)
        check(fresh, zone, now)
    else:
        fresh = replace(fresh, starts_local=start, moves={})
        kept = {day: to for day, to in plan.moves.items() if rrule and announces(fresh, day, zone)}
        fresh = replace(fresh, moves=kept)
        check(fresh, zone, now)
    meeting.starts_local = fresh.starts_local.isoformat()
    meeting.rrule = fresh.rrule
    meeting.duration_s = int(fresh.duration.total_seconds())
    meeting.opens_before_s = int(fresh.opens_before.total_seconds())
    meeting.overrun_s = int(fresh.overrun.total_seconds())
    _store_moves(session, meeting, fresh)


def _prolong(running: Occurrence, fresh: Plan, now: datetime) -> None:
    """The end of a meeting that runs, which may not lie behind us."""
    check_length(fresh.duration)
    ends_at = running.starts_at + fresh.duration
    if ends_at <= now:
        raise Invalid(
            "that end is over: close the meeting to end it now", code="schedule.end_past", field="ends_at"
        )
    running.ends_at, running.cap_at = ends_at, ends_at + fresh.overrun


def _store_moves(session: Session, meeting: Meeting, fresh: Plan) -> None:
    wanted = {day.isoformat(): to for day, to in fresh.moves.items()}
    for one in list(meeting.exceptions):
        if one.starts_local not in wanted:
            meeting.exceptions.remove(one)
    known = {one.starts_local: one for one in meeting.exceptions}
    for day, to in wanted.items():
        moved_to = to.isoformat() if to is not None else None
        if day in known:
            known[day].moved_to = moved_to
        else:
            meeting.exceptions.append(MeetingException(starts_local=day, moved_to=moved_to))
    session.flush()


def _seconds(given: int | None, present: timedelta) -> timedelta:
    return present if given is None else timedelta(seconds=given)
