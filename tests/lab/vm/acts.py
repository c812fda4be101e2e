"""How faults come about in the guest and go away again, below the agent's drivers.

Nothing here tells the agent anything: a device is unbound, a register turned, a process stopped.
"""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Callable

from tests.lab.film import film_of_two_sizes
from tests.lab.rtsp_peer import RtspPeer

from .guest import GuestFailed
from .real_hall import AIR_SERVICE, CAMERA, DEVICES, RealHall

Act = Callable[[RealHall], object]

PULSE = "runuser -u diemcau-unit -- env PULSE_SERVER=unix:/run/diemcau-sound/native pactl"
SOURCE = DEVICES["microphone"].removeprefix("pulse:")
SINK = DEVICES["sound"].removeprefix("pulse:")
SENSORS = "/run/lab-sys/class"
STATE = "/var/lib/diemcau-agent"
TV = (
    'for d in /dev/cec*; do cec-ctl -d $d 2>/dev/null | grep -q "Adapter Name.*vid-cap" && tv=$d || unit=$d;'
    " done;"
)


def sh(command: str, limit_s: float = 120) -> Act:
    """Run this in the guest."""
    return lambda hall: hall.guest.run(command, limit_s=limit_s)


def then(*acts: Act) -> Act:
    """One after the other."""

    def act(hall: RealHall) -> None:
        for one in acts:
            one(hall)

    return act


def once(said: str, act: Act) -> Act:
    """Beside everything else: as soon as the unit's log says this, do something, unless the round is over."""
    log = "timeout 400 journalctl -f -n 0 -u diemcau-unit"

    def begin(hall: RealHall) -> None:
        listening = hall.guest.begin(f"bash -c 'grep -m 1 -q {said} <({log})'")
        hall.hands.append(listening)

        def wait() -> None:
            if listening.wait() != 0:
                return
            try:
                act(hall)
            except (GuestFailed, OSError) as failed:
                print(f"    (not done at {said}: {failed})", flush=True)

        threading.Thread(target=wait, name=said, daemon=True).start()

    return begin


def let_be(hall: RealHall) -> None:
    """The round is over: what waits for something waits no longer."""
    while hall.hands:
        hall.hands.pop().kill()


# ── camera ───────────────────────────────────────────────────────────────────────────────────────

RED, BLACK, BARS = 7, 5, 0  # vivid's patterns
VIVID = "/sys/bus/platform/drivers/vivid"
UNPLUG_CAMERA = sh(  # with the television, which is the same driver's
    f"systemctl stop lab-television; echo vivid.0 >{VIVID}/unbind; udevadm settle; test ! -e {CAMERA}"
)
PLUG_CAMERA = sh(
    f"[ -e {VIVID}/vivid.0 ] || echo vivid.0 >{VIVID}/bind; udevadm settle; "
    f"for i in $(seq 30); do [ -e {CAMERA} ] && break; sleep 1; done; "
    "systemctl reset-failed lab-television; systemctl restart lab-television; sleep 3"
)
HOLD_CAMERA = sh(
    f"setsid v4l2-ctl -d {CAMERA} --stream-mmap --stream-count=100000 >/dev/null 2>&1 </dev/null & "
    "echo $! >/run/holder; sleep 2"
)
RELEASE_CAMERA = sh("kill $(cat /run/holder) 2>/dev/null; sleep 1")


def picture(**controls: int) -> Act:
    """Turn the camera's knobs."""
    return lambda hall: hall.camera_control(**controls)


class NetworkCamera:
    """A camera in the hall's network in place of the real one, by RTSP."""

    def __init__(self, user: str, *options: str, film: bool = False) -> None:
        self._user, self._options, self._film = user, options, film
        self._peer: RtspPeer | None = None

    def plug(self, hall: RealHall) -> None:
        """It is there, and configured for the site."""
        options = list(self._options)
        if self._film:
            options += ["--file", str(film_of_two_sizes(hall.stage.root / "film.h264"))]
        self._peer = RtspPeer(*options)
        self._peer.__enter__()
        hall.configure(camera=self._peer.url.replace("rtsp://", f"rtsp://{self._user}"))

    def unplug(self, hall: RealHall) -> None:
        """The site has its own camera back."""
        hall.configure(camera=DEVICES["camera"])
        if self._peer is not None:
            self._peer.__exit__()


# ── sound ────────────────────────────────────────────────────────────────────────────────────────


def air(**setting: float) -> Act:
    """What is between loudspeaker and microphone; nothing given: a quiet hall."""
    return lambda hall: hall.air(**setting)


ALOOP = "/sys/bus/platform/drivers/snd_aloop"
UNPLUG_SOUND = sh(  # the kernel waits in `unbind` until the sound server has let go
    f"systemctl stop {AIR_SERVICE}; "
    f"setsid sh -c 'echo snd_aloop.0 >{ALOOP}/unbind' >/dev/null 2>&1 </dev/null & "
    f"for i in $(seq 40); do {PULSE} list short sources | grep -q aloop || exit 0; sleep 1; done; exit 1"
)
PLUG_SOUND = sh(
    f"for i in $(seq 20); do [ -e {ALOOP}/snd_aloop.0 ] || break; sleep 1; done; "
    f"echo snd_aloop.0 >{ALOOP}/bind; "
    f"for i in $(seq 40); do {PULSE} list short sources | grep -q aloop && break; sleep 1; done; "
    f"systemctl start {AIR_SERVICE}; sleep 3",
    200,
)
# who begins to record finds himself at another microphone
LEAD_ASTRAY = then(
    sh(f"{PULSE} load-module module-null-sink sink_name=other >/run/other"),
    sh(
        "setsid runuser -u diemcau-unit -- /opt/lab/astray.sh other.monitor >/dev/null 2>&1 </dev/null & "
        "echo $! >/run/astray; sleep 4"
    ),
)
LEAD_BACK = sh(f"kill -- -$(cat /run/astray); {PULSE} unload-module $(cat /run/other)")
TELEPHONE_QUALITY = "lab_16k"


def _plug_16k(hall: RealHall) -> None:
    made = f"module-remap-source source_name={TELEPHONE_QUALITY} master={SOURCE} rate=16000 channels=1"
    hall.guest.run(f"{PULSE} load-module {made} source_properties=device.class=sound >/run/16k")
    hall.configure(microphone=f"pulse:{TELEPHONE_QUALITY}")


def _unplug_16k(hall: RealHall) -> None:
    hall.configure(microphone=DEVICES["microphone"])
    hall.guest.run(f"{PULSE} unload-module $(cat /run/16k)")


PLUG_16K: Act = _plug_16k
UNPLUG_16K: Act = _unplug_16k

# ── television and screen ────────────────────────────────────────────────────────────────────────

STANDBY = sh(f"{TV} cec-ctl -d $unit --to 0 --standby >/dev/null; sleep 2")
# the unit gives a television that it turned on back to standby, and forgets that it did
AWAKE = sh(
    f"for i in $(seq 40); do [ -e {STATE}/run/television_on ] || break; sleep 1; done; "
    f"{TV} cec-ctl -d $unit --to 0 --image-view-on >/dev/null || true"
)
OTHER_INPUT = sh(  # what a television says whose viewer pressed another button; it is on for good after 8 s
    f"{TV} cec-ctl -d $unit --to 0 --image-view-on >/dev/null; sleep 10; "
    "for i in 1 2; do cec-ctl -d $tv --to 15 --active-source phys-addr=0.0.0.0; sleep 1; done"
)
SWITCH_OFF_CEC = sh(f"systemctl stop lab-television; {TV} cec-ctl -d $tv --clear >/dev/null")
NEW_TELEVISION = sh("systemctl restart lab-television; sleep 3")
CONNECTOR, DEBUG = "/sys/class/drm/card0-Virtual-1", "/sys/kernel/debug/dri/0/Virtual-1"
DRAWS = "for i in $(seq 90); do systemctl -q is-active diemcau-screen && break; sleep 1; done"
_KEEP_EDID = f"[ -s /run/edid ] || cat {CONNECTOR}/edid >/run/edid; "  # as it was the first time
_GIVE_EDID = f"dd if=/run/edid of={DEBUG}/edid_override bs=4096 status=none"
UNPLUG_SCREEN = sh(
    f"{_KEEP_EDID} echo off >{CONNECTOR}/status; sleep 3; grep -qx disconnected {CONNECTOR}/status"
)
PLUG_SCREEN = sh(  # virtio-gpu does not ask a display that was away what it is
    f"echo detect >{CONNECTOR}/status; {_GIVE_EDID}; sleep 3; {DRAWS}", 200
)
GARBLE_EDID = sh(  # in one piece
    f"{_KEEP_EDID} "
    f"(printf '%0126d' 0; printf '\\0x') | dd of={DEBUG}/edid_override bs=128 iflag=fullblock status=none"
)
CLEAR_EDID = sh(_GIVE_EDID)
KILL_SCREEN = sh(  # and nobody asks for anything until another one draws
    "was=$(systemctl show -p MainPID --value diemcau-screen); systemctl kill --signal=KILL diemcau-screen; "
    f"sleep 1; {DRAWS}; test $(systemctl show -p MainPID --value diemcau-screen) != $was",
    200,
)

# ── the machine and its processes ────────────────────────────────────────────────────────────────

HEAT, COOL = (sh(f"echo {heat} >{SENSORS}/thermal/thermal_zone0/temp") for heat in (91000, 52000))
WEAK, STRONG = (sh(f"echo {alarm} >{SENSORS}/hwmon/hwmon0/in0_lcrit_alarm") for alarm in (1, 0))
# an outbox set aside as corrupt once, and never looked at again
FILL_DISK = sh(
    f"cd {STATE}; fallocate -l $(( $(stat -f -c %a .) * $(stat -f -c %S .) - (20 << 20) )) "
    "outbox.sqlite.corrupt-1; chown diemcau-unit: outbox.sqlite.corrupt-1"
)
EMPTY_DISK = sh(f"rm -f {STATE}/outbox.sqlite.corrupt-1")
LOSE_TIME = sh("systemctl stop systemd-timesyncd; date -s '-1 hour' >/dev/null")
FIND_TIME = sh("systemctl restart systemd-timesyncd; sleep 5")
HANG_MEDIA = sh(  # as soon as it has the camera open
    "setsid bash -c 'for i in $(seq 300); do p=$(pgrep -n -f [d]iemcau_agent.media) "
    "&& ls -l /proc/$p/fd | grep -q /dev/video && kill -STOP $p && echo $p >/run/hung && exit; "
    "sleep 0.4; done' >/dev/null 2>&1 </dev/null & echo $! >/run/stopper; sleep 1"
)
END_HUNG = sh(
    "kill -- -$(cat /run/stopper); [ ! -e /run/hung ] || kill -KILL $(cat /run/hung); rm -f /run/hung", 60
)

# ── the line, and what is at its other end ───────────────────────────────────────────────────────


def outside(service: str, number: signal.Signals) -> Act:
    """Signal the broker or Janus, which run outside."""

    def act(hall: RealHall) -> None:
        found = json.loads((hall.stage.root / "run/launcher.json").read_text())
        os.kill(int(found["children"][service]["pid"]), number)

    return act


def cable(state: str) -> Act:
    """Pull the network cable: QEMU takes the carrier away."""
    return lambda hall: hall.guest.qmp("set_link", {"name": "uplink", "up": state == "up"})


def linked(hall: RealHall) -> None:
    """Wait for the unit to be back at its broker."""
    hall.until(lambda: hall.status()["link"], 180, "the unit does not come back to its broker")


def cut_off(hall: RealHall) -> None:
    """Wait for the unit to notice that its broker is gone."""
    hall.until(lambda: not hall.status()["link"], 120, "the unit does not notice that its broker is gone")
