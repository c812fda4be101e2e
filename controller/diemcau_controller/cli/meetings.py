"""`diemcau meeting`. ID is an occurrence's id, or a meeting's for the one that runs or comes next."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any

import typer

from .client import DEFAULT_STATE_DIR, JsonOption, StateDirOption, controller
from .show import print_json, print_table

meetings = typer.Typer(help="Meetings: announce, watch, chair, report.", no_args_is_help=True)

Id = Annotated[
    str, typer.Argument(metavar="ID", help="An occurrence, or a meeting for its present or next one.")
]
_DURATION = re.compile(r"(\d+)\s*(s|m|h)")
_SECONDS = {"s": 1, "m": 60, "h": 3600}


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
    duration: Annotated[str | None, typer.Option(help="90s, 45m, 2h.")] = None,
    end: Annotated[str | None, typer.Option(help="Instead of --duration.")] = None,
    site: Annotated[
        list[str] | None, typer.Option(help="A site to invite, again for each; all if absent.")
    ] = None,
    rrule: Annotated[str | None, typer.Option(help="Repeat: FREQ=WEEKLY;BYDAY=MO (RFC 5545).")] = None,
    kind: Annotated[str, typer.Option(help="A word for the kind: giao-ban, tap-huan …")] = "giao-ban",
    open_before: Annotated[str, typer.Option(help="Units may join so long before.")] = "10m",
    overrun: Annotated[str, typer.Option(help="It is not cut so long after the end.")] = "30m",
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
        "opens_before_s": seconds(open_before),
        "overrun_s": seconds(overrun),
    }
    if duration is not None:
        body["duration_s"] = seconds(duration)
    if end is not None:
        body["ends_at"] = moment(end)
    with controller(state_dir) as api:
        added = api.post("meetings", body)
    if as_json:
        print_json(added)
        return
    typer.echo(f"meeting {added['id']} announced for {', '.join(added['sites'])}")
    for one in added["occurrences"][:5]:
        typer.echo(f"  {api.local(one['starts_at'])}  {one['id']}")


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


def _where(occurrence: dict[str, Any]) -> str:
    if occurrence["finished_at"]:
        return "over"
    opens_at = datetime.fromisoformat(occurrence["opens_at"])
    return "open" if opens_at <= datetime.now(UTC) else ""
