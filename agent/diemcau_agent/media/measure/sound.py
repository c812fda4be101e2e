"""The parts `microphone` and `tone`: listening to the hall, and to what this unit plays in it.

The microphone is read as it really is, without echo cancellation: that would take the tone out. Values as
`checks/microphone.py` and `checks/sound.py` judge them.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diemcau_agent.drivers.microphones import BLOCK, RATE_HZ, Block, open_microphone
from diemcau_agent.drivers.sound_outputs import open_sound_output
from diemcau_agent.ipc import Line

from ..device import DeviceThread
from ..mixing import decibels
from ..orders import Check
from ..room_sound import hear, tone

OPEN_S = 6.0
FIRST_S = 3.0  # a sound server that wakes a microphone up is not silent yet
LISTEN_S = 1.6
TAIL_S = 1.2
STEADY = 0.85  # of the time has to be in the recording, or it proves nothing
LATE_S = 0.5  # a tone that took so much longer to play had holes: it proves nothing either
TRIES = 2  # of a tone that proved nothing: a machine is busy now and then
SPOKEN_DB, SPOKEN_RANGE_DB = -48.0, 12.0
MOVED = 0.02  # of the picture


async def sound(
    order: Check, moving: float, tell: Callable[[Line], None], done: Callable[[str, dict[str, Any]], None]
) -> None:
    """Measure both parts; each goes to `done`. `moving`: the share of the picture in which something moved.

    No tone is played where it is not wanted, nor in a hall where somebody speaks or moves.
    """
    if order.microphone.source == "none":
        if "tone" in order.parts and order.sound.output != "none":
            done("tone", await _only_open(order))
        return
    listener = _Listener(order.microphone.source)
    thread = DeviceThread("microphone", listener.work)
    thread.start()
    try:
        problem = await _until(thread, listener.opened, OPEN_S)
        if problem is None:
            tell({"type": "microphone", "open": True})
            await _until(thread, listener.heard, FIRST_S)
            problem = await _until(thread, None, LISTEN_S)
        blocks = list(listener.blocks)
        if problem is not None or not blocks:
            done("microphone", problem or {"why": "silent", "text": "it opened and gives no sound"})
            if "tone" in order.parts and order.sound.output != "none":
                done("tone", await _only_open(order))
            return
        background = np.concatenate(blocks)
        done("microphone", _levels(background))
        if "tone" in order.parts and order.sound.output != "none":
            occupied = moving > MOVED or _spoken(background)
            if not order.tone or occupied:
                done(
                    "tone", {"skipped": "occupied" if order.tone else "not wanted"} | await _only_open(order)
                )
            else:
                done("tone", await _play_and_hear(order, listener, thread))
    finally:
        thread.abandon()
        if listener.opened.is_set():
            tell({"type": "microphone", "open": False})


class _Listener:
    """Reads the microphone in a thread and keeps everything."""

    def __init__(self, source: str) -> None:
        self._source = source
        self.blocks: list[Block] = []
        self.opened, self.heard = asyncio.Event(), asyncio.Event()

    def work(self, thread: DeviceThread) -> None:
        microphone = open_microphone(self._source, echo_cancellation=False)
        if microphone is None:
            return
        try:
            thread.tell(self.opened.set)
            while not thread.abandoned:
                self.blocks.append(microphone.read())
                if len(self.blocks) == 1:
                    thread.tell(self.heard.set)
        finally:
            microphone.close()


async def _until(thread: DeviceThread, event: asyncio.Event | None, seconds: float) -> dict[str, str] | None:
    """Wait for `event`, or just so long; gives why the device failed meanwhile."""
    waits: set[asyncio.Future[Any]] = {thread.ended}
    if event is not None:
        waits.add(asyncio.ensure_future(event.wait()))
    await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    for wait in waits - {thread.ended}:
        wait.cancel()
    if thread.ended.done():
        return {"why": thread.why or "lost", "text": (thread.ended.result() or "it ended")[:200]}
    if event is not None and not event.is_set():
        return {"why": "hung", "text": f"its driver does not come back within {seconds:g} s"}
    return None


async def _play_and_hear(order: Check, listener: _Listener, heard_by: DeviceThread) -> dict[str, Any]:
    """Play the tone while the microphone goes on listening; once more when the first time proved nothing."""
    background = _db(np.concatenate(listener.blocks))
    for _ in range(TRIES):
        values = await _play_once(order, listener, heard_by)
        if "heard" in values or "why" in values:
            break
    return values | ({"noise_db": background} if "heard" in values else {})


async def _play_once(order: Check, listener: _Listener, heard_by: DeviceThread) -> dict[str, Any]:
    played, began, began_s = tone(), len(listener.blocks), time.monotonic()

    def starts() -> None:
        nonlocal began, began_s
        began, began_s = len(listener.blocks), time.monotonic()

    problem = await _played(order, played, starts)
    if problem is not None:
        return problem
    await asyncio.wait({heard_by.ended}, timeout=TAIL_S)
    recorded = listener.blocks[began:]
    elapsed_s = time.monotonic() - began_s
    if (
        len(recorded) * BLOCK / RATE_HZ < STEADY * elapsed_s
    ):  # gaps: a busy machine, or a sound server in trouble
        return {"played": True, "text": "the recording has gaps"}
    values: dict[str, Any] = {"played": True, "heard": False}
    found = await asyncio.to_thread(hear, played, np.concatenate(recorded))
    if found.heard:
        values |= {
            "heard": True,
            "level_db": found.level_db,
            "snr_db": found.snr_db,
            "delay_ms": found.delay_ms,
            "echo_db": found.echo_db,
        }
    return values


async def _only_open(order: Check) -> dict[str, Any]:
    """Open the output and close it again: whether it is there, without a sound."""
    problem = await _played(order, np.zeros(2 * BLOCK, np.int16), lambda: None)
    return problem if problem is not None else {"played": False}


async def _played(order: Check, samples: Block, starts: Callable[[], None]) -> dict[str, Any] | None:
    """Play samples; why that did not work, None when it did. `starts` is called right before the first."""
    late_s = 0.0

    def play(thread: DeviceThread) -> None:
        nonlocal late_s
        output = open_sound_output(order.sound.output)
        try:
            starts()
            began_s = time.monotonic()
            for start in range(0, len(samples) - BLOCK + 1, BLOCK):
                if thread.abandoned:
                    return
                output.write(samples[start : start + BLOCK])
            late_s = time.monotonic() - began_s - len(samples) / RATE_HZ
        finally:
            output.close()

    thread = DeviceThread("sound", play)
    thread.start()
    limit_s = OPEN_S + len(samples) / RATE_HZ + 2
    try:
        await asyncio.wait({thread.ended}, timeout=limit_s)
    finally:
        thread.abandon()
    if not thread.ended.done():
        return {"why": "hung", "text": f"its driver does not come back within {limit_s:.0f} s"}
    problem = thread.ended.result()
    if problem is None and late_s > LATE_S and np.any(samples):
        return {"played": True, "text": "the tone was played with gaps"}
    return None if problem is None else {"why": thread.why or "lost", "text": problem[:200]}


def _levels(samples: Block) -> dict[str, Any]:
    peak = float(np.abs(samples.astype(np.int32)).max())
    return {"level_db": _db(samples), "peak_db": decibels(peak * peak)}


def _spoken(samples: Block) -> bool:
    """Whether somebody speaks: it comes and goes, unlike a fan."""
    count = samples.size // BLOCK
    if count < 10:
        return False
    powers: NDArray[np.float64] = np.square(samples[: count * BLOCK].reshape(count, BLOCK).astype(float))
    levels = np.array([decibels(float(power)) for power in powers.mean(axis=1)])
    low, high = np.percentile(levels, (10, 90))
    return bool(high > SPOKEN_DB and high - low > SPOKEN_RANGE_DB)


def _db(samples: NDArray[Any]) -> float:
    if not samples.size:
        return -100.0
    return decibels(float(np.square(samples.astype(np.float64)).mean()))
