"""One page's explorer at work: asks the pipeline in turn, and makes views of what has come."""

from __future__ import annotations

from livebragg_dashboards.asking.frames import FrameAnswer
from livebragg_dashboards.asking.inquiries import Answer, Inquiries
from livebragg_dashboards.explore.rounds import Rounds
from livebragg_dashboards.explore.views import ExploreComposer, View
from livebragg_dashboards.feed.state import Snapshot
from livebragg_dashboards.feed.units import q_pixel_size
from livebragg_dashboards.viewing.viewer import Viewer


class Exploration:
    """Between a viewer's `Explorer`, the hub's questions, and the page.

    Parameters
    ----------
    inquiries : Inquiries
    owner : str
        Name of the page there.
    viewer : Viewer
    """

    def __init__(self, inquiries: Inquiries, owner: str, viewer: Viewer) -> None:
        self._inquiries, self._owner, self._viewer = inquiries, owner, viewer
        self._composer, self._rounds = ExploreComposer(), Rounds()
        self._answers: dict[str, Answer] = {}

    def step(self, snapshot: Snapshot) -> tuple[int, ...]:
        """Ask for what is explored, one thing at a time; what is returned changes when an answer has come."""
        explorer = self._viewer.explorer
        explorer.look(snapshot, q_pixel_size(snapshot.status))
        self._answers = self._inquiries.answers(self._owner)
        selected = snapshot.index_of(self._viewer.selected)
        wanted = explorer.questions(snapshot.serial, selected) if snapshot.slots else []
        question = self._rounds.next(wanted, self._answers, (snapshot.epoch, snapshot.updates))
        if question is not None and not self._inquiries.ask(self._owner, question):
            self._rounds.forget()  # too many pages ask: again at the next turn
        return tuple(map(id, self._answers.values()))

    def view(self, snapshot: Snapshot) -> View:
        """What is to be drawn."""
        explorer, scales = self._viewer.explorer, self._viewer.scales
        size, selected = q_pixel_size(snapshot.status), snapshot.index_of(self._viewer.selected)
        return self._composer.view(snapshot, explorer, self._answers, size, scales, selected)

    def complete(self, answer: FrameAnswer | None, snapshot: Snapshot) -> FrameAnswer | None:
        """The answer to a click; disks that are known take the place of a frame that is gone."""
        return self._composer.without_picture(answer, self._answers, snapshot)

    def forget(self) -> None:
        """The page was closed, or its acquisition is over: no answer means anything any more."""
        self._inquiries.forget(self._owner)
        self._rounds.forget()
        self._answers = {}
