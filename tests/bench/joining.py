"""From the word to the first picture: a media process of ours, in the same room as the browser."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from tests.system.media_harness import MediaProcess

from .film import Film

_LIMIT_S = 30.0
WARM_S = 3.0  # so long a process lies ready, as a unit's does before a meeting


def join(folder: Path, info: dict[str, Any], ca: Path, film: Film, feed: str, *, warm: bool) -> float:
    """Seconds from `start` (cold: from the start of the process) until a picture of `feed` can be drawn."""
    began = time.monotonic()
    media = MediaProcess(folder, "warm" if warm else "cold")
    try:
        if warm:
            time.sleep(WARM_S)
            began = time.monotonic()
        more = {
            "camera": {"source": f"file:{film.raw}"},
            "microphone": {"source": "tone:400"},
            "video": film.size.video,
        }
        media.start({key: info[key] for key in ("url", "room", "pin")}, ca, more)
        media.floor([feed, None], [feed], False)
        while media.picture(0) is None:
            if time.monotonic() - began > _LIMIT_S or media.process.poll() is not None:
                raise RuntimeError(f"no picture: {media.log()[-2000:]}")
            time.sleep(0.002)
        return time.monotonic() - began
    finally:
        media.stop() if media.process.poll() is None else None
        media.close()
