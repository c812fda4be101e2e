"""An administrator says that a subject was marked as security by mistake, and why."""

from __future__ import annotations

from typing import Annotated

from diemcau_wire.messages import Nfc
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from ..rules.actor import Actor
from ..rules.refusals import Conflict
from .audit import record
from .change_meeting import changeable
from .controller import Controller


def _said(value: str) -> str:
    if len(value.strip()) < 5:
        raise ValueError("say in a few words why the mark was a mistake")
    return value.strip()


class GateConfirmation(BaseModel):
    """Why the mark was a mistake."""

    model_config = ConfigDict(extra="forbid")
    reason: Annotated[str, Field(min_length=5, max_length=1000), Nfc, AfterValidator(_said)]


async def confirm_gate(controller: Controller, who: Actor, meeting_id: str, reason: str) -> None:
    """Record it; from then on the meeting may be online. For a degree of secrecy there is no such word."""

    def change(session: Session) -> None:
        now = controller.now()
        meeting = changeable(session, who, meeting_id, None)
        if not meeting.security_subject:
            raise Conflict(
                f"meeting {meeting_id} is not marked as security and defence: there is nothing to confirm",
                code="gate.nothing_marked",
            )
        before = {"gate_confirmed_by": meeting.gate_confirmed_by, "gate_reason": meeting.gate_reason}
        meeting.gate_confirmed_by, meeting.gate_reason = who.name, reason
        meeting.version += 1
        after = {"gate_confirmed_by": who.name, "gate_reason": reason, "version": meeting.version}
        record(
            session,
            who,
            now,
            "meeting.confirm_gate",
            f"meeting:{meeting_id}",
            before={**before, "version": meeting.version - 1},
            after=after,
        )

    await controller.write(change)
    controller.news.tell("schedule", meeting=meeting_id)
