"""What the controller keeps beside the releases for whoever provisions units."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import cast

from diemcau_controller.actions.controller import Controller
from diemcau_controller.adapters.authority import Authority
from diemcau_controller.adapters.releases.ceremony import set_up
from diemcau_controller.adapters.releases.repository import Repository
from diemcau_controller.config import StateDir
from diemcau_controller.rules.releases import Need
from diemcau_controller.services.release_keeper import ReleaseKeeper


def test_whose_logins_count_lies_beside_the_first_root(tmp_path: Path) -> None:
    state = StateDir(tmp_path / "state")
    state.make()
    authority = Authority(state.authority)
    authority.ensure()
    controller = SimpleNamespace(state=state, now=lambda: datetime.now(UTC), releases=None)
    keeper = ReleaseKeeper(cast(Controller, controller))
    asyncio.run(keeper.look())
    assert controller.releases.need is Need.NOT_SET_UP and not state.releases.exists()
    set_up(Repository(state), [tmp_path / "keys"], 1, datetime.now(UTC))
    asyncio.run(keeper.look())
    named = state.releases / "ssh_authority"
    assert named.read_text() == f"{authority.ssh.user_ca()}\n" and (state.releases / "root.json").exists()
    authority.ssh.change_users()
    asyncio.run(keeper.look())
    assert named.read_text() == f"{authority.ssh.user_ca()}\n", "units provisioned from now on know the new"
    named.unlink()
    named.mkdir()
    asyncio.run(keeper.look())
    assert controller.releases.need is Need.REPAIR
