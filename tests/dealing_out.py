"""Which worker of `make test` gets which file, and when. Files stay whole.

As many workers as there are cores take the files in their order. One more, :data:`NAP`, takes only those that
wait for much of their time: for rings, for time-outs, for lines that are down. The idlest come first, so that
the others have the machine nearly for themselves while they hold their meetings in real time; its own
meetings follow, beside tests that mind no delay.
"""

from __future__ import annotations

from pathlib import Path

from xdist.scheduler import LoadFileScheduling
from xdist.workermanage import WorkerController

NAP = "nap"

# Whole meetings, the longest first: what begins late holds up the end.
FIRST = (
    "test_demo",
    "test_widths",
    "test_enrolment",
    "test_rtsp_passthrough",
    "test_a_day",
    "test_board",
    "test_room_from_outside",
    "test_restore",
    "test_box_to_unit",
    "test_docs",
    "test_floor",
)

# All have deadlines of many seconds. First those of one unit or none; the next five take 0.3, 0.4, 0.5, 0.5
# and 0.7 of a core (measured); in the last one three halls meet, like in the one before.
WAITING = (
    "test_unit_link",
    "test_unit_meeting",
    "test_wrong_clocks",
    "test_janus_rooms",
    "test_trials",
    "test_mqtt_link",
    "test_enrolling_unit",
    "test_launcher",
    "test_agent_services",
    "test_faults_below",
    "test_healthy_halls",
    "test_privacy",
    "test_room_check",
    "test_urgent",
    "test_faults",
)

_RANK = {name: place for place, name in enumerate((*FIRST, *WAITING))}


def rank(file: Path) -> int:
    """Files of a smaller rank come first."""
    return _RANK.get(file.stem, len(_RANK))


class Dealer(LoadFileScheduling):
    """NAP gets files of WAITING and nothing else; to the others these come last."""

    def _reschedule(self, node: WorkerController) -> None:
        if self.workqueue and self._next_for(node) is None and not node.shutting_down:
            node.shutdown()
        else:
            super()._reschedule(node)

    def _assign_work_unit(self, node: WorkerController) -> None:
        file = self._next_for(node)
        if file is not None:
            self.workqueue.move_to_end(file, last=False)
            super()._assign_work_unit(node)

    def _next_for(self, node: WorkerController) -> str | None:
        naps = node.gateway.id == NAP
        fitting = (file for file in self.workqueue if (Path(file).stem in WAITING) == naps)
        return next(fitting, None if naps else next(iter(self.workqueue)))
