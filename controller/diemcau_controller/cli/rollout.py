"""`diemcau rollout`, `diemcau freeze` and `diemcau inventory`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from .client import DEFAULT_STATE_DIR, JsonOption, StateDirOption, controller
from .show import print_json, print_table

rollouts = typer.Typer(help="A version on its way to the fleet.", no_args_is_help=True)
freezes = typer.Typer(help="Days on which nothing is flipped.", no_args_is_help=True)

RolloutId = Annotated[str, typer.Argument(help="The rollout; `diemcau rollout list` shows those there are.")]
_HEAPS = ("done", "waiting", "failed", "back", "skipped")


@rollouts.command("start")
def start_rollout(
    version: Annotated[str, typer.Argument(help="A release that is offered.")],
    site: Annotated[list[str] | None, typer.Option(help="Only this site; again for more.")] = None,
    area: Annotated[list[str] | None, typer.Option(help="Only sites of this area; again for more.")] = None,
    wave: Annotated[int, typer.Option(help="So many units at most go together.")] = 50,
    tolerated: Annotated[int, typer.Option(help="Percent of a wave that may fail.")] = 5,
    meeting_wait: Annotated[
        int, typer.Option(help="Hours within which a meeting has to come for canaries to wait for it.")
    ] = 72,
    instead: Annotated[bool, typer.Option("--instead", help="In the place of the one that runs.")] = False,
    state_dir: StateDirOption = DEFAULT_STATE_DIR,
    as_json: JsonOption = False,
) -> None:
    """Start one: for every unit, or for those of some sites."""
    body = {
        "version": version,
        "sites": site or [],
        "areas": area or [],
        "wave": wave,
        "tolerated_percent": tolerated,
        "meeting_wait_h": meeting_wait,
        "instead": instead,
    }
    with controller(state_dir) as api:
        made = api.post("rollouts", body)
    if as_json:
        print_json(made)
    else:
        typer.echo(
            f"rollout {made['id']} of {made['version']} has begun: `diemcau rollout show {made['id']}`"
        )


@rollouts.command("list")
def list_rollouts(state_dir: StateDirOption = DEFAULT_STATE_DIR, as_json: JsonOption = False) -> None:
    """Every rollout, the newest first."""
    with controller(state_dir) as api:
        found = api.get("rollouts")
        if as_json:
            print_json(found)
            return
        rows = [
            (
                one["id"],
                one["version"],
                one["state"],
                one["why"],
                one["ring"],
                *(one["counts"][heap] for heap in _HEAPS),
                api.local(one["created_at"]),
            )
            for one in found
        ]
    columns = ("rollout", "version", "state", "why", "ring", *_HEAPS, "begun")
    print_table(columns, rows, "there are no rollouts: start one with `diemcau rollout start`")


@rollouts.command("show")
def show_rollout(
    rollout: RolloutId, state_dir: StateDirOption = DEFAULT_STATE_DIR, as_json: JsonOption = False
) -> None:
    """How it stands: rings, why units wait, what went wrong where, who had no window for a week."""
    with controller(state_dir) as api:
        one = api.get(f"rollouts/{rollout}")
    if as_json:
        print_json(one)
        return
    typer.echo(f"{one['id']} of {one['version']}: {one['state']} {one['why']}".rstrip())
    typer.echo("  " + ", ".join(f"{heap} {one['counts'][heap]}" for heap in _HEAPS))
    for ring, counts in one["rings"].items():
        typer.echo(f"  ring {ring}: " + (", ".join(f"{at} {n}" for at, n in counts.items()) or "nobody"))
    if one["reasons"]:
        typer.echo("  waiting: " + ", ".join(f"{why} {n}" for why, n in one["reasons"].items()))
    for unit in one["failed"]:
        _print_failed(unit)
    for unit in one["overdue"]:
        typer.echo(f"  no window for a week: {unit['site']} ({unit['reason'] or unit['state']})")


@rollouts.command("pause")
def pause_rollout(rollout: RolloutId, state_dir: StateDirOption = DEFAULT_STATE_DIR) -> None:
    """Flip no further unit until it goes on."""
    _steer(rollout, "pause", state_dir)


@rollouts.command("resume")
def resume_rollout(rollout: RolloutId, state_dir: StateDirOption = DEFAULT_STATE_DIR) -> None:
    """Go on, whatever failed until now, and even if no canary has shown yet that the release works."""
    _steer(rollout, "resume", state_dir)


@rollouts.command("abort")
def abort_rollout(rollout: RolloutId, state_dir: StateDirOption = DEFAULT_STATE_DIR) -> None:
    """End it: who has the version keeps it, nobody else gets it."""
    _steer(rollout, "abort", state_dir)


@rollouts.command("back")
def back_rollout(rollout: RolloutId, state_dir: StateDirOption = DEFAULT_STATE_DIR) -> None:
    """Take it back: who has the version gets its former one again."""
    _steer(rollout, "back", state_dir)


@rollouts.command("retry")
def retry_unit(
    rollout: RolloutId,
    unit: Annotated[str, typer.Argument(help="The unit.")],
    state_dir: StateDirOption = DEFAULT_STATE_DIR,
) -> None:
    """Try a unit once more that failed or went back."""
    with controller(state_dir) as api:
        api.post(f"rollouts/{rollout}/units/{unit}/retry")
    typer.echo(f"unit {unit} is tried again")


@rollouts.command("ring")
def set_ring(
    site: Annotated[str, typer.Argument(help="The site.")],
    ring: Annotated[str, typer.Argument(help="canary, early, all; or none: chosen when a rollout starts.")],
    state_dir: StateDirOption = DEFAULT_STATE_DIR,
) -> None:
    """Say in which ring a site is in rollouts from now on."""
    with controller(state_dir) as api:
        api.ask("PUT", f"sites/{site}/ring", json={"ring": None if ring == "none" else ring})
    typer.echo(f"site {site}: ring {ring}")


@freezes.command("add")
def add_freeze(
    first: Annotated[str, typer.Argument(help="The first day, 2026-02-14.")],
    last: Annotated[str, typer.Argument(help="The last day.")],
    reason: Annotated[str, typer.Argument(help="Why.")],
    state_dir: StateDirOption = DEFAULT_STATE_DIR,
    as_json: JsonOption = False,
) -> None:
    """Let nothing be flipped from the first day to the last."""
    with controller(state_dir) as api:
        made = api.post("freezes", {"first": first, "last": last, "reason": reason})
    if as_json:
        print_json(made)
    else:
        typer.echo(f"freeze {made['number']}: {made['first']} to {made['last']}")


@freezes.command("list")
def list_freezes(state_dir: StateDirOption = DEFAULT_STATE_DIR, as_json: JsonOption = False) -> None:
    """Frozen days that are not over."""
    with controller(state_dir) as api:
        found = api.get("freezes")
    if as_json:
        print_json(found)
        return
    rows = [(one["number"], one["first"], one["last"], one["reason"]) for one in found]
    print_table(("number", "first", "last", "reason"), rows, "no days are frozen")


@freezes.command("remove")
def remove_freeze(
    number: Annotated[int, typer.Argument(help="Its number.")], state_dir: StateDirOption = DEFAULT_STATE_DIR
) -> None:
    """Take a freeze away."""
    with controller(state_dir) as api:
        api.ask("DELETE", f"freezes/{number}")
    typer.echo(f"freeze {number} is taken away")


def inventory(state_dir: StateDirOption = DEFAULT_STATE_DIR, as_json: JsonOption = False) -> None:
    """Every unit with site, areas, ring and hardware, as Ansible's inventory plugin reads it."""
    with controller(state_dir) as api:
        found = api.get("inventory")
    if as_json:
        print_json(found)
        return
    rows = [
        (one["unit"], one["site"], " / ".join(one["areas"]), one["ring"], one["hardware"]) for one in found
    ]
    print_table(("unit", "site", "areas", "ring", "hardware"), rows, "there are no units that serve a site")


def _steer(rollout: str, verb: str, state_dir: Any) -> None:
    with controller(state_dir) as api:
        api.post(f"rollouts/{rollout}/steer", {"verb": verb})
        now = api.get(f"rollouts/{rollout}")
    typer.echo(f"rollout {rollout} of {now['version']}: {now['state']}")


def _print_failed(unit: dict[str, Any]) -> None:
    typer.echo(f"  {unit['state']}: {unit['unit']} at {unit['site']} ({unit['why']}) {unit['task']}".rstrip())
    for line in unit["tail"]:
        typer.echo(f"      {line}")
