"""What the machine says of itself, through psutil."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

import psutil


@dataclass(frozen=True, slots=True)
class Measured:
    """One measurement; percentages of the whole machine."""

    cpu_percent: float
    memory_percent: float
    disk_free_bytes: int
    temperature_c: float | None
    uptime_s: float


def measure(folder: Path) -> Measured:
    """Measure now; CPU since the last call, disk where `folder` lies."""
    return Measured(
        cpu_percent=min(100.0, max(0.0, psutil.cpu_percent(interval=None))),
        memory_percent=psutil.virtual_memory().percent,
        disk_free_bytes=psutil.disk_usage(str(folder)).free,
        temperature_c=_temperature(),
        uptime_s=max(0.0, time.time() - psutil.boot_time()),
    )


def _temperature() -> float | None:
    """The hottest sensor in °C."""
    sensors = psutil.sensors_temperatures()
    return max((s.current for group in sensors.values() for s in group if s.current), default=None)


def clock_trusted(folder: Path) -> bool:
    """False when the clock stands before something that was written here: it was lost with the power."""
    marks = [folder / "identity" / "unit.crt", folder / "desired", folder / "outbox.sqlite"]
    newest = max((path.stat().st_mtime for path in marks if path.exists()), default=0.0)
    return time.time() >= newest - 60


def disk_writable(folder: Path) -> str | None:
    """Why nothing can be written to `folder`; None when it can."""
    probe = folder / f".probe-{os.getpid()}"
    try:
        with probe.open("wb") as file:
            file.write(b"\0" * 4096)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        return error.strerror or str(error)
    finally:
        probe.unlink(missing_ok=True)
    return None
