"""What has just changed, for those in this process who watch: live pages and background services.

News are hints ("the floor of this meeting changed"), never the truth: whoever hears one reads the
database. So a slow listener may lose the oldest.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

_PER_LISTENER = 500


@dataclass(frozen=True, slots=True)
class Item:
    """`kind`: `site`, `unit`, `session`, `schedule`, `floor`, `event` or `report`; `data` names what."""

    kind: str
    data: dict[str, Any] = field(default_factory=dict)


class News:
    """Hands each item to every listener of its event loop; may be told from any thread."""

    def __init__(self) -> None:
        self._listeners: set[asyncio.Queue[Item]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._latest: deque[tuple[float, Item]] = deque(maxlen=_PER_LISTENER)

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """Name the loop the listeners run in."""
        self._loop = loop

    def tell(self, kind: str, /, **data: Any) -> None:
        """Something changed."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._hand_out, Item(kind, data))

    @contextmanager
    def listen(self, *, since_s: float = 0) -> Iterator[asyncio.Queue[Item]]:
        """A queue of everything told from now on, and in the `since_s` before."""
        queue: asyncio.Queue[Item] = asyncio.Queue(_PER_LISTENER)
        oldest = time.monotonic() - since_s
        for at, item in self._latest:
            if at > oldest:
                queue.put_nowait(item)
        self._listeners.add(queue)
        try:
            yield queue
        finally:
            self._listeners.discard(queue)

    def _hand_out(self, item: Item) -> None:
        self._latest.append((time.monotonic(), item))
        for queue in self._listeners:
            if queue.full():
                queue.get_nowait()
            queue.put_nowait(item)
