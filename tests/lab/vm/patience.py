"""The agent's time limits, stretched for a machine that is twenty times slower than a unit.

The lines are put at the end of the installed modules, as a unit's clock would be slowed down: what the agent
does and in which order stays, only what counts as silent or late does not.
"""

from __future__ import annotations

import re
from pathlib import Path

FACTOR = 3
LIMITS = {
    "drivers/pactl.py": "TIMEOUT_S",
    "drivers/pulse.py": "_PATIENCE_S",
    "drivers/pulse_watch.py": "_APPEARS_S",
    "drivers/rtsp.py": "_OPEN_S _READ_S",
    "media/janus.py": "ANSWER_S",
    "media/measure/camera.py": "OPEN_S _FIRST_S",
    "media/measure/room.py": "LIMIT_S",
    "media/measure/sound.py": "OPEN_S TAIL_S",
    "media/publish.py": "_UP_S",
    "media/subscribe.py": "_UP_S",
    "media/watchdog.py": "PICTURE_S CAMERA_S UPLINK_S",
    "remedies/line.py": "_PATIENCE_S",
    "remedies/machine.py": "_SETTLE_S",
    "remedies/processes.py": "_START_S",
    "rules/checking.py": "LIMIT",
    "rules/connection.py": "JOIN_LIMIT SILENT_MEDIA",
    "unit/checking.py": "UNIT_LIMIT_S REMEDY_LIMIT_S",
    "unit/hall_answers.py": "PREFLIGHT_LIMIT_S",
    "unit/measure/clock.py": "_TIMEOUT_S",
    "unit/measure/mixer.py": "_LIMIT_S",
    "unit/measure/screen.py": "READY_S",
    "unit/media_process.py": "START_LIMIT_S SILENT_S LEAVE_LIMIT_S",
    "unit/service.py": "HELLO_LIMIT_S END_LIMIT_S",
    "unit/screen_process.py": "START_LIMIT_S SILENT_S SNAPSHOT_LIMIT_S",
}
# limits that are defaults of a call
_DEFAULTS = {"media/janus.py": ("Janus.connect.__func__", "Janus.request")}


def stretch(agent: Path) -> None:
    """Stretch every limit in the unpacked package at `agent`. Raises ValueError for one that is not there."""
    for name, limits in LIMITS.items():
        module = agent / name
        source = module.read_text()
        added = []
        for limit in limits.split():
            if not re.search(rf"^(\w+, )*{limit}(: \w+)?(, \w+)* = ", source, re.MULTILINE):
                raise ValueError(f"{name} has no limit {limit} any more")
            added.append(f"{limit} *= {FACTOR}")
        for call in _DEFAULTS.get(name, ()):
            added.append(f'{call}.__kwdefaults__["timeout_s"] *= {FACTOR}')
        module.write_text("\n".join([source, "# on the lab's slow machine", *added, ""]))
