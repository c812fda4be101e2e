"""Faults brought about below real drivers, two and more at a time: IP cameras over RTSP, microphones and
loudspeakers of a real PulseAudio, what the kernel says, a broker that nobody reaches. All are named, what
software can mend is mended and measured again, and what the agent copes with is no fault."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from diemcau_agent.checks import FAULTS
from diemcau_wire.messages import DesiredConfig

from tests.lab.film import film_of_two_sizes
from tests.lab.rtsp_peer import RtspPeer
from tests.sound_server import NARROW_MICROPHONE, NARROW_ROOM, SPEAKER, SoundServer
from tests.stream_mover import StreamMover
from tests.unit.test_edid import block

from . import janus_for_tests
from .hall_in_process import HallInProcess, check_all, empty, kernel
from .janus_for_tests import Janus

pytestmark = pytest.mark.namespace

Json = dict[str, Any]
PASSWORD = "m%40t-khau"
CARD = "class/drm/card0-HDMI-A-1"


class Stage:
    """What halls are made of."""

    def __init__(self, folder: Path, sound: SoundServer, janus: Janus, stack: ExitStack) -> None:
        self.folder, self.sound, self.janus, self._stack = folder, sound, janus, stack
        self._noise = folder / "noise.s16"
        np.random.default_rng(1).normal(0, 60, 48_000 * 300).astype("<i2").tofile(self._noise)
        self.noise_in(NARROW_ROOM)

    def enter(self, context: AbstractContextManager[object]) -> None:
        """It stays so until all halls are checked."""
        self._stack.enter_context(context)

    def camera(self, *options: str, user: str = "") -> str:
        """An IP camera, and how it is called."""
        peer = self._stack.enter_context(RtspPeer("--width", "320", "--height", "180", *options))
        return peer.url.replace("rtsp://", f"rtsp://{user}")

    def film(self) -> str:
        """One whose picture changes its size every second."""
        film = film_of_two_sizes(self.folder / "film.h264")
        return self.camera("--fps", "5", "--sets", "inband", "--file", str(film))

    def room(self, name: str, *, noise: bool = True) -> str:
        """A microphone in a room of its own, and how it is called."""
        self.sound.pactl("load-module", "module-null-sink", f"sink_name={name}", "rate=48000", "channels=1")
        master = f"master={name}.monitor"
        properties = "source_properties=device.class=sound"
        microphone = f"alsa_input.usb-Test_{name}-00.mono"
        self.sound.pactl(
            "load-module", "module-remap-source", f"source_name={microphone}", master, properties
        )
        if noise:
            self.noise_in(name)
        return microphone

    def speaker(self, name: str, room: str, *, level_percent: int) -> str:
        """A loudspeaker that a room's microphone hears, and how it is called."""
        speaker = f"alsa_output.usb-Test_{name}-00.analog-stereo"
        properties = "sink_properties=device.class=sound"
        words = (f"sink_name={speaker}", "rate=48000", "channels=2", properties)
        self.sound.pactl("load-module", "module-null-sink", *words)
        self.sound.couple(speaker, room, level_percent=level_percent)
        return speaker

    def noise_in(self, room: str) -> None:
        """What every room has: a little."""
        self._stack.enter_context(self.sound.playing(self._noise, room))

    def hall(self, name: str, says: dict[str, str | bytes] | None = None, **settings: Json) -> HallInProcess:
        """A healthy hall but for what is set and what the kernel says."""
        folder = empty(self.folder / name)
        (folder / "state/identity/ca.crt").write_bytes(self.janus.ca.read_bytes())
        camera = folder / "camera.json"
        camera.write_text(json.dumps({"moves": False, "fps": 8, "width": 320, "height": 180}))
        kernel(folder, {f"{CARD}/status": "connected", f"{CARD}/edid": block()} | (says or {}))
        config = DesiredConfig.model_validate(
            {
                **{"unit": "u3f9a01c77b2e", "epoch": 1, "rev": 1, "site": {"id": name, "name": name}},
                "camera": {"source": f"fake:{camera}"},
                "video": {"width": 320, "height": 180, "fps": 5},
                "checks": {"tone": True},
                **settings,
            }
        )
        return HallInProcess(folder, name, config)


def refused_and_silent(stage: Stage) -> HallInProcess:
    camera = stage.camera("--user", "admin", "--password", "right", user=f"admin:{PASSWORD}@")
    microphone = stage.room("dead", noise=False)
    return stage.hall("refused", camera={"source": camera}, microphone={"source": f"pulse:{microphone}"})


def hevc_and_muted(stage: Stage) -> HallInProcess:
    microphone = stage.room("quiet")
    stage.sound.pactl("set-source-mute", microphone, "1")
    camera = stage.camera("--codec", "h265")
    return stage.hall("hevc", camera={"source": camera}, microphone={"source": f"pulse:{microphone}"})


def wrong_and_busy(stage: Stage) -> HallInProcess:
    """The sound server gives another microphone than was asked for; another program has the camera."""
    asked, given = stage.room("asked"), stage.room("given")
    stage.enter(StreamMover(stage.sound, asked, given))
    hall = stage.hall("wrong", microphone={"source": f"pulse:{asked}"})
    camera = hall.folder / "camera.json"
    camera.write_text(json.dumps({"holders": 1}))
    return hall


def unplugged_and_blind(stage: Stage) -> HallInProcess:
    """A microphone and a camera that are not there, at a display that says nothing of itself."""
    return stage.hall(
        "unplugged",
        {f"{CARD}/edid": b"", "class/thermal/thermal_zone0/temp": "90500"},
        camera={"source": "v4l2:usb-nobody_has_this-index0"},
        microphone={"source": "pulse:alsa_input.usb-nobody_has_this"},
    )


def alone(stage: Stage) -> HallInProcess:
    """The broker cannot be reached, Janus can; the mains are weak, the television's input is another."""
    television = stage.folder / "television.json"
    television.write_text(json.dumps({"power": "on", "shows": 2}))
    hall = stage.hall(
        "alone",
        {
            "class/hwmon/hwmon0/name": "rpi_volt",
            "class/hwmon/hwmon0/in0_lcrit_alarm": "1",
            "class/net/eth0/carrier": "1",
            "class/net/eth0/device/vendor": "0x14e4",
        },
        check_room=stage.janus.join,
        television={"control": f"fake:{television}"},
    )
    hall.linked_after_s = None
    return hall


def turned_down(stage: Stage) -> HallInProcess:
    """The loudspeaker works and is far too low to be heard, and the camera gives four pictures a second."""
    microphone = stage.room("hall")
    speaker = stage.speaker("Low", "hall", level_percent=60)
    stage.sound.pactl("set-sink-volume", speaker, "4%")
    hall = stage.hall(
        "low", microphone={"source": f"pulse:{microphone}"}, sound={"output": f"pulse:{speaker}"}
    )
    camera = hall.folder / "camera.json"
    camera.write_text(json.dumps(json.loads(camera.read_text()) | {"fps": 2}))
    return hall


def changing(stage: Stage) -> HallInProcess:
    """A picture that changes its size every second will do."""
    microphone = stage.room("lively")
    return stage.hall(
        "changing", camera={"source": stage.film()}, microphone={"source": f"pulse:{microphone}"}
    )


def narrow(stage: Stage) -> HallInProcess:
    """A microphone of 16 kHz will do."""
    stage.sound.couple(SPEAKER, NARROW_ROOM, level_percent=60)
    return stage.hall(
        "narrow",
        microphone={"source": f"pulse:{NARROW_MICROPHONE}"},
        sound={"output": f"pulse:{SPEAKER}"},
    )


Found = dict[str, bool | None]
HALLS: dict[str, tuple[Callable[[Stage], HallInProcess], Found]] = {
    "refused": (refused_and_silent, {"camera_refused": None, "microphone_silent": False}),
    "hevc": (hevc_and_muted, {"camera_unsupported": None, "microphone_muted": True}),
    "wrong": (wrong_and_busy, {"microphone_substituted": False, "camera_busy": False}),
    "unplugged": (
        unplugged_and_blind,
        {"camera_missing": False, "microphone_missing": False, "edid_missing": None, "hot": None},
    ),
    "alone": (alone, {"line_down": False, "television_input": True, "undervoltage": None}),
    "low": (turned_down, {"sound_not_heard": True, "camera_slow": None}),
    "changing": (changing, {}),
    "narrow": (narrow, {}),
}


@pytest.fixture(scope="module")
def halls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, HallInProcess]]:
    """Every hall after its check."""
    folder = tmp_path_factory.mktemp("below")
    with ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        sound = SoundServer(folder / "sound")
        sound.start()
        stack.callback(sound.stop)
        for name, value in sound.environment.items():
            patch.setenv(name, value)
        janus = janus_for_tests.start(folder / "janus")
        stack.callback(janus.stop)
        stage = Stage(folder, sound, janus, stack)
        made = {name: make(stage) for name, (make, _) in HALLS.items()}
        asyncio.run(check_all(list(made.values()), 4))
        yield made


@pytest.mark.parametrize("name", HALLS)
def test_all_are_named_and_what_can_be_is_mended(name: str, halls: dict[str, HallInProcess]) -> None:
    hall, expected = halls[name], HALLS[name][1]
    assert hall.named == expected, f"{hall.found}\n{hall.measured}\n{hall.tried}"
    assert set(expected) <= set(FAULTS)
    helped = {what for _, what, done in hall.tried if done}
    assert helped == {what for what, mended in expected.items() if mended}


def test_the_loudspeaker_was_heard_after_it_was_turned_up(halls: dict[str, HallInProcess]) -> None:
    low = halls["low"]
    assert ("raise_sound", "sound_not_heard", True) in low.tried
    assert low.measured["tone"]["heard"] is True and low.measured["mixer"]["sink_volume"] == 80


def test_what_the_agent_copes_with_was_really_there(halls: dict[str, HallInProcess]) -> None:
    assert halls["narrow"].measured["tone"]["heard"] is True, "through a microphone of 16 kHz"
    camera = halls["changing"].measured["camera"]
    assert camera["pictures"] > 10 and camera["codec"] == "h264"
    assert halls["alone"].measured["room"]["tone_back"] is True, "the broker alone was away"


def test_no_password_is_told(halls: dict[str, HallInProcess]) -> None:
    said = json.dumps([halls["refused"].measured, [one.text for one in halls["refused"].found]])
    assert PASSWORD not in said and "m@t-khau" not in said
