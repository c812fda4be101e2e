"""`diemcau urgent`."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import typer

from .client import DEFAULT_STATE_DIR, Failed, JsonOption, StateDirOption, controller
from .meetings import AreaOption, GroupOption, SiteOption, SubjectChecked, WithoutOption
from .show import print_json, print_table

urgent = typer.Typer(help="Urgent meetings (họp khẩn): start one, see who comes.", no_args_is_help=True)

Meeting = Annotated[str, typer.Argument(metavar="ID", help="The meeting, as `start` printed it.")]
Site = Annotated[str, typer.Argument(help="The hall.")]


@urgent.command("start")
def start(
    title: Annotated[str, typer.Argument(help="What it is about.")],
    main: Annotated[str | None, typer.Option(help="The main site; the centre's if absent.")] = None,
    site: SiteOption = None,
    area: AreaOption = None,
    group: GroupOption = None,
    without: WithoutOption = None,
    subject_checked: SubjectChecked = False,
    state_dir: StateDirOption = DEFAULT_STATE_DIR,
    as_json: JsonOption = False,
) -> None:
    """Start one now: every hall chimes, counts down 60 s and joins, out of whatever meeting it is in."""
    with controller(state_dir) as api:
        main = main or api.get("urgent")["main_site"]
        if main is None:
            raise Failed("there are no sites to call: add one with `diemcau site add`")
        body: dict[str, Any] = {
            "title": title,
            "main_site": main,
            "sites": site,
            "areas": area,
            "groups": group,
            "without": without or [],
            "subject_checked": subject_checked,
        }
        started = api.post("urgent", body)
    if as_json:
        print_json(started)
        return
    typer.echo(f"{started['id']}: {len(started['sites'])} sites are called; it starts within a minute")
    for clash in started["clashes"]:
        typer.echo(f"it takes {len(clash['sites'])} of them out of “{clash['title']}”")
    typer.echo(f"next: diemcau urgent show {started['id']}")


@urgent.command("show")
def show(
    meeting: Meeting, state_dir: StateDirOption = DEFAULT_STATE_DIR, as_json: JsonOption = False
) -> None:
    """Who is in, who comes, whom to call; whom to call first comes first."""
    with controller(state_dir) as api:
        now = api.get(f"urgent/{meeting}")
    if as_json:
        print_json(now)
        return
    rows = [
        (
            one["site"],
            one["name"],
            one["answer"] + (", in another meeting" if one["busy"] else ""),
            ", ".join(f"{each.get('name', '')} {each.get('phone', '')}".strip() for each in one["contacts"]),
        )
        for one in now["sites"]
    ]
    print_table(("site", "name", "answer", "contact"), rows, "nobody was called")
    counts = Counter(one["answer"] for one in now["sites"])
    told = ", ".join(f"{number} {answer}" for answer, number in counts.items())
    typer.echo(f"{now['title']}: {now['phase']}, {now['elapsed_s']:.0f} s since the call; {told}")


@urgent.command("ring")
def ring(meeting: Meeting, site: Site, state_dir: StateDirOption = DEFAULT_STATE_DIR) -> None:
    """Call a hall that declined once more."""
    _answer(state_dir, meeting, site, "ring")
    typer.echo(f"{site} is called once more")


@urgent.command("decline")
def decline(meeting: Meeting, site: Site, state_dir: StateDirOption = DEFAULT_STATE_DIR) -> None:
    """Say no for a hall that telephoned, while it rings."""
    _answer(state_dir, meeting, site, "decline")
    typer.echo(f"{site} does not come")


def _answer(state_dir: Path, meeting: str, site: str, verb: str) -> None:
    with controller(state_dir) as api:
        api.post(f"urgent/{meeting}/answers", {"site": site, "verb": verb})
