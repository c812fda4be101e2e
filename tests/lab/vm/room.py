"""Part `room`: the agent as shipped services on real drivers, in a meeting whose other ends are outside."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import zxingcpp
from diemcau_controller.demo.halls import MAIN
from PIL import Image

from tests.browser.room_page import RoomPage, room_page
from tests.lab.report import Evidence, NotShown, Report

from .real_hall import CAMERA, SITE, RealHall

RED, GREEN, BLUE, BARS = 7, 8, 9, 0  # vivid's test patterns
COLOURS = ("red", "green", "blue")
WHISTLE_HZ, MAIN_HZ = 613, 523
OPENS_S, LATE_S = 120, 20  # the microphone, its canceller with it; sound, from the air to Chromium
AS_MEDIA = "runuser -u diemcau-media -- env PULSE_SERVER=unix:/run/diemcau-sound/native"
ROWS = [
    "services run, each as its own user",
    "the screen shows the idle page",
    "the hall joins by itself",
    "Chromium sees the guest's camera",
    "Chromium hears the guest's microphone",
    "the guest's screen shows the main hall",
    "the guest's loudspeaker plays the main hall",
    "camera and microphone are closed afterwards",
]


def run(report: Report, hall: Callable[[], RealHall]) -> list[str]:
    """Show every row; gives their names. The hall is asked for only when there is something to show."""
    if not report.done(*ROWS):
        attend(report, hall())
    return ROWS


def attend(report: Report, hall: RealHall) -> None:
    """From the idle hall through a meeting to the idle hall."""
    report.show(ROWS[0], lambda evidence: services(hall, evidence))
    report.show(ROWS[1], lambda evidence: idle(hall, evidence))
    meeting = hall.stage.add_meeting("Họp giao ban thử", 20, 900, opens_before_s=60)
    try:
        if report.show(ROWS[2], lambda evidence: joins(hall, meeting, evidence)):
            with room_page() as page:
                page.enter(hall.stage.api.get(f"/api/v1/meetings/{meeting}/join-info"))
                report.show(ROWS[3], lambda evidence: sees(hall, page, evidence))
                report.show(ROWS[4], lambda evidence: hears(hall, page, meeting, evidence))
            report.show(ROWS[5], lambda evidence: shows(hall, evidence))
            report.show(ROWS[6], lambda evidence: plays(hall, meeting, evidence))
    finally:
        hall.stage.api.post(f"/api/v1/meetings/{meeting}/close")
    report.show(ROWS[7], lambda evidence: closes(hall, evidence))
    (report.folder / "journal.txt").write_text(hall.log(3000))


def services(hall: RealHall, evidence: Evidence) -> str:
    said = hall.guest.run("ps -o user:16,args -u diemcau-unit,diemcau-screen,diemcau-sound --no-headers")
    evidence.text("processes", said)
    units = "diemcau-unit.service diemcau-screen.service diemcau-media@1.service diemcau-sound.service"
    scores = hall.guest.run(
        f"for one in {units}; do systemd-analyze security --no-pager $one | tail -1; done", limit_s=400
    )
    evidence.text("exposure", scores)
    users = {line.split()[0] for line in said.splitlines() if line.strip()}
    if not users >= {"diemcau-unit", "diemcau-screen", "diemcau-sound"}:
        raise NotShown(f"only {sorted(users)} run")
    exposure = [line.partition(":")[2].split()[0] for line in scores.splitlines() if ":" in line]
    return f"users {', '.join(sorted(users))}; exposure {', '.join(exposure)} of unit, screen, media, sound"


def idle(hall: RealHall, evidence: Evidence) -> str:
    """Something is drawn on the KMS screen: more than one colour covers it."""

    def drawn() -> int:
        picture = Image.open(hall.guest.screendump(evidence.path("png"))).convert("RGB").resize((160, 90))
        colours = picture.getcolors(160 * 90) or []
        return len(colours) if len(colours) > 50 else 0

    return f"a picture of {hall.until(drawn, 120, 'the screen stays empty')} colours"


def joins(hall: RealHall, meeting: str, evidence: Evidence) -> str:
    began = time.monotonic()

    def in_meeting() -> bool:
        status = hall.status()
        evidence.json("status", status)
        return bool(status["session"]["meeting"] == meeting and status["session"]["state"] == "in_meeting")

    hall.until(in_meeting, 240, "it does not join")
    return f"in the meeting {time.monotonic() - began:.0f} s after it was announced (opening included)"


def sees(hall: RealHall, page: RoomPage, evidence: Evidence) -> str:
    """The picture follows the camera's knobs: red, green, blue, and back to bars."""
    page.until(lambda: SITE in page.feeds(), 60, "the guest publishes nothing")
    page.until(lambda: page.picture(SITE) is not None, 60, "no picture of the guest comes")
    hall.camera_control(osd_text_mode=2)
    took = []
    for pattern, channel in ((RED, 0), (GREEN, 1), (BLUE, 2)):
        hall.camera_control(test_pattern=pattern)
        began = time.monotonic()

        def changed(channel: int = channel) -> bool:
            colour = mean(page)
            return int(np.argmax(colour)) == channel and colour[channel] > 2 * np.sort(colour)[1]

        page.until(changed, 60, f"the picture does not become {COLOURS[channel]}: {mean(page)}")
        took.append(f"{time.monotonic() - began:.1f} s")
    hall.camera_control(test_pattern=BARS, osd_text_mode=0)
    page.wait(5)
    picture = page.picture(SITE)
    assert picture is not None
    picture.save(evidence.path("png"))
    frames, seconds = page.count([SITE], 5)[SITE]
    size = f"{picture.width}x{picture.height}, {frames / seconds:.1f} frames/s"
    return f"{size}; {', '.join(COLOURS)} seen after {', '.join(took)}"


def mean(page: RoomPage) -> np.ndarray:
    picture = page.picture(SITE)
    if picture is None:
        return np.zeros(3)
    return np.asarray(picture.convert("RGB"), float).reshape(-1, 3).mean(0)


def hears(hall: RealHall, page: RoomPage, meeting: str, evidence: Evidence) -> str:
    """The guest takes sound in more slowly than it comes: it is heard with holes, and no later for that."""
    hall.stage.api.post(f"/api/v1/meetings/{meeting}/floor", {"verb": "grant", "site": SITE})
    hall.air(gain=0, noise=0.001, tone_hz=WHISTLE_HZ, tone=0.2)
    page.until(lambda: share(page.sound(SITE), WHISTLE_HZ) > 0.2, OPENS_S, "the whistle is not heard")
    loud = share(page.sound(SITE), WHISTLE_HZ)
    evidence.text("recording", hall.guest.run(f"{AS_MEDIA} pactl list source-outputs"))
    hall.air(gain=0, noise=0.001)
    began = time.monotonic()
    page.until(lambda: share(page.sound(SITE), WHISTLE_HZ) < 0.02, LATE_S, "the whistle goes on")
    gone_s = time.monotonic() - began
    np.save(evidence.path("npy"), page.sound(SITE))
    hall.air()
    return (
        f"{WHISTLE_HZ} Hz in the hall's air: {loud:.0%} of the sound's power, gone {gone_s:.0f} s after it is"
    )


def share(sound: np.ndarray, hertz: float, rate: int = 48_000) -> float:
    """How much of the power is near a frequency; 0 in silence."""
    if sound.size < rate // 10 or float(np.mean(sound**2)) < 1e-8:
        return 0.0
    power = np.abs(np.fft.rfft(sound * np.hanning(sound.size))) ** 2
    near = np.abs(np.fft.rfftfreq(sound.size, 1 / rate) - hertz) < 20
    return float(power[near].sum() / power.sum())


def shows(hall: RealHall, evidence: Evidence) -> str:
    """The code in the main hall's picture, read off the guest's KMS screen."""

    def read() -> str:
        picture = Image.open(hall.guest.screendump(evidence.path("png")))
        codes = [code.text.split() for code in zxingcpp.read_barcodes(picture)]
        ours = [words for words in codes if len(words) == 3 and words[:2] == ["DC1", MAIN]]
        return f"code of {ours[0][1]}, {time.time() - int(ours[0][2]) / 1000:.1f} s old" if ours else ""

    return str(hall.until(read, 120, "no code of the main hall on the screen"))


def plays(hall: RealHall, meeting: str, evidence: Evidence) -> str:
    """The main hall's tone in what the sound server plays."""
    hall.stage.api.post(f"/api/v1/meetings/{meeting}/floor", {"verb": "grant", "site": MAIN})
    monitor = "alsa_output.platform-snd_aloop.0.analog-stereo.monitor"
    how = f"--raw --format=s16le --rate=48000 --channels=1 --device={monitor}"
    record = f"{AS_MEDIA} timeout -s INT 6 parec {how} >/tmp/played; true"

    def heard() -> float:
        hall.guest.run(record)
        played = np.frombuffer(hall.guest.read("/tmp/played")[: 48_000 * 8], np.int16).astype(float) / 32768
        part = share(played, MAIN_HZ)
        return part if part > 0.2 else 0.0

    part = hall.until(heard, 120, "the main hall's tone is not played")
    evidence.path("s16").write_bytes(hall.guest.read("/tmp/played"))
    return f"{MAIN_HZ} Hz of the main hall: {part:.0%} of what is played"


def closes(hall: RealHall, evidence: Evidence) -> str:
    def closed() -> bool:
        said = hall.guest.run(
            f"fuser -v {CAMERA} 2>&1; systemctl --no-legend list-units 'diemcau-media@*'; "
            f"{AS_MEDIA} pactl list short source-outputs",
            check=False,
        )
        evidence.text("open", said)
        return not said.strip()

    hall.until(closed, 120, "something stays open")
    hall.until(lambda: hall.status()["session"]["meeting"] is None, 60, "it stays in the meeting")
    return "no process has the camera, no media process, nobody records"
