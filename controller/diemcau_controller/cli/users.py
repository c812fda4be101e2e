"""`diemcau user`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from .client import DEFAULT_STATE_DIR, Api, JsonOption, StateDirOption, controller
from .show import print_json, print_table

users = typer.Typer(help="Who may use page and API.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="The user's name.")]


@users.command("add")
def add_user(
    name: Annotated[str, typer.Argument(help="A name in lower case.")],
    role: Annotated[
        str, typer.Option(help="contractor, viewer, secretary, operator or administrator.")
    ] = "viewer",
    area: Annotated[str | None, typer.Option(help="Bind the user to the sites of this area.")] = None,
    site: Annotated[list[str] | None, typer.Option(help="Bind the user to this site; repeat.")] = None,
    display_name: Annotated[str, typer.Option(help="The name people know.")] = "",
    state_dir: StateDirOption = DEFAULT_STATE_DIR,
    as_json: JsonOption = False,
) -> None:
    """Add a user, and print a link that lets in once to choose a password."""
    body: dict[str, Any] = {"name": name, "role": role, "area": area, "sites": site or []}
    with controller(state_dir) as api:
        added = api.post("users", {**body, "display_name": display_name})
        link = api.post(f"users/{name}/link")
        if as_json:
            print_json({**added, "link": link["url"], "link_expires_at": link["expires_at"]})
        else:
            typer.echo(f"user {name} added")
            _say(api, link)


@users.command("link")
def link(name: Name, state_dir: StateDirOption = DEFAULT_STATE_DIR, as_json: JsonOption = False) -> None:
    """Make a link that lets a user in once to choose a password; earlier links end."""
    with controller(state_dir) as api:
        made = api.post(f"users/{name}/link")
        print_json(made) if as_json else _say(api, made)


@users.command("disable")
def disable(name: Name, state_dir: StateDirOption = DEFAULT_STATE_DIR, as_json: JsonOption = False) -> None:
    """Let a user in no more: sessions and links end, tokens rest."""
    _change(state_dir, name, True, as_json)


@users.command("enable")
def enable(name: Name, state_dir: StateDirOption = DEFAULT_STATE_DIR, as_json: JsonOption = False) -> None:
    """Let a disabled user in again."""
    _change(state_dir, name, False, as_json)


@users.command("list")
def list_users(state_dir: StateDirOption = DEFAULT_STATE_DIR, as_json: JsonOption = False) -> None:
    """Every user."""
    with controller(state_dir) as api:
        found = api.get("users")
        if as_json:
            print_json(found)
            return
        rows = [(u["name"], u["role"], _scope(u), _state(u), api.local(u["created_at"])) for u in found]
        print_table(("user", "role", "sites", "state", "since"), rows, "there are no users")


@users.command("token")
def token(name: Name, state_dir: StateDirOption = DEFAULT_STATE_DIR, as_json: JsonOption = False) -> None:
    """Make a token for a user, shown this once; the user's earlier tokens end."""
    with controller(state_dir) as api:
        made = api.post(f"users/{name}/token")
    if as_json:
        print_json({**made, "url": f"{api.contact['url']}/?token={made['token']}"})
    else:
        typer.echo(f"{made['token']}\nopen the page with: {api.contact['url']}/?token={made['token']}")


@users.command("reset-keys")
def reset_keys(
    name: Name, state_dir: StateDirOption = DEFAULT_STATE_DIR, as_json: JsonOption = False
) -> None:
    """Take every security key from a user who has lost them; the next one is registered as the first."""
    with controller(state_dir) as api:
        done = api.ask("DELETE", f"users/{name}/keys")
    if as_json:
        print_json(done)
    else:
        typer.echo(
            f"user {name}: {done['removed']} keys removed; a new one is registered on the page of the account"
        )


def _say(api: Api, link: dict[str, Any]) -> None:
    typer.echo(f"open once, before {api.local(link['expires_at'])}, to choose a password:\n{link['url']}")


def _change(state_dir: Path, name: str, disabled: bool, as_json: bool) -> None:
    with controller(state_dir) as api:
        changed = api.ask("PATCH", f"users/{name}", json={"disabled": disabled})
    print_json(changed) if as_json else typer.echo(f"user {name} is {_state(changed)}")


def _scope(user: dict[str, Any]) -> str:
    if user["area"]:
        return f"area {user['area']}"
    return ", ".join(user["sites"]) or ("none" if user["role"] == "contractor" else "all")


def _state(user: dict[str, Any]) -> str:
    return "disabled" if user["disabled"] else "enabled"
