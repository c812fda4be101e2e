"""A picture slot that is used again after a while without a picture, with the real Janus."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from . import janus_for_tests
from .media_harness import MediaProcess

pytestmark = pytest.mark.namespace


@pytest.fixture
def hall(tmp_path: Path) -> Iterator[Callable[..., MediaProcess]]:
    """Makes a hall that has joined."""
    janus = janus_for_tests.start(tmp_path / "janus")
    halls: list[MediaProcess] = []

    def make(
        site: str,
        camera: str = "synthetic",
        microphone: str = "none",
        floor: tuple[list[str | None], list[str]] | None = None,
    ) -> MediaProcess:
        process = MediaProcess(tmp_path / "halls", site)
        halls.append(process)
        if floor is not None:
            process.floor(*floor, False)
        more = {"camera": {"source": camera}, "microphone": {"source": microphone}}
        process.start(janus.join, janus.ca, more)
        process.wait("joined", 30)
        return process

    yield make
    for process in halls:
        process.close()
    janus.stop()


@pytest.mark.parametrize("between", [None, "binh"])
def test_a_slot_that_showed_nothing_for_a_while_is_filled_at_once(
    hall: Callable[..., MediaProcess], between: str | None
) -> None:
    """Empty, or on a site without a camera: what was sent meanwhile is missing in the packet numbers."""
    viewer = hall("chinh")
    hall("an")
    hall("binh", camera="none")
    for _ in range(3):
        viewer.floor(["an", None], [], False)
        viewer.sees(0, "an")
        viewer.floor([between, None], [], False)
        time.sleep(1)
    assert "new subscribing connection" not in viewer.log()


def test_a_voice_is_heard_whose_slot_was_parked_on_that_very_feed(hall: Callable[..., MediaProcess]) -> None:
    """Before its own feed is up a newcomer parks its idle slots on the feed it is to see."""
    hall("chinh", microphone="tone:700").floor([None, None], [], True)
    newcomer = hall("an", floor=(["chinh", None], []))
    newcomer.sees(0, "chinh")
    newcomer.floor(["chinh", None], ["chinh"], False)
    newcomer.hears(700, [])
    newcomer.floor(["chinh", "chinh"], ["chinh"], False)
    newcomer.sees(1, "chinh")
