"""The pages: rendered here, kept live by fetching a part of themselves again; no other origin is used."""

from __future__ import annotations

from fastapi import FastAPI
from starlette.middleware.gzip import GZipMiddleware

from . import (
    account,
    announce,
    announcement,
    audit,
    board,
    chair,
    enrol,
    enrolments,
    failures,
    faults,
    hall,
    incidents,
    live,
    login,
    meeting,
    openid,
    report,
    rollouts,
    schedule,
    second_factor,
    sites,
    unit_page,
    urgent,
    users,
    vouchers,
    work_orders,
)
from .assets import asset
from .static_files import PageFiles


def install(app: FastAPI) -> None:
    """Add pages, live streams and static files to the application; raises NotBuilt when these are missing."""
    asset("app.js")
    for part in (
        board.router,
        live.router,
        login.router,
        schedule.router,
        announce.router,  # /meetings/new before /meetings/{meeting}
        announcement.router,
        meeting.router,
        chair.router,
        urgent.router,
        incidents.router,
        report.router,
        users.router,
        account.router,
        second_factor.router,
        openid.router,
        audit.router,
        faults.router,
        enrol.router,
        enrolments.router,
        work_orders.router,
        vouchers.router,
        rollouts.router,
        unit_page.router,
        *sites.ROUTERS,
    ):
        app.include_router(part)
    hall.install(app)
    failures.install(app)
    app.mount("/static", PageFiles(), name="static")
    app.add_middleware(GZipMiddleware, minimum_size=1000, compresslevel=6)
