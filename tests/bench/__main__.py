"""`make bench`: our hall and Chromium side by side, in one room, on one virtual display.

Per round, one after the other: a browser, a unit that encodes, a unit that passes an IP camera's picture
through (key frame a second), joins warm and cold, and a bare Python with the unit's libraries. All rounds'
raw samples, medians, ratios and the verdict go to one JSON file and one page.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
from diemcau_controller.config import StateDir
from diemcau_controller.demo.halls import MAIN

from .browser import browser
from .film import write
from .hall import (
    ENCODING,
    PASSTHROUGH,
    Halls,
    bare_process,
    halls_at_work,
    ip_camera,
    virtual_display,
)
from .joining import join
from .trees import Cost, measure
from .verdict import judge, page

SETTLE_S = 4.0
Sample = dict[str, Any]


def main() -> int:
    """Exit 0 when every limit holds, 1 when one does not."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=12)
    parser.add_argument("--out", type=Path, default=Path("docs/benchmarks"))
    options = parser.parse_args()
    load_before = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="diemcau-bench-") as name:
        folder = Path(name)
        raw, coded = write(folder)
        with (
            virtual_display() as display,
            ip_camera(coded) as camera,
            halls_at_work(folder / "stage", raw, camera, display) as halls,
        ):
            samples = rounds(options, folder, raw, display, halls)
    verdict = judge(samples)
    result = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": f"make bench ARGS='--runs {options.runs} --seconds {options.seconds:g}'",
        "machine": machine() | {"load_before": load_before},
        "samples": samples,
        **verdict,
    }
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / f"{result['date'][:10]}-hall.json"
    path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    text = page(result)
    path.with_suffix(".md").write_text(text, encoding="utf-8")
    print(text)
    return 0 if all(limit["holds"] for limit in verdict["limits"]) else 1


def rounds(
    options: argparse.Namespace, folder: Path, raw: Path, display: str, halls: Halls
) -> dict[str, list[Sample]]:
    """Every sample, by what was measured, in the order taken."""
    info, ca = halls.join_info(), StateDir(folder / "stage").ca_certificate
    samples: dict[str, list[Sample]] = {}

    def chromium() -> Sample:
        began = time.monotonic()
        with browser(raw, display) as one:
            loaded = time.monotonic()
            warm_s = one.enter(info, MAIN)
            cold_s = loaded - began + warm_s
            time.sleep(SETTLE_S)
            frames = one.presented
            cost = measure({"whole": one.processes()}, options.seconds)["whole"]
            fps = (one.presented - frames) / options.seconds
        return {"warm_join_s": warm_s, "cold_join_s": cold_s, "fps": fps, **asdict(cost)}

    def unit(site: str) -> Callable[[], Sample]:
        def run() -> Sample:
            with halls.unit(site) as pids:
                time.sleep(SETTLE_S)
                frames, began = halls.shown_now(site)
                costs = measure({role: [psutil.Process(pid)] for role, pid in pids.items()}, options.seconds)
                more, ended = halls.shown_now(site)
            fps = (more - frames) / (ended - began)
            whole = sum(costs.values(), Cost(0, 0))
            return {"fps": fps, **asdict(whole), "roles": {role: asdict(one) for role, one in costs.items()}}

        return run

    def joining() -> Sample:
        return {
            "warm_join_s": join(folder / "join", info, ca, raw, MAIN, warm=True),
            "cold_join_s": join(folder / "join", info, ca, raw, MAIN, warm=False),
        }

    def bare() -> Sample:
        with bare_process() as pid:
            return asdict(measure({"bare": [psutil.Process(pid)]}, 1)["bare"])

    steps = {
        "chromium": chromium,
        "encoding": unit(ENCODING),
        "passthrough": unit(PASSTHROUGH),
        "joining": joining,
        "bare": bare,
    }
    for number in range(options.runs):
        for name, step in steps.items():
            samples.setdefault(name, []).append(step())
            said = {key: value for key, value in samples[name][-1].items() if key != "roles"}
            shown = ", ".join(f"{key} {value:.2f}" for key, value in said.items())
            print(f"{number + 1}/{options.runs} {name}: {shown}", file=sys.stderr, flush=True)
    return samples


def machine() -> dict[str, Any]:
    """What was measured on."""
    processor = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.partition(":")[2].strip() for line in processor if "model name" in line), "")
    version = subprocess.run(["/usr/bin/chromium", "--version"], capture_output=True, text=True).stdout
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 2**30, 1),
        "system": platform.freedesktop_os_release().get("PRETTY_NAME", platform.platform()),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "chromium": version.strip(),
    }


if __name__ == "__main__":
    sys.exit(main())
