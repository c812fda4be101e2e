"""A hall with hardware in the guest; outside it everything else: broker, Janus, controller, main hall.

Runs in a network namespace of its own; the hall's line is a TAP device there.
"""

from __future__ import annotations

import json
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from diemcau_controller.adapters.authority import Authority
from diemcau_controller.demo.halls import halls
from diemcau_controller.demo.network import Network
from diemcau_controller.demo.stage import Stage
from diemcau_controller.namespace import ADDRESS

from tests.lab.machine import until

from . import product
from .guest import FOLDER, SCREEN, Guest, GuestFailed
from .time_server import TimeServer

SITE = "xa-ea-kpam"
VIDEO = {"width": 320, "height": 180, "fps": 5, "bitrate_bps": 200_000}
CAMERA = "/dev/v4l/by-id/usb-vivid_camera_000-video-index0"
DEVICES = {
    "camera": "v4l2:usb-vivid_camera_000-video-index0",
    "microphone": "pulse:alsa_input.platform-snd_aloop.0.analog-stereo",
    "echo_cancellation": False,
    "sound": "pulse:alsa_output.platform-snd_aloop.0.analog-stereo",
    "television": "cec",
    "buttons": "none",
    "morning_at": None,
}
GATEWAY = "203.0.113.1"  # of the guest's line: this side
CHECK_LIMIT_S = 300.0
REST_S = 9.0  # more than a device that was plugged in is given to settle
PORT = 2223
AIR, AIR_SERVICE = "/run/lab-air.json", "lab-air"


class RealHall:
    """The guest as the hall of a site, and the stage it acts on."""

    def __init__(self, stage: Stage, guest: Guest) -> None:
        self.stage, self.guest = stage, guest
        self.hands: list[subprocess.Popen[bytes]] = []  # what waits for something to be done (acts.once)

    def ask(self, request: str, limit_s: float) -> dict[str, Any]:
        """Ask the unit process. Raises :class:`GuestFailed` when it says nothing."""
        said = self.guest.run(f"python3 /opt/lab/ask.py {request} {limit_s:.0f}", limit_s=limit_s + 20)
        try:
            return dict(json.loads(said))
        except ValueError:
            raise GuestFailed(f"no answer to {request}: {said[-300:]!r}") from None

    def status(self) -> dict[str, Any]:
        """What the unit says of itself."""
        return self.ask("status", 30)

    def at_rest(self) -> None:
        """Wait until nothing goes on: a device that was plugged in again brings a check of its own, some
        seconds after. Raises :class:`GuestFailed`."""
        quiet_s: list[float] = []

        def rests() -> bool:
            status = self.status()
            told = status["outbox"]["pending"] == 0  # what an earlier check found is not taken for this one's
            quiet = status["session"]["state"] == "idle" and not status["checking"] and told
            quiet_s.append(time.monotonic())
            if not quiet:
                quiet_s.clear()
            return quiet and quiet_s[-1] - quiet_s[0] > REST_S

        self.until(rests, CHECK_LIMIT_S, "the hall does not come to rest")

    def preflight(self) -> dict[str, Any]:
        """Check the room now; gives the verdict and what was found."""
        began = time.monotonic()
        said = self.ask("preflight", CHECK_LIMIT_S)
        if said.get("ok") is not True:
            raise GuestFailed(f"no verdict: {said.get('error')}")
        return {**said, "took_s": round(time.monotonic() - began)}

    def configure(self, **settings: object) -> None:
        """Change the site's settings at the controller, and wait until the unit has them."""
        self.stage.api.patch(f"/api/v1/sites/{SITE}", settings)
        self.until(self.settled, 150, f"the unit does not take {', '.join(settings)}")

    def air(self, **setting: float) -> None:
        """What is between loudspeaker and microphone (`inside/cable.py`); nothing given: a quiet hall."""
        self.guest.write(AIR, json.dumps(setting))

    def camera_control(self, **controls: int) -> None:
        """Turn knobs of the camera."""
        wanted = ",".join(f"{name}={value}" for name, value in controls.items())
        self.guest.run(f"v4l2-ctl -d {CAMERA} --set-ctrl {wanted}")

    def log(self, lines: int = 400) -> str:
        """What the services wrote."""
        return self.guest.run(
            f"journalctl -b --no-pager -o short-precise -u 'diemcau*' -n {lines}", check=False
        )

    def until(self, reached: Callable[[], Any], seconds: float, failure: str) -> Any:
        """Wait until `reached` gives something true, and give that. Raises :class:`GuestFailed`."""
        return until(self.stage, reached, seconds, failure, GuestFailed)

    def settled(self) -> bool:
        """True when the controller knows that the guest runs its configuration and schedule."""
        unit = self.stage.api.get(f"/api/v1/sites/{SITE}")["unit"]
        return unit["status"] == "online" and all(
            unit[document]["reported"] == unit[document]["desired"] is not None
            for document in ("config", "schedule")
        )


@contextmanager
def real_hall(folder: Path) -> Iterator[RealHall]:
    """Everything up: the guest's unit online at the controller, running its configuration."""
    _line()
    guest = Guest(FOLDER / "hall", port=PORT, uplink="hall0")
    page = socket.create_server(("127.0.0.1", 0))
    main, other = halls({}, {})[:2]
    guest_hall = replace(other, camera=DEVICES["camera"], microphone=DEVICES["microphone"])
    try:
        with (
            page,
            TimeServer(GATEWAY),
            Stage(folder, [main], Network(ADDRESS, page), (), video=VIDEO) as stage,
        ):
            stage.start_services(time.monotonic() + 120)
            stage.add_sites()
            identity = _add_guest(stage, guest_hall.area)
            print("  the guest boots", flush=True)
            guest.start()
            print("  the agent is installed in it", flush=True)
            product.install(guest)
            product.give_identity(guest, identity)
            hall = RealHall(stage, guest)
            hall.air()
            product.start(guest)
            guest.run(f"systemctl start --no-block {AIR_SERVICE}")
            stage.start_units(time.monotonic() + 120)
            stage.halls.append(guest_hall)
            hall.until(hall.settled, 240, "the guest's unit does not run its configuration")
            yield hall
    finally:
        guest.stop()


def _line() -> None:
    """The TAP device the guest's line is plugged into, on one bridge with the services' own address.

    Janus binds its sockets to the device of its address, so routing between two would not reach it.
    """
    for arguments in (
        ("link", "add", "line0", "type", "bridge"),
        ("tuntap", "add", "dev", "hall0", "mode", "tap"),
        ("link", "set", "hall0", "master", "line0", "up"),
        ("link", "set", "dc1", "master", "line0"),
        ("address", "add", f"{GATEWAY}/24", "dev", "dc0"),
        ("link", "set", "line0", "up"),
    ):
        subprocess.run(["ip", *arguments], check=True)
    # only the device that has an address answers for it
    Path("/proc/sys/net/ipv4/conf/all/arp_ignore").write_text("1")


def _add_guest(stage: Stage, area: str) -> Path:
    """Tell the controller of the site in the guest; gives the folder with its unit's identity."""
    stage.api.post(
        "/api/v1/sites",
        {
            "id": SITE,
            "name": "Hội trường xã Ea Kpam",
            "contacts": [{"name": "H'Linh Niê", "phone": "0262 3 834 002"}],
            "video": VIDEO,
            "screen": {"width": SCREEN[0], "height": SCREEN[1]},
            **DEVICES,
        },
    )
    identity = stage.unit_folder(SITE) / "identity"
    state = stage._state
    unit = Authority(state.authority).new_unit_identity(identity, stage.network.address, stage._mqtt)
    stage.api.post("/api/v1/units", {"id": unit, "site": SITE})
    return identity
