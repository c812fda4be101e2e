"""`diemcau enrol`, and what of `diemcau unit` admits, locks out and decides about units."""

from __future__ import annotations

from typing import Annotated

import typer

from .client import DEFAULT_STATE_DIR, JsonOption, StateDirOption, controller
from .show import print_json, print_table

enrol = typer.Typer(help="Units that wait to be admitted, and alarms of wrong codes.", no_args_is_help=True)

_WHOM = {
    "code": "one code",
    "account": "account",
    "source": "address",
    "all": "everybody",
    "voucher": "papers from",
}


def approve(
    code: Annotated[str, typer.Argument(help="The nine digits on the unit's screen.")],
    site: Annotated[str, typer.Argument(help="The site it shall serve.")],
    replace: Annotated[
        bool, typer.Option("--replace", help="In the place of the unit that is there.")
    ] = False,
    state_dir: StateDirOption = DEFAULT_STATE_DIR,
    as_json: JsonOption = False,
) -> None:
    """Admit the unit whose screen shows the code."""
    body = {"code": code, "site": site, "what": "replace" if replace else "install"}
    with controller(state_dir) as api:
        done = api.post("enrolments/approve", body)
    if as_json:
        print_json(done)
    elif done["former"]:
        typer.echo(f"unit {done['unit']} serves {site} in the place of {done['former']}, which is locked out")
    else:
        typer.echo(f"unit {done['unit']} serves {site}")


def revoke(
    unit: Annotated[str, typer.Argument(help="The unit.")],
    reason: Annotated[str, typer.Option(help="Why; it stands in the list of changes.")],
    state_dir: StateDirOption = DEFAULT_STATE_DIR,
) -> None:
    """Lock a unit out: stolen, lost, or its identity was copied. Its site has none then."""
    with controller(state_dir) as api:
        api.post(f"units/{unit}/revoke", {"reason": reason})
    typer.echo(f"unit {unit} is locked out")


def clones(state_dir: StateDirOption = DEFAULT_STATE_DIR, as_json: JsonOption = False) -> None:
    """Identities that two boxes have, to be decided."""
    with controller(state_dir) as api:
        found = api.get("clones")
        if as_json:
            print_json(found)
            return
        rows = [
            (one["number"], one["unit"], one["site"] or "–", api.local(one["found_at"]), len(one["boots"]))
            for one in found
        ]
        print_table(("number", "unit", "site", "found", "starts seen"), rows, "there are none")


def decide(
    number: Annotated[int, typer.Argument(help="As `diemcau unit clones` shows it.")],
    verdict: Annotated[
        str,
        typer.Argument(
            help="mistaken: it is one box. enrol_anew: the identity ends, the box makes a new one."
        ),
    ],
    state_dir: StateDirOption = DEFAULT_STATE_DIR,
) -> None:
    """Decide about an identity that two boxes have."""
    with controller(state_dir) as api:
        api.post(f"clones/{number}/decide", {"verdict": verdict})
    typer.echo("decided")


@enrol.command("list")
def list_waiting(state_dir: StateDirOption = DEFAULT_STATE_DIR, as_json: JsonOption = False) -> None:
    """Who waits (codes are on their screens only), and which alarms stand."""
    with controller(state_dir) as api:
        found = api.get("enrolments")
        if as_json:
            print_json(found)
            return
        rows = [
            (one["id"], one["serial"] or "–", one["model"] or "–", one["from"], api.local(one["asked_at"]))
            for one in found["waiting"]
        ]
        print_table(("request", "serial", "model", "from", "since"), rows, "no unit waits")
        for alarm in found["alarms"]:
            whom = f"{_WHOM.get(alarm['scope'], alarm['scope'])} {alarm['subject']}".strip()
            typer.echo(
                f"ALARM {alarm['number']}: too many wrong codes ({whom}) since {api.local(alarm['since'])}: "
                f"find out who it was, then `diemcau enrol lift {alarm['number']}`"
            )


@enrol.command("refuse")
def refuse(
    request: Annotated[str, typer.Argument(help="As `diemcau enrol list` shows it.")],
    reason: Annotated[str, typer.Option(help="Why, for the list of changes.")] = "",
    state_dir: StateDirOption = DEFAULT_STATE_DIR,
) -> None:
    """Refuse a unit that waits."""
    with controller(state_dir) as api:
        api.post(f"enrolments/{request}/refuse", {"reason": reason})
    typer.echo("refused")


@enrol.command("lift")
def lift(
    number: Annotated[int, typer.Argument(help="The alarm, as `diemcau enrol list` shows it.")],
    state_dir: StateDirOption = DEFAULT_STATE_DIR,
) -> None:
    """Lift an alarm of too many wrong codes."""
    with controller(state_dir) as api:
        api.post(f"enrolments/alarms/{number}/lift")
    typer.echo("lifted")
