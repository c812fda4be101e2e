"""Bytes passed on unread, in both directions, by a process that stands between two others."""

from __future__ import annotations

import asyncio
from asyncio import StreamReader, StreamWriter
from contextlib import suppress

_PIECE = 65_536


async def pass_both_ways(
    near: tuple[StreamReader, StreamWriter], far: tuple[StreamReader, StreamWriter]
) -> None:
    """Until one direction ends: half a line is none. The writers stay open, for the caller to end."""
    tasks = [asyncio.create_task(_pass(near[0], far[1])), asyncio.create_task(_pass(far[0], near[1]))]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _pass(reader: StreamReader, writer: StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(_PIECE):
            writer.write(data)
            await writer.drain()
