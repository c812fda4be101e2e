"""`diemcau incident`."""

from __future__ import annotations

from typing import Annotated

import typer

from ..rules.incidents import Kind, Which
from .client import DEFAULT_STATE_DIR, JsonOption, StateDirOption, controller
from .show import print_json, print_table

incidents = typer.Typer(help="What went wrong at sites, and what was done about it.", no_args_is_help=True)


@incidents.command("list")
def list_incidents(
    which: Annotated[Which, typer.Option(help="Open ones, closed ones or all.")] = Which.OPEN,
    site: Annotated[str | None, typer.Option(help="Of one site only.")] = None,
    state_dir: StateDirOption = DEFAULT_STATE_DIR,
    as_json: JsonOption = False,
) -> None:
    """Incidents, the worst open one first."""
    with controller(state_dir) as api:
        found = api.get("incidents", which=which.value, site=site)
    if as_json:
        print_json(found)
        return
    rows = [
        (
            one["id"],
            one["site"] + (f" and {one['site_count'] - 1} more" if one["site_count"] > 1 else ""),
            one["kind"],
            one["title"],
            api.local(one["opened_at"]),
            one["assignee"] or "–",
            api.local(one["closed_at"]),
        )
        for one in found
    ]
    print_table(
        ("incident", "site", "kind", "title", "opened", "assigned", "closed"), rows, "there are no incidents"
    )


@incidents.command("open")
def open_incident(
    site: Annotated[str, typer.Argument(help="The site it is about.")],
    kind: Annotated[Kind, typer.Argument(help="What is wrong.")],
    title: Annotated[str, typer.Option(help="In a few words; needed for `other`.")] = "",
    text: Annotated[str, typer.Option(help="What was seen.")] = "",
    meeting: Annotated[str | None, typer.Option(help="The meeting it happened in.")] = None,
    state_dir: StateDirOption = DEFAULT_STATE_DIR,
    as_json: JsonOption = False,
) -> None:
    """Open an incident; what is known of the site's unit is attached."""
    body = {"site": site, "kind": kind.value, "title": title, "text": text, "occurrence": meeting}
    with controller(state_dir) as api:
        opened = api.post("incidents", body)
    print_json(opened) if as_json else typer.echo(f"incident {opened['id']} is open")


@incidents.command("close")
def close_incident(
    incident: Annotated[str, typer.Argument(metavar="ID", help="The incident.")],
    resolution: Annotated[str, typer.Argument(help="What was done.")],
    state_dir: StateDirOption = DEFAULT_STATE_DIR,
    as_json: JsonOption = False,
) -> None:
    """Close an incident with what was done about it."""
    with controller(state_dir) as api:
        closed = api.post(f"incidents/{incident}/close", {"resolution": resolution})
    print_json(closed) if as_json else typer.echo(f"incident {closed['id']} is closed")
