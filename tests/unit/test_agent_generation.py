"""A controller restored from a backup counts on from there, and is right; one from before it is not."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from diemcau_agent.rules import floor, schedule
from diemcau_agent.unit.generation import Generation
from diemcau_wire.messages import DesiredConfig, Floor, SiteInfo

NOW = datetime(2026, 3, 12, 1, tzinfo=UTC)
UNIT = "u3f9a01c77b2e"


def test_the_highest_generation_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "generation"
    heard = Generation(path)
    assert heard.takes(1) and not path.exists()
    assert heard.takes(3) and heard.takes(3) and not heard.takes(2) and heard.refused == 1
    assert not Generation(path).takes(2)
    path.write_bytes(b"what is this")
    assert Generation(path).takes(1), "rather hear a controller than none"


def test_a_disk_that_takes_nothing_holds_nothing_up(tmp_path: Path) -> None:
    heard = Generation(tmp_path / "file" / "generation")
    (tmp_path / "file").write_text("no folder")
    assert heard.takes(2) and not heard.takes(1)


def config(generation: int, epoch: int, rev: int) -> DesiredConfig:
    site = SiteInfo(id="a", name="A")
    return DesiredConfig(unit=UNIT, generation=generation, epoch=epoch, rev=rev, site=site)


def test_a_higher_generation_is_right_whatever_it_counts() -> None:
    held = config(1, epoch=5, rev=40)
    assert schedule.refusal(held, config(1, epoch=4, rev=50))
    assert schedule.refusal(held, config(1, epoch=5, rev=39))
    assert schedule.refusal(held, config(2, epoch=4, rev=1)) is None


def test_the_floor_of_a_higher_generation_counts_from_anew() -> None:
    def message(generation: int, seq: int) -> Floor:
        return Floor(unit=UNIT, generation=generation, meeting="m", seq=seq, speakers=[], at=NOW)

    held = floor.hold(floor.HeldFloor(), message(1, 9), NOW)
    assert floor.refusal(held, message(1, 8), "m") and floor.refusal(held, message(2, 3), "m") is None
    held = floor.hold(held, message(2, 3), NOW)
    assert floor.refusal(held, message(2, 2), "m")
