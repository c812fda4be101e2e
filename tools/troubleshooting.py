"""Writes docs/troubleshooting.md from the checks: each fault, how it is seen, what is tried, whom to call."""

from __future__ import annotations

import sys
from pathlib import Path

from diemcau_agent.checks import FAULTS, Call, Weight
from diemcau_agent.remedies import REMEDIES
from diemcau_agent.screen.words import words

PAGE = Path(__file__).parents[1] / "docs/troubleshooting.md"
WEIGHTS = {
    Weight.NOT_READY: "chưa sẵn sàng (not ready)",
    Weight.REMARK: "sẵn sàng, cần lưu ý (ready, with a remark)",
    Weight.UNKNOWN: "unknown",
}
CALLS = {
    Call.HALL: "the hall itself; the coordinator if that does not help",
    Call.COORDINATOR: "the coordinator",
    Call.LINE: "the line's provider",
    Call.ELECTRICIAN: "an electrician",
}
INTRODUCTION = """# Troubleshooting

Written by `tools/troubleshooting.py` from the checks (`agent/diemcau_agent/checks/`), not by hand.
A unit checks its room 60, 15 and 5 minutes before a meeting opens, in the morning, when power comes
back with a meeting within three hours, when a device is plugged in again, and when somebody asks.
It tries the remedies in their order, measures again, and says on its screen the one instruction for
the worst that is left. All it found and tried is in the event `verdict`, each attempt in an event
`remedy`.

| fault | verdict | how it is seen | tried by itself | on the screen | whom to call |
|---|---|---|---|---|---|
"""


def page() -> str:
    """The whole page."""
    vi, en = words("vi"), words("en")
    rows = []
    for what, fault in FAULTS.items():
        tried = ", ".join(f"`{remedy}`" for remedy in fault.remedies) or "nothing"
        said = f"{vi.instruction(what)}<br>{en.instruction(what)}"
        cells = (f"`{what}`", WEIGHTS[fault.weight], fault.seen, tried, said, CALLS[fault.call])
        rows.append("| " + " | ".join(cells) + " |\n")
    remedies = [f"| `{remedy.name}` | {remedy.does} | {remedy.at_most} |\n" for remedy in REMEDIES.values()]
    return (
        INTRODUCTION
        + "".join(rows)
        + "\n## Remedies\nOne that did not help is let be for four minutes, then twice as long each time,\n"
        + "until it helps; when a person asks for a check everything is tried at once.\n\n"
        + "| remedy | what it does | tries in one check |\n|---|---|---|\n"
        + "".join(remedies)
    )


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    sys.exit(0)
