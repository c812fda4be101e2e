"""The docs say everything there is: settings, topics, routes, commands, counters, make targets."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from diemcau_agent.cli import _parser
from diemcau_controller.api import (
    areas,
    attachments,
    attendees,
    board,
    enrol,
    enrolments,
    events,
    faults,
    floor,
    halls,
    hands,
    health,
    incidents,
    later_bindings,
    meetings,
    releases,
    reports,
    sites,
    units,
    urgent,
    users,
    vouchers,
)
from diemcau_controller.cli import app
from diemcau_controller.config import Settings
from diemcau_controller.web import (
    announce,
    announcement,
    openid,
    rollouts,
    second_factor,
    unit_page,
    work_orders,
)
from diemcau_controller.web import board as board_page
from diemcau_controller.web import chair as chair_page
from diemcau_controller.web import enrol as enrol_page
from diemcau_controller.web import enrolments as enrolments_page
from diemcau_controller.web import incidents as incidents_page
from diemcau_controller.web import meeting as meeting_page
from diemcau_controller.web import report as report_page
from diemcau_controller.web import schedule as schedule_page
from diemcau_controller.web import vouchers as vouchers_page
from diemcau_wire import Channel, Reason
from diemcau_wire.messages import EventKind, Verb
from pydantic import BaseModel

ROOT = Path(__file__).parents[2]
INTERFACES = (ROOT / "docs/interfaces.md").read_text()
OPERATING = (ROOT / "docs/operating.md").read_text()


def settings(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from settings(field.annotation, f"{prefix}{name}.")
        else:
            yield prefix + name


def controller_commands() -> Iterator[str]:
    def walk(name: str, command: object) -> Iterator[str]:
        children = getattr(command, "commands", None)
        if children is None:
            yield name
        else:
            for word, child in children.items():
                yield from walk(f"{name} {word}", child)

    return walk("diemcau", typer.main.get_command(app))


def agent_commands() -> Iterator[str]:
    for action in _parser()._actions:
        if isinstance(action, argparse._SubParsersAction):
            yield from (f"diemcau-agent {name}" for name in action.choices)


def routes() -> Iterator[str]:
    for part, prefix in (
        *(
            (module, "/api/v1")
            for module in (
                areas,
                attachments,
                attendees,
                board,
                enrolments,
                events,
                faults,
                floor,
                halls,
                hands,
                incidents,
                later_bindings,
                meetings,
                releases,
                reports,
                sites,
                units,
                urgent,
                users,
                vouchers,
            )
        ),
        (enrol, ""),
        (health, ""),
        (incidents_page, ""),
        (report_page, ""),
        (board_page, ""),
        (chair_page, ""),
        (meeting_page, ""),
        (schedule_page, ""),
        (announce, ""),
        (announcement, ""),
        (enrol_page, ""),
        (enrolments_page, ""),
        (work_orders, ""),
        (vouchers_page, ""),
        (unit_page, ""),
        (second_factor, ""),
        (openid, ""),
        (rollouts, ""),
    ):
        for route in part.router.routes:
            for method in sorted(route.methods - {"HEAD"}):
                yield f"{method} {prefix}{route.path}"


def test_every_setting_is_in_the_table() -> None:
    rows = "\n".join(line for line in OPERATING.splitlines() if line.startswith("|"))
    assert [name for name in settings(Settings) if f"`{name}`" not in rows] == []


def test_every_command_is_described() -> None:
    commands = [*controller_commands(), *agent_commands()]
    assert [name for name in commands if not re.search(rf"`{re.escape(name)}[ `]", INTERFACES)] == []


def test_every_route_is_described() -> None:
    assert [route for route in routes() if f"`{route}`" not in INTERFACES] == []


def test_every_word_of_the_wire_is_described() -> None:
    words = [*Channel, *Reason, *Verb, *EventKind]
    assert [word for word in words if f"`{word}`" not in INTERFACES] == []


def test_every_channel_is_in_the_architecture() -> None:
    architecture = (ROOT / "ARCHITECTURE.md").read_text()
    assert [channel for channel in Channel if f"`{channel}`" not in architecture] == []


def test_make_lists_every_target() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    assert targets == set(re.findall(r"^([a-z]+):.*##", makefile, re.MULTILINE))
    phony = re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    assert phony is not None and set(phony[1].split()) == targets


# not below what is made here: .venv, .lab, …
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("[!.]*/**/*.md")])


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    if "node_modules" in page.parts:
        return
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text()):
        assert "://" in target or (page.parent / target).exists(), target
