"""`diemcau release`: versions of the units' software, built, signed, and offered to the fleet.

Keys, building, signing and checking work on the files themselves, whether the controller runs or not;
offering and withdrawing ask the controller.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..config import StateDir
from .client import DEFAULT_STATE_DIR, Failed, JsonOption, StateDirOption, controller
from .owner import hand_over
from .phrase import PhraseOption, UnlockedOption, known_phrase, new_phrase
from .show import print_json, print_table

if TYPE_CHECKING:
    from ..adapters.releases.ceremony import Signed
    from ..adapters.releases.repository import Repository

releases = typer.Typer(help="Versions of the units' software.", no_args_is_help=True)

VersionArgument = Annotated[str, typer.Argument(metavar="VERSION", help="Three numbers, like 1.4.0.")]
ThresholdOption = Annotated[int, typer.Option("--threshold", min=1, help="How many of them must sign.")]


@releases.command("keys")
def keys(
    folders: Annotated[
        list[Path], typer.Argument(metavar="DIR...", help="A folder for each holder, on a medium.")
    ],
    threshold: ThresholdOption = 1,
    passphrase_file: PhraseOption = None,
    unlocked: UnlockedOption = False,
    state_dir: StateDirOption = DEFAULT_STATE_DIR,
    as_json: JsonOption = False,
) -> None:
    """Make the keys that vouch for releases, once: one folder for each holder."""
    from ..adapters.releases.ceremony import set_up

    with _repository(state_dir) as repository:
        set_up(repository, folders, threshold, datetime.now(UTC), _Phrases(passphrase_file, unlocked))
        root = repository.folder / "root.json"
    if as_json:
        print_json({"folders": [str(one) for one in folders], "threshold": threshold, "root": str(root)})
        return
    typer.echo(f"{threshold} of {len(folders)} must sign. The keys are in {_listed(folders)}.")
    if not unlocked:
        typer.echo("They are locked with the pass phrase: without it they are of no use to anybody, you too.")
    if any(folder.stat().st_dev == root.stat().st_dev for folder in folders):
        typer.echo(
            "A folder is on the same disk as the controller: copy it to a medium, then remove it here."
        )
    typer.echo(
        "Copy each to a second medium and lock them away in different places: nobody can make them anew."
    )
    typer.echo(f"Units are given {root} when they are provisioned.")


@releases.command("build")
def build(
    source: Annotated[
        Path | None, typer.Option("--source", help="Folder of the source; that of this program if not given.")
    ] = None,
    wheels: Annotated[
        Path | None, typer.Option("--wheels", help="Folder of wheels, instead of the package index.")
    ] = None,
    python: Annotated[str, typer.Option("--python", help="Of the units: 3.11 (Debian 12), 3.13.")] = "3.11",
    state_dir: StateDirOption = DEFAULT_STATE_DIR,
    as_json: JsonOption = False,
) -> None:
    """Build the version the source says it is: wheels for amd64 and arm64, and playbooks. Cut short, it goes
    on from there when it is given again."""
    from diemcau_wire.release import Arch

    from ..adapters.releases.build import build as make
    from ..adapters.releases.build import own_source

    source = source or own_source()
    if source is None:
        raise Failed("this program was installed without its source: name the folder of it with --source")
    with _repository(state_dir) as repository:
        made = make(repository, source, wheels, python=python, now=datetime.now(UTC))
    release = made.release
    sizes = {
        arch.value: sum(part.size for part in release.parts_for(arch)) for arch in (Arch.AMD64, Arch.ARM64)
    }
    if as_json:
        print_json(
            {
                "version": release.version,
                "python": release.python,
                "wheels": len(release.parts),
                "sha256": made.sha256,
                "bytes": sizes,
                "fetched": made.fetched,
            }
        )
        return
    typer.echo(f"{release.version} is built: {len(release.parts)} wheels, for Python {release.python}")
    for arch, size in sizes.items():
        typer.echo(f"  a unit with {arch} has {size / 1e6:.1f} MB of them")
    typer.echo(f"{made.fetched / 1e6:.1f} MB were not there before")
    typer.echo(f"Next: diemcau release sign {release.version} --keys DIR")


@releases.command("add-system")
def add_system(
    version: VersionArgument,
    bundle: Annotated[
        Path, typer.Argument(metavar="BUNDLE", help="The .raucb that `python -m firmware bundle` made.")
    ],
    state_dir: StateDirOption = DEFAULT_STATE_DIR,
    as_json: JsonOption = False,
) -> None:
    """Let a version that was built bring a whole system, too, to boxes that were flashed with an image."""
    from ..adapters.releases.systems import add_system as add

    with _repository(state_dir) as repository:
        system = add(repository, version, bundle)
    if as_json:
        print_json(system.model_dump(mode="json"))
        return
    typer.echo(f"{version} brings a system for {system.arch}: {system.size / 1e6:.0f} MB")
    typer.echo(f"Next: diemcau release sign {version} --keys DIR")


@releases.command("sign")
def sign(
    version: Annotated[
        str | None, typer.Argument(metavar="[VERSION]", help="Without it, what is signed is signed anew.")
    ] = None,
    keys: Annotated[Path | None, typer.Option("--keys", help="Folder of one holder's keys.")] = None,
    without: Annotated[
        list[str] | None, typer.Option("--without", help="A version that shall be signed no longer.")
    ] = None,
    drop: Annotated[
        bool, typer.Option("--drop", help="Forget what waits for more signatures; nothing is signed.")
    ] = False,
    passphrase_file: PhraseOption = None,
    state_dir: StateDirOption = DEFAULT_STATE_DIR,
    as_json: JsonOption = False,
) -> None:
    """Sign a version that was built, each holder in turn; served when enough have signed."""
    from ..adapters.releases.ceremony import sign as add

    if drop:
        with _repository(state_dir) as repository, repository.locked():
            repository.drop_waiting()
        typer.echo("Nothing waits to be signed.")
        return
    if keys is None:
        raise Failed("name the folder of the keys with --keys", 2)
    with _repository(state_dir) as repository:
        phrases = _Phrases(passphrase_file)
        signed = add(repository, keys, version, without or [], datetime.now(UTC), phrases)
    again = f"diemcau release sign {version} --keys DIR" if version else "the same command"
    _told(signed, again, as_json)


@releases.command("rotate")
def rotate(
    keys: Annotated[list[Path], typer.Option("--keys", help="Folder of a present holder.")],
    new: Annotated[
        list[Path] | None, typer.Option("--new", help="Folder of a holder from now on; its keys are kept.")
    ] = None,
    threshold: ThresholdOption = 1,
    passphrase_file: PhraseOption = None,
    unlocked: UnlockedOption = False,
    state_dir: StateDirOption = DEFAULT_STATE_DIR,
    as_json: JsonOption = False,
) -> None:
    """Change whose keys count, and the key on this machine. Units learn it by the present holders' word."""
    from ..adapters.releases.ceremony import rotate as change

    with _repository(state_dir) as repository:
        phrases = _Phrases(passphrase_file, unlocked)
        signed = change(repository, keys, new or [], threshold, datetime.now(UTC), phrases)
    _told(signed, "diemcau release rotate --keys DIR", as_json)


@releases.command("verify")
def verify(
    version: VersionArgument,
    root: Annotated[
        Path | None,
        typer.Option("--root", help="The root.json a unit has; the first there was if not given."),
    ] = None,
    state_dir: StateDirOption = DEFAULT_STATE_DIR,
    as_json: JsonOption = False,
) -> None:
    """Check a version as a unit does: signatures from a root on, then every file."""
    from ..adapters.releases.verify import verify as check

    try:
        trusted = root.read_bytes() if root is not None else None
    except OSError as error:
        raise Failed(f"{root} cannot be read: {error.strerror}") from None
    with _repository(state_dir) as repository:
        verified = check(repository, version, trusted)
    if as_json:
        systems = [system.arch.value for system in verified.systems]
        wheels = len(verified.release.parts)
        print_json(
            {"version": version, "sha256": verified.sha256, "wheels": wheels, "systems": systems},
        )
    else:
        brings = "".join(f", a system for {system.arch}" for system in verified.systems)
        typer.echo(
            f"A unit would take {version}: {len(verified.release.parts)} wheels{brings}, all as signed."
        )


@releases.command("offer")
def offer(version: VersionArgument, state_dir: StateDirOption = DEFAULT_STATE_DIR) -> None:
    """Let rollouts take a version, once a unit would."""
    with controller(state_dir) as api:
        api.post(f"releases/{version}/offer")
    typer.echo(f"{version} is offered: `diemcau rollout start {version}` brings it to the units")


@releases.command("withdraw")
def withdraw(
    version: VersionArgument,
    reason: Annotated[str, typer.Option(help="Why; it stands in the list of changes.")],
    state_dir: StateDirOption = DEFAULT_STATE_DIR,
) -> None:
    """Let no rollout take a version any more. Units that have it keep it."""
    with controller(state_dir) as api:
        api.post(f"releases/{version}/withdraw", {"reason": reason})
    typer.echo(f"{version} is withdrawn")


@releases.command("list")
def list_releases(state_dir: StateDirOption = DEFAULT_STATE_DIR, as_json: JsonOption = False) -> None:
    """Versions that were built here or offered, the newest first."""
    with controller(state_dir) as api:
        found = api.get("releases")
        if as_json:
            print_json(found)
            return
        rows = [
            (
                one["version"],
                one["state"] if one["python"] else f"{one['state']}, files missing: build it again",
                one["python"],
                api.local(one["built_at"]),
                ", ".join(f"{size / 1e6:.0f} MB {arch}" for arch, size in one["bytes"].items()),
                ", ".join(_system(system) for system in one["systems"]),
                api.local(one["offered_at"]),
                one["reason"],
            )
            for one in found
        ]
        columns = ("version", "state", "Python", "built", "size", "systems", "offered", "withdrawn because")
        print_table(columns, rows, "there are none: `diemcau release build`")


def _system(system: dict[str, Any]) -> str:
    return f"{system['bytes'] / 1e6:.0f} MB {system['arch']}{'' if system['signed'] else ', not signed'}"


class _Phrases:
    """Asks once for each folder."""

    def __init__(self, file: Path | None, unlocked: bool = False) -> None:
        self._file, self._unlocked = file, unlocked
        self._asked: dict[Path, str] = {}

    def known(self, folder: Path) -> str | None:
        if folder not in self._asked:
            self._asked[folder] = known_phrase(self._file, f"Pass phrase of the keys in {folder}")
        return self._asked[folder]

    def new(self, folder: Path) -> str | None:
        if self._unlocked:
            return None
        if folder not in self._asked:
            self._asked[folder] = new_phrase(self._file, f"New pass phrase for the keys in {folder}")
        return self._asked[folder]


@contextmanager
def _repository(state_dir: Path) -> Iterator[Repository]:
    """The releases of a state folder; what is refused becomes the command's answer."""
    from ..adapters.releases.errors import ReleaseError, ToolMissing
    from ..adapters.releases.repository import Repository

    state = StateDir(state_dir.absolute())
    if not state.root.is_dir():
        raise Failed(f"there is no folder {state_dir}: name the controller's with --state-dir")
    try:
        yield Repository(state)
    except ToolMissing as error:
        raise Failed(str(error), 3) from None
    except ReleaseError as error:
        raise Failed(str(error)) from None
    finally:
        key = state.releases_key
        hand_over(state, (state.releases, *state.releases.rglob("*"), key.parent, key))


def _told(signed: Signed, again: str, as_json: bool) -> None:
    if as_json:
        print_json({"missing": signed.missing, "served": signed.missing == 0})
    elif signed.missing:
        typer.echo(f"Signed by one more; {signed.missing} must still sign: {again}, with the next keys.")
    else:
        typer.echo(
            f"{signed.what[:1].upper()}{signed.what[1:]}, and served. Put the keys back in the drawer."
        )


def _listed(folders: list[Path]) -> str:
    return ", ".join(str(folder) for folder in folders)
