"""What is in an image, as a bill of materials: CycloneDX 1.5, from dpkg's status and the release."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from diemcau_wire.release import Arch, Release

from .layout import fixed


def paragraphs(status: str) -> Iterator[dict[str, str]]:
    """The packages of /var/lib/dpkg/status; lines that go on are left out."""
    for block in status.split("\n\n"):
        fields = (line.partition(":") for line in block.splitlines() if line[:1] not in (" ", "\t", ""))
        if entry := {key: value.strip() for key, _, value in fields}:
            yield entry


def installed(status: str) -> list[dict[str, str]]:
    """Those that are installed, by name."""
    there = [one for one in paragraphs(status) if one.get("Status", "").endswith(" installed")]
    return sorted(there, key=lambda one: (one["Package"], one.get("Architecture", "")))


def sbom(name: str, arch: str, status: str, release: Release, root_sha256: str, epoch: int) -> dict[str, Any]:
    """The document. The same image gives the same document."""
    debian = [_debian(one) for one in installed(status)]
    ours = [
        {
            "type": "library",
            "bom-ref": f"pypi/{part.name}@{part.version}",
            "name": part.name,
            "version": part.version,
            "purl": f"pkg:pypi/{quote(part.name.lower())}@{quote(part.version)}",
            "hashes": [{"alg": "SHA-256", "content": part.sha256}],
        }
        for part in sorted(release.parts, key=lambda part: part.name)
        if part.arch in (Arch.ANY, Arch(arch))
    ]
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "serialNumber": uuid.uuid5(fixed("sbom"), root_sha256).urn,
        "version": 1,
        "metadata": {
            "timestamp": datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "component": {
                "type": "operating-system",
                "bom-ref": name,
                "name": name,
                "version": release.version,
                "hashes": [{"alg": "SHA-256", "content": root_sha256}],
            },
        },
        "components": [*debian, *ours],
    }


def _debian(one: dict[str, str]) -> dict[str, Any]:
    name, version, arch = one["Package"], one["Version"], one.get("Architecture", "all")
    source, _, its = one.get("Source", name).partition(" ")
    purl = f"pkg:deb/debian/{quote(name)}@{quote(version, safe='')}?arch={arch}&distro=bookworm"
    return {
        "type": "library",
        "bom-ref": f"deb/{name}:{arch}@{version}",
        "name": name,
        "version": version,
        "purl": purl,
        "properties": [{"name": "debian:source", "value": f"{source} {its.strip('()') or version}"}],
    }
