"""A television and the CEC bus to it at the level of messages: what the driver's adapter would carry."""

from __future__ import annotations

import errno
import queue
from collections import deque

from diemcau_agent.drivers.cec_adapter import BROADCAST, NOWHERE, TELEVISION, Answer, Opcode

US = 0x4
HERE, ELSEWHERE = 0x1000, 0x2000


class BusTelevision:
    """The adapter of a unit at input 1 of a television that keeps to HDMI 1.4."""

    def __init__(self) -> None:
        self.power, self.source = 1, HERE  # standby; of whom the picture would be
        self.plugged, self.answers, self.obeys = True, True, True
        self.power_after: deque[int] = deque()  # what it says first, after an order
        self.says: dict[int, Answer] = {}  # instead of the right answer
        self.refuses: set[int] = set()
        self.claimed = ""
        self.closed = False
        self.from_us: list[bytes] = []
        self._to_us: queue.Queue[tuple[int, bytes]] = queue.Queue()

    def physical_address(self) -> int:
        return HERE if self.plugged else NOWHERE

    def claim(self, name: str) -> None:
        if not self.plugged:
            raise OSError(errno.ENONET, "nothing is plugged in")
        self.claimed = name

    def follow(self) -> None:
        pass

    def receive(self, timeout_s: float) -> tuple[int, bytes] | None:
        try:
            return self._to_us.get(timeout=min(timeout_s, 0.05))
        except queue.Empty:
            return None

    def close(self) -> None:
        self.closed = True

    def say(self, *body: int, sender: int = TELEVISION) -> None:
        """Something the bus says by itself."""
        self._to_us.put((sender, bytes(body)))

    def show_elsewhere(self) -> None:
        """Somebody changes the input with the remote control."""
        self.source = ELSEWHERE
        self.say(Opcode.ROUTING_CHANGE, *HERE.to_bytes(2, "big"), *ELSEWHERE.to_bytes(2, "big"))

    def send(self, to: int, *body: int, reply: Opcode | None = None) -> Answer:
        if not self.plugged:
            raise OSError(errno.ENONET, "nothing is plugged in")
        self.from_us.append(bytes(body))
        if not self.answers:
            return Answer(heard=to == BROADCAST)
        opcode = body[0]
        if opcode in self.refuses:
            return Answer(heard=True, refused=True)
        if opcode in self.says:
            return self.says[opcode]
        match opcode:
            case Opcode.GIVE_DEVICE_POWER_STATUS:
                now = self.power_after.popleft() if self.power_after else self.power
                return Answer(True, body=bytes([Opcode.REPORT_POWER_STATUS, now]))
            case Opcode.GIVE_OSD_NAME:
                return Answer(True, body=bytes([Opcode.SET_OSD_NAME]) + b"TV")
            case Opcode.REQUEST_ACTIVE_SOURCE if self.source == ELSEWHERE:
                self.say(Opcode.ACTIVE_SOURCE, *ELSEWHERE.to_bytes(2, "big"), sender=8)
            case Opcode.IMAGE_VIEW_ON | Opcode.TEXT_VIEW_ON if self.obeys:
                self.power = 0
            case Opcode.ACTIVE_SOURCE if self.obeys:
                self.source = int.from_bytes(bytes(body[1:3]), "big")
            case Opcode.STANDBY if self.obeys:
                self.power = 1
        return Answer(heard=True)
