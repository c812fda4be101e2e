"""What a benchmark says while it measures."""

from __future__ import annotations

import sys
from typing import Any


def say(what: str, sample: dict[str, Any]) -> None:
    """One line on standard error per sample."""
    shown = ", ".join(f"{key} {value:.2f}" for key, value in sample.items() if isinstance(value, float))
    print(f"{what}: {shown}", file=sys.stderr, flush=True)
