"""Releases: which there are, and which of them rollouts may take."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, TypeVar

from diemcau_wire.messages import Nfc
from diemcau_wire.release import Arch, order, system_target
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select
from sqlalchemy.orm import Session

from ..adapters.releases.contents import built, read_built
from ..adapters.releases.errors import ReleaseError
from ..adapters.releases.repository import Repository
from ..adapters.releases.systems import systems_there
from ..adapters.releases.verify import signed_systems, signed_versions, verify
from ..rules.actor import Actor
from ..rules.refusals import Conflict, NotFound
from ..rules.releases import Standing, check_not_older
from ..store.tables import OfferedRelease
from .audit import record
from .controller import Controller

T = TypeVar("T")


class Withdrawal(BaseModel):
    """Why a release is withdrawn; it stands in the list of changes."""

    model_config = ConfigDict(extra="forbid")
    reason: Annotated[str, Field(min_length=1, max_length=500), Nfc]


@dataclass(frozen=True, slots=True)
class SystemNow:
    """A system that a release brings, in bytes; units see it once it is `signed`."""

    arch: str
    size: int
    signed: bool


@dataclass(frozen=True, slots=True)
class ReleaseNow:
    """How a release stands. `sizes` is what a unit of each kind would fetch that has nothing, in bytes;
    `systems` are those it brings for boxes that were flashed with an image. What is not here any more (after
    a restored backup, for instance) has `python` "" and no sizes."""

    version: str
    standing: Standing
    python: str
    built_at: datetime | None
    sizes: dict[str, int]
    systems: tuple[SystemNow, ...]
    offered_by: str | None
    offered_at: datetime | None
    withdrawn_at: datetime | None
    reason: str


def releases_now(controller: Controller, session: Session) -> list[ReleaseNow]:
    """Every release that was built here or offered, the newest first. Reads files."""
    repository = Repository(controller.state)
    rows = {row.version: row for row in session.scalars(select(OfferedRelease))}
    signed = set(_or_nothing(lambda: signed_versions(repository)))
    systems = set(_or_nothing(lambda: list(signed_systems(repository))))
    here = built(repository.targets)
    versions = sorted({*rows, *signed, *here}, key=order, reverse=True)
    return [_now(repository, version, rows.get(version), version in signed, systems) for version in versions]


def offered(session: Session) -> list[str]:
    """Versions that rollouts may take, the newest first."""
    rows = session.scalars(select(OfferedRelease.version).where(OfferedRelease.withdrawn_at.is_(None)))
    return sorted(rows, key=order, reverse=True)


def find_offered(session: Session, version: str) -> OfferedRelease:
    """A release that rollouts may take. Raises NotFound, Conflict."""
    row = session.get(OfferedRelease, version)
    if row is None:
        raise NotFound(
            f"{version[:40]} was not offered: see `diemcau release list`",
            code="releases.unknown",
            version=version[:40],
        )
    if row.withdrawn_at is not None:
        raise Conflict(
            f"{version} was withdrawn: {row.reason}",
            code="releases.withdrawn",
            version=version,
            reason=row.reason,
        )
    return row


async def offer(controller: Controller, who: Actor, version: str) -> None:
    """Let rollouts take a release, once a unit would take it. One that was withdrawn is offered again; what
    is offered already is no change. Raises Conflict, which says what a unit would refuse."""
    try:
        verified = await asyncio.to_thread(verify, Repository(controller.state), version)
    except ReleaseError as error:
        raise Conflict(str(error), code="releases.unfit", version=version, why=str(error)) from None
    now = controller.now()

    def change(session: Session) -> None:
        row = session.get(OfferedRelease, version)
        if row is not None and row.sha256 != verified.sha256:
            raise Conflict(
                f"{version} was offered with other contents: build what changed under a higher number",
                code="releases.changed",
                version=version,
            )
        if row is not None and row.withdrawn_at is None:
            return
        check_not_older(version, offered(session))
        before = _said(row) if row is not None else None
        if row is None:
            row = OfferedRelease(version=version, sha256=verified.sha256)
            session.add(row)
        row.offered_by, row.offered_at = who.name, now
        row.withdrawn_by, row.withdrawn_at, row.reason = None, None, ""
        record(session, who, now, "release.offer", f"release:{version}", before=before, after=_said(row))

    await controller.write(change)
    controller.news.tell("release")


async def withdraw(controller: Controller, who: Actor, version: str, spec: Withdrawal) -> None:
    """Let no rollout take a release any more; units that have it keep it. Raises NotFound, Conflict."""
    now = controller.now()

    def change(session: Session) -> None:
        row = find_offered(session, version)
        before = _said(row)
        row.withdrawn_by, row.withdrawn_at, row.reason = who.name, now, spec.reason
        record(session, who, now, "release.withdraw", f"release:{version}", before=before, after=_said(row))

    await controller.write(change)
    controller.news.tell("release")


def _or_nothing(read: Callable[[], list[T]]) -> list[T]:
    """What is there, or nothing of what is damaged: health says so, and it cannot be offered."""
    try:
        return read()
    except ReleaseError:
        return []


def _said(row: OfferedRelease) -> dict[str, object]:
    return {"offered": row.withdrawn_at is None, "sha256": row.sha256, "reason": row.reason}


def _now(
    repository: Repository, version: str, row: OfferedRelease | None, signed: bool, systems: set[str]
) -> ReleaseNow:
    if row is not None:
        standing = Standing.OFFERED if row.withdrawn_at is None else Standing.WITHDRAWN
    else:
        standing = Standing.SIGNED if signed else Standing.BUILT
    release = next(iter(_or_nothing(lambda: [read_built(repository.targets, version)])), None)
    sizes = {}
    if release is not None:
        for arch in (Arch.AMD64, Arch.ARM64):
            sizes[arch.value] = sum(part.size for part in release.parts_for(arch))
    return ReleaseNow(
        version=version,
        standing=standing,
        python=release.python if release is not None else "",
        built_at=release.built_at if release is not None else None,
        sizes=sizes,
        systems=tuple(
            SystemNow(one.arch.value, one.size, system_target(version, one.arch) in systems)
            for one in _or_nothing(lambda: systems_there(repository.targets, version))
        ),
        offered_by=row.offered_by if row is not None else None,
        offered_at=row.offered_at if row is not None else None,
        withdrawn_at=row.withdrawn_at if row is not None else None,
        reason=row.reason if row is not None else "",
    )
