"""A new unit finds the coordinator that announces itself on the local network."""

from __future__ import annotations

import asyncio

import pytest
from diemcau_agent.identity.discovery import look
from diemcau_controller.config import Settings
from diemcau_controller.namespace import ADDRESS
from diemcau_controller.services.announce import announce, worth_announcing

pytestmark = pytest.mark.namespace


def test_a_unit_finds_the_coordinator_by_itself() -> None:
    settings = Settings(public_address=ADDRESS)

    async def scenario() -> list[str]:
        announcing = asyncio.create_task(announce(settings))
        try:
            for _ in range(4):
                if found := await asyncio.to_thread(look):
                    return found
            return []
        finally:
            announcing.cancel()
            await asyncio.gather(announcing, return_exceptions=True)

    assert settings.web_url in asyncio.run(scenario())


def test_what_nobody_could_reach_is_not_announced() -> None:
    assert worth_announcing(Settings(public_address=ADDRESS))
    assert worth_announcing(Settings(public_address="diemcau.example.vn"))
    assert not worth_announcing(Settings())
    assert not worth_announcing(Settings(public_address=ADDRESS, announce=False))
