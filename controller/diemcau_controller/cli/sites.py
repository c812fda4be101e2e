"""`diemcau area` and `diemcau site`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from .client import DEFAULT_STATE_DIR, Failed, JsonOption, StateDirOption, controller
from .show import print_json, print_table

areas = typer.Typer(help="The tree of areas.", no_args_is_help=True)
sites = typer.Typer(help="The places where meetings are held.", no_args_is_help=True)


@areas.command("add")
def add_area(
    name: Annotated[str, typer.Argument(help="Its name, such as “Xã Ea Kiết”.")],
    tier: Annotated[str, typer.Option(help="What its level is called: tỉnh, xã, thôn …")],
    parent: Annotated[str | None, typer.Option(help="The area it lies in.")] = None,
    area_id: Annotated[str | None, typer.Option("--id", help="Its id; made from the name if absent.")] = None,
    state_dir: StateDirOption = DEFAULT_STATE_DIR,
    as_json: JsonOption = False,
) -> None:
    """Add an area."""
    with controller(state_dir) as api:
        added = api.post("areas", {"name": name, "tier": tier, "parent": parent, "id": area_id})
    print_json(added) if as_json else typer.echo(f"area {added['id']} added")


@areas.command("list")
def list_areas(state_dir: StateDirOption = DEFAULT_STATE_DIR, as_json: JsonOption = False) -> None:
    """Every area."""
    with controller(state_dir) as api:
        found = api.get("areas")
    if as_json:
        print_json(found)
    else:
        rows = [(a["id"], a["name"], a["tier"], a["parent"]) for a in found]
        print_table(
            ("area", "name", "tier", "in"), rows, "there are no areas: add one with `diemcau area add`"
        )


@sites.command("add")
def add_site(
    site: Annotated[str, typer.Argument(help="Its id: a short name in lower case, such as ea-kiet.")],
    name: Annotated[str, typer.Option(help="Its name, as screens show it.")],
    area: Annotated[str | None, typer.Option(help="The area it lies in.")] = None,
    contact: Annotated[str, typer.Option(help="Whom to call there.")] = "",
    phone: Annotated[str, typer.Option(help="That person's telephone.")] = "",
    camera: Annotated[
        str | None, typer.Option(help="synthetic, v4l2:/dev/…, rtsp://…, file:PATH, none.")
    ] = None,
    mic: Annotated[str | None, typer.Option(help="tone:HERTZ, file:PATH, none.")] = None,
    sound: Annotated[str | None, typer.Option(help="none or file:PATH.")] = None,
    centre: Annotated[bool, typer.Option("--centre", help="It is at the coordinator's own place.")] = False,
    language: Annotated[str | None, typer.Option(help="vi or en.")] = None,
    state_dir: StateDirOption = DEFAULT_STATE_DIR,
    as_json: JsonOption = False,
) -> None:
    """Add a site."""
    body: dict[str, Any] = {
        "id": site,
        "name": name,
        "area": area,
        "is_centre": centre,
        "contacts": [{"name": contact, "phone": phone}] if contact or phone else [],
        "camera": camera,
        "microphone": mic,
        "sound": sound,
        "language": language,
    }
    with controller(state_dir) as api:
        added = api.post("sites", body)
    if as_json:
        print_json(added)
    else:
        typer.echo(f"site {added['id']} added; next: diemcau unit add {added['id']} --identity-dir DIR")


@sites.command("list")
def list_sites(state_dir: StateDirOption = DEFAULT_STATE_DIR, as_json: JsonOption = False) -> None:
    """Every site."""
    with controller(state_dir) as api:
        found = api.get("sites")
    if as_json:
        print_json(found)
        return
    rows = [
        (
            s["id"],
            s["name"],
            (s["area"] or {}).get("name"),
            ", ".join(f"{one['name']} {one['phone']}".strip() for one in s["contacts"]),
            s["state"],
            (s["unit"] or {}).get("id"),
        )
        for s in found
    ]
    columns = ("site", "name", "area", "contact", "state", "unit")
    print_table(columns, rows, "there are no sites: add one with `diemcau site add`")


@sites.command("import")
def import_sites(
    file: Annotated[Path, typer.Argument(help="CSV in UTF-8 with a heading line.")],
    state_dir: StateDirOption = DEFAULT_STATE_DIR,
    as_json: JsonOption = False,
) -> None:
    """Add every site of a CSV file, or none and say what is wrong in which line."""
    try:
        data = file.read_bytes()
    except OSError as error:
        raise Failed(f"cannot read {file}: {error.strerror}") from None
    with controller(state_dir) as api:
        added = api.ask("POST", "sites/import", content=data, headers={"Content-Type": "text/csv"})
    print_json(added) if as_json else typer.echo(f"{len(added['added'])} sites added")
