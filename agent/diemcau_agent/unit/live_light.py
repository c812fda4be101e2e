"""A lamp in the room that is lit while camera or microphone is open: a LED of the kernel (Documentation/leds)
that the machine's maker, or its device tree, calls `diemcau:live`."""

from __future__ import annotations

import logging
from pathlib import Path

log = logging.getLogger(__name__)

LED = Path("/sys/class/leds/diemcau:live")


class LiveLight:
    """The lamp at `led`; without one nothing happens."""

    def __init__(self, led: Path = LED) -> None:
        self._led = led
        self._on: bool | None = None

    def show(self, on: bool) -> None:
        """Light it or not. What fails is tried again with the next change."""
        if on is self._on:
            return
        self._on = on
        if not self._led.is_dir():
            return
        try:
            full = (self._led / "max_brightness").read_text(encoding="ascii").strip()
            (self._led / "brightness").write_text(full if on else "0", encoding="ascii")
        except (OSError, UnicodeDecodeError) as error:
            log.warning("the live lamp cannot be switched", extra={"error": str(error)})
