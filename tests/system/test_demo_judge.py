"""The demo's judge: content in, verdicts and blame out."""

import time
import wave
from pathlib import Path

import numpy as np
import pytest
import segno
from diemcau_controller.demo.judge import Finding, Look, at_fault, judge, look, seen
from diemcau_controller.demo.voices import (
    RATE_HZ,
    Recording,
    Sound,
    Tone,
    Verdict,
    heard,
    likeness,
    read_raw,
    read_wav,
)
from PIL import Image

ONE, TWO, THREE = Tone(523), Tone(701), Tone(937)
SECONDS = 5
GOOD, BAD = Verdict(True), Verdict(False, "because")


def sine(hertz: float, level_db: float = -20) -> Sound:
    at = np.arange(SECONDS * RATE_HZ) / RATE_HZ
    return np.sqrt(2) * 10 ** (level_db / 20) * np.sin(2 * np.pi * hertz * at)


def noise(level_db: float, seed: int = 1) -> Sound:
    return np.random.default_rng(seed).normal(0, 10 ** (level_db / 20), SECONDS * RATE_HZ)


def speech(seed: int, seconds: int = 8) -> Sound:
    """Something that changes in pitch and loudness five times a second."""
    random = np.random.default_rng(seed)
    pieces = []
    for _ in range(seconds * 5):
        at = np.arange(RATE_HZ // 5) / RATE_HZ
        pitch, loud = random.uniform(120, 900), random.choice([0.0, 0.02, 0.1])
        pieces.append(loud * sum(np.sin(2 * np.pi * pitch * n * at) / n for n in range(1, 6)))
    return np.concatenate(pieces)


def test_a_tone_is_heard_and_no_other() -> None:
    assert heard(sine(523) + noise(-50), ONE, [TWO, THREE]) == GOOD
    assert not heard(sine(701) + noise(-50), ONE, [TWO, THREE]).ok


@pytest.mark.parametrize(("level_db", "ok"), [(-38, False), (-43, True)])
def test_another_tone_20_db_below_is_let_pass(level_db: float, ok: bool) -> None:
    assert heard(sine(523) + sine(937, level_db) + noise(-60), ONE, [TWO, THREE]).ok is ok


def test_a_tone_in_noise_is_not_heard() -> None:
    assert not heard(sine(523, -40) + noise(-20), ONE, []).ok


@pytest.mark.parametrize(
    "sound", [np.zeros(SECONDS * RATE_HZ), sine(523, -70), np.zeros(0), sine(523)[:1000]]
)
def test_silence_is_not_heard(sound: Sound) -> None:
    assert not heard(sound, ONE, [TWO]).ok


def test_a_tone_that_breaks_off_is_not_heard() -> None:
    sound = sine(523)
    sound[len(sound) // 2 :] = 0
    assert "of the time" in heard(sound, ONE, []).why


def test_a_recording_is_recognised_wherever_it_is_and_however_loud() -> None:
    own, other = speech(1), speech(2)
    stretch = np.tile(own, 2)[6 * RATE_HZ + 123 : 11 * RATE_HZ] * 0.5
    assert heard(stretch + noise(-65)[: len(stretch)], Recording(own), [TWO, Recording(other)]).ok
    assert not heard(stretch, Recording(other), []).ok
    assert not heard(sine(523), Recording(own), []).ok
    assert not heard(stretch, ONE, [Recording(own)]).ok
    assert not heard(stretch + sine(701)[: len(stretch)], Recording(own), [TWO]).ok


def test_a_silent_recording_is_never_heard() -> None:
    silent = Recording(np.zeros(RATE_HZ))
    assert not heard(noise(-40), silent, []).ok
    assert heard(sine(523), ONE, [silent]).ok


def test_a_tone_as_a_recording() -> None:
    assert likeness(sine(450), sine(450)[:RATE_HZ]) > 0.9
    assert likeness(sine(450), sine(900)[:RATE_HZ]) < 0.7


def test_reading_sound_files(tmp_path: Path) -> None:
    path = tmp_path / "sound.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes(np.full(2 * 16000, 1000, "<i2").tobytes())
    assert len(read_wav(path)) == RATE_HZ
    path.write_bytes(b"not a sound")
    with pytest.raises(ValueError, match="not a WAV"):
        read_wav(path)
    raw = tmp_path / "played.s16"
    raw.write_bytes(np.arange(100, dtype="<i2").tobytes())
    assert (read_raw(raw, 20, 40) * 32768).tolist() == list(range(10, 20))


def screen(path: Path, codes: list[str]) -> Path:
    """A picture of a screen with these codes on it."""
    picture = Image.new("L", (1280, 720), 40)
    for at, text in enumerate(codes):
        symbol = path.with_suffix(f".{at}.png")
        segno.make(text, micro=False).save(symbol, scale=5, border=4)
        with Image.open(symbol) as code:
            picture.paste(code.convert("L"), (100 + 500 * at, 200))
    picture.save(path)
    return path


def test_codes_are_read_from_a_screen(tmp_path: Path) -> None:
    now = int(time.time() * 1000)
    picture = screen(tmp_path / "screen.png", [f"DC1 xa-ea-kpam {now}", f"DC1 trung-tam {now - 40}"])
    assert look(picture, now) == Look(now, {"xa-ea-kpam": now, "trung-tam": now - 40})
    assert look(screen(tmp_path / "other.png", ["https://example.org"]), now).codes == {}


def test_seen_means_a_recent_running_clock_twice() -> None:
    t = 1_700_000_000_000
    assert seen("a", [Look(t, {"a": t - 300}), Look(t + 2000, {"a": t + 1600, "b": t})]).ok
    assert not seen("a", [Look(t, {"a": t - 300})]).ok
    assert not seen("a", [Look(t, {"b": t}), Look(t + 2000, {"b": t + 2000})]).ok
    assert "stood still" in seen("a", [Look(t, {"a": t}), Look(t + 2000, {"a": t})]).why
    assert "late" in seen("a", [Look(t, {"a": t - 9000}), Look(t + 2000, {"a": t - 7000})]).why
    assert not seen("a", []).ok


SITES = {"a": "xã A", "b": "xã B", "c": "xã C"}


def all_findings(**failed: list[tuple[str, str]]) -> list[Finding]:
    return [
        Finding(sense, speaker, viewer, BAD if (speaker, viewer) in failed.get(sense, []) else GOOD)  # type: ignore[arg-type]
        for sense in ("seen", "heard")
        for speaker in SITES
        for viewer in SITES
        if speaker != viewer
    ]


def test_all_well() -> None:
    result = judge(SITES, {}, all_findings())
    assert (result.blame, result.problems) == ([], [])
    assert result.seen == {"a": ["b", "c"], "b": ["a", "c"], "c": ["a", "b"]} == result.heard


def test_the_sender_whom_nobody_sees_is_blamed() -> None:
    result = judge(SITES, {}, all_findings(seen=[("b", "a"), ("b", "c")]))
    assert result.blame == ["b"]
    assert result.seen["a"] == ["c"] and result.heard["a"] == ["b", "c"]
    assert len(result.problems) == 2 and "xã B was not seen at xã A" in result.problems[0]


def test_the_viewer_who_sees_nobody_is_blamed() -> None:
    assert judge(SITES, {}, all_findings(heard=[("a", "c"), ("b", "c")])).blame == ["c"]


def test_who_was_not_there_explains_what_failed_around_it() -> None:
    failed = [("a", "b"), ("b", "a"), ("b", "c")]
    result = judge(SITES, {"b": "its unit died"}, all_findings(seen=failed, heard=failed))
    assert result.blame == ["b"]
    assert result.problems == ["xã B: its unit died"]


def test_two_faults_at_two_sites() -> None:
    findings = all_findings(seen=[("a", "b"), ("a", "c")], heard=[("c", "a"), ("c", "b")])
    assert judge(SITES, {}, findings).blame == ["a", "c"]
    assert at_fault([("a", "b"), ("a", "c"), ("b", "a"), ("b", "c")]) == {"a", "b"}
    assert at_fault([("b", "a"), ("c", "a"), ("a", "b"), ("c", "b")]) == {"a", "b"}


def test_a_single_failure_names_both_ends() -> None:
    assert at_fault([("a", "b")]) == {"a", "b"}
    assert at_fault([]) == set()
