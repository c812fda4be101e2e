"""`diemcau serve`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..config import ConfigError, load
from .client import DEFAULT_STATE_DIR, Failed, StateDirOption


def serve(
    state_dir: StateDirOption = DEFAULT_STATE_DIR,
    config: Annotated[Path | None, typer.Option("--config", help="TOML file of settings.")] = None,
    only: Annotated[
        str | None, typer.Option("--only", help="Run mosquitto, janus or controller alone.")
    ] = None,
    no_restart: Annotated[
        list[str] | None, typer.Option("--no-restart", help="Leave this one dead when it dies.")
    ] = None,
) -> None:
    """Run Mosquitto, Janus and the controller side by side, until SIGTERM or Ctrl-C."""
    from ..launcher import run

    try:
        settings = load(config)
    except ConfigError as error:
        raise Failed(str(error)) from None
    code = run(settings, state_dir, config_path=config, only=only, no_restart=frozenset(no_restart or ()))
    raise typer.Exit(code)
