"""`diemcau backup` and `diemcau restore`."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from ..config import ConfigError, Settings, StateDir, load
from .client import DEFAULT_STATE_DIR, Failed, JsonOption, StateDirOption
from .show import print_json, print_table

backups = typer.Typer(help="Encrypted backups of the coordinator's side.", no_args_is_help=True)

ConfigOption = Annotated[
    Path | None, typer.Option("--config", help="Settings; those the controller last ran with if not given.")
]
KeyOption = Annotated[
    Path, typer.Option("--key", help="The age key the backup was made for.", dir_okay=False)
]
BackupArgument = Annotated[Path, typer.Argument(metavar="FILE", help="The backup.", dir_okay=False)]


@backups.command("key")
def key(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where the new key is written.")],
    as_json: JsonOption = False,
) -> None:
    """Make the key that opens backups. It prints the public half, which goes into backup.recipients."""
    from ..adapters.age import new_key

    try:
        public = new_key(file)
    except FileExistsError:
        raise Failed(f"{file} is there already: a key is never overwritten, name another file") from None
    except OSError as error:
        raise Failed(f"{file} cannot be written: {error.strerror}") from None
    if as_json:
        print_json({"recipient": public, "key": str(file)})
        return
    typer.echo(public)
    typer.echo(
        f"This is the public half, for backup.recipients. {file} is the key: print it, lock it away in two "
        "places, and remove it from this machine. Without it no backup can be opened.",
        err=True,
    )


@backups.command("now")
def now(
    to: Annotated[Path | None, typer.Option("--to", help="Folder; backup.folder if not given.")] = None,
    recipient: Annotated[
        list[str] | None, typer.Option("--recipient", help="For this key; backup.recipients if not given.")
    ] = None,
    config: ConfigOption = None,
    state_dir: StateDirOption = DEFAULT_STATE_DIR,
    as_json: JsonOption = False,
) -> None:
    """Make a backup now, while the controller runs or stands still."""
    from ..actions.backup import BackupFailed, make_backup
    from ..adapters.age import KeyUnusable
    from ..adapters.age import recipient as checked

    settings = _settings(config, state_dir)
    try:
        recipients = [checked(one) for one in recipient or settings.backup.recipients]
    except KeyUnusable as error:
        raise Failed(str(error)) from None
    folder = to if to is not None else _folder(settings)
    keep = None if to is not None else settings.backup.keep
    try:
        made = make_backup(
            StateDir(state_dir.absolute()),
            folder,
            recipients,
            datetime.now(UTC),
            keep=keep,
        )
    except BackupFailed as error:
        raise Failed(str(error)) from None
    header = made.contents.header
    if as_json:
        found: dict[str, Any] = {"path": str(made.path), "bytes": made.size, "files": made.contents.files}
        print_json({**found, "took_s": round(made.took_s, 3), **header})
        return
    typer.echo(f"{made.path}: {made.contents.files} files, {_size(made.size)}, in {made.took_s:.1f} s")
    typer.echo(f"head of the list of changes: {header['audit_head']}")
    if header["root_keys"]:
        typer.echo(
            "the root keys are in it, because they still lie on this machine: `diemcau ca take-offline`"
        )


@backups.command("list")
def list_backups(
    folder: Annotated[Path | None, typer.Option("--folder", help="backup.folder if not given.")] = None,
    config: ConfigOption = None,
    state_dir: StateDirOption = DEFAULT_STATE_DIR,
    as_json: JsonOption = False,
) -> None:
    """The backups there are, the newest first."""
    from ..actions.backup import backups_in

    where = folder if folder is not None else _folder(_settings(config, state_dir))
    try:
        found = backups_in(where)
    except OSError as error:
        raise Failed(f"{where} cannot be read: {error.strerror}") from None
    if as_json:
        rows = [
            {"path": str(one.path), "made_at": one.made_at.isoformat(), "bytes": one.size} for one in found
        ]
        print_json(rows)
        return
    table = [(f"{one.made_at.astimezone():%Y-%m-%d %H:%M:%S}", _size(one.size), one.path) for one in found]
    print_table(("made at", "size", "file"), table, f"there are none in {where}: `diemcau backup now`")


@backups.command("check")
def check(file: BackupArgument, key: KeyOption, as_json: JsonOption = False) -> None:
    """Read a whole backup and compare every file with what it was when the backup was made."""
    from ..adapters.age import KeyUnusable
    from ..adapters.backup_file import BackupUnusable, read_backup

    try:
        contents = read_backup(file, key)
    except (BackupUnusable, KeyUnusable) as error:
        raise Failed(str(error)) from None
    if as_json:
        print_json({"files": contents.files, "bytes": contents.size, **contents.header})
        return
    header = contents.header
    typer.echo(f"whole: {contents.files} files, {_size(contents.size)}, made at {header['made_at']}")
    typer.echo(f"head of the list of changes: {header['audit_head']}")


def restore(
    file: BackupArgument,
    key: KeyOption,
    state_dir: StateDirOption = DEFAULT_STATE_DIR,
    as_json: JsonOption = False,
) -> None:
    """Bring the controller back from a backup, into an empty folder."""
    from ..actions.restore import RestoreRefused
    from ..actions.restore import restore as run
    from ..adapters.age import KeyUnusable
    from ..adapters.backup_file import BackupUnusable

    try:
        done = run(file, key, state_dir, datetime.now(UTC))
    except (RestoreRefused, BackupUnusable, KeyUnusable) as error:
        raise Failed(str(error)) from None
    header = done.contents.header
    if as_json:
        print_json(
            {
                "state_dir": str(state_dir),
                "generation": done.generation,
                "made_at": header["made_at"],
                "files": done.contents.files,
                "settings": str(done.settings) if done.settings else None,
                "audit": done.audit,
                "audit_whole": done.audit_whole,
            }
        )
        return
    config = f" --config {done.settings}" if done.settings else ""
    lines = [
        f"{state_dir} is the controller as it was at {header['made_at']}, "
        f"now of generation {done.generation}.",
        done.audit,
        "What to do next:",
        "1. Make sure that the lost controller does not come back: two of them would fight over the units.",
        "2. Give this machine the address the lost one had (public_address), or units do not find it.",
        f"3. Start it: diemcau serve{config} --state-dir {state_dir}",
        "4. Look at `diemcau unit later`: halls that were given another unit after the backup wait for you.",
        "5. See that users disabled and units revoked since the backup are so again.",
    ]
    for line in lines:
        typer.echo(line)


def _settings(config: Path | None, state_dir: Path) -> Settings:
    kept = StateDir(state_dir).kept_settings
    try:
        return load(config if config is not None else kept if kept.exists() else None)
    except (ConfigError, OSError) as error:
        raise Failed(str(error)) from None


def _folder(settings: Settings) -> Path:
    if not settings.backup.folder:
        raise Failed("no folder for backups is set: set backup.folder, or name one on the command line")
    return Path(settings.backup.folder)


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{count / 1e3:.0f} kB"
