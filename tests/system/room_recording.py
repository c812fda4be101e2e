"""Records the H.264 of a feed as a subscriber of the room gets it, before anything is decoded."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

import aiortc.rtcrtpreceiver
import pytest
from diemcau_agent.media import connection
from diemcau_agent.media.janus import Janus

_SLICES = (1, 5)  # ITU-T H.264, table 7-1: of a non-IDR and of an IDR picture


def slices(data: bytes) -> list[str]:
    """Hashes of the slices in annex B data."""
    nals = (part.rstrip(b"\0") for part in data.split(b"\0\0\1"))
    return [sha256(nal).hexdigest() for nal in nals if nal and nal[0] & 0x1F in _SLICES]


def longest_run(received: list[str], sent: list[str]) -> int:
    """How many received slices follow one another, without a gap, as they were sent."""
    place = {slice_: at for at, slice_ in enumerate(sent)}
    longest = run = 0
    last: int | None = None
    for slice_ in received:
        at = place.get(slice_)
        run = 0 if at is None else run + 1 if last is not None and at == last + 1 else 1
        longest, last = max(longest, run), at
    return longest


def record(join: Mapping[str, Any], ca: Path, feed: str, count: int, limit_s: float) -> list[str]:
    """Subscribe to one feed of a room; gives hashes of `count` slices, or of what came within the limit."""
    return asyncio.run(_record(join, ca, feed, count, limit_s))


async def _record(join: Mapping[str, Any], ca: Path, feed: str, count: int, limit_s: float) -> list[str]:
    received: list[str] = []
    loop, enough = asyncio.get_running_loop(), asyncio.Event()

    class Recorder:
        """In the place of aiortc's decoder, behind its jitter buffer, in a thread."""

        def decode(self, frame: Any) -> list[Any]:
            received.extend(slices(frame.data))
            if len(received) >= count:
                loop.call_soon_threadsafe(enough.set)
            return []

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(aiortc.rtcrtpreceiver, "get_decoder", lambda _codec: Recorder())
        janus = await Janus.connect(join["url"], str(ca))
        peer = connection.new_connection()
        try:
            handle = await janus.attach(lambda _: None)
            way_in = {"request": "join", "ptype": "subscriber", "room": join["room"], "pin": join["pin"]}
            _, jsep = await handle.ask({**way_in, "streams": [{"feed": feed}]})
            assert jsep is not None
            await handle.ask({"request": "start"}, await connection.answer(peer, jsep))
            with suppress(TimeoutError):
                await asyncio.wait_for(enough.wait(), limit_s)
        finally:
            await connection.close(peer)
            await janus.aclose()
    return received
