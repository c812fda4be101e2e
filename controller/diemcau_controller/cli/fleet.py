"""`diemcau unit`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..config import StateDir
from .client import DEFAULT_STATE_DIR, Failed, JsonOption, StateDirOption, controller
from .show import print_json, print_table

units = typer.Typer(help="The hardware that serves the sites.", no_args_is_help=True)


@units.command("add")
def add_unit(
    site: Annotated[str, typer.Argument(help="The site it shall serve.")],
    identity_dir: Annotated[
        Path, typer.Option("--identity-dir", help="Where its identity is written; copy it to the unit.")
    ],
    state_dir: StateDirOption = DEFAULT_STATE_DIR,
    as_json: JsonOption = False,
) -> None:
    """Make a unit's identity and let the unit serve a site, in place of the one that did."""
    from ..adapters.authority import Authority, AuthorityError

    with controller(state_dir) as api:
        api.get(f"sites/{site}")  # refuse an unknown site before anything is written
        contact = api.contact
        try:
            unit = Authority(StateDir(state_dir).authority).new_unit_identity(
                identity_dir, contact["mqtt_host"], contact["mqtt_port"]
            )
            certificate = (identity_dir / "unit.crt").read_text()
        except OSError as error:
            raise Failed(f"cannot write the identity: {error}") from None
        except AuthorityError as error:
            raise Failed(str(error)) from None
        added = api.post("units", {"id": unit, "site": site, "certificate": certificate})
    if as_json:
        print_json(added)
    else:
        typer.echo(f"unit {unit} serves {site}; its identity is in {identity_dir}")


@units.command("list")
def list_units(state_dir: StateDirOption = DEFAULT_STATE_DIR, as_json: JsonOption = False) -> None:
    """Every unit."""
    with controller(state_dir) as api:
        found = api.get("units")
    if as_json:
        print_json(found)
        return
    rows = [
        (
            u["id"],
            u["site"],
            u["epoch"],
            u["status"],
            api.local(u["last_seen"]),
            u["version"],
            u["readiness"]["verdict"],
        )
        for u in found
    ]
    columns = ("unit", "site", "epoch", "status", "last seen", "version", "verdict")
    print_table(columns, rows, "there are no units: make one with `diemcau unit add`")
