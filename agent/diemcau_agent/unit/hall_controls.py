"""What people in the hall can do themselves, by keypad or on the unit's command line."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from diemcau_agent.drivers import sound_mixer
from diemcau_agent.rules.actions import AskedBy
from diemcau_agent.rules.controls import Control
from diemcau_agent.rules.keys import Press

from .daemon_thread import in_daemon_thread
from .hall import Hall
from .trials import Trials

log = logging.getLogger(__name__)

VOLUME_STEP = 10  # percent

_CONTROLS = {Press.HAND: Control.HAND, Press.MUTE: Control.MUTE, Press.STOP: Control.STOP}


class HallControls:
    """Carries it out. `output` names the loudspeaker of the configuration."""

    def __init__(self, hall: Hall, trials: Trials, output: Callable[[], str]) -> None:
        self._hall, self._trials, self._output = hall, trials, output
        self._volume: asyncio.Task[None] | None = None

    def press(self, press: Press) -> None:
        """Somebody pressed something on the keypad; what cannot be done now does nothing."""
        match press:
            case Press.HAND | Press.MUTE | Press.STOP:
                refused = self.control(_CONTROLS[press], None)
            case Press.CHECK:
                refused = self._hall.ask_check(AskedBy.HALL)
            case Press.POSTPONE:
                refused = self._hall.postpone_check()
            case Press.VOLUME_UP | Press.VOLUME_DOWN:
                refused = self._change_volume(VOLUME_STEP if press is Press.VOLUME_UP else -VOLUME_STEP)
        if refused is not None:
            log.info("a key does nothing now", extra={"press": press.value, "why": refused})

    def control(self, control: Control, on: bool | None) -> str | None:
        """Mute, stop, hand: on, off, or over (None); gives why it does nothing, as a stable word, or None.

        A stop outside a meeting ends what is open for a check or a picture.
        """
        if control is Control.STOP and on is not False and self._stop_outside():
            return None
        return self._hall.press(control, on)

    def _stop_outside(self) -> bool:
        tried = self._trials.busy
        self._trials.stop()
        if not self._hall.checking:
            return tried
        if self._hall.postpone_check() is not None:  # too late to do it another time
            self._hall.end_check()
        return True

    def _change_volume(self, by_percent: int) -> str | None:
        if self._volume is not None and not self._volume.done():
            return "busy"
        output = self._output()
        self._volume = asyncio.create_task(
            in_daemon_thread(lambda: _change_volume(output, by_percent)), name="volume"
        )
        return None


def _change_volume(output: str, by_percent: int) -> None:
    """Blocking. An output without a volume, or one that is gone, is left alone."""
    now = sound_mixer.state(output)
    if now is None or not now.present:
        log.info("no volume to change", extra={"output": output})
        return
    try:
        sound_mixer.set_volume(output, max(0, min(100, now.volume_percent + by_percent)))
    except OSError as error:
        log.warning("the volume could not be changed", extra={"output": output, "error": str(error)})
