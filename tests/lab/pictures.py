"""The pictures of docs/pictures, made from the product itself: `make pictures`.

Hall screens come from the screen's own gallery and from three real units in a real meeting; the pages from
headless Chromium on the controller of that meeting.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from diemcau_controller.demo.halls import MAIN, halls
from diemcau_controller.demo.network import set_up
from diemcau_controller.demo.stage import Stage
from playwright.sync_api import sync_playwright

PATIENCE_S = 90
SIZES = {"desk": (1366, 768), "phone": (360, 740)}


def main(folder: Path) -> int:
    """Write every picture into `folder`; 0 when all are there."""
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run([sys.executable, "-m", "diemcau_agent.screen.gallery", str(folder / "screen")], check=True)
    with (
        tempfile.TemporaryDirectory(prefix="diemcau-pictures-") as root,
        Stage(Path(root), halls({}, {}), set_up(0), []) as stage,
    ):
        stage.start_services(time.monotonic() + PATIENCE_S)
        stage.add_sites()
        stage.start_units(time.monotonic() + PATIENCE_S)
        meeting = stage.add_meeting("Giao ban tuần 47", 3, 600, opens_before_s=60)
        _hold(stage, meeting, folder)
    print(f"{len(list(folder.rglob('*.png')))} pictures in {folder}")
    return 0


def _hold(stage: Stage, meeting: str, folder: Path) -> None:
    deadline = time.monotonic() + PATIENCE_S
    speaker = next(hall.id for hall in stage.halls if hall.id != MAIN)
    stage.wait("not every unit joined", lambda: _all_in(stage), deadline)
    stage.api.post(f"/api/v1/meetings/{meeting}/floor", {"verb": "grant", "site": speaker})
    stage.pause(4, deadline)
    stage.snapshots({hall.id: folder / f"unit-{hall.id}.png" for hall in stage.halls})
    for site in stage.api.get("/api/v1/sites"):
        stage.api.post(f"/api/v1/units/{site['unit']['id']}/commands", {"verb": "picture"})
    pages = {"board": "/", "meeting": f"/meetings/{meeting}"}
    _photograph(stage, pages, folder)
    stage.api.post(f"/api/v1/meetings/{meeting}/close", {})
    stage.pause(8, deadline)
    _photograph(stage, {"report": f"/reports/{meeting}"}, folder)


def _all_in(stage: Stage) -> bool:
    statuses = [stage.unit_status(hall.id) for hall in stage.halls]
    return all(status and status["session"]["state"] == "in_meeting" for status in statuses)


def _photograph(stage: Stage, pages: dict[str, str], folder: Path) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-gpu"]
        )
        for size, (width, height) in SIZES.items():
            context = browser.new_context(
                viewport={"width": width, "height": height}, ignore_https_errors=True
            )
            page = context.new_page()
            page.goto(stage.api.url + f"/?token={stage.api.token}")
            for name, path in pages.items():
                page.goto(stage.api.url + path)
                page.wait_for_timeout(1500)
                page.screenshot(path=folder / f"page-{name}-{size}.png")
        browser.close()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
