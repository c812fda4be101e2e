"""`diemcau reach`: a shell on a unit."""

from __future__ import annotations

import shlex
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from .client import DEFAULT_STATE_DIR, Failed, StateDirOption, controller

_PATIENCE_S = 100.0  # a unit on a weak line may take a minute to dial in


def reach(
    unit: Annotated[str, typer.Argument(help="The unit.")],
    command: Annotated[
        list[str] | None, typer.Argument(help="A command to run there, after --; none for a shell.")
    ] = None,
    minutes: Annotated[int, typer.Option(help="For how long, at most 60.")] = 15,
    config: Annotated[
        bool, typer.Option("--config", help="Print the file for `ssh -F`, and keep it until interrupted.")
    ] = False,
    state_dir: StateDirOption = DEFAULT_STATE_DIR,
) -> None:
    """Log in to a unit by SSH: at its own address if it has one, else it is asked to dial in. Exits as the
    command did."""
    with _ssh_config(state_dir, unit, minutes) as file:
        if config:
            ends = {signal.SIGINT, signal.SIGTERM}
            signal.pthread_sigmask(signal.SIG_BLOCK, ends)
            typer.echo(file)
            signal.sigwait(ends)
            return
        words = command or []
        said = words if len(words) < 2 else [shlex.join(words)]
        try:
            done = subprocess.run(["ssh", "-F", str(file), unit, *said], check=False)
        except FileNotFoundError:
            raise Failed("ssh is missing: install the package openssh-client (apt-get install)", 3) from None
    raise typer.Exit(done.returncode)


@contextmanager
def _ssh_config(state_dir: Path, unit: str, minutes: int) -> Iterator[Path]:
    """Reach a unit with a key that exists until the block ends."""
    from ..actions.reach import Reached
    from ..adapters.ssh_files import new_key, write_ssh_files

    with tempfile.TemporaryDirectory(prefix="diemcau-reach-") as folder:
        key = new_key(Path(folder))
        with controller(state_dir) as api:
            asked = {"public_key": key, "minutes": minutes}
            answer = api.ask("POST", f"units/{unit}/reach", json=asked, timeout=_PATIENCE_S)
        yield write_ssh_files(Path(folder), Reached(**answer))
