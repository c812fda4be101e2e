"""Healthy halls of all kinds, and a check of each through the code that measures in a unit.

Nothing here says what is right or wrong: each hall is light and noise of a sensor, sounds and echoes of
a room, registers of a machine, words of a television and how late it says them. A third are hard: dark, still
and empty, noisy, with a slow television.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from diemcau_agent.drivers.microphones import RATE_HZ
from diemcau_wire.messages import DesiredConfig

from tests.unit.test_edid import block

from . import sounds_of_halls
from .hall_in_process import HallInProcess, empty, kernel

Json = dict[str, Any]
Chance = np.random.Generator
HARD = ("dark", "still", "noisy", "slow television")
VIDEO = {"width": 320, "height": 180, "fps": 15}


def hall(
    folder: Path, number: int, kind: str, *, seed: int, clock: Json, check_room: Json | None
) -> HallInProcess:
    """Hall `number`, the same for the same seed. `clock` is a way to a web server that says the time."""
    chance = np.random.default_rng((seed, number))
    empty(folder)
    if clock:
        shutil.copy(clock["ca"], folder / "state" / "identity" / "ca.crt")
    _write(folder, "camera", _camera(chance, kind))
    _write(folder, "speaker", {"volume_percent": int(chance.integers(40, 101)), "buffer_ms": 450})
    _write(folder, "microphone", _microphone(chance, kind, folder))
    told = kind == "slow television" and chance.random() < 0.6
    _write(folder, "television", _television(chance, kind, told=told))
    _machine(chance, folder)
    config = DesiredConfig.model_validate(
        {
            **{"unit": "u3f9a01c77b2e", "epoch": 1, "rev": 1, "site": {"id": "a", "name": f"Xã {number}"}},
            "camera": {"source": f"fake:{folder / 'camera.json'}"},
            "microphone": {"source": f"fake:{folder / 'microphone.json'}"},
            "sound": {"output": f"fake:{folder / 'speaker.json'}"},
            "television": {"control": f"fake:{folder / 'television.json'}"},
            "checks": {"tone": True},
            "video": VIDEO,
            "upload": {"url": clock["url"], "token": "token-of-this-test-unit"} if clock else None,
            "check_room": check_room,
        }
    )
    return HallInProcess(
        folder,
        kind,
        config,
        linked_after_s=float(chance.choice([0.0, 0.0, 0.0, 2.0])),
        screen_after_s=float(chance.uniform(0, 2.0)),
        rtt_ms=float(chance.uniform(5, 900 if kind != "ordinary" else 250)),
        television_told=told,
    )


def _write(folder: Path, device: str, effects: Json) -> None:
    (folder / f"{device}.json").write_text(json.dumps(effects))


def _camera(chance: Chance, kind: str) -> Json:
    """Light, contrast and noise of the sensor; whether it codes; how long it takes to open and to settle."""
    seen = {
        "luma": chance.uniform(70, 170),
        "contrast": chance.uniform(30, 90),
        "noise": chance.uniform(0.6, 3),
    }
    if kind == "dark":  # curtains closed, lamps off: what light there is lies somewhere
        seen = {
            "luma": chance.uniform(18, 30),
            "contrast": chance.uniform(6, 14),
            "noise": chance.uniform(0.8, 5),
        }
    elif kind == "still":  # even light, nobody there, and a sensor with next to no noise
        seen["noise"] = chance.uniform(0.3, 0.8)
    moves = bool(kind == "ordinary" and chance.random() < 0.25)
    effects = {key: round(float(value), 2) for key, value in seen.items()}
    effects |= {
        "width": 320,
        "height": 180,
        "fps": float(chance.choice([8, 10, 12, 15])),
        "moves": moves,
        "flicker": round(float(chance.choice([0, 0, 0.15])), 2),
        "settles_s": round(float(chance.choice([0, 0, 0.5, 1.0])), 2),
        "delay_s": round(float(chance.uniform(0, 2.5)), 2),
    }
    if chance.random() < 0.4:  # it codes itself, and where little happens its coder takes the noise away
        gop_s, crf = float(chance.choice([0.5, 1, 2])), float(chance.integers(20, 33))
        effects |= {"codec": "h264", "gop_s": gop_s, "crf": crf}
    return effects


def _microphone(chance: Chance, kind: str, folder: Path) -> Json:
    """Its own noise, what is heard besides, and the way of the tone through the room and back."""
    effects: Json = {
        "noise_db": round(float(chance.uniform(-78, -58)), 1),
        "volume_percent": int(chance.integers(45, 101)),
        "hears": str(folder / "speaker.json"),
        "gain_db": round(float(chance.uniform(-26, -6)), 1),
        "delay_ms": round(float(chance.uniform(70, 280)), 1),
        "echoes": sounds_of_halls.reverberation(chance, seconds=float(chance.uniform(0.4, 2.2))),
        "rate_hz": int(chance.choice([48_000, 48_000, 48_000, 16_000])),
    }
    besides = sounds_of_halls.noisy(chance) if kind == "noisy" else sounds_of_halls.calm(chance)
    path = folder / "besides.s16"
    np.clip(np.round(besides * 32768), -32768, 32767).astype("<i2").tofile(path)
    assert besides.size >= 2 * RATE_HZ
    return effects | {"plays": str(path)}


def _television(chance: Chance, kind: str, *, told: bool) -> Json:
    """On and ours. A slow one is long over each answer; one that was just told says its old state a while."""
    if kind != "slow television":
        return {"power": "on", "tells_input": bool(chance.random() < 0.7)}
    slow = {"hang_s": round(float(chance.uniform(0.2, 1.5)), 2), "tells_input": bool(chance.random() < 0.7)}
    if told:
        return slow | {"power": "standby", "lag_s": round(float(chance.uniform(3, 12)), 1)}
    return slow | {"power": "on"}


def _machine(chance: Chance, folder: Path) -> None:
    """What the kernel says of it."""
    kernel(
        folder,
        {
            "class/thermal/thermal_zone0/temp": f"{int(chance.uniform(35_000, 78_000))}\n",
            "class/thermal/thermal_zone1/temp": f"{int(chance.uniform(30_000, 60_000))}\n",
            "class/hwmon/hwmon3/name": "rpi_volt\n",
            "class/hwmon/hwmon3/in0_lcrit_alarm": "0\n",
            "class/net/eth0/carrier": "1\n",
            "class/net/eth0/device/vendor": "0x14e4\n",
            "class/drm/card0-HDMI-A-1/status": "connected\n",
            "class/drm/card0-HDMI-A-1/edid": block(),
            "class/drm/card0-HDMI-A-2/status": "disconnected\n",
        },
    )
