"""`diemcau serve` and `diemcau demo`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..config import ConfigError, load
from .client import DEFAULT_STATE_DIR, Failed, StateDirOption

DEMO_DIR = Path(".demo")


def serve(
    state_dir: StateDirOption = DEFAULT_STATE_DIR,
    config: Annotated[Path | None, typer.Option("--config", help="TOML file of settings.")] = None,
    only: Annotated[
        str | None, typer.Option("--only", help="Run mosquitto, janus, porter, nginx or controller alone.")
    ] = None,
    no_restart: Annotated[
        list[str] | None, typer.Option("--no-restart", help="Leave this one dead when it dies.")
    ] = None,
) -> None:
    """Run Mosquitto, Janus, nginx and the controller side by side, until SIGTERM or Ctrl-C."""
    from ..launcher import run

    try:
        settings = load(config)
    except ConfigError as error:
        raise Failed(str(error)) from None
    code = run(settings, state_dir, config_path=config, only=only, no_restart=frozenset(no_restart or ()))
    raise typer.Exit(code)


def source(text: str) -> tuple[str, str]:
    """`SITE=SOURCE`."""
    site, equals, what = text.partition("=")
    if not (site and equals and what):
        raise typer.BadParameter(f"{text!r}: write SITE=SOURCE, such as ea-kiet=rtsp://192.0.2.7/main")
    return site, what


def demo(
    once: Annotated[bool, typer.Option("--once", help="A short meeting at once, judged.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The outcome as JSON in the last line.")] = False,
    camera: Annotated[
        list[str] | None,
        typer.Option(metavar="SITE=URL", help="rtsp://…, v4l2:/dev/video0, file:… at a site."),
    ] = None,
    mic: Annotated[
        list[str] | None, typer.Option(metavar="SITE=FILE", help="A sound file at a site.")
    ] = None,
    state_dir: Annotated[Path, typer.Option("--state-dir", help="Made fresh.", file_okay=False)] = DEMO_DIR,
    no_restart: Annotated[
        list[str] | None, typer.Option("--no-restart", metavar="SITE", help="What dies there stays dead.")
    ] = None,
    page_port: Annotated[int | None, typer.Option(min=1, max=65535, help="Port of the page.")] = None,
    starts_in: Annotated[
        int, typer.Option(min=1, max=3600, metavar="SECONDS", help="Without --once: when the meeting starts.")
    ] = 120,
    lasts: Annotated[
        int, typer.Option(min=60, max=14400, metavar="SECONDS", help="Without --once: how long it lasts.")
    ] = 300,
) -> None:
    """Three halls meet on this machine, with everything real but the halls."""
    cameras, mics = dict(map(source, camera or ())), dict(map(source, mic or ()))
    from ..demo.command import run

    code = run(
        once=once,
        json=as_json,
        cameras=cameras,
        mics=mics,
        state_dir=state_dir,
        no_restart=tuple(no_restart or ()),
        page_port=page_port,
        in_s=starts_in,
        lasts_s=lasts,
    )
    raise typer.Exit(code)
