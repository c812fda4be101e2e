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
        str | None, typer.Option(help="synthetic, v4l2:NAME, rtsp://…, onvif://…, file:PATH, none.")
    ] = None,
    mic: Annotated[str | None, typer.Option(help="pulse:NAME, tone:HERTZ, file:PATH, none.")] = None,
    sound: Annotated[str | None, typer.Option(help="pulse:NAME, file:PATH, none.")] = None,
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


@sites.command("set")
def set_site(
    site: Annotated[str, typer.Argument(help="Its id.")],
    camera: Annotated[
        str | None, typer.Option(help="v4l2:NAME, rtsp://…, onvif://…, synthetic, file:PATH, none.")
    ] = None,
    camera_small: Annotated[
        str | None, typer.Option(help="rtsp://… of a smaller picture; “” for none.")
    ] = None,
    camera_onvif: Annotated[
        str | None, typer.Option(help="onvif://… that steers the camera; “” for none.")
    ] = None,
    camera_preset: Annotated[str | None, typer.Option(help="Preset for the floor; “” for none.")] = None,
    mic: Annotated[str | None, typer.Option(help="pulse:NAME, tone:HERTZ, file:PATH, none.")] = None,
    echo_cancellation: Annotated[
        bool | None, typer.Option(help="Take out what the loudspeaker plays.")
    ] = None,
    sound: Annotated[str | None, typer.Option(help="pulse:NAME, file:PATH, none.")] = None,
    volume: Annotated[str | None, typer.Option(help="0 to 100 at the beginning; “” leaves it alone.")] = None,
    television: Annotated[str | None, typer.Option(help="cec, cec:NAME, none.")] = None,
    buttons: Annotated[str | None, typer.Option(help="auto, evdev:NAME, none.")] = None,
    morning_at: Annotated[str | None, typer.Option(help="Time of the morning check; “” for none.")] = None,
    check_tone: Annotated[bool | None, typer.Option(help="Checks may play a tone.")] = None,
    room_pictures: Annotated[bool | None, typer.Option(help="Pictures of the room may be taken.")] = None,
    ssh_address: Annotated[
        str | None, typer.Option(help="Where its unit is reached directly, ADDRESS:PORT; “” for nowhere.")
    ] = None,
    neighbour: Annotated[
        str | None, typer.Option(help="http://… of a server there that has releases; “” for none.")
    ] = None,
    state_dir: StateDirOption = DEFAULT_STATE_DIR,
    as_json: JsonOption = False,
) -> None:
    """Change the devices of a site and how its room is checked; what is not named stays."""
    given: dict[str, Any] = {
        "camera": camera,
        "microphone": mic,
        "echo_cancellation": echo_cancellation,
        "sound": sound,
        "television": television,
        "buttons": buttons,
        "check_tone": check_tone,
        "room_pictures": room_pictures,
    }
    body = {name: value for name, value in given.items() if value is not None}
    emptied = {
        "camera_small": camera_small,
        "camera_onvif": camera_onvif,
        "camera_preset": camera_preset,
        "volume_percent": volume,
        "morning_at": morning_at,
        "ssh_address": ssh_address,
        "neighbour": neighbour,
    }
    body |= {name: value or None for name, value in emptied.items() if value is not None}
    if not body:
        raise Failed("say what to change: diemcau site set --help")
    with controller(state_dir) as api:
        changed = api.ask("PATCH", f"sites/{site}", json=body)
    print_json(changed) if as_json else typer.echo(f"site {site} changed; its unit is told")


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
    file: Annotated[Path, typer.Argument(help="CSV or XLSX with a heading line.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be added.")] = False,
    make_areas: Annotated[bool, typer.Option("--make-areas", help="Add areas nobody knows yet.")] = False,
    parent: Annotated[str | None, typer.Option(help="The area new ones lie in.")] = None,
    tier: Annotated[str | None, typer.Option(help="The tier of areas whose name tells none.")] = None,
    state_dir: StateDirOption = DEFAULT_STATE_DIR,
    as_json: JsonOption = False,
) -> None:
    """Add every site of a table, or none and say what is wrong in which line."""
    try:
        data = file.read_bytes()
    except OSError as error:
        raise Failed(f"cannot read {file}: {error.strerror}") from None
    query = {"dry_run": dry_run, "make_areas": make_areas, "parent": parent, "tier": tier}
    given = {name: value for name, value in query.items() if value}
    with controller(state_dir) as api:
        told = api.ask("POST", "sites/import", content=data, params=given)
    if as_json:
        print_json(told)
    elif dry_run:
        rows = [(s["line"], s["id"], s["name"], s["area"], "; ".join(s["errors"])) for s in told["sites"]]
        print_table(("line", "site", "name", "area", "what is wrong"), rows, "")
    else:
        areas = f", {len(told['areas'])} areas added" if told["areas"] else ""
        typer.echo(f"{len(told['added'])} sites added{areas}")


@sites.command("export")
def export_sites(
    file: Annotated[Path, typer.Argument(help="Where to write it; .csv or .xlsx.")],
    state_dir: StateDirOption = DEFAULT_STATE_DIR,
) -> None:
    """Write every site to a table that `import` reads."""
    form = file.suffix.removeprefix(".").lower()
    if form not in ("csv", "xlsx"):
        raise Failed(f"{file} ends neither in .csv nor in .xlsx")
    with controller(state_dir) as api:
        data = api.download(f"sites/export?form={form}")
    try:
        file.write_bytes(data)
    except OSError as error:
        raise Failed(f"cannot write {file}: {error.strerror}") from None
    typer.echo(f"{file} written")


@sites.command("remove")
def remove_site(
    site: Annotated[str, typer.Argument(help="Its id.")],
    state_dir: StateDirOption = DEFAULT_STATE_DIR,
    as_json: JsonOption = False,
) -> None:
    """Take a site out of service; what was held there is kept."""
    told = _told(state_dir, "DELETE", f"sites/{site}", as_json=as_json)
    if told is None:
        return
    typer.echo(f"site {site} removed, out of {len(told['left'])} meetings; undo: diemcau site restore {site}")
    if told["attends"]:
        typer.echo(f"it still attends {len(told['attends'])} that run now, until they end")


@sites.command("restore")
def restore_site(
    site: Annotated[str, typer.Argument(help="Its id.")],
    state_dir: StateDirOption = DEFAULT_STATE_DIR,
    as_json: JsonOption = False,
) -> None:
    """Undo the removal of a site."""
    told = _told(state_dir, "POST", f"sites/{site}/restore", as_json=as_json)
    if told is not None:
        typer.echo(f"site {site} is back, in {len(told['meetings'])} meetings; next: bind a unit to it")


def _told(state_dir: Path, method: str, path: str, *, as_json: bool) -> Any:
    """What the controller answers; None when it is printed already, as JSON."""
    with controller(state_dir) as api:
        told = api.ask(method, path)
    if not as_json:
        return told
    print_json(told)
    return None
