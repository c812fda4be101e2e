"""`diemcau status` and `diemcau events`."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from .client import DEFAULT_STATE_DIR, Api, JsonOption, StateDirOption, controller
from .show import print_json, print_json_line, print_table


def status(state_dir: StateDirOption = DEFAULT_STATE_DIR, as_json: JsonOption = False) -> None:
    """Is the controller well, what runs, which sites are connected."""
    with controller(state_dir) as api:
        health = api.get("/healthz")
        sites = api.get("sites")
        meetings = [one for meeting in api.get("meetings") for one in meeting["occurrences"]]
    upcoming = sorted((m for m in meetings if m["finished_at"] is None), key=lambda m: str(m["starts_at"]))
    if as_json:
        print_json({**health, "url": api.contact["url"], "sites": sites, "meetings": upcoming})
        return
    reached = {True: "reached", False: "NOT reached"}
    typer.echo(f"controller {api.contact['url']}: {health['status']}")
    typer.echo(f"broker {reached[health['mqtt']]}, Janus {reached[health['janus']]}")
    typer.echo(f"certificate authority: {health['authority']}")
    typer.echo(f"releases: {health['releases']}")
    typer.echo(f"backup: {health['backup']}")
    for one in upcoming[:1]:
        typer.echo(f"next or running: {one['title']}, {api.local(one['starts_at'])} ({one['id']})")
    print_table(
        ("site", "name", "state", "unit", "last seen", "to do"),
        [
            (
                site["id"],
                site["name"],
                site["state"],
                unit.get("id"),
                api.local(unit.get("last_seen")),
                unit.get("readiness", {}).get("instruction", ""),
            )
            for site in sites
            for unit in [site["unit"] or {}]
        ],
        "there are no sites yet: add one with `diemcau site add`",
    )


def events(
    state_dir: StateDirOption = DEFAULT_STATE_DIR,
    as_json: JsonOption = False,
    follow: Annotated[bool, typer.Option("--follow", help="Go on as events come.")] = False,
    site: Annotated[str | None, typer.Option(help="Of this site only.")] = None,
    unit: Annotated[str | None, typer.Option(help="Of this unit only.")] = None,
    meeting: Annotated[str | None, typer.Option(help="Of this occurrence only.")] = None,
    kind: Annotated[str | None, typer.Option(help="Of this kind only.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="The newest so many.")] = 100,
) -> None:
    """What happened, each event once; with --json one object a line."""
    wanted = {"site": site, "unit": unit, "meeting": meeting, "kind": kind}
    with controller(state_dir) as api:
        found = api.get("events", limit=limit, **wanted)
        for event in found:
            _print(api, event, as_json)
        if follow:
            _follow(api, found[-1]["number"] if found else 0, wanted, as_json)


def _follow(api: Api, last: int, wanted: dict[str, str | None], as_json: bool) -> None:
    with api.stream("stream") as lines:
        for event in api.get("events", after=last, limit=1000, **wanted):  # between reading and listening
            last = event["number"]
            _print(api, event, as_json)
        name = ""
        for line in lines:
            if line.startswith("event: "):
                name = line.removeprefix("event: ")
            elif line.startswith("data: ") and name == "event":
                event = json.loads(line.removeprefix("data: "))
                fits = all(value is None or event[key] == value for key, value in wanted.items())
                if fits and event["number"] > last:
                    _print(api, event, as_json)


def _print(api: Api, event: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json_line(event)
    else:
        data = json.dumps(event["data"], ensure_ascii=False) if event["data"] else ""
        where = event["site"] or event["unit"]
        typer.echo(
            f"{api.local(event['at'])}  {where:<20} {event['kind']:<14} {event['meeting'] or ''} {data}"
        )
