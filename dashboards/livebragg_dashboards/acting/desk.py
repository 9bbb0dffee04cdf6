"""One viewer's controls: who may act, what was asked, and what became of it. No Bokeh here."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from livebragg.wire.messages import VectorMap
from livebragg_dashboards.acting.orders import finite, order_of
from livebragg_dashboards.asking.acts import Outcome
from livebragg_dashboards.drawing.calibration_ring import ENOUGH, on_ring, radius_at, snapped, straightened
from livebragg_dashboards.drawing.orientation import Axes
from livebragg_dashboards.feed.state import Snapshot
from livebragg_dashboards.listening.hub import Hub
from livebragg_dashboards.viewing.actions import Action
from livebragg_dashboards.viewing.viewer import Viewer

SHOWN = 3
"""Acts whose outcome is shown."""

KINDS = ("do", "floor", "ring", "pause", "attach")

_LOOKS_ONLY = "this page only looks; open it without ?view, on a server that is not read-only"


@dataclass(slots=True)
class Act:
    """Something that was asked."""

    number: int
    what: str
    state: str
    """``pending``, ``done`` or ``refused``."""
    note: str = ""


class Desk:
    """Controls of one session.

    Parameters
    ----------
    hub : Hub
        Pipeline that is acted on; `attach` changes it.
    owner, name : str
        The session, and what the others see.
    viewer : Viewer
        Whose selection marks and orders refer to.
    looks_only : bool
        Nothing can be changed from this page.
    attach : callable
        Attaches the page to other endpoints; returns in words why not, or nothing.
    """

    def __init__(
        self, hub: Hub, owner: str, name: str, viewer: Viewer, looks_only: bool, attach: Callable[[str, str], str]
    ) -> None:
        self.hub = hub
        self.name = name
        self.looks_only = looks_only
        self.acts: deque[Act] = deque(maxlen=SHOWN)
        self.paused = False
        self.radius: float | None = None
        self.spacing: float | None = None
        self._owner, self._viewer, self._attach = owner, viewer, attach
        self._number = 0
        self._pending: Act | None = None

    @property
    def has_control(self) -> bool:
        """Whether this page may act."""
        return not self.looks_only and self.hub.floor.held_by(self._owner)

    @property
    def pending(self) -> bool:
        """Whether an act has no outcome yet."""
        return self._pending is not None

    @property
    def shown(self) -> list[Act]:
        """Acts to show, the newest last; one without an outcome among them."""
        lost = self._pending is not None and self._pending not in self.acts
        return [*([self._pending] if lost and self._pending else []), *self.acts]

    def act(self, action: Action, snapshot: Snapshot, axes: dict[str, Axes], now: float) -> bool:
        """Carry out an action of the browser; false when it is none of the controls'."""
        kind = action.get("kind")
        if kind not in KINDS:
            return False
        if kind == "pause":
            self.paused = action.get("on") is True
        elif kind == "ring":
            self._choose_ring(action, snapshot, axes)
        elif kind == "floor":
            self._floor(action.get("take") is True, now)
        elif kind == "attach":
            self._attach_to(action, now)
        else:
            self._do(action, snapshot, now)
        return True

    def poll(self) -> bool:
        """Look whether an outcome has come."""
        outcome = self.hub.outcome(self._owner)
        if outcome is None and self._pending is not None and self.hub.problem:
            outcome = Outcome(self._pending.number, False, f"not known: {self.hub.problem}")
        if outcome is not None:
            self._settle(outcome)
        return outcome is not None

    def forget_acquisition(self) -> None:
        """Nothing that was chosen in the old scan means anything in the new one."""
        self.radius = None
        self.paused = False
        # That the page was attached elsewhere is what brought the new scan.
        self.acts = deque((act for act in self.acts if act.what == "attach"), maxlen=SHOWN)

    # ------------------------------------------------------------------------------------------- acting
    def _floor(self, take: bool, now: float) -> None:
        if not take:
            self.hub.floor.release(self._owner)
        elif not self.looks_only:
            self.hub.floor.take(self._owner, self.name, now)

    def _do(self, action: Action, snapshot: Snapshot, now: float) -> None:
        what = str(action.get("what"))[:30]
        problem = self._hindrance(now)
        if problem:
            self._note(what, "refused", problem)
            return
        serial = snapshot.status.serial if snapshot.status is not None else 0
        order = order_of(
            action | {"peaks": self._measurable(action, snapshot)}, serial, self._position(action, snapshot)
        )
        if isinstance(order, str):
            self._note(what, "refused", order)
            return
        self._pending = self._note(what, "pending")
        self.hub.act(self._owner, self._pending.number, order)

    def _hindrance(self, now: float) -> str:
        """Why this page may not act now; empty when it may."""
        if self.looks_only:
            return _LOOKS_ONLY
        if self.hub.problem:
            return self.hub.problem
        if not self.has_control:
            return f"{self.hub.floor.holder} has control" if self.hub.floor.holder else "take control first"
        self.hub.floor.touch(self._owner, now)
        return "one thing at a time: the one before has no answer yet" if self.pending else ""

    def _attach_to(self, action: Action, now: float) -> None:
        feed, control = action.get("feed"), action.get("control")
        problem = _LOOKS_ONLY if self.looks_only else ""
        if not problem and not (isinstance(feed, str) and isinstance(control, str)):
            problem = "give the feed's and the control's endpoint"
        if not problem:
            problem = self._attach(str(feed), str(control))
        if not problem and self._pending is not None:
            self._settle(Outcome(self._pending.number, False, "not known: the page shows another pipeline now"))
        self._note("attach", "refused" if problem else "done", problem or f"attached to {feed}")

    def _note(self, what: str, state: str, note: str = "") -> Act:
        self._number += 1
        self.acts.append(Act(self._number, what, state, note))
        return self.acts[-1]

    def _settle(self, outcome: Outcome) -> None:
        act = self._pending
        if act is None or act.number != outcome.number:  # an answer to one that is settled
            return
        self._pending = None
        act.state, act.note = "done" if outcome.done else "refused", outcome.note
        if act in self.acts:
            self.acts.remove(act)
        self.acts.append(act)

    # -------------------------------------------------------------------------------- what orders refer to
    def _position(self, action: Action, snapshot: Snapshot) -> int:
        index = snapshot.index_of(self._viewer.selected) if action.get("where") == "position" else None
        return -1 if index is None else index

    def _measurable(self, action: Action, snapshot: Snapshot) -> bool:
        radius, message = finite(action.get("radius")), snapshot.get(VectorMap)
        return radius is not None and message is not None and peaks_on(radius, snapshot) >= ENOUGH

    def _choose_ring(self, action: Action, snapshot: Snapshot, axes: dict[str, Axes]) -> None:
        message, x, y = snapshot.get(VectorMap), finite(action.get("x")), finite(action.get("y"))
        if "spacing" in action:
            self.spacing = finite(action["spacing"])
        if "radius" in action:
            self.radius = finite(action["radius"])
        elif x is not None and y is not None and message is not None and "vectors" in axes:
            matrix = straightened(snapshot.status)
            radius = radius_at(x, y, message, axes["vectors"], matrix)
            self.radius = round(snapped(radius, message, matrix), 3)


def peaks_on(radius: float, snapshot: Snapshot) -> int:
    """Tracked peaks on a ring."""
    message = snapshot.get(VectorMap)
    if message is None or not radius > 0:
        return 0
    return int(on_ring(radius, message, straightened(snapshot.status)).size)
