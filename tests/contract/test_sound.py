"""What every microphone and loudspeaker does: the sound server's, on a real PulseAudio, and the fake ones."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pytest
from diemcau_agent.drivers import pactl, pulse_devices, sound_mixer
from diemcau_agent.drivers.microphones import (
    BLOCK,
    RATE_HZ,
    Block,
    Microphone,
    MicrophoneLost,
    open_microphone,
)
from diemcau_agent.drivers.pulse_echo import forget_the_dead
from diemcau_agent.drivers.sound_outputs import SoundLost, SoundOutput, open_sound_output
from diemcau_wire.messages import Device

from tests import sound_server
from tests.sound_server import SoundServer

HERTZ = 700


class Hall(Protocol):
    """A hall with one loudspeaker that its microphone hears."""

    microphone: str
    output: str

    def unplug(self, source: str) -> None: ...
    def plug(self, source: str) -> None: ...


class FakeHall:
    def __init__(self, folder: Path) -> None:
        self._microphone, self._output = folder / "microphone.json", folder / "output.json"
        self._output.write_text("{}")
        self._microphone.write_text(json.dumps({"hears": str(self._output), "gain_db": -6, "delay_ms": 80}))
        self.microphone, self.output = f"fake:{self._microphone}", f"fake:{self._output}"

    def plug(self, source: str) -> None:
        self.set(source, plugged=True)

    def unplug(self, source: str) -> None:
        self.set(source, plugged=False)

    @staticmethod
    def set(source: str, **effects: Any) -> None:
        path = Path(source.removeprefix("fake:"))
        path.write_text(json.dumps({**json.loads(path.read_text()), **effects}))


class PulseHall:
    microphone = f"pulse:{sound_server.MICROPHONE}"
    output = f"pulse:{sound_server.SPEAKER}"

    def __init__(self, server: SoundServer) -> None:
        self.server = server
        server.couple()

    def plug(self, source: str) -> None:
        self.server.plug(source.removeprefix("pulse:"))

    def unplug(self, source: str) -> None:
        self.server.unplug(source.removeprefix("pulse:"))


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SoundServer]:
    server = SoundServer(tmp_path / "pulse")
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    server.start()
    yield server
    server.stop()


@pytest.fixture(params=["fake", "pulse"])
def hall(request: pytest.FixtureRequest, tmp_path: Path) -> Hall:
    if request.param == "fake":
        return FakeHall(tmp_path)
    return PulseHall(request.getfixturevalue("server"))


@pytest.fixture
def pulse(server: SoundServer) -> PulseHall:
    return PulseHall(server)


# every one of them


def test_what_the_loudspeaker_plays_is_heard_at_full_rate(hall: Hall) -> None:
    with opened(hall.microphone) as microphone, playing(hall.output) as output:
        assert not microphone.muted and not output.muted
        began = time.monotonic()
        heard = listen(microphone, output, 75)
        took = time.monotonic() - began
        assert level_db(heard[-25 * BLOCK :]) > -45
        assert 1.0 < took < 4.0  # 1.5 s of sound in its own time, on a machine that may be busy


def test_a_device_that_is_not_there_is_said_to_be_missing(hall: Hall) -> None:
    hall.unplug(hall.microphone)
    hall.unplug(hall.output)
    with pytest.raises(MicrophoneLost) as lost:
        open_microphone(hall.microphone, echo_cancellation=False)
    assert lost.value.why == "missing"
    with pytest.raises(SoundLost) as gone:
        open_sound_output(hall.output)
    assert gone.value.why == "missing"
    assert sound_mixer.state(hall.microphone) == sound_mixer.MixerState(present=False)
    with pytest.raises(OSError, match="not"):
        sound_mixer.set_muted(hall.output, True)


def test_unplugged_it_is_lost_and_plugged_in_it_works_again(hall: Hall) -> None:
    with opened(hall.microphone) as microphone:
        listen(microphone, None, 5)
        hall.unplug(hall.microphone)
        with pytest.raises(MicrophoneLost) as lost:
            listen(microphone, None, 250)
        assert lost.value.why in ("lost", "silent")
    with playing(hall.output) as output:
        output.write(tone(0))
        hall.unplug(hall.output)
        with pytest.raises(SoundLost):
            for index in range(250):
                output.write(tone(index))
    hall.plug(hall.microphone)
    hall.plug(hall.output)
    with opened(hall.microphone) as microphone, playing(hall.output) as output:
        listen(microphone, output, 5)


def test_mute_and_volume_are_read_and_set(hall: Hall) -> None:
    with opened(hall.microphone) as microphone, playing(hall.output, volume_percent=60) as output:
        assert sound_mixer.state(hall.output) == sound_mixer.MixerState(True, False, 60)
        listen(microphone, output, 50)
        sound_mixer.set_muted(hall.microphone, True)
        eventually(lambda: microphone.muted, microphone)
        assert level_db(listen(microphone, output, 50)[-10 * BLOCK :]) == -100
        sound_mixer.set_muted(hall.microphone, False)
        eventually(lambda: not microphone.muted, microphone)
        sound_mixer.set_muted(hall.output, True)
        eventually(lambda: output.muted, microphone)
        sound_mixer.set_volume(hall.microphone, 150)
        assert sound_mixer.state(hall.microphone) == sound_mixer.MixerState(True, False, 100)


def test_a_microphone_of_16_khz_is_heard(hall: Hall) -> None:
    if isinstance(hall, PulseHall):
        hall.server.couple(room=sound_server.NARROW_ROOM)
        source = f"pulse:{sound_server.NARROW_MICROPHONE}"
    else:
        assert isinstance(hall, FakeHall)
        source = hall.microphone
        hall.set(source, rate_hz=16000)
    with opened(source) as microphone, playing(hall.output) as output:
        assert level_db(listen(microphone, output, 60)[-25 * BLOCK :]) > -45


def test_a_reader_that_is_too_slow_hears_holes_and_never_the_past(hall: Hall) -> None:
    """It takes one block while three come; the loudspeaker falls silent meanwhile."""
    with opened(hall.microphone) as microphone:
        with playing(hall.output) as output:
            heard = []
            for index in range(130):
                output.write(tone(index))
                if index % 3 == 0:
                    heard.append(microphone.read())
        silent = time.monotonic()
        late = []
        while (passed := time.monotonic() - silent) < 1.4:
            block = microphone.read()
            if passed > 1.0:
                late.append(block)
            time.sleep(3 * BLOCK / RATE_HZ)
        assert level_db(np.concatenate(late)) < level_db(np.concatenate(heard[-20:])) - 15


def test_sources_nobody_knows_are_refused() -> None:
    for source in ("telescope", "pulse:", "fake:", "fake:/no/such/file", "fake:/etc/passwd", "tone:loud"):
        with pytest.raises(MicrophoneLost) as lost:
            open_microphone(source)
        assert lost.value.why == "missing"
    for output in ("telescope", "pulse:", "fake:/etc/passwd", "file:/no/such/folder/x"):
        with pytest.raises(SoundLost) as gone:
            open_sound_output(output)
        assert gone.value.why == "missing"
    assert sound_mixer.state("none") is None


# the sound server's


def test_devices_are_found_by_names_that_last(pulse: PulseHall) -> None:
    found = {one.source: one for one in pulse_devices.find()}
    microphone, speaker = found[pulse.microphone], found[pulse.output]
    assert (microphone.device, speaker.device) == (Device.MICROPHONE, Device.SPEAKER)
    assert found[f"pulse:{sound_server.NARROW_MICROPHONE}"].details["rate_hz"] == 16000
    assert not any("monitor" in source for source in found)
    pulse.unplug(pulse.microphone)
    assert pulse.microphone not in {one.source for one in pulse_devices.find()}


def test_twins_are_named_by_their_path() -> None:
    def node(name: str, path: str) -> pactl.Node:
        return pactl.Node("source", 1, name, "", False, 100, 48000, 1, False, {"device.bus_path": path})

    twins = [
        node("alsa_input.usb-C920.mono", "pci-0-usb-0:1"),
        node("alsa_input.usb-C920.mono.2", "pci-0-usb-0:2"),
    ]
    names = [pulse_devices.lasting_name(one, twins) for one in twins]
    assert names == ["path-input-pci-0-usb-0:1", "path-input-pci-0-usb-0:2"]
    assert [pulse_devices.resolve(f"pulse:{name}", twins) for name in names] == twins
    assert pulse_devices.lasting_name(twins[0], twins[:1]) == "alsa_input.usb-C920.mono"
    assert pulse_devices.resolve("pulse:alsa_input.usb-C920.mono", twins) is twins[0]


def test_the_microphone_that_was_meant_is_the_one_that_opens(pulse: PulseHall) -> None:
    """Whatever the server's default is, and whatever other streams there are."""
    pulse.server.pactl("set-default-source", sound_server.OTHER_MICROPHONE)
    with opened(pulse.microphone) as one, opened(f"pulse:{sound_server.OTHER_MICROPHONE}") as other:
        listen(one, None, 3)
        listen(other, None, 3)
        assert sorted(pulse.server.listeners()) == sorted(
            [sound_server.MICROPHONE, sound_server.OTHER_MICROPHONE]
        )
    assert pulse.server.listeners() == []


def test_a_stream_that_is_moved_is_lost_at_once(pulse: PulseHall) -> None:
    """As a server does when a device is unplugged, or a person with a mixer."""
    with opened(pulse.microphone) as microphone:
        listen(microphone, None, 5)
        (index,) = [
            line.split("\t")[0]
            for line in pulse.server.pactl("list", "short", "source-outputs").splitlines()
            if "protocol-native.c" in line
        ]
        pulse.server.pactl("move-source-output", index, sound_server.OTHER_MICROPHONE)
        with pytest.raises(MicrophoneLost, match="moved"):
            listen(microphone, None, 100)


def test_echo_is_cancelled_while_the_microphone_is_open(pulse: PulseHall) -> None:
    with playing(pulse.output) as output:
        microphone = open_microphone(pulse.microphone, output=pulse.output)
        assert microphone is not None and microphone.echo_cancelled
        try:
            cancelled = listen(microphone, output, 150, noise)
            assert sound_server.MICROPHONE in pulse.server.listeners()
        finally:
            microphone.close()
        assert pulse.server.listeners() == []
        listen_again = open_microphone(pulse.microphone, echo_cancellation=False, output=pulse.output)
        assert listen_again is not None and not listen_again.echo_cancelled
        try:
            plain = listen(listen_again, output, 75, noise)
        finally:
            listen_again.close()
        assert level_db(plain[-50 * BLOCK :]) > -45  # and the loudspeaker has gone on
        assert level_db(cancelled[-50 * BLOCK :]) < level_db(plain[-50 * BLOCK :]) - 15


def test_what_a_killed_process_left_behind_is_cleared_away(pulse: PulseHall) -> None:
    """An echo canceller without its process would keep the microphone open."""
    dead = subprocess.Popen(["true"])
    dead.wait()
    pulse.server.pactl(
        "load-module",
        "module-echo-cancel",
        f"source_name=diemcau_echo_{dead.pid}_1_in",
        f"sink_name=diemcau_echo_{dead.pid}_1_out",
        f"source_master={sound_server.MICROPHONE}",
        f"sink_master={sound_server.SPEAKER}",
    )
    assert pulse.server.listeners() == [sound_server.MICROPHONE]
    forget_the_dead()
    assert pulse.server.listeners() == []


def test_an_echo_canceller_that_lost_its_loudspeaker_is_used_no_longer(pulse: PulseHall) -> None:
    """The server would lead it, and with it the sound of the meeting, to another loudspeaker."""
    microphone = open_microphone(pulse.microphone, output=pulse.output)
    assert microphone is not None and microphone.echo_cancelled
    try:
        pulse.unplug(pulse.output)
        with pytest.raises(MicrophoneLost):
            listen(microphone, None, 250)
    finally:
        microphone.close()
    assert pulse.server.listeners() == []


def test_a_server_that_is_gone_or_hangs_is_said_soon(
    pulse: PulseHall, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pactl, "TIMEOUT_S", 1.0)
    microphone = open_microphone(pulse.microphone)
    assert microphone is not None
    os.kill(pulse.server.pid, signal.SIGSTOP)
    try:
        began = time.monotonic()
        with pytest.raises(MicrophoneLost):
            listen(microphone, None, 250)
        with pytest.raises(pactl.SoundServerLost, match="not answered"):
            pulse_devices.find()
        assert time.monotonic() - began < 30
    finally:
        os.kill(pulse.server.pid, signal.SIGCONT)
    microphone.close()
    pulse.server.stop()
    with pytest.raises(pactl.SoundServerLost):
        pulse_devices.find()
    assert sound_mixer.state(pulse.microphone) is None
    pulse.server.start()
    with opened(pulse.microphone) as microphone:
        listen(microphone, None, 3)


# what they share


def noise(index: int) -> Block:
    return np.random.default_rng(index).normal(0, 3000, BLOCK).astype(np.int16)


def tone(index: int) -> Block:
    at = np.arange(index * BLOCK, (index + 1) * BLOCK)
    return np.asarray(8000 * np.sin(2 * np.pi * HERTZ * at / RATE_HZ), np.int16)


def listen(microphone: Microphone, output: SoundOutput | None, blocks: int, sound: Any = tone) -> Block:
    """Read so many blocks, playing a tone meanwhile."""
    heard = []
    for index in range(blocks):
        if output is not None:
            output.write(sound(index))
        heard.append(microphone.read())
        assert heard[-1].shape == (BLOCK,) and heard[-1].dtype == np.int16
    return np.concatenate(heard)


def eventually(true: Any, microphone: Microphone) -> None:
    for _ in range(250):
        if true():
            return
        microphone.read()
    raise AssertionError("not within 5 s")


def level_db(samples: Block) -> float:
    square = float(np.square(samples.astype(np.float64)).mean())
    return max(-100.0, 10 * float(np.log10(square / 32768**2))) if square else -100.0


@contextlib.contextmanager
def opened(source: str) -> Iterator[Microphone]:
    microphone = open_microphone(source, echo_cancellation=False)
    assert microphone is not None
    try:
        yield microphone
    finally:
        microphone.close()


@contextlib.contextmanager
def playing(name: str, volume_percent: int | None = None) -> Iterator[SoundOutput]:
    output = open_sound_output(name, volume_percent=volume_percent)
    try:
        yield output
    finally:
        output.close()
