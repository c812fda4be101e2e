"""The media process: `python -m diemcau_agent.media`, with its listening socket as descriptor 3.

It serves one connection: a meeting, a check, a chime or a trial of one device, and ends with it. Exit
codes: 0 left, answered, or the unit is gone, 1 a fault.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Coroutine

from diemcau_wire.logs import log_to_stderr

from diemcau_agent.ipc import Channel, Garbage, Line, inherited, listens
from diemcau_agent.lifetime import die_with_parent
from diemcau_agent.service_manager import SIGN_OF_LIFE_S, Watchdog, manages_us

from .check import check
from .faults import Fault, fault_in
from .mixing import Mixer
from .orders import Check, Chime, Floor, Order, RoomPicture, Scan, Start, Stop, Tone, WayIn, parse_order
from .scan import scan
from .session import Session
from .trial import room_picture, tone

log = logging.getLogger(__name__)

_FLUSH_S = 1.0


class Unit:
    """The unit's end of the conversation: orders in, lines out."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self.tell = channel.send
        self.orders: asyncio.Queue[Order] = asyncio.Queue()

    async def listen(self) -> None:
        """Put every order into the queue, and a stop when the unit is gone."""
        async for line in self._channel.lines():
            try:
                await self.orders.put(parse_order(line))
            except Garbage as garbage:
                log.warning("refused a line: %s", garbage)
        await self.orders.put(Stop(type="stop"))


async def serve(channel: Channel) -> int:
    """Do what the unit orders; returns the exit code."""
    unit = Unit(channel)
    listening = asyncio.create_task(unit.listen(), name="unit")
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, unit.orders.put_nowait, Stop(type="stop"))
    floor: Floor | None = None
    try:
        while True:
            match await unit.orders.get():
                case Start() as start:
                    return await attend(start, floor, unit)
                case Check() as order:
                    return await answer(check(order, unit.tell), unit)
                case Chime() as chime:
                    return await sound(chime, unit)
                case Tone() as order:
                    return await answer(tone(order), unit)
                case RoomPicture() as order:
                    return await answer(room_picture(order, unit.tell), unit)
                case Scan() as order:
                    return await answer(scan(order, unit.tell), unit)
                case Floor() as floor:
                    continue
                case WayIn() as order:
                    log.warning("refused %s: in no meeting", order.type)
                case Stop():
                    return 0
    finally:
        listening.cancel()


async def attend(start: Start, floor: Floor | None, unit: Unit) -> int:
    """Stay in a meeting until told to stop, or until a fault."""
    session = Session(start, unit.tell)
    if floor is not None:
        session.take_floor(floor)
    running = asyncio.create_task(session.run(), name="session")
    obeying = asyncio.create_task(obey(session, unit), name="orders")
    await asyncio.wait({running, obeying}, return_when=asyncio.FIRST_COMPLETED)
    fault = why(running) if running.done() else None
    if fault is None and obeying.exception() is not None:
        fault = why(obeying)
    for task in (running, obeying):
        task.cancel()
    await asyncio.gather(running, obeying, return_exceptions=True)
    await session.leave()
    if fault is not None:
        log.error("fault", extra={"what": fault.what, "text": fault.text})
        unit.tell({"type": "fault", "what": fault.what, "text": fault.text[:1000]})
        return 1
    unit.tell({"type": "left"})
    return 0


def why(ended: asyncio.Task[None]) -> Fault:
    """Why a task that should go on has ended."""
    error = ended.exception()
    if error is None:
        return Fault("internal", f"{ended.get_name()} ended without a reason")
    fault = fault_in(error)
    if fault.what == "internal":
        log.error("internal", exc_info=error)
    return fault


async def obey(session: Session, unit: Unit) -> None:
    """Orders go to the session; returns at a stop."""
    while True:
        match await unit.orders.get():
            case Floor() as floor:
                session.take_floor(floor)
            case WayIn() as way_in:
                session.take_way_in(way_in.join)
            case Chime() as chime:
                session.chime(chime.seconds)
            case Stop():
                return
            case Start() | Check() | Tone() | RoomPicture() | Scan() as order:
                log.warning("refused %s: in a meeting already", order.type)


async def answer(work: Coroutine[None, None, Line], unit: Unit) -> int:
    """Do something that ends with one line, and tell that, unless the unit goes away meanwhile."""
    working = asyncio.create_task(work, name="work")
    stopping = asyncio.create_task(until_stop(unit), name="orders")
    await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not working.done():
        working.cancel()
        return 0
    unit.tell(working.result())
    return 0


async def sound(order: Chime, unit: Unit) -> int:
    """Sound a chime in a hall that is in no meeting, until its time is over or the unit says stop."""
    mixer = Mixer(order.sound.output, 0, order.sound.volume_percent)
    mixer.chime.sound(order.seconds)
    playing = asyncio.create_task(mixer.run(), name="chime")
    stopping = asyncio.create_task(until_stop(unit), name="orders")
    await asyncio.wait({playing, stopping}, timeout=order.seconds, return_when=asyncio.FIRST_COMPLETED)
    for task in (playing, stopping):
        task.cancel()
    await asyncio.gather(playing, stopping, return_exceptions=True)
    return 0


async def until_stop(unit: Unit) -> None:
    """Wait for a stop; nothing else counts during a check or a trial."""
    while not isinstance(await unit.orders.get(), Stop):
        continue


async def give_signs_of_life() -> None:
    """As long as this loop turns, the service manager hears so."""
    watchdog = Watchdog()
    while True:
        watchdog.feed()
        await asyncio.sleep(SIGN_OF_LIFE_S)


async def main() -> int:
    """Accept the unit and serve it."""
    connection = inherited()
    if listens(connection):
        with connection as listening:
            listening.setblocking(False)
            connection, _ = await asyncio.get_running_loop().sock_accept(listening)
    channel = await Channel.over(connection)
    if manages_us():
        channel.send({"type": "hello", "pid": os.getpid()})
    watched = asyncio.create_task(give_signs_of_life(), name="signs of life")
    try:
        return await serve(channel)
    finally:
        watched.cancel()
        try:
            await asyncio.wait_for(channel.aclose(), _FLUSH_S)
        except TimeoutError:
            log.warning("the unit does not read")


if __name__ == "__main__":
    die_with_parent()
    log_to_stderr(process="media")
    logging.getLogger("aioice").setLevel(logging.WARNING)
    logging.getLogger("aiortc.rtcrtpreceiver").setLevel(logging.ERROR)  # a line per picture after each switch
    code = asyncio.run(main())
    sys.stderr.flush()
    os._exit(code)  # a driver that hangs in a thread must not keep the process
