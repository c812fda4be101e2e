"""A real PulseAudio for tests: no sound card, but loudspeakers, microphones, and the air between them.

Its loudspeakers are null sinks; its microphones hear a null sink, `room`, into which tests play noise and a
loudspeaker can be led, some decibels lower. It runs in a folder of its own and ends with `stop()`.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from diemcau_agent.lifetime import die_with_parent

SPEAKER, OTHER_SPEAKER = (
    "alsa_output.usb-Test_Speaker_S1-00.analog-stereo",
    "alsa_output.usb-Test_Other_S2-00",
)
MICROPHONE, OTHER_MICROPHONE = "alsa_input.usb-Test_Mic_M1-00.mono", "alsa_input.usb-Test_Other_M2-00"
NARROW_MICROPHONE = "alsa_input.usb-Test_Narrow_M3-00.mono"  # 16 kHz
ROOM, NARROW_ROOM = "room", "room16"

_START = f"""
load-module module-native-protocol-unix socket={{socket}} auth-anonymous=1
load-module module-null-sink sink_name={ROOM} rate=48000 channels=1
load-module module-null-sink sink_name={NARROW_ROOM} rate=16000 channels=1
load-module module-rescue-streams
load-module module-always-sink
"""
_OPTIONS = (
    "--daemonize=no",
    "--use-pid-file=no",
    "--exit-idle-time=-1",
    "--disallow-exit",
    "--realtime=no",
    "--high-priority=no",
)


class SoundServer:
    """PulseAudio with its socket in `folder`; `environment` is for the processes that shall use it."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self.socket = folder / "native"
        self.environment = {
            "PULSE_SERVER": f"unix:{self.socket}",
            "PULSE_RUNTIME_PATH": str(folder / "runtime"),
            "XDG_RUNTIME_DIR": str(folder),
            "HOME": str(folder),
        }
        self._process: subprocess.Popen[bytes] | None = None
        self._modules: dict[str, str] = {}

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        script = self._folder / "start.pa"
        script.write_text(_START.format(socket=self.socket))
        self.socket.unlink(missing_ok=True)
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                ["pulseaudio", "-n", "-F", str(script), *_OPTIONS],
                env={**os.environ, **self.environment, "PULSE_SERVER": ""},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=die_with_parent,
            )
        deadline = time.monotonic() + 15
        while subprocess.run(["pactl", "info"], env=self._env, capture_output=True, check=False).returncode:
            assert self._process.poll() is None, (self._folder / "log").read_text()[-2000:]
            assert time.monotonic() < deadline, "PulseAudio does not answer"
            time.sleep(0.05)
        self._modules.clear()
        for speaker in (SPEAKER, OTHER_SPEAKER):
            self.plug(speaker)
        for microphone in (MICROPHONE, OTHER_MICROPHONE, NARROW_MICROPHONE):
            self.plug(microphone)

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
            self._process = None

    def plug(self, name: str) -> None:
        """Plug a loudspeaker or microphone in."""
        words = _device(name)
        self._modules[name] = self.pactl("load-module", *words).strip()

    def unplug(self, name: str) -> None:
        self.pactl("unload-module", self._modules.pop(name))

    def couple(self, speaker: str = SPEAKER, room: str = ROOM, *, level_percent: int = 50) -> None:
        """Let the microphones hear a loudspeaker from now on."""
        self.pactl(
            "load-module", "module-loopback", f"source={speaker}.monitor", f"sink={room}", "latency_msec=40"
        )
        for line in self.pactl("list", "short", "sink-inputs").splitlines():
            index, _, _, driver, *_ = line.split("\t")
            if driver == "module-loopback.c":
                self.pactl("set-sink-input-volume", index, f"{level_percent}%")

    @contextlib.contextmanager
    def playing(self, sound: Path, sink: str = ROOM) -> Iterator[None]:
        """Play a file of 48 kHz mono s16le, such as speech or the noise of a fan."""
        words = ["pacat", "--raw", "--format=s16le", "--rate=48000", "--channels=1", f"--device={sink}"]
        process = subprocess.Popen([*words, str(sound)], env=self._env, preexec_fn=die_with_parent)
        try:
            yield
        finally:
            process.kill()
            process.wait(10)

    def listeners(self) -> list[str]:
        """Names of the sources that somebody outside the sound server records from, filters included."""
        sources = {line.split("\t")[0]: line.split("\t")[1] for line in self._short("sources")}
        found = []
        for line in self._short("source-outputs"):
            _, source, _, driver, *_ = line.split("\t")
            if driver == "protocol-native.c" or driver == "module-echo-cancel.c":
                found.append(sources[source])
        return found

    def pactl(self, *words: str) -> str:
        done = subprocess.run(
            ["pactl", *words], env=self._env, capture_output=True, text=True, timeout=10, check=False
        )
        assert done.returncode == 0, f"pactl {words}: {done.stderr}"
        return done.stdout

    @property
    def _env(self) -> dict[str, str]:
        return {**os.environ, **self.environment, "LC_ALL": "C"}

    def _short(self, kind: str) -> list[str]:
        return self.pactl("list", "short", kind).splitlines()


def _device(name: str) -> list[str]:
    if name.startswith("alsa_output"):
        properties = "sink_properties=device.class=sound"
        return ["module-null-sink", f"sink_name={name}", "rate=48000", "channels=2", properties]
    room = NARROW_ROOM if name == NARROW_MICROPHONE else ROOM
    properties = "source_properties=device.class=sound"
    return ["module-remap-source", f"source_name={name}", f"master={room}.monitor", properties]
