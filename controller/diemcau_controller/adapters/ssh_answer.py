"""Does the unit itself answer at an address? Asked by OpenSSH's own client, which looks at its host key and
shows nothing to whoever answers."""

from __future__ import annotations

import asyncio
import os
import re
import tempfile
from contextlib import suppress
from pathlib import Path

from .ssh_files import Reached, write_ssh_files

_PATIENCE_S = 10.0
# Nobody may log in who shows nothing; that is said once the host key was looked at, and alone. A line further
# down may be anybody's: what another machine hangs up with is printed, line ends and all.
_IT_IS = re.compile(r"\S+@\S+: Permission denied \(")


async def why_not(reached: Reached) -> str:
    """ "" when the unit answers there; otherwise why not, in a few words. Raises OSError for a full disk."""
    with tempfile.TemporaryDirectory(prefix="diemcau-answer-") as folder:
        config = await asyncio.to_thread(write_ssh_files, Path(folder), reached)
        options = ["-F", str(config), "-o", "PreferredAuthentications=none", "-o", "ConnectTimeout=8"]
        try:
            asking = await asyncio.create_subprocess_exec(
                "ssh",
                *options,
                reached.unit,
                "true",
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.PIPE,
                env={**os.environ, "LC_ALL": "C"},
            )
        except FileNotFoundError:
            return "ssh is missing here: install the package openssh-client"
        try:
            async with asyncio.timeout(_PATIENCE_S):
                _, said = await asking.communicate()
        except TimeoutError:
            return "no answer in time"
        finally:
            if asking.returncode is None:
                with suppress(ProcessLookupError):
                    asking.kill()
                await asking.wait()
    text = said.decode(errors="replace")
    lines = ["".join(letter for letter in line if letter.isprintable()) for line in text.splitlines()]
    lines = [line for line in lines if line.strip()]
    if not lines:
        return "it hung up"
    return "" if _IT_IS.match(lines[0]) else lines[0][:200]
