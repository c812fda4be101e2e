"""/enrol/v1: a unit asks to be admitted, and asks who it is. No log-in and no certificate: proof of its key.

Models and what is signed: :mod:`diemcau_wire.enrolment`.
"""

from __future__ import annotations

import asyncio
from typing import TypeVar

from diemcau_wire import MAX_BYTES, Refused
from diemcau_wire.enrolment import (
    PATH,
    EnrolRequest,
    EnrolReveal,
    IdentityRequest,
    Proof,
    Roots,
    take,
)
from diemcau_wire.messages import Part
from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import JSONResponse

from ..actions.identity_answer import challenge, identity_answer
from ..actions.receive_enrolment import enrolment_status, open_enrolment, receive_enrolment
from ..adapters.authority import Authority
from ..rules.refusals import Invalid
from .access import Core
from .answers import answers

router = APIRouter(prefix=PATH, tags=["enrolment"])

M = TypeVar("M", bound=Part)


@router.get("/roots")
def get_roots(core: Core) -> JSONResponse:
    """The certificates a unit pins, and whose they are."""
    authority = Authority(core.state.authority, core.now)
    authority.ensure()
    name = core.settings.coordinator.name[:64]
    return _said(Roots(roots=authority.roots(), name=name, now=core.now()))


@router.post("/requests", status_code=201, responses=answers(409, 422, 429))
async def post_request(core: Core, request: Request) -> JSONResponse:
    """A unit asks to be admitted."""
    asked = await _taken(request, EnrolRequest)
    answer = await receive_enrolment(core, asked, _source(request))
    return _said(answer, 201)


@router.post("/requests/{request_id}/reveal", status_code=204, responses=answers(404, 409, 422))
async def post_reveal(core: Core, request: Request, request_id: str) -> None:
    """The unit opens its nonce; the digits are on its screen from now on."""
    opened = await _taken(request, EnrolReveal)
    await open_enrolment(core, request_id, opened.nonce)


@router.post("/requests/{request_id}/status", responses=answers(403, 404, 422))
async def post_status(core: Core, request: Request, request_id: str) -> JSONResponse:
    """How the request stands."""
    proof = await _taken(request, Proof)
    status = await asyncio.to_thread(enrolment_status, core, request_id, proof.signature)
    return _said(status)


@router.post("/challenge")
def post_challenge(core: Core) -> JSONResponse:
    """A nonce to prove one's key with, and the time."""
    answer = challenge(core.now())
    return _said(answer)


@router.post("/identity", responses=answers(403, 409, 422))
async def post_identity(core: Core, request: Request) -> JSONResponse:
    """What the unit is to us, signed: its certificate, or that it has ended."""
    asked = await _taken(request, IdentityRequest)
    answer = await identity_answer(core, asked)
    return _said(answer)


async def _taken(request: Request, model: type[M]) -> M:
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > MAX_BYTES:
            raise HTTPException(413, f"that is more than {MAX_BYTES} bytes")
    try:
        return take(model, bytes(body))
    except Refused as error:
        raise Invalid(str(error), code="enrol.not_understood") from None


def _said(answer: Part, status: int = 200) -> JSONResponse:
    return JSONResponse(answer.model_dump(mode="json", exclude_none=True), status)


def _source(request: Request) -> str:
    return request.client.host[:60] if request.client is not None else ""
