"""`diemcau unit later`, `confirm` and `deny`: what happened between a backup and its restore."""

from __future__ import annotations

from typing import Annotated

import typer

from .client import DEFAULT_STATE_DIR, JsonOption, StateDirOption, controller
from .show import print_json, print_table

UnitArgument = Annotated[str, typer.Argument(help="The unit, as `diemcau unit later` shows it.")]


def later(state_dir: StateDirOption = DEFAULT_STATE_DIR, as_json: JsonOption = False) -> None:
    """Units that were put in place after the backup that was restored, and wait for a decision."""
    with controller(state_dir) as api:
        found = api.get("later-bindings")
        rows = [(one["unit"], one["site"], one["epoch"], api.local(one["seen_at"])) for one in found]
    if as_json:
        print_json(found)
        return
    print_table(("unit", "site", "epoch", "seen at"), rows, "none")


def confirm(
    unit: UnitArgument, state_dir: StateDirOption = DEFAULT_STATE_DIR, as_json: JsonOption = False
) -> None:
    """It serves its site indeed: bind it, in place of the unit that is known there."""
    with controller(state_dir) as api:
        done = api.post(f"later-bindings/{unit}", {"verdict": "confirm"})
    if as_json:
        print_json(done)
    else:
        typer.echo(f"unit {unit} is bound, with epoch {done['epoch']}")


def deny(
    unit: UnitArgument, state_dir: StateDirOption = DEFAULT_STATE_DIR, as_json: JsonOption = False
) -> None:
    """Nobody put it there: its key counts no more."""
    with controller(state_dir) as api:
        done = api.post(f"later-bindings/{unit}", {"verdict": "deny"})
    if as_json:
        print_json(done)
    else:
        typer.echo(f"unit {unit} is locked out")
