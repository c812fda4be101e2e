"""/api/v1/enrolments: units that wait to be admitted, approved by the digits on their screens; the alarms of
too many wrong tries; and identities that two boxes have."""

from __future__ import annotations

from typing import Annotated

from diemcau_wire.enrolment import What
from diemcau_wire.messages import SiteId
from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field

from ..actions.approve_unit import approve, look_up
from ..actions.clones import CloneVerdict, decide_clone, open_clones
from ..actions.refuse_enrolment import pending, refuse
from ..actions.revoke_unit import revoke
from ..actions.wrong_tries import lift_alarm, standing_alarms
from ..store.tables import Clone, Enrolment, TryAlarm
from .access import Core, KeyedAdministrator, KeyedOperator, KeyedTechnician, Operator, Technician
from .answers import answers
from .views import View, text

router = APIRouter(tags=["enrolment"])

Code = Annotated[str, Field(max_length=300, description="nine digits, or the address the unit's QR code is")]


class Look(BaseModel):
    """The digits on a unit's screen."""

    model_config = ConfigDict(extra="forbid")
    code: Code


class Approval(Look):
    """Which site the unit that shows the digits shall serve."""

    site: SiteId
    what: What


class Reason(BaseModel):
    """Why, for the list of changes."""

    model_config = ConfigDict(extra="forbid")
    reason: Annotated[str, Field(max_length=500)] = ""


class Decision(BaseModel):
    """What to do about an identity that two boxes have."""

    model_config = ConfigDict(extra="forbid")
    verdict: CloneVerdict


@router.get("/enrolments")
def list_enrolments(core: Core, who: Operator) -> View:
    """Units that wait, without their codes, and the alarms that stand."""
    with core.database.read() as session:
        return {
            "waiting": [enrolment_view(row) for row in pending(session, core.now())],
            "alarms": [alarm_view(row) for row in standing_alarms(session)],
        }


@router.post("/enrolments/look", responses=answers(404, 409, 422))
async def post_look(core: Core, request: Request, who: Technician, look: Look) -> View:
    """The unit that shows these digits; digits that none shows are counted as a wrong try."""
    return enrolment_view(await look_up(core, who, look.code, source_of(request)))


@router.post("/enrolments/approve", responses=answers(404, 409, 422))
async def post_approve(core: Core, request: Request, who: KeyedTechnician, approval: Approval) -> View:
    """Admit the unit that shows these digits to a site, in the place of the one it has."""
    done = await approve(core, who, approval.code, approval.site, approval.what, source_of(request))
    return {
        "enrolment": done.enrolment,
        "unit": done.unit,
        "site": done.site,
        "epoch": done.epoch,
        "former": done.former,
    }


@router.post("/enrolments/{enrolment}/refuse", status_code=204, responses=answers(404, 409))
async def post_refuse(core: Core, who: KeyedOperator, enrolment: str, why: Reason) -> None:
    """Refuse a unit that waits."""
    await refuse(core, who, enrolment, why.reason)


@router.post("/enrolments/alarms/{number}/lift", status_code=204, responses=answers(404))
async def post_lift(core: Core, who: KeyedAdministrator, number: int) -> None:
    """Lift an alarm of too many wrong tries."""
    await lift_alarm(core, who, number)


@router.post("/units/{unit}/revoke", status_code=204, responses=answers(404, 422))
async def post_revoke(core: Core, who: KeyedOperator, unit: str, why: Reason) -> None:
    """Lock a unit out: its site has none then."""
    await revoke(core, who, unit, why.reason)


@router.get("/clones")
def list_clones(core: Core, who: Operator) -> list[View]:
    """Identities that two boxes have, to be decided."""
    with core.database.read() as session:
        return [clone_view(one) for one in open_clones(session, who)]


@router.post("/clones/{number}/decide", status_code=204, responses=answers(404, 409))
async def post_decide(core: Core, who: KeyedOperator, number: int, decision: Decision) -> None:
    """Decide about one."""
    await decide_clone(core, who, number, decision.verdict)


def source_of(request: Request) -> str:
    """The address somebody asks from."""
    return request.client.host[:60] if request.client is not None else ""


def enrolment_view(row: Enrolment) -> View:
    """A request as people see it: never with its code."""
    return {
        "id": row.id,
        "unit": row.unit_id,
        "serial": row.serial,
        "model": row.model,
        "version": row.version,
        "from": row.source,
        "state": row.state,
        "reason": row.reason,
        "asked_at": text(row.created_at),
        "expires_at": text(row.expires_at),
        "site": row.site_id,
    }


def alarm_view(row: TryAlarm) -> View:
    """An alarm: whom it is about, since when."""
    return {"number": row.number, "scope": row.scope, "subject": row.subject, "since": text(row.since)}


def clone_view(row: Clone) -> View:
    """An identity that two boxes have, with the starts that were seen of them."""
    return {
        "number": row.number,
        "unit": row.unit_id,
        "site": row.site_id,
        "found_at": text(row.found_at),
        "why": row.why,
        "boots": row.boots,
    }
