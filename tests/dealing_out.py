"""Which worker of `make test` gets which file, and when. Files stay whole.

As many workers as there are cores take the files in their order. One more, :data:`NAP`, takes only those that
mostly wait: for time-outs, for lines that are down, for what does not come. Beside it the others keep the
machine nearly for themselves, as meetings in real time want it.
"""

from __future__ import annotations

from pathlib import Path

from xdist.scheduler import LoadFileScheduling
from xdist.workermanage import WorkerController

NAP = "nap"

# Whole meetings, the longest first: what begins late holds up the end.
FIRST = (
    "test_demo",
    "test_room_check",
    "test_urgent",
    "test_widths",
    "test_enrolment",
    "test_rtsp_passthrough",
    "test_a_day",
    "test_faults",
    "test_board",
    "test_room_from_outside",
    "test_restore",
    "test_healthy_halls",
    "test_box_to_unit",
    "test_privacy",
    "test_docs",
    "test_floor",
)

# One unit or none, deadlines of many seconds, and a third of a core or less.
WAITING = (
    "test_unit_link",
    "test_unit_meeting",
    "test_faults_below",
    "test_wrong_clocks",
    "test_janus_rooms",
    "test_trials",
    "test_mqtt_link",
    "test_enrolling_unit",
    "test_launcher",
    "test_agent_services",
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
