"""Servers are told when their certificate or the roots changed, and of nothing else."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

from diemcau_controller.adapters.authority import Authority
from diemcau_controller.adapters.authority.roots import rotate
from diemcau_controller.certificate_watch import watch_certificates

NAMES = (["localhost"], ["127.0.0.1"])


def test_told_of_a_renewed_certificate_and_of_new_roots(tmp_path: Path) -> None:
    at = datetime.now(UTC)
    authority = Authority(tmp_path / "ca", lambda: at)
    authority.server_certificate(*NAMES, files="services")

    async def scenario() -> None:
        nonlocal at
        told: asyncio.Queue[bool] = asyncio.Queue()
        task = asyncio.create_task(watch_certificates(authority, NAMES, told.put_nowait, every_s=0.01))
        await asyncio.sleep(0.2)
        assert told.empty()
        async with asyncio.timeout(10):
            at += timedelta(days=500)
            assert await told.get() is False
            online = authority.intermediate_path.read_bytes()
            authority.intermediate_path.write_bytes(b"garbage")  # a look that fails ends nothing
            await asyncio.sleep(0.1)
            authority.intermediate_path.write_bytes(online)
            rotate(authority)
            while not await told.get():  # the certificate may come before the roots
                pass
        await asyncio.sleep(0.1)
        assert told.empty()
        task.cancel()

    asyncio.run(scenario())
