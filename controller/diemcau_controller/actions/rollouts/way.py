"""The way to a unit for Ansible: to its own address, or over a line that it dials; and a key that is good
there for an hour."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...adapters.authority import Authority
from ...adapters.ssh_files import new_key, write_ssh_files
from ...rules.actor import SYSTEM
from ..controller import Controller
from ..reach import AT_MOST_MINUTES, reach


async def open_way(controller: Controller, unit: str, folder: Path) -> Mapping[str, Any]:
    """Ansible's variables for the unit; what they name lies in `folder`, which is the unit's alone.

    Raises :class:`...rules.refusals.Refusal` as :func:`..reach.reach` does, or OSError.
    """
    key = await asyncio.to_thread(new_key, folder)
    reached = await reach(controller, SYSTEM, unit, key, AT_MOST_MINUTES)
    file = await asyncio.to_thread(write_ssh_files, folder, reached)
    authority = Authority(controller.state.authority, controller.now)
    return {
        "ansible_ssh_common_args": f"-F {shlex.quote(str(file))}",
        "login_authorities": [authority.ssh.user_ca()],
    }
