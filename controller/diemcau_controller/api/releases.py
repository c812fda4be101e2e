"""/api/v1/releases: the versions of the units' software, and which of them the fleet may be given."""

from __future__ import annotations

from diemcau_wire.release import Version
from fastapi import APIRouter

from ..actions.releases import ReleaseNow, Withdrawal, offer, releases_now, withdraw
from .access import Core, KeyedAdministrator, Operator
from .answers import answers
from .views import View, text

router = APIRouter(tags=["releases"])


@router.get("/releases")
def list_releases(core: Core, who: Operator) -> list[View]:
    """Every release that was built here or offered, the newest first."""
    with core.database.read() as session:
        return [release_view(one) for one in releases_now(core, session)]


@router.post("/releases/{version}/offer", status_code=204, responses=answers(409, 422))
async def post_offer(core: Core, who: KeyedAdministrator, version: Version) -> None:
    """Let rollouts take it, once it was checked as a unit does; 409 says what a unit would refuse."""
    await offer(core, who, version)


@router.post("/releases/{version}/withdraw", status_code=204, responses=answers(404, 409, 422))
async def post_withdraw(core: Core, who: KeyedAdministrator, version: Version, spec: Withdrawal) -> None:
    """Let no rollout take it any more. Units that have it keep it."""
    await withdraw(core, who, version, spec)


def release_view(one: ReleaseNow) -> View:
    """A release."""
    return {
        "version": one.version,
        "state": one.standing.value,
        "python": one.python,
        "built_at": text(one.built_at),
        "bytes": one.sizes,
        "systems": [
            {"arch": system.arch, "bytes": system.size, "signed": system.signed} for system in one.systems
        ],
        "offered_by": one.offered_by,
        "offered_at": text(one.offered_at),
        "withdrawn_at": text(one.withdrawn_at),
        "reason": one.reason,
    }
