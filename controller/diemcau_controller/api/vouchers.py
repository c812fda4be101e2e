"""/api/v1/vouchers: papers that prepare a site; /api/v1/work-orders: what technicians shall do where."""

from __future__ import annotations

from fastapi import APIRouter

from ..actions.vouchers import VoucherSpec, make_voucher, vouchers, withdraw_voucher
from ..actions.work_orders import WorkOrderSpec, close_order, open_order, work_orders
from ..store.tables import Voucher, WorkOrder
from .access import Core, KeyedOperator, Operator, Technician
from .answers import answers
from .views import View, text

router = APIRouter(tags=["enrolment"])


@router.get("/vouchers")
def list_vouchers(core: Core, who: Operator) -> list[View]:
    """Papers that were made, the newest first."""
    with core.database.read() as session:
        return [voucher_view(one) for one in vouchers(session, who)]


@router.post("/vouchers", status_code=201, responses=answers(404, 422))
async def post_voucher(core: Core, who: KeyedOperator, spec: VoucherSpec) -> View:
    """Make a paper; `text`, for its QR code, is told only now."""
    paper = await make_voucher(core, who, spec)
    return {
        "id": paper.id,
        "site": paper.site,
        "what": paper.what,
        "expires_at": text(paper.expires_at),
        "text": paper.text,
    }


@router.delete("/vouchers/{voucher}", status_code=204, responses=answers(404))
async def delete_voucher(core: Core, who: KeyedOperator, voucher: str) -> None:
    """Let a paper that was not used admit nobody."""
    await withdraw_voucher(core, who, voucher)


@router.get("/work-orders")
def list_orders(core: Core, who: Technician) -> list[View]:
    """Work orders, open ones first; a technician's own."""
    with core.database.read() as session:
        return [order_view(one) for one in work_orders(session, who)]


@router.post("/work-orders", status_code=201, responses=answers(404, 422))
async def post_order(core: Core, who: Operator, spec: WorkOrderSpec) -> View:
    """Open a work order for a technician."""
    made = await open_order(core, who, spec)
    with core.database.read() as session:
        return order_view(session.get_one(WorkOrder, made))


@router.post("/work-orders/{order}/close", status_code=204, responses=answers(404, 409))
async def post_close(core: Core, who: Operator, order: str) -> None:
    """Close a work order of which nothing came."""
    await close_order(core, who, order)


def voucher_view(row: Voucher) -> View:
    """A paper, without what lets it admit a unit."""
    return {
        "id": row.id,
        "site": row.site_id,
        "what": row.what,
        "made_by": row.made_by,
        "made_at": text(row.made_at),
        "expires_at": text(row.expires_at),
        "used_at": text(row.used_at),
        "used_by": row.used_by,
        "withdrawn_at": text(row.withdrawn_at),
    }


def order_view(row: WorkOrder) -> View:
    """A work order."""
    return {
        "id": row.id,
        "site": row.site_id,
        "what": row.what,
        "technician": row.technician,
        "note": row.note,
        "opened_by": row.opened_by,
        "opened_at": text(row.opened_at),
        "until": text(row.until),
        "closed_at": text(row.closed_at),
        "unit": row.unit_id,
    }
