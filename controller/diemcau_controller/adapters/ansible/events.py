"""What ansible-runner says while a playbook runs, read whatever it may hold."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from ...actions.rollouts.hands import HostEvent, last_lines
from ...rules.update_words import Word, read_word

# The kinds of events that end a task on a host.
_ENDS = {
    "runner_on_ok": "ok",
    "runner_on_skipped": "skipped",
    "runner_on_failed": "failed",
    "runner_on_unreachable": "unreachable",
}
_SAID = ("msg", "stderr", "stdout", "module_stderr", "module_stdout", "exception")
# What Ansible does here, without asking the unit.
_DONE_HERE = frozenset(
    {
        "add_host",
        "assert",
        "debug",
        "fail",
        "group_by",
        "import_role",
        "import_tasks",
        "include_role",
        "include_tasks",
        "include_vars",
        "meta",
        "pause",
        "set_fact",
        "validate_argument_spec",
    }
)
FACT = "diemcau_update"
"""The fact in which a task says how the unit stands: :func:`...rules.update_words.read_word`."""


def read_event(event: Mapping[str, Any]) -> HostEvent | None:
    """What an event says of a unit; None for those that say nothing of one."""
    outcome = _ENDS.get(str(event.get("event")))
    data = event.get("event_data")
    if outcome is None or not isinstance(data, Mapping):
        return None
    host, task, result = data.get("host"), data.get("task"), data.get("res")
    if not isinstance(host, str) or not isinstance(task, str):
        return None
    said: Mapping[str, Any] = result if isinstance(result, Mapping) else {}
    if outcome == "ok" and said.get("changed") is True:
        outcome = "changed"
    if outcome == "failed" and data.get("ignore_errors") is True:
        outcome = "ok"
    return HostEvent(
        unit=host,
        task=task,
        outcome=outcome,
        at=_moment(event.get("created")),
        millis=_millis(data.get("duration")),
        word=_word(said),
        tail=last_lines(_text(said)) if outcome in ("failed", "unreachable") else (),
        there=outcome not in ("skipped", "unreachable") and _action(data) not in _DONE_HERE,
    )


def _action(data: Mapping[str, Any]) -> str:
    """The name of the task's module, without its collection."""
    return str(data.get("task_action")).rpartition(".")[2]


def _word(result: Mapping[str, Any]) -> Word | None:
    facts, message = result.get("ansible_facts"), result.get("msg")
    if isinstance(facts, Mapping) and FACT in facts:
        return read_word(facts[FACT])
    if isinstance(message, Mapping):
        return read_word(message.get("diemcau"))
    return None


def _text(result: Mapping[str, Any]) -> str:
    parts = [str(result[name]) for name in _SAID if result.get(name)]
    return "\n".join(reversed(parts))  # what Ansible itself says of it comes last, and is kept


def _moment(text: Any) -> datetime:
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError:
        return datetime.now(UTC)
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _millis(seconds: Any) -> int:
    return int(1000 * seconds) if isinstance(seconds, int | float) and 0 <= seconds < 86_400 else 0
