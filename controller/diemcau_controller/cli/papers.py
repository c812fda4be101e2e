"""`diemcau voucher` and `diemcau order`."""

from __future__ import annotations

from typing import Annotated

import typer

from .client import DEFAULT_STATE_DIR, JsonOption, StateDirOption, controller
from .show import print_json, print_table

vouchers = typer.Typer(help="Papers that admit one unit to a site by themselves.", no_args_is_help=True)
orders = typer.Typer(help="What technicians shall do at which site.", no_args_is_help=True)

Site = Annotated[str, typer.Argument(help="The site.")]
Replace = Annotated[bool, typer.Option("--replace", help="In the place of the unit that is there.")]


@vouchers.command("add")
def add_voucher(
    site: Site,
    replace: Replace = False,
    days: Annotated[float, typer.Option(help="How long it is good.")] = 7,
    ssid: Annotated[str, typer.Option(help="Wi-Fi of the hall.")] = "",
    password: Annotated[str, typer.Option(help="Its password.")] = "",
    apn: Annotated[str, typer.Option(help="Access point of a mobile line.")] = "",
    state_dir: StateDirOption = DEFAULT_STATE_DIR,
    as_json: JsonOption = False,
) -> None:
    """Make one, and print what its QR code says: this once."""
    body = {"site": site, "what": "replace" if replace else "install", "days": days}
    with controller(state_dir) as api:
        made = api.post("vouchers", {**body, "ssid": ssid, "password": password, "apn": apn})
        if as_json:
            print_json(made)
        else:
            typer.echo(f"paper {made['id']} for {site}, good until {api.local(made['expires_at'])}:")
            typer.echo(made["text"])


@vouchers.command("list")
def list_vouchers(state_dir: StateDirOption = DEFAULT_STATE_DIR, as_json: JsonOption = False) -> None:
    """Every paper."""
    with controller(state_dir) as api:
        found = api.get("vouchers")
        if as_json:
            print_json(found)
            return
        rows = [
            (
                one["id"],
                one["site"],
                one["what"],
                api.local(one["expires_at"]),
                "withdrawn" if one["withdrawn_at"] else one["used_by"] or "not used",
            )
            for one in found
        ]
        print_table(("paper", "site", "what", "until", "used by"), rows, "there are no papers")


@vouchers.command("withdraw")
def withdraw(
    paper: Annotated[str, typer.Argument(help="The paper.")], state_dir: StateDirOption = DEFAULT_STATE_DIR
) -> None:
    """Let a paper that was not used admit nobody."""
    with controller(state_dir) as api:
        api.ask("DELETE", f"vouchers/{paper}")
    typer.echo(f"paper {paper} is withdrawn")


@orders.command("add")
def add_order(
    site: Site,
    technician: Annotated[str, typer.Argument(help="The user who shall do it.")],
    replace: Replace = False,
    days: Annotated[float, typer.Option(help="How long it is open.")] = 3,
    note: Annotated[str, typer.Option(help="What the technician should know.")] = "",
    state_dir: StateDirOption = DEFAULT_STATE_DIR,
    as_json: JsonOption = False,
) -> None:
    """Open a work order: the technician may admit a unit there."""
    body = {"site": site, "what": "replace" if replace else "install", "technician": technician}
    with controller(state_dir) as api:
        made = api.post("work-orders", {**body, "days": days, "note": note})
        if as_json:
            print_json(made)
        else:
            typer.echo(f"work order {made['id']}, open until {api.local(made['until'])}")


@orders.command("list")
def list_orders(state_dir: StateDirOption = DEFAULT_STATE_DIR, as_json: JsonOption = False) -> None:
    """Work orders, open ones first."""
    with controller(state_dir) as api:
        found = api.get("work-orders")
        if as_json:
            print_json(found)
            return
        rows = [
            (
                one["id"],
                one["site"],
                one["what"],
                one["technician"],
                "closed" if one["closed_at"] else api.local(one["until"]),
                one["unit"] or "–",
            )
            for one in found
        ]
        print_table(("order", "site", "what", "technician", "until", "unit"), rows, "there are no orders")


@orders.command("close")
def close_order(
    order: Annotated[str, typer.Argument(help="The work order.")],
    state_dir: StateDirOption = DEFAULT_STATE_DIR,
) -> None:
    """Close a work order."""
    with controller(state_dir) as api:
        api.post(f"work-orders/{order}/close")
    typer.echo(f"work order {order} is closed")
