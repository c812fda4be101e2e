"""Which Debian packages an image is made of: one list with the playbook that provisions machines."""

from __future__ import annotations

from pathlib import Path

import yaml

HERE = Path(__file__).parent
ARCHITECTURES = ("amd64", "arm64")
OF_ROLE = "roles/unit_packages/vars/main.yml"


def packages(playbooks: Path, arch: str) -> list[str]:
    """Names, sorted: what the role `unit_packages` of these playbooks installs, with what Wi-Fi and mobile
    lines need, and what makes of it a system of its own."""
    role = yaml.safe_load((playbooks / OF_ROLE).read_text(encoding="utf-8"))
    found = {*role["unit_packages_always"], *role["unit_packages_of_mobile"]}
    for name in ("common", arch):
        found |= set(listed((HERE / f"packages/{name}.txt").read_text(encoding="utf-8")))
    return sorted(found)


def listed(text: str) -> list[str]:
    """The words of a list, one a line; `#` begins a remark."""
    words = (line.partition("#")[0].strip() for line in text.splitlines())
    return [word for word in words if word]
