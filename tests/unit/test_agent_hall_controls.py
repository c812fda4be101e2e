"""What a key or a command of the hall leads to, and the lamp that says what is open."""

from __future__ import annotations

import asyncio
import json
import threading
from pathlib import Path

import pytest
from diemcau_agent.drivers.buttons import open_buttons
from diemcau_agent.media.device import let_go
from diemcau_agent.rules.controls import Control
from diemcau_agent.rules.keys import Press
from diemcau_agent.unit.buttons import HallButtons
from diemcau_agent.unit.hall_controls import HallControls
from diemcau_agent.unit.live_light import LiveLight


class Hall:
    """Notes what it is asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.checking = False
        self.too_late: str | None = None

    def press(self, control: Control, on: bool | None) -> str | None:
        self.asked.append(f"{control.value} {on}")
        return "no_meeting_near"

    def ask_check(self, by: object) -> str | None:
        self.asked.append(f"check {by}")
        return None

    def postpone_check(self) -> str | None:
        self.asked.append("postpone")
        return self.too_late

    def end_check(self) -> None:
        self.asked.append("end check")


class Trials:
    """Something is being tried, or not."""

    def __init__(self) -> None:
        self.busy, self.stopped = False, 0

    def stop(self) -> None:
        self.stopped += 1


def controls(output: str = "none") -> tuple[HallControls, Hall, Trials]:
    hall, trials = Hall(), Trials()
    return HallControls(hall, trials, lambda: output), hall, trials  # type: ignore[arg-type]


def test_keys_lead_to_what_they_mean() -> None:
    made, hall, _ = controls()
    for press in (Press.HAND, Press.MUTE, Press.STOP, Press.CHECK, Press.POSTPONE):
        made.press(press)
    assert hall.asked == ["hand None", "mute None", "stop None", "check hall", "postpone"]


def test_a_stop_outside_a_meeting_ends_whatever_is_open() -> None:
    made, hall, trials = controls()
    assert made.control(Control.STOP, True) == "no_meeting_near"
    trials.busy = True
    assert made.control(Control.STOP, True) is None and trials.stopped == 2
    trials.busy, hall.checking, hall.asked = False, True, []
    assert made.control(Control.STOP, None) is None and hall.asked == ["postpone"]
    hall.too_late = "too_late"
    assert made.control(Control.STOP, True) is None and hall.asked[1:] == ["postpone", "end check"]
    assert made.control(Control.STOP, False) == "no_meeting_near", "letting go ends nothing"


def test_the_volume_goes_by_steps_and_stays_in_its_range(monkeypatch: pytest.MonkeyPatch) -> None:
    from diemcau_agent.drivers import sound_mixer
    from diemcau_agent.drivers.pulse_mixer import MixerState

    volume = [95]
    monkeypatch.setattr(sound_mixer, "state", lambda name: MixerState(True, False, volume[-1]))
    monkeypatch.setattr(sound_mixer, "set_volume", lambda name, percent: volume.append(percent))

    async def run() -> None:
        made, _, _ = controls("pulse:speaker")
        for press in (Press.VOLUME_UP, Press.VOLUME_DOWN, Press.VOLUME_DOWN):
            made.press(press)
            assert made._volume is not None
            await made._volume

    asyncio.run(run())
    assert volume == [95, 100, 90, 80]


def test_a_keypad_that_comes_and_goes_is_opened_again(tmp_path: Path) -> None:
    file = tmp_path / "keypad.json"
    pressed: list[Press] = []

    def effects(**values: object) -> None:
        draft = tmp_path / "draft"
        draft.write_text(json.dumps(values))
        draft.replace(file)

    async def until(true: object) -> None:
        async with asyncio.timeout(10):
            while not true():  # type: ignore[operator]  # noqa: ASYNC110
                await asyncio.sleep(0.02)

    async def run() -> None:
        effects(plugged=False)
        buttons = HallButtons(lambda: f"fake:{file}", pressed.append)
        working = asyncio.create_task(buttons.run())
        await until(lambda: buttons.why == "missing")
        for _ in range(2):
            effects(down=[79], repeats=True)
            buttons.changed()
            await until(lambda: buttons.why == "")
            await asyncio.sleep(0.1)
            effects()
            await asyncio.sleep(0.1)
            assert pressed == [], "it was down when the keypad was opened"
            effects(down=[79])
            await asyncio.sleep(0.2)
            effects(down=[])
            await until(lambda: pressed == [Press.HAND])
            pressed.clear()
            effects(plugged=False)
            await until(lambda: buttons.why == "missing")
        working.cancel()
        await asyncio.wait({working})

    asyncio.run(run())
    assert open_buttons("none") is None


def test_the_lamp_is_lit_while_something_is_open(tmp_path: Path) -> None:
    LiveLight(tmp_path / "nothing").show(True)
    led = tmp_path / "diemcau:live"
    led.mkdir()
    (led / "max_brightness").write_text("255\n")
    brightness = led / "brightness"
    lamp = LiveLight(led)
    lamp.show(False)
    assert brightness.read_text() == "0"
    lamp.show(True)
    lamp.show(True)
    assert brightness.read_text() == "255"
    (led / "max_brightness").write_bytes(b"\xff")
    lamp.show(False)
    lamp.show(True)


def test_a_driver_that_holds_its_device_is_noticed() -> None:
    release = threading.Event()
    threading.Thread(target=release.wait, name="held", daemon=True).start()

    async def run() -> None:
        assert not await let_go("held", 0.1)
        release.set()
        assert await let_go("held", 5) and await let_go("another", 0)

    asyncio.run(run())
