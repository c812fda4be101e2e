"""A television switched over HDMI-CEC, by the bus's own words (HDMI 1.4, supplement 1, CEC 13.1–13.15).

A television never says which input it shows; sources do. So the picture is ours when we told the bus that
we are the active source and nobody has said otherwise since: another source or the television's own
programme answers the question, and a change of input is announced.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import threading
import time
from collections.abc import Callable
from typing import Protocol

from .cec_adapter import BROADCAST, NOWHERE, TELEVISION, Answer, CecAdapter, Opcode
from .televisions import Power, TelevisionLost, TelevisionState

log = logging.getLogger(__name__)

OUR_NAME = "Diem Cau"
_ANSWER_S = 1.0  # a device answers within a second (CEC 9.2), if it does
_POWER = {0: Power.ON, 1: Power.STANDBY, 2: Power.TURNING_ON, 3: Power.TURNING_OFF}
_WHERE: dict[int, int] = {  # messages that say whose picture is shown, and where in them its address is
    Opcode.ACTIVE_SOURCE: 1,
    Opcode.ROUTING_CHANGE: 3,
    Opcode.ROUTING_INFORMATION: 1,
    Opcode.SET_STREAM_PATH: 1,
}


class Adapter(Protocol):
    """What is needed of :class:`CecAdapter`."""

    def physical_address(self) -> int: ...
    def claim(self, name: str) -> None: ...
    def follow(self) -> None: ...
    def send(self, to: int, *body: int, reply: Opcode | None = None) -> Answer: ...
    def receive(self, timeout_s: float) -> tuple[int, bytes] | None: ...
    def close(self) -> None: ...


class CecTelevision:
    """The television behind `adapter`, which is closed with it. A thread listens to the bus meanwhile."""

    def __init__(self, adapter: Adapter, answer_s: float = _ANSWER_S) -> None:
        self._adapter, self._answer_s = adapter, answer_s
        self._name = ""
        self._shown: int | None = None  # physical address of the active source, as far as the bus said
        self._news = 0  # how often it did
        self._heard = threading.Condition()
        self._closing = False
        try:
            self._where = self._plugged_in()
            adapter.claim(OUR_NAME)
            adapter.follow()
        except (OSError, TelevisionLost) as error:
            adapter.close()
            raise _lost(error) from error
        threading.Thread(target=self._listen, daemon=True, name="cec").start()

    def state(self) -> TelevisionState:
        """Ask for power, then who is shown. Takes up to 3 s."""
        self._check_plug()
        power = self._power()
        if power is Power.UNKNOWN:
            return TelevisionState(power, None, self._name)
        if not self._name:
            self._name = osd_name(self._send(TELEVISION, Opcode.GIVE_OSD_NAME, reply=Opcode.SET_OSD_NAME))
        return TelevisionState(power, self._ours() if power is Power.ON else None, self._name)

    def turn_on(self) -> None:
        """Image View On; Text View On for a television that refuses it."""
        self._check_plug()
        self._order(Opcode.IMAGE_VIEW_ON, Opcode.TEXT_VIEW_ON)

    def show_us(self) -> None:
        """One Touch Play: Image View On, then tell everybody that we are the active source."""
        self.turn_on()
        self._announce()

    def stand_by(self) -> None:
        """Standby, to the television alone."""
        self._check_plug()
        self._order(Opcode.STANDBY)

    def close(self) -> None:
        """Let the adapter go, within a second."""
        self._closing = True

    # ── asking and ordering ──────────────────────────────────────────────────────────────────────

    def _plugged_in(self) -> int:
        where = self._adapter.physical_address()
        if where == NOWHERE:
            raise TelevisionLost("no television is plugged in, or it does not say where", "missing")
        return where

    def _check_plug(self) -> None:
        """A television plugged in elsewhere, or again, is a new one: what was known of it is not."""
        try:
            where = self._plugged_in()
            if where != self._where:
                self._where, self._shown, self._name = where, None, ""
            self._adapter.claim(OUR_NAME)  # the kernel forgets nothing, but may not have got round to it
        except (OSError, TelevisionLost) as error:
            self._shown, self._name = None, ""
            raise _lost(error) from error

    def _power(self) -> Power:
        answer = self._send(TELEVISION, Opcode.GIVE_DEVICE_POWER_STATUS, reply=Opcode.REPORT_POWER_STATUS)
        body = answer.body
        if len(body) != 2 or body[0] != Opcode.REPORT_POWER_STATUS or body[1] not in _POWER:
            if body:
                log.warning("the television answered garbage", extra={"answer": body.hex()})
            return Power.UNKNOWN
        return _POWER[body[1]]

    def _ours(self) -> bool | None:
        """Ask whose picture is shown; silence means that what was known still holds."""
        with self._heard:
            before = self._news
        self._send(BROADCAST, Opcode.REQUEST_ACTIVE_SOURCE)
        with self._heard:
            self._heard.wait_for(lambda: self._news != before, self._answer_s)
            return None if self._shown is None else self._shown == self._where

    def _announce(self) -> None:
        self._send(BROADCAST, Opcode.ACTIVE_SOURCE, *self._where.to_bytes(2, "big"))
        self._note(self._where)

    def _note(self, shown: int | None) -> None:
        with self._heard:
            self._shown = shown
            self._news += 1
            self._heard.notify_all()

    def _order(self, *ways: Opcode) -> None:
        """Give an order in one way after the other, until one is not refused."""
        for opcode in ways:
            answer = self._send(TELEVISION, opcode, reply=Opcode.FEATURE_ABORT)
            if not answer.heard:
                raise TelevisionLost("nobody answers at the other end of the HDMI cable", "silent")
            if not answer.refused:
                return
        raise TelevisionLost("the television lets nobody else switch it", "refused")

    def _send(self, to: int, *body: int, reply: Opcode | None = None) -> Answer:
        try:
            return self._adapter.send(to, *body, reply=reply)
        except OSError as error:
            raise _lost(error) from error

    # ── listening ────────────────────────────────────────────────────────────────────────────────

    def _listen(self) -> None:
        """Until closed, or until the adapter is gone, which every later call then says."""
        try:
            while not self._closing:
                heard = self._adapter.receive(_ANSWER_S)
                if heard is not None:
                    self._on_message(*heard)
        except OSError as error:
            log.warning("the CEC adapter is gone", extra={"reason": str(error)})
            while not self._closing:  # whoever holds us finds out and closes
                time.sleep(_ANSWER_S)
        finally:
            self._adapter.close()

    def _on_message(self, sender: int, body: bytes) -> None:
        """Follow whose picture is shown, and answer what a source that is shown must answer."""
        if not body:  # somebody asks whether anybody has our address
            return
        opcode = body[0]
        at = _WHERE.get(opcode)
        if at is not None and len(body) >= at + 2:
            self._note(int.from_bytes(body[at : at + 2], "big"))
            if opcode == Opcode.SET_STREAM_PATH and self._shown == self._where:
                self._try(self._announce)
        elif opcode == Opcode.INACTIVE_SOURCE or (opcode == Opcode.STANDBY and sender == TELEVISION):
            self._note(None)
        elif opcode == Opcode.REQUEST_ACTIVE_SOURCE and self._shown == self._where:
            self._try(self._announce)
        elif opcode == Opcode.GIVE_DEVICE_POWER_STATUS:
            self._try(lambda: self._send(sender, Opcode.REPORT_POWER_STATUS, 0))

    def _try(self, answer: Callable[[], object]) -> None:
        """An answer that does not get through is asked for again."""
        with contextlib.suppress(TelevisionLost):
            answer()


def open_cec(node: str) -> CecTelevision:
    """The television at a device node. Raises :class:`TelevisionLost`."""
    try:
        adapter = CecAdapter(node)
    except OSError as error:
        raise _lost(error) from error
    return CecTelevision(adapter)


def osd_name(answer: Answer) -> str:
    """The name in a Set OSD Name message: 1 to 14 ASCII letters; "" when there is none."""
    if len(answer.body) < 2 or answer.body[0] != Opcode.SET_OSD_NAME:
        return ""
    return "".join(chr(letter) for letter in answer.body[1:15] if 0x20 <= letter < 0x7F).strip()


def _lost(error: OSError) -> TelevisionLost:
    if isinstance(error, TelevisionLost):
        return error
    why = {
        errno.ENOENT: "missing",
        errno.ENXIO: "missing",
        errno.ENONET: "missing",
        errno.EACCES: "refused",
        errno.EPERM: "refused",
        errno.ENOTSUP: "refused",
    }
    return TelevisionLost(f"HDMI-CEC: {error.strerror or error}", why.get(error.errno or 0, "lost"))
