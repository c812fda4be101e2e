"""CPU time and memory of whole process trees, as the kernel counts them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil


@dataclass(frozen=True, slots=True)
class Cost:
    """What processes cost over a while: cores busy on average, and proportional memory (PSS) at its end."""

    cores: float
    pss_mb: float

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.cores + other.cores, self.pss_mb + other.pss_mb)


def tree(root: int) -> list[psutil.Process]:
    """A process and everything it started."""
    process = psutil.Process(root)
    return [process, *process.children(recursive=True)]


def measure(groups: dict[str, Sequence[psutil.Process]], seconds: float) -> dict[str, Cost]:
    """What the processes of each group cost over `seconds`. Raises psutil.NoSuchProcess when one ends."""
    before = {name: sum(map(cpu_s, processes)) for name, processes in groups.items()}
    began = time.monotonic()
    time.sleep(seconds)
    took = time.monotonic() - began
    return {
        name: Cost(
            (sum(map(cpu_s, processes)) - before[name]) / took,
            sum(pss_mb(process.pid) for process in processes),
        )
        for name, processes in groups.items()
    }


def cpu_s(process: psutil.Process) -> float:
    """User and system time so far."""
    times = process.cpu_times()
    return float(times.user + times.system)


def pss_mb(pid: int) -> float:
    """Its memory, what is shared divided by who shares it."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    raise ValueError(f"the kernel does not tell the PSS of {pid}")
