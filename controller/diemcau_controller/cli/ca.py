"""`diemcau ca`: the certificate authority of this installation, in the folder of the controller's state.

It works on the files themselves, whether the controller runs or not: what runs takes a change over within a
minute, without losing a connection.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..config import StateDir
from .client import DEFAULT_STATE_DIR, Failed, JsonOption, StateDirOption
from .owner import hand_over
from .phrase import PhraseOption, UnlockedOption, known_phrase, new_phrase
from .show import print_json, print_table

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from ..adapters.authority import Authority

ca = typer.Typer(help="The certificate authority: roots, and what they vouch for.", no_args_is_help=True)

RootsOption = Annotated[
    Path | None,
    typer.Option("--roots", help="Folder with the roots' keys; without it, where they were made."),
]


@ca.command("status")
def status(state_dir: StateDirOption = DEFAULT_STATE_DIR, as_json: JsonOption = False) -> None:
    """Roots, the online authority, where the roots' keys are, who has still to renew."""
    from ..adapters.authority.roots import authority_now

    with _authority(state_dir) as authority:
        now = authority_now(authority)
        logins_since = authority.ssh.users_changed_at
    late = _not_renewed(StateDir(state_dir), now.intermediate_since) if now.former else []
    unaware = _not_updated(StateDir(state_dir), logins_since)
    if as_json:
        print_json(
            {
                "roots": [
                    {
                        "name": root.name,
                        "state": root.state,
                        "not_after": root.not_after.isoformat(),
                        "fingerprint": root.fingerprint,
                    }
                    for root in now.roots
                ],
                "intermediate": {
                    "signed_by": now.signed_by,
                    "since": now.intermediate_since.isoformat(),
                    "not_after": now.intermediate_not_after.isoformat(),
                    "renew": now.renew_intermediate,
                },
                "root_keys_here": list(now.keys_here),
                "not_renewed": late,
                "logins_changed": logins_since.isoformat() if logins_since else None,
                "not_updated": unaware,
            }
        )
        return
    print_table(
        ("root", "", "until", "SHA-256"),
        [(root.name, root.state, f"{root.not_after:%Y-%m-%d}", root.fingerprint) for root in now.roots],
        "",
    )
    typer.echo(
        f"online authority: signed by {now.signed_by}, made {now.intermediate_since:%Y-%m-%d}, "
        f"good until {now.intermediate_not_after:%Y-%m-%d}"
    )
    if now.renew_intermediate:
        typer.echo(
            "It nears its end: fetch the roots' keys and run `diemcau ca new-intermediate --roots DIR`."
        )
    if now.keys_here:
        typer.echo(
            f"The keys of {_listed(now.keys_here)} still lie on this machine: who takes it can vouch "
            "for anything. Plug in a medium and run `diemcau ca take-offline DIR`."
        )
    else:
        typer.echo("The roots' keys are not on this machine, as it should be.")
    if now.former:
        waiting = f"not yet renewed: {_listed(late)}" if late else "every unit has renewed: run it now"
        typer.echo(f"{_listed(now.former)}: trusted until `diemcau ca forget-old`; {waiting}.")
    if logins_since is not None:
        waiting = (
            f"no rollout since: {_listed(unaware)}" if unaware else "every unit knows the new: run it now"
        )
        typer.echo(f"The former key for log-ins: used until `diemcau ca forget-logins`; {waiting}.")


@ca.command("take-offline")
def take_offline(
    folder: Annotated[Path, typer.Argument(help="An existing folder on a medium you can lock away.")],
    passphrase_file: PhraseOption = None,
    unlocked: UnlockedOption = False,
    state_dir: StateDirOption = DEFAULT_STATE_DIR,
    as_json: JsonOption = False,
) -> None:
    """Move the roots' keys to a medium, locked with a pass phrase: copied, read back, then removed here."""
    from ..adapters.authority.roots import keys_here
    from ..adapters.authority.roots import take_offline as move

    state = StateDir(state_dir)
    if folder.resolve().is_relative_to(state.root.resolve()):
        raise Failed(f"{folder} is in the state folder itself: name a folder on another medium")
    with _authority(state_dir) as authority:
        authority.trust()
        locked = bool(keys_here(authority)) and folder.is_dir() and not unlocked
        moved = move(
            authority, folder, new_phrase(passphrase_file, "New pass phrase for the keys") if locked else None
        )
        same_disk = folder.stat().st_dev == state.root.stat().st_dev
    if as_json:
        print_json({"moved": moved, "folder": str(folder), "same_disk": same_disk})
        return
    if not moved:
        typer.echo("The roots' keys are not on this machine: nothing to move.")
        return
    typer.echo(f"The keys of {_listed(moved)} are in {folder} now, and no longer on this machine.")
    if same_disk:
        typer.echo("That folder is on the same disk: copy it to a medium, then remove it here.")
    if locked:
        typer.echo("They are locked with the pass phrase: without it they are of no use to anybody, you too.")
    typer.echo(
        "Copy them to a second medium and lock both away in different places"
        + (", the pass phrase in a third" if locked else "")
        + ": nobody can make them anew."
    )


@ca.command("new-intermediate")
def new_intermediate(
    roots: RootsOption = None,
    passphrase_file: PhraseOption = None,
    state_dir: StateDirOption = DEFAULT_STATE_DIR,
    as_json: JsonOption = False,
) -> None:
    """Make the online authority anew, signed by the active root; what the former one signed stays good."""
    from ..adapters.authority.roots import new_intermediate as make

    with _authority(state_dir) as authority:
        made = make(authority, roots, _phrase(authority, roots, passphrase_file))
        signed_by = authority.trust().name_of_active
    if as_json:
        print_json({"signed_by": signed_by, "not_after": made.not_valid_after_utc.isoformat()})
    else:
        typer.echo(
            f"The online authority is new: signed by {signed_by}, "
            f"good until {made.not_valid_after_utc:%Y-%m-%d}."
        )


@ca.command("rotate-root")
def rotate_root(
    roots: RootsOption = None,
    passphrase_file: PhraseOption = None,
    state_dir: StateDirOption = DEFAULT_STATE_DIR,
    as_json: JsonOption = False,
) -> None:
    """Let the root asleep take over, and make a new one that sleeps; its key goes to --roots."""
    from ..adapters.authority.roots import authority_now, rotate

    with _authority(state_dir) as authority:
        rotate(authority, roots, _phrase(authority, roots, passphrase_file))
        _publish(authority, StateDir(state_dir))
        now = authority_now(authority)
    if as_json:
        print_json({root.state: root.name for root in now.roots})
        return
    active, asleep, former = (root.name for root in now.roots)
    typer.echo(f"{active} is active now, {asleep} sleeps; the key of {asleep} was put beside the others.")
    typer.echo("Copy it to the second medium, too.")
    typer.echo(
        f"Units learn the new roots by themselves. {former} stays trusted until `diemcau ca forget-old`: "
        "run it when `diemcau ca status` says that every unit has renewed."
    )


@ca.command("forget-old")
def forget_old(
    anyway: Annotated[
        bool, typer.Option("--anyway", help="Also when units have not renewed: those must be enrolled anew.")
    ] = False,
    state_dir: StateDirOption = DEFAULT_STATE_DIR,
    as_json: JsonOption = False,
) -> None:
    """Trust the former roots no more."""
    from ..adapters.authority.roots import authority_now, forget_former

    state = StateDir(state_dir)
    with _authority(state_dir) as authority:
        now = authority_now(authority)
        late = _not_renewed(state, now.intermediate_since) if now.former else []
        if late and not anyway:
            raise Failed(
                f"{_listed(late)} would find nobody they trust: wait until they have renewed (once a day "
                "while they are on), or give the command with --anyway and enrol them anew"
            )
        forgotten = forget_former(authority) if now.former else []
        _publish(authority, state)
    if as_json:
        print_json({"forgotten": forgotten, "not_renewed": late})
    elif forgotten:
        typer.echo(f"{_listed(forgotten)} is trusted no more; its key may be destroyed.")
    else:
        typer.echo("There is no former root: nothing to forget.")


@ca.command("rotate-logins")
def rotate_logins(state_dir: StateDirOption = DEFAULT_STATE_DIR, as_json: JsonOption = False) -> None:
    """Have another key vouch for who logs in on units. They learn it by a rollout that updates them."""
    with _authority(state_dir) as authority:
        authority.trust()  # one that serves
        with authority.locked():
            if authority.ssh.changes_users:
                raise Failed(
                    "the last change is not finished: give `diemcau ca forget-logins` first, when "
                    "`diemcau ca status` says that every unit knows the new key"
                )
            authority.ssh.change_users()
        key = authority.ssh.user_ca()
    if as_json:
        print_json({"user_ca": key})
        return
    typer.echo("Another key vouches for log-ins now; the former one is shown beside it, so every unit opens.")
    typer.echo(
        "Make a backup now: a server restored from an older one opens no unit that knows the new key only."
    )
    typer.echo(
        "Start a rollout of a version that the units do not run yet: it brings the new key to them. Then run "
        "`diemcau ca forget-logins`."
    )


@ca.command("forget-logins")
def forget_logins(
    anyway: Annotated[
        bool,
        typer.Option("--anyway", help="Also when units have had no rollout since: provision those anew."),
    ] = False,
    state_dir: StateDirOption = DEFAULT_STATE_DIR,
    as_json: JsonOption = False,
) -> None:
    """Use the former key for log-ins on units no more."""
    with _authority(state_dir) as authority:
        authority.trust()
        since = authority.ssh.users_changed_at
        late = _not_updated(StateDir(state_dir), since)
        if late and not anyway:
            raise Failed(
                f"nobody could log in on {_listed(late)} any more: no rollout that began since the key was "
                "changed has come to its end there; start one of a version they do not run yet, or give "
                "the command with --anyway and provision them anew"
            )
        with authority.locked():
            authority.ssh.forget_former_users()
    if as_json:
        print_json({"forgotten": since is not None, "not_updated": late})
    elif since is not None:
        typer.echo("The former key for log-ins is gone.")
        typer.echo("Boxes that were provisioned before and serve no site yet must be provisioned anew.")
    else:
        typer.echo("There is no former key for log-ins: nothing to forget.")


@contextmanager
def _authority(state_dir: Path) -> Iterator[Authority]:
    """The authority of a state folder; what it refuses becomes the command's answer."""
    from ..adapters.authority import Authority, AuthorityError

    state = StateDir(state_dir)
    try:
        yield Authority(state.authority)
    except AuthorityError as error:
        raise Failed(str(error)) from None
    except PermissionError as error:
        raise Failed(f"{error.filename} cannot be used: run this as the user of the controller") from None
    except OSError as error:
        raise Failed(f"{error.filename or state.authority}: {error.strerror}") from None
    finally:
        known = state.ca_certificate
        hand_over(state, (state.authority, *state.authority.rglob("*"), known.parent, known))


def _phrase(authority: Authority, roots: Path | None, file: Path | None) -> str | None:
    """The pass phrase of the keys in `roots`; None when they need none."""
    from ..adapters.authority.roots import is_locked

    if not is_locked(authority, roots):
        return None
    return known_phrase(file, "Pass phrase of the roots' keys")


def _publish(authority: Authority, state: StateDir) -> None:
    """The command line trusts what lies at `generated/ca.crt`: it follows at once."""
    from ..adapters.whole_file import write_whole

    write_whole(state.ca_certificate, authority.ca_pem())


def _not_renewed(state: StateDir, since: datetime) -> list[str]:
    """Units that serve a site and have no certificate issued since then."""
    from ..actions.certificates import not_renewed_since

    return _units(state, lambda session: not_renewed_since(session, since))


def _not_updated(state: StateDir, since: datetime | None) -> list[str]:
    """Units that serve a site and may not know the key that vouches for log-ins since then."""
    from ..actions.certificates import not_updated_since

    return [] if since is None else _units(state, lambda session: not_updated_since(session, since))


def _units(state: StateDir, which: Callable[[Session], list[str]]) -> list[str]:
    """What the database says; nobody where there is none yet."""
    from ..store.database import Database

    if not state.database.exists():
        return []
    database = Database(state.database, state.health_database)
    try:
        with database.read() as session:
            return which(session)
    finally:
        database.close()


def _listed(names: tuple[str, ...] | list[str]) -> str:
    shown = ", ".join(names[:8])
    return f"{shown} and {len(names) - 8} more" if len(names) > 8 else shown
