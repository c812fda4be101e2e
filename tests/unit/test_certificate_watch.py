"""Servers take over what changed, when it disturbs nobody."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

from diemcau_controller.adapters.authority import Authority
from diemcau_controller.adapters.authority.roots import rotate
from diemcau_controller.certificate_watch import CertificateWatch, TakeOver, watch_certificates

NAMES = (["localhost"], ["127.0.0.1"])
DAY, NIGHT = datetime(2026, 11, 20, 9, tzinfo=UTC), datetime(2026, 11, 21, 3, tzinfo=UTC)


def test_a_new_certificate_waits_for_the_night_where_taking_over_disturbs() -> None:
    watch = CertificateWatch()
    assert watch.look(b"a", b"roots", DAY) == []
    assert watch.look(b"a", b"roots", NIGHT) == []
    assert watch.look(b"b", b"roots", DAY) == [TakeOver.BROKER_READS]
    assert watch.look(b"b", b"roots", DAY) == []
    assert watch.look(b"b", b"roots", NIGHT) == [TakeOver.WEB_AGAIN]
    assert watch.look(b"b", b"roots", NIGHT) == []
    assert watch.look(b"c", b"roots", NIGHT) == [TakeOver.BROKER_READS, TakeOver.WEB_AGAIN]


def test_new_roots_are_taken_over_at_once_and_once() -> None:
    watch = CertificateWatch()
    watch.look(b"a", b"roots", DAY)
    assert watch.look(b"b", b"roots", DAY) == [TakeOver.BROKER_READS]
    assert watch.look(b"c", b"others", DAY) == [TakeOver.BOTH_AGAIN]
    assert watch.look(b"c", b"others", NIGHT) == []


def test_it_renews_and_goes_on_after_a_failure(tmp_path: Path) -> None:
    at = datetime.now(UTC)
    authority = Authority(tmp_path / "ca", lambda: at)
    authority.server_certificate(*NAMES, files="services")

    async def scenario() -> None:
        nonlocal at
        told: asyncio.Queue[TakeOver] = asyncio.Queue()
        watching = watch_certificates(authority, NAMES, told.put_nowait, lambda: DAY, every_s=0.01)
        task = asyncio.create_task(watching)
        await asyncio.sleep(0.2)
        assert told.empty()
        async with asyncio.timeout(10):
            at += timedelta(days=500)
            assert await told.get() == TakeOver.BROKER_READS
            online = authority.intermediate_path.read_bytes()
            authority.intermediate_path.write_bytes(b"garbage")
            await asyncio.sleep(0.1)
            authority.intermediate_path.write_bytes(online)
            rotate(authority)
            while await told.get() != TakeOver.BOTH_AGAIN:  # the certificate may come before the roots
                pass
        await asyncio.sleep(0.1)
        assert told.empty()
        task.cancel()

    asyncio.run(scenario())
