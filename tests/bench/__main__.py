"""`make bench`: what a hall costs, side by side with Chromium on the same machine in the same run.

Two parts, each with its JSON file of raw samples and its page: `hall`, a whole unit in a meeting, joins, and
the limits it is held to; `devices`, a camera's picture by kind and size, and drawing, as ratios to Chromium
doing the same.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from . import devices, hall_rounds
from .verdict import judge, page

PARTS = ("hall", "devices")


def main() -> int:
    """Exit 0 when every limit holds, 1 when one does not."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--part", choices=PARTS, help="one of the two only")
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=12)
    parser.add_argument("--out", type=Path, default=Path("docs/benchmarks"))
    options = parser.parse_args()
    holds = True
    for part in [options.part] if options.part else PARTS:
        load_before = os.getloadavg()[0]
        with tempfile.TemporaryDirectory(prefix="diemcau-bench-") as name:
            measure = hall_rounds.rounds if part == "hall" else devices.rounds
            samples = measure(Path(name), options.runs, options.seconds)
        result = {
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "command": f"make bench ARGS='--part {part} --runs {options.runs} --seconds {options.seconds:g}'",
            "machine": machine() | {"load_before": load_before},
            "samples": samples,
            **(judge(samples) if part == "hall" else devices.compare(samples)),
        }
        options.out.mkdir(parents=True, exist_ok=True)
        path = options.out / f"{result['date'][:10]}-{part}.json"
        path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
        text = page(result) if part == "hall" else devices.page(result)
        path.with_suffix(".md").write_text(text, encoding="utf-8")
        print(text)
        holds = holds and all(limit["holds"] for limit in result.get("limits", []))
    return 0 if holds else 1


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
