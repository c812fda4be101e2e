"""Orders that a whole system brings, on a box that was flashed with an image: root puts it into the other
slot and starts it, the image's own `good.sh` has it judged, and here is seen what came of it.

Root believes nothing from here: RAUC takes only what the image's keyring vouches for.
"""

from __future__ import annotations

from diemcau_wire import Refused
from diemcau_wire.release import System, read_system, write_system

from diemcau_agent.rules.systems import Outcome, Seen, outcome, trouble_of
from diemcau_agent.rules.updating import Cue, State, Why, is_older
from diemcau_agent.unit.state_folder import write_atomically

from .asking import Asking
from .download import Store
from .places import Places
from .slots import Slots
from .trouble import Trouble

INSTALL_LIMIT_S = 3600.0  # a slow card, in the background
START_LIMIT_S = 120.0
OK = "ok"


class Systems:
    """What an updater does with the other slot. Nothing of it is there on a machine that was provisioned."""

    def __init__(self, places: Places, asking: Asking) -> None:
        self._places, self._asking, self._slots = places, asking, Slots(places)
        self.store = Store(places.systems)

    def wants(self, version: str) -> bool:
        """Whether this box has slots, and an older system runs in one than `version` may bring."""
        runs = self._slots.runs()
        return runs is not None and runs != version and not is_older(version, runs)

    def other_holds(self, version: str) -> bool:
        """Whether that system lies in the other slot, whole."""
        return self._slots.other_holds() == version

    def to_go_back_to(self, release: str) -> str:
        """The system in the other slot with which `release` ran. Raises :class:`Trouble`."""
        before = self._slots.proven_before()
        if before is None or before[1] != release:
            raise Trouble(Why.NO_KEPT, f"release {release} is not on this unit any more")
        return before[0]

    def write_verified(self, system: System) -> None:
        """Keep what the bundle is that came. Raises OSError."""
        write_atomically(self._places.verified_system, write_system(system))

    def install(self, state: State) -> None:
        """Have the system in the other slot. Raises :class:`Trouble` and OSError."""
        if self.other_holds(state.system):  # the power failed before that was written down
            return
        try:
            system = read_system(self._places.verified_system.read_bytes())
            whole = self.store.path(system).stat().st_size == system.size
        except (FileNotFoundError, Refused) as error:
            raise Trouble(Why.DAMAGED, f"the system that was fetched is gone: {error}") from None
        if system.version != state.system or not whole:
            raise Trouble(Why.DAMAGED, "what was fetched is not the system that is ordered")
        said = self._asking.system(f"install {system.sha256}", state.order, INSTALL_LIMIT_S)
        if said is None:
            raise Trouble(Why.LAYOUT, f"nobody put the system there within {INSTALL_LIMIT_S:.0f} s")
        if said != OK:
            raise Trouble(trouble_of(said), said)
        self.must_hold(state.system)

    def must_hold(self, version: str) -> None:
        """Raise :class:`Trouble` when that system ("": none is meant) is not in the other slot."""
        if version and not self.other_holds(version):
            raise Trouble(Why.DAMAGED, f"the other slot does not hold the system {version}")

    def outcome(self, state: State, boot: str) -> Outcome:
        """What became of an order that is flipped or at the gate. One that is still to be flipped has the box
        start again: after that there is nobody here."""
        seen = Seen(
            runs=self._slots.runs() or "",
            good=self._slots.good(),
            same_start=state.boot == boot,
            chosen=self._slots.chosen_by() == state.order,
            left=self._slots.left(),
        )
        found = outcome(state, seen)
        if found.cue is not None or seen.runs == state.system:
            return found
        said = self._asking.system("start", state.order, START_LIMIT_S)
        if said == OK:
            return found
        return Outcome(Cue.STAYED, Why.LAYOUT, f"the boot loader was not told: {said or 'nobody answered'}")

    def clear(self) -> None:
        """Remove what was fetched. Raises OSError."""
        self.store.clear()
