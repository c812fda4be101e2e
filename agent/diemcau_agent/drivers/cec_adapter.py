"""An HDMI-CEC adapter of the kernel: /dev/cec*, by ioctl.

Layouts and numbers are those of linux/cec.h (kernel documentation, "CEC Kernel Support"); what goes over
the wire is HDMI 1.4, supplement 1 (CEC). A message is bytes: from and to in one, then opcode and operands.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
from dataclasses import dataclass
from enum import IntEnum

TELEVISION, BROADCAST = 0x0, 0xF
NOWHERE = 0xFFFF  # the physical address while nothing is plugged in
ROOT = 0x0000  # the physical address of a television

_MESSAGE = struct.Struct("=QQIIII16s7Bx")  # struct cec_msg
_CAPS = struct.Struct("=32s32sIII")  # struct cec_caps
_ADDRESSES = struct.Struct("=4sHBBII15s4s4s4s48sx")  # struct cec_log_addrs
_CONNECTOR = struct.Struct("=I16I")  # struct cec_connector_info


def _number(direction: int, number: int, size: int) -> int:
    """As the macro _IOC of asm-generic/ioctl.h; 1 writes, 2 reads, 3 both."""
    return direction << 30 | size << 16 | ord("a") << 8 | number


_G_CAPS = _number(3, 0, _CAPS.size)
_G_PHYS_ADDR = _number(2, 1, 2)
_G_LOG_ADDRS = _number(2, 3, _ADDRESSES.size)
_S_LOG_ADDRS = _number(3, 4, _ADDRESSES.size)
_TRANSMIT = _number(3, 5, _MESSAGE.size)
_RECEIVE = _number(3, 6, _MESSAGE.size)
_S_MODE = _number(1, 9, 4)
_G_CONNECTOR_INFO = _number(2, 10, _CONNECTOR.size)

_CAN_CLAIM, _KNOWS_CONNECTOR = 1 << 1, 1 << 8
_INITIATOR_AND_FOLLOWER = 0x11
_TX_OK, _TX_NACK = 1 << 0, 1 << 2
_RX_OK, _RX_ABORTED = 1 << 0, 1 << 2  # CEC_RX_STATUS_FEATURE_ABORT
_VERSION_1_4, _NO_VENDOR = 5, 0xFFFFFFFF
_PLAYBACK_DEVICE, _PLAYBACK_ADDRESS, _PLAYBACK_TYPES = 4, 3, 0x10
_TV_DEVICE = 0


class Opcode(IntEnum):
    """Messages used here (linux/cec.h, CEC_MSG_*)."""

    FEATURE_ABORT = 0x00
    IMAGE_VIEW_ON = 0x04
    TEXT_VIEW_ON = 0x0D
    STANDBY = 0x36
    GIVE_OSD_NAME = 0x46
    SET_OSD_NAME = 0x47
    ROUTING_CHANGE = 0x80
    ROUTING_INFORMATION = 0x81
    ACTIVE_SOURCE = 0x82
    REQUEST_ACTIVE_SOURCE = 0x85
    SET_STREAM_PATH = 0x86
    DEVICE_VENDOR_ID = 0x87
    GIVE_DEVICE_VENDOR_ID = 0x8C
    GIVE_DEVICE_POWER_STATUS = 0x8F
    REPORT_POWER_STATUS = 0x90
    INACTIVE_SOURCE = 0x9D


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a message: whether it was acknowledged, whether its opcode was refused, and the
    opcode and operands that came back, b"" for none."""

    heard: bool
    refused: bool = False
    body: bytes = b""


class CecAdapter:
    """An open adapter; messages can be sent and received by several threads. Raises OSError, whose number
    is ENONET while nothing is plugged in and ENODEV once the adapter is gone."""

    def __init__(self, node: str) -> None:
        self.node = node
        self._fd = os.open(node, os.O_RDWR | os.O_CLOEXEC)
        try:
            driver, name, _, self._capabilities, _ = _CAPS.unpack(self._ask(_G_CAPS, _CAPS.size))
        except OSError:
            os.close(self._fd)
            raise
        self.driver, self.name = _text(driver), _text(name)
        self._address = BROADCAST  # also what one without an address calls itself

    def close(self) -> None:
        """Let the adapter go. Its address on the bus stays claimed."""
        os.close(self._fd)

    def physical_address(self) -> int:
        """Where on the bus this is, 0x1000 for the television's first input; :data:`NOWHERE`."""
        address: int = struct.unpack("=H", self._ask(_G_PHYS_ADDR, 2))[0]
        return address

    def connector(self) -> tuple[int, int] | None:
        """Number of the graphics card and of its connector, where the driver knows them."""
        if not self._capabilities & _KNOWS_CONNECTOR:
            return None
        kind, card, connector, *_ = _CONNECTOR.unpack(self._ask(_G_CONNECTOR_INFO, _CONNECTOR.size))
        return (card, connector) if kind == 1 else None

    def claim(self, name: str) -> None:
        """Become a playback device called `name` (at most 14 ASCII letters), unless this adapter is one
        already. Raises OSError: ENONET when there is no television to be one for."""
        if self._read_address():
            return
        if not self._capabilities & _CAN_CLAIM:
            raise OSError(errno.ENOTSUP, "the adapter takes no address from us")
        wanted = _ADDRESSES.pack(
            b"\xff" * 4,
            0,
            _VERSION_1_4,
            1,
            _NO_VENDOR,
            0,
            name.encode("ascii", "replace")[:14],
            bytes([_PLAYBACK_DEVICE]),
            bytes([_PLAYBACK_ADDRESS]),
            bytes([_PLAYBACK_TYPES]),
            b"",
        )
        try:
            fcntl.ioctl(self._fd, _S_LOG_ADDRS, bytearray(wanted))
        except OSError as error:
            if error.errno != errno.EBUSY:  # somebody else has claimed one in the meantime
                raise
        if not self._read_address():
            raise OSError(errno.ENONET, "no address on the bus: nothing is plugged in")

    def follow(self) -> None:
        """From now on :meth:`receive` gives what is said to us and to everybody."""
        fcntl.ioctl(self._fd, _S_MODE, struct.pack("=I", _INITIATOR_AND_FOLLOWER))

    def send(self, to: int, *body: int, reply: Opcode | None = None) -> Answer:
        """Send opcode and operands in `body`; with `reply` (or FEATURE_ABORT: a refusal) wait up to 1 s
        for it. Blocks until the message is on the wire."""
        data = bytes([self._address << 4 | to, *body])
        timeout_ms = 0 if reply is None else 1000
        sent = bytearray(_MESSAGE.pack(0, 0, len(data), timeout_ms, 0, 0, data, reply or 0, *[0] * 6))
        fcntl.ioctl(self._fd, _TRANSMIT, sent)
        _, _, length, _, _, _, received, _, rx_status, tx_status, *_ = _MESSAGE.unpack(sent)
        if not tx_status & _TX_OK:
            if tx_status & _TX_NACK:
                return Answer(heard=False)
            raise OSError(errno.EIO, f"the message did not get onto the wire (status {tx_status:#x})")
        if rx_status & _RX_ABORTED:
            return Answer(heard=True, refused=True)
        return Answer(heard=True, body=received[1:length] if rx_status & _RX_OK else b"")

    def receive(self, timeout_s: float) -> tuple[int, bytes] | None:
        """The next message: who said it, opcode and operands. None when there is none within `timeout_s`."""
        message = bytearray(_MESSAGE.size)
        struct.pack_into("=I", message, 20, max(1, round(timeout_s * 1000)))
        try:
            fcntl.ioctl(self._fd, _RECEIVE, message)
        except OSError as error:
            if error.errno in (errno.ETIMEDOUT, errno.EAGAIN):
                return None
            raise
        _, _, length, _, _, _, data, *_ = _MESSAGE.unpack(message)
        return data[0] >> 4, data[1:length]

    def _read_address(self) -> bool:
        """Take over the address this adapter has; True when it has one."""
        addresses, _, _, count, _, _, _, devices, *_ = _ADDRESSES.unpack(
            self._ask(_G_LOG_ADDRS, _ADDRESSES.size)
        )
        if count and devices[0] == _TV_DEVICE:
            raise OSError(errno.ENOTSUP, "the adapter is a television's side")
        if not count or addresses[0] >= BROADCAST:
            return False
        self._address = addresses[0]
        return True

    def _ask(self, number: int, size: int) -> bytes:
        memory = bytearray(size)
        fcntl.ioctl(self._fd, number, memory)
        return bytes(memory)


def _text(field: bytes) -> str:
    return field.partition(b"\0")[0].decode("ascii", "replace")
