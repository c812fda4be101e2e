"""`diemcau audit`: the list of changes."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from ..config import StateDir
from .client import DEFAULT_STATE_DIR, Failed, JsonOption, StateDirOption
from .show import print_json

audits = typer.Typer(help="The list of changes.", no_args_is_help=True)


@audits.callback()
def audit() -> None:
    """The list of changes."""


@audits.command("verify")
def verify(
    state_dir: StateDirOption = DEFAULT_STATE_DIR,
    head: Annotated[
        list[str] | None,
        typer.Option("--head", metavar="NUMBER:HASH", help="As printed earlier, or by `backup check`."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Look whether somebody changed, removed, inserted or reordered rows; exit 1 then. Needs no controller.

    A tail that was cut off, or a list that was written anew, shows against an earlier head.
    """
    from ..rules.audit_chain import Head, follow
    from ..store.chain import ChainUnreadable, chained_rows, verdict_line

    try:
        known = [Head.parse(text) for text in head or ()]
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    try:
        verdict = follow(chained_rows(StateDir(state_dir).database), known)
    except ChainUnreadable as error:
        raise Failed(str(error)) from None
    if as_json:
        faults = [asdict(fault) for fault in verdict.faults]
        print_json(
            {
                "whole": verdict.whole,
                "rows": verdict.rows,
                "head": str(verdict.head),
                "broken": verdict.broken,
                "faults": faults,
            }
        )
    elif verdict.whole:
        typer.echo(verdict_line(verdict))
    if not verdict.whole:
        raise Failed(verdict_line(verdict))
