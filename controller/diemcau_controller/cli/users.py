"""`diemcau user`."""

from __future__ import annotations

from typing import Annotated

import typer

from .client import DEFAULT_STATE_DIR, JsonOption, StateDirOption, controller
from .show import print_json, print_table

users = typer.Typer(help="Who may use page and API.", no_args_is_help=True)


@users.command("add")
def add_user(
    name: Annotated[str, typer.Argument(help="A name in lower case.")],
    role: Annotated[str, typer.Option(help="viewer, operator or administrator.")] = "viewer",
    state_dir: StateDirOption = DEFAULT_STATE_DIR,
    as_json: JsonOption = False,
) -> None:
    """Add a user; give a token with `diemcau user token`."""
    with controller(state_dir) as api:
        added = api.post("users", {"name": name, "role": role})
    print_json(added) if as_json else typer.echo(f"user {name} added; next: diemcau user token {name}")


@users.command("list")
def list_users(state_dir: StateDirOption = DEFAULT_STATE_DIR, as_json: JsonOption = False) -> None:
    """Every user."""
    with controller(state_dir) as api:
        found = api.get("users")
    if as_json:
        print_json(found)
    else:
        rows = [(u["name"], u["role"], api.local(u["created_at"])) for u in found]
        print_table(("user", "role", "since"), rows, "there are no users")


@users.command("token")
def token(
    name: Annotated[str, typer.Argument(help="The user it is for.")],
    state_dir: StateDirOption = DEFAULT_STATE_DIR,
    as_json: JsonOption = False,
) -> None:
    """Make a token for a user, shown this once; the user's earlier tokens end."""
    with controller(state_dir) as api:
        made = api.post(f"users/{name}/token")
    if as_json:
        print_json({**made, "url": f"{api.contact['url']}/?token={made['token']}"})
    else:
        typer.echo(f"{made['token']}\nopen the page with: {api.contact['url']}/?token={made['token']}")
