"""A whole hall. One after the other in every round: a browser, a unit that encodes, one that passes an IP
camera's picture through (key frame a second), joins warm and cold, bare Python with the unit's libraries."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import psutil
from diemcau_controller.config import StateDir
from diemcau_controller.demo.halls import MAIN

from . import film
from .browser import browser
from .hall import ENCODING, PASSTHROUGH, Halls, bare_process, halls_at_work, ip_camera, virtual_display
from .joining import join
from .said import say
from .trees import Cost, measure

SETTLE_S = 4.0
Sample = dict[str, Any]


def rounds(folder: Path, runs: int, seconds: float) -> dict[str, list[Sample]]:
    """Every sample, by what was measured, in the order taken."""
    picture = film.write(folder / "film")
    with (
        virtual_display(picture.size) as display,
        ip_camera(picture) as camera,
        halls_at_work(folder / "stage", picture, camera, display) as halls,
    ):
        steps = _steps(folder, picture, display, halls, seconds)
        samples: dict[str, list[Sample]] = {}
        for number in range(runs):
            for name, step in steps.items():
                samples.setdefault(name, []).append(step())
                say(f"{number + 1}/{runs} {name}", samples[name][-1])
    return samples


def _steps(
    folder: Path, picture: film.Film, display: str, halls: Halls, seconds: float
) -> dict[str, Callable[[], Sample]]:
    info, ca = halls.join_info(), StateDir(folder / "stage").ca_certificate

    def chromium() -> Sample:
        began = time.monotonic()
        with browser(picture, display) as one:
            loaded = time.monotonic()
            warm_s = one.enter(info, MAIN)
            cold_s = loaded - began + warm_s
            time.sleep(SETTLE_S)
            frames = one.presented
            cost = measure({"whole": one.processes()}, seconds)["whole"]
            fps = (one.presented - frames) / seconds
        return {"warm_join_s": warm_s, "cold_join_s": cold_s, "fps": fps, **asdict(cost)}

    def unit(site: str) -> Callable[[], Sample]:
        def run() -> Sample:
            with halls.unit(site) as pids:
                time.sleep(SETTLE_S)
                frames, began = halls.shown_now(site)
                costs = measure({role: [psutil.Process(pid)] for role, pid in pids.items()}, seconds)
                more, ended = halls.shown_now(site)
            fps = (more - frames) / (ended - began)
            whole = sum(costs.values(), Cost(0, 0))
            return {"fps": fps, **asdict(whole), "roles": {role: asdict(one) for role, one in costs.items()}}

        return run

    def joining() -> Sample:
        return {
            "warm_join_s": join(folder / "join", info, ca, picture, MAIN, warm=True),
            "cold_join_s": join(folder / "join", info, ca, picture, MAIN, warm=False),
        }

    def bare() -> Sample:
        with bare_process() as pid:
            return asdict(measure({"bare": [psutil.Process(pid)]}, 1)["bare"])

    return {
        "chromium": chromium,
        "encoding": unit(ENCODING),
        "passthrough": unit(PASSTHROUGH),
        "joining": joining,
        "bare": bare,
    }
