"""Run the screen: `python -m diemcau_agent.screen --width 1280 --height 720`, its socket as descriptor 3.

Exit codes: 0 asked to stop, 1 failed, 2 usage, 3 a font or SDL is missing.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from diemcau_wire.logs import log_to_stderr

from ..ipc import inherited, listens
from ..lifetime import die_with_parent
from ..service_manager import Watchdog
from .theme import FONTS

log = logging.getLogger("diemcau_agent.screen")


def main() -> int:
    """Show until SIGTERM or SIGINT."""
    die_with_parent()
    parser = argparse.ArgumentParser(prog="diemcau_agent.screen", description="The hall's screen.")
    parser.add_argument(
        "--width", type=_side(320, 3840), default=1280, help="pixels, where no display says otherwise"
    )
    parser.add_argument("--height", type=_side(180, 2160), default=720, help="pixels")
    parser.add_argument("--fonts", type=Path, default=Path(FONTS), help="folder with the Noto Sans files")
    arguments = parser.parse_args()
    log_to_stderr(process="screen")
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _stop)
    try:
        listening = inherited()
        if not listens(listening):
            raise OSError("it does not listen")
    except OSError as error:
        log.error("no listening socket as descriptor 3: %s", error)
        return 2
    try:
        from .canvas import Canvas
        from .sdl import MissingFont, SdlError
    except ImportError as error:
        log.error("SDL2 is missing: %s", error)
        return 3
    from .connections import Connections
    from .hall_screen import HallScreen
    from .window import Window, choose_driver, has_kms, missing_library

    driver = choose_driver(os.environ, kms=has_kms())
    if (missing := missing_library(driver)) is not None:
        log.error("%s", missing)
        return 3
    try:
        canvas = Canvas(arguments.width, arguments.height, fonts=arguments.fonts)
        window = Window(driver, arguments.width, arguments.height)
        screen = HallScreen(Connections(listening), canvas, window, arguments.fonts)
        log.info("screen up", extra={"driver": window.driver})
        watchdog = Watchdog()
        while True:
            screen.step()
            watchdog.feed()
    except MissingFont as error:
        log.error("%s", error)
        return 3
    except SdlError as error:
        log.error("drawing failed: %s", error)
        return 1


def _side(least: int, most: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        value = int(text)
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"must be {least} to {most}")
        return value

    return parse


def _stop(_number: int, _frame: object) -> NoReturn:
    """The kernel takes back everything there is; nothing here needs to be put away."""
    sys.exit(0)


if __name__ == "__main__":
    sys.exit(main())
