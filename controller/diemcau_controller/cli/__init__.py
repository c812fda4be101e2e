"""`diemcau`: the command line at the coordinator's.

It talks to the running controller over HTTPS, like any other client, with the local administrator's token
from the state folder. Exit codes: 0 done, 1 failed, 2 wrong usage, 3 something is missing on this machine.
"""

from __future__ import annotations

import sys

import typer

from . import (
    audit,
    backup,
    ca,
    enrol,
    fleet,
    incidents,
    later,
    meetings,
    papers,
    reach,
    release,
    rollout,
    run,
    sites,
    urgent,
    users,
    watch,
    wire,
)
from .client import Failed

app = typer.Typer(
    name="diemcau",
    help="Điểm Cầu: the video meetings of commune halls nobody looks after.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("serve")(run.serve)
app.command("demo")(run.demo)
app.command("status")(watch.status)
app.command("events")(watch.events)
app.add_typer(sites.areas, name="area")
app.add_typer(sites.sites, name="site")
app.add_typer(fleet.units, name="unit")
fleet.units.command("approve")(enrol.approve)
fleet.units.command("revoke")(enrol.revoke)
fleet.units.command("clones")(enrol.clones)
fleet.units.command("decide")(enrol.decide)
fleet.units.command("later")(later.later)
fleet.units.command("confirm")(later.confirm)
fleet.units.command("deny")(later.deny)
app.command("reach")(reach.reach)
app.add_typer(enrol.enrol, name="enrol")
app.add_typer(papers.vouchers, name="voucher")
app.add_typer(papers.orders, name="order")
app.add_typer(meetings.meetings, name="meeting")
app.add_typer(urgent.urgent, name="urgent")
app.add_typer(incidents.incidents, name="incident")
app.add_typer(release.releases, name="release")
app.add_typer(rollout.rollouts, name="rollout")
app.add_typer(rollout.freezes, name="freeze")
app.command("inventory")(rollout.inventory)
app.add_typer(users.users, name="user")
app.add_typer(ca.ca, name="ca")
app.add_typer(wire.wire, name="wire")
app.add_typer(audit.audits, name="audit")
app.add_typer(backup.backups, name="backup")
app.command("restore")(backup.restore)


def main() -> int:
    """Entry point."""
    try:
        app()
    except Failed as failed:
        print(f"diemcau: {failed}", file=sys.stderr)  # noqa: T201
        return failed.code
    except KeyboardInterrupt:
        return 0
    return 0
