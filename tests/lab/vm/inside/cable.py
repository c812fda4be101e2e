"""The hall's air: what the loudspeaker (one end of snd-aloop) plays, the microphone (the other end) hears.

Reads /run/lab-air.json again and again: {"gain": 0.3, "noise": 0.002, "tone_hz": 0, "tone": 0.2}. Gain 0 is a
muted amplifier, gain and noise 0 a dead microphone; `tone_hz` is somebody whistling in the hall.
"""

import json
import subprocess
from pathlib import Path

import numpy as np

RATE, BLOCK = 48_000, 9600
SETTING = Path("/run/lab-air.json")
FORMAT = ["-q", "-D", "hw:0,1", "-t", "raw", "-f", "S16_LE", "-r", str(RATE), "-c", "2"]


def setting() -> dict[str, float]:
    try:
        return {"gain": 0.3, "noise": 0.002, "tone_hz": 0, "tone": 0.2, **json.loads(SETTING.read_text())}
    except (OSError, ValueError):
        return {"gain": 0.3, "noise": 0.002, "tone_hz": 0, "tone": 0.2}


def main() -> None:
    hiss = (
        np.random.default_rng(1).normal(0, 32767, 10 * RATE).astype(np.float32)
    )  # ten seconds, again and again
    heard = subprocess.Popen(["arecord", *FORMAT, "--buffer-time=400000"], stdout=subprocess.PIPE)
    air = subprocess.Popen(["aplay", *FORMAT, "--buffer-time=400000"], stdin=subprocess.PIPE)
    assert heard.stdout is not None and air.stdin is not None
    at = 0
    while data := heard.stdout.read(BLOCK * 4):
        now = setting()
        sound = np.frombuffer(data, np.int16).astype(np.float32) * now["gain"]
        if now["noise"]:
            sound += now["noise"] * np.take(hiss, np.arange(2 * at, 2 * at + sound.size), mode="wrap")
        if now["tone_hz"]:
            times = (at + np.arange(sound.size // 2)) / RATE
            sound += np.repeat(now["tone"] * 32767 * np.sin(2 * np.pi * now["tone_hz"] * times), 2)
        at += sound.size // 2
        air.stdin.write(np.clip(sound, -32768, 32767).astype(np.int16).tobytes())
        air.stdin.flush()


main()
