"""Ansible's connection to a Debian tree that does not run: everything is done inside it by chroot.

So the playbook that makes a unit of a machine makes the image's system, too. `systemctl` in a chroot enables
and masks, and leaves out what would start or ask a running system.
"""

from __future__ import annotations

DOCUMENTATION = """
name: tree
short_description: a Debian tree on this machine, by chroot
description: Runs everything in a folder that holds a whole system; needs root.
options:
  tree:
    description: The folder.
    type: path
    required: true
    vars:
      - name: ansible_tree
  epoch:
    description: Seconds since 1970 that programs shall write where they would write the present time.
    type: int
    required: true
    vars:
      - name: ansible_tree_epoch
  become_success_timeout:
    description: As of the connection `local`.
    type: int
    default: 10
    vars:
      - name: ansible_local_become_success_timeout
  become_strip_preamble:
    description: As of the connection `local`.
    type: bool
    default: true
    vars:
      - name: ansible_local_become_strip_preamble
extends_documentation_fragment:
  - connection_pipelining
"""

import shlex  # noqa: E402
import shutil  # noqa: E402
from pathlib import Path  # noqa: E402

from ansible.plugins.connection.local import Connection as LocalConnection  # noqa: E402


class Connection(LocalConnection):  # type: ignore[misc]
    """Commands and files of the tree."""

    transport = "tree"

    def exec_command(
        self, cmd: str, in_data: bytes | None = None, sudoable: bool = True
    ) -> tuple[int, bytes, bytes]:
        """Run a command in the tree, with nothing of our environment."""
        words = [
            *("/usr/sbin/chroot", self.get_option("tree"), "/usr/bin/env", "-i"),
            *("PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LANG=C.UTF-8"),
            # said, because a chroot is not told from a root where no systemd runs on this machine either
            "SYSTEMD_OFFLINE=1",
            f"SOURCE_DATE_EPOCH={self.get_option('epoch')}",
            *("/bin/sh", "-c", cmd),
        ]
        done: tuple[int, bytes, bytes] = super().exec_command(shlex.join(words), in_data, sudoable)
        return done

    def put_file(self, in_path: str, out_path: str) -> None:
        """Copy a file of ours into the tree."""
        super().put_file(in_path, self._inside(out_path))

    def fetch_file(self, in_path: str, out_path: str) -> None:
        """Copy a file of the tree to us."""
        shutil.copyfile(self._inside(in_path), out_path)

    def _inside(self, path: str) -> str:
        return str(Path(self.get_option("tree")) / path.lstrip("/"))
