"""One open page: pulls from the hub on its own clock, and sends when the browser has drawn the last update."""

from __future__ import annotations

import itertools
import time
from typing import Any

import numpy as np
from bokeh.document import Document

from livebragg.errors import ConfigError
from livebragg.wire.messages import ClassMaps
from livebragg_dashboards.acting.desk import Desk
from livebragg_dashboards.acting.drawer import drawer
from livebragg_dashboards.asking.frames import FrameAnswer
from livebragg_dashboards.explore.keeping import kept
from livebragg_dashboards.feed.state import Snapshot
from livebragg_dashboards.listening.hub import Hub
from livebragg_dashboards.listening.hubs import other_hub, retire
from livebragg_dashboards.page.spares import take
from livebragg_dashboards.page.theme import Theme
from livebragg_dashboards.server.inbox import Inbox
from livebragg_dashboards.server.pacer import Pacer
from livebragg_dashboards.sources.alerts import shown_alerts
from livebragg_dashboards.viewing import details
from livebragg_dashboards.viewing.actions import read_action
from livebragg_dashboards.viewing.compose import Composer
from livebragg_dashboards.viewing.exploration import Exploration
from livebragg_dashboards.viewing.marks import mark_rows
from livebragg_dashboards.viewing.summary import strip
from livebragg_dashboards.viewing.viewer import Viewer
from livebragg_dashboards.words import count, seconds

_numbers = itertools.count(1)
"""Of sessions; an address would be used again, and get the answers of the session before."""

TICK_MS = 40
HEARTBEAT_S = 0.5
"""The page is told the time at least this often, so that ages go on and it knows that its server lives."""
TRENDS_S = 2.0
"""Five small plots with axes are as much work for a browser as the pictures."""


class Session:
    """Glue between the hub, one viewer's choices and one page.

    Parameters
    ----------
    doc : Document
    hub : Hub
    theme : Theme
    name : str
        What other viewers see when this one has control.
    looks_only : bool
        Nothing can be changed from this page.
    """

    def __init__(
        self, doc: Document, hub: Hub, theme: Theme, name: str = "this viewer", looks_only: bool = False
    ) -> None:
        self._hub, self._owner = hub, f"session {next(_numbers)}"
        self._viewer, self._composer, self._pacer = Viewer(), Composer(hub.shared), Pacer()
        self._inbox = Inbox()
        self._desk = Desk(hub, self._owner, name, self._viewer, looks_only, self._attach)
        self._exploration = Exploration(hub.inquiries, self._owner, self._viewer)
        self._page = take(theme)
        self._page.attach(doc)
        self._frozen: Snapshot | None = None
        """What is on view while the display is paused."""
        hub.owners.add(self._owner)
        self._opened_at = time.monotonic()
        self._epoch = -1
        self._asked: tuple[int, int] | None = None
        self._shown: tuple[Any, ...] = ()
        self._sent_at = float("-inf")
        self._updates = 0
        self._skipped = 0
        self._trends_at = float("-inf")
        self._axes: dict[str, Any] = {}
        self._dirty = True
        self._page.link.on_change("ack", self._acknowledged)
        self._page.link.on_change("action", self._acted)
        doc.add_periodic_callback(self.tick, TICK_MS)

    def close(self) -> None:
        """The browser has gone."""
        self._exploration.forget()
        retire(self._hub, self._owner)

    def tick(self) -> None:
        """One turn: carry out what was left over, then `_look`."""
        for text in self._inbox.next_turn():
            self._carry_out(text)
        self._look()

    def _look(self) -> None:
        """Send an update if there is something new and the browser can take it."""
        now = time.monotonic()
        if not self._pacer.may_send(now):
            return
        snapshot = self._hub.snapshot()
        if snapshot.epoch != self._epoch:
            self._begin_anew(snapshot)
        self._dirty |= self._desk.poll()
        self._frozen = (self._frozen or snapshot) if self._desk.paused else None
        answer, explored = self._answer(snapshot), self._exploration.step(self._frozen or snapshot)
        asked = (snapshot.epoch, answer and id(answer), explored)
        if self._dirty or asked != self._shown or self._is_due(snapshot, now):
            self._send(snapshot, answer, now, asked)

    def _is_due(self, snapshot: Snapshot, now: float) -> bool:
        """Whether there is news of the pipeline, or of the time, for a browser that is not busy."""
        is_news = snapshot.updates != self._updates or now - self._sent_at >= HEARTBEAT_S
        return is_news and self._pacer.has_rested(now)

    def _begin_anew(self, snapshot: Snapshot) -> None:
        self._epoch = snapshot.epoch
        self._updates = snapshot.updates - (ClassMaps in snapshot.slots)
        self._viewer.forget_acquisition()
        self._desk.forget_acquisition()
        self._frozen = None
        self._exploration.forget()

    def _answer(self, snapshot: Snapshot) -> FrameAnswer | None:
        """Ask for the frame of a newly selected position, and look whether it has come."""
        index = snapshot.index_of(self._viewer.selected)
        if index is None or snapshot.status is None:
            if self._asked is not None:
                self._hub.forget(self._owner)
            self._asked = None
            return None
        if self._asked != self._viewer.selected:
            self._asked = self._viewer.selected
            self._hub.ask_frame(self._owner, snapshot.status.serial, index)
        return details.frame_reply_matches(self._hub.answer(self._owner), index)

    def _send(self, snapshot: Snapshot, answer: FrameAnswer | None, now: float, asked: tuple[Any, ...]) -> None:
        shown = self._frozen or snapshot
        view, answer = self._exploration.view(shown), self._exploration.complete(answer, shown)
        scene = self._composer.scene(shown, self._viewer, answer, now, self._desk.radius, view.own)
        self._axes = scene.axes
        texts: dict[str, Any] = {
            "strip": strip(snapshot, now, self._hub.feed, self._hub.problem),
            "legend": details.legend(shown),
            "headers": details.headers(shown, scene, self._viewer, answer),
            "readout": details.readout(shown, scene, self._viewer.hover, view),
            "drawer": drawer(self._desk, snapshot, self._viewer.selected, now),
            "trends": details.trend_values(snapshot),
            "marks": {"on": self._viewer.marks, "rows": mark_rows(snapshot.status, scene.axes.get("classes"))},
            "alerts": shown_alerts(self._hub.feed),
            "rejected": snapshot.rejected_reason[:160],
        }
        data_at = self._count_skipped(snapshot)
        texts["pace"] = self._pace(now)
        texts["seq"] = self._pacer.sent(now, data_at)
        if now - self._trends_at >= TRENDS_S:
            self._draw_trends(now)
        acquisition = shown.status.acquisition if shown.status is not None else None
        view.texts["keep"] = kept(self._viewer.explorer, acquisition, shown.serial)
        view.texts["restored"] = self._viewer.restored
        self._page.explore.draw(view, texts)
        self._page.draw(scene, texts)
        self._shown, self._sent_at, self._dirty = asked, now, False

    def _count_skipped(self, snapshot: Snapshot) -> float | None:
        """When the class maps that are new in this update arrived; ``None`` when there are none."""
        new = snapshot.updates - self._updates
        self._updates = snapshot.updates
        slot = snapshot.slots.get(ClassMaps)
        if new <= 0 or slot is None:
            return None
        self._skipped += new - 1
        return max(slot.received_at, self._opened_at)

    def _draw_trends(self, now: float) -> None:
        self._trends_at = now
        self._page.draw_trends(self._hub.trend_columns(now))

    def _pace(self, now: float) -> dict[str, str]:
        ages = self._pacer.drawn_ages()[-100:]
        p50, p95 = (float(p) for p in np.percentile(ages, [50, 95])) if ages else (float("nan"),) * 2
        return {
            "rate": f"{self._pacer.rate_hz(now):.1f} /s",
            "p50": seconds(p50),
            "p95": seconds(p95),
            "skipped": count(self._skipped),
            "dropped": count(self._inbox.dropped) if self._inbox.dropped else "",
        }

    # ----------------------------------------------------------------------------- from the browser
    def _acknowledged(self, attr: str, old: int, new: int) -> None:
        if self._pacer.acknowledge(new, time.monotonic()):
            self._page.outbox.drawn()
            self._look()

    def _acted(self, attr: str, old: str, new: str) -> None:
        if self._inbox.take(new):
            self._carry_out(new)

    def _carry_out(self, text: str) -> None:
        action = read_action(text)
        controls = self._desk.act(action, self._hub.snapshot(), self._axes, time.monotonic())
        self._dirty |= controls or self._viewer.act(action, self._axes)

    def _attach(self, feed: str, control: str) -> str:
        """Show another pipeline; in words why not, if not."""
        try:
            hub = other_hub(feed, control)
        except ConfigError as error:
            return str(error)
        if hub is not self._hub:
            hub.owners.add(self._owner)
            self._exploration.forget()
            retire(self._hub, self._owner)
            self._exploration = Exploration(hub.inquiries, self._owner, self._viewer)
            self._hub = self._desk.hub = hub
            self._asked, self._epoch, self._composer = None, -1, Composer(hub.shared)
        return ""
