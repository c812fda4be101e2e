"""What one device costs: sending a camera's picture, by kind and size, and showing another hall's.

A media process of ours sends and shows nothing, or a unit without a camera shows and sends nothing; Chromium
does the same in the same room with the same film. A webcam that gives JPEG is here a file of such pictures:
decoding them is what costs.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any

import psutil
from diemcau_controller.config import StateDir
from diemcau_controller.demo.halls import MAIN

from tests.system.media_harness import MediaProcess

from . import film
from .browser import browser
from .hall import ENCODING, Halls, halls_at_work, ip_camera, virtual_display
from .said import say
from .trees import Cost, measure

SETTLE_S = 4.0
KINDS = ("raw", "jpeg", "coded")
WORDS = {
    "raw": "camera of raw pictures (YUYV), encoded",
    "jpeg": "camera of JPEG pictures, decoded and encoded",
    "coded": "IP camera or native H.264, passed through",
    "shows": "one picture decoded and drawn over the whole screen",
}
Sample = dict[str, Any]


def rounds(folder: Path, runs: int, seconds: float) -> dict[str, list[Sample]]:
    """Every sample by `<size> <what>`, in the order taken."""
    samples: dict[str, list[Sample]] = {}
    for size in film.SIZES:
        picture = film.write(folder / f"film-{size}", size)
        with (
            virtual_display(size) as display,
            ip_camera(picture) as camera,
            halls_at_work(folder / f"stage-{size}", picture, camera, display, shows_only=ENCODING) as halls,
        ):
            ca = StateDir(folder / f"stage-{size}").ca_certificate
            steps = _steps(folder / f"media-{size}", picture, camera, display, halls, ca, seconds)
            for number in range(runs):
                for name, step in steps.items():
                    samples.setdefault(f"{size} {name}", []).append(step())
                    say(f"{number + 1}/{runs} {size} {name}", samples[f"{size} {name}"][-1])
    return samples


def compare(samples: dict[str, list[Sample]]) -> dict[str, Any]:
    """`medians`, and `ratios` by size and what: CPU and memory as parts of Chromium's."""
    medians = {
        name: {key: median(sample[key] for sample in taken) for key in taken[0]}
        for name, taken in samples.items()
    }
    ratios = {}
    for size in film.SIZES:
        for what in (*KINDS, "shows"):
            theirs = medians[f"{size} chromium {'shows' if what == 'shows' else 'sends'}"]
            ours = medians[f"{size} {what}"]
            ratios[f"{size} {what}"] = {key: ours[key] / theirs[key] for key in ("cores", "pss_mb")}
    return {"medians": medians, "ratios": ratios}


def page(result: dict[str, Any]) -> str:
    """The result as Markdown."""
    machine, medians = result["machine"], result["medians"]
    lines = [
        f"# Devices of a hall beside Chromium, {result['date'][:10]}",
        "",
        f"`{result['command']}` on {machine['cpu']}, {machine['cores']} cores, {machine['memory_gb']} GB, "
        f"{machine['system']}, Python {machine['python']}, {machine['chromium']}; load before "
        f"{machine['load_before']:.2f}. Medians at {film.FPS} pictures a second; in brackets parts of what "
        "Chromium takes for the same. Raw samples in the JSON file beside this page.",
        "",
        "| | " + " | ".join(f"{size}: cores | PSS MB" for size in film.SIZES) + " |",
        "|---|" + "---|---|" * len(film.SIZES),
    ]
    for what, words in WORDS.items():
        cells = []
        for size in film.SIZES:
            ours, ratio = medians[f"{size} {what}"], result["ratios"][f"{size} {what}"]
            cells.append(f"{ours['cores']:.3f} ({ratio['cores']:.2f})")
            cells.append(f"{ours['pss_mb']:.0f} ({ratio['pss_mb']:.2f})")
        lines.append(f"| {words} | " + " | ".join(cells) + " |")
    for what in ("sends", "shows"):
        theirs = [medians[f"{size} chromium {what}"] for size in film.SIZES]
        cells = [f"{one['cores']:.3f} | {one['pss_mb']:.0f}" for one in theirs]
        lines.append(f"| Chromium {what} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _steps(
    folder: Path, picture: film.Film, camera: str, display: str, halls: Halls, ca: Path, seconds: float
) -> dict[str, Callable[[], Sample]]:
    info = halls.join_info()
    sources = {"raw": f"file:{picture.raw}", "jpeg": f"file:{picture.jpeg}", "coded": camera}

    def sends(kind: str) -> Callable[[], Sample]:
        def run() -> Sample:
            media = MediaProcess(folder, kind)
            try:
                more = {
                    "camera": {"source": sources[kind]},
                    "microphone": {"source": "tone:400"},
                    "video": picture.size.video,
                }
                media.start({key: info[key] for key in ("url", "room", "pin")}, ca, more)
                media.floor([None, None], [], True)
                media.wait("joined")
                time.sleep(SETTLE_S)
                sent = media.stats()["video_out"]["frames"]
                cost = measure({"media": [psutil.Process(media.process.pid)]}, seconds)["media"]
                fps = (media.stats()["video_out"]["frames"] - sent) / seconds
            finally:
                media.close()
            return {"fps": fps, **asdict(cost)}

        return run

    def shows() -> Sample:
        with halls.unit(ENCODING) as pids:
            time.sleep(SETTLE_S)
            frames, began = halls.shown_now(ENCODING)
            drawing = {role: [psutil.Process(pids[role])] for role in ("media", "screen")}
            costs = measure(drawing, seconds)
            more, ended = halls.shown_now(ENCODING)
        return {"fps": (more - frames) / (ended - began), **asdict(sum(costs.values(), Cost(0, 0)))}

    def chromium(*, sends: bool) -> Callable[[], Sample]:
        def run() -> Sample:
            with browser(picture, display) as one:
                one.enter(info, None if sends else MAIN, sends=sends)
                time.sleep(SETTLE_S)
                return asdict(measure({"whole": one.processes()}, seconds)["whole"])

        return run

    return {
        "chromium sends": chromium(sends=True),
        **{kind: sends(kind) for kind in KINDS},
        "chromium shows": chromium(sends=False),
        "shows": shows,
    }
