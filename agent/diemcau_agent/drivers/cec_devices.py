"""What is at the other end of the HDMI cables, as their CEC adapters tell it."""

from __future__ import annotations

import logging
import re
from pathlib import Path

from diemcau_wire.messages import Device

from .cec import OUR_NAME, osd_name
from .cec_adapter import NOWHERE, ROOT, TELEVISION, Answer, CecAdapter, Opcode
from .found import Found
from .televisions import TelevisionLost

log = logging.getLogger(__name__)

_DEV, _BUS = Path("/dev"), Path("/sys/bus/cec/devices")
_PORT = re.compile(r"\d+-\d+(\.\d+)*")  # how the kernel names a USB device by where it is plugged in


def find() -> list[Found]:
    """Every adapter with a television on it; one that cannot be asked is left out. Blocks 3 s for each."""
    found = []
    for node in _nodes():
        try:
            adapter = CecAdapter(str(node))
        except OSError as error:
            log.info("CEC adapter left out", extra={"node": str(node), "reason": str(error)})
            continue
        try:
            where = adapter.physical_address()
            if where not in (ROOT, NOWHERE):
                found.append(_television(node, adapter, where))
        except OSError as error:
            log.info("CEC adapter left out", extra={"node": str(node), "reason": str(error)})
        finally:
            adapter.close()
    return found


def node_of(identity: str) -> str:
    """The device node of an adapter; with "" the first one a television is plugged into, or any. A path
    is one already. Raises :class:`TelevisionLost`."""
    if identity.startswith("/"):
        return identity
    others = []
    for node in _nodes():
        try:
            adapter = CecAdapter(str(node))
        except OSError:
            continue
        try:
            if identity:
                if identity == lasting(node, adapter.name):
                    return str(node)
            elif (where := adapter.physical_address()) not in (ROOT, NOWHERE):
                return str(node)
            elif where == NOWHERE:
                others.append(str(node))
        except OSError:
            continue
        finally:
            adapter.close()
    if others:
        return others[0]
    raise TelevisionLost(f"no CEC adapter {identity or 'at all'}", "missing")


def lasting(node: Path, name: str) -> str:
    """The identity of an adapter: the HDMI port it belongs to, which no order of starting changes; of one
    on USB the socket it is plugged into. `name` tells the adapters of one port's driver apart."""
    try:
        device = (_BUS / node.name).resolve(strict=True).parent
    except OSError:
        return node.name
    usb = [part for part in device.parts if _PORT.fullmatch(part)]
    parts = ("usb", usb[-1]) if usb else (device.name, name)
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", "-".join(part for part in parts if part))


def physical(address: int) -> str:
    """A physical address as it is written: "2.0.0.0"."""
    return ".".join(f"{address >> shift & 0xF}" for shift in (12, 8, 4, 0))


def _television(node: Path, adapter: CecAdapter, where: int) -> Found:
    adapter.claim(OUR_NAME)
    name = osd_name(_asked(adapter, Opcode.GIVE_OSD_NAME, Opcode.SET_OSD_NAME))
    vendor = _asked(adapter, Opcode.GIVE_DEVICE_VENDOR_ID, Opcode.DEVICE_VENDOR_ID).body
    details: dict[str, object] = {"input": physical(where), "adapter": adapter.driver}
    if name:
        details["name"] = name
    if len(vendor) == 4:
        details["vendor"] = vendor[1:].hex()  # an IEEE OUI
    return Found(
        Device.TELEVISION, f"cec:{lasting(node, adapter.name)}", name or "HDMI-CEC", str(node), details
    )


def _asked(adapter: CecAdapter, question: Opcode, reply: Opcode) -> Answer:
    return adapter.send(TELEVISION, question, reply=reply)


def _nodes() -> list[Path]:
    return sorted(_DEV.glob("cec[0-9]*"), key=lambda node: int(node.name.removeprefix("cec")))
