"""`diemcau meeting`. ID is an occurrence's id, or a meeting's for the one that runs or comes next."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any

import typer

from .client import DEFAULT_STATE_DIR, Api, JsonOption, StateDirOption, controller
from .show import print_json, print_table

meetings = typer.Typer(help="Meetings: announce, watch, chair, report.", no_args_is_help=True)

Id = Annotated[
    str, typer.Argument(metavar="ID", help="An occurrence, or a meeting for its present or next one.")
]
Date = Annotated[str, typer.Argument(metavar="OCCURRENCE", help="One date, by its id.")]
_DURATION = re.compile(r"(\d+)\s*(s|m|h)")
_SECONDS = {"s": 1, "m": 60, "h": 3600}


SiteOption = Annotated[
    list[str] | None, typer.Option(help="A site to invite, again for each; all if nobody is named.")
]
AreaOption = Annotated[
    list[str] | None, typer.Option(help="Every site of an area and below, again for each.")
]
GroupOption = Annotated[list[str] | None, typer.Option(help="Every site of a group, again for each.")]
WithoutOption = Annotated[list[str] | None, typer.Option(help="A site to leave out, again for each.")]
Duration = Annotated[str | None, typer.Option(help="90s, 45m, 2h.")]
End = Annotated[str | None, typer.Option(help="Instead of --duration.")]
SubjectChecked = Annotated[
    bool, typer.Option("--subject-checked", help="Words that suggest security or secrecy were looked at.")
]
Reason = Annotated[str, typer.Option(help="Why, in a few words.")]


class Mode(StrEnum):
    """Where a meeting is held."""

    HERE = "here"
    ELSEWHERE = "elsewhere"
    IN_PERSON = "in_person"


class Verb(StrEnum):
    """What can be done with the floor."""

    GRANT = "grant"
    END = "end"
    MUTE_ALL = "mute-all"
    OPEN_DISCUSSION = "open-discussion"
    CLOSE_DISCUSSION = "close-discussion"


def seconds(text: str) -> int:
    """`90s`, `45m`, `2h` or `1h30m` in seconds."""
    parts = _DURATION.findall(text)
    if not parts or _DURATION.sub("", text).strip():
        raise typer.BadParameter(f"{text!r} is no duration: write 90s, 45m, 2h or 1h30m")
    return sum(int(number) * _SECONDS[unit] for number, unit in parts)


def moment(text: str) -> str:
    """`2026-03-12 08:00` (the coordinator's time), any RFC 3339 time, or `+5m` from now."""
    try:
        if text == "now" or text.startswith("+"):
            ahead = 0 if text == "now" else seconds(text[1:])
            return (datetime.now(UTC) + timedelta(seconds=ahead)).isoformat()
        return datetime.fromisoformat(text).isoformat()
    except (ValueError, OverflowError):
        raise typer.BadParameter(f"{text!r} is no time: write 2026-03-12 08:00, or +5m from now") from None


@meetings.command("add")
def add_meeting(
    title: Annotated[str, typer.Argument(help="What it is called.")],
    start: Annotated[str, typer.Option(help="2026-03-12 08:00, or +5m from now, or now.", parser=moment)],
    main: Annotated[str, typer.Option(help="The main site.")],
    duration: Duration = None,
    end: End = None,
    site: SiteOption = None,
    area: AreaOption = None,
    group: GroupOption = None,
    without: WithoutOption = None,
    rrule: Annotated[str | None, typer.Option(help="Repeat: FREQ=WEEKLY;BYDAY=MO (RFC 5545).")] = None,
    kind: Annotated[str, typer.Option(help="A word for the kind: giao-ban, tap-huan …")] = "giao-ban",
    open_before: Annotated[str, typer.Option(help="Units may join so long before.")] = "10m",
    overrun: Annotated[str, typer.Option(help="It is not cut so long after the end.")] = "30m",
    mode: Annotated[Mode, typer.Option(help="The last two only hold the halls.")] = Mode.HERE,
    chair: Annotated[str, typer.Option(help="Who chairs it.")] = "",
    place: Annotated[str, typer.Option(help="Where it is, for people.")] = "",
    notes: Annotated[str, typer.Option(help="Agenda, who takes part.")] = "",
    subject_checked: SubjectChecked = False,
    state_dir: StateDirOption = DEFAULT_STATE_DIR,
    as_json: JsonOption = False,
) -> None:
    """Announce a meeting: once, or by a repeat rule."""
    if (duration is None) == (end is None):
        raise typer.BadParameter("give either --duration or --end")
    body: dict[str, Any] = {
        "title": title,
        "kind": kind,
        "starts_at": start,
        "rrule": rrule,
        "main_site": main,
        "sites": site,
        "areas": area,
        "groups": group,
        "without": without or [],
        "opens_before_s": seconds(open_before),
        "overrun_s": seconds(overrun),
        "mode": mode.value,
        "chair": chair,
        "place": place,
        "notes": notes,
        "subject_checked": subject_checked,
    }
    if duration is not None:
        body["duration_s"] = seconds(duration)
    if end is not None:
        body["ends_at"] = moment(end)
    with controller(state_dir) as api:
        added = api.post("meetings", body)
    sites = added["sites"]
    named = ", ".join(sites) if len(sites) <= 30 else f"{len(sites)} sites"
    _show_dates(api, added, f"meeting {added['id']} announced for {named}", as_json)


@meetings.command("change")
def change(
    meeting: Annotated[str, typer.Argument(metavar="MEETING", help="A meeting's own id.")],
    since: Annotated[
        str | None, typer.Option(help="An occurrence: this date and those after it; else the next one.")
    ] = None,
    only: Annotated[bool, typer.Option("--only", help="That date only.")] = False,
    title: Annotated[str | None, typer.Option(help="What it is called.")] = None,
    kind: Annotated[str | None, typer.Option(help="giao-ban, hoi-nghi, tap-huan …")] = None,
    start: Annotated[str | None, typer.Option(help="2026-03-12 08:00, or +5m from now.")] = None,
    duration: Duration = None,
    end: End = None,
    rrule: Annotated[str | None, typer.Option(help="Repeat (RFC 5545); empty: held once.")] = None,
    main: Annotated[str | None, typer.Option(help="The main site.")] = None,
    site: SiteOption = None,
    area: AreaOption = None,
    group: GroupOption = None,
    without: WithoutOption = None,
    mode: Annotated[Mode | None, typer.Option(help="Where it is held.")] = None,
    chair: Annotated[str | None, typer.Option(help="Who chairs it.")] = None,
    place: Annotated[str | None, typer.Option(help="Where it is, for people.")] = None,
    notes: Annotated[str | None, typer.Option(help="Agenda, who takes part.")] = None,
    subject_checked: SubjectChecked = False,
    state_dir: StateDirOption = DEFAULT_STATE_DIR,
    as_json: JsonOption = False,
) -> None:
    """Change what was announced: all of it, from a date on, or one date."""
    given = {
        "title": title,
        "kind": kind,
        "starts_at": None if start is None else moment(start),
        "duration_s": None if duration is None else seconds(duration),
        "ends_at": None if end is None else moment(end),
        "rrule": rrule,
        "main_site": main,
        "sites": site,
        "areas": area,
        "groups": group,
        "without": without,
        "mode": None if mode is None else mode.value,
        "chair": chair,
        "place": place,
        "notes": notes,
        "since": since,
    }
    body = {name: value for name, value in given.items() if value is not None}
    if not body:
        raise typer.BadParameter("name what shall change, such as --start or --title")
    with controller(state_dir) as api:
        changed = api.ask(
            "PATCH", f"meetings/{meeting}", json={**body, "only": only, "subject_checked": subject_checked}
        )
    _show_dates(api, changed, f"meeting {changed['id']} is changed", as_json)


@meetings.command("skip")
def skip(
    occurrence: Date,
    reason: Reason = "",
    state_dir: StateDirOption = DEFAULT_STATE_DIR,
    as_json: JsonOption = False,
) -> None:
    """One date is not held."""
    with controller(state_dir) as api:
        changed = api.post(f"meetings/{occurrence}/skip", {"reason": reason})
    _show_dates(api, changed, f"{occurrence} is not held", as_json)


@meetings.command("move")
def move(
    occurrence: Date,
    start: Annotated[str, typer.Option(help="2026-03-12 08:00, or +5m from now.", parser=moment)],
    reason: Reason = "",
    state_dir: StateDirOption = DEFAULT_STATE_DIR,
    as_json: JsonOption = False,
) -> None:
    """One date is held at another time; it keeps its name and its links."""
    with controller(state_dir) as api:
        changed = api.post(f"meetings/{occurrence}/move", {"starts_at": start, "reason": reason})
    _show_dates(api, changed, f"{occurrence} is moved", as_json)


@meetings.command("restore")
def restore(
    occurrence: Date, state_dir: StateDirOption = DEFAULT_STATE_DIR, as_json: JsonOption = False
) -> None:
    """A date that was skipped or moved is held as announced."""
    with controller(state_dir) as api:
        changed = api.post(f"meetings/{occurrence}/restore")
    _show_dates(api, changed, f"{occurrence} is held as announced", as_json)


@meetings.command("list")
def list_meetings(state_dir: StateDirOption = DEFAULT_STATE_DIR, as_json: JsonOption = False) -> None:
    """Meetings of the next 30 days and of the last one."""
    with controller(state_dir) as api:
        found = api.get("meetings")
    if as_json:
        print_json(found)
        return
    occurrences = sorted((o for m in found for o in m["occurrences"]), key=lambda o: str(o["starts_at"]))
    rows = [
        (
            o["id"],
            o["title"],
            api.local(o["starts_at"]),
            api.local(o["ends_at"]),
            o["main_site"],
            len(o["sites"]),
            _where(o),
        )
        for o in occurrences
    ]
    columns = ("id", "title", "starts", "ends", "main site", "sites", "")
    print_table(columns, rows, "there are no meetings: announce one with `diemcau meeting add`")


@meetings.command("join-info")
def join_info(
    meeting: Id, state_dir: StateDirOption = DEFAULT_STATE_DIR, as_json: JsonOption = False
) -> None:
    """The way into the room, for any WebRTC client."""
    with controller(state_dir) as api:
        found = api.get(f"meetings/{meeting}/join-info")
    if as_json:
        print_json(found)
        return
    for key in ("url", "room", "pin", "expires_at"):
        typer.echo(f"{key:<11} {found[key]}")


@meetings.command("floor")
def floor(
    meeting: Id,
    verb: Annotated[Verb, typer.Argument(help="grant SITE, end SITE, mute-all, …")],
    site: Annotated[str | None, typer.Argument(help="Whom it is about.")] = None,
    add: Annotated[bool, typer.Option("--add", help="Beside those who speak.")] = False,
    state_dir: StateDirOption = DEFAULT_STATE_DIR,
    as_json: JsonOption = False,
) -> None:
    """Say who is seen and heard."""
    if verb is Verb.GRANT and site is None:
        raise typer.BadParameter("name the site that gets the floor")
    with controller(state_dir) as api:
        found = api.post(f"meetings/{meeting}/floor", {"verb": verb.value, "site": site, "add": add})
    if as_json:
        print_json(found)
    else:
        typer.echo(f"floor: {', '.join(found['speakers']) or 'all muted'}")


@meetings.command("close")
def close(meeting: Id, state_dir: StateDirOption = DEFAULT_STATE_DIR, as_json: JsonOption = False) -> None:
    """End the meeting now; every unit leaves."""
    with controller(state_dir) as api:
        found = api.post(f"meetings/{meeting}/close")
    print_json(found) if as_json else typer.echo(f"meeting {found['closed']} is closed")


@meetings.command("cancel")
def cancel(meeting: Id, state_dir: StateDirOption = DEFAULT_STATE_DIR, as_json: JsonOption = False) -> None:
    """Call off a meeting, with every occurrence that is not over."""
    with controller(state_dir) as api:
        api.ask("DELETE", f"meetings/{meeting}")
    print_json({"cancelled": meeting}) if as_json else typer.echo(f"meeting {meeting} is called off")


@meetings.command("report")
def report(meeting: Id, state_dir: StateDirOption = DEFAULT_STATE_DIR, as_json: JsonOption = False) -> None:
    """Which site attended when, and how often it had the floor."""
    with controller(state_dir) as api:
        found = api.get(f"meetings/{meeting}/report")
    if as_json:
        print_json(found)
        return
    typer.echo(
        f"{found['title']}, {api.local(found['starts_at'])}{'' if found['final'] else ' (not over yet)'}"
    )
    print_table(
        ("site", "name", "joined", "present", "drop-outs", "floor", "left"),
        [
            (
                s["id"],
                s["name"],
                api.local(s["first_joined_at"]),
                f"{s['present_s']:.0f} s",
                s["drop_outs"],
                s["floor_taken"],
                "yes" if s["left"] else "no",
            )
            for s in found["sites"]
        ],
        "no sites",
    )
    if found["files"]:
        typer.echo(f"page: {found['files']['html']}")


def _show_dates(api: Api, meeting: dict[str, Any], said: str, as_json: bool) -> None:
    if as_json:
        print_json(meeting)
        return
    typer.echo(said)
    coming = [one for one in meeting["occurrences"] if not one["closed"] and not one["finished_at"]]
    for one in coming[:5]:
        typer.echo(f"  {api.local(one['starts_at'])}  {one['id']}")


def _where(occurrence: dict[str, Any]) -> str:
    if occurrence["finished_at"]:
        return "over"
    opens_at = datetime.fromisoformat(occurrence["opens_at"])
    return "open" if opens_at <= datetime.now(UTC) else ""
