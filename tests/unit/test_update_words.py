"""What units say of their updates, as it is read and as it moves them in a rollout."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from diemcau_controller.rules.rollout import At
from diemcau_controller.rules.update_words import Word, hear, read_word

OLD, NEW = "1.0.0", "1.1.0"
NOW = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)


@pytest.mark.parametrize("said", [None, 3, [], {}, {"step": "fly"}, {"step": 3}])
def test_garbage_is_no_word(said: Any) -> None:
    assert read_word(said) is None


def test_words_about_another_version_count_for_nothing() -> None:
    assert hear(At.APPLYING, Word("kept", version="0.9.0"), NEW, NOW) is None
    assert hear(At.APPLYING, Word("kept", version=NEW), NEW, NOW) is not None
    assert read_word({"step": "waiting", "again_at": "soon", "why": "x" * 999}) == Word("waiting", "x" * 80)


def test_who_goes_back_speaks_of_the_version_it_goes_back_to() -> None:
    for step in ("back", "kept"):
        heard = hear(At.RETURNING, Word(step, version=OLD), NEW, NOW)
        assert heard is not None and heard.state is At.BACK
    assert hear(At.RETURNING, Word("kept", version=NEW), NEW, NOW) is None  # told late, of before


def test_the_updaters_own_steps_are_understood() -> None:
    assert read_word({"step": "verified"}) == Word("fetching")
    assert read_word({"step": "gating", "text": "a\nb"}) == Word("flipped", text="a\nb")
    assert read_word({"step": "idle", "version": NEW}) == Word("idle", version=NEW)
