"""A picture slot that is emptied and used again, with the real Janus."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from diemcau_controller.namespace import inside

from . import janus_for_tests
from .media_harness import MediaProcess

pytestmark = pytest.mark.skipif(not inside(), reason="needs a network namespace of its own")


def test_a_slot_that_was_empty_for_a_while_is_filled_at_once(tmp_path: Path) -> None:
    """What Janus holds back meanwhile counts in its packet numbers; nobody must wait for it."""
    janus = janus_for_tests.start(tmp_path / "janus")
    viewer, site = (MediaProcess(tmp_path / "halls", name) for name in ("chinh", "an"))
    try:
        for process in (viewer, site):
            process.start(janus.join, janus.ca)
        for process in (viewer, site):
            process.wait("joined", 30)
        for _ in range(3):
            viewer.floor(["an", None], [], False)
            viewer.sees(0, "an")
            viewer.floor([None, None], [], False)
            time.sleep(3)  # longer than a picture may be old
        assert "new subscribing connection" not in viewer.log()
    finally:
        for process in (viewer, site):
            process.close()
        janus.stop()
