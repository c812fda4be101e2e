"""The screen itself: takes lines and pictures, paints, answers. One thread, one loop, never black."""

from __future__ import annotations

import logging
import os
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ..frames import FrameReader
from ..ipc import Garbage, Line
from ..service_manager import manages_us
from .canvas import Canvas
from .connections import Connections, Event, Happened, Peer
from .elements import Hole, Scene
from .pictures import Pictures
from .png import save
from .show import MAX_SLOTS, Show, View, parse_show
from .views import compose
from .window import Window

log = logging.getLogger(__name__)

POLL_S = 1 / 60
"""How often memory is looked at for a new picture in a meeting; nobody rings when one comes."""
TICK_S = 1.0


class HallScreen:
    """Everything a hall's screen does; :meth:`step` is one turn of its loop."""

    def __init__(self, connections: Connections, canvas: Canvas, window: Window, fonts: Path) -> None:
        self._connections, self._canvas, self._window, self._fonts = connections, canvas, window, fonts
        self._pictures = Pictures()
        self._show: Show | None = None
        self._scene: Scene = ()
        self._changed = True
        self._snapshots: list[tuple[Peer, Line]] = []
        self._next_tick = time.monotonic()
        self._next_look = 0.0
        self._live: tuple[bool, ...] = ()
        self._logged_refusals = 0

    def step(self) -> None:
        """Wait for something to happen, at most until the next second, and bring the screen up to date."""
        self._adapt_to_display()
        for event in self._connections.wait(self._patience()):
            self._on_event(event)
        tick = time.monotonic() >= self._next_tick
        # Counted from the look before, not from the end of drawing: else a slow drawing skips pictures.
        self._next_look = max(self._next_look + POLL_S, time.monotonic())
        self._draw(tick=tick)
        for peer, line in self._snapshots:
            self._connections.send(peer, self._snapshot(line))
        self._snapshots.clear()
        if tick:
            self._next_tick = max(self._next_tick + TICK_S, time.monotonic())
            self._report()

    # ── what others say ──────────────────────────────────────────────────────────────────────────

    def _on_event(self, event: Event) -> None:
        peer = event.peer
        match event.what:
            case Happened.OPENED:
                if manages_us():
                    self._connections.send(peer, {"type": "hello", "pid": os.getpid()})
                size = {"width": self._canvas.width, "height": self._canvas.height}
                self._connections.send(peer, {"type": "ready", **size, "driver": self._window.driver})
            case Happened.CLOSED:
                self._pictures.drop(peer)
            case Happened.LINE if event.line is not None:
                try:
                    self._on_line(peer, event.line)
                except Garbage as error:
                    self._connections.refused["line"] += 1
                    self._note_refusal(str(error))

    def _on_line(self, peer: Peer, line: Line) -> None:
        match line["type"]:
            case "show":
                show = parse_show(line)
                if self._show is None or show.view is not self._show.view:
                    log.info("view", extra={"view": show.view.value})
                    self._window.come_to_front()
                self._show = show
                meeting = show.meeting
                self._pictures.assign(meeting.id if meeting else None, meeting.slots if meeting else ())
                self._changed = True
            case "snapshot":
                if not isinstance(line.get("id"), str | int) or not isinstance(line.get("path"), str):
                    raise Garbage("snapshot: needs `id` and `path`")
                self._snapshots.append((peer, line))
            case "frames":
                self._pictures.adopt(peer, _readers(line, peer.take_fds()))
                log.info("pictures handed over", extra={"slots": line["slots"]})
            case "stop":  # a service manager starts a fresh one
                log.info("asked to stop")
                sys.exit(0)
            case other:
                raise Garbage(f"unknown type {other[:40]!r}")

    def _note_refusal(self, text: str) -> None:
        """Log the first refusals; a flood of them must not become a flood of log lines."""
        self._logged_refusals += 1
        if self._logged_refusals <= 20:
            log.warning("line refused", extra={"reason": text})

    # ── what people see ──────────────────────────────────────────────────────────────────────────

    def _draw(self, *, tick: bool) -> None:
        new = self._pictures.poll()
        for slot, picture in new:
            self._canvas.take(slot, picture)
        if not self._repaint(tick=tick):
            fresh = {slot for slot, _ in new}
            for hole in self._holes():
                if hole.slot in fresh:
                    self._canvas.paint_picture(hole)
                    self._window.present(self._canvas.surface, hole.rect)
        visible = {hole.slot for hole in self._holes()}
        for slot, _ in new:
            if slot in visible:
                self._pictures.count(slot)

    def _repaint(self, *, tick: bool) -> bool:
        """Paint the whole screen if anything but a picture is different; True when it was."""
        live = self._pictures.live()
        if not (tick or self._changed or self._window.redraw or live != self._live):
            return False
        scene = self._compose(live)
        same = scene == self._scene and not self._window.redraw
        self._live, self._scene, self._changed, self._window.redraw = live, scene, False, False
        if same:
            return False
        self._canvas.paint(scene)
        self._window.present(self._canvas.surface)
        return True

    def _compose(self, live: tuple[bool, ...]) -> Scene:
        canvas = self._canvas
        now = datetime.now(UTC)
        if self._show is not None:  # a clock that is known to be wrong is not shown
            now -= timedelta(seconds=self._show.clock_ahead_s)
        return compose(
            self._show, now, live, width=canvas.width, height=canvas.height, measure=canvas.measure
        )

    def _holes(self) -> list[Hole]:
        return [element for element in self._scene if isinstance(element, Hole)]

    def _adapt_to_display(self) -> None:
        if self._window.open():
            self._window.pump()
        size = self._window.canvas_size()
        if size != (self._canvas.width, self._canvas.height):
            self._canvas.close()
            self._canvas = Canvas(*size, fonts=self._fonts)
            self._window.redraw = True
            log.info("display size", extra={"width": size[0], "height": size[1]})

    def _patience(self) -> float:
        """Seconds to wait: until the next tick; in a meeting with pictures only until the next look."""
        watching = self._show is not None and self._show.view is View.MEETING and self._pictures.connected
        until = min(self._next_tick, self._next_look) if watching else self._next_tick
        return max(0.0, until - time.monotonic())

    # ── answers ──────────────────────────────────────────────────────────────────────────────────

    def _snapshot(self, line: Line) -> Line:
        answer: Line = {
            "type": "snapshot",
            "id": line["id"],
            "ok": True,
            "width": self._canvas.width,
            "height": self._canvas.height,
            "error": "",
        }
        try:
            save(Path(line["path"]), self._canvas.snapshot())
        except (OSError, ValueError) as error:
            answer.update(ok=False, error=f"cannot write the picture: {error}")
            log.warning("snapshot failed", extra={"reason": str(error)})
        return answer

    def _report(self) -> None:
        """Send `stats` to everybody but the media processes, who read nothing."""
        refused = self._connections.refused.copy()
        if self._pictures.refused:
            refused["picture"] = self._pictures.refused
        slots = [{"site": site, "frames_shown": shown} for site, shown in self._pictures.shown()]
        for peer in list(self._connections.peers):
            if not self._pictures.comes_from(peer):
                self._connections.send(peer, {"type": "stats", "slots": slots, "refused": dict(refused)})


def _readers(line: Line, fds: list[int]) -> list[FrameReader]:
    """Open the buffers of a `frames` line. Raises :class:`Garbage` and closes every one if one is bad."""
    wanted = line.get("slots")
    readers: list[FrameReader] = []
    try:
        if not isinstance(wanted, int) or isinstance(wanted, bool) or not 1 <= wanted <= MAX_SLOTS:
            raise Garbage(f"frames: slots must be 1 to {MAX_SLOTS}")
        if len(fds) != wanted:
            raise Garbage(f"frames: {wanted} slots but {len(fds)} descriptors")
        while fds:
            readers.append(FrameReader(fds.pop(0)))
    except (ValueError, OSError) as error:
        for fd in fds:
            os.close(fd)
        for reader in readers:
            reader.close()
        raise Garbage(f"frames: {error}") from None
    return readers
